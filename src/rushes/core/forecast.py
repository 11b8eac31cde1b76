"""When a request may end: one look at the waiting line and at what such requests took lately.

An `Outlook` is drawn from the ledger once and then answers everybody: a place is found by bisection, the work before it
by sums that were made once. Five hundred clients that poll cost no more reading than one.

Work is predicted from the last successes of the same card, in seconds per second of clip. What stands before a request
is shared by the living workers that may take it, as if it could be cut to any size; who is alone has the whole crew.
The error is one standard deviation, the works taken as independent. Where nothing was measured there is no forecast;
where no living worker serves a card neither, only a place.
"""

from __future__ import annotations

import math
import statistics
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from rushes.core.request import Forecast, Request, Status

T = TypeVar("T")

FIRST_GUESS = 1.0
"""Seconds of work per second of clip for a card that has not made any yet."""
TELLING = 0.05
"""From this progress on, the attempt's own speed says something of its end."""


class Pace(NamedTuple):
    """Seconds of work per second of clip: the mean of some successes and their standard deviation."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, paces: Sequence[float]) -> Pace:
        """Of one success, nothing is known of the deviation: it may be as large as the mean."""
        mean = statistics.fmean(paces)
        return cls(mean, statistics.stdev(paces) if len(paces) > 1 else mean)


def work(paces: Mapping[str, Pace], card: str, clip_seconds: float) -> float:
    """The seconds that a clip of this card will likely take."""
    pace = paces.get(card)
    return clip_seconds * (FIRST_GUESS if pace is None else pace.mean)


Place: TypeAlias = tuple[int, float, str]
"""Sorts as the line is served: the urgent first, then by turn, then by id."""


class Waiting(NamedTuple):
    """A queued request."""

    priority: int
    turn: float
    id: str
    card: str
    clip_seconds: float


class Running(NamedTuple):
    """A request in work, and for how many seconds its attempt has been running."""

    id: str
    card: str
    clip_seconds: float
    elapsed: float


class _Pool:
    """Cards that share workers, directly or by way of others, and the line before those workers."""

    def __init__(self, cards: frozenset[str], workers: int) -> None:
        self.cards = cards
        self.workers = workers
        self.running: list[Running] = []
        self.places: list[Place] = []
        # Of all before the place of the same index, and of all.
        self.works: list[float] = [0.0]
        self.variances: list[float] = [0.0]


class Outlook:
    """`line` holds `Waiting`s, or such tuples, in the order in which they are served, `workers` by the cards that each living one serves, `paces` by card."""

    def __init__(
        self,
        *,
        line: Iterable[tuple[int, float, str, str, float]],
        running: Iterable[Running],
        workers: Iterable[Iterable[str]],
        paces: Mapping[str, Pace],
    ) -> None:
        self._paces = paces
        self._running = {one.id: one for one in running}
        self._places: list[Place] = []
        self._pools = _pools(workers)
        # Plain and flat: a line may have a hundred thousand places.
        served = {card: (pool, *self._expected(card, 1.0)) for card, pool in self._pools.items()}
        for priority, turn, name, card, clip_seconds in line:
            place = (-priority, turn, name)
            self._places.append(place)
            if card in served:
                pool, mean, deviation = served[card]
                pool.places.append(place)
                pool.works.append(pool.works[-1] + clip_seconds * mean)
                pool.variances.append(pool.variances[-1] + (clip_seconds * deviation) ** 2)
        for pool in set(self._pools.values()):
            pool.running = [one for one in self._running.values() if one.card in pool.cards]

    def forecast(self, request: Request, age: float = 0.0) -> Forecast:
        """When `request` may end, by a look that is `age` seconds old; nothing for one that has ended. Its place is
        exact as of that look, also for one that was submitted since."""
        if request.status is Status.QUEUED:
            return self._of_queued(request, age)
        if request.status is Status.PROCESSING:
            return self._of_running(request, age)
        return Forecast()

    def _of_queued(self, request: Request, age: float) -> Forecast:
        place = (-request.priority, request.turn, request.id)
        position = bisect_left(self._places, place)
        pool = self._pools.get(request.card)
        if pool is None or request.card not in self._paces:
            return Forecast(position=position)
        ahead = bisect_left(pool.places, place)
        wait = variance = 0.0
        if ahead + len(pool.running) >= pool.workers:
            wait, variance = pool.works[ahead], pool.variances[ahead]
            for one in pool.running:
                mean, deviation = self._expected(one.card, one.clip_seconds)
                wait += max(0.0, mean - one.elapsed - age)
                variance += deviation**2
            wait, variance = wait / pool.workers, variance / pool.workers**2
        mean, deviation = self._expected(request.card, request.shot.seconds)
        return _told(wait + mean, math.sqrt(variance + deviation**2), position)

    def _of_running(self, request: Request, age: float) -> Forecast:
        """History at the start, the attempt's own speed towards the end."""
        one = self._running.get(request.id)
        elapsed = age + (0.0 if one is None else one.elapsed)
        done = request.progress
        own = elapsed * (1.0 - done) / done if done >= TELLING and one is not None else None
        if request.card not in self._paces:
            return Forecast() if own is None else _told(own, None)
        mean, deviation = self._expected(request.card, request.shot.seconds)
        left = max(0.0, mean - elapsed)
        return _told(left if own is None else done * own + (1.0 - done) * left, (1.0 - done) * deviation)

    def _expected(self, card: str, clip_seconds: float) -> tuple[float, float]:
        """Mean and standard deviation of a clip's work, in seconds."""
        pace = self._paces.get(card)
        mean = work(self._paces, card, clip_seconds)
        return mean, (mean if pace is None else clip_seconds * pace.deviation)


