"""Compiled kernels are kept as long as somebody uses them, and it is known when all are there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rushes.engines.animatic import AnimaticEngine, cache


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cache, "shelf", lambda: tmp_path)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    return tmp_path


def test_kernels_of_other_versions_go_when_nobody_has_used_them_for_long(shelf: Path) -> None:
    mine = cache.open_folder("cpu")
    used, unused, mark = (
        shelf / "0.0.9-cpu-aaaa",
        shelf / "0.0.8-cpu-bbbb",
        shelf / "0.0.8-here-bbbb.complete",
    )
    used.mkdir()
    (unused / "rooms").mkdir(parents=True)
    mark.touch()
    now = mine.stat().st_mtime
    os.utime(used, (now, now - cache.UNUSED + 60))
    os.utime(unused, (now, now - cache.UNUSED - 60))
    os.utime(mark, (now, now - cache.UNUSED - 60))
    assert cache.open_folder("cpu") == mine
    assert sorted(shelf.iterdir()) == sorted([mine, used])


def test_nothing_is_removed_where_the_user_chose_the_folder(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(shelf))
    (shelf / "theirs").touch()
    os.utime(shelf / "theirs", (0, 0))
    assert cache.open_folder("cpu").parent == shelf
    assert (shelf / "theirs").exists()


def test_a_folder_in_use_is_marked_so(shelf: Path) -> None:
    mine = cache.open_folder("cpu")
    os.utime(mine, (0, 0))
    cache.touch(mine)
    assert mine.stat().st_mtime > 0
    cache.touch(shelf / "gone")


def test_a_home_that_cannot_be_written_still_renders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(cache, "shelf", lambda: tmp_path / "file")
    assert cache.open_folder("cpu").is_dir()
    assert not cache.complete()


def test_what_is_complete_needs_no_preparation_until_its_folder_is_gone(shelf: Path) -> None:
    engine = AnimaticEngine({})
    assert engine.preparation() == ("-m", "rushes.engines.animatic.warm")
    folder = cache.open_folder("cpu")
    cache.mark_complete(folder)
    assert engine.preparation() == ()
    folder.rmdir()
    assert engine.preparation()


def test_another_cpu_or_an_edited_kernel_is_another_folder(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cache.open_folder("zen")
    assert cache.open_folder("skylake") != first
    monkeypatch.setattr(cache, "sources", lambda: "edited")
    assert cache.open_folder("zen") != first


def test_what_is_compiled_is_kept_and_what_fails_is_not(shelf: Path) -> None:
    with cache.turn(shelf, "a", wait=True) as ours:
        assert ours
        assert not cache.is_kept(shelf, "a")
    with pytest.raises(ZeroDivisionError), cache.turn(shelf, "b", wait=True):
        1 / 0  # noqa: B018
    assert cache.is_kept(shelf, "a")
    assert not cache.is_kept(shelf, "b")
    assert not cache.is_kept(shelf, "c")


def test_what_another_compiles_is_left_to_it(shelf: Path) -> None:
    with cache.turn(shelf, "a", wait=True), cache.turn(shelf, "a", wait=False) as ours:
        assert not ours
    with cache.turn(shelf, "a", wait=False) as ours:
        assert ours


def test_one_that_takes_too_long_is_not_waited_for(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PATIENCE", 0.05)
    with cache.turn(shelf, "a", wait=True), cache.turn(shelf, "a", wait=True) as ours:
        assert ours


def test_preparing_again_ends_without_loading_the_compiler(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from rushes.engines.animatic import cache, warm\n"
        "cache.mark_complete(cache.shelf())\n"
        "warm.main()\n"
        "print(sorted({'numba', 'llvmlite', 'cv2'} & set(sys.modules)))\n"
    )
    ear, mouth = os.pipe()  # held open: where it ends, the process does
    try:
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            stdin=ear,
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        os.close(mouth)
        os.close(ear)
    assert done.stdout.strip() == "[]"
