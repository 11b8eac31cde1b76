"""The ledger: the durable record of every request, which *is* the queue.

Each verb is one short transaction. Every write of a worker says `WHERE id AND status = 'processing' AND fence`: when
that finds no row the lease is lost (cancelled, taken over, ended), and nothing of it is kept. `fence` rises with every
claim and never falls; `failures` counts only what speaks against the request. All times are the database's.

    ledger = Ledger("sqlite:////var/lib/rushes/ledger.sqlite3")
    ledger.migrate()
    request = ledger.submit(NewRequest(...))
    claim = ledger.claim("worker-1", ["kling-v2-6"])
    ledger.finish(claim.lease, outcome)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    and_,
    case,
    cast,
    func,
    select,
    update,
)
from sqlalchemy import literal as bound

# PostgreSQL's construct; SQLite's compiler reads the same one.
from sqlalchemy.dialects.postgresql import insert

from rushes.core.errors import AlreadyEnded, KeyReused, LeaseLost, RushesError, UnknownRequest, WorkerLost
from rushes.core.request import LIVE, Lease, Outcome, Phase, Request, Status
from rushes.ledger.accounts import Accounts
from rushes.ledger.admission import DAY, admit
from rushes.ledger.base import doubling
from rushes.ledger.intake import MAX_INTAKE_TRIES, Intake
from rushes.ledger.line import Line, first_in_line
from rushes.ledger.reading import Reading
from rushes.ledger.retention import Retention
from rushes.ledger.roster import Roster
from rushes.ledger.rows import (
    LEASE_COLUMNS,
    REQUEST_COLUMNS,
    Claim,
    IntakeClaim,
    NewRequest,
    Page,
    Swept,
    decode_shot,
    request_from,
)
from rushes.ledger.table import (
    PROCESSING,
    QUEUED,
    Held,
    R,
    attempts,
    literal,
    owners,
    requests,
    spend,
    turns,
)

__all__ = ["Claim", "IntakeClaim", "Ledger", "NewRequest", "Page", "Swept"]

_ALIVE = R.status.in_([literal(status) for status in sorted(LIVE)])


class Ledger(Accounts, Intake, Reading, Retention, Roster):
    """All verbs; the classes above hold those that change no status of a running request. Thread-safe."""

    def __init__(
        self,
        url: str,
        *,
        lease_seconds: float = 30.0,
        max_failures: int = 3,
        backoff: Callable[[int], float] = doubling,
        clock: ColumnElement[float] | None = None,
    ) -> None:
        super().__init__(
            url, lease_seconds=lease_seconds, max_failures=max_failures, backoff=backoff, clock=clock
        )
        self._line = Line(self.now, max_failures)

    def migrate(self) -> None:
        """Make or open the database and bring its schema to this version's; `SetupError` if it is newer than that,
        damaged, or on a disk that cannot lock."""
        from rushes.ledger.migrations import upgrade  # Alembic is needed here only

        self.db.open()
        upgrade(self.db)

    # -- towards the caller ------------------------------------------------------------------------------------------

    def submit(self, new: NewRequest) -> Request:
        """Write the request down; it is durable when this returns. The same idempotency key with the same fingerprint
        gives the first request again. Raises `KeyReused`, `InvalidCall`, `QueueFull`, `RateLimited`, `OutOfCredits`.
        """
        request = self.db.write(lambda connection: self._submit(connection, new))
        self.ring()
        return request

    def cancel(self, request_id: str, owner: str | None = None, reason: str = "") -> Request:
        """End a live request now; a worker on it learns it at its next beat. `owner` None may cancel anybody's.
        Raises `UnknownRequest`, `AlreadyEnded`."""
        request = self.db.write(lambda connection: self._cancel(connection, request_id, owner, reason))
        self.ring()
        return request

    # -- towards the worker ------------------------------------------------------------------------------------------

    def claim(
        self, worker: str, cards: Sequence[str], resident: str | None = None, load_seconds: float = 0.0
    ) -> Claim:
        """The best request of `cards` that waits or whose worker fell silent, leased to `worker`; or when to look
        again. `resident` is the card whose model is loaded, `load_seconds` what loading another one costs."""
        cards = tuple(dict.fromkeys(cards))
        with self.db.reading() as connection:
            wait = self._line.next_change(connection, cards)
            due = wait is not None and wait <= 0
            if not due and self._line.best(connection, cards, resident, load_seconds) is None:
                return Claim(None, wait)
        return self.db.write(
            lambda connection: self._claim(connection, worker, cards, resident, load_seconds)
        )

    def beat(self, lease: Lease, phase: Phase, progress: float, note: str = "") -> None:
        """Renew the lease and tell how far the attempt is: `progress` is 0…1 of `phase`, `note` a word for a person.
        Raises `LeaseLost`, which also tells of a cancel."""
        values = self.told(
            lease_until=self.now + self.lease_seconds,
            phase=phase,
            progress=min(1.0, max(0.0, progress)),
            note=note,
        )
        self.db.write(lambda connection: self._held_write(connection, lease, values))

    def finish(self, lease: Lease, outcome: Outcome) -> None:
        """Publish the result: the one moment at which it becomes visible. The owner is charged the attempt's seconds.
        Raises `LeaseLost`."""

        def body(connection: Connection) -> None:
            seconds = self._end_attempt(connection, lease.request_id, lease.fence, "finish")
            self._held_write(
                connection, lease, self.ended(status=Status.SUCCESS, outcome=outcome, progress=1.0)
            )
            charge = insert(spend).values(
                owner=lease.owner, day=cast(func.floor(self.now / DAY), Integer), seconds=seconds
            )
            connection.execute(
                charge.on_conflict_do_update(
                    index_elements=[spend.c.owner, spend.c.day],
                    set_={"seconds": spend.c.seconds + charge.excluded.seconds},
                )
            )

        self.db.write(body)
        self.ring()

    def fail(self, lease: Lease, error: RushesError, *, counts: bool = True) -> Status:
        """End the attempt. A retryable error sends the request back to the queue after a back-off while failures
        remain; any other ends it. `counts=False` says that the request is not to blame (a full disk): it waits and
        is tried again whatever the error. Returns the new status. Raises `LeaseLost`."""
        failures = lease.failures + 1 if counts else lease.failures
        again = not counts or (error.retryable and failures < self.max_failures)
        delay = self.backoff(failures if counts else lease.fence)
        if again:
            values = self._requeued(failures=failures, held=Held.BACKOFF, ready_at=self.now + delay)
        else:
            values = self.ended(
                status=Status.FAILED, failures=failures, error=str(error), error_name=error.name
            )

        def body(connection: Connection) -> None:
            verb = "retry" if again else "fail"
            self._end_attempt(connection, lease.request_id, lease.fence, verb, str(error), error.name)
            self._held_write(connection, lease, values)

        self.db.write(body)
        self.ring()
        return Status.QUEUED if again else Status.FAILED

    def release(self, lease: Lease) -> None:
        """Give the request back unharmed, at the head of its line: no failure counted, the fence stays. Raises
        `LeaseLost`."""

        def body(connection: Connection) -> None:
            self._end_attempt(connection, lease.request_id, lease.fence, "release")
            self._held_write(connection, lease, self._requeued())

        self.db.write(body)
        self.ring()

    # -- towards time ------------------------------------------------------------------------------------------------

    def sweep(self) -> Swept:
        """Do what time demands: fail what was not started by its time and what killed its workers too often, free what
        waited out its back-off. Any process may, at any time."""
        swept = self.db.write(self._settle)
        if swept.ready or swept.lost:
            self.ring()
        return swept

    # -- bodies ------------------------------------------------------------------------------------------------------

    def _submit(self, connection: Connection, new: NewRequest) -> Request:
        if new.idempotency_key is not None:
            first = connection.execute(
                select(R.fingerprint, *REQUEST_COLUMNS).where(
                    R.owner == new.owner, R.idempotency_key == new.idempotency_key
                )
            ).first()
            if first is not None:
                if first[0] != new.fingerprint:
                    raise KeyReused
                return request_from(first[1:])
        owner = self._next_turn(connection, new)
        admit(connection, owner, new, self.now)
        waits = new.image_url is not None and new.image_key is None
        row = connection.execute(
            insert(requests)
            .values(
                id=new.id,
                owner=new.owner,
                model=new.model,
                card=new.card,
                dialect=new.dialect,
                payload=new.payload,
                shot=new.shot,
                image_key=new.image_key,
                image_url=new.image_url,
                idempotency_key=new.idempotency_key,
                fingerprint=new.fingerprint,
                status=Status.QUEUED,
                held=Held.INTAKE if waits else None,
                ready_at=self.now if waits else None,
                priority=new.priority,
                turn=owner.last_turn,
                cost=new.cost,
                progress=0.0,
                start_by=None if new.start_within is None else self.now + new.start_within,
                keep_for=new.keep_for,
                created_at=self.now,
                queued_at=self.now,
                updated_at=self.now,
            )
            .returning(*REQUEST_COLUMNS)
        ).one()
        return request_from(row)

    def _next_turn(self, connection: Connection, new: NewRequest) -> Row[Any]:
        """Move the owner's last turn on by the cost of `new` and return his row, made if there was none."""
        own = owners.c.last_turn + bound(new.cost) / owners.c.weight
        served = func.coalesce(
            select(turns.c.turn).where(turns.c.priority == new.priority).scalar_subquery(), 0.0
        )
        move = (
            update(owners)
            .where(owners.c.name == new.owner)
            .values(last_turn=case((own > served, own), else_=served))
            .returning(*owners.c)
        )
        row = connection.execute(move).first()
        if row is None:
            connection.execute(insert(owners).values(name=new.owner).on_conflict_do_nothing())
            row = connection.execute(move).one()
        return row

    def _cancel(self, connection: Connection, request_id: str, owner: str | None, reason: str) -> Request:
        mine = and_(R.id == request_id, R.owner == owner) if owner is not None else R.id == request_id
        found = connection.execute(
            select(R.status, R.fence, R.owner, R.cost).where(mine).with_for_update()
        ).first()
        if found is None:
            raise UnknownRequest(request_id)
        if Status(found.status).terminal:
            raise AlreadyEnded(found.status)
        self._end_attempt(connection, request_id, found.fence, "cancel")
        if found.fence == 0:
            # It never started: the owner's next request takes its place in the fair share.
            connection.execute(
                update(owners)
                .where(owners.c.name == found.owner)
                .values(last_turn=owners.c.last_turn - found.cost / owners.c.weight)
            )
        row = connection.execute(
            update(requests)
            .where(R.id == request_id, _ALIVE)
            .values(self.ended(status=Status.CANCELLED, cancel_reason=reason))
            .returning(*REQUEST_COLUMNS)
        ).one()
        return request_from(row)

    def _claim(
        self,
        connection: Connection,
        worker: str,
        cards: Sequence[str],
        resident: str | None,
        load_seconds: float,
    ) -> Claim:
        wait = self._line.next_change(connection, cards)
        if wait is not None and wait <= 0:
            self._settle(connection)
        best = self._line.best(connection, cards, resident, load_seconds)
        row = None if best is None else self._take(connection, worker, best)
        if row is None:
            return Claim(None, self._line.next_change(connection, cards))
        served = insert(turns).values(priority=row.priority, turn=row.turn)
        connection.execute(
            served.on_conflict_do_update(
                index_elements=[turns.c.priority],
                set_={"turn": served.excluded.turn},
                where=turns.c.turn < served.excluded.turn,
            )
        )
        connection.execute(
            insert(attempts).values(
                request_id=row.id, fence=row.fence, worker=worker, started_at=row.updated_at
            )
        )
        return Claim(
            Lease(
                request_id=row.id,
                fence=row.fence,
                owner=row.owner,
                model=row.model,
                card=row.card,
                worker=worker,
                shot=decode_shot(row.shot),
                image_key=row.image_key,
                failures=row.failures,
                lease_seconds=self.lease_seconds,
            )
        )

    def _take(self, connection: Connection, worker: str, best: Row[Any]) -> Row[Any] | None:
        """Lease the row at the head of `best`'s line, or take `best` over from its silent worker."""
        silent = best.status == Status.PROCESSING
        if silent:
            self._end_attempt(connection, best.id, best.fence, "take over", _LOST, WorkerLost.__name__)
            which = (
                select(R.id)
                .where(R.id == best.id, PROCESSING, R.fence == best.fence, R.lease_until <= self.now)
                .with_for_update(skip_locked=True)
            )
        else:
            which = first_in_line(R.card == best.card, R.owner == best.owner)
        return connection.execute(
            update(requests)
            .where(R.id == which.scalar_subquery())
            .values(
                self.told(
                    status=Status.PROCESSING,
                    worker=worker,
                    fence=R.fence + 1,
                    failures=R.failures + 1 if silent else R.failures,
                    lease_until=self.now + self.lease_seconds,
                    started_at=func.coalesce(R.started_at, self.now),
                    phase=None,
                    progress=0.0,
                    note="",
                )
            )
            .returning(*LEASE_COLUMNS)
        ).first()

    def _settle(self, connection: Connection) -> Swept:
        def ended(error: str, name: str, **values: Any) -> dict[str, Any]:
            return self.ended(status=Status.FAILED, error=error, error_name=name, **values)

        expired = connection.execute(
            update(requests)
            .where(QUEUED, R.start_by.is_not(None), R.start_by <= self.now)
            .values(ended("not started within the time allowed", "Expired"))
        ).rowcount
        lost = 0
        silent = select(R.id, R.fence).where(
            PROCESSING, R.lease_until <= self.now, R.failures + 1 >= self.max_failures
        )
        for row in connection.execute(silent.with_for_update(skip_locked=True)).all():
            self._end_attempt(connection, row.id, row.fence, "lose", _LOST, WorkerLost.__name__)
            connection.execute(
                update(requests)
                .where(R.id == row.id, PROCESSING, R.fence == row.fence)
                .values(
                    ended(
                        f"{_LOST}: {self.max_failures} attempts failed, the last one fell silent",
                        WorkerLost.__name__,
                        failures=R.failures + 1,
                    )
                )
            )
            lost += 1
        lost += connection.execute(
            update(requests)
            .where(
                QUEUED,
                R.held.is_not(None),
                R.held == literal(Held.INTAKE),
                R.ready_at <= self.now,
                R.intake_fence >= MAX_INTAKE_TRIES,
            )
            .values(
                ended(f"{_LOST} while taking in the image, {MAX_INTAKE_TRIES} times", WorkerLost.__name__)
            )
        ).rowcount
        ready = connection.execute(
            update(requests)
            .where(QUEUED, R.held.is_not(None), R.held == literal(Held.BACKOFF), R.ready_at <= self.now)
            .values(held=None, ready_at=None)
        ).rowcount
        return Swept(expired, lost, ready)

    def _requeued(self, **values: Any) -> dict[str, Any]:
        return self.told(
            **{
                "status": Status.QUEUED,
                "worker": None,
                "lease_until": None,
                "phase": None,
                "progress": 0.0,
                "note": "",
                **values,
            }
        )

    def _held_write(self, connection: Connection, lease: Lease, values: dict[str, Any]) -> None:
        """The guard of every worker's write."""
        written = connection.execute(
            update(requests)
            .where(R.id == lease.request_id, PROCESSING, R.fence == lease.fence)
            .values(values)
        )
        if written.rowcount != 1:
            raise LeaseLost(lease.request_id)

    def _end_attempt(
        self,
        connection: Connection,
        request_id: str,
        fence: int,
        verb: str,
        error: str | None = None,
        error_name: str | None = None,
    ) -> float:
        """Close the attempt's own record, before the request forgets its phase. Returns how long it took, in seconds;
        0 if none was open."""
        row = connection.execute(
            update(attempts)
            .where(
                attempts.c.request_id == request_id, attempts.c.fence == fence, attempts.c.ended_by.is_(None)
            )
            .values(
                ended_by=verb,
                error=error,
                error_name=error_name,
                phase=select(R.phase).where(R.id == request_id).scalar_subquery(),
                seconds=self.now - attempts.c.started_at,
            )
            .returning(attempts.c.seconds)
        ).first()
        return float(row[0]) if row is not None else 0.0


_LOST = "worker lost"
