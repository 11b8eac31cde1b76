"""May this owner submit one more? Asked inside submit's transaction, so that concurrent calls cannot pass together."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from rushes.core.errors import InvalidCall, OutOfCredits, QueueFull, RateLimited
from rushes.core.request import Status
from rushes.ledger.rows import NewRequest
from rushes.ledger.statements import DAY_SECONDS
from rushes.ledger.table import R, literal, spend, tallies

MINUTE = 60.0


def admit(connection: Connection, owner: Row[Any], new: NewRequest, clock: ColumnElement[float]) -> None:
    """Raise what the caller should hear, or return. `owner` is the row of `owners`; a NULL limit is none."""
    if owner.priority_cap is not None and new.priority > owner.priority_cap:
        raise InvalidCall(
            f"priority: {new.priority} is above the {owner.priority_cap} allowed to this key's owner"
        )
    if owner.queue_cap is not None:
        _check_queue(connection, owner, new)
    if owner.per_minute is not None:
        _check_rate(connection, owner, new, clock)
    if owner.day_budget is not None or owner.month_budget is not None:
        _check_budget(connection, owner, clock)


def _check_queue(connection: Connection, owner: Row[Any], new: NewRequest) -> None:
    queued = connection.scalar(
        select(func.sum(tallies.c.count)).where(
            tallies.c.owner == owner.name, tallies.c.status == literal(Status.QUEUED)
        )
    )
    if (queued or 0) >= owner.queue_cap:
        raise QueueFull(
            f"{queued} requests are queued already; this key's owner may queue {owner.queue_cap}",
            retry_after=max(1.0, new.cost),
        )


def _check_rate(
    connection: Connection, owner: Row[Any], new: NewRequest, clock: ColumnElement[float]
) -> None:
    """The call `per_minute` calls ago must lie a minute back."""
    if owner.per_minute == 0:
        raise RateLimited(
            f"this key's owner may not submit {new.model}", limit=0, interval=MINUTE, retry_after=MINUTE
        )
    row = connection.execute(
        select(R.created_at + MINUTE - clock)
        .where(R.owner == owner.name)
        .order_by(R.created_at.desc(), R.id.desc())
        .limit(1)
        .offset(owner.per_minute - 1)
    ).first()
    if row is not None and row[0] > 0:
        raise RateLimited(
            f"Rate limit exceeded for model {new.model}: {owner.per_minute} requests per {MINUTE:.0f} seconds.",
            limit=owner.per_minute,
            interval=MINUTE,
            retry_after=row[0],
        )


def _check_budget(connection: Connection, owner: Row[Any], clock: ColumnElement[float]) -> None:
    today = int((connection.scalar(select(clock)) or 0.0) // DAY_SECONDS)
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=today)
    for limit, first_day in ((owner.day_budget, today), (owner.month_budget, today - date.day + 1)):
        if limit is None:
            continue
        spent = connection.scalar(
            select(func.coalesce(func.sum(spend.c.seconds), 0.0)).where(
                spend.c.owner == owner.name, spend.c.day >= first_day
            )
        )
        if spent is not None and spent >= limit:
            raise OutOfCredits("Insufficient credits. Please add more credits to your account.")
