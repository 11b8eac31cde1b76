"""A control that nobody listens to."""

from __future__ import annotations

from rushes.core.request import Phase
from rushes.engines.base import Picture


class Silent:
    cancelled = False

    def check(self) -> None:
        """Never cancelled."""

    def progress(self, phase: Phase, fraction: float, note: str = "") -> None:
        """Nobody listens."""

    def preview(self, picture: Picture) -> None:
        """Nobody looks."""
