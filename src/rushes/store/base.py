"""The seam to wherever the bytes lie. Keys are slash-separated words; URLs are made when read, never stored.

{request id}/{fence}.mp4  .jpg  .preview.mp4     results
{request id}/{fence}.live{n}.jpg                 what is to be seen while it is made; the newest two
inputs/{request id}.{jpg|png}                    checked input images
uploads/{owner}/{upload id}                      what clients put by a signed upload URL
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec


class StoredObject(msgspec.Struct, frozen=True):
    """`modified` is in seconds since the epoch, `size` in bytes."""

    key: str
    size: int
    modified: float


class Store(Protocol):
    """Synchronous; async callers use a thread. A missing key raises `KeyError`."""

    def put(self, key: str, data: bytes | Path) -> StoredObject:
        """Write all of it or nothing, and have it on disk when this returns."""

    def get(self, key: str) -> bytes: ...

    def read(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`; fewer at the end."""

    def head(self, key: str) -> StoredObject: ...

    def list(self, prefix: str = "") -> Iterator[StoredObject]: ...

    def delete(self, key: str) -> None:
        """Missing keys are fine."""

    def local_path(self, key: str) -> Path | None:
        """The file itself where the store is a local folder, so that a server can send it without a copy."""

    def check(self) -> None:
        """Raise `SetupError` when the store cannot be written."""


CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
    ".png": "image/png",
}


def content_type(key: str) -> str:
    """By the key's extension; unknown ones are served as plain bytes, never guessed."""
    return CONTENT_TYPES.get(Path(key).suffix, "application/octet-stream")
