"""The worker processes of one server: started, watched, replaced when they fall, drained together."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import suppress

import structlog

from rushes.settings import Settings

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STEADY_SECONDS = 60.0
"""A worker that has lived so long did not fall over its start: the next one follows at once."""


class Crew:
    """`count` workers from `start` until `wait` returns, which it does after `drain`."""

    def __init__(self, settings: Settings, count: int) -> None:
        self._line = settings.model_dump_json(exclude={"api_key", "metrics_key"}).encode() + b"\n"
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._threads = [
            threading.Thread(target=self._keep, args=[number], name=f"crew-{number}", daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def drain(self) -> None:
        """Ask all workers to stop: the first time they may end what they do, the second time they give it back."""
        with self._lock:
            self._stopping.set()
            for worker in self._workers.values():
                with suppress(ProcessLookupError):
                    worker.send_signal(signal.SIGTERM)

    def reload(self) -> None:
        """Make all workers read the cards anew; one that has just been started does it once it listens."""
        with self._lock:
            for worker in self._workers.values():
                with suppress(ProcessLookupError):
                    worker.send_signal(signal.SIGHUP)

    def wait(self) -> None:
        """Returns when `drain` was called and all workers have ended."""
        self._stopping.wait()
        for thread in self._threads:
            thread.join()

    def _keep(self, number: int) -> None:
        pause = FIRST_PAUSE
        while (worker := self._start(number)) is not None:
            try:
                code = worker.wait(STEADY_SECONDS)
            except subprocess.TimeoutExpired:
                pause = FIRST_PAUSE
                code = worker.wait()
            assert worker.stdin is not None
            worker.stdin.close()
            if self._stopping.is_set():
                return
            log.error("worker ended", exit_code=code, again_in=pause)
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _start(self, number: int) -> subprocess.Popen[bytes] | None:
        """None once the crew stops. A session of its own: Ctrl-C reaches the server, which then drains the workers."""
        with self._lock:
            if self._stopping.is_set():
                return None
            # Until the worker handles it a SIGHUP would end it: it is born with the signal held back, and lets it in.
            held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
            try:
                worker = subprocess.Popen(
                    [sys.executable, "-P", "-m", "rushes.wiring.work"],
                    stdin=subprocess.PIPE,
                    start_new_session=True,
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, held)
            self._workers[number] = worker
        assert worker.stdin is not None
        with suppress(BrokenPipeError):  # it fell at once; the wait tells how
            worker.stdin.write(self._line)
            worker.stdin.flush()
        return worker
