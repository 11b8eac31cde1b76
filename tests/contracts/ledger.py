"""What every ledger must do. Subclass and give an `open_ledger` fixture.

Time stands still in these tests and moves when told to: the clock is a SQL expression that reads a one-row table.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import pytest
from sqlalchemy import Double, func, literal_column, select, text, update
from sqlalchemy.exc import DBAPIError

from rushes.core.errors import (
    AlreadyEnded,
    BadImage,
    BadOutput,
    DiskFull,
    EngineError,
    FetchError,
    InvalidCall,
    KeyReused,
    LeaseLost,
    OutOfCredits,
    QueueFull,
    RateLimited,
    UnknownRequest,
)
from rushes.core.keys import matches
from rushes.core.request import (
    LIVE,
    TERMINAL,
    TRANSITIONS,
    IntakeLease,
    Lease,
    Outcome,
    Phase,
    Request,
    Status,
)
from rushes.core.shot import Shot
from rushes.ledger import polling
from rushes.ledger.queue import Ledger, NewRequest
from rushes.ledger.rows import Owner
from rushes.ledger.statements import MAX_INTAKE_TRIES
from rushes.ledger.table import R, requests, tallies

START = 1_700_000_000.0
CLOCK = literal_column("(SELECT seconds FROM test_time)", Double())

OpenLedger: TypeAlias = Callable[..., Ledger]
"""Opens the test's one database with these options of `Ledger`, migrated, with `CLOCK`."""


def set_up_time(ledger: Ledger) -> None:
    def body(connection: Any) -> None:
        connection.execute(text("CREATE TABLE IF NOT EXISTS test_time (seconds DOUBLE PRECISION)"))
        if connection.scalar(text("SELECT count(*) FROM test_time")) == 0:
            connection.execute(text(f"INSERT INTO test_time VALUES ({START})"))

    ledger.db.write(body)


def pass_time(ledger: Ledger, seconds: float) -> None:
    ledger.db.write(
        lambda connection: (
            connection.execute(
                text("UPDATE test_time SET seconds = seconds + :passed"), {"passed": seconds}
            ).rowcount
        )
    )


def time_of(ledger: Ledger) -> float:
    with ledger.db.reading() as connection:
        return float(connection.execute(select(CLOCK)).scalar_one())


def a_request(request_id: str, **changes: Any) -> NewRequest:
    shot = Shot(prompt="a lighthouse", seed=7)
    plain = {
        "id": request_id,
        "owner": "ann",
        "model": "Kling-V2-6",
        "card": "kling-v2-6",
        "dialect": "gmi",
        "payload": {"prompt": "a lighthouse", "z": 1, "a": [None, 2.5, "ü"]},
        "shot": shot,
    }
    return NewRequest(**{**plain, **changes})


def place(ledger: Ledger, request_id: str) -> int | None:
    """How many requests stand before this one in the line; None if it is not there."""
    return ledger.outlook({}).forecast(ledger.get(request_id)).position


def may_hurry(ledger: Ledger, *names: str) -> None:
    """Without this an owner's priority is bounded by 0."""
    for name in names:
        ledger.change_owner(name, priority_cap=9)


CARD = "kling-v2-6"
OTHER = "kling-v2-5-turbo"


def an_outcome(lease: Lease) -> Outcome:
    name = f"{lease.request_id}/{lease.fence}"
    return Outcome(video=f"{name}.mp4", thumbnail=f"{name}.jpg", preview=f"{name}.preview.mp4", seconds=5.0)


def take(ledger: Ledger, *cards: str, worker: str = "w1", **options: Any) -> Lease:
    lease = ledger.claim(worker, cards or (CARD, OTHER), **options).lease
    assert lease is not None
    return lease


def take_intake(ledger: Ledger) -> IntakeLease:
    lease = ledger.claim_intake("w1").lease
    assert lease is not None
    return lease


def nothing_to_take(ledger: Ledger, *cards: str) -> float | None:
    claim = ledger.claim("idle", cards or (CARD, OTHER))
    assert claim.lease is None
    return claim.look_again_in


def work_off(ledger: Ledger, count: int, *cards: str) -> list[str]:
    """Claim and finish `count` requests; their ids in the order of the claims."""
    done = []
    for _ in range(count):
        lease = take(ledger, *cards)
        ledger.finish(lease, an_outcome(lease))
        done.append(lease.request_id)
    return done


def ids(page: Any) -> list[str]:
    return [request.id for request in page.requests]


