"""How long an attempt spent in each phase: for the outcome, for the overhead that the metrics tell, and for the trace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rushes.core.clock import Clock
from rushes.core.request import Lease, Phase
from rushes.core.tracing import Attributes, Span, Tracer


class Stretch(NamedTuple):
    """Seconds since the epoch; a phase may have several."""

    phase: Phase
    start: float
    end: float


class Phases:
    """Begins in LOAD, which is what a worker does first: it stages the picture and finds a studio."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._epoch = (
            clock.now() - clock.monotonic()
        )  # a clock that is set meanwhile must not bend the figures
        self._phase = Phase.LOAD
        self._since = clock.monotonic()
        self._past: list[Stretch] = []
        self.began = clock.now()

    def enter(self, phase: Phase) -> None:
        if phase is not self._phase:
            self._past.append(self._running())
            self._phase, self._since = phase, self._past[-1].end - self._epoch

    def stretches(self) -> tuple[Stretch, ...]:
        """All until now, in their order."""
        return (*self._past, self._running())

    def seconds(self) -> dict[str, float]:
        """By the phase's name, to the millisecond."""
        total: dict[str, float] = defaultdict(float)
        for stretch in self.stretches():
            total[stretch.phase.value] += stretch.end - stretch.start
        return {phase: round(seconds, 3) for phase, seconds in total.items()}

    def _running(self) -> Stretch:
        return Stretch(self._phase, self._epoch + self._since, self._epoch + self._clock.monotonic())


@contextmanager
def traced(tracer: Tracer, lease: Lease, phases: Phases) -> Iterator[Span]:
    """The attempt as a span of its request's trace, after the wait, with its phases below it."""
    attributes: Attributes = {
        "rushes.request": lease.request_id,
        "rushes.model": lease.card,
        "rushes.fence": lease.fence,
        "rushes.worker": lease.worker,
    }
    if lease.fence == 1:
        tracer.note("wait", min(lease.queued_at, phases.began), phases.began, lease.trace, attributes)
    with tracer.span("attempt", lease.trace, attributes) as span:
        try:
            yield span
        finally:
            for stretch in phases.stretches():
                tracer.note(stretch.phase.value, stretch.start, stretch.end, span.context, attributes)
