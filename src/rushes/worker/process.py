"""A worker as a process: its main thread only listens, for signals and for the end of its parent.

The loop runs in a thread of its own, so that a signal never interrupts a transaction and no lock is ever taken in a
signal handler: all that a signal does is the byte which Python's wake-up descriptor writes.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from rushes.worker.loop import Worker

log = structlog.get_logger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
ORPHAN_SECONDS = 5.0
_LOOP_ENDED = 0
"""A byte that is no signal's number."""


def run_worker(worker: Worker, parent: int | None = None, on_hangup: Callable[[], None] | None = None) -> int:
    """Run until stopped; call it in the main thread. Returns the exit code: 1 when the loop fell over.

    The first SIGTERM or SIGINT drains, the second releases at once; SIGHUP calls `on_hangup`, and is let in here if
    whoever started this process held it back. `parent` is a descriptor that becomes readable
    when the parent is gone, such as the read end of a pipe whose other end only the parent holds: then this process
    gives its attempt back at once, and ends after five seconds whatever happens.
    """
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    fell_over = threading.Event()
    thread = threading.Thread(target=_loop, args=[worker, mouth, fell_over], name="worker")
    caught = STOP_SIGNALS if on_hangup is None else (*STOP_SIGNALS, signal.SIGHUP)
    with ear, mouth, _signals_to(mouth, caught), selectors.DefaultSelector() as heard:
        heard.register(ear, selectors.EVENT_READ)
        if parent is not None:
            heard.register(parent, selectors.EVENT_READ)
        thread.start()
        ended = False
        while not ended:
            for key, _ in heard.select():
                if key.fileobj is not ear:
                    heard.unregister(key.fileobj)
                    _orphaned(worker)
                    continue
                for number in ear.recv(64):
                    if number == _LOOP_ENDED:
                        ended = True
                    elif number == signal.SIGHUP and on_hangup is not None:
                        on_hangup()
                    else:
                        log.info("stopping", signal=signal.Signals(number).name, worker=worker.name)
                        worker.stop()
        thread.join()
    return int(fell_over.is_set())


def _loop(worker: Worker, mouth: socket.socket, fell_over: threading.Event) -> None:
    try:
        worker.run()
    except BaseException:
        fell_over.set()
        log.exception("worker fell over", worker=worker.name)
    finally:
        mouth.send(bytes([_LOOP_ENDED]))


def _orphaned(worker: Worker) -> None:
    log.warning("the parent is gone", worker=worker.name)
    end = threading.Timer(ORPHAN_SECONDS, os._exit, [1])
    end.daemon = True
    end.start()
    worker.stop()
    worker.stop()


@contextmanager
def _signals_to(mouth: socket.socket, caught: tuple[signal.Signals, ...]) -> Iterator[None]:
    before = {number: signal.signal(number, lambda *_: None) for number in caught}
    wakeup = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, caught)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
