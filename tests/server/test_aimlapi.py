"""The AI/ML API over HTTP: its four words, its error object, and the ids it is asked by."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from rushes.core.errors import BadOutput
from rushes.dialects.aimlapi import PATHS
from tests.cards import ALL
from tests.server.site import GMI, Account, Site, picture

PAGE, TODAY = PATHS
MODEL = "klingai/v2.5-turbo/pro/text-to-video"
ASK = {"model": MODEL, "prompt": "a boat"}


def assert_refused(answer: Any, status: int, path: str) -> str:
    body = answer.json()
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert set(body) == {"requestId", "statusCode", "timestamp", "path", "message"}
    assert (body["statusCode"], body["path"]) == (status, path)
    assert body["requestId"] == answer.headers["x-request-id"]
    assert body["timestamp"].endswith("Z")
    age = datetime.now(UTC) - datetime.fromisoformat(body["timestamp"].replace("Z", "+00:00"))
    assert abs(age.total_seconds()) < 60
    return str(body["message"])


@pytest.mark.parametrize("path", PATHS)
def test_a_call_without_a_good_key_is_401(site: Site, path: str) -> None:
    for answer in (
        site.client.post(path, json=ASK),
        site.client.get(path, params={"generation_id": "x"}, headers={"authorization": "Bearer x"}),
    ):
        assert assert_refused(answer, 401, path).startswith("This request requires a valid API key")


BAD = [
    ({"prompt": "a boat"}, "model: Required"),
    ({**ASK, "model": "kling-v9"}, "model: Invalid enum value"),
    ({**ASK, "model": 5}, "model: "),
    ({"model": MODEL}, "prompt: Required"),
    ({**ASK, "prompt": ""}, "prompt: Required"),
    ({**ASK, "prompt": "x" * 2501}, "prompt: has 2501 characters"),
    (
        {**ASK, "aspect_ratio": "x"},
        "aspect_ratio: Invalid enum value. Expected '16:9' | '9:16' | '1:1', received 'x'",
    ),
    ({**ASK, "duration": 6}, "duration: Invalid enum value. Expected '5' | '10', received 6"),
    ({**ASK, "cfg_scale": 3}, "cfg_scale: is 3"),
    ({**ASK, "negative_prompt": 5}, "negative_prompt: must be text"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("body", "text"), BAD, ids=[text for _, text in BAD])
def test_a_bad_body_is_400_and_names_the_field(
    ann: Account, path: str, body: dict[str, Any], text: str
) -> None:
    message = assert_refused(ann.post(path, body), 400, path)
    assert message.startswith("Body validation error!")
    assert text in message


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", ["", "?generation_id=", "?generation_id=%20", "?id=x", "?generation_id=:m"])
def test_a_poll_without_id_is_400(ann: Account, path: str, query: str) -> None:
    assert assert_refused(ann.call("GET", path + query), 400, path).startswith("Query validation error!")


@pytest.mark.parametrize("path", PATHS)
def test_an_unknown_id_is_404(ann: Account, path: str) -> None:
    assert assert_refused(ann.get(path, generation_id="nobody"), 404, path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("model", ALL)
def test_every_model_is_served_here_too(site: Site, ann: Account, path: str, model: str) -> None:
    image = {"image_url": base64.b64encode(picture()).decode()} if "Image2Video" in model else {}
    answer = ann.post(path, {"model": model, "prompt": "a boat", **image})
    assert (answer.status_code, set(answer.json())) == (200, {"id", "status"})
    lease = site.start(answer.json()["id"])
    assert lease.shot.has_image is bool(image)
    site.finish(lease)


@pytest.mark.parametrize(
    "more",
    [
        {"n": 1, "response_format": "url", "type": "video", "provider": {"x": []}},
        {"seed": "any"},
        {"seed": 1e9},
    ],
)
def test_foreign_keys_are_accepted(site: Site, ann: Account, more: dict[str, Any]) -> None:
    answer = ann.post(TODAY, {**ASK, **more})
    assert answer.status_code == 200
    if isinstance(more.get("seed"), float):
        assert site.start(answer.json()["id"]).shot.seed == 1_000_000_000


def test_the_states_and_nothing_else(site: Site, ann: Account) -> None:
    request_id = ann.post(TODAY, {**ASK, "duration": 10, "ratio": "9:16"}).json()["id"]
    poll = {"generation_id": request_id}
    assert ann.get(TODAY, **poll).json() == {"id": request_id, "status": "queued"}
    lease = site.start(request_id)
    assert (lease.shot.seconds, lease.shot.aspect_ratio) == (10, "9:16")
    assert ann.get(TODAY, **poll).json() == {"id": request_id, "status": "generating"}
    site.finish(lease)
    done = ann.get(TODAY, **poll).json()
    assert set(done) == {"id", "status", "video"}
    assert set(done["video"]) == {"url", "content_type", "file_name", "file_size", "duration"}
    assert (done["video"]["content_type"], done["video"]["duration"]) == ("video/mp4", 10.0)
    assert site.client.get(done["video"]["url"]).status_code == 200


@pytest.mark.parametrize(
    "form", ["{id}", "{id}:" + MODEL, "{id}%3A" + quote(MODEL, safe=""), " {id} "], ids=str
)
def test_an_id_is_found_in_every_form(ann: Account, form: str) -> None:
    request_id = ann.post(PAGE, ASK).json()["id"]
    written = form.format(id=request_id)
    for query in (written, quote(written, safe="")):
        answer = ann.call("GET", f"{PAGE}?generation_id={query.replace(' ', '+')}")
        assert answer.json() == {"id": request_id, "status": "queued"}


def test_ends_that_are_no_success(site: Site, ann: Account) -> None:
    failed = ann.post(TODAY, ASK).json()["id"]
    site.fail(site.start(failed), BadOutput("the clip has 119 frames of 120"))
    answer = ann.get(TODAY, generation_id=failed).json()
    assert answer == {
        "id": failed,
        "status": "error",
        "error": {"name": "BadOutput", "message": "the clip has 119 frames of 120"},
    }
    cancelled = ann.post(TODAY, ASK).json()["id"]
    assert ann.call("DELETE", f"{GMI}/requests/{cancelled}").status_code == 200
    answer = ann.get(TODAY, generation_id=cancelled).json()
    assert (answer["status"], answer["error"]["name"]) == ("error", "Cancelled")


def test_models_need_no_key(site: Site) -> None:
    for path in ("/v1/models", "/models"):
        body = site.client.get(path).json()
        assert body["object"] == "list"
        assert {model["id"] for model in body["data"]} == set(ALL)
        for model in body["data"]:
            assert set(model) == {"id", "type", "info"}
            assert model["type"] == "internal/video-generations/submit"
            assert set(model["info"]) == {"name", "developer", "description"}


def test_a_request_of_one_dialect_is_seen_in_the_other(site: Site, ann: Account) -> None:
    request_id = ann.post(TODAY, {**ASK, "seed": 5}).json()["id"]
    site.finish(site.start(request_id))
    record = ann.record(request_id)
    assert (record["model"], record["status"]) == (MODEL, "success")
    assert record["payload"] == {"prompt": "a boat", "seed": 5}
    assert record["outcome"]["seed"] == 5
