"""Kernels are made ready one by one, those of a clip's own place first and beside other processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rushes.core.errors import Cancelled
from rushes.engines.animatic import cache, runtime, warm
from rushes.engines.animatic.runtime import Plane, kernel
from tests.engines.animatic.conftest import Recorder

ROOMS = Path(runtime.__file__).parent


class Fake:
    """A kernel that another process is at until somebody waits for it, if `busy`."""

    def __init__(self, name: str, done: list[str], busy: bool = False) -> None:
        self.name, self.busy, self.is_ready, self._done = name, busy, False, done
        self.length = ord(name)

    def is_kept(self) -> bool:
        return False

    def ready(self, wait: bool = True) -> bool:
        self.is_ready = wait or not self.busy
        if self.is_ready:
            self._done.append(self.name)
        return self.is_ready


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names of four kernels in the order in which they are made ready; another process is at `b`."""
    names: list[str] = []
    fakes = {name: Fake(name, names, busy=name == "b") for name in "abcd"}
    monkeypatch.setattr(runtime, "kernels", fakes)
    monkeypatch.setattr(runtime, "FOLDER", tmp_path)
    return names


def test_what_another_process_is_at_comes_last(done: list[str]) -> None:
    runtime.make_ready(lambda left: None)
    assert done == ["a", "c", "d", "b"]


def test_what_is_asked_for_comes_first(done: list[str]) -> None:
    asked = iter((["d", "gone"], ["d", "c"], [], []))
    runtime.make_ready(lambda left: None, lambda: next(asked))
    assert done == ["d", "c", "a", "b"]


def test_a_clip_that_waits_for_the_compiler_tells_so_and_what_it_wants(done: list[str]) -> None:
    control = Recorder()
    warm.warm_up(control)
    assert control.notes == [f"compiling {number} of 4" for number in (1, 2, 3, 4)]
    assert cache.wanted(runtime.FOLDER) == ["d", "c", "b", "a"]
    assert done == ["d", "c", "a", "b"]
    warm.warm_up(control)
    assert len(control.notes) == 4, "nothing was left to compile"


def test_loading_compiles_nothing(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fake, "is_kept", lambda self: self.name in "bc")
    warm.read()
    assert done == ["c"]


def test_waiting_for_the_compiler_can_be_cancelled(done: list[str]) -> None:
    control = Recorder()
    control.stop.set()
    with pytest.raises(Cancelled):
        warm.warm_up(control)
    assert done == []


def test_every_kernel_is_compiled_ahead_of_time() -> None:
    warm.all_rooms()
    written = sum(path.read_text().count("\n@kernel(") for path in ROOMS.rglob("*.py"))
    known = [made for made in runtime.kernels.values() if made.name.partition(".")[0] != "test_kernels"]
    assert 20 <= written <= len(known)


def test_a_place_makes_ready_only_what_draws_it() -> None:
    script = (
        "from rushes.core.shot import Shot\n"
        "import rushes.engines.animatic.film\n"
        "from rushes.engines.animatic.runtime import kernels\n"
        "from rushes.engines.animatic.scene.compose import compose\n"
        "from rushes.engines.animatic.world.layers import open_rooms\n"
        "always = {*kernels}\n"
        "open_rooms(compose(Shot(prompt='the open sea'), 160, 90)[0])\n"
        "print(sorted(always), sorted({*kernels} - always))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "['sky.draw_sky', 'splat.splat', 'tone.develop', 'tone.finish'] ['ocean.draw_water']"
    )


def test_a_kernel_takes_what_it_says_and_nothing_else() -> None:
    @kernel("f4[::1], f4")
    def _fill(out: Plane, value: float) -> None:
        for i in range(out.shape[0]):
            out[i] = value

    out = np.zeros(3, np.float32)
    _fill(out, 2)
    assert out.tolist() == [2, 2, 2]
    for wrong in (np.zeros(3), np.zeros((3, 3), np.float32), np.zeros(6, np.float32)[::2]):
        with pytest.raises(TypeError):
            _fill(wrong, 2)
    assert runtime.kernels.pop("test_warm.fill").is_ready
