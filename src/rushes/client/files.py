"""A client's files: an image on its way out, a result on its way in."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rushes.core.errors import BadImage
from rushes.core.images import image_type


def data_uri(path: Path) -> str:
    """An image file as the text that an `image` parameter takes. Raises `BadImage` for what is no JPEG or PNG."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadImage(
            f"the image {path} cannot be read: {error.strerror}", advice="Check the path."
        ) from error
    media_type = image_type(data)
    if media_type is None:
        raise BadImage(f"{path} is neither JPEG nor PNG")
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under `path` only when all of it was written."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
