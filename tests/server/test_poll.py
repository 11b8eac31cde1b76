"""The short road of polls gives what the long road gives, and leaves to it whatever is special."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
import structlog

from rushes.core.request import Phase
from rushes.dialects.aimlapi import PATHS
from rushes.dialects.gmi import PREFIXES, Gmi
from rushes.ledger.queue import Ledger
from rushes.server.poll import Poll
from tests.server.site import GMI, Account, Site


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every call, whether the short road answered it."""
    taken: list[bool] = []
    answer = Poll._answer

    def noted(self: Poll, scope: Any) -> Any:
        reply = answer(self, scope)
        taken.append(reply is not None)
        return reply

    monkeypatch.setattr(Poll, "_answer", noted)
    return taken


def draw(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at the line that running requests share; it serves for the rest of the test."""
    monkeypatch.setattr(site.house.service.outlook, "max_age", 60.0)
    site.house.service.outlook._redraw()


def told(answer: httpx2.Response) -> tuple[int, Any, dict[str, str]]:
    """All that a client sees, but for the call's own id."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, answer.json(), headers


WAYS: list[Callable[[str], str]] = [
    *(lambda name, prefix=prefix: f"{prefix}/requests/{name}" for prefix in PREFIXES),  # type: ignore[misc]
    *(lambda name, path=path: f"{path}?generation_id={name}" for path in PATHS),  # type: ignore[misc]
    lambda name: f"{GMI}/requests/{name}?wait=0",
]


@pytest.mark.parametrize("way", WAYS)
def test_both_roads_tell_the_same(
    site: Site, ann: Account, short: list[bool], way: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = ann.submitted({"prompt": "a boat", "sed": 7})
    path = way(request_id)
    lease = site.start(request_id)
    draw(site, monkeypatch)
    for end in (False, True):
        if end:
            site.finish(lease)
        short.clear()
        quick = told(ann.call("GET", path))
        assert quick == told(ann.call("GET", path, content=b" "))
        assert quick[0] == 200
        assert quick[1]["status"] in (("success", "completed") if end else ("processing", "generating"))
        assert short == [True, False]


def test_strangers_bodies_and_waits_go_the_long_road(
    site: Site, ann: Account, bob: Account, short: list[bool]
) -> None:
    request_id = ann.submitted()
    site.finish(site.start(request_id))
    path = f"{GMI}/requests/{request_id}"
    assert ann.get(path).status_code == 200
    short.clear()
    assert bob.get(path).status_code == 404
    assert ann.call("GET", path, content=b"{}").status_code == 200
    assert ann.get(path, wait="1").status_code == 200
    assert ann.get(path, wait="soon").status_code == 400
    assert ann.call("GET", path, headers={"authorization": "Basic x"}).status_code == 401
    assert site.client.get(path).status_code == 401
    assert ann.get(f"{GMI}/requests/nobody").status_code == 404
    assert ann.get(f"{GMI}/requests/").status_code == 404
    assert short == [False] * 8


def test_of_two_keys_the_first_counts_on_both_roads(site: Site, ann: Account, bob: Account) -> None:
    path = f"{GMI}/requests/{ann.submitted()}"
    keys = [("authorization", f"Bearer {bob.key}"), ("authorization", f"Bearer {ann.key}")]
    for body in (b"", b" "):
        assert site.client.request("GET", path, headers=keys, content=body).status_code == 404
        assert site.client.request("GET", path, headers=keys[::-1], content=body).status_code == 200


def test_what_another_process_commits_is_seen_by_the_next_poll(
    site: Site, ann: Account, short: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress, an end, a key's end: through connections that the server knows nothing of."""
    request_id = ann.submitted()
    lease = site.start(request_id)
    draw(site, monkeypatch)
    other = Ledger(f"sqlite:///{site.house.ledger.db.path}")
    for progress in (0.25, 0.5):
        other.beat(lease, Phase.RENDER, progress)
        assert ann.record(request_id)["progress"] == progress
        assert ann.record(request_id)["progress"] == progress
    other.cancel(request_id)
    assert ann.record(request_id)["status"] == "cancelled"
    assert short == [True] * 5
    other.revoke_key(ann.key.split("_")[1])
    assert ann.get(f"{GMI}/requests/{request_id}").status_code == 401
    other.close()


def test_a_poll_that_breaks_is_answered_by_the_long_road(
    site: Site, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise sqlite3.OperationalError("no such column: colour")

    path = f"{GMI}/requests/{ann.submitted()}"
    with structlog.testing.capture_logs() as lines, monkeypatch.context() as patched:
        patched.setattr(site.house.ledger, "look", broken)
        assert ann.get(path).status_code == 200
        patched.setattr(site.house.ledger, "get", broken)
        refused = ann.get(path)
    assert (refused.status_code, refused.json()) == (500, {"error": "internal error"})
    assert refused.headers["x-request-id"]
    assert [line["event"] for line in lines if line["log_level"] == "error"] == [
        "poll broke",
        "poll broke",
        "call broke",
    ]
    assert ann.get(path).status_code == 200


def test_what_breaks_outside_the_routes_is_an_answer_like_others(
    site: Site, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marked, counted and logged; the log says what broke."""

    def broken(*_: Any, **__: Any) -> Any:
        raise ValueError("broken")

    monkeypatch.setattr(Gmi, "render_error", broken)
    monkeypatch.setattr(site.client._transport, "raise_server_exceptions", False)
    with structlog.testing.capture_logs() as lines:
        answer = ann.get(f"{GMI}/requests/nobody")
    assert (answer.status_code, answer.json()) == (500, {"error": "internal error"})
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]
    assert [(line["event"], line["status"]) for line in lines] == [("answered", 500)]
