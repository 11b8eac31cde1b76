"""`/metrics`: one page for the whole house, in the text form that Prometheus reads.

What the ledger knows is read from it at each scrape, so that the figures hold for every server and worker on it and
outlive them all; only what this process alone sees, its HTTP calls, is counted here. Worker processes need no port.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.types import Scope

from rushes.core import statistics
from rushes.core.request import LIVE
from rushes.core.statistics import Statistics, Storage

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HOUSE = "house"
"""The dialect of routes that belong to none."""
NO_ROUTE = "none"
LOST = ("take over", "lose")
"""The verbs that end an attempt whose worker fell silent."""
HTTP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)


class Metrics:
    """`look` reads the ledger's numbers, `storage` the store's; `dialects` tells whose a route's path template is;
    `bounds` are the upper bounds of the ledger's histograms in seconds."""

    def __init__(
        self,
        look: Callable[[], Statistics],
        storage: Callable[[], Storage],
        dialects: Mapping[str, str],
        bounds: tuple[float, ...],
    ) -> None:
        self._registry = CollectorRegistry()
        self._calls = _Calls(dialects)
        ProcessCollector(namespace="rushes", registry=self._registry)
        self._registry.register(_Ledger(look, storage, bounds))
        self._registry.register(self._calls)

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one call, on the event loop. Paths that no route knows share one label: clients must not make series."""
        route = getattr(scope.get("route"), "path", NO_ROUTE)
        self._calls.count(route, scope["method"] if route != NO_ROUTE else "", status, seconds)

    def page(self) -> bytes:
        """The page; blocks while the ledger is read. Raises `LedgerUnavailable`."""
        return generate_latest(self._registry)


class _Calls(Collector):
    """The HTTP calls of this process. The library's own counters take a lock for each of a call's three numbers, which a
    poll would feel; only the event loop writes here."""

    def __init__(self, dialects: Mapping[str, str]) -> None:
        self._dialects = dialects
        self._counts: Counter[tuple[str, str, int]] = Counter()
        # By route: the calls of each bucket, at last those beyond all, and the sum of their seconds.
        self._times: dict[str, list[float]] = {}

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        self._counts[route, method, status] += 1
        times = self._times.get(route)
        if times is None:
            times = self._times[route] = [0.0] * (len(HTTP_BUCKETS) + 2)
        times[bisect_left(HTTP_BUCKETS, seconds)] += 1
        times[-1] += seconds

    def collect(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            "rushes_http_requests",
            "HTTP calls answered by this process.",
            labels=("dialect", "route", "method", "status"),
        )
        for (route, method, status), count in sorted(self._counts.copy().items()):
            calls.add_metric((self._dialects.get(route, HOUSE), route, method, str(status)), count)
        yield calls
        seconds = HistogramMetricFamily(
            "rushes_http_seconds",
            "Seconds from a call's first byte to its answer's last; event streams and waiting answers last long.",
            labels=("dialect", "route"),
        )
        for route, times in sorted(self._times.copy().items()):
            *counts, total = times
            buckets = list(zip((*map(str, HTTP_BUCKETS), "+Inf"), accumulate(counts), strict=True))
            seconds.add_metric((self._dialects.get(route, HOUSE), route), buckets, total)
        yield seconds


class _Ledger(Collector):
    def __init__(
        self, look: Callable[[], Statistics], storage: Callable[[], Storage], bounds: tuple[float, ...]
    ) -> None:
        self._look = look
        self._storage = storage
        self._bounds = bounds

    def describe(self) -> Iterator[Metric]:
        """Nothing to check for doubles: registering must not read the ledger."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        told = self._look()
        yield from _standing(told)
        yield from _counted(told)
        for name, help_text, values in (
            ("wait", "Seconds from acceptance to the first attempt, of ended requests.", told.wait),
            ("run", "Seconds of the attempts that made a result.", told.run),
            ("overhead", "What those took besides the engine's load and render.", told.overhead),
        ):
            yield _histogram(f"rushes_{name}_seconds", help_text, values, self._bounds)
        yield from _stored(self._storage())


def _standing(told: Statistics) -> Iterator[Metric]:
    """How it stands now. A model that has queued once keeps its line at 0, so that alerts do not flap."""
    depth = GaugeMetricFamily("rushes_requests_live", "Requests now, by status.", labels=("model", "status"))
    models = {model for model, _ in told.requests}
    for model in sorted(models):
        for status in sorted(LIVE):
            depth.add_metric((model, status), told.requests.get((model, status), 0))
    yield depth
    oldest = GaugeMetricFamily(
        "rushes_queue_oldest_seconds",
        "Age of the longest waiting request; 0 when none waits.",
        labels=("model",),
    )
    for model in sorted(models):
        oldest.add_metric((model,), told.oldest.get(model, 0.0))
    yield oldest
    workers = GaugeMetricFamily(
        "rushes_workers", "Workers that were seen within the last minute, by model served.", labels=("model",)
    )
    for model in sorted(models | told.workers.keys()):
        workers.add_metric((model,), told.workers.get(model, 0))
    yield workers
    silent = GaugeMetricFamily(
        "rushes_worker_silent_seconds", "Seconds since a worker of the roster was seen.", labels=("worker",)
    )
    for name, seconds in sorted(told.silent_for.items()):
        silent.add_metric((name,), seconds)
    yield silent


def _counted(told: Statistics) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "rushes_requests_ended",
        "Ended requests by reason: success, cancelled, or the error's name.",
        labels=("model", "reason"),
    )
    for key, count in sorted(told.ended.items()):
        ended.add_metric(key, count)
    yield ended
    attempts = CounterMetricFamily(
        "rushes_attempts", "Ended attempts, by what ended them.", labels=("model", "ended_by")
    )
    seconds = CounterMetricFamily(
        "rushes_attempt_seconds", "Seconds that ended attempts took.", labels=("model", "ended_by")
    )
    lost: dict[str, float] = {}
    for (model, verb), count in sorted(told.attempts.items()):
        attempts.add_metric((model, verb), count)
        seconds.add_metric((model, verb), told.attempt_seconds.get((model, verb), 0.0))
        lost[model] = lost.get(model, 0.0) + (count if verb in LOST else 0.0)
    yield attempts
    yield seconds
    losses = CounterMetricFamily(
        "rushes_lease_losses", "Attempts whose worker fell silent until the lease lapsed.", labels=("model",)
    )
    beats = CounterMetricFamily("rushes_beats", "Renewals of leases by workers.", labels=("model",))
    for model, count in sorted(lost.items()):
        losses.add_metric((model,), count)
    for model, count in sorted(told.beats.items()):
        beats.add_metric((model,), count)
    yield losses
    yield beats


def _histogram(
    name: str,
    help_text: str,
    values: Mapping[tuple[str, str], statistics.Histogram],
    bounds: tuple[float, ...],
) -> Metric:
    family = HistogramMetricFamily(name, help_text, labels=("model", "engine"))
    for key, histogram in sorted(values.items()):
        reached, buckets = 0.0, []
        for bound in (*bounds, float("inf")):
            reached += histogram.counts.get(bound, 0.0)
            buckets.append(("+Inf" if bound == float("inf") else f"{bound:g}", reached))
        family.add_metric(key, buckets, histogram.total)
    return family


def _stored(storage: Storage) -> Iterator[Metric]:
    yield GaugeMetricFamily("rushes_storage_bytes", "Bytes of all files in the store.", storage.used)
    yield GaugeMetricFamily("rushes_storage_files", "Files in the store.", storage.files)
    yield GaugeMetricFamily("rushes_disk_free_bytes", "Free bytes on the data folder's volume.", storage.free)
