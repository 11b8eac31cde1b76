"""The numbers of the whole ledger in one snapshot: its cost depends on models, owners and what is queued, never on the
length of the history."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, func, select

from rushes.core.statistics import Histogram, Statistics
from rushes.ledger.counting import BEYOND
from rushes.ledger.roster import Roster
from rushes.ledger.rows import WorkerRecord
from rushes.ledger.table import QUEUED, R, figures, tallies

SEEN_LATELY = 60.0
"""Seconds: three times what a worker lets pass between two entries in the roster."""

_requests = select(tallies.c.card, tallies.c.status, func.sum(tallies.c.count)).group_by(
    tallies.c.card, tallies.c.status
)


class Numbers(Roster):
    def statistics(self) -> Statistics:
        oldest = select(R.card, self.now - func.min(R.queued_at)).where(QUEUED).group_by(R.card)
        with self.db.reading() as connection:
            standing = connection.execute(_requests).all()
            ages = connection.execute(oldest).all()
            rows = connection.execute(select(figures)).all()
        named: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in rows:
            named[row.name].append(row)
        workers = self.workers()
        return Statistics(
            requests={(card, status): int(count) for card, status, count in standing},
            oldest={card: max(0.0, age) for card, age in ages},
            ended=_counts(named["ended"]),
            attempts=_counts(named["attempts"]),
            attempt_seconds=_counts(named["attempts_sum"]),
            beats={row.card: row.value for row in named["beats"]},
            wait=_histograms(named["wait"], named["wait_sum"]),
            run=_histograms(named["run"], named["run_sum"]),
            overhead=_histograms(named["overhead"], named["overhead_sum"]),
            workers=_serving(workers),
            silent_for={worker.name: worker.silent_for for worker in workers},
        )


def _counts(rows: Iterable[Row[Any]]) -> dict[tuple[str, str], float]:
    return {(row.card, row.label): row.value for row in rows}


def _histograms(buckets: Iterable[Row[Any]], sums: Iterable[Row[Any]]) -> dict[tuple[str, str], Histogram]:
    counts: dict[tuple[str, str], dict[float, float]] = defaultdict(dict)
    for row in buckets:
        counts[row.card, row.label][float("inf") if row.le == BEYOND else row.le] = row.value
    return {(row.card, row.label): Histogram(counts[row.card, row.label], row.value) for row in sums}


def _serving(workers: Iterable[WorkerRecord]) -> dict[str, int]:
    lately = (worker.cards for worker in workers if worker.silent_for <= SEEN_LATELY)
    return dict(Counter(card for cards in lately for card in cards))
