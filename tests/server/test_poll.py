"""The short road of polls gives what the long road gives, and leaves to it whatever is special."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from rushes.dialects.gmi import PREFIXES
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


def told(answer: httpx2.Response) -> tuple[int, Any, dict[str, str]]:
    """All that a client sees, but for the call's own id."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, answer.json(), headers


@pytest.mark.parametrize("prefix", PREFIXES)
def test_both_roads_tell_the_same(
    site: Site, ann: Account, short: list[bool], prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.house.service.outlook, "max_age", 60.0)  # not drawn anew between the two
    request_id = ann.submitted({"prompt": "a boat", "sed": 7})
    path = f"{prefix}/requests/{request_id}"
    lease = site.start(request_id)
    ann.get(path)  # draws the outlook that running requests share
    for status in ("processing", "success"):
        short.clear()
        quick = told(ann.get(path))
        assert quick == told(ann.get(path, wait="0"))
        assert quick[1]["status"] == status
        assert short == [True, False]
        if status == "processing":
            site.finish(lease)


def test_strangers_and_bodies_go_the_long_road(
    site: Site, ann: Account, bob: Account, short: list[bool]
) -> None:
    request_id = ann.submitted()
    site.finish(site.start(request_id))
    path = f"{GMI}/requests/{request_id}"
    assert ann.get(path).status_code == 200
    short.clear()
    assert bob.get(path).status_code == 404
    assert ann.call("GET", path, content=b"{}").status_code == 200
    assert ann.call("GET", path, headers={"authorization": "Basic x"}).status_code == 401
    assert site.client.get(path).status_code == 401
    assert ann.get(f"{GMI}/requests/nobody").status_code == 404
    assert short == [False] * 5
