"""A state machine whose model is the transition table: whatever workers, owners and time do, in whatever order, each
request only ever moves as the table says, and no write of a lost lease is kept.

`RUSHES_TEST_LIVES` is the number of ledgers that are lived through; `make fuzz` takes many."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from rushes.core.errors import AlreadyEnded, BadOutput, EngineError, LeaseLost
from rushes.core.request import IntakeLease, Lease, Outcome, Phase, Status, targets
from rushes.ledger.queue import Ledger
from rushes.ledger.statements import MAX_INTAKE_TRIES
from tests.contracts.ledger import (
    CARD,
    CLOCK,
    OTHER,
    START,
    a_request,
    an_outcome,
    may_hurry,
    pass_time,
    set_up_time,
)

LIVES = int(os.environ.get("RUSHES_TEST_LIVES", "8"))
LEASE_SECONDS = 30.0
INTAKE_SECONDS = 60.0
MAX_FAILURES = 3


@dataclass
class Life:
    """What the table and the verbs' promises say of one request."""

    owner: str
    card: str
    start_by: float | None
    status: Status = Status.QUEUED
    fence: int = 0
    failures: int = 0
    lease_until: float = 0.0
    ready_at: float | None = None
    needs_intake: bool = False
    intake_fence: int = 0
    intake_until: float = 0.0
    outcome: Outcome | None = None
    claimed_at: float = 0.0
    charged: float = 0.0

    def move(self, verb: str, target: Status) -> None:
        assert target in targets(self.status, verb), (self.status, verb, target)
        self.status = target