def _told(eta: float, error: float | None, position: int | None = None) -> Forecast:
    """Tenths of seconds: more would only make equal answers differ."""
    return Forecast(position=position, eta=round(eta, 1), error=None if error is None else round(error, 1))


def _pools(workers: Iterable[Iterable[str]]) -> dict[str, _Pool]:
    """The pool of each card that a living worker serves."""
    pools: list[tuple[frozenset[str], int]] = []
    for served in workers:
        cards, count = frozenset(served), 1
        apart = []
        for pool in pools:
            if pool[0] & cards:
                cards, count = cards | pool[0], count + pool[1]
            else:
                apart.append(pool)
        pools = [*apart, (cards, count)]
    made = [_Pool(cards, count) for cards, count in pools]
    return {card: pool for pool in made for card in pool.cards}


SENT_SECONDS = 0.1
"""How long somebody who was sent to draw may take to begin."""


class Glance(Generic[T]):
    """Something that is costly to draw, shared by all threads, and drawn anew `max_age` seconds after it was done; later
    if it would take more than a fifth of the time.

    Who has changed what is drawn says so by `changed`; it is then drawn anew at once if that is cheap, so that a process
    sees its own writes, but no more than a twentieth of the time is spent drawing.
    """

    def __init__(self, draw: Callable[[], T], monotonic: Callable[[], float], max_age: float) -> None:
        self.max_age = max_age
        self._draw = draw
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._drawn: tuple[T, float] | None = None
        self._due_at = self._cheap_at = 0.0
        self._sent_at = -SENT_SECONDS
        self._changed = False

    def changed(self) -> None:
        self._changed = True

    @property
    def fresh(self) -> bool:
        """Whether a look takes no drawing of one's own."""
        return self.at_hand() is not None

    def at_hand(self) -> tuple[T, float] | None:
        """What `look` gives, where that takes no drawing of one's own. When it is due, one of those who ask is sent to
        draw, and the others get the last one meanwhile."""
        drawn, now = self._drawn, self._monotonic()
        if drawn is None:
            return None
        if self._due(now) and not self._lock.locked() and now >= self._sent_at + SENT_SECONDS:
            self._sent_at = now
            return None
        return drawn[0], now - drawn[1]

    def look(self) -> tuple[T, float]:
        """The drawing and its age in seconds. While one thread draws anew the others get the last one."""
        if (self._drawn is None or self._due(self._monotonic())) and self._lock.acquire(
            blocking=self._drawn is None
        ):
            try:
                if self._drawn is None or self._due(self._monotonic()):
                    self._redraw()
            finally:
                self._lock.release()
        assert self._drawn is not None
        value, at = self._drawn
        return value, self._monotonic() - at

    def _due(self, now: float) -> bool:
        return now >= (self._cheap_at if self._changed else self._due_at)

    def _redraw(self) -> None:
        self._changed = False
        start = self._monotonic()
        value = self._draw()
        done = self._monotonic()
        took = done - start
        self._due_at = done + max(self.max_age, 4 * took)
        self._cheap_at = min(self._due_at, done + 20 * took)
        self._drawn = value, start
