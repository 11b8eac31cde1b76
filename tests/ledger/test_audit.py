"""The audit, and what policies leave on a request's record."""

from __future__ import annotations

from rushes.core.audit import MAX_ENTRIES, Decision, Stage
from rushes.core.request import Outcome
from rushes.ledger.queue import Ledger
from tests.contracts.ledger import a_request, pass_time

OUTCOME = Outcome(video="r/1.mp4", thumbnail="r/1.jpg")


def decision(request_id: str = "r", **more: object) -> Decision:
    values = {"owner": "ann", "policy": "words", "stage": Stage.SUBMIT, "decision": "allow"}
    return Decision(request_id=request_id, **values | more)  # type: ignore[arg-type]


def test_decisions_are_kept_in_order_the_newest_first(ledger: Ledger) -> None:
    first = decision()
    second = decision(policy="looks", decision="refuse", reason="too dark", stage=Stage.RESULT)
    ledger.record([first, second])
    ledger.record([decision("other", tags=("night", "sea"))])
    entries = ledger.audit("r")
    assert [(e.policy, e.stage, e.decision, e.reason) for e in entries] == [
        ("looks", Stage.RESULT, "refuse", "too dark"),
        ("words", Stage.SUBMIT, "allow", ""),
    ]
    everything = ledger.audit()
    assert [e.request_id for e in everything] == ["other", "r", "r"]
    assert everything[0].tags == ("night", "sea")
    assert everything[0].at > 0
    assert ledger.audit(before=everything[0].id, limit=1) == everything[1:2]


def test_tags_of_every_stage_stand_on_the_record_once(ledger: Ledger) -> None:
    ledger.submit(a_request("r", image_url="https://x/y.png", tags=("people",)))
    lease = ledger.claim_intake("intake").lease
    assert lease is not None
    assert (lease.tags, lease.shot) == (("people",), ledger.get("r").shot)
    ledger.finish_intake(lease, "inputs/r.png", ["face", "people"])
    assert ledger.get("r").tags == ("people", "face")
    work = ledger.claim("worker", [ledger.get("r").card]).lease
    assert work is not None
    assert work.tags == ("people", "face")
    ledger.finish(work, OUTCOME, ["night"])
    assert ledger.get("r").tags == ("people", "face", "night")


def test_a_request_without_policies_has_no_tags(ledger: Ledger) -> None:
    assert ledger.submit(a_request("r")).tags == ()
    work = ledger.claim("worker", [ledger.get("r").card]).lease
    assert work is not None
    ledger.finish(work, OUTCOME)
    assert ledger.get("r").tags == ()


def test_decisions_go_by_age_the_oldest_first_and_some_at_a_time(ledger: Ledger) -> None:
    old = MAX_ENTRIES + 20
    ledger.record([decision(f"old-{number}") for number in range(old)])
    pass_time(ledger, 100.0)
    ledger.record([decision("new")])
    assert ledger.forget_decisions(100.5) == 0
    assert [ledger.forget_decisions(99.5) for _ in range(3)] == [MAX_ENTRIES, 20, 0]
    assert [entry.request_id for entry in ledger.audit()] == ["new"]
    assert ledger.audit()[0].id > old
