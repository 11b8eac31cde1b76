"""Kernels made ready: those that a clip waits for, and all of them ahead of time.

An engine that is loaded has read what is kept of the kernels that every clip needs. A clip waits for those and for those
of its own rooms, and for no other. All are compiled ahead of time by a process of its own (`python -m
rushes.engines.animatic.warm`), which the worker starts when it starts itself, lets everything else go first, and which
ends when nothing is left to compile. While a clip waits, that process takes turns with it at what the clip wants.
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
    """Import every file that may hold kernels, those that every clip needs first."""
    import_module("rushes.engines.animatic.film")
    for room in ("world", "creature", "post"):
        package = import_module(f"rushes.engines.animatic.{room}")
        for module in iter_modules(package.__path__, f"{package.__name__}."):
            import_module(module.name)


def read() -> None:
    """Make those kernels ready that have been compiled before, of all that this process has imported."""
    from rushes.engines.animatic.runtime import kernels

    for kernel in kernels.values():
        if kernel.is_kept():
            kernel.ready(wait=False)


def warm_up(control: Control) -> None:
    """Make all kernels ready that this process has imported; tells that a clip waits for the compiler, where it does."""
    from rushes.engines.animatic.runtime import FOLDER, kernels, make_ready

    missing = [kernel for kernel in kernels.values() if not kernel.is_ready]
    # The longest first, so that two processes end together.
    wanted = [
        kernel.name for kernel in sorted(missing, key=lambda kernel: -kernel.length) if not kernel.is_kept()
    ]
    if wanted:
        cache.want(FOLDER, wanted)

    def tell(left: int) -> None:
        control.check()
        if wanted:
            number = len(missing) - left + 1
            control.progress(Phase.RENDER, 0.0, f"compiling {number} of {len(missing)}")

    make_ready(tell, lambda: wanted)


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
        make_ready(lambda left: None, lambda: cache.wanted(FOLDER))
        cache.mark_complete(FOLDER)


if __name__ == "__main__":
    main()
