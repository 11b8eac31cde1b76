"""Waiting for a request without polling it: `?wait=SECONDS` holds one answer back until the end, and the event stream
(server-sent events) tells every change until the end.

An event's id is the row's revision. The current state is always sent first, so a client that lost its connection
misses nothing that still matters, whatever `Last-Event-ID` it brings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from rushes.core.clock import Clock
from rushes.core.errors import RushesError, TooManyStreams
from rushes.dialects.base import Dialect, RequestView
from rushes.server.desk import Desk
from rushes.server.hub import Hub
from rushes.service import Caller

KEEP_ALIVE = 15.0
"""Seconds after which a comment goes out, so that proxies keep a silent stream open and a dead client is noticed."""
RETRY_MS = 1000

_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class News:
    """`max_streams` is the number of streams and waiting answers that one owner may hold open."""

    def __init__(self, desk: Desk, hub: Hub, clock: Clock, *, max_streams: int) -> None:
        self._desk = desk
        self._hub = hub
        self._clock = clock
        self._max_streams = max_streams
        self._open: Counter[str] = Counter()

    async def wait_for_end(self, caller: Caller, request_id: str, seconds: float) -> RequestView:
        """The request at its end, or as it stands when the time is over. Raises `UnknownRequest`,
        `TooManyStreams`."""
        over = self._clock.monotonic() + seconds
        self._enter(caller)
        try:
            with self._hub.watch(request_id) as watch:
                while True:
                    view, _ = await run_in_threadpool(self._desk.look, caller, request_id)
                    left = over - self._clock.monotonic()
                    if view.status.terminal or left <= 0 or watch.closing:
                        return view
                    await watch.news(left)
        finally:
            self._leave(caller)

    async def stream(self, dialect: Dialect, caller: Caller, request_id: str) -> StreamingResponse:
        """Raises `UnknownRequest` and `TooManyStreams` before the first byte."""
        self._enter(caller)
        try:
            first = await run_in_threadpool(self._desk.look, caller, request_id)
        except BaseException:
            self._leave(caller)
            raise
        return _Stream(self._events(dialect, caller, request_id, first), on_end=lambda: self._leave(caller))

    async def _events(
        self, dialect: Dialect, caller: Caller, request_id: str, state: tuple[RequestView, int]
    ) -> AsyncIterator[bytes]:
        yield f"retry: {RETRY_MS}\n\n".encode()
        told = None
        with self._hub.watch(request_id) as watch:
            while True:
                view, revision = state
                if state != told:
                    told = state
                    yield _event(dialect, view, revision)
                if view.status.terminal or watch.closing:
                    return
                if not await watch.news(KEEP_ALIVE):
                    yield b": still here\n\n"
                try:
                    state = await run_in_threadpool(self._desk.look, caller, request_id)
                except RushesError:
                    return  # the client comes again and is told why

    def _enter(self, caller: Caller) -> None:
        if self._open[caller.owner] >= self._max_streams:
            raise TooManyStreams(f"{self._max_streams} streams of this key's owner are open already")
        self._open[caller.owner] += 1

    def _leave(self, caller: Caller) -> None:
        self._open[caller.owner] -= 1
        if not self._open[caller.owner]:
            del self._open[caller.owner]


class _Stream(StreamingResponse):
    """Calls `on_end` once, also when the client had gone before the first byte."""

    def __init__(self, events: AsyncIterator[bytes], on_end: Callable[[], None]) -> None:
        super().__init__(events, media_type="text/event-stream", headers=_HEADERS)
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()


def _event(dialect: Dialect, view: RequestView, revision: int) -> bytes:
    name = "end" if view.status.terminal else "state"
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (revision, name.encode(), dialect.render(view).body)
