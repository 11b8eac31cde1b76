"""Warming up: kernels are compiled, or read from the cache, by drawing tiny frames.

An engine that is loaded has only the kernels that every clip needs: the first shot waits for its own place and for no
other. The rest is compiled ahead of time by a process of its own (`python -m rushes.engines.animatic.warm`), which the
worker starts when it starts itself, lets everything else go first, and which ends when nothing is left to compile.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.animatic import cache
from rushes.engines.animatic.tables import places, table
from rushes.engines.base import Control, Picture, Plan, Unheard

NEEDED = ("space on a starry night",)
"""Draws the sky, lights on it, and the print."""


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


def everything() -> Iterator[str]:
    """Prompts that together draw every layer of every place, and every kind of body; what most clips need comes first,
    but not what a studio that was started at the same moment compiles first."""
    uses = Counter(layer for row in places().values() for layer in row["layers"])
    seen: set[str] = set()
    for name, row in sorted(
        places().items(), key=lambda place: -min(uses[layer] for layer in place[1]["layers"])
    ):
        if not seen.issuperset(row["layers"]):
            seen.update(row["layers"])
            yield f"{name} in the rain"
    rigs = {row["rig"]: name for name, row in table("subjects").items()}
    yield from rigs.values()
    yield from NEEDED


def warm_up(control: Control, prompts: Sequence[str] = NEEDED) -> None:
    """Draw one frame of each prompt at 64 rows."""
    control.progress(Phase.LOAD, 0.0, "compiling")
    from rushes.engines.animatic.film import film

    plan = Plan(width=96, height=64, fps=24, frames=120)
    for number, prompt in enumerate(prompts):
        control.progress(Phase.LOAD, number / len(prompts), "compiling")
        film(Shot(prompt=prompt), plan, None, (64, 48), _Loading(control)).frame(0)
    control.progress(Phase.LOAD, 1.0, "ready")


def main() -> None:
    """Compile what is not yet compiled. Ends at once when its standard input does: then its parent is gone."""

    def follow() -> None:
        # Not through `sys.stdin`, whose lock this thread would take into the end of the process.
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    with cache.alone():
        if cache.complete():
            return
        from rushes.engines.animatic.runtime import FOLDER

        warm_up(Unheard(), list(everything()))
        cache.mark_complete(FOLDER)


if __name__ == "__main__":
    main()
