"""The vendors' pages, told to the server: every request as it stands there but for image and id, on every alias of its
path, and every answer held against the page's own."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from rushes.core.errors import BadOutput
from rushes.dialects.aimlapi import PATHS
from rushes.dialects.gmi import PREFIXES
from tests.server.site import Account, Site
from tests.wire.transcripts import SAMPLE_ID, Exchange, Transcript, transcripts

PAGES = transcripts()
TIMES = {"created_at", "updated_at", "queued_at"}
LINKS = {"video_url", "thumbnail_image_url", "url"}
MEASURED = {"file_size", "duration"}


def aliases(dialect: str, path: str) -> list[str]:
    """The path of the page and all others that mean the same."""
    if dialect == "gmi":
        home = next(prefix for prefix in PREFIXES if path.startswith(prefix + "/"))
        return [prefix + path.removeprefix(home) for prefix in PREFIXES]
    return list(PATHS) if path in PATHS else [path]


CASES = [
    pytest.param(page, exchange, path, id=f"{page.page}: {exchange.name} at {path}")
    for page in PAGES
    for exchange in page.exchanges
    for path in aliases(page.dialect, exchange.request.path)
]


def send(account: Account, exchange: Exchange, path: str, request_id: str) -> httpx2.Response:
    """The page's request, its sample id changed for a real one."""
    text = json.dumps([path, exchange.request.query])
    for sample in (SAMPLE_ID, exchange.request.query.get("generation_id", SAMPLE_ID)):
        text = text.replace(sample, request_id)
    path, query = json.loads(text)
    return account.call(exchange.request.method, path, exchange.request.body, params=query)


def prepare(site: Site, account: Account, page: Transcript, status: str) -> str:
    """A request as the page's own submission makes it, brought to the state that the page shows."""
    first = submission(page)
    answer = send(account, first, first.request.path, "")
    request_id = str(answer.json().get("request_id") or answer.json()["id"])
    if status == "queued":
        return request_id
    if first.shot.get("has_image"):
        site.take_in(request_id)
    lease = site.start(request_id)
    if status in ("success", "completed"):
        site.finish(lease)
    elif status in ("failed", "error"):
        site.fail(lease, BadOutput("no picture"))
    return request_id


def submission(page: Transcript) -> Exchange:
    return next(exchange for exchange in page.exchanges if exchange.kind == "Submit")


