"""Engines are made ready by processes that stand behind everything else and leave nothing behind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs

from rushes.core.card import EngineChoice
from rushes.worker import preparing
from rushes.worker.preparing import LAST, Preparations
from tests.worker.house import eventually, gone

TELL = "import json, os, sys; open({path!r} + '.part', 'w').write(json.dumps([os.getpid(), dict(os.environ)])); os.replace({path!r} + '.part', {path!r}); sys.stdin.read()"


class Slow:
    """An engine whose preparation tells who does it and then lasts until its parent is gone."""

    name = "slow"

    def __init__(self, path: Path) -> None:
        self._path = path

    def preparation(self) -> tuple[str, ...]:
        return ("-c", TELL.format(path=str(self._path)))


class Ready(Slow):
    def preparation(self) -> tuple[str, ...]:
        return ()


class Broken(Slow):
    def preparation(self) -> tuple[str, ...]:
        return ("-c", "raise SystemExit('no compiler')")


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "told"
    engines: dict[str, Any] = {
        "slow": Slow(path),
        "ready": Ready(path),
        "broken": Broken(path),
        "plain": object(),
    }
    monkeypatch.setattr(preparing, "make_engine", lambda name, options: engines[name])
    monkeypatch.setenv("RUSHES_API_KEY", "not for engines")
    return path


def children() -> list[psutil.Process]:
    return psutil.Process().children()


def test_an_engine_is_prepared_once_last_in_line_and_stopped_with_its_worker(told: Path) -> None:
    before = children()
    preparations = Preparations([EngineChoice("slow", {}), EngineChoice("slow", {"fps": 2})])
    eventually(told.exists, "prepared engine")
    pid, environment = json.loads(told.read_text())
    assert [child.pid for child in children() if child not in before] == [pid]
    assert psutil.Process(pid).nice() == LAST
    group = Path(f"/proc/{pid}/autogroup")
    if group.exists():
        # Its session gets no more of the machine than its process.
        assert group.read_text().split()[-1] == str(LAST)
    assert "RUSHES_API_KEY" not in environment
    assert os.getpgid(pid) != os.getpgid(0)
    preparations.stop()
    assert gone(pid)


def test_nothing_is_started_where_nothing_is_to_be_done(told: Path) -> None:
    before = children()
    Preparations([EngineChoice("ready", {}), EngineChoice("plain", {})]).stop()
    assert children() == before
    assert not told.exists()


def test_a_preparation_that_fails_is_told(told: Path) -> None:
    with capture_logs() as logs:
        preparations = Preparations([EngineChoice("broken", {})])
        eventually(lambda: any(line["event"] == "engine not prepared" for line in logs), "failure told")
        preparations.stop()
    (line,) = (line for line in logs if line["event"] == "engine not prepared")
    assert line["engine"] == "slow"
    assert line["said"] == "no compiler"
