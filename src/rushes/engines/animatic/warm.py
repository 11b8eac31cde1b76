"""Warming up: the kernels that every clip needs are compiled (or read from the cache) by drawing tiny frames, before
the first shot waits. A place's own kernels follow with its first clip."""

from __future__ import annotations

from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.base import Control, Picture, Plan

SHOTS = (
    "a sailing boat on the sea in the rain",
    "an eagle over mountains on a starry night",
)


class _Loading:
    """Passes cancellation on; what a tiny scene says of its rendering is not the loading's progress."""

    def __init__(self, control: Control) -> None:
        self._control = control

    @property
    def cancelled(self) -> bool:
        return self._control.cancelled

    def check(self) -> None:
        self._control.check()

    def progress(self, phase: Phase, fraction: float, note: str = "") -> None:
        self._control.check()

    def preview(self, picture: Picture) -> None:
        return


def warm_up(control: Control) -> None:
    """Draw one frame of each kind of scene at 64 rows."""
    from rushes.engines.animatic.film import film

    plan = Plan(width=96, height=64, fps=24, frames=120)
    for number, prompt in enumerate(SHOTS):
        control.progress(Phase.LOAD, number / (len(SHOTS) + 1), "compiling")
        film(Shot(prompt=prompt), plan, None, (64, 48), _Loading(control)).frame(0)
    control.progress(Phase.LOAD, 1.0, "ready")
