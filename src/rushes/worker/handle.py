"""The worker's handle on one studio: a conversation with a child process, turned into plain calls.

`load` and `run` return or raise an error of the tree, whatever the child does. A child that gives no sign of life for
its patience is hung and killed; one that does not obey a cancel within the grace is killed; one that dies by itself
costs the attempt, never the worker.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import BinaryIO, TypeAlias, TypeVar

import psutil
import structlog

from rushes.core.card import EngineChoice
from rushes.core.clock import SYSTEM_CLOCK, Clock
from rushes.core.errors import Cancelled, RushesError, SetupError, WorkerLost
from rushes.core.request import Outcome, Phase
from rushes.worker.messages import (
    Answer,
    Cancel,
    Done,
    Failed,
    Job,
    Line,
    Load,
    Loaded,
    Progress,
    Quit,
    Render,
)

Tell: TypeAlias = Callable[[Phase, float, str], None]

A = TypeVar("A", Loaded, Done)

LOG_BYTES = 8 * 1024 * 1024

log = structlog.get_logger(__name__)


def never() -> bool:
    return False


@dataclass(frozen=True)
class Patience:
    """Seconds without a sign of life after which a child is hung, seconds that a cancel may take before it is killed,
    and seconds for a clean end when an idle studio is asked to quit."""

    stall: float = 300.0
    grace: float = 5.0
    quit: float = 5.0


PATIENCE = Patience()


class StudioHandle:
    """One child process with one engine. One thread calls `load` and `run`; any thread `cancel` and `kill`."""

    def __init__(
        self,
        choice: EngineChoice,
        logs: Path,
        *,
        patience: Patience = PATIENCE,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.choice = choice
        self.loaded = False
        self.measured: int | None = None
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._ticket = 0
        self._busy = False
        self._interrupted = False
        self._killer: threading.Timer | None = None
        ours, theirs = Pipe()
        try:
            self._process = _start(choice.name, logs, theirs.fileno())
        except OSError as error:
            ours.close()
            raise SetupError(f"a studio for engine '{choice.name}' cannot be started: {error}") from error
        finally:
            theirs.close()
        self._line = Line(ours)
        log.info("studio started", engine=choice.name, studio=self.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Meant for an idle studio: it says nothing unasked, so anything to read is its end."""
        return self._process.returncode is None and not self._line.waiting(0)

    @property
    def memory(self) -> int:
        """Resident bytes of the child and its children; 0 when it is gone."""
        total = 0
        with suppress(psutil.Error):
            child = psutil.Process(self.pid)
            for process in (child, *child.children(recursive=True)):
                total += process.memory_info().rss
        return total

    def load(self, tell: Tell, load_seconds: float = 0.0, stopped: Callable[[], bool] = never) -> None:
        """Load the engine. `load_seconds` is what it foresees: it has at least four times that before it counts as
        hung. Raises the engine's error, `WorkerLost` or `Cancelled`; a studio that could not load is killed."""
        with self._occupied(stopped):
            self._load(tell, load_seconds)

    def run(
        self, job: Job, tell: Tell, load_seconds: float = 0.0, stopped: Callable[[], bool] = never
    ) -> Outcome:
        """Make the job's files in its folder, loading the engine before when it is not. `stopped` is asked once the
        studio can be cancelled, so that no cancel falls between. Raises the engine's error, `InputError`,
        `WorkerLost` or `Cancelled`."""
        with self._occupied(stopped):
            if not self.loaded:
                self._load(tell, load_seconds)
            done = self._ask(Render(self._next_ticket(), job), Done, tell, self._patience.stall)
            self.measured = done.memory
            return done.made

    def cancel(self) -> None:
        """Ask the running ask to stop, and kill the child if it has not within the grace. Fine when nothing runs."""
        with self._lock:
            if not self._busy or self._interrupted:
                return
            self._interrupted = True
            self._killer = threading.Timer(self._patience.grace, self._kill_disobedient)
            self._killer.daemon = True
            self._killer.start()
            ticket = self._ticket
        with suppress(OSError):  # a dead child has stopped already
            self._line.send(Cancel(ticket))

    def kill(self) -> None:
        """End the child and everything it started, now. Fine when it is dead."""
        with self._lock:
            self._interrupted = self._interrupted or self._busy
            self._kill()

    def quit(self) -> None:
        """Let an idle child unload and end; kill it when it does not within its time."""
        with suppress(OSError, subprocess.TimeoutExpired):
            self._line.send(Quit())
            self._process.wait(self._patience.quit)
        self.bury()

    def bury(self) -> None:
        """Kill what is left, reap the child and close the line. No call follows."""
        with self._lock:
            self._kill()
        try:
            self._process.wait(self._patience.quit)
        except subprocess.TimeoutExpired:
            log.error("studio cannot be killed", studio=self.pid, engine=self.choice.name)
        self._line.close()

    def _kill_disobedient(self) -> None:
        with self._lock:
            if self._busy and self._interrupted:  # else it obeyed just now
                self._kill()

    def _kill(self) -> None:
        if self._process.returncode is None:  # not reaped yet, so the number is still the child's
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    @contextmanager
    def _occupied(self, stopped: Callable[[], bool]) -> Iterator[None]:
        with self._lock:
            self._busy, self._interrupted = True, False
        try:
            if stopped():
                raise Cancelled
            yield
        finally:
            with self._lock:
                self._busy = False
                if self._killer is not None:
                    self._killer.cancel()
                    self._killer = None

    def _next_ticket(self) -> int:
        with self._lock:
            if self._interrupted:
                raise Cancelled
            self._ticket += 1
            return self._ticket

    def _load(self, tell: Tell, load_seconds: float) -> None:
        patience = max(self._patience.stall, 4 * load_seconds)
        try:
            loaded = self._ask(Load(self._next_ticket(), dict(self.choice.options)), Loaded, tell, patience)
        except RushesError:
            self.kill()  # half loaded is of no use
            raise
        self.loaded, self.measured = True, loaded.memory

    def _ask(self, ask: Load | Render, expected: type[A], tell: Tell, patience: float) -> A:
        try:
            answer = self._converse(ask, tell, patience)
        except (EOFError, OSError):
            if self._interrupted:
                raise Cancelled from None
            raise self._lost() from None
        if self._interrupted:
            raise Cancelled  # whatever it answered: nobody waits for it any more
        if isinstance(answer, expected):
            return answer
        failed = answer if isinstance(answer, Failed) else _out_of_turn(answer)
        if failed.broken:
            self.kill()
        raise failed.as_error()

    def _converse(self, ask: Load | Render, tell: Tell, patience: float) -> Answer:
        self._line.send(ask)
        doing = Phase.LOAD if isinstance(ask, Load) else Phase.RENDER
        deadline = self._clock.monotonic() + patience
        while True:
            if not self._line.waiting(deadline - self._clock.monotonic()):
                with self._lock:
                    self._kill()
                raise WorkerLost(
                    f"worker lost: no sign of life for {patience:g} s in phase {doing}, studio killed"
                )
            answer = self._line.receive_answer()
            if not isinstance(answer, Progress):
                return answer
            if answer.ticket == ask.ticket:
                doing, deadline = answer.phase, self._clock.monotonic() + patience
                tell(answer.phase, answer.fraction, answer.note)

    def _lost(self) -> WorkerLost:
        with self._lock:
            self._kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self._patience.quit)
        return WorkerLost(f"worker lost: the studio {_ending(self._process.returncode)}")


def _start(engine: str, logs: Path, line: int) -> subprocess.Popen[bytes]:
    """The operator's settings, which may hold keys, stay behind: an engine is told its options and nothing else."""
    with _open_log(logs, engine) as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "rushes.worker.studio", engine, str(line)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")},
            pass_fds=[line],
            start_new_session=True,
        )


def _open_log(folder: Path, engine: str) -> BinaryIO:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"studio-{engine}.log"
    with suppress(FileNotFoundError):
        if path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def _out_of_turn(answer: Answer) -> Failed:
    return Failed(
        answer.ticket, WorkerLost.__name__, f"worker lost: the studio answered {answer!r}", broken=True
    )


def _ending(code: int | None) -> str:
    if code is None:
        return "went silent"
    if code < 0:
        with suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
    return f"ended by itself with exit code {code}"
