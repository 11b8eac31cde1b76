"""A worker's entry in the roster, for people to look at: `rushes doctor` and the metrics. No claim depends on it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import structlog

from rushes.core.errors import LedgerUnavailable
from rushes.ledger.queue import Ledger

log = structlog.get_logger(__name__)

SEEN_EVERY = 20.0


class Presence:
    """The worker stands in the roster while the block runs, with the `cards` that it serves at the time."""

    def __init__(self, ledger: Ledger, name: str, cards: Callable[[], Sequence[str]]) -> None:
        self._ledger = ledger
        self._name = name
        self._cards = cards
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.join()

    def _run(self) -> None:
        entered: Sequence[str] | None = None
        while not self._left.is_set():
            try:
                cards = self._cards()
                if cards == entered:
                    self._ledger.worker_seen(self._name)
                else:
                    self._ledger.register_worker(self._name, socket.gethostname(), os.getpid(), cards)
                    entered = cards
            except LedgerUnavailable as error:
                log.warning("the roster misses this worker", worker=self._name, error=str(error))
            self._left.wait(SEEN_EVERY)
        try:
            self._ledger.remove_worker(self._name)
        except LedgerUnavailable as error:
            log.warning("the roster keeps this worker", worker=self._name, error=str(error))
