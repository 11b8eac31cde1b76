"""The bell: a submit wakes the idle workers of this machine at once, and nobody polls.

Every waiter owns a FIFO in one folder; ringing writes a byte into each. A FIFO is opened under a hidden name and only
then renamed to its public one, so a public FIFO without a reader belongs to a dead process and is removed by whoever
rings next. A ring is a hint: it never blocks and never fails the verb that rings, and a waiter always looks into the
ledger after it was made and before it first waits.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import uuid
from pathlib import Path

_log = logging.getLogger(__name__)


class Waiter:
    """One thread's ear for the bell. `wait` from one thread; `wake` from any, also from a signal handler."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_unborn(folder)
        name = f"{os.getpid()}.{uuid.uuid4().hex}"
        hidden, self.path = folder / f".{name}", folder / name
        os.mkfifo(hidden, 0o600)
        self._reader = os.open(hidden, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        # Our own writer: keeps the FIFO from reporting an end of file between two rings, and serves `wake`.
        self._writer = os.open(hidden, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._reader, select.POLLIN)
        hidden.rename(self.path)

    def wait(self, timeout: float | None) -> bool:
        """True once the bell rang (also if it rang since the last wait), False after `timeout` seconds; None waits
        for ever."""
        if not self._poll.poll(None if timeout is None else max(0.0, timeout) * 1000):
            return False
        with contextlib.suppress(BlockingIOError):
            while len(os.read(self._reader, 4096)) == 4096:
                continue
        return True

    def wake(self) -> None:
        """End this waiter's own wait."""
        # A full FIFO wakes just as well.
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def close(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self._writer)
        os.close(self._reader)

    def __enter__(self) -> Waiter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Bell:
    """All waiters of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def waiter(self) -> Waiter:
        return Waiter(self.folder)

    def ring(self) -> None:
        try:
            names = os.listdir(self.folder)  # noqa: PTH208 - the fast one: every submit rings
        except FileNotFoundError:
            return
        for name in names:
            if not name.startswith("."):
                self._ring(self.folder / name)

    def _ring(self, path: Path) -> None:
        try:
            writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno == errno.ENXIO:
                path.unlink(missing_ok=True)
            else:
                _log.warning("cannot ring %s: %s", path, error)
            return
        try:
            os.write(writer, b"!")
        except BlockingIOError:
            return  # full: that waiter has rings enough
        except OSError as error:
            _log.warning("cannot ring %s: %s", path, error)
        finally:
            os.close(writer)


def _remove_unborn(folder: Path) -> None:
    """FIFOs whose process died between making and naming them."""
    for path in folder.glob(".*"):
        pid = path.name[1:].partition(".")[0]
        if pid.isdecimal() and not _alive(int(pid)):
            path.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
