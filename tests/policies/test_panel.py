"""The panel: every answer is written down before it counts, and no policy holds the house up."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from rushes.core.audit import Decision, Stage
from rushes.core.errors import LedgerUnavailable, Refused
from rushes.core.shot import Shot
from rushes.policies.base import Case
from rushes.policies.panel import AT_ONCE, Panel
from tests.plugins.judges import Judge


@pytest.fixture
def book() -> list[Decision]:
    return []


@pytest.fixture
def judge() -> Iterator[Judge]:
    judge = Judge()
    yield judge
    judge.go.set()


def case(prompt: str = "") -> Case:
    return Case(stage=Stage.SUBMIT, request_id="r", owner="ann", model="m", shot=Shot(prompt=prompt))


def said(book: list[Decision]) -> list[tuple[str, str, str]]:
    return [(d.policy, d.decision, d.reason) for d in book]


def test_tags_of_all_are_gathered_and_every_answer_is_written_down(book: list[Decision]) -> None:
    panel = Panel({"one": Judge(), "two": Judge({"mood": "tagged"}), "three": Judge()}, book.extend)
    assert panel.judge(case("tagged")) == ("sea", "night")
    assert said(book) == [("one", "allow", ""), ("two", "allow", ""), ("three", "allow", "")]
    assert book[0] == Decision(
        request_id="r",
        owner="ann",
        policy="one",
        stage=Stage.SUBMIT,
        decision="allow",
        tags=("sea", "night"),
    )


def test_the_first_refusal_ends_the_asking(book: list[Decision]) -> None:
    later = Judge()
    panel = Panel({"one": Judge(), "two": later}, book.extend)
    with pytest.raises(Refused, match="refused by policy: not this") as caught:
        panel.judge(case("refused"))
    assert not caught.value.retryable
    assert said(book) == [("one", "refuse", "not this")]
    assert later.seen == []


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("broken", "ValueError: no idea"),
        ("silly", "TypeError: judge returned str, not a Verdict"),
        ("exit", "RuntimeError: it tried to end the process"),
        ("shouting", "TypeError: tags must be at most 16 words"),
        ("hang", "TimeoutError: no answer within 0.05 s"),
    ],
)
def test_a_failed_policy_counts_as_the_operator_says(
    book: list[Decision], judge: Judge, mood: str, reason: str
) -> None:
    with pytest.raises(Refused) as caught:
        Panel({"one": judge}, book.extend, seconds=0.05).judge(case(mood))
    assert str(caught.value) == "refused by policy: it could not be checked", (
        "how it failed is no client's matter"
    )
    after = Judge({"mood": "calm"})
    allowed = Panel({"one": judge, "two": after}, book.extend, on_failure="allow", seconds=0.05)
    assert allowed.judge(case(mood)) == ()
    assert [(d.policy, d.decision) for d in book] == [("one", "refuse"), ("one", "allow"), ("two", "allow")]
    assert all(reason in decision.reason for decision in book[:2])
    assert len(after.seen) == 1


def test_a_policy_that_never_answers_cannot_fill_the_process_with_threads(
    book: list[Decision], judge: Judge
) -> None:
    panel = Panel({"one": judge}, book.extend, seconds=0.001)
    for _ in range(AT_ONCE + 3):
        with pytest.raises(Refused):
            panel.judge(case("hang"))
    assert len(judge.seen) == AT_ONCE
    assert sum(thread.name == "policy-one" for thread in threading.enumerate()) == AT_ONCE
    assert "earlier questions are still without an answer" in book[-1].reason
    judge.go.set()
    for thread in [thread for thread in threading.enumerate() if thread.name == "policy-one"]:
        thread.join()
    assert Panel({"one": judge}, book.extend).judge(case("tagged")) == ("sea", "night")


def test_what_cannot_be_written_down_is_not_decided() -> None:
    def away(decisions: Sequence[Decision]) -> None:
        raise LedgerUnavailable("the database is away")

    for prompt in ("", "refused"):
        with pytest.raises(LedgerUnavailable):
            Panel({"one": Judge()}, away).judge(case(prompt))


def test_without_policies_nothing_is_written(book: list[Decision]) -> None:
    panel = Panel({}, book.extend)
    assert panel.empty
    assert panel.judge(case("refused")) == ()
    assert book == []
