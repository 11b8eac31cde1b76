"""Every process may be killed at any moment: what was accepted still ends exactly once, with one visible result."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from rushes.core.request import Request, Status
from rushes.ledger.queue import Ledger
from tests.e2e.served import Server, alive, eventually, kill, serve

HASTY = {
    "workers": 2,
    "lease_seconds": 1.5,
    "beat_seconds": 0.2,
    "max_failures": 50,
    "cancel_grace": 1,
    "drain_seconds": 30,
}
BLOWS = ("studio", "worker", "server", "worker", "studio", "all")
FATAL = ("server", "all")
"""After these another house is opened on the same folder; `tests/chaos` has the storm."""


@contextmanager
def opened(data: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{data / 'ledger.sqlite3'}")
    try:
        yield ledger
    finally:
        ledger.close()


def all_gone(processes: list[psutil.Process], who: str) -> None:
    eventually(lambda: not any(alive(process) for process in processes), f"end of the {who}")


def strike(server: Server, victim: str) -> None:
    """Kill one of the kind, or all at once."""
    family = {"studio": server.studios, "worker": server.workers, "all": server.family}
    if victim == "server":
        kill(psutil.Process(server.process.pid))
    elif found := family[victim]():
        for process in found if victim == "all" else found[:1]:
            kill(process)


def assert_one_result(ledger: Ledger, data: Path, request_id: str) -> None:
    request = ledger.get(request_id)
    assert request.status is Status.SUCCESS, request.error
    finished = [attempt for attempt in ledger.attempts(request_id) if attempt.ended_by == "finish"]
    assert [attempt.fence for attempt in finished] == [request.fence]
    assert request.outcome is not None
    for key in (request.outcome.video, request.outcome.thumbnail, request.outcome.preview):
        assert key is not None
        assert key.startswith(f"{request_id}/{request.fence}.")
        assert (data / "files" / key).stat().st_size > 0
    assert (data / "files" / request.outcome.video).stat().st_size == request.outcome.size


def test_killed_at_any_moment(data: Path, colour: Path) -> None:
    moments, blows = random.Random(7), list(BLOWS)
    asked: list[str] = []
    while blows:
        with serve(data, cards=colour, **HASTY) as server:
            victim = ""
            while victim not in FATAL:
                asked += [server.submit({"prompt": f"shot {len(asked)}"}) for _ in range(3)]
                time.sleep(moments.uniform(0.0, 1.5))  # the moment of the blow, and nothing is waited for
                family = server.family()
                victim = blows.pop(0)
                strike(server, victim)
            all_gone(family, "orphans")
    with serve(data, cards=colour, **HASTY) as server:
        for request_id in asked:
            record = server.ended(request_id, 60)
            assert record["status"] == "success", record
            assert server.fetch(record["outcome"]["video_url"]).content
    with opened(data) as ledger:
        for request_id in asked:
            assert_one_result(ledger, data, request_id)
        assert ledger.tally()[Status.SUCCESS] == len(asked) == ledger.list().total


def hold(server: Server, signals: Path) -> str:
    """A request whose clip is half drawn, and goes on when it is told to."""
    request_id = server.submit({"prompt": "hold"})
    eventually((signals / "half").exists, "half a clip")
    return request_id


def stored(data: Path, request_id: str) -> Request:
    with opened(data) as ledger:
        return ledger.get(request_id)


def test_sigterm_drains_while_polls_are_answered(data: Path, colour: Path) -> None:
    signals = colour.parent / "signals"
    with serve(data, cards=colour, drain_seconds=60) as server:
        running = hold(server, signals)
        waiting = server.submit({"prompt": "a boat"})
        family = server.family()
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: '"stopping"' in data.with_name("data.log").read_text(), "begin of the drain")
        assert server.record(running)["status"] == "processing"
        assert server.call("GET", "/healthz").status_code == 200
        (signals / "go on").touch()
        assert server.process.wait(30) == 0
        all_gone(family, "family")
    assert stored(data, running).status is Status.SUCCESS
    left = stored(data, waiting)
    assert (left.status, left.failures) == (Status.QUEUED, 0)


def test_a_second_sigterm_gives_the_work_back(data: Path, colour: Path) -> None:
    signals = colour.parent / "signals"
    with serve(data, cards=colour, drain_seconds=600) as server:
        request_id = hold(server, signals)
        family = server.family()
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: '"stopping"' in data.with_name("data.log").read_text(), "begin of the drain")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        all_gone(family, "family")
        given_back = stored(data, request_id)
        assert (given_back.status, given_back.failures, given_back.fence) == (Status.QUEUED, 0, 1)
    (signals / "go on").touch()
    with serve(data, cards=colour) as server:
        assert server.ended(request_id)["status"] == "success"


def test_the_drain_has_an_end(data: Path, colour: Path) -> None:
    with serve(data, cards=colour, drain_seconds=0.2) as server:
        request_id = hold(server, colour.parent / "signals")
        assert server.stop() == 0
    assert stored(data, request_id).status is Status.QUEUED


def test_a_cancel_reaches_the_studio(data: Path, colour: Path) -> None:
    signals = colour.parent / "signals"
    with serve(data, cards=colour, beat_seconds=0.1, cancel_grace=5) as server:
        request_id = hold(server, signals)
        path = f"/api/v1/ie/requestqueue/apikey/requests/{request_id}"
        assert server.call("DELETE", path).json()["status"] == "cancelled"
        after = server.submit({"prompt": "a boat"})
        assert server.ended(after)["status"] == "success"
        assert server.record(request_id)["status"] == "cancelled"
        assert not list((data / "files").glob(f"{request_id}/*"))


def test_a_bad_engine_ends_the_request_with_a_reason(data: Path, colour: Path) -> None:
    with serve(data, cards=colour, max_failures=1) as server:
        for mood in ("give up", "crash", "exit", "oom"):
            record = server.ended(server.submit({"prompt": mood}))
            assert record["status"] == "failed", mood
            assert record["error"]
            assert record["outcome"]["error"] == record["error"]
        assert server.ended(server.submit({"prompt": "a boat"}))["status"] == "success"


def test_an_idempotent_client_survives_the_kill(data: Path, colour: Path) -> None:
    """The answer was lost with the server: the same key finds the request again."""
    body: dict[str, Any] = {"model": "kling-v2-6", "payload": {"prompt": "a boat"}}
    path, key = "/api/v1/ie/requestqueue/apikey/requests", {"idempotency-key": "one"}
    with serve(data, cards=colour, workers=0) as server:
        first = server.call("POST", path, body, headers=key).json()["request_id"]
        server.kill()
    with serve(data, cards=colour) as server:
        assert server.call("POST", path, body, headers=key).json()["request_id"] == first
        assert server.ended(first)["status"] == "success"
        assert server.call("GET", path).json()["total"] == 1
