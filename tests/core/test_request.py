"""The table of a request's life says of itself what the promise says."""

from __future__ import annotations

import pytest

from rushes.core.request import LIVE, TERMINAL, TRANSITIONS, Status, targets


def test_every_status_is_live_or_terminal() -> None:
    assert set(Status) == LIVE | TERMINAL
    assert not LIVE & TERMINAL
    assert all(status.terminal == (status in TERMINAL) for status in Status)


def test_nothing_leaves_an_end() -> None:
    assert not [t for t in TRANSITIONS if t.source in TERMINAL]


def test_every_live_status_can_reach_every_end() -> None:
    def reachable(status: Status) -> set[Status]:
        found, todo = {status}, [status]
        while todo:
            source = todo.pop()
            new = {t.target for t in TRANSITIONS if t.source is source} - found
            found |= new
            todo += new
        return found

    assert all(reachable(status) >= TERMINAL for status in LIVE)


def test_only_a_running_attempt_succeeds() -> None:
    assert [(t.source, t.verb) for t in TRANSITIONS if t.target is Status.SUCCESS] == [
        (Status.PROCESSING, "finish")
    ]


@pytest.mark.parametrize(
    ("source", "verb", "expected"),
    [
        (Status.QUEUED, "claim", {Status.PROCESSING}),
        (Status.QUEUED, "finish", set()),
        (Status.PROCESSING, "release", {Status.QUEUED}),
        (Status.SUCCESS, "cancel", set()),
    ],
)
def test_the_table_is_asked(source: Status, verb: str, expected: set[Status]) -> None:
    assert targets(source, verb) == expected


def test_a_verb_leads_to_one_status() -> None:
    pairs = [(t.source, t.verb) for t in TRANSITIONS]
    assert len(pairs) == len(set(pairs))
