"""Group commit: writes that arrive while a commit is under way wait and share the next one.

A body is a whole transaction as a function of the connection. Somebody leads: he runs all waiting bodies, each behind
its own savepoint, commits once, and only then are they answered. A body that raises one of our errors undoes itself
alone. If the shared commit fails, each runs again by itself, so that each gets its own answer; a body therefore does
nothing but talk to its connection.

Who writes alone leads himself, in his own thread. Whoever may not block, and all that came while another led, are left
to one writing thread.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeAlias, TypeVar

from sqlalchemy import Connection

from rushes.core.errors import LedgerUnavailable, RushesError

T = TypeVar("T")

Transaction: TypeAlias = Callable[[], AbstractContextManager[Connection]]
"""Begins one; commits it at the end, or rolls it back on an exception."""

_log = logging.getLogger(__name__)

INTERRUPTED = "the ledger's commit was interrupted: repeat the call"


class _Job(Future[T], Generic[T]):
    """One body on its way through a commit."""

    def __init__(self, body: Callable[[Connection], T], then: Callable[[], object] | None) -> None:
        super().__init__()
        self.then = then
        # What holds unless the commit comes to another end.
        self.error: BaseException | None = LedgerUnavailable(INTERRUPTED)
        self._body = body
        self._value: T

    def work(self, connection: Connection) -> None:
        self._value = self._body(connection)

    def alone(self, transaction: Transaction) -> None:
        try:
            with transaction() as connection:
                self.work(connection)
            self.error = None
        except Exception as error:  # noqa: BLE001 - raised where the answer is read
            self.error = error

    def settle(self) -> None:
        if self.error is None:
            self.set_result(self._value)
        else:
            self.set_exception(self.error)


class GroupCommit:
    """Shares the commits of `transaction` among threads."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._lock = threading.Lock()
        self._leading = False
        self._waiting: list[_Job[Any]] = []
        self._writer: threading.Thread | None = None
        self._turns: queue.SimpleQueue[bool] = queue.SimpleQueue()
        """Of the writing thread to lead; False ends it."""

    def run(self, body: Callable[[Connection], T], then: Callable[[], object] | None = None) -> T:
        """What `body` returns, once it is durable. `then` is called after the commit, once for all that share it."""
        job = _Job(body, then)
        if self._are_first([job]):
            self._lead()
        return job.result()

    def post(
        self, bodies: Iterable[Callable[[Connection], T]], then: Callable[[], object] | None = None
    ) -> Sequence[Future[T]]:
        """`run` for a caller who may not wait: all of `bodies` share a commit and are answered in their order."""
        jobs = [_Job(body, then) for body in bodies]
        if self._are_first(jobs):
            self._hand_over()
        return jobs

    def close(self) -> None:
        """Write what waits, and end the writing thread."""
        if self._writer is not None:
            self._turns.put(False)
            self._writer.join()
            self._writer = None

    def _are_first(self, jobs: Sequence[_Job[Any]]) -> bool:
        """Have `jobs` wait for the next commit; true when nobody leads, so that the caller must see to it."""
        with self._lock:
            self._waiting += jobs
            first, self._leading = not self._leading, True
        return first

    def _hand_over(self) -> None:
        """Only ever called by who leads."""
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="ledger", daemon=True)
            self._writer.start()
        self._turns.put(True)

    def _write(self) -> None:
        while self._turns.get():
            try:
                self._lead()
            except BaseException:  # noqa: BLE001 - all have their answers; those who come next need this thread
                _log.exception("a commit was interrupted")

    def _lead(self) -> None:
        """Commit and answer all that wait. Those that come meanwhile are left to the writing thread."""
        with self._lock:
            batch, self._waiting = self._waiting, []
        batch = [job for job in batch if job.set_running_or_notify_cancel()]
        try:
            self._commit(batch)
        finally:
            with self._lock:
                more = self._leading = bool(self._waiting)
            if more:
                self._hand_over()
            for then in {job.then for job in batch if job.error is None and job.then is not None}:
                then()
            for job in batch:
                job.settle()

    def _commit(self, batch: list[_Job[Any]]) -> None:
        if len(batch) > 1 and self._together(batch):
            return
        for job in batch:
            job.alone(self._transaction)

    def _together(self, batch: list[_Job[Any]]) -> bool:
        """False if nothing was committed and each should find out for itself."""
        begun = False
        refusals: dict[_Job[Any], BaseException] = {}
        try:
            with self._transaction() as connection:
                begun = True
                # SQLAlchemy's own savepoints cost as much as a submit.
                driver = connection.connection.cursor()
                for job in batch:
                    driver.execute("SAVEPOINT one")
                    try:
                        job.work(connection)
                    except RushesError as error:
                        refusals[job] = error
                        driver.execute("ROLLBACK TO one")
                    driver.execute("RELEASE one")
        except Exception as error:  # noqa: BLE001 - raised where the answers are read, or met again by each
            if begun:
                return False
            refusals = dict.fromkeys(batch, error)
        for job in batch:
            job.error = refusals.get(job)
        return True
