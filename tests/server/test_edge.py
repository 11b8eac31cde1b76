"""Host names, pages of other origins, and the headers that every answer carries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rushes.server.edge import host_name
from tests.server.site import GMI, Site, open_site

APP = "https://app.example.org"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("narrow")
    with open_site(
        folder, allowed_hosts="video.example.org, *.intern, ::1", cors_origins=APP, workers=0
    ) as site:
        yield site


def health(site: Site, path: str, host: str) -> int:
    return int(site.client.get(path, headers={"host": host}).status_code)


@pytest.mark.parametrize("host", ["video.example.org", "VIDEO.example.org:8443", "a.b.intern", "[::1]:8000"])
def test_allowed_names_are_served(narrow: Site, host: str) -> None:
    assert health(narrow, "/openapi.json", host) == 200


@pytest.mark.parametrize("host", ["example.org", "evil.video.example.org", "intern", "127.0.0.1", ""])
def test_other_names_are_refused_but_for_health(narrow: Site, host: str) -> None:
    refused = narrow.client.get("/openapi.json", headers={"host": host})
    assert refused.status_code == 421
    assert "host name" in refused.json()["error"]
    assert health(narrow, "/healthz", host) == 200
    assert health(narrow, "/readyz", host) == 200


def test_any_name_is_served_by_default(site: Site) -> None:
    assert health(site, "/healthz", "whatever.example") == 200
    assert health(site, "/openapi.json", "whatever.example") == 200


@pytest.mark.parametrize(
    ("header", "name"),
    [("a.example:80", "a.example"), ("[::1]:8000", "::1"), ("[::1]", "::1"), ("a.example.", "a.example")],
)
def test_host_names(header: str, name: str) -> None:
    assert host_name(header) == name


def test_a_page_of_a_named_origin_may_call(narrow: Site) -> None:
    asked = narrow.client.options(
        f"{GMI}/requests",
        headers={
            "host": "video.example.org",
            "origin": APP,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,idempotency-key",
        },
    )
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == APP
    assert "idempotency-key" in asked.headers["access-control-allow-headers"]
    refused = narrow.client.get("/openapi.json", headers={"host": "video.example.org", "origin": APP})
    assert refused.headers["access-control-allow-origin"] == APP
    assert "x-request-id" in refused.headers["access-control-expose-headers"]


def test_a_page_of_another_origin_may_not(narrow: Site) -> None:
    answer = narrow.client.get(
        "/openapi.json", headers={"host": "video.example.org", "origin": "https://evil.example"}
    )
    assert "access-control-allow-origin" not in answer.headers


def test_answers_say_that_they_are_private_and_what_they_are(site: Site) -> None:
    ann = site.account("ann-of-headers")
    answer = ann.get(f"{GMI}/models")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in answer.headers
    secure = site.client.get("https://testserver/healthz")
    assert secure.headers["strict-transport-security"].startswith("max-age=")


def test_files_keep_their_own_caching_and_open_to_any_page(site: Site) -> None:
    ann = site.account("ann-of-files")
    request_id = ann.submitted()
    site.finish(site.start(request_id))
    url = ann.record(request_id)["outcome"]["video_url"]
    answer = site.client.get(url, headers={"origin": "https://any.example"})
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["access-control-allow-origin"] == "*"
