"""What strangers send is bounded before anybody reads it, in bytes and in time: the parser has no limit of its own, and
a stranger without any key could fill the memory with headers that never end, or hold lines open with ones that never come.

A head has `seconds` to come, counted from the connection's start or from its own first byte. A body has them too, and a
second more for every `SLOWEST` bytes of it that are there: whoever sends steadily is never cut off, and whoever stalls is.
Time in which we do not read, or owe the answer to what came before, does not count.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD = 64 * 1024
SLOWEST = 16 * 1024
"""Bytes of a body in a second, of a line that is slow but alive."""
NEVER = math.inf
MOST_HELD = 64 * 1024
"""Bytes that wait for the end of the loop's turn at most."""


def _refusal(status: str, error: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
    return f'{head}{{"error":"{error}"}}'.encode()


_TOO_LARGE = _refusal(
    "431 Request Header Fields Too Large",
    f"the headers are larger than {LONGEST_HEAD:,} bytes, which is the limit here",
)
_TOO_SLOW = _refusal("408 Request Timeout", "the call did not arrive in time: send it in one go")


class _InOne:
    """A transport on which what is written in one turn of the loop leaves at its end. uvicorn writes head and body one by
    one, and a write that wakes a waiting client costs a third of what it takes to make the answer: so it is woken once,
    by the first of all answers of the turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held += data
        if len(self._held) > MOST_HELD:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            data, self._held = self._held, b""
            if not self._transport.is_closing():
                self._transport.write(data)


class BoundedArrival(HttpToolsProtocol):
    """uvicorn's protocol, closed once so many bytes have come that were neither a whole head nor part of a body (heads,
    trailers and what else a parser keeps back), or once a call takes longer to arrive than it may."""

    def __init__(self, *args: Any, seconds: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seconds = seconds
        self._kept_back = 0
        self._due = NEVER
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", _InOne(transport, self.loop)))
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._kept_back += len(data)
        if self._due == NEVER:
            self._expect()
        super().data_received(data)
        if self._kept_back > LONGEST_HEAD:
            self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect()

    def on_headers_complete(self) -> None:
        self._kept_back = 0
        self._expect()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._kept_back = 0
        self._due += len(body) / SLOWEST
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._kept_back = 0
        self._due = NEVER
        super().on_message_complete()

    def _expect(self) -> None:
        """From now on the client is due to send."""
        self._due = self.loop.time() + self._seconds
        if self._timer is None:
            self._timer = self.loop.call_at(self._due, self._look)

    def _look(self) -> None:
        """One timer serves a line: where it finds that there is time left, it looks again when that is over, and it goes
        off for nothing where nothing is due. So a call on a line that is kept costs none."""
        self._timer = None
        if self._due == NEVER:
            return
        now = self.loop.time()
        if self.flow.read_paused or self._owed():
            self._due = max(self._due, now + self._seconds)
        if now < self._due:
            self._timer = self.loop.call_at(self._due, self._look)
        else:
            self._refuse(_TOO_SLOW)

    def _owed(self) -> bool:
        """A whole call is there, and not yet its whole answer."""
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def _refuse(self, answer: bytes) -> None:
        """Hang up; with a word, where the call has had none and none is under way."""
        if self.transport.is_closing():
            return
        last = self.cycle
        told = last is not None and last.response_started and (last.more_body or not last.response_complete)
        if not told and not self._owed():
            self.transport.write(answer)
        self.transport.close()
