"""What the benchmarks count is what was used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from bench import resting
from bench.house import Process, spent

BUSY = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A process of ours that has used 0.2 s, told in hundredths, and lives to the end of the block."""
    command = [sys.executable, "-c", BUSY, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        yield process
        process.communicate("\n")


@pytest.fixture
def house() -> Process:
    """The tests' own process, taken for a house."""
    return Process(psutil.Process(), port=0)


def test_who_ends_while_it_is_measured_takes_nothing_away(house: Process) -> None:
    with started() as process:
        child = psutil.Process(process.pid)
        before = house.cpu_of_each()
        assert before[child] > 0.1
    after = house.cpu_of_each()
    assert child not in after
    assert 0 <= spent(before, after) < sum(after.values())
    assert spent({house.own: 1.0, child: 30.0}, {house.own: 1.5}) == 0.5


def test_who_begins_while_it_is_measured_counts(house: Process) -> None:
    before = house.cpu_of_each()
    with started():
        assert spent(before, house.cpu_of_each()) > 0.1


def test_nothing_is_at_rest_while_an_engine_is_prepared(
    house: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    with started(resting.WORKER) as worker:
        monkeypatch.setattr(house, "below", lambda: [psutil.Process(worker.pid)])
        assert resting.at_rest(house)
        with started() as preparation:
            pids = worker.pid, preparation.pid
            monkeypatch.setattr(house, "below", lambda: list(map(psutil.Process, pids)))
            assert not resting.at_rest(house)
