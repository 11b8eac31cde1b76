"""The audit: every decision of a policy, in the order they were made. Rows are added, and let go by age alone."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, delete, insert, select

from rushes.core.audit import MAX_ENTRIES, AuditEntry, Decision, Stage
from rushes.ledger.base import Base
from rushes.ledger.rows import decode_tags
from rushes.ledger.table import audit


class Audit(Base):
    def record(self, decisions: Sequence[Decision]) -> None:
        """Write decisions down, all or none; durable when this returns. The request need not exist: a refused one
        never does."""
        rows = [msgspec.structs.asdict(decision) | {"at": self.now} for decision in decisions]

        def body(connection: Connection) -> None:
            for row in rows:
                connection.execute(insert(audit).values(row))

        self.db.write(body)

    def audit(
        self, request_id: str | None = None, *, before: int | None = None, limit: int = 100
    ) -> tuple[AuditEntry, ...]:
        """Decisions about one request (None: about all), the newest first; `before` is the id to go on from, `limit`
        at most MAX_ENTRIES."""
        found = select(*(audit.c[name] for name in AuditEntry.__struct_fields__))
        if request_id is not None:
            found = found.where(audit.c.request_id == request_id)
        if before is not None:
            found = found.where(audit.c.id < before)
        with self.db.reading() as connection:
            rows = connection.execute(found.order_by(audit.c.id.desc()).limit(min(limit, MAX_ENTRIES))).all()
        return tuple(
            AuditEntry(**{**row._mapping, "stage": Stage(row.stage), "tags": decode_tags(row.tags)})
            for row in rows
        )

    def forget_decisions(self, older_than: float) -> int:
        """Let decisions go that were made more than so many seconds ago; how many went. Asks the oldest rows only, a
        batch at a time, so that nobody waits for a long write: call it until none goes."""
        oldest = select(audit.c.id, audit.c.at).order_by(audit.c.id).limit(MAX_ENTRIES).subquery()
        old = select(oldest.c.id).where(oldest.c.at < self.now - older_than)
        return self.db.write(
            lambda connection: connection.execute(delete(audit).where(audit.c.id.in_(old))).rowcount
        )
