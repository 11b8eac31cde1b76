"""A day and the end of a month, simulated: requests come in, workers die, budgets run out, files' times are over, and
the sweeps go round. Time is passed in; nobody sleeps."""

from __future__ import annotations

import datetime
import random
from collections import Counter
from pathlib import Path

import pytest

from rushes.core.errors import (
    AlreadyEnded,
    BadOutput,
    EngineError,
    LeaseLost,
    OutOfCredits,
    QueueFull,
    RateLimited,
)
from rushes.core.request import Lease, Phase, Status
from rushes.ledger.queue import Ledger
from rushes.store.objects import FolderStore
from rushes.worker.sweep import Sweeper
from tests.contracts.ledger import CARD, OTHER, START, OpenLedger, a_request, an_outcome, pass_time, time_of

HOUR, DAY = 3600.0, 86_400.0
STEP = 1200.0
KEPT = 6 * HOUR
MONTH_ENDS = datetime.datetime(2023, 12, 1, tzinfo=datetime.UTC).timestamp()


class House:
    """One ledger and one store over simulated time; what is expected is counted beside."""

    def __init__(self, ledger: Ledger, store: FolderStore, work: Path) -> None:
        self.ledger, self.store = ledger, store
        self.sweeper = Sweeper(ledger, store, work=work)
        self.draw = random.Random(3)
        self.now = START
        self.names: list[str] = []
        self.leases: list[Lease] = []
        self.begun: dict[tuple[str, int], float] = {}
        self.charged: Counter[tuple[str, int]] = Counter()
        self.refused: Counter[str] = Counter()

    def pass_time(self, seconds: float) -> None:
        pass_time(self.ledger, seconds)
        self.now += seconds

    def submit(self, owner: str) -> None:
        name = f"r{len(self.names)}"
        card, late = self.draw.choice([CARD, OTHER]), self.draw.choice([None, 2 * HOUR])
        try:
            self.ledger.submit(
                a_request(name, owner=owner, card=card, cost=30.0, start_within=late, keep_for=KEPT)
            )
        except (RateLimited, QueueFull, OutOfCredits) as limit:
            self.refused[limit.name] += 1
        else:
            self.names.append(name)

    def claim(self) -> None:
        lease = self.ledger.claim(f"w{self.draw.randrange(3)}", [CARD, OTHER]).lease
        if lease is not None:
            self.leases.append(lease)
            self.begun[lease.request_id, lease.fence] = self.now
            self.store.put(f"{lease.request_id}/{lease.fence}.mp4", b"half a clip")

    def work_on(self) -> None:
        """Each attempt ends somehow, falls silent, or comes back too late."""
        for lease in self.leases[:]:
            fate = self.draw.random()
            if fate < 0.25:
                continue
            self.leases.remove(lease)
            try:
                if fate < 0.75:
                    self._finish(lease)
                elif fate < 0.85:
                    self.ledger.fail(lease, self.draw.choice([EngineError("hiccup"), BadOutput("black")]))
                elif fate < 0.9:
                    self.ledger.cancel(lease.request_id)
                elif fate < 0.95:
                    self.ledger.release(lease)
            except (LeaseLost, AlreadyEnded) as late:
                self.refused[late.name] += 1

    def _finish(self, lease: Lease) -> None:
        outcome = an_outcome(lease)
        for key in (outcome.video, outcome.thumbnail):
            self.store.put(key, b"clip")
        self.ledger.beat(lease, Phase.UPLOAD, 1.0)
        self.ledger.finish(lease, outcome)
        self.charged[lease.owner, int(self.now // DAY)] += (
            self.now - self.begun[lease.request_id, lease.fence]
        )

    def files(self, name: str) -> list[str]:
        return [stored.key for stored in self.store.list(f"{name}/")]


@pytest.fixture
def house(open_ledger: OpenLedger, tmp_path: Path) -> House:
    (tmp_path / "files").mkdir()
    return House(open_ledger(), FolderStore(tmp_path / "files"), tmp_path / "work")


def test_a_day(house: House) -> None:
    ledger = house.ledger
    ledger.change_owner("ann", weight=2.0, per_minute=2, queue_cap=12)
    ledger.change_owner("bob", running_cap=2, day_budget=2 * HOUR)
    ledger.change_card_limits("cyd", CARD, queue_cap=1, keep_for=float("inf"))
    while house.now < START + DAY:
        for owner in ("ann", "ann", "ann", "bob", "cyd"):
            if house.draw.random() < 0.2:
                for _ in range(3):
                    house.submit(owner)
        for _ in range(3):
            house.claim()
        house.pass_time(STEP)
        house.work_on()
        house.sweeper.sweep_requests()
        assert ledger.tally("bob")[Status.PROCESSING] <= 2

    # Everything ends, and what died with its worker is no exception.
    for _ in range(40):
        house.pass_time(STEP)
        house.claim()
        house.leases.clear()
        house.sweeper.sweep_requests()
        if not any(ledger.tally()[status] for status in (Status.QUEUED, Status.PROCESSING)):
            break
        while house.ledger.claim("drain", [CARD, OTHER]).lease is not None:
            pass
    requests = {name: ledger.get(name) for name in house.names}
    assert all(request.status.terminal for request in requests.values())
    assert {"LeaseLost", "RateLimited", "QueueFull", "OutOfCredits"} <= house.refused.keys()
    reasons = Counter(request.error_name for request in requests.values() if request.error_name)
    assert {"WorkerLost", "BadOutput"} <= reasons.keys()
    assert all(request.fence <= 12 and request.failures <= 3 for request in requests.values())

    # Charged are the seconds of visible successes, on the day of their end.
    for used in ledger.usage():
        of_owner = {day: seconds for (owner, day), seconds in house.charged.items() if owner == used.owner}
        assert used.month_seconds == pytest.approx(sum(of_owner.values()))
        assert used.day_seconds == pytest.approx(of_owner.get(int(house.now // DAY), 0.0))
    days_of_bob = [seconds for (owner, _), seconds in house.charged.items() if owner == "bob"]
    # What was accepted before the budget was spent is still made.
    assert all(seconds < 2 * HOUR + 12 * STEP for seconds in days_of_bob)

    # Files went six hours after the end, but for those that are kept for ever; every record stayed.
    expired = {name for name, request in requests.items() if request.expired_at is not None}
    now = time_of(ledger)
    for name, request in requests.items():
        ever = (request.owner, request.card) == ("cyd", CARD)
        assert (request.keep_until is None) is ever
        assert (name in expired) is (not ever and request.finished_at + KEPT <= now)
        if name in expired:
            assert house.files(name) == []
        elif request.outcome is not None:
            assert request.outcome.video in house.files(name)
    assert 0 < len(expired) < len(requests)


def test_budgets_open_again_at_midnight_and_at_the_first_of_the_month(house: House) -> None:
    ledger = house.ledger
    ledger.change_owner("ann", day_budget=100.0, month_budget=250.0)

    def charge(seconds: float) -> None:
        ledger.submit(a_request(f"r{len(house.begun)}"))
        house.claim()
        house.pass_time(seconds)
        house._finish(house.leases.pop())

    def refused() -> bool:
        try:
            name = f"asked{house.now}"
            ledger.submit(a_request(name))
        except OutOfCredits:
            return True
        ledger.cancel(name)
        return False

    house.pass_time(MONTH_ENDS - 3 * DAY - house.now)
    for day in (1, 2):
        charge(100.0)
        assert refused()
        house.pass_time(MONTH_ENDS - (3 - day) * DAY - house.now)
        assert not refused()
    charge(50.0)
    # 250 seconds this month: the next day would open, were it not for the month.
    assert refused()
    house.pass_time(MONTH_ENDS - 1 - house.now)
    assert refused()
    house.pass_time(1)
    assert not refused()
    assert [used.month_seconds for used in ledger.usage("ann")] == [0.0]
