"""Who waits for news of a request is told when its row has changed, without each of them asking the ledger.

One thread listens for everybody: it sleeps on the ledger's bell, which submits, ends and cancels ring, and looks a
few times a second at the revisions of the watched rows only, because progress does not ring. With nobody waiting it
sleeps for ever.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import structlog

from rushes.core.errors import LedgerUnavailable

log = structlog.get_logger(__name__)

LOOK_EVERY = 0.5


class Ear(Protocol):
    """The bell's: `wait` from the hub's thread, `wake` from any."""

    def wait(self, timeout: float | None) -> bool: ...
    def wake(self) -> None: ...
    def close(self) -> None: ...


class Watch:
    """One client's interest in one request, on the event loop's thread."""

    def __init__(self, request_id: str, loop: asyncio.AbstractEventLoop) -> None:
        self.request_id = request_id
        self.loop = loop
        self.revision = -1
        self._news = asyncio.Event()
        self.closing = False

    async def news(self, within: float) -> bool:
        """True once the row has changed since the last time, or the hub closes; False after `within` seconds."""
        try:
            async with asyncio.timeout(within):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    def tell(self, *, closing: bool = False) -> None:
        self.closing = self.closing or closing
        self._news.set()


class Hub:
    """`revisions(ids)` tells the rows' revisions, those that exist; `listen()` gives an ear for the bell."""

    def __init__(
        self, listen: Callable[[], Ear], revisions: Callable[[Sequence[str]], Mapping[str, int]]
    ) -> None:
        self._listen = listen
        self._revisions = revisions
        self._lock = threading.Lock()
        self._watches: set[Watch] = set()
        self._ear: Ear | None = None
        self._thread: threading.Thread | None = None
        self._closing = False

    @contextmanager
    def watch(self, request_id: str) -> Iterator[Watch]:
        """Use it on the event loop. Whatever changes from here on is told, and once what may have changed before."""
        watch = Watch(request_id, asyncio.get_running_loop())
        with self._lock:
            watch.closing = self._closing
            self._watches.add(watch)
            self._start()
        try:
            yield watch
        finally:
            with self._lock:
                self._watches.discard(watch)

    def close(self) -> None:
        """Every stream ends with its next breath; none begins."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            for watch in tuple(self._watches):
                self._tell(watch, closing=True)
            thread, ear = self._thread, self._ear
        if thread is not None and ear is not None:
            ear.wake()
            thread.join()

    def _start(self) -> None:
        if self._closing:
            return
        if self._thread is None:
            self._ear = self._listen()
            self._thread = threading.Thread(target=self._run, args=[self._ear], name="hub", daemon=True)
            self._thread.start()
        elif self._ear is not None:
            self._ear.wake()

    def _run(self, ear: Ear) -> None:
        try:
            while True:
                with self._lock:
                    if self._closing:
                        return
                    watches = tuple(self._watches)
                ear.wait(LOOK_EVERY if watches else None)
                self._look(watches)
        finally:
            ear.close()

    def _look(self, watches: Sequence[Watch]) -> None:
        if not watches:
            return
        try:
            found = self._revisions(tuple({watch.request_id for watch in watches}))
        except LedgerUnavailable as error:
            log.warning("streams wait for the ledger", error=str(error))
            return
        for watch in watches:
            revision = found.get(watch.request_id, -1)
            if revision != watch.revision:
                watch.revision = revision
                self._tell(watch)

    def _tell(self, watch: Watch, *, closing: bool = False) -> None:
        try:
            watch.loop.call_soon_threadsafe(lambda: watch.tell(closing=closing))
        except RuntimeError:  # its loop has ended
            self._watches.discard(watch)
