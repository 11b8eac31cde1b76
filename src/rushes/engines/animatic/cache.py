"""Where compiled kernels are kept between runs, who compiles which, and what may go.

The folder is the user's, one for each version, CPU, place and content of the rooms that hold kernels (numba checks only
the file of the outermost function, so an edited helper would otherwise go unnoticed). Each kernel has a file in it, which
is locked by the process that compiles it and says afterwards that it is kept. `NUMBA_CACHE_DIR`, where the user set it,
wins, and nothing is removed there. This file imports nothing heavy: servers and workers ask it too.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TextIO

from platformdirs import user_cache_path

from rushes import __version__

PATIENCE = 10.0
"""Seconds that a process waits for a kernel that another compiles, which may get next to nothing of a busy machine. No
kernel takes as long on a free one."""
UNUSED = 14 * 24 * 3600.0
"""Seconds after which the kernels of another version or CPU are removed, counted between the uses of two folders."""


@cache
def sources() -> str:
    """A digest of every file that can change a kernel, and of where they lie: those of rooms in which any is compiled."""
    here = Path(__file__).parent
    digest = hashlib.sha256(bytes(here))
    for room in sorted(path for path in here.iterdir() if path.is_dir()):
        texts = [path.read_bytes() for path in sorted(room.rglob("*.py"))]
        if any(b"@kernel(" in text or b"@inner" in text for text in texts):
            for text in texts:
                digest.update(text)
    digest.update((here / "runtime.py").read_bytes())
    return digest.hexdigest()[:12]


def shelf() -> Path:
    """The folder that holds the folders of all versions."""
    return Path(os.environ.get("NUMBA_CACHE_DIR") or user_cache_path("rushes") / "kernels")


def open_folder(cpu: str) -> Path:
    """The folder for kernels of this version on `cpu`, made and marked as used; those long unused are removed."""
    folder = shelf() / f"{__version__}-{cpu}-{sources()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        os.utime(folder)
    except OSError:
        # A read-only home still renders; it only compiles again in the next process.
        return Path(tempfile.mkdtemp(prefix="rushes-kernels-"))
    if not os.environ.get("NUMBA_CACHE_DIR"):
        prune(folder)
    return folder


def touch(folder: Path) -> None:
    """`folder` is in use: no other process shall remove it."""
    with suppress(OSError):
        os.utime(folder)


def prune(used: Path) -> None:
    """Remove the neighbours of `used` that were last used long before it."""
    now = used.stat().st_mtime
    for other in used.parent.iterdir():
        # Another process may prune as well; whoever comes second finds nothing.
        with suppress(FileNotFoundError):
            if other != used and other.stat().st_mtime < now - UNUSED:
                if other.is_dir():
                    shutil.rmtree(other, ignore_errors=True)
                else:
                    other.unlink()


@contextmanager
def turn(folder: Path, kernel: str, wait: bool) -> Iterator[bool]:
    """Inside, it is this process's turn to compile the kernel, or to read it: True. Another's: False. To `wait` is to wait
    for that one until `PATIENCE` is over, and then not to leave it to that one any longer."""
    with (folder / kernel).open("a") as file:
        if not _locked(file, PATIENCE if wait else 0) and not wait:
            yield False
            return
        yield True
        if not file.tell():
            file.write("kept")


def _locked(file: TextIO, seconds: float) -> bool:
    """Lock `file`; False where another process still holds it after so long."""
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.02)
        else:
            return True


def is_kept(folder: Path, kernel: str) -> bool:
    """Whether the kernel has been compiled."""
    try:
        return (folder / kernel).stat().st_size > 0
    except FileNotFoundError:
        return False


def want(folder: Path, names: Iterable[str]) -> None:
    """A picture waits for these kernels, in that order."""
    with suppress(OSError):
        (folder / "wanted").write_text("\n".join(names))


def wanted(folder: Path) -> list[str]:
    """The kernels that were last waited for."""
    try:
        return (folder / "wanted").read_text().splitlines()
    except FileNotFoundError:
        return []


def _mark() -> Path:
    """By machine, since its CPU is known only to the compiler, and homes are shared."""
    return shelf() / f"{__version__}-{platform.node()}-{sources()}.complete"


def complete() -> bool:
    """Whether every kernel has been compiled on this machine, and is still there."""
    try:
        return Path(_mark().read_text()).is_dir()
    except OSError:
        return False


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process of this user compiles ahead of time."""
    shelf().mkdir(parents=True, exist_ok=True)
    with (shelf() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def mark_complete(folder: Path) -> None:
    """Every kernel lies in `folder` now."""
    mark = _mark()
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(str(folder))