class LedgerLife(RuleBasedStateMachine):
    leases = Bundle("leases")
    intakes = Bundle("intakes")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        url = f"sqlite:///{Path(self.folder.name) / 'ledger.sqlite3'}"
        options: dict[str, Any] = {
            "lease_seconds": LEASE_SECONDS,
            "max_failures": MAX_FAILURES,
            "clock": CLOCK,
        }
        # Two of them on one file, as server and worker are.
        self.ledgers = [Ledger(url, **options), Ledger(url, **options)]
        for ledger in self.ledgers:
            ledger.migrate()
        set_up_time(self.ledgers[0])
        may_hurry(self.ledgers[0], "ann", "bob", "cyd")
        self.key = self.ledgers[0].create_key("ann")
        self.now = START
        self.lives: dict[str, Life] = {}
        self.revisions: dict[str, int] = {}
        self.turn = 0

    def teardown(self) -> None:
        for ledger in self.ledgers:
            ledger.close()
        self.folder.cleanup()

    @property
    def ledger(self) -> Ledger:
        self.turn += 1
        return self.ledgers[self.turn % 2]

    def settle(self) -> tuple[int, int, int]:
        """What the ledger does, to all requests, once time has run out for one; counted as `Swept` does."""
        expired = lost = ready = 0
        for life in self.lives.values():
            queued = life.status is Status.QUEUED
            if queued and life.start_by is not None and life.start_by <= self.now:
                life.move("expire", Status.FAILED)
                expired += 1
            elif self.silent(life) and life.failures + 1 >= MAX_FAILURES:
                life.failures += 1
                life.move("lose", Status.FAILED)
                lost += 1
            elif (
                queued
                and life.needs_intake
                and life.intake_fence >= MAX_INTAKE_TRIES
                and life.intake_until <= self.now
            ):
                life.move("refuse", Status.FAILED)
                lost += 1
            elif queued and life.ready_at is not None and life.ready_at <= self.now:
                life.ready_at = None
                ready += 1
        return expired, lost, ready

    def silent(self, life: Life) -> bool:
        return life.status is Status.PROCESSING and life.lease_until <= self.now

    def due(self, cards: list[str]) -> bool:
        """Has time run out for anything that a claim of `cards` looks at?"""
        return any(
            (self.silent(life) and life.card in cards)
            or (
                life.status is Status.QUEUED
                and any(time is not None and time <= self.now for time in (life.start_by, life.ready_at))
            )
            for life in self.lives.values()
        )

    def claimable(self, cards: list[str]) -> set[str]:
        return {
            request_id
            for request_id, life in self.lives.items()
            if life.card in cards
            and (
                (life.status is Status.QUEUED and not life.needs_intake and life.ready_at is None)
                or self.silent(life)
            )
        }

    @initialize()
    def open_with_one(self) -> None:
        self.submit("ann", CARD, 0, None, image=False, cost=1.0)

    @rule(
        owner=st.sampled_from(["ann", "bob", "cyd"]),
        card=st.sampled_from([CARD, OTHER]),
        priority=st.integers(0, 1),
        start_within=st.sampled_from([None, None, 50.0]),
        image=st.booleans(),
        cost=st.sampled_from([1.0, 7.5]),
    )
    def submit(
        self, owner: str, card: str, priority: int, start_within: float | None, image: bool, cost: float
    ) -> None:
        request_id = f"r{len(self.lives)}"
        self.ledger.submit(
            a_request(
                request_id,
                owner=owner,
                card=card,
                priority=priority,
                cost=cost,
                start_within=start_within,
                image_url="https://example.com/cat.png" if image else None,
            )
        )
        start_by = None if start_within is None else self.now + start_within
        self.lives[request_id] = Life(owner, card, start_by, needs_intake=image, intake_until=self.now)

    @rule(
        target=leases,
        cards=st.sampled_from([[CARD], [CARD, OTHER], [OTHER, CARD]]),
        worker=st.sampled_from(["w1", "w2", "w3"]),
        resident=st.sampled_from([None, CARD]),
    )
    def claim(self, cards: list[str], worker: str, resident: str | None) -> Any:
        lease = self.ledger.claim(worker, cards, resident, 5.0).lease
        if self.due(cards):
            self.settle()
        if lease is None:
            assert self.claimable(cards) == set()
            return multiple()
        assert lease.request_id in self.claimable(cards)
        life = self.lives[lease.request_id]
        if life.status is Status.PROCESSING:
            life.failures += 1
            life.move("take over", Status.PROCESSING)
        else:
            life.move("claim", Status.PROCESSING)
        life.fence += 1
        life.claimed_at = self.now
        life.lease_until = self.now + LEASE_SECONDS
        assert (lease.fence, lease.failures) == (life.fence, life.failures)
        return lease

    def ours(self, lease: Lease) -> bool:
        life = self.lives[lease.request_id]
        return life.status is Status.PROCESSING and life.fence == lease.fence

    @rule(lease=leases, progress=st.floats(0, 1), phase=st.sampled_from(Phase))
    def beat(self, lease: Lease, progress: float, phase: Phase) -> None:
        if self.ours(lease):
            self.ledger.beat(lease, phase, progress)
            self.lives[lease.request_id].lease_until = self.now + LEASE_SECONDS
        else:
            with pytest.raises(LeaseLost):
                self.ledger.beat(lease, phase, progress)

    @rule(lease=leases)
    def finish(self, lease: Lease) -> None:
        if self.ours(lease):
            self.ledger.finish(lease, an_outcome(lease))
            life = self.lives[lease.request_id]
            life.move("finish", Status.SUCCESS)
            life.outcome = an_outcome(lease)
            life.charged = self.now - life.claimed_at
        else:
            with pytest.raises(LeaseLost):
                self.ledger.finish(lease, an_outcome(lease))

    @rule(lease=leases, retryable=st.booleans(), counts=st.booleans())
    def fail(self, lease: Lease, retryable: bool, counts: bool) -> None:
        error = EngineError("hiccup") if retryable else BadOutput("black")
        if not self.ours(lease):
            with pytest.raises(LeaseLost):
                self.ledger.fail(lease, error, counts=counts)
            return
        status = self.ledger.fail(lease, error, counts=counts)
        life = self.lives[lease.request_id]
        life.failures += counts
        life.move("retry" if status is Status.QUEUED else "fail", status)
        again = not counts or (retryable and life.failures < MAX_FAILURES)
        assert again is (status is Status.QUEUED)
        life.ready_at = self.now + min(60.0, 2.0 ** (life.failures if counts else life.fence))

    @rule(lease=leases)
    def release(self, lease: Lease) -> None:
        if self.ours(lease):
            self.ledger.release(lease)
            life = self.lives[lease.request_id]
            life.move("release", Status.QUEUED)
            life.ready_at = None
        else:
            with pytest.raises(LeaseLost):
                self.ledger.release(lease)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if not self.lives:
            return
        request_id = data.draw(st.sampled_from(sorted(self.lives)))
        life = self.lives[request_id]
        if life.status.terminal:
            with pytest.raises(AlreadyEnded):
                self.ledger.cancel(request_id, life.owner)
            return
        assert self.ledger.cancel(request_id, life.owner).status is Status.CANCELLED
        life.move("cancel", Status.CANCELLED)

    @rule(target=intakes)
    def claim_intake(self) -> Any:
        lease = self.ledger.claim_intake("w1", INTAKE_SECONDS).lease
        if lease is None:
            return multiple()
        life = self.lives[lease.request_id]
        assert life.status is Status.QUEUED
        assert life.needs_intake
        assert life.intake_until <= self.now
        life.intake_fence += 1
        life.intake_until = self.now + INTAKE_SECONDS
        assert lease.fence == life.intake_fence
        return lease

    @rule(lease=consumes(intakes), good=st.booleans())
    def end_intake(self, lease: IntakeLease, good: bool) -> None:
        life = self.lives[lease.request_id]
        ours = life.status is Status.QUEUED and life.needs_intake and life.intake_fence == lease.fence
        if not ours:
            with pytest.raises(LeaseLost):
                self.ledger.finish_intake(lease, "inputs/late.png")
        elif good:
            self.ledger.finish_intake(lease, "inputs/x.png")
            life.needs_intake = False
        else:
            self.ledger.fail_intake(lease, EngineError("bad image"))
            life.move("refuse", Status.FAILED)

    @rule(seconds=st.sampled_from([2.0, 31.0, 31.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        pass_time(self.ledgers[0], seconds)
        self.now += seconds

    @rule()
    def sweep(self) -> None:
        swept = self.ledger.sweep()
        assert (swept.expired, swept.lost, swept.ready) == self.settle()

    @invariant()
    def the_ledger_tells_what_the_table_says(self) -> None:
        counted = dict.fromkeys(Status, 0)
        for request_id, life in self.lives.items():
            request = self.ledgers[0].get(request_id)
            counted[life.status] += 1
            assert request.status is life.status, request_id
            assert (request.fence, request.failures) == (life.fence, life.failures)
            assert request.outcome == life.outcome
            assert (request.error is not None) is (life.status is Status.FAILED)
            assert request.revision >= self.revisions.get(request_id, 0)
            self.revisions[request_id] = request.revision
        assert self.ledgers[1].tally() == counted

    @invariant()
    def a_poll_finds_what_is_there(self) -> None:
        """Also where it need not read the row again; the other one of the two may have changed it."""
        for request_id in self.lives:
            for ledger in self.ledgers:
                _, revision = ledger.look(self.key.kid, request_id)
                assert ledger.get_as_of(request_id, revision) == ledger.get(request_id)

    @invariant()
    def every_attempt_is_on_record(self) -> None:
        for request_id, life in self.lives.items():
            attempts = self.ledgers[0].attempts(request_id)
            assert [attempt.fence for attempt in attempts] == list(range(1, life.fence + 1))
            running = [attempt for attempt in attempts if attempt.ended_by is None]
            assert len(running) == (life.status is Status.PROCESSING)

    @invariant()
    def charged_are_the_seconds_of_visible_successes(self) -> None:
        """However often a request was tried, lost, taken over, released or cancelled."""
        for used in self.ledgers[0].usage():
            lives = [life for life in self.lives.values() if life.owner == used.owner]
            assert used.month_seconds == pytest.approx(sum(life.charged for life in lives))
            assert all(life.charged == 0 for life in lives if life.status is not Status.SUCCESS)

    @invariant()
    def places_in_the_line_are_all_different(self) -> None:
        queued = [i for i, life in self.lives.items() if life.status is Status.QUEUED]
        seen = self.ledgers[0].outlook({})
        places = sorted(seen.forecast(self.ledgers[0].get(i)).position or 0 for i in queued)
        assert places == list(range(len(queued)))


def test_every_life_is_one_of_the_tables() -> None:
    run_state_machine_as_test(
        LedgerLife,
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
