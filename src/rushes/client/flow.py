"""What a client does over time, without doing any of it: no socket, no clock, no thread.

A flow is a generator. It yields steps (send this call, pause so long, look at this record), is sent the answers, and
returns its result. `Client` walks a flow with blocking calls, `AsyncClient` with awaited ones, and a test with a list
of answers; so patience, back-off and the end of waiting are decided in one place and proven without sleeping.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Generic, TypeAlias, TypeVar

from rushes.core.errors import BadReply, KeyInUse, RushesError
from rushes.dialects.base import (
    Accepted,
    Call,
    Dialect,
    Get,
    Reply,
    RequestView,
    Retry,
    Submit,
    WireReply,
    WireRequest,
)

T = TypeVar("T")
R = TypeVar("R", bound=Reply)

SOONEST = 0.3
LATEST = 5.0
PATIENCE = 60.0
"""Seconds that a flow goes on repeating a call that finds nobody, or a server that asks to come later."""
TRANSIENT = frozenset({429, 502, 503, 504})
IN_USE = 409


class Unreachable(RushesError):
    """The server could not be reached, or broke off."""

    retryable = True
    advice = "Check the address, and that `rushes serve` is running there."


class StillRunning(RushesError):
    """The time given to `wait` is over. The request goes on."""


@dataclass(frozen=True)
class Send:
    """Make this call; the answer is sent into the flow, or `Unreachable` thrown."""

    call: WireRequest
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Seen:
    """A record that is worth showing: the first one, and each that differs from the one before."""

    record: RequestView


Flow: TypeAlias = Generator[Send | Pause | Seen, WireReply, T]


class Flows:
    """Every verb of a client as a flow, in the words of one dialect."""

    def __init__(self, dialect: Dialect, patience: float = PATIENCE) -> None:
        self._dialect = dialect
        self._patience = patience
        self._met = False

    def call(self, call: Call, answer: type[R]) -> Flow[R]:
        """Make `call`, and read its reply, which is an `answer`. Raises the error that a refusal tells of."""
        return self._read(call, (yield from self._ask(Send(self._dialect.write(call)))), answer)

    def submit(self, call: Submit | Retry, key: str, priority: int | None = None) -> Flow[RequestView]:
        """`key` makes the call safe to repeat: however often it arrives, it makes one request."""
        urgency = {} if priority is None else {"x-priority": str(priority)}
        send = Send(self._dialect.write(call), {"idempotency-key": key, **urgency})
        reply = yield from self._ask(send, self._in_use)
        return self._read(call, reply, Accepted).request

    def watch(self, request_id: str, within: float | None = None) -> Flow[RequestView]:
        """Ask for the request until it is terminal, and return it as it ended, whichever way.

        Pauses grow with the time waited: a second's work is seen within a third of a second, an hour's is asked for
        every `LATEST` seconds. After `within` seconds of pauses `StillRunning` is raised."""
        call = Get(request_id)
        waited = 0.0
        seen: RequestView | None = None
        while True:
            reply = yield from self._ask(Send(self._dialect.write(call)))
            record = self._read(call, reply, RequestView)
            if record != seen:
                yield Seen(record)
                seen = record
            if record.status.terminal:
                return record
            pause = max(min(LATEST, max(SOONEST, waited / 8)), retry_after(reply))
            if within is not None and waited + pause > within:
                raise StillRunning(f"the request is still {record.status} after {within:g} s")
            yield Pause(pause)
            waited += pause

    def put(self, url: str, data: bytes) -> Flow[None]:
        """Bring bytes to an upload URL."""
        reply = yield from self._ask(Send(WireRequest("PUT", url, body=data)))
        if reply.status >= 300:
            raise self._dialect.read_error(reply)

    def _in_use(self, reply: WireReply) -> bool:
        """The first try of a submit, broken off on its way back, is still being written."""
        return reply.status == IN_USE and isinstance(self._dialect.read_error(reply), KeyInUse)

    def _ask(self, send: Send, again: Callable[[WireReply], bool] = lambda _: False) -> Flow[WireReply]:
        """Repeat the call while the server is away, or its answer is transient or to be asked `again`, for `patience` seconds of
        pauses, at most `LATEST` each unless Retry-After says more. Then the last answer is the answer, and the last
        `Unreachable` is raised. A server that never answered yet is likely a wrong address: no patience for it."""
        waited, pause = 0.0, SOONEST
        while True:
            try:
                reply = yield send
            except Unreachable:
                if not self._met or waited + pause > self._patience:
                    raise
            else:
                self._met = True
                pause = max(pause, retry_after(reply))
                repeat = reply.status in TRANSIENT or again(reply)
                if not repeat or waited + pause > self._patience:
                    return reply
            yield Pause(pause)
            waited += pause
            pause = min(2 * pause, LATEST)

    def _read(self, call: Call, reply: WireReply, answer: type[R]) -> R:
        read = self._dialect.read(type(call), reply)
        if not isinstance(read, answer):
            raise BadReply(f"the server answered with {type(read).__name__} instead of {answer.__name__}")
        return read


def retry_after(reply: WireReply) -> float:
    """The seconds that the answer's Retry-After asks for; 0 without one, or one that cannot be read. A date is
    counted from the answer's own Date, so no clock is needed and none can be wrong."""
    text = reply.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        later = parsedate_to_datetime(text) - parsedate_to_datetime(reply.headers.get("date", ""))
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, later.total_seconds())


class Walk(Generic[T]):
    """A flow on its way, for whoever does what it says: `step` is what to do next, None once `result` stands."""

    step: Send | Pause | Seen | None
    result: T

    def __init__(self, flow: Generator[Send | Pause | Seen, WireReply, T]) -> None:
        self._flow = flow
        self.go_on()

    def go_on(self) -> None:
        """The pause is over, or the record was shown."""
        self._advance(lambda: next(self._flow))

    def answered(self, reply: WireReply) -> None:
        self._advance(lambda: self._flow.send(reply))

    def lost(self, error: Unreachable) -> None:
        self._advance(lambda: self._flow.throw(error))

    def _advance(self, advance: Callable[[], Send | Pause | Seen]) -> None:
        try:
            self.step = advance()
        except StopIteration as end:
            self.step, self.result = None, end.value
