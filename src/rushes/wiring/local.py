"""A house in a temporary folder, with its worker beside it: one job in one go, and no server running."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rushes.settings import Settings
from rushes.wiring.house import House, open_house
from rushes.wiring.serve import make_intake
from rushes.wiring.work import make_worker


@contextmanager
def local_house(settings: Settings) -> Iterator[House]:
    """The house works as long as the block runs; what is not taken out of its store by then is gone."""
    with tempfile.TemporaryDirectory(prefix="rushes-") as folder:
        here = settings.model_copy(
            update={
                "data": Path(folder),
                "ledger": f"sqlite:///{folder}/ledger.sqlite3",
                "drain_seconds": 0.0,
            }
        )
        with open_house(here) as house:
            worker = make_worker(here, house.folder, house.ledger, house.store, house.catalogue)
            intake = make_intake(here, house, threads=1)
            loop = threading.Thread(target=worker.run, name="worker")
            intake.start()
            loop.start()
            try:
                yield house
            finally:
                worker.stop()
                loop.join()
                intake.stop()