class LedgerContract:
    @pytest.fixture
    def ledger(self, open_ledger: OpenLedger) -> Ledger:
        return open_ledger()

    # -- one life ----------------------------------------------------------------------------------------------------

    def test_what_was_submitted_is_what_is_read(self, ledger: Ledger) -> None:
        new = a_request("r", image_key="inputs/r.png", priority=2)
        may_hurry(ledger, "ann")
        request = ledger.submit(new)
        assert request == ledger.get("r", "ann") == ledger.list("ann").requests[0]
        assert (request.model, request.card, request.dialect) == ("Kling-V2-6", CARD, "gmi")
        assert (request.payload, list(request.payload)) == (new.payload, list(new.payload))
        assert (request.shot, request.image_key, request.priority) == (new.shot, "inputs/r.png", 2)
        assert (request.status, request.fence, request.failures, request.progress) == (
            Status.QUEUED,
            0,
            0,
            0.0,
        )
        assert request.created_at == request.queued_at == request.updated_at == START
        assert (request.started_at, request.finished_at, request.outcome, request.error) == (None,) * 4

    def test_a_life_that_succeeds(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        pass_time(ledger, 3)
        lease = take(ledger)
        assert (lease.request_id, lease.fence, lease.failures, lease.worker) == ("r", 1, 0, "w1")
        assert (lease.owner, lease.model, lease.card, lease.shot.seed) == ("ann", "Kling-V2-6", CARD, 7)
        assert ledger.get("r").status is Status.PROCESSING
        pass_time(ledger, 2)
        ledger.beat(lease, Phase.RENDER, 0.25, "frame 30/120")
        told = ledger.get("r")
        assert (told.phase, told.progress, told.note) == (Phase.RENDER, 0.25, "frame 30/120")
        pass_time(ledger, 4)
        ledger.finish(lease, an_outcome(lease))
        done = ledger.get("r")
        assert (done.status, done.progress, done.phase, done.error) == (Status.SUCCESS, 1.0, None, None)
        assert done.outcome == an_outcome(lease)
        assert (done.queued_at, done.started_at, done.finished_at) == (START, START + 3, START + 9)
        assert nothing_to_take(ledger) is None

    @pytest.mark.parametrize("end", ["finish", "fail", "retry", "release", "cancel", "take over"])
    def test_a_live_preview_lasts_as_long_as_its_attempt(self, ledger: Ledger, end: str) -> None:
        ledger.submit(a_request("r"))
        lease = take(ledger)
        assert ledger.get("r").live_preview is None
        for key in ("r/1.live1.jpg", "r/1.live2.jpg"):
            ledger.beat(lease, Phase.RENDER, 0.25, live_preview=key)
            assert ledger.get("r").live_preview == key
        match end:
            case "finish":
                ledger.finish(lease, an_outcome(lease))
            case "fail":
                ledger.fail(lease, BadOutput("black"))
            case "retry":
                ledger.fail(lease, EngineError("once more"))
            case "release":
                ledger.release(lease)
            case "cancel":
                ledger.cancel("r")
            case "take over":
                pass_time(ledger, ledger.lease_seconds + 1)
                assert take(ledger).fence == 2
        assert ledger.get("r").live_preview is None

    def test_the_revision_rises_with_every_visible_change(self, ledger: Ledger) -> None:
        seen = [ledger.submit(a_request("r")).revision]

        def look() -> None:
            seen.append(ledger.get("r").revision)

        lease = take(ledger)
        look()
        ledger.beat(lease, Phase.LOAD, 0.5)
        look()
        ledger.release(lease)
        look()
        lease = take(ledger)
        look()
        ledger.fail(lease, EngineError("the engine gave up"))
        look()
        pass_time(ledger, 60)
        lease = take(ledger)
        look()
        ledger.finish(lease, an_outcome(lease))
        look()
        ledger.expire("r")
        look()
        assert seen == sorted(set(seen))

    def test_an_unknown_request(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r", owner="bob"))
        for owner in (None, "ann"):
            with pytest.raises(UnknownRequest):
                ledger.get("nothing", owner)
            with pytest.raises(UnknownRequest):
                ledger.cancel("nothing", owner)
        with pytest.raises(UnknownRequest):
            ledger.get("r", "ann")
        with pytest.raises(UnknownRequest):
            ledger.cancel("r", "ann")
        assert ledger.get("r", None).owner == "bob"

    # -- leases, fences, failures ------------------------------------------------------------------------------------

    def test_a_silent_worker_is_replaced_after_one_lease_and_its_late_writes_are_refused(
        self, ledger: Ledger
    ) -> None:
        ledger.submit(a_request("r"))
        zombie = take(ledger, worker="zombie")
        pass_time(ledger, 29)
        assert nothing_to_take(ledger) == pytest.approx(1)
        pass_time(ledger, 1)
        lease = take(ledger, worker="heir")
        assert (lease.fence, lease.failures) == (2, 1)
        for late in (
            lambda: ledger.beat(zombie, Phase.RENDER, 0.9),
            lambda: ledger.finish(zombie, an_outcome(zombie)),
            lambda: ledger.fail(zombie, EngineError("late")),
            lambda: ledger.release(zombie),
        ):
            with pytest.raises(LeaseLost):
                late()
        assert ledger.get("r").status is Status.PROCESSING
        ledger.finish(lease, an_outcome(lease))
        outcome = ledger.get("r").outcome
        assert outcome is not None
        assert outcome.video == "r/2.mp4"
        assert [(a.fence, a.worker, a.ended_by) for a in ledger.attempts("r")] == [
            (1, "zombie", "take over"),
            (2, "heir", "finish"),
        ]

    def test_a_beat_renews_the_lease(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        lease = take(ledger)
        for _ in range(4):
            pass_time(ledger, 20)
            ledger.beat(lease, Phase.RENDER, 0.5)
        assert nothing_to_take(ledger) == pytest.approx(30)

    def test_a_lapsed_lease_that_nobody_took_is_still_ours(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        lease = take(ledger)
        pass_time(ledger, 100)
        ledger.finish(lease, an_outcome(lease))
        assert ledger.get("r").status is Status.SUCCESS

    def test_the_end_is_written_once(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        lease = take(ledger)
        ledger.finish(lease, an_outcome(lease))
        first = ledger.get("r")
        for again in (
            lambda: ledger.finish(lease, an_outcome(lease)),
            lambda: ledger.fail(lease, EngineError("x")),
            lambda: ledger.release(lease),
            lambda: ledger.beat(lease, Phase.UPLOAD, 1.0),
        ):
            with pytest.raises(LeaseLost):
                again()
        with pytest.raises(AlreadyEnded, match="already success"):
            ledger.cancel("r")
        assert ledger.get("r") == first

    @pytest.mark.parametrize("limit", [1, 3])
    def test_a_request_that_kills_its_workers_ends(self, open_ledger: OpenLedger, limit: int) -> None:
        ledger = open_ledger(max_failures=limit)
        ledger.submit(a_request("r"))
        for attempt in range(limit):
            assert take(ledger).fence == attempt + 1
            pass_time(ledger, 30)
        assert nothing_to_take(ledger) is None
        ended = ledger.get("r")
        assert (ended.status, ended.failures, ended.error_name) == (Status.FAILED, limit, "WorkerLost")
        assert ended.error is not None
        assert ended.error.startswith("worker lost")
        assert [a.ended_by for a in ledger.attempts("r")] == ["take over"] * (limit - 1) + ["lose"]

    def test_failures_of_both_kinds_count_together(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        assert ledger.fail(take(ledger), EngineError("no")) is Status.QUEUED
        pass_time(ledger, 60)
        take(ledger)
        pass_time(ledger, 30)
        assert ledger.fail(take(ledger), EngineError("no more")) is Status.FAILED
        ended = ledger.get("r")
        assert (ended.error, ended.error_name, ended.failures) == ("no more", "EngineError", 3)

    def test_a_release_counts_no_failure_and_never_lowers_the_fence(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        for fence in range(1, 7):
            lease = take(ledger)
            assert (lease.fence, lease.failures) == (fence, 0)
            ledger.release(lease)
            assert ledger.get("r").status is Status.QUEUED

    def test_a_retryable_failure_waits_out_its_back_off(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        assert ledger.fail(take(ledger), EngineError("hiccup")) is Status.QUEUED
        waiting = ledger.get("r")
        assert (waiting.status, waiting.error, waiting.failures) == (Status.QUEUED, None, 1)
        assert nothing_to_take(ledger) == pytest.approx(2)
        pass_time(ledger, 2)
        assert ledger.fail(take(ledger), EngineError("hiccup")) is Status.QUEUED
        assert nothing_to_take(ledger) == pytest.approx(4)

    def test_a_failure_that_a_retry_cannot_mend_ends_the_request(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        assert ledger.fail(take(ledger), BadOutput("the clip is black")) is Status.FAILED
        ended = ledger.get("r")
        assert (ended.status, ended.error, ended.error_name) == (
            Status.FAILED,
            "the clip is black",
            "BadOutput",
        )

    def test_a_failure_that_is_not_the_requests_never_ends_it(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        for _ in range(10):
            assert ledger.fail(take(ledger), DiskFull("no space"), counts=False) is Status.QUEUED
            assert nothing_to_take(ledger)
            pass_time(ledger, 60)
        assert take(ledger).failures == 0

    def test_the_clients_bad_image_ends_the_request_and_blames_no_worker(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        assert ledger.fail(take(ledger), BadImage("image is 299×400")) is Status.FAILED
        ended = ledger.get("r")
        assert (ended.status, ended.error_name, ended.failures) == (Status.FAILED, "BadImage", 0)

    def test_a_time_limit_on_the_start(self, ledger: Ledger) -> None:
        ledger.submit(a_request("late", start_within=10.0))
        ledger.submit(a_request("patient"))
        pass_time(ledger, 11)
        assert take(ledger).request_id == "patient"
        ended = ledger.get("late")
        assert (ended.status, ended.error_name, ended.fence) == (Status.FAILED, "Expired", 0)
        ledger.submit(a_request("in time", start_within=10.0))
        lease = take(ledger)
        pass_time(ledger, 20)
        assert ledger.sweep().expired == 0
        ledger.finish(lease, an_outcome(lease))

    def test_sweep_tells_what_time_did(self, ledger: Ledger) -> None:
        may_hurry(ledger, "ann")
        ledger.submit(a_request("late", start_within=10.0))
        ledger.submit(a_request("ready", priority=2))
        ledger.fail(take(ledger), EngineError("hiccup"))
        assert ledger.sweep() == type(ledger.sweep())(expired=0, lost=0, ready=0)
        pass_time(ledger, 11)
        swept = ledger.sweep()
        assert (swept.expired, swept.lost, swept.ready) == (1, 0, 1)

    # -- cancel ------------------------------------------------------------------------------------------------------

    def test_cancelled_while_queued_is_never_started(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        cancelled = ledger.cancel("r", "ann", "changed my mind")
        assert (cancelled.status, cancelled.cancel_reason) == (Status.CANCELLED, "changed my mind")
        assert cancelled == ledger.get("r")
        assert nothing_to_take(ledger) is None
        with pytest.raises(AlreadyEnded, match="already cancelled"):
            ledger.cancel("r", "ann")

    def test_cancelled_while_running_is_learnt_at_the_next_beat(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        lease = take(ledger)
        ledger.beat(lease, Phase.RENDER, 0.5)
        ledger.cancel("r")
        with pytest.raises(LeaseLost):
            ledger.beat(lease, Phase.RENDER, 0.6)
        attempt = ledger.attempts("r")[0]
        assert (attempt.ended_by, attempt.phase) == ("cancel", Phase.RENDER)

    def test_cancel_against_finish_is_decided_once(self, ledger: Ledger) -> None:
        for index in range(20):
            ledger.submit(a_request(f"r{index}"))
            lease = take(ledger)
            ready = threading.Barrier(2)

            def finish(lease: Lease = lease, ready: threading.Barrier = ready) -> bool:
                ready.wait()
                try:
                    ledger.finish(lease, an_outcome(lease))
                except LeaseLost:
                    return False
                return True

            def cancel(lease: Lease = lease, ready: threading.Barrier = ready) -> bool:
                ready.wait()
                try:
                    ledger.cancel(lease.request_id)
                except AlreadyEnded:
                    return False
                return True

            with ThreadPoolExecutor(2) as pool:
                finished, cancelled = (pool.submit(finish), pool.submit(cancel))
            assert finished.result() is not cancelled.result()
            expected = Status.SUCCESS if finished.result() else Status.CANCELLED
            assert ledger.get(lease.request_id).status is expected

    # -- who is next -------------------------------------------------------------------------------------------------

    def test_owners_share_by_weight(self, ledger: Ledger) -> None:
        for name, weight in (("ann", 1.0), ("bob", 2.0), ("cyd", 3.0)):
            ledger.put_owner(Owner(name=name, weight=weight))
            for index in range(60):
                ledger.submit(a_request(f"{name}{index}", owner=name, cost=10.0))
        served = Counter(request_id[:3] for request_id in work_off(ledger, 60))
        assert served == {"ann": 10, "bob": 20, "cyd": 30}

    def test_a_dear_request_counts_for_more(self, ledger: Ledger) -> None:
        for index in range(40):
            ledger.submit(a_request(f"dear{index}", owner="ann", cost=30.0))
            ledger.submit(a_request(f"cheap{index}", owner="bob", cost=10.0))
        served = Counter(request_id[:4] for request_id in work_off(ledger, 40))
        assert served == {"dear": 10, "chea": 30}

    def test_who_comes_later_is_served_at_once_but_saved_nothing_up(self, open_ledger: OpenLedger) -> None:
        ledger = open_ledger()
        for index in range(40):
            ledger.submit(a_request(f"a{index:02}", owner="ann"))
        work_off(ledger, 20)
        # What was served is remembered by the database, not by the process.
        ledger = open_ledger()
        for index in range(10):
            ledger.submit(a_request(f"b{index}", owner="bob"))
        served = work_off(ledger, 10)
        assert abs(Counter(request_id[0] for request_id in served)["b"] - 5) <= 1

    def test_an_owners_turn_outlives_his_requests(self, ledger: Ledger) -> None:
        for index in range(20):
            ledger.submit(a_request(f"a{index}", owner="ann"))
        ledger.submit(a_request("b0", owner="bob"))
        work_off(ledger, 21)
        ledger.submit(a_request("a-again", owner="ann"))
        ledger.submit(a_request("b-again", owner="bob"))
        assert work_off(ledger, 2) == ["b-again", "a-again"]

    def test_an_owner_gets_the_turn_of_what_he_withdrew_back(self, ledger: Ledger) -> None:
        ledger.submit(a_request("dear", owner="ann", cost=1000.0))
        ledger.cancel("dear")
        ledger.submit(a_request("b", owner="bob", cost=2.0))
        ledger.submit(a_request("a", owner="ann", cost=1.0))
        assert work_off(ledger, 2) == ["a", "b"]

    def test_priority_stands_above_share(self, ledger: Ledger) -> None:
        may_hurry(ledger, "ann")
        for index in range(5):
            ledger.submit(a_request(f"a{index}", owner="ann"))
        ledger.submit(a_request("urgent", owner="ann", priority=1))
        ledger.submit(a_request("b", owner="bob"))
        assert work_off(ledger, 3)[0] == "urgent"

    def test_an_urgent_request_does_not_push_newcomers_back(self, ledger: Ledger) -> None:
        may_hurry(ledger, "ann")
        for index in range(50):
            ledger.submit(a_request(f"a{index}", owner="ann"))
        ledger.submit(a_request("urgent", owner="ann", priority=1))
        work_off(ledger, 3)
        ledger.submit(a_request("b", owner="bob"))
        assert "b" in work_off(ledger, 3)

    def test_a_released_request_keeps_its_place(self, ledger: Ledger) -> None:
        for name in ("first", "second"):
            ledger.submit(a_request(name))
        ledger.release(take(ledger))
        assert work_off(ledger, 2) == ["first", "second"]

    def test_a_loaded_model_is_preferred_within_a_bound(self, ledger: Ledger) -> None:
        ledger.submit(a_request("cold", card=OTHER, owner="ann", cost=1.0))
        for index in range(10):
            ledger.submit(a_request(f"warm{index}", owner="bob", cost=1.0))
        served = []
        for _ in range(11):
            lease = take(ledger, resident=CARD, load_seconds=5.0)
            ledger.finish(lease, an_outcome(lease))
            served.append(lease.request_id)
        # The cold one is passed over for at most five seconds' worth of warm ones.
        assert served.index("cold") in (5, 6)

    def test_only_served_cards_are_claimed(self, ledger: Ledger) -> None:
        ledger.submit(a_request("other", card=OTHER))
        assert nothing_to_take(ledger, CARD) is None
        assert nothing_to_take(ledger, "no-such-card") is None
        assert ledger.claim("w", []).lease is None
        assert take(ledger, CARD, OTHER, CARD).request_id == "other"

    def test_the_place_in_the_line_is_exact(self, ledger: Ledger) -> None:
        may_hurry(ledger, "cyd")
        for index in range(6):
            ledger.submit(a_request(f"a{index}", owner="ann"))
            ledger.submit(a_request(f"b{index}", owner="bob", cost=3.0, card=OTHER))
        ledger.submit(a_request("urgent", owner="cyd", priority=3))
        every = {request.id for request in ledger.list(limit=100).requests}
        places = {request_id: place(ledger, request_id) for request_id in every}
        order = work_off(ledger, len(every))
        assert [places[request_id] for request_id in order] == list(range(len(every)))
        assert place(ledger, "urgent") is None

    def test_the_outlook_tells_place_and_time_by_what_was_measured(self, ledger: Ledger) -> None:
        ledger.register_worker("w1", "host", 1, [CARD, OTHER])
        for name, seconds in (("x", 8.0), ("y", 12.0)):
            ledger.submit(a_request(name))
            lease = take(ledger, CARD)
            pass_time(ledger, seconds)
            ledger.finish(lease, an_outcome(lease))
        ledger.submit(a_request("cold", card=OTHER, owner="bob"))
        ledger.fail(take(ledger, OTHER), BadOutput("failures tell nothing of the pace"))
        assert ledger.paces() == {CARD: (2.0, pytest.approx(0.4 * math.sqrt(2)))}
        for index in range(4):
            ledger.submit(a_request(f"a{index}", shot=Shot(prompt="x", seconds=5 + 5 * (index == 2))))
        ledger.beat(take(ledger, CARD), Phase.RENDER, 0.25)
        pass_time(ledger, 4)
        seen = ledger.outlook(ledger.paces())
        told = [seen.forecast(ledger.get(f"a{index}")) for index in range(4)]
        assert [one.position for one in told] == [None, 0, 1, 2]
        # 4 s of 10 are over, a quarter is done: half of 12 s by its own speed, the rest by history.
        assert told[0].eta == pytest.approx(0.25 * 12 + 0.75 * 6)
        assert [one.eta for one in told[1:]] == [16.0, 36.0, 46.0]
        assert all(one.error is not None and one.error > 0 for one in told)
        pass_time(ledger, 3600)
        assert ledger.outlook(ledger.paces()).forecast(ledger.get("a1")).eta is None

    def test_one_request_goes_to_one_of_many_claims(self, ledger: Ledger) -> None:
        for index in range(30):
            ledger.submit(a_request(f"r{index}"))
        with ThreadPoolExecutor(8) as pool:
            claims = list(pool.map(lambda index: ledger.claim(f"w{index}", [CARD]), range(40)))
        taken = [claim.lease.request_id for claim in claims if claim.lease is not None]
        assert sorted(taken) == sorted(f"r{index}" for index in range(30))

    # -- idempotency, lists ------------------------------------------------------------------------------------------

    def test_the_same_key_and_body_give_the_first_answer_again(self, ledger: Ledger) -> None:
        first = ledger.submit(a_request("first", idempotency_key="k", fingerprint="f"))
        assert ledger.submit(a_request("second", idempotency_key="k", fingerprint="f")) == first
        lease = take(ledger)
        ledger.finish(lease, an_outcome(lease))
        assert ledger.submit(a_request("third", idempotency_key="k", fingerprint="f")) == ledger.get("first")
        assert ids(ledger.list("ann")) == ["first"]

    def test_the_same_key_with_another_body_is_refused(self, ledger: Ledger) -> None:
        ledger.submit(a_request("first", idempotency_key="k", fingerprint="f"))
        with pytest.raises(KeyReused):
            ledger.submit(a_request("second", idempotency_key="k", fingerprint="g"))
        ledger.submit(a_request("bobs", owner="bob", idempotency_key="k", fingerprint="g"))
        assert ids(ledger.list("ann")) == ["first"]

    def test_many_submits_of_one_key_make_one_request(self, ledger: Ledger) -> None:
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(
                    lambda index: ledger.submit(a_request(f"r{index}", idempotency_key="k", fingerprint="f")),
                    range(16),
                )
            )
        assert {answer.id for answer in answers} == {answers[0].id}
        assert ledger.list("ann").total == 1

    def test_pages_lose_and_repeat_nothing_though_times_are_equal(self, ledger: Ledger) -> None:
        for index in range(7):
            ledger.submit(a_request(f"old{index}"))
        pass_time(ledger, 1)
        for index in range(6):
            ledger.submit(a_request(f"new{index}"))
            ledger.submit(a_request(f"bobs{index}", owner="bob"))
        seen: list[Request] = []
        cursor = None
        while True:
            page = ledger.list("ann", limit=4, cursor=cursor)
            assert page.total == 13
            seen += page.requests
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
            ledger.submit(a_request(f"bobs-later{len(seen)}", owner="bob"))
        assert [r.created_at for r in seen] == sorted((r.created_at for r in seen), reverse=True)
        assert sorted(r.id for r in seen) == sorted(
            [f"old{i}" for i in range(7)] + [f"new{i}" for i in range(6)]
        )

    def test_lists_are_filtered(self, ledger: Ledger) -> None:
        for index in range(3):
            ledger.submit(a_request(f"a{index}"))
            ledger.submit(a_request(f"o{index}", card=OTHER))
        ledger.submit(a_request("b", owner="bob"))
        ledger.cancel("o1")
        assert sorted(ids(ledger.list("ann", model=OTHER))) == ["o0", "o1", "o2"]
        assert ledger.list("ann", model=OTHER, limit=1).total == 3
        cancelled = ledger.list("ann", status=Status.CANCELLED)
        assert (ids(cancelled), cancelled.total) == (["o1"], 1)
        assert ledger.list(None).total == 7
        nobody = ledger.list("nobody")
        assert (nobody.requests, nobody.total, nobody.next_cursor) == ((), 0, None)

    @pytest.mark.parametrize("cursor", ["", "x", "!!", "bnVsbA", "WzEsMl0", "ü", "[1.0,2]", "A" * 5000])
    def test_a_bad_cursor_is_a_bad_call(self, ledger: Ledger, cursor: str) -> None:
        with pytest.raises(InvalidCall, match="cursor"):
            ledger.list("ann", cursor=cursor)

    @pytest.mark.parametrize("limit", [-1, 0, 101])
    def test_a_bad_limit_is_a_bad_call(self, ledger: Ledger, limit: int) -> None:
        with pytest.raises(InvalidCall, match="limit"):
            ledger.list("ann", limit=limit)

    def test_tallies_are_what_counting_would_give(self, ledger: Ledger) -> None:
        for index in range(8):
            ledger.submit(a_request(f"r{index}", owner="ann" if index % 2 else "bob"))
        work_off(ledger, 2)
        ledger.fail(take(ledger), BadOutput("black"))
        ledger.cancel("r7")
        take(ledger)
        with ledger.db.reading() as connection:
            counted = connection.execute(
                select(R.owner, R.card, R.status, func.count()).group_by(R.owner, R.card, R.status)
            ).all()
            kept = connection.execute(select(tallies).where(tallies.c.count > 0)).all()
        assert sorted(map(tuple, kept)) == sorted(map(tuple, counted))
        assert sum(ledger.tally().values()) == 8
        assert ledger.tally("ann")[Status.CANCELLED] == 1

    # -- intake ------------------------------------------------------------------------------------------------------

    def test_an_image_is_taken_in_before_the_request_is_claimed(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r", image_url="https://example.com/cat.png"))
        assert nothing_to_take(ledger) is None
        lease = take_intake(ledger)
        assert (lease.image_url, lease.card, lease.tries) == ("https://example.com/cat.png", CARD, 1)
        assert ledger.claim_intake("w2").look_again_in == pytest.approx(30)
        ledger.finish_intake(lease, "inputs/r.png")
        assert ledger.claim_intake("w2") == type(ledger.claim_intake("w2"))(None, None)
        assert take(ledger).image_key == "inputs/r.png"

    def test_a_bad_image_ends_the_request_and_blames_no_worker(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r", image_url="https://example.com/cat.png"))
        ledger.fail_intake(
            take_intake(ledger), BadImage("image is 299×400: each side must be at least 300 px")
        )
        ended = ledger.get("r")
        assert (ended.status, ended.error_name, ended.failures) == (Status.FAILED, "BadImage", 0)
        assert ended.error == "image is 299×400: each side must be at least 300 px"

    def test_a_hiccup_is_tried_again_but_not_for_ever(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r", image_url="https://example.com/cat.png"))
        for _ in range(MAX_INTAKE_TRIES - 1):
            assert ledger.retry_intake(take_intake(ledger), FetchError("timed out")) is Status.QUEUED
            again = ledger.claim_intake("w1")
            assert again.lease is None
            assert again.look_again_in is not None
            pass_time(ledger, again.look_again_in)
        assert ledger.retry_intake(take_intake(ledger), FetchError("timed out")) is Status.FAILED
        assert ledger.get("r").error == "timed out"

    def test_an_intake_that_fell_silent_is_taken_over_and_refused(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r", image_url="https://example.com/cat.png"))
        zombie = take_intake(ledger)
        pass_time(ledger, 60)
        heir = take_intake(ledger)
        for late in (
            lambda: ledger.finish_intake(zombie, "inputs/late.png"),
            lambda: ledger.fail_intake(zombie, BadImage("late")),
            lambda: ledger.retry_intake(zombie, FetchError("late")),
        ):
            with pytest.raises(LeaseLost):
                late()
        ledger.cancel("r")
        with pytest.raises(LeaseLost):
            ledger.finish_intake(heir, "inputs/r.png")

    def test_an_image_that_kills_its_reader_does_not_loop(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r", image_url="https://example.com/bomb.png"))
        for _ in range(MAX_INTAKE_TRIES):
            take_intake(ledger)
            pass_time(ledger, 60)
        assert ledger.claim_intake("w1").lease is None
        assert ledger.sweep().lost == 1
        assert ledger.get("r").error_name == "WorkerLost"

    # -- the record of attempts --------------------------------------------------------------------------------------

    def test_every_attempt_leaves_its_record(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        lease = take(ledger, worker="w1")
        assert ledger.attempts("r")[0].ended_by is None
        ledger.beat(lease, Phase.LOAD, 0.5)
        pass_time(ledger, 3)
        ledger.fail(lease, EngineError("no weights"))
        pass_time(ledger, 60)
        lease = take(ledger, worker="w2")
        ledger.beat(lease, Phase.UPLOAD, 1.0)
        pass_time(ledger, 5)
        ledger.finish(lease, an_outcome(lease))
        first, second = ledger.attempts("r")
        assert (first.worker, first.fence, first.phase, first.ended_by) == ("w1", 1, Phase.LOAD, "retry")
        assert (first.error, first.error_name, first.seconds) == (
            "no weights",
            "EngineError",
            pytest.approx(3),
        )
        assert (second.worker, second.fence, second.phase, second.ended_by) == (
            "w2",
            2,
            Phase.UPLOAD,
            "finish",
        )
        assert (second.error, second.seconds) == (None, pytest.approx(5))

    # -- files -------------------------------------------------------------------------------------------------------

    def test_only_files_that_nobody_needs_are_garbage(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r", image_key="uploads/ann/cat.png"))
        ledger.release(take(ledger))
        lease = take(ledger)
        live = ["r/1.mp4", "r/2.mp4", "r/3.mp4", "uploads/ann/cat.png", "uploads/ann/dog.png", "gone/1.mp4"]
        assert ledger.garbage(live) == ("r/1.mp4", "uploads/ann/dog.png", "gone/1.mp4")
        ledger.finish(lease, an_outcome(lease))
        ended = [
            "r/1.mp4",
            "r/2.mp4",
            "r/2.jpg",
            "r/2.preview.mp4",
            "r/2.tmp",
            "r/3.mp4",
            "uploads/ann/cat.png",
        ]
        assert ledger.garbage(ended) == ("r/1.mp4", "r/2.tmp", "r/3.mp4")
        ledger.expire("r")
        assert ledger.garbage(ended) == tuple(ended)
        assert ledger.get("r").expired_at == time_of(ledger)

    def test_files_are_kept_for_their_time_after_the_end(self, ledger: Ledger) -> None:
        ledger.submit(a_request("day", keep_for=86_400.0))
        ledger.submit(a_request("ever"))
        pass_time(ledger, 200_000)
        assert ledger.overdue() == ()
        work_off(ledger, 2)
        pass_time(ledger, 86_399)
        assert ledger.overdue() == ()
        pass_time(ledger, 1)
        assert [request.id for request in ledger.overdue()] == ["day"]
        ledger.expire("day")
        assert ledger.overdue() == ()
        assert ledger.get("day").status is Status.SUCCESS

    def test_the_files_of_a_live_request_do_not_expire(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r", keep_for=1.0))
        pass_time(ledger, 100)
        ledger.expire("r")
        assert ledger.get("r").expired_at is None

    # -- owners and keys ---------------------------------------------------------------------------------------------

    def test_a_queue_cap(self, ledger: Ledger) -> None:
        ledger.put_owner(Owner(name="ann", queue_cap=2))
        ledger.submit(a_request("r1"))
        ledger.submit(a_request("r2", card=OTHER))
        with pytest.raises(QueueFull) as full:
            ledger.submit(a_request("r3", cost=20.0))
        assert full.value.retry_after == 20.0
        ledger.submit(a_request("bobs", owner="bob", cost=9.0))
        take(ledger)
        ledger.submit(a_request("r3"))
        assert ledger.list("ann").total == 3

    def test_a_refused_submit_moves_no_turn(self, ledger: Ledger) -> None:
        ledger.put_owner(Owner(name="ann", queue_cap=1))
        ledger.submit(a_request("a1", owner="ann"))
        for _ in range(50):
            with pytest.raises(QueueFull):
                ledger.submit(a_request("refused", owner="ann"))
        ledger.submit(a_request("b1", owner="bob", cost=3.0))
        work_off(ledger, 1)
        ledger.submit(a_request("a2", owner="ann"))
        assert work_off(ledger, 2) == ["a2", "b1"]

    def test_a_running_cap_lets_others_pass(self, ledger: Ledger) -> None:
        ledger.put_owner(Owner(name="ann", running_cap=1))
        for index in range(5):
            ledger.submit(a_request(f"a{index}", owner="ann"))
        ledger.submit(a_request("b", owner="bob", cost=50.0))
        first = take(ledger)
        assert first.request_id == "a0"
        assert take(ledger).request_id == "b"
        assert nothing_to_take(ledger)
        ledger.finish(first, an_outcome(first))
        assert take(ledger).request_id == "a1"

    def test_a_rate_limit(self, ledger: Ledger) -> None:
        ledger.put_owner(Owner(name="ann", per_minute=2))
        ledger.submit(a_request("r1"))
        pass_time(ledger, 10)
        ledger.submit(a_request("r2"))
        pass_time(ledger, 20)
        with pytest.raises(RateLimited) as limited:
            ledger.submit(a_request("r3"))
        assert str(limited.value) == "Rate limit exceeded for model Kling-V2-6"
        assert (limited.value.limit, limited.value.retry_after) == (2, pytest.approx(30))
        pass_time(ledger, 30)
        ledger.submit(a_request("r3"))

    def test_a_priority_bound(self, ledger: Ledger) -> None:
        ledger.put_owner(Owner(name="ann", priority_cap=1))
        ledger.submit(a_request("r1", priority=1))
        with pytest.raises(InvalidCall, match="priority: 2 is above the 1"):
            ledger.submit(a_request("r2", priority=2))
        ledger.submit(a_request("patient", owner="bob", priority=-5))
        with pytest.raises(InvalidCall, match="priority: 1 is above the 0"):
            ledger.submit(a_request("r2", owner="bob", priority=1))

    def test_a_cards_limits_hold_beside_the_owners(self, ledger: Ledger) -> None:
        ledger.put_owner(Owner(name="ann", queue_cap=3, per_minute=10))
        ledger.change_card_limits("ann", CARD, queue_cap=1)
        ledger.change_card_limits("ann", OTHER, per_minute=1)
        ledger.change_card_limits("ann", CARD, running_cap=7)
        assert [(c.card, c.queue_cap, c.running_cap, c.per_minute) for c in ledger.card_limits("ann")] == [
            (OTHER, None, None, 1),
            (CARD, 1, 7, None),
        ]
        ledger.submit(a_request("r1"))
        with pytest.raises(QueueFull, match=f"1 requests of {CARD} are queued already"):
            ledger.submit(a_request("r2"))
        ledger.submit(a_request("o1", card=OTHER))
        with pytest.raises(RateLimited) as limited:
            ledger.submit(a_request("o2", card=OTHER))
        assert limited.value.limit == 1
        ledger.submit(a_request("third", card="third"))
        with pytest.raises(QueueFull, match="3 requests are queued already"):
            ledger.submit(a_request("fourth", card="third"))
        ledger.submit(a_request("b1", owner="bob"))
        ledger.submit(a_request("b2", owner="bob"))

    def test_a_cards_running_cap_lets_other_cards_and_owners_pass(self, ledger: Ledger) -> None:
        ledger.change_card_limits("ann", CARD, running_cap=1)
        for index in range(3):
            ledger.submit(a_request(f"a{index}"))
        ledger.submit(a_request("other", card=OTHER, cost=100.0))
        ledger.submit(a_request("b", owner="bob", cost=50.0))
        first = take(ledger)
        assert [take(ledger).request_id for _ in range(2)] == ["b", "other"]
        assert nothing_to_take(ledger)
        ledger.finish(first, an_outcome(first))
        assert take(ledger).request_id == "a1"
        ledger.change_card_limits("ann", CARD, running_cap=None)
        assert take(ledger).request_id == "a2"

    def test_how_long_files_are_kept_is_said_by_card_then_owner_then_house(self, ledger: Ledger) -> None:
        ledger.change_owner("ann", keep_for=100.0)
        ledger.change_card_limits("ann", OTHER, keep_for=math.inf)
        for name, changes in (("own", {}), ("card", {"card": OTHER}), ("house", {"owner": "bob"})):
            ledger.submit(a_request(name, keep_for=50.0, **changes))
        work_off(ledger, 3)
        kept = {name: ledger.get(name).keep_until for name in ("own", "card", "house")}
        assert kept == {"own": START + 100, "card": None, "house": START + 50}

    def test_budgets_count_the_seconds_of_visible_successes(self, ledger: Ledger) -> None:
        ledger.put_owner(Owner(name="ann", day_budget=10.0, month_budget=15.0))
        pass_time(ledger, 86_400 - START % 86_400)

        def work(request_id: str, seconds: float) -> Lease:
            ledger.submit(a_request(request_id))
            lease = take(ledger)
            pass_time(ledger, seconds)
            return lease

        ledger.fail(work("failed", 9), BadOutput("black"))
        lease = work("first", 9)
        ledger.finish(lease, an_outcome(lease))
        lease = work("second", 2)
        ledger.finish(lease, an_outcome(lease))
        with pytest.raises(OutOfCredits):
            ledger.submit(a_request("third"))
        pass_time(ledger, 86_400)
        lease = work("fourth", 5)
        ledger.finish(lease, an_outcome(lease))
        pass_time(ledger, 86_400)
        with pytest.raises(OutOfCredits):
            ledger.submit(a_request("fifth"))
        pass_time(ledger, 31 * 86_400)
        ledger.submit(a_request("fifth"))

    def test_keys_are_kept_as_digests_and_revoked_once(self, ledger: Ledger) -> None:
        key = ledger.create_key("ann", "laptop")
        record = ledger.find_key(key.kid)
        assert record is not None
        assert (record.owner, record.name, record.admin, record.revoked) == ("ann", "laptop", False, False)
        assert matches(key.secret, record.digest)
        assert key.secret not in repr(record)
        assert ledger.create_key("bob", admin=True) != key
        assert {k.owner: k.admin for k in ledger.list_keys()} == {"ann": False, "bob": True}
        assert [k.kid for k in ledger.list_keys("ann")] == [key.kid]
        assert ledger.revoke_key(key.kid) is True
        assert ledger.revoke_key(key.kid) is False
        revoked = ledger.find_key(key.kid)
        assert revoked is not None
        assert revoked.revoked_at == START
        assert ledger.find_key("nothing") is None

    def test_a_look_tells_key_and_revision_of_one_moment(
        self, ledger: Ledger, open_ledger: OpenLedger
    ) -> None:
        key, other = ledger.create_key("ann"), open_ledger()
        ledger.submit(a_request("r"))
        record, revision = other.look(key.kid, "r")
        assert record == ledger.find_key(key.kid)
        assert other.get_as_of("r", revision, "ann") == ledger.get("r")
        lease = take(ledger)
        ledger.beat(lease, Phase.RENDER, 0.5)
        _, later = other.look(key.kid, "r")
        assert other.get_as_of("r", later).progress == 0.5
        with pytest.raises(UnknownRequest):
            other.get_as_of("r", later, "bob")
        assert other.look(key.kid, "nothing") == (record, None)
        with pytest.raises(UnknownRequest):
            other.get_as_of("nothing", None)
        ledger.revoke_key(key.kid)
        revoked, _ = other.look(key.kid, "r")
        assert revoked is not None
        assert revoked.revoked
        assert other.look("nokey", "r") == (None, None)

    def test_a_look_keeps_few_and_small_requests(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(polling, "KEPT", 2)
        key = ledger.create_key("ann")
        large = {"prompt": "x" * polling.LARGEST_KEPT}
        read: list[str] = []
        get = ledger.get

        def reading(request_id: str) -> Request:
            read.append(request_id)
            return get(request_id)

        monkeypatch.setattr(ledger, "get", reading)

        def poll(*ids: str) -> list[str]:
            read.clear()
            for name in ids:
                assert ledger.get_as_of(name, ledger.look(key.kid, name)[1]).id == name
            return list(read)

        for name, payload in (("a", {}), ("b", {}), ("c", {}), ("d", large)):
            ledger.submit(a_request(name, payload=payload))
        assert poll("a", "b", "a", "b") == ["a", "b"]
        assert poll("c", "b", "c", "a") == ["c", "a"]
        assert poll("d", "d") == ["d", "d"]

    def test_a_rotated_key_works_for_its_grace(self, ledger: Ledger) -> None:
        old = ledger.create_key("ann", "laptop", admin=True)
        new = ledger.rotate_key(old.kid, grace=3600.0)
        assert new is not None
        records = ledger.list_keys("ann")
        assert {(record.name, record.admin, record.revoked) for record in records} == {
            ("laptop", True, False)
        }
        pass_time(ledger, 3600)
        assert {record.kid: record.revoked for record in ledger.list_keys("ann")} == {
            old.kid: True,
            new.kid: False,
        }
        assert ledger.rotate_key(old.kid, grace=1.0) is None
        assert ledger.revoke_key(old.kid) is False
        assert ledger.rotate_key("nothing", grace=1.0) is None
        again = ledger.rotate_key(new.kid, grace=3600.0)
        assert again is not None
        assert ledger.revoke_key(new.kid) is True

    def test_usage(self, ledger: Ledger) -> None:
        pass_time(ledger, 86_400 - START % 86_400)
        for name, seconds in (("r1", 4), ("r2", 6)):
            ledger.submit(a_request(name))
            lease = take(ledger)
            pass_time(ledger, seconds)
            ledger.finish(lease, an_outcome(lease))
            pass_time(ledger, 86_400)
        ledger.submit(a_request("r3", owner="bob"))
        ann, bob = ledger.usage()
        assert (ann.owner, ann.day_seconds, ann.month_seconds) == ("ann", 0.0, 10.0)
        assert (ann.requests[Status.SUCCESS], ann.requests[Status.QUEUED]) == (2, 0)
        assert (bob.owner, bob.month_seconds, bob.requests[Status.QUEUED]) == ("bob", 0.0, 1)
        assert ledger.usage("ann") == (ann,)

    def test_owners_keep_their_limits(self, ledger: Ledger) -> None:
        owner = Owner(name="ann", weight=2.5, queue_cap=5, running_cap=2, per_minute=3, day_budget=60.0)
        ledger.put_owner(owner)
        ledger.submit(a_request("r"))
        assert ledger.get_owner("ann") == owner
        assert ledger.get_owner("nobody") is None

    def test_workers_sign_in(self, ledger: Ledger) -> None:
        ledger.register_worker("w1", "host-a", 10, [CARD, OTHER])
        pass_time(ledger, 5)
        ledger.register_worker("w2", "host-b", 11, [])
        pass_time(ledger, 5)
        ledger.worker_seen("w2")
        first, second = ledger.workers()
        assert (first.name, first.host, first.pid, first.cards) == ("w1", "host-a", 10, (CARD, OTHER))
        assert (first.silent_for, second.silent_for) == (10.0, 0.0)
        ledger.remove_worker("w2")
        pass_time(ledger, 90_000)
        ledger.register_worker("w3", "host-c", 12, [])
        assert [worker.name for worker in ledger.workers()] == ["w3"]

    # -- the database keeps the promise itself -----------------------------------------------------------------------

    @pytest.mark.parametrize("source", sorted(Status))
    def test_the_database_allows_the_transitions_of_the_table_and_no_other(
        self, ledger: Ledger, source: Status
    ) -> None:
        allowed = {t.target for t in TRANSITIONS if t.source is source} | {source}
        for target in Status:
            request_id = f"{source}-{target}"
            ledger.submit(a_request(request_id))
            self._bring(ledger, request_id, source)
            if target in allowed:
                self._force(ledger, request_id, target)
                assert ledger.get(request_id).status is target
            else:
                with pytest.raises(DBAPIError, match="may not change its status"):
                    self._force(ledger, request_id, target)
                assert ledger.get(request_id).status is source
            if ledger.get(request_id).status in LIVE:
                ledger.cancel(request_id)

    def test_the_database_never_lets_a_fence_fall(self, ledger: Ledger) -> None:
        ledger.submit(a_request("r"))
        take(ledger)
        with pytest.raises(DBAPIError, match="may not change its status or fence"):
            ledger.db.write(lambda connection: connection.execute(update(requests).values(fence=0)))

    @pytest.mark.parametrize(
        "values",
        [
            {"status": "dispatched"},
            {"phase": "thinking"},
            {"held": "weekend"},
            {"progress": 1.5},
            {"failures": 3},
            {"status": "success"},
            {"status": "failed", "finished_at": 1.0},
            {"lease_until": None},
        ],
        ids=str,
    )
    def test_the_database_refuses_rows_that_contradict_themselves(
        self, ledger: Ledger, values: dict[str, Any]
    ) -> None:
        ledger.submit(a_request("r"))
        take(ledger)
        with pytest.raises(DBAPIError):
            ledger.db.write(lambda connection: connection.execute(update(requests).values(values)))

    def _bring(self, ledger: Ledger, request_id: str, status: Status) -> None:
        if status is Status.QUEUED:
            return
        if status is not Status.PROCESSING:
            lease = take(ledger)
            ends: dict[Status, Callable[[], object]] = {
                Status.SUCCESS: lambda: ledger.finish(lease, an_outcome(lease)),
                Status.FAILED: lambda: ledger.fail(lease, BadOutput("black")),
                Status.CANCELLED: lambda: ledger.cancel(request_id),
            }
            ends[status]()
        else:
            take(ledger)
        assert ledger.get(request_id).status is status

    def _force(self, ledger: Ledger, request_id: str, status: Status) -> None:
        """Write a row that satisfies every CHECK of `status`, past all verbs."""
        values: dict[str, Any] = {
            "status": status.value,
            "held": None,
            "ready_at": None,
            "worker": "w",
            "lease_until": START if status is Status.PROCESSING else None,
            "finished_at": START if status in TERMINAL else None,
            "outcome": Outcome(video="v", thumbnail="t") if status is Status.SUCCESS else None,
            "error": "forced" if status is Status.FAILED else None,
        }
        ledger.db.write(
            lambda connection: connection.execute(update(requests).where(R.id == request_id).values(values))
        )
