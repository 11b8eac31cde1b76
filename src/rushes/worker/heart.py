"""The heart of one attempt: a thread of the worker's own process that tells the ledger the attempt is alive.

No engine can starve it, because engines live in studios. One beat renews the lease, tells phase and progress, and
learns of a cancel. When the ledger says that the request is no longer ours, or cannot be reached until the lease must
have lapsed, the attempt is lost: somebody else may hold it now, so the studio is stopped at once.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from rushes.core.clock import Clock
from rushes.core.errors import LeaseLost, LedgerUnavailable
from rushes.core.request import Lease, Phase
from rushes.ledger.queue import Ledger
from rushes.worker.phases import Phases

log = structlog.get_logger(__name__)

SPANS: dict[Phase, tuple[float, float]] = {
    Phase.INTAKE: (0.0, 0.0),
    Phase.LOAD: (0.0, 0.1),
    Phase.RENDER: (0.1, 0.85),
    Phase.ENCODE: (0.85, 0.94),
    Phase.INSPECT: (0.94, 0.98),
    Phase.UPLOAD: (0.98, 1.0),
}
"""Which part of the whole each phase is. A clip drawn while it is encoded spends both in RENDER."""


class Heart:
    """Beats while its block runs. `tell` takes what the studio reports, `show` the key of a live preview; `lost` is set
    when the attempt is over for us.

    `held_since` is a monotonic time before the claim: what is lost is always counted from before the ledger answered.
    """

    def __init__(
        self,
        ledger: Ledger,
        lease: Lease,
        *,
        every: float,
        clock: Clock,
        held_since: float,
        phases: Phases,
        on_lost: Callable[[], None],
    ) -> None:
        self.lost = threading.Event()
        self._ledger = ledger
        self._lease = lease
        self._every = every
        self._clock = clock
        self._held_since = held_since
        self._phases = phases
        self._on_lost = on_lost
        self._phase, self._progress, self._note = Phase.LOAD, 0.0, ""
        self._live_preview: str | None = None
        self._ended = threading.Event()
        self._turn = threading.Lock()
        logged = contextvars.copy_context()  # request and fence stand on this thread's lines too
        self._thread = threading.Thread(target=logged.run, args=[self._run], name="heart", daemon=True)

    def tell(self, phase: Phase, fraction: float, note: str = "") -> None:
        """The whole attempt's progress from one phase's. It only rises, whatever an engine reports."""
        start, end = SPANS[phase]
        self._phases.enter(phase)
        self._phase, self._note = phase, note
        self._progress = max(self._progress, start + (end - start) * fraction)

    def show(self, key: str) -> None:
        """From the next beat on the request names this picture."""
        self._live_preview = key

    def last(self, write: Callable[[], object]) -> None:
        """Write the attempt's end. No beat falls on it or follows it: a beat of ours would find the lease lost."""
        with self._turn:
            write()
            self._ended.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._ended.wait(self._every):
                with self._turn:
                    if not self._ended.is_set() and not self._beat():
                        break
        finally:
            if not self._ended.is_set():  # lost, or this thread fell over
                self.lost.set()
                self._on_lost()

    def _beat(self) -> bool:
        """False when the attempt is lost."""
        asked = self._clock.monotonic()
        try:
            self._ledger.beat(self._lease, self._phase, self._progress, self._note, self._live_preview)
        except LeaseLost:
            log.warning("lease lost", phase=self._phase)
            return False
        except LedgerUnavailable as error:
            silent = self._clock.monotonic() - self._held_since
            log.warning(
                "beat failed",
                request=self._lease.request_id,
                fence=self._lease.fence,
                silent=silent,
                error=str(error),
            )
            return silent < self._lease.lease_seconds
        self._held_since = asked
        return True
