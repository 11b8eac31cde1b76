"""SIGHUP says two things: a service manager's `reload`, or that the terminal has been closed."""

from __future__ import annotations

import os
from collections.abc import Callable

STDIN = 0


class Hangup:
    """Call it at SIGHUP: it leaves when the terminal that this process was started in is gone, else it reloads."""

    def __init__(self, reload: Callable[[], None], leave: Callable[[], None]) -> None:
        self._reload = reload
        self._leave = leave
        self._had_terminal = os.isatty(STDIN)

    def __call__(self) -> None:
        if self._had_terminal and not os.isatty(STDIN):
            self._leave()
        else:
            self._reload()
