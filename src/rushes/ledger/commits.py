"""Group commit: writes that arrive while a commit is under way wait and share the next one.

A body is a whole transaction as a function of the connection. One thread leads: it runs all waiting bodies, each behind
its own savepoint, and commits once; everybody returns after his durable commit. A body that raises one of our errors
undoes itself alone. If the shared commit fails, each runs again by itself, so that each gets its own answer; a body
therefore does nothing but talk to its connection.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeAlias, TypeVar

from sqlalchemy import Connection

from rushes.core.errors import LedgerUnavailable, RushesError

T = TypeVar("T")

Transaction: TypeAlias = Callable[[], AbstractContextManager[Connection]]
"""Begins one; commits it at the end, or rolls it back on an exception."""


class _Job(Generic[T]):
    """One body on its way through a commit."""

    def __init__(self, body: Callable[[Connection], T]) -> None:
        self.body = body
        self.done = False
        self.error: BaseException | None = None
        self.turn = threading.Lock()
        """Held until it is done, or is to lead."""
        self.turn.acquire()
        self.value: T

    def alone(self, transaction: Transaction) -> None:
        self.error = None
        try:
            with transaction() as connection:
                self.value = self.body(connection)
        except Exception as error:  # noqa: BLE001 - handed to the caller by `answer`
            self.error = error
        self.done = True

    def answer(self) -> T:
        if self.error is not None:
            raise self.error
        return self.value


class GroupCommit:
    """Shares the commits of `transaction` among threads."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._lock = threading.Lock()
        self._leading = False
        self._waiting: list[_Job[Any]] = []

    def run(self, body: Callable[[Connection], T]) -> T:
        job = _Job(body)
        with self._lock:
            self._waiting.append(job)
            follows, self._leading = self._leading, True
        if follows:
            job.turn.acquire()
            if job.done:
                return job.answer()
        with self._lock:
            batch, self._waiting = self._waiting, []
        try:
            self._commit(batch)
        finally:
            for follower in batch:
                if not follower.done:
                    follower.error = LedgerUnavailable("the ledger's commit was interrupted: repeat the call")
                    follower.done = True
            with self._lock:
                self._leading = bool(self._waiting)
                woken = [*batch, *self._waiting[:1]]  # the first of those that came meanwhile leads next
            for other in woken:
                if other is not job:
                    other.turn.release()
        return job.answer()

    def _commit(self, batch: list[_Job[Any]]) -> None:
        if len(batch) > 1 and self._together(batch):
            return
        for job in batch:
            job.alone(self._transaction)

    def _together(self, batch: list[_Job[Any]]) -> bool:
        """False if nothing was committed and each should find out for itself."""
        begun = False
        try:
            with self._transaction() as connection:
                begun = True
                driver = (
                    connection.connection.cursor()
                )  # SQLAlchemy's own savepoints cost as much as a submit
                for job in batch:
                    driver.execute("SAVEPOINT one")
                    try:
                        job.value = job.body(connection)
                    except RushesError as error:
                        job.error = error
                        driver.execute("ROLLBACK TO one")
                    driver.execute("RELEASE one")
        except Exception as error:  # noqa: BLE001 - handed to the callers, or met again by each
            if begun:
                return False
            for job in batch:
                job.error = error
        for job in batch:
            job.done = True
        return True
