"""What an engine shows of a clip that is still being made, on its way from the job's folder to whoever waits for it.

The studio leaves its newest picture in the job's folder. A thread of its own puts it into the store from time to time,
and the next beat names it in the ledger. Each picture has a key of its own, so a link means one picture for ever and
caches may keep it. Nobody waits for this thread: a slow store costs pictures, never time of the job.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from rushes.core.errors import RushesError
from rushes.core.request import Lease
from rushes.store.base import Store
from rushes.worker.messages import LIVE_PREVIEW

log = structlog.get_logger(__name__)

KEPT = 2
"""The newest picture, and the one that the ledger may name until the next beat."""
FAREWELL = 1.0
"""Seconds in which the last pictures may be removed before the worker goes on; the sweep removes what is left."""


class Showing:
    """While its block runs, the newest picture in `folder` is stored at most every `every` seconds and `show` is told its
    key. All of them are gone when it has ended; whatever fails ends the showing and nothing else."""

    def __init__(
        self, store: Store, lease: Lease, folder: Path, *, every: float, show: Callable[[str], None]
    ) -> None:
        self._store = store
        self._prefix = f"{lease.request_id}/{lease.fence}.live"
        self._newest = folder / LIVE_PREVIEW
        self._every = every
        self._show = show
        self._count = 0
        self._seen: tuple[int, int] | None = None
        self._stored: deque[str] = deque()
        self._ended = threading.Event()
        logged = contextvars.copy_context()
        self._thread = threading.Thread(target=logged.run, args=[self._run], name="showing", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(FAREWELL)

    def _run(self) -> None:
        try:
            while not self._ended.wait(self._every):
                self._look()
            self._keep(0)
        except (OSError, RushesError) as error:
            log.warning("no more live previews of this attempt", error=str(error))

    def _look(self) -> None:
        try:
            stat = self._newest.stat()
            picture = self._newest.read_bytes()
        except FileNotFoundError:  # nothing to see yet, or not any more
            return
        if (stat.st_ino, stat.st_mtime_ns) == self._seen:
            return
        self._seen = stat.st_ino, stat.st_mtime_ns
        self._count += 1
        key = f"{self._prefix}{self._count}.jpg"
        self._stored.append(key)
        self._store.put(key, picture)
        self._show(key)
        self._keep(KEPT)

    def _keep(self, count: int) -> None:
        while len(self._stored) > count:
            self._store.delete(self._stored.popleft())
