"""The kill run: five owners of different weights, small requests by the hundred, and a storm in which server, workers and
studios are killed, stopped and let go again at random moments. Nothing is lost, nothing is done twice, the weights
hold, and who comes back from the dead writes nothing.

The storm's seed is printed; `RUSHES_TEST_CHAOS_SEED` chooses another one. `RUSHES_TEST_CHAOS_STORMS` makes
it so many times as long, with so many times the requests; `make fuzz` does.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from rushes.core.request import Attempt, Status
from rushes.ledger.queue import Ledger
from tests.e2e.served import GMI, Server, alive, eventually, kill, runs, serve, write_cards
from tests.engines.installed import install_colour_engine

SEED = int(os.environ.get("RUSHES_TEST_CHAOS_SEED", "11"))
STORMS = int(os.environ.get("RUSHES_TEST_CHAOS_STORMS", "1"))
REQUESTS = STORMS * 140
CONTESTED = STORMS * 100
"""So many starts are counted: as long as everybody still has requests in the line."""
WEIGHTS = {"ann": 1.0, "bob": 1.0, "cyd": 2.0, "dan": 2.0, "eve": 4.0}
LEASE = 1.5
HASTY = {
    "lease_seconds": LEASE,
    "beat_seconds": 0.2,
    "max_failures": 50,
    "cancel_grace": 1,
    "drain_seconds": 30,
}
STRIKES = STORMS * (
    ["kill studio"] * 2 + ["kill worker"] * 2 + ["kill server"] + ["freeze worker"] * 3 + ["freeze studio"]
    + ["freeze server"]
)  # fmt: skip


@contextmanager
def opened(data: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{data / 'ledger.sqlite3'}", lease_seconds=LEASE)
    try:
        yield ledger
    finally:
        ledger.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder beside which the colour engine is installed, with `cards` that have every model made by it."""
    install_colour_engine(tmp_path / "site", monkeypatch)
    write_cards(tmp_path / "cards", "colour", fps=1)
    return tmp_path


def submit_all(server: Server, ledger: Ledger) -> dict[str, str]:
    """Owners by request: as many for each as his weight says."""
    owners = {}
    for owner, weight in WEIGHTS.items():
        ledger.change_owner(owner, weight=weight)
        key = {"authorization": f"Bearer {ledger.create_key(owner)}"}
        for number in range(round(REQUESTS * weight / sum(WEIGHTS.values()))):
            body = {"model": "kling-v2-6", "payload": {"prompt": f"{owner} {number}", "sound": "off"}}
            answer = server.call("POST", f"{GMI}/requests", body, headers=key)
            assert answer.status_code == 200, answer.text
            owners[str(answer.json()["request_id"])] = owner
    return owners


def signal_to(process: psutil.Process, number: signal.Signals) -> None:
    if alive(process):
        process.send_signal(number)


def freeze(process: psutil.Process, until: Callable[[], bool]) -> None:
    signal_to(process, signal.SIGSTOP)
    end = time.monotonic() + 3 * LEASE
    while time.monotonic() < end and not until():
        time.sleep(0.05)
    signal_to(process, signal.SIGCONT)


def in_hand(ledger: Ledger, pid: int) -> list[str]:
    """The requests that the worker of this process holds."""
    page = ledger.list(status=Status.PROCESSING, limit=20)
    return [
        request.id
        for request in page.requests
        for attempt in ledger.attempts(request.id)
        if attempt.ended_by is None and attempt.worker.endswith(f"/{pid}")
    ]


class Storm:
    """Strikes that fall on a house, which is started anew when its server falls."""

    def __init__(self, data: Path, cards: Path) -> None:
        self._draw = random.Random(SEED)
        self._data = data
        self._cards = cards
        self.struck: Counter[str] = Counter()
        self.servers = 0

    @contextmanager
    def house(self) -> Iterator[Server]:
        self.servers += 1
        with serve(self._data, cards=self._cards, workers=2, **HASTY) as server:
            yield server

    def rage(self, ledger: Ledger) -> None:
        strikes = self._draw.sample(STRIKES, len(STRIKES))
        while strikes:
            with self.house() as server:
                eventually(server.studios, "studio")
                while strikes:
                    time.sleep(self._draw.uniform(0.1, 0.6))  # the moment of the blow
                    strike = strikes.pop()
                    self.struck[strike] += 1
                    self._strike(server, ledger, *strike.split())
                    if strike == "kill server":
                        family = server.family()
                        eventually(lambda: not any(map(alive, family)), "end of the orphans")  # noqa: B023
                        break

    def _strike(self, server: Server, ledger: Ledger, how: str, whom: str) -> None:
        server.family()
        victims = {
            "studio": server.studios,
            "worker": server.workers,
            "server": lambda: [psutil.Process(server.process.pid)],
        }[whom]()
        if not victims:
            return
        victim = self._draw.choice(victims)
        if how == "kill":
            kill(victim)
        elif whom == "worker":
            held = in_hand(ledger, victim.pid)
            freeze(victim, lambda: bool(held) and not set(held) & set(in_hand(ledger, victim.pid)))
        else:
            moment = time.monotonic() + self._draw.uniform(0.2, 1.0)
            freeze(victim, lambda: time.monotonic() > moment)


