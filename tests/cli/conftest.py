"""Commands run in an empty folder, with a data folder of their own and no settings of the machine's user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rushes.cli.app import app
from tests.client.loopback import KEY, Loopback, serving


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("RUSHES_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "data"
    monkeypatch.setenv("RUSHES_DATA", str(folder))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


class Rushes:
    """Runs `rushes WORDS` in this process."""

    def __call__(self, *words: object, status: int = 0, **kwargs: Any) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in words], **kwargs)
        assert result.exit_code == status, (result.stdout, result.stderr, result.exception)
        return result


@pytest.fixture
def rushes() -> Rushes:
    return Rushes()


@pytest.fixture(scope="session")
def running() -> Iterator[Loopback]:
    with serving(Loopback()) as loopback:
        yield loopback


@pytest.fixture
def server(running: Loopback, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    """A server on loopback that the settings point to, with the key in the environment."""
    monkeypatch.setenv("RUSHES_PUBLIC_URL", running.url)
    monkeypatch.setenv("RUSHES_API_KEY", KEY)
    return running.reset()
