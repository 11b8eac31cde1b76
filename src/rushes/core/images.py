"""Input images before they are decoded: the two formats, how an upload names them, and how an image stands in a call."""

from __future__ import annotations

import re

from rushes.core.patterns import any_case

UPLOAD_TYPES = {"jpg": "jpg", "jpeg": "jpg", "png": "png"}
"""What clients call the formats, and the extension of the file."""
UPLOAD_TYPE = rf"(?:{any_case('image/')})?\.?({'|'.join(map(any_case, UPLOAD_TYPES))})"
URL = rf"{any_case('http')}[sS]?://"
DATA_URI = rf"{any_case('data:image/')}(?:{'|'.join(map(any_case, UPLOAD_TYPES))});{any_case('base64')},"

_FIRST_BYTES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}

_upload_type = re.compile(UPLOAD_TYPE)
_url = re.compile(URL)


def upload_extension(file_type: str) -> str | None:
    """`png`, `.PNG` and `image/png` are all one; None for what is no format of ours."""
    named = _upload_type.fullmatch(file_type)
    return None if named is None else UPLOAD_TYPES[named[1].lower()]


def is_url(image: str) -> bool:
    """Whether the text of an `image` parameter says where the image is, rather than being one."""
    return _url.match(image) is not None


def image_type(head: bytes) -> str | None:
    """The media type by a file's first bytes: names and headers may lie. None for what is no JPEG or PNG."""
    return next((kind for first, kind in _FIRST_BYTES.items() if head.startswith(first)), None)
