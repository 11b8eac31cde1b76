from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rushes.core.errors import EngineError, Unauthorised, UnknownRequest
from rushes.core.request import Outcome, Phase, Request, Status
from rushes.core.shot import Shot
from rushes.dialects import wire
from rushes.dialects.base import Accepted, ModelInfo, OutcomeView, RequestView, WireReply
from tests.cards import catalogue


def request(**rest: Any) -> Request:
    facts = {"owner": "ada", "model": "Kling-V2-6", "card": "kling-v2-6", "dialect": "gmi", "shot": Shot()}
    return Request(id="1", payload={"prompt": "x"}, **(facts | rest))


def link(key: str) -> str:
    return f"https://example.com/{key}"


def test_a_waiting_request_tells_no_phase() -> None:
    view = RequestView.of(
        request(status=Status.QUEUED, phase=Phase.RENDER, progress=0.4, created_at=1.5), link
    )
    assert (view.id, view.model, view.user_id, view.payload) == ("1", "Kling-V2-6", "ada", {"prompt": "x"})
    assert (view.created_at, view.phase, view.progress, view.outcome) == (1.5, None, None, None)


def test_a_running_request_tells_phase_and_progress() -> None:
    view = RequestView.of(request(status=Status.PROCESSING, phase=Phase.RENDER, progress=0.4), link)
    assert (view.phase, view.progress) == ("render", 0.4)


def test_the_payload_can_be_shown_with_urls_for_keys() -> None:
    view = RequestView.of(request(status=Status.QUEUED), link, payload={"image": "https://example.com/1.png"})
    assert view.payload == {"image": "https://example.com/1.png"}


def test_an_outcomes_keys_become_urls_and_its_report_is_sorted() -> None:
    outcome = Outcome(
        video="1/1.mp4",
        thumbnail="1/1.jpg",
        width=1920,
        height=1080,
        fps=30.0,
        seconds=5.0,
        size=99,
        sound=True,
        seed=7,
        engine="animatic",
        report={"understood": ["sea"], "ignored": ["dragon"], "warnings": ["dark", "late"], "camera": "pan"},
        warnings=["late"],
    )
    view = RequestView.of(request(status=Status.SUCCESS, outcome=outcome), link)
    assert view.outcome == OutcomeView(
        video_url="https://example.com/1/1.mp4",
        thumbnail_url="https://example.com/1/1.jpg",
        width=1920,
        height=1080,
        fps=30.0,
        seconds=5.0,
        size=99,
        sound=True,
        seed=7,
        engine="animatic",
        understood=("sea",),
        ignored=("dragon",),
        warnings=("late", "dark"),
        details={"camera": "pan"},
    )
    assert outcome.report["understood"] == ["sea"]


def test_a_card_is_shown_without_its_engine() -> None:
    info = ModelInfo.of(catalogue().find("kling-v2-6"), org_id="org")
    assert info.modalities == {"input": ("text", "image"), "output": ("video", "audio")}
    assert {"page", "here"} == info.errata[0].keys()
    assert b"animatic" not in msgspec.json.encode(info)


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("", 1.0), ("soon", 1.0), ("-3", 1.0), ("9" * 400, 1.0), ("٣", 1.0)]
)
def test_a_retry_after_is_read_with_care(header: str, seconds: float) -> None:
    assert wire.seconds_to_wait(WireReply(429, b"", {"retry-after": header})) == seconds


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (29.97, "30"), (30.0, "30")])
def test_a_retry_after_is_never_at_once(seconds: float, header: str) -> None:
    assert wire.retry_after(seconds) == {"retry-after": header}


def test_our_own_troubles_are_no_business_of_the_clients() -> None:
    assert wire.sentence(EngineError("CUDA died at 0x7f")) == "internal error"
    assert wire.sentence(UnknownRequest("1")) == "request not found"
    assert wire.sentence(Unauthorised()).startswith("This request requires a valid API key. Send ")


def test_a_cancelled_request_says_by_whom() -> None:
    view = RequestView.of(request(status=Status.CANCELLED, cancel_reason="cancelled by an operator"), link)
    assert view.error == "cancelled by an operator"


def test_a_receipt_tells_the_beginning_whatever_came_since() -> None:
    view = RequestView.of(
        request(status=Status.FAILED, error="black", queued_at=2.0, updated_at=9.0, retry_of="0"), link
    )
    receipt = Accepted.first(view).request
    assert receipt == RequestView(
        id="1", status=Status.QUEUED, model="Kling-V2-6", queued_at=2.0, updated_at=2.0, retry_of="0"
    )
