"""What the verbs say to the database: TRANSITIONS written as SQL, each statement built once.

A statement holds its guard and what is always set. The other columns are given when it is run: a parameter with the
name of a column becomes part of its SET or VALUES, and the parameters of the guards have names of their own
(`request`, `held_fence` …).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Double, Integer, bindparam, case, cast, func, null, select, update

# PostgreSQL's construct; SQLite's compiler reads the same one.
from sqlalchemy.dialects.postgresql import insert

from rushes.core.request import LIVE, TERMINAL, Status
from rushes.ledger.database import Prepared
from rushes.ledger.rows import LEASE_COLUMNS, REQUEST_COLUMNS, NewRequest
from rushes.ledger.table import (
    PROCESSING,
    QUEUED,
    Held,
    R,
    attempts,
    limits,
    literal,
    owners,
    requests,
    spend,
    turns,
)

DAY_SECONDS = 86_400.0
MAX_INTAKE_TRIES = 5

INTAKE = (QUEUED, R.held.is_not(None), R.held == literal(Held.INTAKE))
BACKOFF = (QUEUED, R.held.is_not(None), R.held == literal(Held.BACKOFF))
OVERDUE = (QUEUED, R.start_by.is_not(None))
ALIVE = R.status.in_([literal(status) for status in sorted(LIVE)])
ENDED = R.status.in_([literal(status) for status in sorted(TERMINAL)])


SUBMITTED = (*(name for name in NewRequest.__struct_fields__ if name in R), "turn", "held")
"""The columns that a submit gives."""


class Changes:
    """The values that changes of a request have in common, by one clock."""

    def __init__(self, clock: ColumnElement[float]) -> None:
        self.clock = clock

    def told(self, **values: Any) -> dict[str, Any]:
        """A change that a reader should see."""
        return {**values, "revision": R.revision + 1, "updated_at": self.clock}

    def ended(self, status: Status, **values: Any) -> dict[str, Any]:
        """A change into a terminal status."""
        return self.told(
            status=literal(status),
            finished_at=self.clock,
            keep_until=self.clock + R.keep_for,
            lease_until=null(),
            held=null(),
            ready_at=null(),
            phase=null(),
            note="",
            live_preview=null(),
            **values,
        )

    def requeued(self, **values: Any) -> dict[str, Any]:
        """A change from processing back to queued, at the same turn."""
        return self.told(
            status=literal(Status.QUEUED),
            worker=null(),
            lease_until=null(),
            phase=null(),
            progress=0.0,
            note="",
            live_preview=null(),
            **values,
        )


class Statements:
    def __init__(self, changes: Changes, lease_seconds: float, max_failures: int) -> None:
        self._changes = changes
        self._clock = changes.clock
        self._lease_until = self._clock + lease_seconds
        self._submitting()
        self._working()
        self._taking()
        self._settling(max_failures)

    def _submitting(self) -> None:
        clock = self._clock
        own = owners.c.last_turn + bindparam("cost", type_=Double()) / owners.c.weight
        served = func.coalesce(
            select(turns.c.turn).where(turns.c.priority == bindparam("level")).scalar_subquery(), 0.0
        )
        self.next_turn = Prepared(
            update(owners)
            .where(owners.c.name == bindparam("owner"))
            .values(last_turn=case((own > served, own), else_=served))
            .returning(*owners.c)
        )
        self.card_limits = Prepared(
            select(limits).where(limits.c.owner == bindparam("owner"), limits.c.card == bindparam("card"))
        )
        self.new_owner = insert(owners).values(name=bindparam("owner")).on_conflict_do_nothing()
        self.submit = Prepared(
            insert(requests)
            .values(
                status=literal(Status.QUEUED),
                progress=0.0,
                # NULL seconds make a NULL time: not held back, no limit.
                ready_at=clock + bindparam("ready_within", type_=Double()),
                start_by=clock + bindparam("start_within", type_=Double()),
                created_at=clock,
                queued_at=clock,
                updated_at=clock,
            )
            .returning(*REQUEST_COLUMNS),
            columns=SUBMITTED,
        )
        self.find_live = (
            select(R.status, R.fence, R.owner, R.cost).where(R.id == bindparam("request")).with_for_update()
        )
        self.give_turn_back = (
            update(owners)
            .where(owners.c.name == bindparam("owner"))
            .values(last_turn=owners.c.last_turn - bindparam("cost", type_=Double()) / owners.c.weight)
        )
        self.cancel = (
            update(requests)
            .where(R.id == bindparam("request"), ALIVE)
            .values(self._changes.ended(Status.CANCELLED))
            .returning(*REQUEST_COLUMNS)
        )

    def _working(self) -> None:
        """The writes of a worker, all behind the one guard."""
        changes = self._changes
        guarded = update(requests).where(
            R.id == bindparam("request"), PROCESSING, R.fence == bindparam("held_fence")
        )
        self.beat = guarded.values(changes.told(lease_until=self._lease_until))
        self.finish = guarded.values(changes.ended(Status.SUCCESS, progress=1.0))
        self.fail = guarded.values(changes.ended(Status.FAILED))
        self.retry = guarded.values(
            changes.requeued(
                held=literal(Held.BACKOFF), ready_at=self._clock + bindparam("delay", type_=Double())
            )
        )
        self.release = guarded.values(changes.requeued())
        self.end_attempt = (
            update(attempts)
            .where(
                attempts.c.request_id == bindparam("request"),
                attempts.c.fence == bindparam("held_fence"),
                attempts.c.ended_by.is_(None),
            )
            .values(
                phase=select(R.phase).where(R.id == bindparam("request")).scalar_subquery(),
                seconds=self._clock - attempts.c.started_at,
            )
            .returning(attempts.c.seconds)
        )
        charge = insert(spend).values(day=cast(func.floor(self._clock / DAY_SECONDS), Integer))
        self.charge = charge.on_conflict_do_update(
            index_elements=[spend.c.owner, spend.c.day],
            set_={"seconds": spend.c.seconds + charge.excluded.seconds},
        )

    def _taking(self) -> None:
        """A claim: the head of one owner's line, or the request of a silent worker."""
        head = (
            select(R.id)
            .where(QUEUED, R.held.is_(None), R.card == bindparam("of_card"), R.owner == bindparam("of_owner"))
            .order_by(R.priority.desc(), R.turn, R.id)
        )
        silent = select(R.id).where(
            R.id == bindparam("request"),
            PROCESSING,
            R.fence == bindparam("held_fence"),
            R.lease_until <= self._clock,
        )

        def take(which: Any, failures: ColumnElement[int]) -> Any:
            one = which.limit(1).with_for_update(skip_locked=True).scalar_subquery()
            values = self._changes.told(
                status=literal(Status.PROCESSING),
                fence=R.fence + 1,
                failures=failures,
                lease_until=self._lease_until,
                started_at=func.coalesce(R.started_at, self._clock),
                phase=null(),
                progress=0.0,
                note="",
                live_preview=null(),
            )
            return update(requests).where(R.id == one).values(values).returning(*LEASE_COLUMNS)

        self.claim = take(head, R.failures)
        self.take_over = take(silent, R.failures + 1)
        self.new_attempt = insert(attempts)
        served = insert(turns)
        self.served = served.on_conflict_do_update(
            index_elements=[turns.c.priority],
            set_={"turn": served.excluded.turn},
            where=turns.c.turn < served.excluded.turn,
        )

    def _settling(self, max_failures: int) -> None:
        """What time alone demands."""
        changes, clock = self._changes, self._clock
        self.expire = (
            update(requests).where(*OVERDUE, R.start_by <= clock).values(changes.ended(Status.FAILED))
        )
        self.silent = (
            select(R.id, R.fence)
            .where(PROCESSING, R.lease_until <= clock, R.failures + 1 >= max_failures)
            .with_for_update(skip_locked=True)
        )
        self.lose = (
            update(requests)
            .where(R.id == bindparam("request"), PROCESSING, R.fence == bindparam("held_fence"))
            .values(changes.ended(Status.FAILED, failures=R.failures + 1))
        )
        self.lose_intake = (
            update(requests)
            .where(*INTAKE, R.ready_at <= clock, R.intake_fence >= MAX_INTAKE_TRIES)
            .values(changes.ended(Status.FAILED))
        )
        self.ready = (
            update(requests).where(*BACKOFF, R.ready_at <= clock).values(held=null(), ready_at=null())
        )
