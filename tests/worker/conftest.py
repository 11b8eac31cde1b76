from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.installed import install_colour_engine
from tests.worker.house import House


@pytest.fixture(autouse=True)
def _colour_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_colour_engine(tmp_path / "site", monkeypatch)


@pytest.fixture
def signals(tmp_path: Path) -> Path:
    """The folder by whose files a test and the colour engine wait for each other."""
    folder = tmp_path / "data" / "signals"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "data")
    yield house
    house.close()


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[House]:
    """A house where a silent worker loses its lease after a second."""
    house = House(tmp_path / "data", lease_seconds=1.0)
    yield house
    house.close()
