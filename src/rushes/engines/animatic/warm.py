"""Warming up: every kernel is compiled (or read from the cache) by drawing tiny frames, before the first shot waits."""

from __future__ import annotations

from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.base import Control, Plan

SHOTS = (
    "a sailing boat on the sea in the rain",
    "an eagle over mountains on a starry night",
)


def warm_up(control: Control) -> None:
    """Draw one frame of each kind of scene at 64 rows."""
    from rushes.engines.animatic.film import film

    plan = Plan(width=96, height=64, fps=24, frames=120)
    for number, prompt in enumerate(SHOTS):
        control.progress(Phase.LOAD, number / (len(SHOTS) + 1), "compiling")
        film(Shot(prompt=prompt), plan, None, (64, 48), control).frame(0)
    control.progress(Phase.LOAD, 1.0, "ready")
