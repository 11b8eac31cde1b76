"""The request queue over HTTP: what the contract promises besides the pages."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from sqlalchemy import update

from rushes.core.errors import BadOutput
from rushes.core.request import Status
from rushes.ledger.table import requests
from tests.server.site import FIXED_KEY, GMI, URL, Account, Site, picture

PROMPT = {"prompt": "a boat"}
BOTH = ("kling-v2-6", "kling-v2-5-turbo")
TEXT = "Kling-Text2Video-V2.1-Master"
IMAGE = "Kling-Image2Video-V2-Master"


# -- who asks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer nonsense", "Basic YTpi", "Bearer rsh_aaaaaaaaaaaa_bbbb", "\xff"],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/requests"),
        ("GET", "/requests"),
        ("GET", "/requests/x"),
        ("DELETE", "/requests/x"),
        ("GET", "/models"),
        ("GET", "/models/kling-v2-6"),
        ("POST", "/upload-url"),
    ],
)
def test_a_call_without_a_good_key_is_401(site: Site, method: str, path: str, authorization: str) -> None:
    headers = {"authorization": authorization.encode("latin-1")} if authorization else {}
    answer = site.client.request(method, GMI + path, headers=headers)
    assert answer.status_code == 401
    assert set(answer.json()) == {"error"}
    assert "key" in answer.json()["error"]


def test_keys_open_until_they_are_revoked(site: Site, ann: Account) -> None:
    assert ann.get(f"{GMI}/models").status_code == 200
    site.house.ledger.revoke_key(ann.key.split("_")[1])
    assert ann.get(f"{GMI}/models").status_code == 401


def test_the_fixed_key_opens_whatever_the_scheme_is_spelt_like(site: Site) -> None:
    headers = {"authorization": f"bearer  {FIXED_KEY}", "x-organization-id": "somebody"}
    assert site.client.get(f"{GMI}/models", headers=headers).status_code == 200


def test_another_owners_request_is_not_there(site: Site, ann: Account, bob: Account) -> None:
    mine = ann.submitted()
    for method in ("GET", "DELETE"):
        answer = bob.call(method, f"{GMI}/requests/{mine}")
        assert (answer.status_code, answer.json()) == (404, {"error": "request not found"})
    assert bob.get(f"{GMI}/requests").json() == {"requests": [], "total": 0, "next_cursor": None}
    assert ann.record(mine)["status"] == "queued"
    assert bob.get("/v2/video/generations", generation_id=mine).status_code == 404


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("request_id", ["00000000-0000-0000-0000-000000000000", "x", "%00", "'--", "a" * 300])
def test_an_unknown_request_is_404(ann: Account, method: str, request_id: str) -> None:
    answer = ann.call(method, f"{GMI}/requests/{request_id}")
    assert (answer.status_code, answer.json()) == (404, {"error": "request not found"})


@pytest.mark.parametrize("payload", [{}, PROMPT, {"prompt": 7}])
@pytest.mark.parametrize("model", ["kling-v9", "", "a/b", "x" * 200])
def test_an_unknown_model_is_404_whatever_the_payload(
    ann: Account, model: str, payload: dict[str, Any]
) -> None:
    answer = ann.ask(payload, model)
    if not model:
        assert answer.status_code == 400
        assert "model" in answer.json()["error"]
        return
    assert (answer.status_code, answer.json()) == (404, {"error": f"model {model} does not exist"})


@pytest.mark.parametrize("model", [*BOTH, TEXT, IMAGE, "klingai/v2.5-turbo/pro/text-to-video"])
def test_the_empty_payload_of_a_probe_is_400(ann: Account, model: str) -> None:
    for spelt in (model, model.upper()):
        for body in ({"model": spelt, "payload": {}}, {"model": spelt}, {"model": spelt, "payload": None}):
            answer = ann.post(f"{GMI}/requests", body)
            assert answer.status_code == 400
            assert "invalid payload parameters" in answer.json()["error"]
            assert "missing" in answer.json()["error"]
    assert ann.get(f"{GMI}/requests").json()["total"] == 0


BAD = [
    ({"duration": "7"}, "duration", "allowed options: 5, 10"),
    ({"duration": 5.5}, "duration", "allowed options: 5, 10"),
    ({"duration": True}, "duration", "allowed options: 5, 10"),
    ({"duration": [5]}, "duration", "allowed options: 5, 10"),
    ({"cfg_scale": 1.01}, "cfg_scale", "allowed options: 0 … 1"),
    ({"cfg_scale": -0.1}, "cfg_scale", "allowed options: 0 … 1"),
    ({"cfg_scale": "much"}, "cfg_scale", "number"),
    ({"cfg.scale": 2}, "cfg_scale", "allowed options: 0 … 1"),
    ({"mode": "std"}, "mode", "allowed options: pro"),
    ({"aspect_ratio": "4:3"}, "aspect_ratio", "allowed options: 16:9, 9:16, 1:1"),
    ({"sound": "loud"}, "sound", "allowed options: on, off"),
    ({"negative_prompt": "x" * 2501}, "negative_prompt", "2501 characters"),
    ({"prompt": "x" * 2501}, "prompt", "2501 characters"),
    ({"prompt": ["a boat"]}, "prompt", "must be text"),
    ({"prompt": "  "}, "prompt", "missing"),
    ({"prompt": "nul \0"}, "prompt", "not text"),
    ({"seed": 1.5}, "seed", "whole number"),
    ({"seed": -1}, "seed", "allowed options"),
    ({"image": ["https://example.com/a.jpg"]}, "image", "at most one image"),
    ({"image": "no Base64 at all!"}, "image", ""),
    ({"image": "data:image/gif;base64,R0lGODlhAQABAAAAACw="}, "image", ""),
    ({"image": base64.b64encode(picture(width=299, height=400)).decode()}, "image", "299×400"),
    ({"image": base64.b64encode(picture()[:200]).decode()}, "image", ""),
]


@pytest.mark.parametrize(("wrong", "key", "text"), BAD, ids=[str(case[0])[:40] for case in BAD])
def test_a_bad_payload_is_400_and_names_the_key(
    site: Site, ann: Account, wrong: dict[str, Any], key: str, text: str
) -> None:
    files = list(site.house.store.list())
    answer = ann.ask({**PROMPT, **wrong})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert "invalid payload parameters" in error
    assert f"{key}: " in error
    assert text in error
    assert ann.get(f"{GMI}/requests").json()["total"] == 0
    assert list(site.house.store.list()) == files


GOOD = [
    ({"duration": 10.0}, {"seconds": 10}),
    ({"duration": ""}, {"seconds": 5}),
    ({"duration": None}, {"seconds": 5}),
    ({"cfg_scale": "0.25"}, {"cfg_scale": 0.25}),
    ({"cfg_scale": 0.333}, {"cfg_scale": 0.333}),
    ({"cfg.scale": 0.7}, {"cfg_scale": 0.7}),
    ({"cfg.scale": 0.7, "cfg_scale": 0.2}, {"cfg_scale": 0.2}),
    ({"sound": "YES"}, {"sound": True}),
    ({"sound": False}, {"sound": False}),
    ({"mode": "pro", "aspect_ratio": "9:16"}, {"aspect_ratio": "9:16"}),
    ({"negative_prompt": "rain"}, {"negative_prompt": "rain"}),
    ({"seed": "7"}, {"seed": 7}),
    ({"image": ""}, {"has_image": False}),
]


@pytest.mark.parametrize(("payload", "shot"), GOOD, ids=[str(case[0]) for case in GOOD])
def test_the_tolerant_reading_reaches_the_worker(
    site: Site, ann: Account, payload: dict[str, Any], shot: dict[str, Any]
) -> None:
    request_id = ann.submitted({**PROMPT, **payload})
    lease = site.start(request_id)
    assert {name: getattr(lease.shot, name) for name in shot} == shot
    assert ann.record(request_id)["payload"] == {**PROMPT, **payload}


def test_unknown_keys_are_echoed_and_warned_of(ann: Account) -> None:
    payload = {**PROMPT, "image_urls": ["x"], "duratoin": 10, "deep": {"a": [1, None]}}
    answer = ann.ask(payload).json()
    assert ann.record(answer["request_id"])["payload"] == payload
    warnings = " ".join(answer["warnings"])
    assert "'duratoin' was ignored" in warnings
    assert "did you mean 'duration'?" in warnings


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=!!", "cursor=W10"])
def test_a_bad_list_query_is_400(ann: Account, query: str) -> None:
    answer = ann.call("GET", f"{GMI}/requests?{query}")
    assert answer.status_code == 400
    assert query.split("=")[0] in answer.json()["error"]


def test_a_list_of_an_unknown_model_is_404(ann: Account) -> None:
    assert ann.get(f"{GMI}/requests", model_id="kling-v9").json() == {
        "error": "model kling-v9 does not exist"
    }


def test_paths_and_methods_that_do_not_exist_are_json(ann: Account) -> None:
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("PUT", f"{GMI}/requests", 405),
        ("PATCH", f"{GMI}/models", 405),
        ("GET", f"{GMI}/requests/", 404),
    ):
        answer = ann.call(method, path)
        assert answer.status_code == status
        assert path in answer.json()["error"]


# -- the life of a request ---------------------------------------------------------------------------------------------


def test_the_record_of_a_success(site: Site, ann: Account) -> None:
    request_id = ann.submitted({**PROMPT, "seed": 7, "sound": "on"})
    record = ann.record(request_id)
    assert (record["status"], record["outcome"]) == ("queued", None)
    lease = site.start(request_id)
    site.beat(lease, 0.5)
    record = ann.record(request_id)
    assert (record["status"], record["outcome"], record["progress"]) == ("processing", None, 0.5)
    site.finish(lease)
    record = ann.record(request_id)
    assert record["status"] == "success"
    assert "error" not in record
    assert "error" not in record["outcome"]
    outcome = record["outcome"]
    assert outcome["media_urls"] == [{"id": "0", "url": outcome["video_url"]}]
    assert (outcome["seed"], outcome["sound"], outcome["duration"]) == (7, True, 5.0)
    assert (outcome["understood"], outcome["ignored"]) == (["boat"], ["dragon"])
    for url in (outcome["video_url"], outcome["thumbnail_image_url"], outcome["preview_url"]):
        assert site.client.get(url).status_code == 200
    for time in ("created_at", "updated_at", "queued_at"):
        assert type(record[time]) is int
    assert record["created_at"] <= record["updated_at"] <= record["created_at"] + 60


def test_the_record_of_a_failure(site: Site, ann: Account) -> None:
    request_id = ann.submitted()
    site.fail(site.start(request_id), BadOutput("the clip has 119 frames of 120"))
    answer = ann.get(f"{GMI}/requests/{request_id}")
    record = answer.json()
    assert (answer.status_code, record["status"]) == (200, "failed")
    assert record["error"] == record["outcome"]["error"]
    assert "119 frames" in record["error"]
    assert "video_url" not in record["outcome"]


def test_delete_cancels_once(site: Site, ann: Account) -> None:
    request_id = ann.submitted()
    answer = ann.call("DELETE", f"{GMI}/requests/{request_id}")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    again = ann.call("DELETE", f"{GMI}/requests/{request_id}")
    assert again.status_code == 409
    assert "already cancelled" in again.json()["error"]
    assert ann.record(request_id)["status"] == "cancelled"
    assert site.house.ledger.claim("test", ["kling-v2-6"]).lease is None


def test_delete_while_it_runs_and_after_its_end(site: Site, ann: Account) -> None:
    running = ann.submitted()
    lease = site.start(running)
    assert ann.call("DELETE", f"{GMI}/requests/{running}").json()["status"] == "cancelled"
    with pytest.raises(Exception, match="no longer ours"):
        site.finish(lease)
    assert ann.record(running)["status"] == "cancelled"
    done = ann.submitted()
    site.finish(site.start(done))
    answer = ann.call("DELETE", f"{GMI}/requests/{done}")
    assert (answer.status_code, "already success" in answer.json()["error"]) == (409, True)


def test_seeds_are_drawn_apart_and_told(site: Site, ann: Account) -> None:
    seeds = set()
    for _ in range(3):
        lease = site.start(ann.submitted())
        seeds.add(lease.shot.seed)
        site.finish(lease)
        assert ann.record(lease.request_id)["outcome"]["seed"] == lease.shot.seed
    assert len(seeds) == 3


# -- lists -------------------------------------------------------------------------------------------------------------


def test_pages_hold_every_request_once_even_of_one_moment(site: Site, ann: Account, bob: Account) -> None:
    asked = [ann.submitted(model=BOTH[number % 2]) for number in range(7)]
    bob.submitted()
    at_one_moment(site, ann.owner)
    found, cursor, sizes = [], "", []
    while True:
        page = ann.get(f"{GMI}/requests", limit="3", cursor=cursor).json()
        assert page["total"] == 7
        sizes.append(len(page["requests"]))
        found += [record["request_id"] for record in page["requests"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sizes == [3, 3, 1]
    assert sorted(found) == sorted(asked)


def at_one_moment(site: Site, owner: str) -> None:
    """As if all requests of the owner had come in the same instant."""
    together = update(requests).where(requests.c.owner == owner).values(created_at=1_000_000.0)
    site.house.ledger.db.write(lambda connection: connection.execute(together).rowcount)


def test_a_list_by_model_is_newest_first(ann: Account) -> None:
    asked = [ann.submitted(model=BOTH[number % 2]) for number in range(4)]
    answer = ann.get(f"{GMI}/requests", model_id="KLING-V2-6").json()
    assert [record["request_id"] for record in answer["requests"]] == [asked[2], asked[0]]
    assert answer["total"] == 2
    assert {record["status"] for record in answer["requests"]} == {str(Status.QUEUED)}


# -- pictures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type", ["image/png", "image/jpeg", "application/octet-stream", "text/plain", None]
)
@pytest.mark.parametrize("file_type", ["png", "jpg", "JPEG", "image/png", ".png"])
def test_upload_then_name_the_image(
    site: Site, ann: Account, file_type: str, content_type: str | None
) -> None:
    links = ann.post(f"{GMI}/upload-url", {"file_type": file_type}).json()
    assert set(links) == {"upload_url", "public_url"}
    headers = {} if content_type is None else {"content-type": content_type}
    put = site.client.put(links["upload_url"], content=picture(), headers=headers)
    assert put.status_code == 200
    # Whatever the link was asked for, and the PUT called it, it is what its bytes are.
    assert site.client.get(links["public_url"]).headers["content-type"] == "image/png"
    request_id = ann.submitted({"image": links["public_url"]}, IMAGE)
    assert ann.record(request_id)["payload"] == {"image": links["public_url"]}
    assert site.house.files.own_key(links["public_url"])


@pytest.mark.parametrize("file_type", ["gif", "", None, 7, "../png"])
def test_no_upload_of_other_types(ann: Account, file_type: object) -> None:
    answer = ann.post(f"{GMI}/upload-url", {"file_type": file_type})
    assert answer.status_code == 400
    assert "file_type" in answer.json()["error"]


@pytest.mark.parametrize("data", [b"", b"no picture", picture()[:300]], ids=["empty", "text", "torn"])
def test_an_upload_that_is_no_picture_is_400(site: Site, ann: Account, data: bytes) -> None:
    links = ann.post(f"{GMI}/upload-url", {"file_type": "png"}).json()
    answer = site.client.put(links["upload_url"], content=data)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert site.client.get(links["public_url"]).status_code == 404


def test_a_small_inline_image_is_echoed_as_sent(site: Site, ann: Account) -> None:
    text = base64.b64encode(picture()).decode()
    for sent in (text, f"data:image/png;base64,{text}"):
        request_id = ann.submitted({"image": sent, **PROMPT})
        assert ann.record(request_id)["payload"] == {"image": sent, **PROMPT}
        lease = site.start(request_id)
        assert lease.shot.has_image
        assert lease.image_key
        assert site.house.store.get(lease.image_key)
        site.finish(lease)


def test_a_large_inline_image_becomes_a_link(site: Site, ann: Account) -> None:
    text = base64.b64encode(picture(noise=True)).decode()
    assert len(text) > 64 * 1024
    request_id = ann.submitted({"image": text, **PROMPT})
    shown = ann.record(request_id)["payload"]
    assert shown["prompt"] == "a boat"
    assert shown["image"].startswith(f"{URL}/files/inputs/{request_id}.")
    assert site.client.get(shown["image"]).headers["content-type"].startswith("image/")
    (listed,) = ann.get(f"{GMI}/requests").json()["requests"]
    assert listed["payload"] == shown
    stored = site.house.ledger.get(request_id)
    assert all(len(str(value)) < 1000 for value in stored.payload.values())


def test_a_payload_that_looks_like_our_mark_opens_no_file(site: Site, ann: Account, bob: Account) -> None:
    theirs = bob.submitted({"image": base64.b64encode(picture(noise=True)).decode(), **PROMPT})
    key = site.house.ledger.get(theirs).image_key
    request_id = ann.submitted({**PROMPT, "negative_prompt": f"store:{key}"})
    assert ann.record(request_id)["payload"]["negative_prompt"] == f"store:{key}"
