"""What a proxy says of the caller counts only from a proxy that the operator named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from starlette.testclient import TestClient

from rushes.settings import Settings
from rushes.wiring.house import open_house
from rushes.wiring.serve import _config, make_hub, web_app

CALLER = "203.0.113.9"
FORWARDED = {"x-forwarded-for": CALLER, "x-forwarded-proto": "https"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Any]:
    with open_house(Settings.load(flags={"data": str(tmp_path), "workers": "0"}, environ={})) as house:
        yield house


@pytest.mark.parametrize(
    ("trusted", "peer", "believed"),
    [
        ("", "127.0.0.1", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8, fd00::/8", "fd00::5", True),
        ("10.0.0.0/8", "192.0.2.7", False),
    ],
)
def test_forwarded_headers_count_from_trusted_proxies_only(
    house: Any, tmp_path: Path, trusted: str, peer: str, believed: bool
) -> None:
    settings = Settings.load(flags={"data": str(tmp_path), "trusted_proxies": trusted}, environ={})
    config = _config(settings, web_app(house, make_hub(house)))
    client = TestClient(config.loaded_app, base_url="http://video.example", client=(peer, 4711))
    with structlog.testing.capture_logs() as lines:
        answer = client.get("/nowhere", headers=FORWARDED)
    assert answer.status_code == 404
    assert ("strict-transport-security" in answer.headers) is believed
    (line,) = [line for line in lines if line["event"] == "answered"]
    assert line["client"] == (CALLER if believed else peer)
