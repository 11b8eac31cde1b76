"""May this owner submit one more? Asked inside submit's transaction, so that concurrent calls cannot pass together.

A bound counts either all requests of an owner (`owners`) or those of one card (`limits`). Both hold; neither replaces
the other. Only how long files are kept is decided once: by the card's row, else by the owner's, else by the call.
"""

from __future__ import annotations

import datetime
import math
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, func, select

from rushes.core.errors import InvalidCall, OutOfCredits, QueueFull, RateLimited
from rushes.core.request import Status
from rushes.ledger.rows import NewRequest
from rushes.ledger.statements import DAY_SECONDS
from rushes.ledger.table import R, literal, spend, tallies

MINUTE = 60.0


class Account(NamedTuple):
    """The owner's row of `owners`, and his row of `limits` for the card. A NULL limit is none."""

    owner: Any
    card: Any

    def kept_for(self, by_default: float | None) -> float | None:
        """Seconds; None for ever."""
        rules = [row.keep_for for row in (self.card, self.owner) if row is not None]
        chosen = next((rule for rule in rules if rule is not None), by_default)
        return None if chosen == math.inf else chosen


def admit(connection: Connection, account: Account, new: NewRequest, clock: ColumnElement[float]) -> None:
    """Raise what the caller should hear, or return."""
    owner, card = account
    allowed = owner.priority_cap or 0
    if new.priority > allowed:
        raise InvalidCall(f"priority: {new.priority} is above the {allowed} allowed to this key's owner")
    for bounds, of_card in ((owner, None), (card, new.card)):
        if bounds is not None and bounds.queue_cap is not None:
            _check_queue(connection, bounds.queue_cap, of_card, new)
        if bounds is not None and bounds.per_minute is not None:
            _check_rate(connection, bounds.per_minute, of_card, new, clock)
    if owner.day_budget is not None or owner.month_budget is not None:
        _check_budget(connection, owner, clock)


def _check_queue(connection: Connection, cap: int, card: str | None, new: NewRequest) -> None:
    count = select(func.sum(tallies.c.count)).where(
        tallies.c.owner == new.owner, tallies.c.status == literal(Status.QUEUED)
    )
    queued = connection.scalar(count if card is None else count.where(tallies.c.card == card)) or 0
    if queued >= cap:
        of_model = "" if card is None else f" of {card}"
        raise QueueFull(
            f"{queued} requests{of_model} are queued already; this key's owner may queue {cap}",
            retry_after=max(1.0, new.cost),
        )


def _check_rate(
    connection: Connection, per_minute: int, card: str | None, new: NewRequest, clock: ColumnElement[float]
) -> None:
    """The call `per_minute` calls ago must lie a minute back."""
    wait = MINUTE
    if per_minute > 0:
        back = select(R.created_at + MINUTE - clock).where(R.owner == new.owner)
        if card is not None:
            back = back.where(R.card == card)
        row = connection.execute(
            back.order_by(R.created_at.desc(), R.id.desc()).limit(1).offset(per_minute - 1)
        ).first()
        wait = 0.0 if row is None else row[0]
    if wait > 0:
        # The dialects add the figures, each in its own words.
        raise RateLimited(
            f"Rate limit exceeded for model {new.model}",
            limit=per_minute,
            interval=MINUTE,
            retry_after=wait,
        )


def _check_budget(connection: Connection, owner: Row[Any], clock: ColumnElement[float]) -> None:
    today, month = first_days(connection, clock)
    for limit, first_day, span in ((owner.day_budget, today, "day"), (owner.month_budget, month, "month")):
        if limit is None:
            continue
        spent = connection.scalar(
            select(func.coalesce(func.sum(spend.c.seconds), 0.0)).where(
                spend.c.owner == owner.name, spend.c.day >= first_day
            )
        )
        if spent is not None and spent >= limit:
            raise OutOfCredits(f"the {span}'s budget of {limit:g} seconds is spent")


def first_days(connection: Connection, clock: ColumnElement[float]) -> tuple[int, int]:
    """Today and the first day of its month, both UTC, as days since the epoch."""
    today = int((connection.scalar(select(clock)) or 0.0) // DAY_SECONDS)
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=today)
    return today, today - date.day + 1
