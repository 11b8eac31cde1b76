"""The numbers that the ledger's triggers keep, against what was done."""

from __future__ import annotations

from rushes.core.errors import EngineError, OutOfMemory
from rushes.core.request import Lease, Outcome, Phase
from rushes.ledger.queue import Ledger
from tests.contracts.ledger import OpenLedger, a_request, pass_time

CARD = "kling-v2-6"


def claimed(ledger: Ledger) -> Lease:
    lease = ledger.claim("w", [CARD]).lease
    assert lease is not None
    return lease


def made(**timings: float) -> Outcome:
    return Outcome(video="v", thumbnail="t", engine="animatic", timings=timings)


def test_an_empty_ledger_has_empty_numbers(open_ledger: OpenLedger) -> None:
    told = open_ledger().statistics()
    assert (told.requests, told.oldest, told.ended, told.attempts, told.workers) == ({}, {}, {}, {}, {})


def test_waits_runs_and_overheads_go_into_their_buckets(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    ledger.submit(a_request("r"))
    pass_time(ledger, 7)
    lease = claimed(ledger)
    pass_time(ledger, 20)
    ledger.beat(lease, Phase.RENDER, 0.5)
    ledger.beat(lease, Phase.RENDER, 0.6)
    ledger.finish(lease, made(load=4, render=15.5, inspect=0.5))
    told = ledger.statistics()
    key = (CARD, "animatic")
    assert (dict(told.wait[key].counts), told.wait[key].total) == ({10: 1}, 7)
    assert (dict(told.run[key].counts), told.run[key].total) == ({30: 1}, 20)
    assert (dict(told.overhead[key].counts), told.overhead[key].total) == ({0.5: 1}, 0.5)
    assert told.beats == {CARD: 2}
    assert told.requests[CARD, "success"] == 1
    assert told.ended == {(CARD, "success"): 1}


def test_a_wait_beyond_all_buckets_is_counted(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    ledger.submit(a_request("r"))
    pass_time(ledger, 100_000)
    ledger.finish(claimed(ledger), made())
    assert dict(ledger.statistics().wait[CARD, "animatic"].counts) == {float("inf"): 1}


def test_ends_and_attempts_are_counted_by_their_reason(open_ledger: OpenLedger) -> None:
    ledger = open_ledger(max_failures=2, backoff=lambda _: 0.0, lease_seconds=30)
    ledger.submit(a_request("fails"))
    ledger.fail(claimed(ledger), EngineError("no"))
    ledger.sweep()
    ledger.fail(claimed(ledger), OutOfMemory("no"))
    ledger.submit(a_request("cancelled"))
    ledger.cancel("cancelled")
    ledger.submit(a_request("lost"))
    claimed(ledger)
    pass_time(ledger, 31)
    claimed(ledger)
    pass_time(ledger, 31)
    ledger.sweep()
    ledger.submit(a_request("late", start_within=5.0))
    pass_time(ledger, 6)
    ledger.sweep()
    told = ledger.statistics()
    assert told.ended == {
        (CARD, "OutOfMemory"): 1,
        (CARD, "cancelled"): 1,
        (CARD, "WorkerLost"): 1,
        (CARD, "Expired"): 1,
    }
    assert told.attempts == {
        (CARD, "retry"): 1,
        (CARD, "fail"): 1,
        (CARD, "take over"): 1,
        (CARD, "lose"): 1,
    }
    assert told.attempt_seconds[CARD, "take over"] == 31


def test_the_oldest_one_queued_has_its_age(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    for name in ("first", "second", "third"):
        ledger.submit(a_request(name))
        pass_time(ledger, 10)
    assert ledger.statistics().oldest == {CARD: 30}
    claimed(ledger)
    assert ledger.statistics().oldest == {CARD: 20}
    assert ledger.statistics().requests == {(CARD, "queued"): 2, (CARD, "processing"): 1}


def test_workers_count_while_they_are_seen(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    ledger.register_worker("a", "here", 1, [CARD, "other"])
    pass_time(ledger, 50)
    ledger.register_worker("b", "here", 2, [CARD])
    assert ledger.statistics().workers == {CARD: 2, "other": 1}
    pass_time(ledger, 20)
    told = ledger.statistics()
    assert told.workers == {CARD: 1}
    assert told.silent_for == {"a": 70, "b": 20}
