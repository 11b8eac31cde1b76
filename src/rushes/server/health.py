"""May this server be sent traffic? `/healthz` says that the process answers, `/readyz` that calls will be served.

A check is a function that returns nothing when all is well, else the reason as a sentence. They touch the disk, and
the route asks for no key: so answers are kept for a moment, and one caller at a time looks anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeAlias

import structlog

from rushes.core.clock import Clock
from rushes.core.errors import RushesError

log = structlog.get_logger(__name__)

Check: TypeAlias = Callable[[], str | None]
KEEP_SECONDS = 2.0
OK = "ok"


class Health:
    def __init__(self, checks: Mapping[str, Check], clock: Clock) -> None:
        self._checks = checks
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._found: dict[str, str] = {}

    def look(self) -> dict[str, str]:
        """`ok` or the reason, by the check's name; blocks."""
        with self._lock:
            if self._clock.monotonic() - self._looked_at >= KEEP_SECONDS:
                before, self._found = self._found, {name: _ask(c) for name, c in self._checks.items()}
                self._looked_at = self._clock.monotonic()
                if self._found != before and not ready(self._found):
                    log.warning("not ready", **self._found)
            return dict(self._found)


def ready(found: Mapping[str, str]) -> bool:
    return all(said == OK for said in found.values())


def _ask(check: Check) -> str:
    try:
        return check() or OK
    except (RushesError, OSError) as error:
        return str(error)
