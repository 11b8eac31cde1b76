from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.installed import install_colour_engine


@pytest.fixture
def signals(tmp_path: Path) -> Path:
    """The folder by whose files a test and the colour engine wait for each other."""
    folder = tmp_path / "signals"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def _colour_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_colour_engine(tmp_path / "site", monkeypatch)
