"""The store over obstore: a local folder now, any object store it speaks through the same few calls.

obstore writes to a temporary name and renames, so an aborted write leaves nothing; what it lacks on a local folder is
durability: it does not fsync. A result is published by the ledger right after `put`, so the file and its folder are
synced here first, else a power cut could leave a success without a video.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from rushes.core.errors import DiskFull, SetupError
from rushes.store.base import StoredObject

_KEY = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)
_PROBE = "probe"


class FolderStore:
    """Objects as files below `root`, which is made when missing."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(
                f"the file store {self.root} cannot be made: {error.strerror}",
                advice="Choose another data folder with --data, or mend its permissions.",
            ) from error
        self._objects = LocalStore(prefix=self.root)

    def put(self, key: str, data: bytes | Path) -> StoredObject:
        path = self._path(key)
        try:
            obstore.put(self._objects, key, data)
            _sync(path)
        except (BaseError, OSError) as error:
            if _is_full(error):
                raise DiskFull(f"no space left for {key} in {self.root}") from error
            raise SetupError(
                f"{key} cannot be written in {self.root}: {_reason(error)}",
                advice="Mend the permissions of the data folder.",
            ) from error
        return self.head(key)

    def get(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise KeyError(key) from None

    def read(self, key: str, start: int, length: int) -> bytes:
        try:
            with self._path(key).open("rb") as file:
                file.seek(start)
                return file.read(length)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise KeyError(key) from None

    def head(self, key: str) -> StoredObject:
        path = self._path(key)
        try:
            stat = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise KeyError(key) from None
        if not path.is_file():
            raise KeyError(key)
        return StoredObject(key, stat.st_size, stat.st_mtime)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """`prefix` ends at a slash: whole folders, as object stores have it."""
        for batch in obstore.list(self._objects, prefix=prefix or None):
            for meta in batch:
                yield StoredObject(meta["path"], meta["size"], meta["last_modified"].timestamp())

    def delete(self, key: str) -> None:
        path = self._path(key)
        path.unlink(missing_ok=True)
        for folder in path.parents:  # a request's folder goes with its last file
            if folder == self.root:
                break
            try:
                folder.rmdir()
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                    break
                raise

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    def check(self) -> None:
        self.put(_PROBE, b"ok")
        self.delete(_PROBE)

    def _path(self, key: str) -> Path:
        """Only plain words make a key, so that no key reaches outside the root or collides with a temporary."""
        if not _KEY.fullmatch(key):
            raise KeyError(key)
        return self.root / key


def _sync(path: Path) -> None:
    for target in (path, path.parent):
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_full(error: BaseException) -> bool:
    full = (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, OSError):
        return error.errno in full
    return any(f"os error {number}" in str(error) for number in full)


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    found = re.search(r"([^:\"]+) \(os error \d+\)", str(error))
    return found[1].strip() if found else str(error).splitlines()[0]
