"""Taking in an input image: a lease of its own, before the request may be claimed.

A request with an image URL is written as `held` by intake. `ready_at` is when it may be (re)tried and, while somebody
is at it, when his lease lapses; `intake_fence` counts the tries and guards the writes. A lapse counts as a try, so an
image that kills its reader does not loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update

from rushes.core.errors import LeaseLost, RushesError
from rushes.core.request import IntakeLease, Status
from rushes.ledger.base import Base
from rushes.ledger.rows import IntakeClaim, decode_shot, decode_tags, joined
from rushes.ledger.statements import INTAKE, MAX_INTAKE_TRIES
from rushes.ledger.table import R, requests


class Intake(Base):
    def claim_intake(self, worker: str, seconds: float = 30.0) -> IntakeClaim:
        """The image that waits longest, leased to `worker` for as many `seconds` as fetching and checking it may
        take; or when to look again."""
        with self.db.reading() as connection:
            wait = connection.scalar(select(func.min(R.ready_at) - self.now).where(*INTAKE))
        if wait is None or wait > 0:
            return IntakeClaim(None, wait)
        return self.db.write(lambda connection: self._claim_intake(connection, seconds))

    def _claim_intake(self, connection: Connection, seconds: float) -> IntakeClaim:
        first = (
            select(R.id)
            .where(*INTAKE, R.ready_at <= self.now, R.intake_fence < MAX_INTAKE_TRIES)
            .order_by(R.ready_at, R.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = connection.execute(
            update(requests)
            .where(R.id == first.scalar_subquery())
            .values(
                intake_fence=R.intake_fence + 1,
                ready_at=self.now + seconds,
            )
            .returning(R.id, R.intake_fence, R.owner, R.model, R.card, R.shot, R.tags, R.image_url)
        ).first()
        if row is None:
            later = select(func.min(R.ready_at) - self.now).where(*INTAKE, R.ready_at > self.now)
            return IntakeClaim(None, connection.scalar(later))
        return IntakeClaim(
            IntakeLease(
                request_id=row.id,
                fence=row.intake_fence,
                owner=row.owner,
                model=row.model,
                card=row.card,
                shot=decode_shot(row.shot),
                tags=decode_tags(row.tags),
                image_url=row.image_url,
                tries=row.intake_fence,
            )
        )

    def finish_intake(self, lease: IntakeLease, image_key: str, tags: Sequence[str] = ()) -> None:
        """The checked image lies in the store under `image_key`: the request may be claimed, and `tags` join its own.
        Raises `LeaseLost`."""
        values = self.changes.told(
            image_key=image_key, held=None, ready_at=None, tags=joined(lease.tags, tags)
        )
        self._intake_write(lease, values)
        self.ring()

    def fail_intake(self, lease: IntakeLease, error: RushesError) -> None:
        """The image cannot be used, or a policy refused it: the request ends failed, and no worker is blamed. Raises
        `LeaseLost`."""
        self._intake_write(lease, self.changes.ended(Status.FAILED, error=str(error), error_name=error.name))

    def retry_intake(self, lease: IntakeLease, error: RushesError) -> Status:
        """The network hiccupped: try again after a back-off, or end the request failed when `lease` was the last try.
        Returns the new status. Raises `LeaseLost`."""
        if lease.tries >= MAX_INTAKE_TRIES:
            self.fail_intake(lease, error)
            return Status.FAILED
        self._intake_write(lease, self.changes.told(ready_at=self.now + self.backoff(lease.tries)))
        self.ring()
        return Status.QUEUED

    def _intake_write(self, lease: IntakeLease, values: dict[str, Any]) -> None:
        def body(connection: Connection) -> None:
            written = connection.execute(
                update(requests)
                .where(R.id == lease.request_id, *INTAKE, R.intake_fence == lease.fence)
                .values(values)
            )
            if written.rowcount != 1:
                raise LeaseLost(lease.request_id)

        self.db.write(body)
