"""What is needed to foretell: the line as it stands, what runs, who works, and how long the last successes took."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, and_, bindparam, func, select

from rushes.core.forecast import Outlook, Pace, Running
from rushes.core.request import Status
from rushes.core.shot import Shot
from rushes.ledger.database import Prepared
from rushes.ledger.roster import Roster
from rushes.ledger.statistics import SEEN_LATELY
from rushes.ledger.table import PROCESSING, QUEUED, R, attempts, literal, requests, tallies

HISTORY = 50
"""Successes of a card that its pace is taken from."""

# A shot's defaults are not written down.
_CLIP: ColumnElement[float] = func.coalesce(R.shot["seconds"].as_float(), float(Shot().seconds))
_LINE = Prepared(
    select(R.priority, R.turn, R.id, R.card, _CLIP.label("clip"))
    .where(QUEUED)
    .order_by(R.priority.desc(), R.turn, R.id)
)
_ATTEMPT = and_(attempts.c.request_id == R.id, attempts.c.fence == R.fence)
_MADE = R.status == literal(Status.SUCCESS)
_TOOK = (
    select(attempts.c.seconds / _CLIP)
    .join_from(requests, attempts, _ATTEMPT)
    .where(_MADE, R.card == bindparam("card"), attempts.c.seconds.is_not(None))
    .order_by(R.finished_at.desc())
    .limit(HISTORY)
)


class Outlooks(Roster):
    def paces(self) -> dict[str, Pace]:
        """The pace of each card that has made anything, by its last HISTORY successes."""
        with self.db.reading() as connection:
            cards = connection.scalars(
                select(tallies.c.card)
                .where(tallies.c.status == literal(Status.SUCCESS), tallies.c.count > 0)
                .distinct()
            ).all()
            took = {
                card: [float(pace) for pace in connection.scalars(_TOOK, {"card": card})] for card in cards
            }
        return {card: Pace.of(paces) for card, paces in took.items() if paces}

    def outlook(self, paces: Mapping[str, Pace]) -> Outlook:
        """The line as it stands now, in one consistent look."""
        running = (
            select(R.id, R.card, _CLIP, self.now - attempts.c.started_at)
            .join_from(requests, attempts, _ATTEMPT)
            .where(PROCESSING)
        )
        with self.db.reading() as connection:
            line = _LINE.all(connection, {})
            busy = [Running(*row) for row in connection.execute(running)]
        workers = [worker.cards for worker in self.workers() if worker.silent_for <= SEEN_LATELY]
        return Outlook(line=line, running=busy, workers=workers, paces=paces)
