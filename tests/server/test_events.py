"""Waiting for a request without polling: answers held back, and event streams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rushes.core.errors import EngineError
from rushes.core.request import Phase
from tests.server.live import Live
from tests.server.site import GMI, Account, Site, open_site, picture


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """For tests that close the hub."""
    with open_site(tmp_path) as site:
        yield site


def stream(site: Site, account: Account, request: str) -> Live:
    return Live(site, account, f"{GMI}/requests/{request}/events")


def test_a_stream_tells_every_state_until_the_end(site: Site, ann: Account) -> None:
    request = ann.submitted()
    live = stream(site, ann, request)
    first = live.event()
    assert first is not None
    assert (first.name, first.record["status"], first.record["position"]) == ("state", "queued", 0)
    lease = site.start(request)
    begun = live.event()
    assert begun is not None
    assert begun.record["status"] == "processing"
    site.beat(lease, 0.5)
    told = live.event()
    assert told is not None
    assert (told.record["phase"], told.record["progress"]) == ("render", 0.5)
    assert told.revision == site.house.ledger.get(request).revision
    site.finish(lease)
    last = live.event()
    assert last is not None
    assert (last.name, last.record["status"]) == ("end", "success")
    assert last.record["outcome"]["video_url"]
    assert live.event() is None
    assert first.revision < begun.revision < told.revision < last.revision


def test_a_stream_shows_what_is_being_made(site: Site, ann: Account) -> None:
    request = ann.submitted()
    lease = site.start(request)
    key = f"{request}/{lease.fence}.live1.jpg"
    site.house.store.put(key, picture("JPEG"))
    site.beat(lease, 0.5, key)
    live = stream(site, ann, request)
    told = live.event()
    assert told is not None
    shown = site.client.get(told.record["live_preview_url"])
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
    assert shown.content == picture("JPEG")
    assert ann.record(request)["live_preview_url"] == told.record["live_preview_url"]
    site.finish(lease)
    last = live.event()
    assert last is not None
    assert "live_preview_url" not in last.record


def test_what_the_engine_says_of_its_phase_is_told_while_it_lasts(site: Site, ann: Account) -> None:
    request = ann.submitted()
    lease = site.start(request)
    site.house.ledger.beat(lease, Phase.RENDER, 0.0, "compiling 2 of 7")
    assert ann.record(request)["note"] == "compiling 2 of 7"
    site.house.ledger.beat(lease, Phase.RENDER, 0.1)
    assert "note" not in ann.record(request)


def test_a_stream_is_one_to_every_reader(ann: Account) -> None:
    request = ann.submitted()
    ann.call("DELETE", f"{GMI}/requests/{request}")
    answer = ann.get(f"{GMI}/requests/{request}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
    assert answer.text.startswith("retry: 1000\n\nid: ")


def test_a_stream_that_is_taken_up_again_starts_with_the_state_that_counts(site: Site, ann: Account) -> None:
    request = ann.submitted()
    site.fail(site.start(request), EngineError("no"))
    ann.call("DELETE", f"{GMI}/requests/{request}")
    answer = ann.call("GET", f"{GMI}/requests/{request}/events", headers={"Last-Event-ID": "1"})
    assert answer.text.count("event: ") == answer.text.count("event: end\n") == 1
    assert '"status":"cancelled"' in answer.text


def test_nobody_streams_what_is_not_his(ann: Account, bob: Account) -> None:
    answer = bob.get(f"{GMI}/requests/{ann.submitted()}/events")
    assert (answer.status_code, answer.json()) == (404, {"error": "request not found"})


def test_a_waiting_answer_comes_with_the_end(site: Site, ann: Account) -> None:
    request = ann.submitted()
    live = Live(site, ann, f"{GMI}/requests/{request}", "wait=60")
    lease = site.start(request)
    site.beat(lease, 0.5)
    assert not live.answered
    site.finish(lease)
    assert live.body()["status"] == "success"


def test_a_waiting_answer_comes_when_its_time_is_over(ann: Account) -> None:
    request = ann.submitted()
    assert ann.get(f"{GMI}/requests/{request}", wait="1").json()["status"] == "queued"
    generation = ann.get("/v2/video/generations", generation_id=request, wait="1").json()
    assert generation["status"] == "queued"


@pytest.mark.parametrize("wait", ["61", "-1", "1.5", "soon"])
def test_a_wait_that_is_none_is_refused(ann: Account, wait: str) -> None:
    answer = ann.get(f"{GMI}/requests/{ann.submitted()}", wait=wait)
    assert answer.status_code == 400
    assert "0 … 60" in answer.json()["error"]


def test_an_owner_holds_only_so_many_streams(site: Site, ann: Account, bob: Account) -> None:
    request = ann.submitted()
    limit = site.house.settings.max_streams
    held = [stream(site, ann, request) for _ in range(limit)]
    assert all(live.event() for live in held)
    refused = ann.get(f"{GMI}/requests/{request}/events")
    assert refused.status_code == 429
    assert f"{limit} streams" in refused.json()["error"]
    other = stream(site, bob, bob.submitted())
    assert other.event()
    other.hang_up()
    held.pop().hang_up()  # a client that goes away gives its place back
    again = stream(site, ann, request)
    assert again.event()
    for live in (*held, again):
        live.hang_up()


def test_streams_and_waiting_answers_end_with_the_server(own_site: Site) -> None:
    account = own_site.account("ann")
    request = account.submitted()
    live = stream(own_site, account, request)
    assert live.event()
    waiting = Live(own_site, account, f"{GMI}/requests/{request}", "wait=60")
    own_site.hub.close()
    assert live.event() is None
    assert waiting.body()["status"] == "queued"
    assert account.get(f"{GMI}/requests/{request}", wait="60").json()["status"] == "queued"
