"""What every group of verbs stands on: the database, its clock, the bell and the rules of time."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import ColumnElement

# PostgreSQL's construct; SQLite's compiler reads the same one.
from sqlalchemy.dialects.postgresql import insert

from rushes.ledger.bell import Bell, Waiter
from rushes.ledger.database import Database
from rushes.ledger.statements import Changes
from rushes.ledger.table import figures, now


def doubling(failures: int) -> float:
    """2, 4, 8 … 60 seconds."""
    return float(min(2**failures, 60))


class Base:
    """`lease_seconds`: how long a silent worker keeps its request. `max_failures`: the attempt that fails as this one
    is the last. `backoff(n)`: seconds to wait after the n-th failure. `clock`: a SQL expression of seconds since the
    epoch, by default the database's own clock."""

    def __init__(
        self,
        url: str,
        *,
        lease_seconds: float = 30.0,
        max_failures: int = 3,
        backoff: Callable[[int], float] = doubling,
        clock: ColumnElement[float] | None = None,
    ) -> None:
        self.db = Database(url)
        self.lease_seconds = lease_seconds
        self.max_failures = max_failures
        self.backoff = backoff
        self.now: ColumnElement[float] = now() if clock is None else clock
        self.changes = Changes(self.now)
        self._bell = Bell(self.db.path.parent / "bells")

    def check_writable(self) -> None:
        """Commit one row that means nothing. Raises `LedgerUnavailable` or `SetupError` when that cannot be done."""
        probe = {"name": "probe", "card": "", "label": "", "le": 0.0, "value": 1.0}
        write = (
            insert(figures)
            .values(probe)
            .on_conflict_do_update(
                index_elements=list(figures.primary_key), set_={"value": figures.c.value + 1.0}
            )
        )
        self.db.write(lambda connection: connection.execute(write).rowcount)

    def check(self) -> None:
        """Read the whole ledger; `SetupError` says what is damaged."""
        self.db.check()

    def close(self) -> None:
        self.db.close()

    def waiter(self) -> Waiter:
        """An ear for the bell. Make it, look once, then wait: what came before it was made does not ring."""
        return self._bell.waiter()

    def ring(self) -> None:
        """Wake whoever waits on this machine."""
        self._bell.ring()
