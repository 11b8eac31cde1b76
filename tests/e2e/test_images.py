"""Images by URL: fetched at once and by nobody else, so a bad one fails its request in seconds, with no worker there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from threading import Event

import pytest

from tests.e2e.served import Server, eventually, serve
from tests.media.web import Web
from tests.server.site import picture

SECONDS = 10.0


@pytest.fixture(scope="module")
def intake(tmp_path_factory: pytest.TempPathFactory, web: Web) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("intake") / "data"
    allowed = f"127.0.0.1/32:{web.port}"
    with serve(data, workers=0, fetch_allow=allowed, fetch_seconds=0.5) as server:
        yield server


def failure(server: Server, url: str) -> str:
    started = time.monotonic()
    record = server.ended(server.submit({"prompt": "a boat", "image": url}), SECONDS)
    assert time.monotonic() - started < SECONDS
    assert record["status"] == "failed"
    assert record["error"] == record["outcome"]["error"]
    return str(record["error"])


def test_a_good_image_is_fetched_before_a_worker_is_there(intake: Server, web: Web) -> None:
    url = web.answer("/good.png", picture())
    request_id = intake.submit({"prompt": "a boat", "image": url})
    eventually(lambda: list((intake.data / "files" / "inputs").glob(f"{request_id}.*")), "image taken in")
    assert intake.record(request_id)["status"] == "queued"
    assert web.visits.count("/good.png") == 1


def test_a_bad_image_fails_with_limit_and_value(intake: Server, web: Web) -> None:
    url = web.answer("/small.png", picture(width=299, height=400))
    assert failure(intake, url).startswith("image is 299×400: each side must be at least 300 px")


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/text.png", b"<html>no picture</html>", 200, "JPEG"),
        ("/torn.png", picture()[:300], 200, "image"),
        ("/huge.png", picture() + bytes(11_000_000), 200, "10"),
        ("/none.png", b"", 404, "404"),
        ("/forbidden.png", b"", 403, "403"),
    ],
)
def test_what_is_no_image_fails(
    intake: Server, web: Web, path: str, body: bytes, status: int, text: str
) -> None:
    assert text in failure(intake, web.answer(path, body, status))


@pytest.mark.parametrize(
    "target",
    ["http://10.0.0.1/x.png", "http://169.254.169.254/latest", "http://[::1]/", "http://127.0.0.1:22/"],
)
def test_private_places_are_refused_directly_and_behind_a_redirect(
    intake: Server, web: Web, target: str
) -> None:
    moved = web.answer("/moved", b"", 302, location=target)
    for url in (target, moved):
        assert "address or port that may not be reached" in failure(intake, url)


def test_an_image_that_never_comes_fails(intake: Server, web: Web) -> None:
    done = Event()

    def silent(handler: BaseHTTPRequestHandler) -> None:
        done.wait(60)

    try:
        assert "did not answer in full within 0.5 s" in failure(intake, web.page("/never.png", silent))
    finally:
        done.set()


def test_a_dripping_image_does_not_hold_the_others_up(intake: Server, web: Web) -> None:
    done = Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not done.wait(0.1):
            handler.wfile.write(b"\x89")
            handler.wfile.flush()

    try:
        slow = [
            intake.submit({"prompt": "a boat", "image": web.page(f"/drip{number}.png", drip)})
            for number in range(3)
        ]
        assert "299×400" in failure(intake, web.answer("/s.png", picture(width=299, height=400)))
        assert {intake.ended(request_id, 2 * SECONDS)["status"] for request_id in slow} == {"failed"}
    finally:
        done.set()


def test_our_own_link_that_is_forged_fails_without_a_fetch(intake: Server) -> None:
    url = f"{intake.url}/files/uploads/x/y.png?exp=0&sig=00"
    assert "not valid" in failure(intake, url)
