"""What a client does over time, without doing any of it: no socket, no clock, no thread.

A flow is a generator. It yields steps (send this call, pause so long, look at this record), is sent the answers, and
returns its result. `Client` walks a flow with blocking calls, `AsyncClient` with awaited ones, and a test with a list
of answers; so patience, back-off and the end of waiting are decided in one place and proven without sleeping.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Generic, Protocol, TypeAlias, TypeVar

from rushes.core.errors import RushesError
from rushes.core.request import Status

SOONEST = 0.3
LATEST = 5.0
PATIENCE = 60.0
"""Seconds that a flow goes on repeating a call that finds nobody, or a server that asks to come later."""
TRANSIENT = frozenset({429, 502, 503, 504})
IN_USE = 409
"""The answer to a repeated submit whose first try, broken off on its way back, is still being written."""


class Unreachable(RushesError):
    """The server could not be reached, or broke off."""

    retryable = True
    advice = "Check the address, and that `rushes serve` is running there."


class StillRunning(RushesError):
    """The time given to `wait` is over. The request goes on."""


@dataclass(frozen=True)
class Call:
    """One HTTP call. `path` is below the server's address, or an address of its own (then no key is sent)."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came back. `headers` have lower-case names."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Watched(Protocol):
    @property
    def status(self) -> Status: ...


T = TypeVar("T")
W = TypeVar("W", bound=Watched)


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Seen(Generic[T]):
    """A record that is worth showing: the first one, and each that differs from the one before."""

    record: T


Exchange: TypeAlias = Generator[Call | Pause, Answer, T]
Watch: TypeAlias = Generator[Call | Pause | Seen[T], Answer, T]


def ask(call: Call, *, again: frozenset[int] = TRANSIENT) -> Exchange[Answer]:
    """Send `call`, and repeat it while the server is away or answers with a status of `again`, for `PATIENCE`
    seconds of pauses: at once no longer than `LATEST` apart, unless Retry-After says so. Then the last answer is the
    answer, and the last `Unreachable` is raised."""
    waited, pause = 0.0, SOONEST
    while True:
        answer: Answer | Unreachable
        try:
            answer = yield call
        except Unreachable as lost:
            answer = lost
        if isinstance(answer, Answer):
            if answer.status not in again:
                return answer
            pause = max(pause, retry_after(answer))
        if waited + pause > PATIENCE:
            break
        yield Pause(pause)
        waited += pause
        pause = min(2 * pause, LATEST)
    if isinstance(answer, Unreachable):
        raise answer
    return answer


def tell(call: Call, read: Callable[[Answer], T], *, again: frozenset[int] = TRANSIENT) -> Exchange[T]:
    """`ask`, and read the answer. Raises what `read` raises."""
    return read((yield from ask(call, again=again)))


def watch(call: Call, read: Callable[[Answer], W], *, timeout: float | None = None) -> Watch[W]:
    """Repeat the reading `call` until the record it answers is terminal, and return that.

    Pauses grow with the time waited: a second's work is seen within a third of a second, an hour's is asked for every
    `LATEST` seconds. After `timeout` seconds of pauses `StillRunning` is raised."""
    waited = 0.0
    seen: W | None = None
    while True:
        answer = yield from ask(call)
        record = read(answer)
        if record != seen:
            yield Seen(record)
            seen = record
        if record.status.terminal:
            return record
        pause = max(min(LATEST, max(SOONEST, waited / 8)), retry_after(answer))
        if timeout is not None and waited + pause > timeout:
            raise StillRunning(f"the request is {record.status} after {timeout:g} s")
        yield Pause(pause)
        waited += pause


def retry_after(answer: Answer) -> float:
    """The seconds that the answer's Retry-After asks for; 0 without one, or one that cannot be read. A date is
    counted from the answer's own Date, so no clock is needed and none can be wrong."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        later = parsedate_to_datetime(text) - parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, later.total_seconds())
