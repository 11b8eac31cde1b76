from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rushes.ledger.queue import Ledger
from tests.contracts.ledger import CLOCK, OpenLedger, set_up_time


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.sqlite3'}"


@pytest.fixture
def open_ledger(url: str) -> Iterator[OpenLedger]:
    opened: list[Ledger] = []

    def open_one(**options: Any) -> Ledger:
        ledger = Ledger(url, **{"clock": CLOCK, **options})
        ledger.migrate()
        set_up_time(ledger)
        opened.append(ledger)
        return ledger

    yield open_one
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_ledger: OpenLedger) -> Ledger:
    return open_ledger()
