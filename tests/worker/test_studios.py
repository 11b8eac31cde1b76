"""Which studio stays when room is short."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rushes.core.card import EngineChoice
from rushes.core.errors import SetupError
from rushes.engines.base import Footprint
from rushes.worker.handle import Patience, StudioHandle
from rushes.worker.studios import Studios
from tests.worker.house import gone, kill

A, B, C = (EngineChoice("colour", {"fps": fps}) for fps in (1, 2, 3))


class Pool:
    def __init__(self, logs: Path, **config: object) -> None:
        self.studios = Studios(logs, patience=Patience(quit=5.0), **config)  # type: ignore[arg-type]

    def get(
        self, choice: EngineChoice, memory: int = 40, device: str = "cuda:0", exclusive: bool = False
    ) -> int:
        return self.studios.get(choice, Footprint(memory=memory, device=device, exclusive=exclusive)).pid


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[list[Pool]]:
    made: list[Pool] = []
    yield made
    for pool in made:
        pool.studios.close()


def make(pools: list[Pool], tmp_path: Path, **config: object) -> Pool:
    pools.append(Pool(tmp_path / "logs", **config))
    return pools[-1]


def test_equal_choices_share_a_studio(pools: list[Pool], tmp_path: Path) -> None:
    pool = make(pools, tmp_path)
    first = pool.get(EngineChoice("colour", {"fps": 1, "lazy": True}))
    assert pool.get(EngineChoice("colour", {"lazy": True, "fps": 1})) == first


def test_without_a_known_memory_one_studio_holds_the_device(pools: list[Pool], tmp_path: Path) -> None:
    pool = make(pools, tmp_path)
    first = pool.get(A)
    pool.get(B)
    assert gone(first)
    other_device = pool.get(C, device="cuda:1")
    assert len(pool.studios) == 2
    assert not gone(other_device)


def test_the_least_recently_used_makes_room(pools: list[Pool], tmp_path: Path) -> None:
    pool = make(pools, tmp_path, memory={"cuda:0": 100})
    a, b = pool.get(A), pool.get(B)
    assert pool.get(A) == a
    pool.get(C)
    assert gone(b)
    assert not gone(a)


def test_a_studio_on_several_devices_takes_room_on_each(pools: list[Pool], tmp_path: Path) -> None:
    pool = make(pools, tmp_path, memory={"cuda:0": 100, "cuda:1": 100})
    both = pool.studios.get(A, Footprint(memory=60, device="cuda:0", others=("cuda:1",))).pid
    beside = pool.get(B, device="cuda:1")
    assert not gone(both)
    pool.get(C, memory=50, device="cuda:1")
    assert gone(both), "the least recently used of the device"
    assert not gone(beside)


def test_an_exclusive_engine_is_alone_on_its_device(pools: list[Pool], tmp_path: Path) -> None:
    pool = make(pools, tmp_path, memory={"cuda:0": 1000})
    a = pool.get(A)
    b = pool.get(B, exclusive=True)
    assert gone(a)
    pool.get(C)
    assert gone(b)


def test_what_is_to_be_kept_is_not_evicted(pools: list[Pool], tmp_path: Path) -> None:
    pool = make(pools, tmp_path, memory={"cuda:0": 100}, keep=frozenset({A.identity}))
    a, b = pool.get(A), pool.get(B)
    pool.get(C)
    assert gone(b)
    assert not gone(a)


def test_a_dead_studio_is_replaced(pools: list[Pool], tmp_path: Path) -> None:
    pool = make(pools, tmp_path)
    first = pool.get(A)
    kill(first)
    while (second := pool.get(A)) == first:  # until the kernel has closed the line
        continue
    assert gone(first)
    assert not gone(second)
    assert len(pool.studios) == 1


def test_a_studio_that_cannot_be_started_is_the_operators_trouble(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(SetupError, match="a studio for engine 'colour' cannot be started"):
        StudioHandle(A, tmp_path / "logs")


def test_the_operators_settings_stay_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    monkeypatch.setenv("RUSHES_API_KEY", "very secret")
    studio = StudioHandle(A, tmp_path / "logs")
    try:
        studio.load(lambda *_: None)
        environment = psutil.Process(studio.pid).environ()
        assert "PYTHONPATH" in environment
        assert "RUSHES_API_KEY" not in environment
    finally:
        studio.bury()
