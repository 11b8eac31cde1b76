"""The vendors' pages against a server that really makes the videos."""

from __future__ import annotations

import io
from typing import Any

import av
import pytest

from rushes.dialects.aimlapi import PATHS
from tests.e2e.served import GMI, Server, eventually
from tests.media.web import Web
from tests.server.site import picture
from tests.wire.transcripts import SAMPLE_IMAGES, Transcript, transcripts

RENDER_SECONDS = 120.0
"""The first clip of a fresh machine also compiles the engine."""


@pytest.mark.parametrize("page", transcripts(), ids=lambda page: page.page)
def test_the_pages_request_becomes_a_video(small: Server, web: Web, page: Transcript) -> None:
    exchange = next(exchange for exchange in page.exchanges if exchange.kind == "Submit")
    body = exchange.request.body
    assert body is not None
    mine = web.answer("/photo.png", picture(width=400, height=300), content_type="image/png")
    payload = {
        key: mine if value in SAMPLE_IMAGES else value for key, value in body.get("payload", body).items()
    }
    if "payload" in body:
        asked = small.call("POST", exchange.request.path, {**body, "payload": payload})
        request_id = asked.json()["request_id"]
    else:
        asked = small.call("POST", exchange.request.path, payload)
        request_id = asked.json()["id"]
    assert asked.status_code == 200
    record = small.ended(request_id, RENDER_SECONDS)
    assert record["status"] == "success", record
    outcome = record["outcome"]
    video = small.fetch(outcome["video_url"])
    assert video.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(video.content)) as clip:
        stream = clip.streams.video[0]
        assert (stream.width, stream.height) == (outcome["width"], outcome["height"])
        assert sum(1 for _ in clip.decode(stream)) == 5 * 4
        assert len(clip.streams.audio) == bool(exchange.shot.get("sound"))
    thumbnail = small.fetch(outcome["thumbnail_image_url"])
    assert thumbnail.headers["content-type"] == "image/jpeg"
    words = set(outcome["understood"]) | set(outcome["ignored"])
    assert words
    if "image" in payload:
        assert outcome["width"] / outcome["height"] == pytest.approx(4 / 3, abs=0.05)


def test_the_example_loop_prints_a_video(small: Server) -> None:
    body = {"model": "klingai/v2.5-turbo/pro/text-to-video", "prompt": "a white raccoon in a forest"}
    gen_id = small.call("POST", PATHS[0], body).json()["id"]
    seen: list[str] = []

    def look() -> dict[str, Any] | None:
        answer = dict(small.call("GET", PATHS[0], params={"generation_id": gen_id}).json())
        seen.append(answer["status"])
        return None if answer["status"] in ("waiting", "active", "queued", "generating") else answer

    answer = eventually(look, "end of the loop", RENDER_SECONDS)
    assert answer["status"] == "completed"
    assert set(seen) <= {"queued", "generating", "completed"}
    assert len(small.fetch(answer["video"]["url"]).content) == answer["video"]["file_size"]


def test_the_same_seed_gives_the_same_bytes(small: Server) -> None:
    ask = {"prompt": "a sailing boat at dusk", "seed": 7, "sound": "on"}
    first, second = (small.submit(ask) for _ in range(2))
    other = small.submit({**ask, "seed": 8})
    videos = [
        small.fetch(small.ended(request_id, RENDER_SECONDS)["outcome"]["video_url"]).content
        for request_id in (first, second, other)
    ]
    assert videos[0] == videos[1]
    assert videos[0] != videos[2]


def test_an_uploaded_image_moves(small: Server) -> None:
    links = small.call("POST", f"{GMI}/upload-url", {"file_type": "png"}).json()
    put = small.http.put(links["upload_url"], content=picture(), headers={"content-type": "x/y"})
    assert put.status_code == 200
    record = small.ended(
        small.submit({"image": links["public_url"]}, "Kling-Image2Video-V2-Master"), RENDER_SECONDS
    )
    assert record["status"] == "success", record
    assert record["payload"] == {"image": links["public_url"]}
