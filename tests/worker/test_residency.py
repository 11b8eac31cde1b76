"""Who stays loaded is decided by what engines measured of themselves, as soon as they have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rushes.core.card import EngineChoice
from rushes.engines.base import Footprint
from rushes.worker.studios import Studios
from tests.worker.house import gone

A, B = (EngineChoice("colour", {"fps": fps, "memory": 70 * fps}) for fps in (1, 2))
FORESEEN = Footprint(memory=10, device="cuda:0")


@pytest.fixture
def studios(tmp_path: Path) -> Iterator[Studios]:
    made = Studios(tmp_path / "logs", memory={"cuda:0": 100})
    yield made
    made.close()


def test_a_loaded_studio_counts_with_what_it_measured(studios: Studios) -> None:
    first = studios.get(A, FORESEEN)
    assert first.measured is None
    second = studios.get(B, FORESEEN)
    assert not gone(first.pid), "10 and 10 of 100 fit"
    second.kill()
    first.load(lambda *_: None)
    assert first.measured == 70
    studios.get(EngineChoice("colour", {"fps": 3}), Footprint(memory=40, device="cuda:0"))
    assert gone(first.pid), "70 and 40 of 100 do not"
