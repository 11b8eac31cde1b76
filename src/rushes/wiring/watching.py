"""What the operator's machines are shown: readiness from the parts that must work, metrics from ledger and store."""

from __future__ import annotations

import hmac
import shutil
import threading
from collections.abc import Callable, Sequence

from rushes.core.clock import SYSTEM_CLOCK, Clock
from rushes.core.statistics import Storage
from rushes.dialects.base import Dialect
from rushes.ledger.counting import BUCKETS
from rushes.ledger.statistics import SEEN_LATELY
from rushes.server.health import Check, Health
from rushes.server.metrics import Metrics
from rushes.server.operations import Operations
from rushes.store.objects import FolderStore
from rushes.wiring.house import House

COUNT_EVERY = 600.0
"""Seconds: going through all files of a large store takes long, and its size changes slowly."""


class StorageLook:
    """The store's size, counted anew from time to time; the free space as it is."""

    def __init__(self, store: FolderStore, clock: Clock = SYSTEM_CLOCK) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._counted_at = float("-inf")
        self._used = self._files = 0

    def __call__(self) -> Storage:
        with self._lock:
            if self._clock.monotonic() - self._counted_at >= COUNT_EVERY:
                sizes = [stored.size for stored in self._store.list()]
                self._used, self._files = sum(sizes), len(sizes)
                self._counted_at = self._clock.monotonic()
            return Storage(self._used, self._files, shutil.disk_usage(self._store.root).free)


def make_operations(house: House, dialects: Sequence[Dialect], leaving: Callable[[], bool]) -> Operations:
    settings = house.settings
    routes = {route.path: dialect.name for dialect in dialects for route in dialect.routes}
    scrape_key = settings.metrics_key and settings.metrics_key.get_secret_value().encode()

    def accepts(token: str | None) -> bool:
        if scrape_key and hmac.compare_digest((token or "").encode("utf-8", "replace"), scrape_key):
            return True
        return house.service.is_admin(token)

    return Operations(
        health=Health(make_checks(house, leaving), SYSTEM_CLOCK),
        metrics=Metrics(house.service.statistics, StorageLook(house.store), routes, BUCKETS),
        scraping=settings.metrics,
        accepts=accepts,
    )


def make_checks(house: House, leaving: Callable[[], bool]) -> dict[str, Check]:
    """What must hold before calls are sent here. Workers are expected where this server starts them."""
    settings = house.settings

    def disk() -> str | None:
        free = shutil.disk_usage(house.folder.root).free
        if free >= settings.min_free:
            return None
        return f"{free / 1e6:,.0f} MB free, min_free is {settings.min_free / 1e6:,.0f} MB"

    def workers() -> str | None:
        if any(worker.silent_for <= SEEN_LATELY for worker in house.ledger.workers()):
            return None
        return f"no worker was seen in the last {SEEN_LATELY:.0f} s"

    checks: dict[str, Check] = {
        "server": lambda: "draining: it ends soon" if leaving() else None,
        "ledger": house.ledger.check_writable,
        "store": house.store.check,
        "disk": disk,
    }
    return checks | {"workers": workers} if settings.workers else checks