def one_visible_completion(ledger: Ledger, data: Path, request_id: str) -> list[Attempt]:
    request = ledger.get(request_id)
    attempts = list(ledger.attempts(request_id))
    assert request.status is Status.SUCCESS, (request.error, attempts)
    finished = [attempt.fence for attempt in attempts if attempt.ended_by == "finish"]
    assert finished == [request.fence]
    assert [attempt.fence for attempt in attempts] == list(range(1, request.fence + 1))
    assert request.outcome is not None
    video = data / "files" / request.outcome.video
    assert request.outcome.video.startswith(f"{request_id}/{request.fence}.")
    assert video.stat().st_size == request.outcome.size > 0
    return attempts


def jain(shares: list[float]) -> float:
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


def test_a_storm_loses_nothing(home: Path) -> None:
    data, cards = home / "data", home / "cards"
    storm = Storm(data, cards)
    with serve(data, cards=cards, workers=0, **HASTY) as server, opened(data) as ledger:
        owners = submit_all(server, ledger)
        server.kill()  # accepted means durable
    with opened(data) as ledger:
        assert ledger.tally()[Status.QUEUED] == len(owners) == REQUESTS
        storm.rage(ledger)
        with storm.house():
            eventually(lambda: ledger.tally()[Status.SUCCESS] == REQUESTS, "end of all requests", 90 * STORMS)
        attempts = {request_id: one_visible_completion(ledger, data, request_id) for request_id in owners}
        assert ledger.list().total == REQUESTS
    starts = sorted((tries[0].started_at, owners[request_id]) for request_id, tries in attempts.items())
    counted = Counter(owner for _, owner in starts[:CONTESTED])
    shares = [
        counted[owner] / (CONTESTED * weight / sum(WEIGHTS.values())) for owner, weight in WEIGHTS.items()
    ]
    ends = Counter(attempt.ended_by for tries in attempts.values() for attempt in tries)
    log = data.with_name("data.log").read_text()
    refused = log.count('"lease lost"') + log.count('"verb": "lost"')
    print(
        f"\nseed {SEED}: {dict(storm.struck)}, {storm.servers} servers; attempts {dict(ends)}; "
        f"writes of zombies refused: {refused}; shares by weight {[round(share, 2) for share in shares]}, "
        f"Jain {jain(shares):.3f}"
    )
    assert ends["finish"] == REQUESTS
    assert ends["take over"] >= 1
    assert refused >= 1
    assert all(0.9 <= share <= 1.1 for share in shares)
    assert jain(shares) >= 0.98


def test_work_of_a_killed_worker_starts_again_within_a_lease_and_a_second(home: Path) -> None:
    signals = home / "signals"
    signals.mkdir()
    cards = write_cards(home / "held", "colour", fps=1, signals=str(signals))
    data = home / "data"
    with serve(data, cards=cards, workers=2, **HASTY) as server, opened(data) as ledger:
        request_id = server.submit({"prompt": "hold", "sound": "off"})
        waits = []
        for fence in range(1, 4):
            holding = eventually(lambda: running(ledger, request_id, fence), f"attempt {fence}")  # noqa: B023
            eventually(lambda: ready(server, ledger) - {holding.pid}, "idle worker")  # noqa: B023
            assert runs(holding, "rushes.wiring.work")
            killed = time.time()
            kill(holding)
            eventually(lambda: running(ledger, request_id, fence + 1), "next attempt")  # noqa: B023
            waits.append(ledger.attempts(request_id)[fence].started_at - killed)
        (signals / "go on").touch()
        assert server.ended(request_id)["status"] == "success"
    print(f"\nstarted again after {[round(wait, 2) for wait in waits]} s, lease {LEASE} s")
    assert max(waits) <= LEASE + 1


def ready(server: Server, ledger: Ledger) -> set[int]:
    """Workers that live and have told the ledger of themselves."""
    return {worker.pid for worker in server.workers()} & {worker.pid for worker in ledger.workers()}


def running(ledger: Ledger, request_id: str, fence: int) -> psutil.Process | None:
    """The worker that has this attempt at the request in hand."""
    request = ledger.get(request_id)
    if request.status is not Status.PROCESSING or request.fence != fence:
        return None
    return psutil.Process(int(ledger.attempts(request_id)[-1].worker.rpartition("/")[2]))