def assert_like(ours: Any, theirs: Any, key: str = "") -> None:
    """All of the page's answer stands in ours: the same constants, and the same kinds where values are a run's own."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict)
        assert theirs.keys() <= ours.keys()
        for name, value in theirs.items():
            assert_like(ours[name], value, name)
    elif key in TIMES:
        assert type(ours) is int
    elif key in LINKS:
        assert ours.startswith("http://testserver/files/")
    elif key in ("request_id", "id", "org_id", "file_name"):
        assert isinstance(ours, str)
        assert ours
    elif key in MEASURED and not isinstance(theirs, str):
        assert isinstance(ours, int | float)
        assert ours > 0
    elif key == "model_ids":
        assert theirs[0] in ours
    else:
        assert ours == theirs


@pytest.mark.parametrize(("page", "exchange", "path"), CASES)
def test_the_page_is_answered(
    site: Site, ann: Account, page: Transcript, exchange: Exchange, path: str
) -> None:
    told = exchange.response.body or {}
    request_id = ""
    if exchange.kind in ("Get", "List"):
        request_id = prepare(site, ann, page, told.get("status", "queued"))
    answer = send(ann, exchange, path, request_id)
    assert answer.status_code == exchange.response.status
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert_like(body, told)
    if exchange.kind == "Get":
        assert body.get("request_id", body.get("id")) == request_id
    if exchange.kind == "Get" and told["status"] in ("success", "completed", "queued", "generating"):
        assert "error" not in body
    if exchange.kind == "List":
        assert [record["request_id"] for record in body["requests"]] == [request_id]
        assert body["total"] == 1
    if exchange.kind == "ModelDetail" and exchange.response.status == 200:
        assert body["model"] == page.model
        assert {row["name"] for row in body["parameters"]} >= {"prompt", "duration", "cfg_scale"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.page)
def test_every_status_word_of_the_page_is_reached(site: Site, ann: Account, page: Transcript) -> None:
    """And none besides: clients know only these."""
    first = submission(page)
    seen = set()
    for status in page.statuses:
        request_id = prepare(site, ann, page, status)
        if status == "cancelled":
            assert ann.call("DELETE", f"{PREFIXES[0]}/requests/{request_id}").status_code == 200
        path = first.request.path
        poll = (
            ann.get(path, generation_id=request_id)
            if page.dialect == "aimlapi"
            else ann.get(f"{path}/{request_id}")
        )
        seen.add(poll.json()["status"])
        if status == "queued":  # out of the way of the next one
            ann.call("DELETE", f"{PREFIXES[0]}/requests/{request_id}")
    assert seen == set(page.statuses)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.page)
def test_an_id_is_found_in_any_case_and_echoed_as_sent(site: Site, ann: Account, page: Transcript) -> None:
    for spelt in (page.model.upper(), page.model.lower()):
        detail = ann.get(f"{PREFIXES[0]}/models/{spelt}")
        assert detail.json()["model"] == page.model
        encoded = ann.get(f"{PREFIXES[0]}/models/{quote(spelt, safe='')}")
        assert encoded.json() == detail.json()
        image = {"image": "https://example.com/image.jpg"} if page.model.startswith("Kling-Image") else {}
        answer = ann.ask({"prompt": "a boat", **image}, spelt)
        assert (answer.status_code, answer.json()["model"]) == (200, spelt)
        assert ann.record(answer.json()["request_id"])["model"] == spelt
        listed = ann.get(f"{PREFIXES[0]}/requests", model_id=page.model.swapcase()).json()
        assert answer.json()["request_id"] in {record["request_id"] for record in listed["requests"]}


@pytest.mark.parametrize(
    "sample", [sample for page in PAGES for sample in page.unreadable], ids=["quotes", "comma"]
)
def test_a_sample_that_is_not_json_is_400(ann: Account, sample: str) -> None:
    answer = ann.call("POST", f"{PREFIXES[0]}/requests", content=sample.encode())
    assert answer.status_code == 400
    assert "the body is not JSON" in answer.json()["error"]


def test_the_example_loop_of_the_aimlapi_page(site: Site, ann: Account) -> None:
    """The page's program in its own shape: post, poll while the word is one of four, read the answer."""

    def generate_video() -> Any:
        data = {
            "model": "klingai/v2.5-turbo/pro/text-to-video",
            "prompt": "A cheerful white raccoon running through a sequoia forest",
            "aspect_ratio": "16:9",
            "duration": "5",
        }
        response = ann.post("/v2/generate/video/kling/generation", data)
        if response.status_code >= 400:
            return None
        return response.json()

    def get_video(gen_id: str) -> Any:
        return ann.get("/v2/generate/video/kling/generation", generation_id=gen_id).json()

    generated = generate_video()
    gen_id = generated.get("id")
    assert gen_id
    seen = []
    steps = iter((lambda: None, lambda: site.start(gen_id), lambda: site.finish(lease)))
    lease = None
    while True:
        made = next(steps)()
        lease = made or lease
        answer = get_video(gen_id)
        assert answer is not None
        seen.append(answer.get("status"))
        if answer.get("status") not in ("waiting", "active", "queued", "generating"):
            break
    assert seen == ["queued", "generating", "completed"]
    video = site.client.get(answer["video"]["url"])
    assert (video.status_code, video.headers["content-type"]) == (200, "video/mp4")
    assert len(video.content) == answer["video"]["file_size"]
