"""The loaded engines of one worker: which studio serves a card, and which one must go to make room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from rushes.core.card import EngineChoice
from rushes.core.clock import SYSTEM_CLOCK, Clock
from rushes.engines.base import Footprint
from rushes.worker.handle import PATIENCE, Patience, StudioHandle

log = structlog.get_logger(__name__)


class Studios:
    """Studios by engine and options, least recently used first.

    `memory` gives bytes per device ("cpu", "cuda:0" …) for all studios together; on a device that it does not name,
    one studio at a time. A studio counts with what its engine measured once it is loaded, before that with what it
    foresaw. What does not fit evicts the least recently used, except those in `keep` (identities of choices).
    """

    def __init__(
        self,
        logs: Path,
        *,
        memory: Mapping[str, int] | None = None,
        keep: frozenset[str] = frozenset(),
        patience: Patience = PATIENCE,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._logs = logs
        self._memory = memory or {}
        self._keep = keep
        self._patience = patience
        self._clock = clock
        self._open: dict[str, tuple[StudioHandle, Footprint]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def get(self, choice: EngineChoice, footprint: Footprint) -> StudioHandle:
        """The studio of `choice`, started but perhaps not loaded, after making room for it."""
        self._drop_dead()
        found = self._open.pop(choice.identity, None)
        if found is None:
            self._make_room(footprint)
            found = (StudioHandle(choice, self._logs, patience=self._patience, clock=self._clock), footprint)
        self._open[choice.identity] = found  # now the most recently used
        return found[0]

    def close(self) -> None:
        """Quit all; killed where they do not obey."""
        while self._open:
            self._open.popitem()[1][0].quit()

    def kill(self) -> None:
        """Kill all at once, without a word; callable from any thread."""
        for studio, _ in list(self._open.values()):
            studio.kill()

    def _drop_dead(self) -> None:
        for key, (studio, _) in list(self._open.items()):
            if not studio.alive:
                del self._open[key]
                studio.bury()

    def _make_room(self, new: Footprint) -> None:
        for key in list(self._open):
            if self._fits(new):
                return
            studio, footprint = self._open[key]
            if footprint.devices & new.devices and key not in self._keep:
                del self._open[key]
                log.info("studio evicted", engine=studio.choice.name, studio=studio.pid)
                studio.quit()

    def _fits(self, new: Footprint) -> bool:
        return all(self._fits_on(device, new) for device in new.devices)

    def _fits_on(self, device: str, new: Footprint) -> bool:
        beside = [
            footprint if studio.measured is None else replace(footprint, memory=studio.measured)
            for studio, footprint in self._open.values()
            if device in footprint.devices
        ]
        if not beside:
            return True
        if device not in self._memory or new.exclusive or any(other.exclusive for other in beside):
            return False
        return sum(other.memory for other in beside) + new.memory <= self._memory[device]
