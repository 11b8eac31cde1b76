from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import obstore
import pytest

from rushes.core.errors import DiskFull, SetupError
from rushes.store import objects
from rushes.store.base import content_type
from rushes.store.objects import FolderStore
from tests.contracts.store import StoreContract


class TestFolderStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderStore:
        return FolderStore(tmp_path / "files")


def test_the_local_path_is_the_file(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a/1.mp4", b"abc")
    path = store.local_path("a/1.mp4")
    assert path is not None
    assert path.read_bytes() == b"abc"


def test_an_emptied_folder_goes(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a/1.mp4", b"abc")
    store.delete("a/1.mp4")
    assert list(tmp_path.iterdir()) == []


def test_files_are_synced_before_put_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: dict[int, str] = {}
    synced: list[str] = []
    real_open, real_sync = os.open, os.fsync

    def spy_open(path: Path, flags: int) -> int:
        descriptor = real_open(path, flags)
        opened[descriptor] = str(path)
        return descriptor

    def spy_sync(descriptor: int) -> None:
        synced.append(opened[descriptor])
        real_sync(descriptor)

    monkeypatch.setattr(objects.os, "open", spy_open)
    monkeypatch.setattr(objects.os, "fsync", spy_sync)
    FolderStore(tmp_path).put("a/1.mp4", b"abc")
    assert synced == [str(tmp_path / "a/1.mp4"), str(tmp_path / "a")]


def test_a_root_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be made"):
        FolderStore(tmp_path / "file" / "files")


def test_an_unwritable_root_says_so(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "files")
    (tmp_path / "files").rmdir()
    (tmp_path / "files").write_text("now a file")
    with pytest.raises(SetupError, match=r"a/1\.mp4 cannot be written"):
        store.put("a/1.mp4", b"abc")


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    # A file-size limit makes the kernel refuse the write in the middle, as a full volume does.
    program = f"""
import resource, signal
from pathlib import Path
from rushes.store.objects import FolderStore
from rushes.core.errors import DiskFull, SetupError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = FolderStore(Path({str(tmp_path)!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    store.put("a/1.mp4", bytes(100_000))
except SetupError as error:
    print(error)
print(sorted(o.key for o in store.list()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_space_is_its_own_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(obstore, "put", full)
    with pytest.raises(DiskFull, match="no space left for a/1"):
        FolderStore(tmp_path).put("a/1.mp4", b"abc")


def test_content_types() -> None:
    assert content_type("a/1.preview.mp4") == "video/mp4"
    assert content_type("a/1.jpg") == "image/jpeg"
    assert content_type("uploads/x/y") == "application/octet-stream"
