"""A second ledger with what this one knows at one moment, while it is being written to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from sqlalchemy import select

from rushes.core.request import Outcome
from rushes.ledger.base import Base
from rushes.ledger.table import R

BATCH = 500

_decode_outcome = msgspec.json.Decoder(Outcome).decode


class NamedFiles(msgspec.Struct, frozen=True):
    """The store's keys that a request names, and the `sha256` of its video if one was taken. `overdue` says that
    retention may remove them at any moment."""

    request_id: str
    keys: tuple[str, ...]
    video: str = ""
    sha256: str = ""
    overdue: bool = False


class Copying(Base):
    def copy_to(self, path: Path) -> None:
        """Write a whole, checked ledger to the new file `path`. Neither readers nor writers wait. Raises `OSError`,
        `LedgerUnavailable` and `SetupError`."""
        self.db.copy_to(path)

    def files_named(self) -> Iterator[NamedFiles]:
        """The files of every request that has not expired, in the order of the ids."""
        last = ""
        overdue = R.keep_until.is_not(None) & (R.keep_until <= self.now)
        while True:
            page = (
                select(R.id, R.image_key, R.outcome, overdue.label("overdue"))
                .where(R.id > last, R.expired_at.is_(None))
                .order_by(R.id)
                .limit(BATCH)
            )
            with self.db.reading() as connection:
                rows = connection.execute(page).all()
            if not rows:
                return
            for row in rows:
                outcome = None if row.outcome is None else _decode_outcome(row.outcome)
                made = () if outcome is None else (outcome.video, outcome.thumbnail, outcome.preview)
                keys = tuple(key for key in (row.image_key, *made) if key is not None)
                if outcome is None:
                    yield NamedFiles(row.id, keys, overdue=bool(row.overdue))
                else:
                    yield NamedFiles(row.id, keys, outcome.video, outcome.sha256, bool(row.overdue))
            last = rows[-1].id
