"""Engines made ready ahead of time, in processes of their own that let everything else go first.

A claimed request never waits for them: what they have not got to, its studio does itself. They end with this process,
since each follows its standard input, and are killed when the worker stops.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil
import structlog

from rushes.core.card import EngineChoice
from rushes.engines.base import Preparing, make_engine

log = structlog.get_logger(__name__)

LAST = 19
"""The niceness that gets only what nobody else wants."""
SAID = 2000
"""Bytes of a failed preparation's last words that are logged."""


class Preparations:
    """One process for each different thing that the engines of `choices` ask for."""

    def __init__(self, choices: Iterable[EngineChoice]) -> None:
        engines = [make_engine(choice.name, choice.options) for choice in choices]
        asked = {engine.preparation(): engine.name for engine in engines if isinstance(engine, Preparing)}
        self._running = [_start(name, arguments) for arguments, name in asked.items() if arguments]

    def stop(self) -> None:
        """Kill what is still running."""
        for process in self._running:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()


def _start(engine: str, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-P", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")},
        start_new_session=True,
    )
    with suppress(psutil.Error):  # it is done already, or the machine does not let us
        psutil.Process(process.pid).nice(LAST)
    with suppress(OSError):  # not Linux, or sessions share the processors by processes here
        # Else a session gets as much as another, however nice its processes are.
        Path(f"/proc/{process.pid}/autogroup").write_text(str(LAST))
    threading.Thread(target=_follow, args=(engine, process), name="preparing", daemon=True).start()
    log.info("engine being prepared", engine=engine, process=process.pid)
    return process


def _follow(engine: str, process: subprocess.Popen[bytes]) -> None:
    """Leave no zombie, and tell of a preparation that failed; the engine's studio will do, or fail at, the same."""
    assert process.stderr is not None
    with process.stderr as stream:
        said = stream.read()
    if process.wait() > 0:
        log.warning("engine not prepared", engine=engine, said=said[-SAID:].decode(errors="replace").strip())
