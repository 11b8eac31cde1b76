from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.served import Server, serve, write_cards
from tests.engines.installed import install_colour_engine
from tests.engines.kernels import kernels as kernels
from tests.media.web import Web
from tests.media.web import serve as serve_web


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cards folder that has every model made by the colour engine, whose moods stop and crash it as told. Test and
    engine wait for each other by files in `signals` beside it."""
    install_colour_engine(tmp_path / "site", monkeypatch)
    signals = tmp_path / "signals"
    signals.mkdir()
    return write_cards(tmp_path / "cards", "colour", signals=str(signals))


@pytest.fixture(scope="session")
def web() -> Iterator[Web]:
    """Where a client keeps his images."""
    with serve_web() as web:
        yield web


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, web: Web, kernels: None) -> Iterator[Server]:
    """A server whose clips are real, and small enough to be made in a moment."""
    home = tmp_path_factory.mktemp("small")
    cards = write_cards(home / "cards", "animatic", height=144, fps=4, quality=0.25)
    with serve(home / "data", cards=cards, fetch_allow=f"127.0.0.1/32:{web.port}") as server:
        yield server
