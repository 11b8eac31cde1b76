"""A small house for worker tests: a ledger, a store and worker processes over one data folder.

`python tests/worker/house.py DATA CONFIG` runs a worker process; `House` is how a test sees it. Tests and processes
wait for files, for the bell or for the end of a process, each with a deadline that only a failure reaches.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

from rushes.core.card import EngineChoice
from rushes.core.request import Request, Status
from rushes.core.shot import Shot
from rushes.ledger.queue import Ledger
from rushes.ledger.rows import NewRequest
from rushes.store.base import StoredObject
from rushes.store.objects import FolderStore
from rushes.worker.handle import Patience
from rushes.worker.loop import Worker
from rushes.worker.process import run_worker
from rushes.worker.studios import Studios

T = TypeVar("T")
DEADLINE = 20.0
CARD = "colour-card"


def eventually(look: Callable[[], T | None], what: str) -> T:
    """The first true value of `look`."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.01)
    raise AssertionError(f"in {DEADLINE:g} s there was no {what}")


def open_ledger(data: Path, lease_seconds: float = 30.0) -> Ledger:
    return Ledger(
        f"sqlite:///{data / 'ledger.sqlite3'}", lease_seconds=lease_seconds, backoff=lambda failures: 0.05
    )


def make_worker(data: Path, ledger: Ledger, **config: Any) -> Worker:
    patience = Patience(stall=config.pop("stall", 20.0), grace=config.pop("grace", 0.5), quit=2.0)
    studios = Studios(data / "logs", memory=config.pop("memory", None), patience=patience)
    engines = config.pop("engines", {CARD: {}})
    return Worker(
        ledger,
        config.pop("store", None) or FolderStore(data / "files"),
        {
            card: EngineChoice("colour", {"signals": str(data / "signals"), **options})
            for card, options in engines.items()
        },
        studios,
        work=data / "work",
        name=config.pop("name", f"worker-{os.getpid()}"),
        **{"beat_seconds": 0.1, "drain_seconds": DEADLINE, **config},
    )


class House:
    """One data folder with its ledger, store and signals."""

    def __init__(self, data: Path, lease_seconds: float = 30.0) -> None:
        self.data = data
        self.signals = data / "signals"
        self.signals.mkdir(parents=True, exist_ok=True)
        self.lease_seconds = lease_seconds
        self.ledger = open_ledger(data, lease_seconds)
        self.ledger.migrate()
        self.store = FolderStore(data / "files")
        self._asked = 0

    def submit(self, mood: str = "", card: str = CARD, **more: Any) -> str:
        self._asked += 1
        shot = Shot(prompt=mood, has_image="image_key" in more, **more.pop("shot", {}))
        request_id = f"request-{self._asked}"
        self.ledger.submit(
            NewRequest(
                id=request_id,
                owner="ann",
                model=card,
                card=card,
                dialect="gmi",
                payload={},
                shot=shot,
                **more,
            )
        )
        return request_id

    def ended(self, request_id: str) -> Request:
        def look() -> Request | None:
            request = self.ledger.get(request_id)
            return request if request.status.terminal else None

        return eventually(look, f"end of {request_id}")

    def signal(self, name: str) -> None:
        (self.signals / name).touch()

    def told(self, name: str, times: int = 1) -> list[int]:
        """The process ids that made the mark `name`, once there are `times` of them."""

        def look() -> list[int] | None:
            path = self.signals / name
            found = [int(line) for line in path.read_text().split()] if path.exists() else []
            return found if len(found) >= times else None

        return eventually(look, f"mark '{name}'")

    def files(self, request_id: str) -> list[str]:
        return sorted(stored.key for stored in self.store.list(f"{request_id}/"))

    def assert_one_result(self, request_id: str) -> Request:
        """Success, with every file that the outcome names."""
        request = self.ended(request_id)
        assert request.status is Status.SUCCESS, request.error
        assert request.outcome is not None
        for key in (request.outcome.video, request.outcome.thumbnail, request.outcome.preview):
            assert key is not None
            assert key.startswith(f"{request_id}/{request.fence}.")
            assert self.store.head(key).size > 0
        finished = [a for a in self.ledger.attempts(request_id) if a.ended_by == "finish"]
        assert [a.fence for a in finished] == [request.fence]
        return request

    @contextmanager
    def worker(self, **config: Any) -> Iterator[subprocess.Popen[bytes]]:
        """A worker process; killed with its studios when the block is left."""
        with (self.data / "worker.log").open("ab") as output:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.worker.house",
                    str(self.data),
                    json.dumps(config | {"lease_seconds": self.lease_seconds}),
                ],
                stdout=output,
                stderr=output,
                stdin=subprocess.PIPE,
                cwd=Path(__file__).parents[2],
            )
        try:
            yield process
        except BaseException:
            print((self.data / "worker.log").read_text())
            raise
        finally:
            studios = children(process.pid)
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
            psutil.wait_procs(studios, timeout=DEADLINE)

    def close(self) -> None:
        self.ledger.close()


def children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


class HoldingStore(FolderStore):
    """Marks every put, and waits for the signal before the first file is written."""

    def put(self, key: str, data: bytes | Path) -> StoredObject:
        signals = self.root.parent / "signals"
        with (signals / "putting").open("a") as file:
            file.write(f"{os.getpid()}\n")
        eventually((signals / "put").exists, "signal to put")
        return super().put(key, data)


def main() -> int:
    data, config = Path(sys.argv[1]), json.loads(sys.argv[2])
    ledger = open_ledger(data, config.pop("lease_seconds"))
    if config.pop("hold_put", False):
        config["store"] = HoldingStore(data / "files")
    parent = 0 if config.pop("follow_parent", False) else None
    return run_worker(make_worker(data, ledger, **config), parent)


if __name__ == "__main__":
    sys.exit(main())
