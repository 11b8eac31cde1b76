"""The sweep: what time alone demands, done by anybody, at any time, any number of times.

Requests that waited too long end; files whose time has passed go, and only then do rows say so; files and scratch
folders that a killed process left behind go once the ledger says that nobody needs them; old decisions of policies go. The age below which a file is
left alone covers what is written but not yet named: a result before its finish, an upload before its request.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import structlog

from rushes.core.clock import SYSTEM_CLOCK, Clock
from rushes.core.errors import LedgerUnavailable, SetupError, UnknownRequest
from rushes.core.request import Status
from rushes.ledger.queue import Ledger
from rushes.store.base import Store

log = structlog.get_logger(__name__)

BATCH = 500
HOUR = 3600.0
UPLOADS = "uploads/"


class Sweeper:
    """Looks after requests every `every` seconds, after files and the audit every `files_every`, from `start` to `stop`.

    `work` is the scratch folder of this machine's jobs. Unneeded files go when they are older than `min_age` seconds,
    uploads when older than `upload_age`, decisions of policies when older than `audit_age` (None: never).
    """

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        *,
        work: Path,
        every: float = 15.0,
        files_every: float = HOUR,
        min_age: float = HOUR,
        upload_age: float = 24 * HOUR,
        audit_age: float | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._work = work
        self._every = every
        self._files_every = files_every
        self._min_age = min_age
        self._upload_age = upload_age
        self._audit_age = audit_age
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def sweep_requests(self) -> None:
        """End what waited too long, and let go the files of what was kept long enough."""
        swept = self._ledger.sweep()
        if swept.expired or swept.lost:
            log.info("requests swept", expired=swept.expired, lost=swept.lost)
        while overdue := self._ledger.overdue():
            for request in overdue:
                keys = [stored.key for stored in self._store.list(f"{request.id}/")]
                if request.image_key is not None and self._ledger.sole_image(request):
                    keys.append(request.image_key)
                for key in keys:
                    self._store.delete(key)
                self._ledger.expire(request.id)
                log.info("files expired", request=request.id, files=len(keys))

    def sweep_files(self) -> None:
        """Remove files and scratch folders that nobody needs."""
        removed = 0
        old = self._old_keys()
        while batch := list(islice(old, BATCH)):
            for key in self._ledger.garbage(batch):
                self._store.delete(key)
                removed += 1
        folders = [folder for folder in self._folders() if not self._in_use(folder)]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        if removed or folders:
            log.info("leftovers removed", files=removed, folders=len(folders))

    def sweep_audit(self) -> None:
        """Let the decisions of policies go that were kept long enough."""
        forgotten = 0
        while self._audit_age is not None and (gone := self._ledger.forget_decisions(self._audit_age)):
            forgotten += gone
        if forgotten:
            log.info("audit swept", decisions=forgotten)

    def _run(self) -> None:
        files_at = self._clock.monotonic()
        while not self._stopping.is_set():
            try:
                self.sweep_requests()
                if self._clock.monotonic() >= files_at:
                    self.sweep_files()
                    self.sweep_audit()
                    files_at = self._clock.monotonic() + self._files_every
            except (LedgerUnavailable, SetupError, OSError) as error:
                log.warning("sweep put off", error=str(error))
            self._stopping.wait(self._every)

    def _old_keys(self) -> Iterator[str]:
        now = self._clock.now()
        for stored in self._store.list():
            age = self._upload_age if stored.key.startswith(UPLOADS) else self._min_age
            if stored.modified <= now - age:
                yield stored.key

    def _folders(self) -> list[Path]:
        return [path for path in self._work.glob("*.*") if path.is_dir() and path.suffix[1:].isdecimal()]

    def _in_use(self, folder: Path) -> bool:
        """Whether the attempt for which the folder was made still runs."""
        try:
            request = self._ledger.get(folder.stem)
        except UnknownRequest:
            return False
        return request.status is Status.PROCESSING and request.fence == int(folder.suffix[1:])
