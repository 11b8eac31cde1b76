from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rushes.core.errors import EngineError
from rushes.ledger.bell import Bell, Waiter
from rushes.ledger.queue import Ledger
from tests.contracts.ledger import a_request, an_outcome, pass_time, take, take_intake

LONG = 30.0


@pytest.fixture
def bell(tmp_path: Path) -> Bell:
    return Bell(tmp_path / "bells")


@pytest.fixture
def waiter(bell: Bell) -> Iterator[Waiter]:
    with bell.waiter() as waiter:
        yield waiter


def test_a_ring_wakes_every_waiter_once(bell: Bell) -> None:
    with bell.waiter() as first, bell.waiter() as second:
        assert not first.wait(0)
        bell.ring()
        bell.ring()
        for waiter in (first, second):
            assert waiter.wait(LONG)
            assert not waiter.wait(0)


def test_a_ring_wakes_who_sleeps(bell: Bell, waiter: Waiter) -> None:
    with ThreadPoolExecutor(1) as pool:
        slept = pool.submit(waiter.wait, None)
        bell.ring()
        assert slept.result(LONG) is True


def test_a_waiter_can_be_woken_alone(bell: Bell, waiter: Waiter) -> None:
    with bell.waiter() as other:
        waiter.wake()
        assert waiter.wait(LONG)
        assert not other.wait(0)


def test_ringing_in_an_empty_house(bell: Bell) -> None:
    bell.ring()
    bell.folder.mkdir()
    bell.ring()
    assert list(bell.folder.iterdir()) == []


def test_a_full_fifo_never_blocks_the_ringer(bell: Bell, waiter: Waiter) -> None:
    writer = os.open(waiter.path, os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"!" * 4096)
    with pytest.raises(BlockingIOError):
        os.write(writer, b"!")
    os.close(writer)
    bell.ring()
    waiter.wake()
    assert waiter.wait(0)
    assert not waiter.wait(0)


def test_closing_removes_the_fifo(bell: Bell) -> None:
    bell.waiter().close()
    assert list(bell.folder.iterdir()) == []


def test_a_waiter_in_another_process(bell: Bell) -> None:
    script = (
        "import sys, pathlib; from rushes.ledger.bell import Waiter; w = Waiter(pathlib.Path(sys.argv[1]));"
        "print('ready', flush=True); print(w.wait(30), flush=True); w.close()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(bell.folder)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    bell.ring()
    assert child.communicate(timeout=LONG)[0] == "True\n"
    assert list(bell.folder.iterdir()) == []


def test_fifos_of_the_dead_are_removed(bell: Bell, waiter: Waiter) -> None:
    script = (
        "import os, signal, sys, pathlib; from rushes.ledger.bell import Waiter; f = pathlib.Path(sys.argv[1]);"
        "Waiter(f); os.mkfifo(f / f'.{os.getpid()}.unborn'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(bell.folder)], check=False)
    assert len(list(bell.folder.iterdir())) == 3
    bell.ring()
    assert waiter.wait(0)
    bell.waiter().close()
    assert list(bell.folder.iterdir()) == [waiter.path]


def test_a_stranger_in_the_folder_does_not_fail_the_ring(
    bell: Bell, waiter: Waiter, caplog: pytest.LogCaptureFixture
) -> None:
    (bell.folder / "a-folder").mkdir()
    bell.ring()
    assert waiter.wait(0)
    assert "cannot ring" in caplog.text


def test_every_verb_that_makes_work_rings(ledger: Ledger) -> None:
    with ledger.waiter() as waiter:

        def rang() -> bool:
            return waiter.wait(0)

        ledger.submit(a_request("r", image_url="https://example.com/cat.png"))
        assert rang()
        intake = take_intake(ledger)
        assert not rang()
        ledger.retry_intake(intake, EngineError("hiccup"))
        assert rang()
        pass_time(ledger, 60)
        ledger.finish_intake(take_intake(ledger), "inputs/r.png")
        assert rang()
        lease = take(ledger)
        assert not rang()
        ledger.release(lease)
        assert rang()
        ledger.fail(take(ledger), EngineError("hiccup"))
        assert rang()
        pass_time(ledger, 60)
        assert not rang()
        ledger.sweep()
        assert rang()
        lease = take(ledger)
        ledger.finish(lease, an_outcome(lease))
        assert rang()
        ledger.submit(a_request("s"))
        assert rang()
        ledger.cancel("s")
        assert rang()


def test_no_ring_is_lost_between_looking_and_waiting(ledger: Ledger) -> None:
    """The worker's loop: look, then wait. What is submitted in between has rung already."""
    done: list[str] = []
    count = 40

    def work() -> None:
        with ledger.waiter() as waiter:
            ready.set()
            while len(done) < count:
                lease = ledger.claim("w", ["kling-v2-6"]).lease
                if lease is None:
                    assert waiter.wait(LONG)
                    continue
                ledger.finish(lease, an_outcome(lease))
                done.append(lease.request_id)

    ready = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(work)
        assert ready.wait(LONG)
        for index in range(count):
            ledger.submit(a_request(f"r{index}"))
        worker.result(60)
    assert len(done) == count
