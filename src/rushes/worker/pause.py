"""How long to wait when something outside is in trouble: the disk, the database."""

from __future__ import annotations

FIRST, LONGEST = 0.5, 60.0


class Pause:
    """Seconds to wait, twice as long with each trouble in a row."""

    def __init__(self) -> None:
        self._seconds = FIRST

    def next(self) -> float:
        seconds = self._seconds
        self._seconds = min(2 * seconds, LONGEST)
        return seconds

    def over(self) -> None:
        """The trouble is over: the next one starts small again."""
        self._seconds = FIRST
