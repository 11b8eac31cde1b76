"""Kernels made ready: those that a clip waits for, and all of them ahead of time.

An engine that is loaded has only the kernels that every clip needs; the first clip of a place waits for those of its own
rooms and for no other. All are compiled ahead of time by a process of its own (`python -m
rushes.engines.animatic.warm`), which the worker starts when it starts itself, lets everything else go first, and which
ends when nothing is left to compile. While a clip waits, that process begins at the other end of what the clip wants.
"""

from __future__ import annotations

import os
import threading
from importlib import import_module
from pkgutil import iter_modules

from rushes.core.request import Phase
from rushes.engines.animatic import cache
from rushes.engines.base import Control


def all_rooms() -> None:
    """Import every file that may hold kernels."""
    for room in ("world", "creature", "post"):
        package = import_module(f"rushes.engines.animatic.{room}")
        for module in iter_modules(package.__path__, f"{package.__name__}."):
            import_module(module.name)


def warm_up(control: Control, phase: Phase) -> None:
    """Make the kernels ready of all that this process has imported; tells that it is compiling, where it is."""
    from rushes.engines.animatic.runtime import FOLDER, kernels, make_ready

    missing = [name for name, kernel in kernels.items() if not kernel.is_ready]
    new = [name for name in missing if not kernels[name].is_kept()]
    if new:
        cache.want(FOLDER, new)

    def tell(left: int) -> None:
        control.check()
        if new:
            done = len(missing) - left
            fraction = done / len(missing) if phase is Phase.LOAD else 0.0
            control.progress(phase, fraction, f"compiling {done + 1} of {len(missing)}")

    make_ready(tell)


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
        from rushes.engines.animatic.runtime import FOLDER, make_ready

        all_rooms()
        make_ready(lambda left: None, lambda: cache.wanted(FOLDER)[::-1])
        cache.mark_complete(FOLDER)


if __name__ == "__main__":
    main()
