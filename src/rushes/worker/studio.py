"""The studio: the child process that holds one loaded engine and runs one job at a time.

It is killed to unload, so it owes nobody a clean end, and four rules keep it from outliving its use: it lives in a
session of its own and ignores SIGINT and SIGTERM, for only its worker decides when it stops; it logs to a file, so no
pipe can fill; a watcher thread reads the control line all the time, so a cancel is heard in the middle of a job; and
when that line closes the whole process group dies at once, so that no orphan of a killed worker holds the GPU.
"""

from __future__ import annotations

import errno
import gc
import os
import queue
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from PIL import Image

from rushes.core.errors import (
    AttemptError,
    Cancelled,
    DiskFull,
    EngineError,
    InputError,
    OutOfMemory,
    RushesError,
    SetupError,
    WorkerLost,
)
from rushes.core.request import Phase
from rushes.engines.base import Engine, Picture, make_engine
from rushes.media import provenance
from rushes.worker import job
from rushes.worker.messages import (
    LIVE_PREVIEW,
    Answer,
    Cancel,
    Done,
    Failed,
    Line,
    Load,
    Loaded,
    Progress,
    Quit,
    Render,
)

TELL_EVERY = 0.05
"""Seconds between two progress messages of one phase; engines may report as often as they like."""

NOTE_LENGTH = 200


class Desk:
    """Where the control line ends in the child: asks wait here, and cancels are remembered."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._asks: queue.SimpleQueue[Load | Render | Quit] = queue.SimpleQueue()
        self._cancelled_up_to = -1
        threading.Thread(target=self._listen, name="watcher", daemon=True).start()

    def next_ask(self) -> Load | Render | Quit:
        return self._asks.get()

    def tell(self, answer: Answer) -> None:
        self._line.send(answer)

    def cancelled(self, ticket: int) -> bool:
        return ticket <= self._cancelled_up_to

    def _listen(self) -> None:
        try:
            while True:
                ask = self._line.receive_ask()
                if isinstance(ask, Cancel):
                    self._cancelled_up_to = ask.ticket
                else:
                    self._asks.put(ask)
        finally:  # whatever ended it: nobody could stop this process any more
            _die_with_group()


class StudioControl:
    """The engine's `Control` for one ask. Progress is thinned on its way out, cancels are not. Previews lie in `folder`,
    marked as coming from `source`."""

    def __init__(self, desk: Desk, ticket: int, folder: Path | None = None, source: str = "") -> None:
        self._desk = desk
        self._ticket = ticket
        self._folder = folder
        self._source = source
        self._lock = threading.Lock()
        self._phase: Phase | None = None
        self._told_at = 0.0

    @property
    def cancelled(self) -> bool:
        return self._desk.cancelled(self._ticket)

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled

    def progress(self, phase: Phase, fraction: float, note: str = "") -> None:
        self.check()
        with self._lock:
            now = time.monotonic()
            if phase is self._phase and now - self._told_at < TELL_EVERY:
                return
            self._phase, self._told_at = phase, now
        inside = min(1.0, float(fraction)) if fraction > 0 else 0.0  # also turns NaN into 0
        self._desk.tell(Progress(self._ticket, phase, inside, note[:NOTE_LENGTH]))

    def preview(self, picture: Picture) -> None:
        """Leave it in the job's folder, whole or not at all, for whoever looks."""
        if self._folder is not None:
            draft = self._folder / f".{LIVE_PREVIEW}"
            Image.fromarray(picture).save(draft, format="JPEG", quality=80)
            provenance.mark_image(draft, source=self._source)
            draft.replace(self._folder / LIVE_PREVIEW)


class Studio:
    """Answers asks until it is told to quit."""

    def __init__(self, engine_name: str, desk: Desk) -> None:
        self._name = engine_name
        self._desk = desk
        self._engine: Engine | None = None

    def serve(self) -> None:
        while not isinstance(ask := self._desk.next_ask(), Quit):
            self._desk.tell(self._answer(ask))
            gc.collect()  # a kept cycle of a failed job would pin its tensors
        if self._engine is not None:
            self._engine.unload()

    def _answer(self, ask: Load | Render) -> Answer:
        control = self._control(ask)
        try:
            return self._load(ask, control) if isinstance(ask, Load) else self._render(ask, control)
        except BaseException as error:  # noqa: BLE001 - whatever an engine raises ends as a message
            if control.cancelled:
                return Failed(ask.ticket, Cancelled.__name__, "cancelled")
            traceback.print_exc()
            known = explain(error)
            broken = isinstance(known, WorkerLost) or (known is not error and not isinstance(known, DiskFull))
            return Failed(ask.ticket, known.name, str(known), known.advice, broken)

    def _control(self, ask: Load | Render) -> StudioControl:
        if isinstance(ask, Load) or self._engine is None:
            return StudioControl(self._desk, ask.ticket)
        return StudioControl(self._desk, ask.ticket, Path(ask.job.folder), self._engine.capabilities().source)

    def _load(self, ask: Load, control: StudioControl) -> Loaded:
        started = time.monotonic()
        engine = make_engine(self._name, ask.options)
        control.progress(Phase.LOAD, 0.0)
        engine.load(control)
        self._engine = engine
        return Loaded(ask.ticket, time.monotonic() - started, engine.footprint().memory)

    def _render(self, ask: Render, control: StudioControl) -> Done:
        if self._engine is None:
            raise EngineError("the engine is not loaded")
        made = job.make(ask.job, self._engine, control)
        return Done(ask.ticket, made, self._engine.footprint().memory)


def explain(error: BaseException) -> RushesError:
    """`error` itself where it may end an attempt, else the leaf that says what it means for the attempt."""
    if isinstance(error, AttemptError | InputError | DiskFull):
        return error
    if isinstance(error, SetupError):  # another worker may be set up better
        return EngineError(str(error), advice=error.advice)
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    if (
        isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    ):  # torch's own, not imported here
        return OutOfMemory(
            f"out of memory: {text}", advice="Ask for a shorter or smaller clip, or free memory."
        )
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("the disk of the jobs' scratch folder is full")
    return EngineError(f"the engine failed: {text}")


def _die_with_group() -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def main() -> None:
    """`python -m rushes.worker.studio ENGINE FD`: serve the engine over the socket pair's end FD."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    engine_name, descriptor = sys.argv[1], int(sys.argv[2])
    os.set_inheritable(descriptor, False)  # an engine's own child must not keep the line open
    Studio(engine_name, Desk(Line(Connection(descriptor)))).serve()
    sys.stdout.flush()
    os._exit(0)  # an engine's leftover threads do not keep the memory


if __name__ == "__main__":
    main()
