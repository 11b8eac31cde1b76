"""Which workers there are, for people to look at. No claim depends on it: leases alone say who works."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, delete, select, update

# PostgreSQL's construct; SQLite's compiler reads the same one.
from sqlalchemy.dialects.postgresql import insert

from rushes.ledger.base import Base
from rushes.ledger.rows import WorkerRecord
from rushes.ledger.table import workers

FORGOTTEN_AFTER = 86_400.0

_decode_cards = msgspec.json.Decoder(tuple[str, ...]).decode


class Roster(Base):
    def register_worker(self, name: str, host: str, pid: int, cards: Sequence[str]) -> None:
        """Enter a worker at its start; those silent for FORGOTTEN_AFTER seconds are struck off."""
        values = {
            "host": host,
            "pid": pid,
            "cards": list(cards),
            "started_at": self.now,
            "seen_at": self.now,
        }
        enter = insert(workers).values(name=name, **values)
        enter = enter.on_conflict_do_update(index_elements=[workers.c.name], set_=values)

        def body(connection: Connection) -> None:
            connection.execute(delete(workers).where(workers.c.seen_at < self.now - FORGOTTEN_AFTER))
            connection.execute(enter)

        self.db.write(body)

    def worker_seen(self, name: str) -> None:
        """The worker lives; a few times a minute is enough."""
        seen = update(workers).where(workers.c.name == name).values(seen_at=self.now)
        self.db.write(lambda connection: connection.execute(seen).rowcount)

    def remove_worker(self, name: str) -> None:
        gone = delete(workers).where(workers.c.name == name)
        self.db.write(lambda connection: connection.execute(gone).rowcount)

    def workers(self) -> tuple[WorkerRecord, ...]:
        with self.db.reading() as connection:
            rows = connection.execute(
                select(workers, (self.now - workers.c.seen_at).label("silent_for")).order_by(workers.c.name)
            ).all()
        return tuple(WorkerRecord(**{**row._mapping, "cards": _decode_cards(row.cards)}) for row in rows)
