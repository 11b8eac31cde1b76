"""Files by signed links: for players that seek, for caches, and for nobody who has no link."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from rushes.core.signing import Signer
from tests.server.site import GMI, VIDEO, Account, Site, open_site, picture


@pytest.fixture
def outcome(site: Site, ann: Account) -> dict[str, Any]:
    request_id = ann.submitted()
    site.finish(site.start(request_id))
    return dict(ann.record(request_id)["outcome"])


def test_types_and_headers(site: Site, outcome: dict[str, Any]) -> None:
    for name, kind in (
        ("video_url", "video/mp4"),
        ("thumbnail_image_url", "image/jpeg"),
        ("preview_url", "video/mp4"),
    ):
        answer = site.client.get(outcome[name])
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["accept-ranges"] == "bytes"
        assert int(answer.headers["content-length"]) == len(answer.content)
    assert site.client.get(outcome["video_url"]).content == VIDEO


def test_head_tells_all_but_the_bytes(site: Site, outcome: dict[str, Any]) -> None:
    answer = site.client.head(outcome["video_url"])
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len(VIDEO)


@pytest.mark.parametrize(
    ("asked", "told", "part"),
    [
        ("bytes=0-99", f"bytes 0-99/{len(VIDEO)}", VIDEO[:100]),
        ("bytes=100-", f"bytes 100-{len(VIDEO) - 1}/{len(VIDEO)}", VIDEO[100:]),
        ("bytes=-50", f"bytes {len(VIDEO) - 50}-{len(VIDEO) - 1}/{len(VIDEO)}", VIDEO[-50:]),
    ],
)
def test_ranges(site: Site, outcome: dict[str, Any], asked: str, told: str, part: bytes) -> None:
    answer = site.client.get(outcome["video_url"], headers={"range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (206, told)
    assert answer.content == part


@pytest.mark.parametrize("asked", [f"bytes={len(VIDEO)}-", "bytes=9-3", "bytes=x"])
def test_a_bad_range_is_a_clients_error(site: Site, outcome: dict[str, Any], asked: str) -> None:
    answer = site.client.get(outcome["video_url"], headers={"range": asked})
    assert 400 <= answer.status_code < 500


def test_a_flood_of_ranges_costs_no_more_than_the_file(site: Site, outcome: dict[str, Any]) -> None:
    asked = "bytes=" + ",".join(f"{start}-" for start in range(2000))
    answer = site.client.get(outcome["video_url"], headers={"range": asked})
    assert answer.status_code in (200, 206, 416)
    assert len(answer.content) <= len(VIDEO)


def test_a_cache_may_ask_whether_it_changed(site: Site, outcome: dict[str, Any]) -> None:
    tag = site.client.get(outcome["video_url"]).headers["etag"]
    answer = site.client.get(outcome["video_url"], headers={"if-none-match": tag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert site.client.get(outcome["video_url"], headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    "forge",
    [
        lambda url: url.split("?")[0],
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.replace("exp=0", "exp=9999999999"),
        lambda url: url.replace("exp=0", "exp=-1"),
        lambda url: url.replace("exp=0", "exp=" + "9" * 400),
        lambda url: url.replace("exp=0", "exp=²"),
        lambda url: re.sub("sig=.*", "sig=", url),
        lambda url: re.sub("sig=.*", "sig=é", url),
        lambda url: url.replace(".mp4", ".jpg", 1),
        lambda url: url.replace("/files/", "/files/%2e%2e/"),
    ],
)
def test_a_forged_link_opens_nothing(site: Site, outcome: dict[str, Any], forge: Any) -> None:
    url = forge(outcome["video_url"])
    assert url != outcome["video_url"]
    answer = site.client.get(url)
    assert answer.status_code == 403
    assert "link" in answer.json()["error"]


def test_a_link_of_another_house_or_method_opens_nothing(site: Site, ann: Account) -> None:
    put = ann.post(f"{GMI}/upload-url", {"file_type": "png"}).json()["upload_url"]
    assert site.client.get(put).status_code == 403
    path = urlsplit(put).path
    theirs = Signer(b"x" * 32).sign("PUT", path, 0)
    assert site.client.put(theirs, content=picture()).status_code == 403
    answer = site.client.put(path, content=picture())
    assert answer.status_code == 403


def test_links_run_out_when_they_are_told_to(tmp_path: Path) -> None:
    with open_site(tmp_path / "data", link_seconds=3600) as site:
        ann = site.account("ann")
        request_id = ann.submitted()
        site.finish(site.start(request_id))
        url = ann.record(request_id)["outcome"]["video_url"]
        assert site.client.get(url).status_code == 200
        signer = Signer(site.house.folder.secret())
        past = signer.sign("GET", urlsplit(url).path, 1_000_000_000)
        answer = site.client.get(past)
        assert answer.status_code == 403
        assert "run out" in answer.json()["error"]


@pytest.mark.parametrize("key", ["none.mp4", "../key", "../../etc/passwd", "", "a//b", ".hidden", "x\0y"])
def test_a_rightly_signed_link_to_no_file_is_404(site: Site, key: str) -> None:
    url = Signer(site.house.folder.secret()).sign("GET", f"/files/{key}", 0)
    answer = site.client.get(f"http://testserver{url}")
    assert answer.status_code in (403, 404)  # the client itself may shorten `..`
    assert set(answer.json()) == {"error"}


def test_an_upload_is_bounded(site: Site, ann: Account) -> None:
    put = ann.post(f"{GMI}/upload-url", {"file_type": "png"}).json()["upload_url"]
    answer = site.client.put(put, content=b"\x89PNG" + bytes(site.house.files.upload_limit))
    assert answer.status_code == 413
    assert "larger than" in answer.json()["error"]


def test_an_image_link_that_ran_out_fails_the_request_at_intake(site: Site, ann: Account) -> None:
    signer = Signer(site.house.folder.secret())
    url = "http://testserver" + signer.sign("GET", "/files/uploads/x/y.png", 1_000_000_000)
    with pytest.raises(Exception, match="has run out"):
        site.house.files.own_key(url)


def test_an_inline_image_is_kept_without_its_metadata(site: Site, ann: Account) -> None:
    """What a stranger sent is never given out as it came."""
    sent = picture("JPEG", noise=True)
    comment = b"\xff\xfe\x00\x12secret comment.."
    sent = sent[:2] + comment + sent[2:]
    request_id = ann.submitted({"prompt": "a boat", "image": base64.b64encode(sent).decode()})
    kept = site.client.get(ann.record(request_id)["payload"]["image"]).content
    assert kept
    assert b"secret comment" not in kept
