"""The flows alone: answers are a list, pauses are numbers, nobody sleeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import pytest

from rushes.client.flow import (
    LATEST,
    SOONEST,
    Flow,
    Flows,
    Pause,
    Seen,
    Send,
    StillRunning,
    Unreachable,
    Walk,
    retry_after,
)
from rushes.core.errors import BadReply, QueueFull, RateLimited, UnknownRequest
from rushes.core.request import Status
from rushes.dialects.base import (
    Accepted,
    ModelList,
    Models,
    OutcomeView,
    Reply,
    RequestView,
    Submit,
    WireReply,
)
from rushes.dialects.gmi import Gmi

T = TypeVar("T")
GMI = Gmi()
LOST = Unreachable("gone")


class Trip:
    """Walks a flow with prepared answers, and keeps what it was told to do."""

    def __init__(self, flow: Flow[T], answers: Iterator[WireReply | Unreachable]) -> None:
        self.sent: list[Send] = []
        self.pauses: list[float] = []
        self.seen: list[RequestView] = []
        self.walk = Walk(flow)
        while self.walk.step is not None:
            match self.walk.step:
                case Send() as send:
                    self.sent.append(send)
                    answer = next(answers)
                    if isinstance(answer, Unreachable):
                        self.walk.lost(answer)
                    else:
                        self.walk.answered(answer)
                case Pause(seconds):
                    self.pauses.append(seconds)
                    self.walk.go_on()
                case Seen(record):
                    self.seen.append(record)
                    self.walk.go_on()


def trip(flow: Flow[T], *answers: WireReply | Unreachable) -> Trip:
    rest = iter(answers)
    made = Trip(flow, rest)
    assert next(rest, None) is None, "not every answer was asked for"
    return made


def record(status: Status, **fields: object) -> WireReply:
    return GMI.render(RequestView(id="r1", status=status, model="m", **fields))  # type: ignore[arg-type]


def reply(what: Reply) -> WireReply:
    return GMI.render(what)


def busy(status: int, **headers: str) -> WireReply:
    return WireReply(status, b'{"error":"busy"}', {k.replace("_", "-"): v for k, v in headers.items()})


QUEUED, PROCESSING = record(Status.QUEUED), record(Status.PROCESSING, phase="render", progress=0.5)
SUCCESS = record(Status.SUCCESS, outcome=OutcomeView(video_url="http://x/v.mp4", understood=("sea",)))


def met() -> Flows:
    """Flows whose server has answered before."""
    flows = Flows(GMI)
    trip(flows.call(Models(), ModelList), reply(ModelList(())))
    return flows


def test_watch_shows_each_change_once_and_ends_at_the_end() -> None:
    made = trip(Flows(GMI).watch("r1"), QUEUED, QUEUED, PROCESSING, PROCESSING, SUCCESS)
    assert [view.status for view in made.seen] == [Status.QUEUED, Status.PROCESSING, Status.SUCCESS]
    assert made.walk.result == made.seen[-1]
    assert made.walk.result.outcome is not None
    assert made.walk.result.outcome.understood == ("sea",)
    assert len(made.pauses) == 4


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
def test_a_bad_end_is_an_end_not_an_error(status: Status) -> None:
    made = trip(Flows(GMI).watch("r1"), record(status, error="no"))
    assert made.walk.result.status is status
    assert made.pauses == []


def test_pauses_grow_to_a_bound() -> None:
    made = trip(Flows(GMI).watch("r1"), *[QUEUED] * 60, SUCCESS)
    assert made.pauses[0] == SOONEST
    assert made.pauses == sorted(made.pauses)
    assert made.pauses[-1] == LATEST


def test_the_servers_wish_sets_the_pause() -> None:
    asked = WireReply(200, QUEUED.body, {**QUEUED.headers, "retry-after": "7"})
    assert trip(Flows(GMI).watch("r1"), asked, SUCCESS).pauses == [7.0]


def test_watch_gives_up_when_told_and_says_where_it_stands() -> None:
    with pytest.raises(StillRunning, match="still queued after 1 s"):
        trip(Flows(GMI).watch("r1", 1.0), *[QUEUED] * 4)


def test_a_poll_survives_a_restart_of_the_server() -> None:
    made = trip(Flows(GMI).watch("r1"), QUEUED, LOST, LOST, busy(502), busy(503), SUCCESS)
    assert made.walk.result.status is Status.SUCCESS
    assert made.pauses[1:] == [0.3, 0.6, 1.2, 2.4]


def test_patience_ends() -> None:
    with pytest.raises(Unreachable, match="gone"):
        trip(met().watch("r1"), *[LOST] * 16)
    with pytest.raises(QueueFull):
        trip(Flows(GMI).watch("r1"), *[busy(503, retry_after="25")] * 3)


def test_a_server_that_never_answered_is_not_waited_for() -> None:
    with pytest.raises(Unreachable):
        trip(Flows(GMI).watch("r1"), LOST)


def test_a_long_retry_after_is_not_sat_out() -> None:
    with pytest.raises(RateLimited):
        trip(Flows(GMI).call(Models(), ModelList), busy(429, retry_after="3600"))


def test_refusals_are_raised_as_what_they_tell() -> None:
    with pytest.raises(UnknownRequest):
        trip(Flows(GMI).watch("r1"), WireReply(404, b'{"error":"request not found"}'))


def test_a_stranger_that_answers_is_told_apart() -> None:
    with pytest.raises(BadReply):
        trip(Flows(GMI).call(Models(), ModelList), WireReply(200, b"<html>"))


def test_a_repeated_submit_carries_one_key() -> None:
    queued = RequestView(id="r1", status=Status.QUEUED)
    made = trip(
        met().submit(Submit.of("m", {"prompt": "sea"}), "k1"), LOST, busy(409), reply(Accepted(queued))
    )
    assert made.walk.result.id == "r1"
    assert {send.headers["idempotency-key"] for send in made.sent} == {"k1"}
    assert len({send.call.body for send in made.sent}) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 3 "}, 3.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "٣"}, 0.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:47 GMT"}, 0.0),
        (
            {"retry-after": "Sun, 06 Nov 1994 08:49:47 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"},
            10.0,
        ),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:27 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(WireReply(503, b"", headers)) == seconds
