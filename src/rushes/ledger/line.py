"""The waiting line: who is next, and when to look again.

Fair share is start-time fair queueing: a request's `turn` is its owner's last turn plus its cost by the owner's
weight, but never before the turn being served, so that nobody saves up time by being absent. Priority stands above
turn. A model already loaded is worth `load_seconds` of turn: whoever is passed over waits at most that much longer.

The best row of one card is one probe of the index `requests_queue`; sorting happens among those few heads. Only when a
head's owner has reached a running cap are the heads of the card's other owners probed, one each.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Row,
    Select,
    bindparam,
    false,
    func,
    not_,
    or_,
    select,
    union_all,
)

from rushes.core.request import Status
from rushes.ledger.statements import BACKOFF, OVERDUE
from rushes.ledger.table import CLAIMABLE, PROCESSING, R, limits, literal, owners, requests, tallies

_HEAD = (R.id, R.owner, R.card, R.priority, R.turn, R.status, R.fence)
_ORDER = (R.priority.desc(), R.turn, R.id)


def _running(owner: ColumnElement[str], card: ColumnElement[str] | None = None) -> Any:
    running = tallies.alias("running")
    count = select(func.coalesce(func.sum(running.c.count), 0)).where(
        running.c.owner == owner, running.c.status == literal(Status.PROCESSING)
    )
    if card is not None:
        count = count.where(running.c.card == card)
    return count.correlate_except(running).scalar_subquery()


def _capped(owner: ColumnElement[str], card: ColumnElement[str]) -> ColumnElement[bool]:
    """The owner may not have another one running, of this card or at all."""
    account, bound = owners.alias("account"), limits.alias("bound")
    at_all = select(account.c.running_cap <= _running(owner)).where(account.c.name == owner)
    of_card = select(bound.c.running_cap <= _running(owner, card)).where(
        bound.c.owner == owner, bound.c.card == card
    )
    return or_(
        func.coalesce(at_all.correlate_except(account).scalar_subquery(), false()),
        func.coalesce(of_card.correlate_except(bound).scalar_subquery(), false()),
    )


@lru_cache(maxsize=64)
def _heads(cards: int) -> CompoundSelect[Any]:
    """The best row of each of the cards `card_0` …, with `capped`: its owner may not have another one running."""
    parts = []
    for index in range(cards):
        head = (
            select(*_HEAD)
            .where(CLAIMABLE, R.card == bindparam(f"card_{index}"))
            .order_by(*_ORDER)
            .limit(1)
            .subquery(f"head_{index}")
        )
        parts.append(select(head, _capped(head.c.owner, head.c.card).label("capped")))
    return union_all(*parts)


def _uncapped_heads() -> Select[Any]:
    """The best row of each owner who may have another one running, for the card `card`."""
    best = (
        select(R.id)
        .where(CLAIMABLE, R.card == bindparam("card"), R.owner == tallies.c.owner)
        .order_by(*_ORDER)
        .limit(1)
        .correlate(tallies)
        .scalar_subquery()
    )
    lines = (
        select(best.label("id"))
        .where(
            tallies.c.card == bindparam("card"),
            tallies.c.status == literal(Status.QUEUED),
            tallies.c.count > 0,
            not_(_capped(tallies.c.owner, tallies.c.card)),
        )
        .subquery("lines")
    )
    return select(*_HEAD).join_from(lines, requests, R.id == lines.c.id).order_by(*_ORDER).limit(1)


_UNCAPPED_HEADS = _uncapped_heads()


class Line:
    """The line as seen by one clock; rows whose failures would run out are nobody's to claim."""

    def __init__(self, clock: ColumnElement[float], max_failures: int) -> None:
        self._lapsed = select(*_HEAD).where(
            PROCESSING,
            R.card.in_(bindparam("cards", expanding=True)),
            R.lease_until <= clock,
            R.failures + 1 < max_failures,
        )
        self._times = select(
            clock.label("now"),
            select(func.min(R.lease_until))
            .where(PROCESSING, R.card.in_(bindparam("cards", expanding=True)))
            .scalar_subquery(),
            select(func.min(R.ready_at)).where(*BACKOFF).scalar_subquery(),
            select(func.min(R.start_by)).where(*OVERDUE).scalar_subquery(),
        )

    def next_change(self, connection: Connection, cards: Sequence[str]) -> float | None:
        """Seconds until time itself changes the line (0 or less: now), or None."""
        row = connection.execute(self._times, {"cards": list(cards)}).one()
        times = [time for time in row[1:] if time is not None]
        return min(times) - row[0] if times else None

    def best(
        self, connection: Connection, cards: Sequence[str], resident: str | None, load_seconds: float
    ) -> Row[Any] | None:
        """Whom a worker that serves `cards` and holds `resident` should take now. Its `status` is processing when it
        is to be taken over from a silent worker."""
        if not cards:
            return None
        heads = connection.execute(
            _heads(len(cards)), {f"card_{index}": card for index, card in enumerate(cards)}
        ).all()
        found = [head for head in heads if not head.capped]
        for head in heads:
            if head.capped:
                found += connection.execute(_UNCAPPED_HEADS, {"card": head.card}).all()
        found += connection.execute(self._lapsed, {"cards": list(cards)}).all()

        def rank(row: Row[Any]) -> tuple[int, float, str]:
            return (-row.priority, row.turn - (load_seconds if row.card == resident else 0.0), row.id)

        return min(found, key=rank, default=None)
