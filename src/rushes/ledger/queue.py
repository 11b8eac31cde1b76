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
from concurrent.futures import Future
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Update

from rushes.core.errors import (
    AlreadyEnded,
    InputError,
    LeaseLost,
    RushesError,
    UnknownRequest,
    WorkerLost,
)
from rushes.core.request import Lease, Outcome, Phase, Request, Status
from rushes.ledger.admission import Account, admit
from rushes.ledger.audit import Audit
from rushes.ledger.base import doubling
from rushes.ledger.copying import Copying
from rushes.ledger.intake import Intake
from rushes.ledger.line import Line
from rushes.ledger.outlook import Outlooks
from rushes.ledger.polling import Polling
from rushes.ledger.reading import made_before
from rushes.ledger.retention import Retention
from rushes.ledger.rows import (
    Claim,
    IntakeClaim,
    NewRequest,
    Page,
    Swept,
    decode_shot,
    decode_tags,
    joined,
    request_from,
)
from rushes.ledger.statements import MAX_INTAKE_TRIES, Statements
from rushes.ledger.statistics import Numbers
from rushes.ledger.table import Held

__all__ = ["Claim", "IntakeClaim", "Ledger", "NewRequest", "Page", "Swept"]

_LOST = "worker lost"


class Ledger(Audit, Copying, Intake, Numbers, Outlooks, Polling, Retention):
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
        self._sql = Statements(self.changes, lease_seconds, max_failures)

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
        return self.db.write(partial(self._submit, new=new), self.ring)

    def hand_in(self, many: Sequence[NewRequest]) -> Sequence[Future[Request]]:
        """`submit` for a caller who may not wait: each answer is there when it is durable. They come in their order."""
        return self.db.post([partial(self._submit, new=new) for new in many], self.ring)

    def cancel(self, request_id: str, owner: str | None = None, reason: str = "") -> Request:
        """End a live request now; a worker on it learns it at its next beat. `owner` None may cancel anybody's.
        Raises `UnknownRequest`, `AlreadyEnded`."""
        return self.db.write(
            lambda connection: self._cancel(connection, request_id, owner, reason), self.ring
        )

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

    def beat(
        self, lease: Lease, phase: Phase, progress: float, note: str = "", live_preview: str | None = None
    ) -> None:
        """Renew the lease and tell how far the attempt is: `progress` is 0…1 of `phase`, `note` a word for a person,
        `live_preview` the key of what is to be seen so far. Raises `LeaseLost`, which also tells of a cancel."""
        values = {
            "phase": phase.value,
            "progress": min(1.0, max(0.0, progress)),
            "note": note,
            "live_preview": live_preview,
        }
        self.db.write(lambda connection: self._guarded(connection, self._sql.beat, lease, values))

    def finish(self, lease: Lease, outcome: Outcome, tags: Sequence[str] = ()) -> None:
        """Publish the result: the one moment at which it becomes visible. The owner is charged the attempt's seconds;
        `tags` join those of the request. Raises `LeaseLost`."""
        values = {"outcome": outcome, "tags": joined(lease.tags, tags)}

        def body(connection: Connection) -> None:
            seconds = self._end_attempt(connection, lease.request_id, lease.fence, "finish")
            self._guarded(connection, self._sql.finish, lease, values)
            connection.execute(self._sql.charge, {"owner": lease.owner, "seconds": seconds})

        self.db.write(body, self.ring)

    def fail(self, lease: Lease, error: RushesError, *, counts: bool = True) -> Status:
        """End the attempt. A retryable error sends the request back to the queue after a back-off while failures
        remain; any other ends it. `counts=False` says that the request is not to blame (a full disk): it waits and
        is tried again whatever the error. The client's own bad image ends it, but is no failure of a worker. Returns
        the new status. Raises `LeaseLost`."""
        failures = lease.failures + (counts and not isinstance(error, InputError))
        again = not counts or (error.retryable and failures < self.max_failures)
        values: dict[str, Any] = {"failures": failures}
        if again:
            verb, statement = "retry", self._sql.retry
            values["delay"] = self.backoff(failures if counts else lease.fence)
        else:
            verb, statement = "fail", self._sql.fail
            values |= {"error": str(error), "error_name": error.name}

        def body(connection: Connection) -> None:
            self._end_attempt(connection, lease.request_id, lease.fence, verb, error)
            self._guarded(connection, statement, lease, values)

        self.db.write(body, self.ring)
        return Status.QUEUED if again else Status.FAILED

    def release(self, lease: Lease) -> None:
        """Give the request back unharmed, at its old turn: no failure counted, the fence stays. Raises `LeaseLost`."""

        def body(connection: Connection) -> None:
            self._end_attempt(connection, lease.request_id, lease.fence, "release")
            self._guarded(connection, self._sql.release, lease, {})

        self.db.write(body, self.ring)

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
            first = made_before(connection, new.owner, new.idempotency_key, new.fingerprint)
            if first is not None:
                return first
        owner = self._next_turn(connection, new)
        account = Account(
            owner, self._sql.card_limits.first(connection, {"owner": new.owner, "card": new.card})
        )
        admit(connection, account, new, self.now)
        values = {
            **msgspec.structs.asdict(new),
            "keep_for": account.kept_for(new.keep_for),
            "turn": owner.last_turn,
            "held": None,
            "ready_within": None,
        }
        if new.image_url is not None and new.image_key is None:
            values |= {"held": Held.INTAKE.value, "ready_within": 0.0}
        return request_from(self._sql.submit.first(connection, values))

    def _next_turn(self, connection: Connection, new: NewRequest) -> Any:
        """Move the owner's last turn on by the cost of `new` and return his row, made if there was none."""
        move = {"owner": new.owner, "cost": new.cost, "level": new.priority}
        row = self._sql.next_turn.first(connection, move)
        if row is None:
            connection.execute(self._sql.new_owner, {"owner": new.owner})
            row = self._sql.next_turn.first(connection, move)
        return row

    def _cancel(self, connection: Connection, request_id: str, owner: str | None, reason: str) -> Request:
        found = connection.execute(self._sql.find_live, {"request": request_id}).first()
        if found is None or owner not in (None, found.owner):
            raise UnknownRequest(request_id)
        if Status(found.status).terminal:
            raise AlreadyEnded(found.status)
        self._end_attempt(connection, request_id, found.fence, "cancel")
        if found.fence == 0:
            # It never started: the owner's next request takes its place in the fair share.
            connection.execute(self._sql.give_turn_back, {"owner": found.owner, "cost": found.cost})
        row = connection.execute(self._sql.cancel, {"request": request_id, "cancel_reason": reason}).one()
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
        connection.execute(self._sql.served, {"priority": row.priority, "turn": row.turn})
        connection.execute(
            self._sql.new_attempt,
            {"request_id": row.id, "fence": row.fence, "worker": worker, "started_at": row.updated_at},
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
                queued_at=row.queued_at,
                trace=row.trace,
                tags=decode_tags(row.tags),
            )
        )

    def _take(self, connection: Connection, worker: str, best: Row[Any]) -> Row[Any] | None:
        """Lease the row at the head of `best`'s line, or take `best` over from its silent worker."""
        if best.status == Status.QUEUED:
            line = {"of_card": best.card, "of_owner": best.owner, "worker": worker}
            return connection.execute(self._sql.claim, line).first()
        self._end_attempt(connection, best.id, best.fence, "take over", WorkerLost(_LOST))
        silent = {"request": best.id, "held_fence": best.fence, "worker": worker}
        return connection.execute(self._sql.take_over, silent).first()

    def _settle(self, connection: Connection) -> Swept:
        late = {"error": "not started within the time allowed", "error_name": "Expired"}
        expired = connection.execute(self._sql.expire, late).rowcount
        lost = WorkerLost(f"{_LOST}: {self.max_failures} attempts failed, the last one fell silent")
        silent = connection.execute(self._sql.silent).all()
        for row in silent:
            self._end_attempt(connection, row.id, row.fence, "lose", WorkerLost(_LOST))
            connection.execute(
                self._sql.lose,
                {"request": row.id, "held_fence": row.fence, "error": str(lost), "error_name": lost.name},
            )
        blind = WorkerLost(f"{_LOST} {MAX_INTAKE_TRIES} times while taking in the image")
        unread = connection.execute(
            self._sql.lose_intake, {"error": str(blind), "error_name": blind.name}
        ).rowcount
        ready = connection.execute(self._sql.ready).rowcount
        return Swept(expired=expired, lost=len(silent) + unread, ready=ready)

    def _guarded(
        self, connection: Connection, statement: Update, lease: Lease, values: dict[str, Any]
    ) -> None:
        """A worker's write: it finds the row only while the lease is his."""
        guard = {"request": lease.request_id, "held_fence": lease.fence}
        if connection.execute(statement, {**guard, **values}).rowcount != 1:
            raise LeaseLost(lease.request_id)

    def _end_attempt(
        self, connection: Connection, request_id: str, fence: int, verb: str, error: RushesError | None = None
    ) -> float:
        """Close the attempt's own record, before the request forgets its phase. Returns how long it took, in seconds;
        0 if none was open."""
        told = (None, None) if error is None else (str(error), error.name)
        row = connection.execute(
            self._sql.end_attempt,
            {
                "request": request_id,
                "held_fence": fence,
                "ended_by": verb,
                "error": told[0],
                "error_name": told[1],
            },
        ).first()
        return 0.0 if row is None else float(row[0])
