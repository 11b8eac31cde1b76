"""Which files may go. Files go before rows say so: a file without its row's consent is never deleted."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import or_, select, update

from rushes.core.request import Request
from rushes.ledger.base import Base
from rushes.ledger.rows import REQUEST_COLUMNS, request_from
from rushes.ledger.statements import ENDED
from rushes.ledger.table import R, requests


class Retention(Base):
    def garbage(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Those of the store's `keys` that no request needs.

        A result `{id}/{fence}.*` is needed while its fence is the row's, and after the end when the outcome names it;
        an input or upload while a request names it; all of them only until the request has expired. Files are written
        before the row that names them, so ask only about files older than any call takes.
        """
        wanted = tuple(keys)
        ids = {key: key.partition("/")[0] for key in wanted}
        with self.db.reading() as connection:
            rows = connection.execute(
                select(*REQUEST_COLUMNS).where(R.id.in_(sorted(set(ids.values()))), R.expired_at.is_(None))
            ).all()
            named = set(
                connection.scalars(
                    select(R.image_key).where(R.image_key.in_(wanted), R.expired_at.is_(None))
                ).all()
            )
        known = {row[0]: request_from(row) for row in rows}
        return tuple(key for key in wanted if key not in named and not _needed(key, known.get(ids[key])))

    def overdue(self, limit: int = 100) -> tuple[Request, ...]:
        """Ended requests whose files are past their time; `expire` them when the files are gone."""
        with self.db.reading() as connection:
            rows = connection.execute(
                select(*REQUEST_COLUMNS)
                .where(R.keep_until.is_not(None), R.expired_at.is_(None), R.keep_until <= self.now)
                .order_by(R.keep_until)
                .limit(limit)
            ).all()
        return tuple(request_from(row) for row in rows)

    def sole_image(self, request: Request) -> bool:
        """Whether the request has an input image that no other one needs."""
        others = select(R.id).where(
            R.image_key == request.image_key, R.id != request.id, R.expired_at.is_(None)
        )
        with self.db.reading() as connection:
            return request.image_key is not None and connection.execute(others.limit(1)).first() is None

    def had_file(self, key: str) -> bool:
        """Whether the file under `key` belonged to a request that has expired."""
        named = or_(R.id == key.partition("/")[0], R.image_key == key)
        with self.db.reading() as connection:
            gone = connection.execute(select(R.id).where(named, R.expired_at.is_not(None)).limit(1)).first()
        return gone is not None

    def expire(self, request_id: str) -> None:
        """Note that the files of an ended request are gone; its record stays."""
        values = self.changes.told(expired_at=self.now)
        self.db.write(
            lambda connection: (
                connection.execute(
                    update(requests).where(R.id == request_id, ENDED, R.expired_at.is_(None)).values(values)
                ).rowcount
            )
        )


def _needed(key: str, request: Request | None) -> bool:
    if request is None:
        return False
    if request.status.terminal:
        outcome = request.outcome
        return outcome is not None and key in (outcome.video, outcome.thumbnail, outcome.preview)
    fence = key.partition("/")[2].partition(".")[0]
    return not fence.isdecimal() or int(fence) >= request.fence
