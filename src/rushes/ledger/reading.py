"""Looking things up: one request, a page of them, what was tried."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, func, select, tuple_

from rushes.core.errors import InvalidCall, KeyReused, UnknownRequest
from rushes.core.request import Attempt, Phase, Request, Status
from rushes.ledger.base import Base
from rushes.ledger.database import Prepared
from rushes.ledger.rows import REQUEST_COLUMNS, Page, request_from
from rushes.ledger.table import R, attempts, literal, tallies

MAX_PAGE = 100

_BY_ID = Prepared(select(*REQUEST_COLUMNS).where(R.id == bindparam("id")))


_SAME_KEY = select(R.fingerprint, *REQUEST_COLUMNS).where(
    R.owner == bindparam("owner"), R.idempotency_key == bindparam("key")
)


def made_before(
    connection: Connection, owner: str, idempotency_key: str, fingerprint: str | None
) -> Request | None:
    """What `Reading.repeated` tells, within a transaction."""
    first = connection.execute(_SAME_KEY, {"owner": owner, "key": idempotency_key}).first()
    if first is None:
        return None
    if first[0] != fingerprint:
        raise KeyReused
    return request_from(first[1:])


class Reading(Base):
    def get(self, request_id: str, owner: str | None = None) -> Request:
        """The request; `owner` None may see anybody's. Raises `UnknownRequest`."""
        row = self.db.fetch_one(_BY_ID, {"id": request_id})
        if row is None:
            raise UnknownRequest(request_id)
        request = request_from(row)
        if owner is not None and request.owner != owner:
            raise UnknownRequest(request_id)
        return request

    def repeated(self, owner: str, idempotency_key: str, fingerprint: str) -> Request | None:
        """The request that this call made when it came before; None for a new one. Raises `KeyReused`."""
        with self.db.reading() as connection:
            return made_before(connection, owner, idempotency_key, fingerprint)

    def revisions(self, request_ids: Sequence[str]) -> dict[str, int]:
        """The revision of each of these requests that exists: what has changed since one last looked."""
        with self.db.reading() as connection:
            rows = connection.execute(select(R.id, R.revision).where(R.id.in_(request_ids))).all()
        return {row.id: row.revision for row in rows}

    def tally(self, owner: str | None = None, card: str | None = None) -> dict[Status, int]:
        """How many requests there are, by status, whatever the length of the history."""
        with self.db.reading() as connection:
            rows = connection.execute(
                select(tallies.c.status, func.sum(tallies.c.count))
                .where(*_filters(tallies.c, owner, card, None))
                .group_by(tallies.c.status)
            ).all()
        counted = {Status(status): int(count) for status, count in rows}
        return {status: counted.get(status, 0) for status in Status}

    def attempts(self, request_id: str) -> tuple[Attempt, ...]:
        """Every try at the request, the first one first."""
        with self.db.reading() as connection:
            rows = connection.execute(
                select(*(attempts.c[name] for name in Attempt.__struct_fields__))
                .where(attempts.c.request_id == request_id)
                .order_by(attempts.c.fence)
            ).all()
        return tuple(
            Attempt(**{**row._mapping, "phase": None if row.phase is None else Phase(row.phase)})
            for row in rows
        )

    def list(
        self,
        owner: str | None = None,
        model: str | None = None,
        status: Status | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Requests of `owner` (None: everybody's) from the newest on, `limit` (1…100) at a time; `model` is a card's
        id. `cursor` is the `next_cursor` of the page before. Raises `InvalidCall`."""
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidCall(f"limit: {limit} is not in 1…{MAX_PAGE}")
        page = select(*REQUEST_COLUMNS).where(*_filters(R, owner, model, status))
        if cursor is not None:
            page = page.where(tuple_(R.created_at, R.id) < tuple_(*_read_cursor(cursor)))
        page = page.order_by(R.created_at.desc(), R.id.desc()).limit(limit + 1)
        total = select(func.sum(tallies.c.count)).where(*_filters(tallies.c, owner, model, status))
        with self.db.reading() as connection:
            found = [request_from(row) for row in connection.execute(page)]
            count = connection.scalar(total)
        more = len(found) > limit
        found = found[:limit]
        return Page(tuple(found), _write_cursor(found[-1]) if more else None, int(count or 0))


def _filters(
    columns: Any, owner: str | None, card: str | None, status: Status | None
) -> tuple[ColumnElement[bool], ...]:
    """For `requests` and for its `tallies` alike."""
    wanted = {"owner": owner, "card": card, "status": None if status is None else literal(status)}
    return tuple(columns[name] == value for name, value in wanted.items() if value is not None)


def _write_cursor(last: Request) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((last.created_at, last.id))).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[float, str]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(text, type=tuple[float, str])
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise InvalidCall(
            "cursor: not one that a list answered with",
            advice="Send next_cursor of the page before, unchanged.",
        ) from error
