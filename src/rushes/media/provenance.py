"""Every file says that a machine made it: XMP with the IPTC digital source type, and a hash for the log.

In an MP4 the XMP is one `uuid` box appended behind everything else. Players skip it, and no offset in the index moves,
so a faststart file stays one. In a JPEG it is one APP1 segment. A file that is already signed (C2PA) is left alone:
a byte more would break the signature.
"""

from __future__ import annotations

import hashlib
import os
import struct
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from rushes.core.errors import BadOutput

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
XMP_BOX = uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
C2PA_BOX = uuid.UUID("d8fec3d6-1b0e-483c-9297-5828877ec481").bytes
XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
MAX_XMP = 60_000
"""A JPEG segment holds 65,533 bytes; nobody's mark needs more."""

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_DC = "http://purl.org/dc/elements/1.1/"
_SOI, _APP0, _APP1, _SOS = b"\xff\xd8", b"\xff\xe0", b"\xff\xe1", b"\xff\xda"


class Box(NamedTuple):
    """One box of an MP4: `start` and `size` in bytes from the start of the file, `kind` of four letters, `header` the
    bytes before its content, `user` the UUID of a `uuid` box. `open_ended` when its size says "to the end"."""

    start: int
    size: int
    kind: bytes
    header: int
    user: bytes
    open_ended: bool


def boxes(file: BinaryIO) -> Iterator[Box]:
    """The outermost boxes of an MP4. Raises `BadOutput` where the sizes do not add up."""
    end = file.seek(0, os.SEEK_END)
    at = 0
    while at < end:
        file.seek(at)
        head = file.read(32)
        if len(head) < 8:
            raise BadOutput(f"the MP4 ends inside a box header at byte {at}")
        size, kind = struct.unpack(">I4s", head[:8])
        header, open_ended = 8, size == 0
        if size == 1 and len(head) >= 16:
            (size,), header = struct.unpack(">Q", head[8:16]), 16
        elif open_ended:
            size = end - at
        user = head[header : header + 16] if kind == b"uuid" else b""
        header += len(user)
        if size < header or at + size > end:
            raise BadOutput(f"the MP4's box at byte {at} claims {size} bytes: {end - at} are left")
        yield Box(at, size, kind, header, user, open_ended)
        at += size


def packet(source: str, *, title: str = "", tool: str = "Rushes") -> bytes:
    """The XMP packet. `source` is a code of IPTC's digital source types, such as `trainedAlgorithmicMedia`."""
    heading = f"<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>{escape(title)}</rdf:li></rdf:Alt></dc:title>"
    return (
        "<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>"
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'>"
        f"<rdf:RDF xmlns:rdf='{_RDF}'>"
        f"<rdf:Description rdf:about='' xmlns:i='{_IPTC}' xmlns:xmp='{_XMP}' xmlns:dc='{_DC}'"
        f" i:DigitalSourceType={quoteattr(SOURCE_TYPES + source)} xmp:CreatorTool={quoteattr(tool)}>"
        f"{heading if title else ''}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='r'?>"
    ).encode()


def mark_video(path: Path, *, source: str, title: str = "", tool: str = "Rushes") -> bool:
    """Append the mark to the MP4 at `path`; False, and the file untouched, when it is signed or marked already."""
    with path.open("r+b") as file:
        found = list(boxes(file))
        if any(box.user in (XMP_BOX, C2PA_BOX) for box in found):
            return False
        if found and found[-1].open_ended:
            # What is appended would become part of a box that reaches to the end: write its size out first.
            if found[-1].size >= 2**32:
                raise BadOutput(
                    f"the MP4's last box is open-ended and has {found[-1].size} bytes: it cannot be marked"
                )
            file.seek(found[-1].start)
            file.write(struct.pack(">I", found[-1].size))
        content = XMP_BOX + packet(source, title=title, tool=tool)
        file.seek(0, os.SEEK_END)
        file.write(struct.pack(">I4s", 8 + len(content), b"uuid") + content)
    return True


def mark_image(path: Path, *, source: str, title: str = "", tool: str = "Rushes") -> None:
    """Insert the mark into the JPEG at `path`, in front of the picture data; pixels are not touched."""
    data = path.read_bytes()
    if not data.startswith(_SOI):
        raise BadOutput(f"{path.name} is not a JPEG: only JPEG thumbnails are marked")
    at = 2
    if data[2:4] == _APP0:  # JFIF wants to be first
        at += 2 + int.from_bytes(data[4:6], "big")
    content = XMP_SEGMENT + packet(source, title=title, tool=tool)
    segment = _APP1 + struct.pack(">H", 2 + len(content)) + content
    path.write_bytes(data[:at] + segment + data[at:])


def read_mark(path: Path) -> dict[str, str] | None:
    """`source`, `title` and `tool` of the mark of an MP4 or JPEG, or None without one."""
    with path.open("rb") as file:
        found = _jpeg_xmp(file) if file.read(2) == _SOI else _mp4_xmp(file)
    # XMP never needs a DTD; without one there are no entities to blow up.
    if found is None or b"<!" in found:
        return None
    try:
        description = ET.fromstring(found).find(f".//{{{_RDF}}}Description")
    except ET.ParseError:
        return None
    if description is None:
        return None
    title = description.find(f"{{{_DC}}}title//{{{_RDF}}}li")
    return {
        "source": description.get(f"{{{_IPTC}}}DigitalSourceType", "").removeprefix(SOURCE_TYPES),
        "title": (title.text or "") if title is not None else "",
        "tool": description.get(f"{{{_XMP}}}CreatorTool", ""),
    }


def is_signed(path: Path) -> bool:
    """True for an MP4 with C2PA content credentials."""
    with path.open("rb") as file:
        return any(box.user == C2PA_BOX for box in boxes(file))


def file_sha256(path: Path) -> str:
    """The hash of a file, in hexadecimal, for the outcome and the log."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mp4_xmp(file: BinaryIO) -> bytes | None:
    for box in boxes(file):
        if box.user == XMP_BOX and box.size <= MAX_XMP:
            file.seek(box.start + box.header)
            return file.read(box.size - box.header)
    return None


def _jpeg_xmp(file: BinaryIO) -> bytes | None:
    file.seek(2)
    while (head := file.read(4))[:1] == b"\xff" and head[:2] != _SOS and len(head) == 4:
        body = file.read(int.from_bytes(head[2:], "big") - 2)
        if head[:2] == _APP1 and body.startswith(XMP_SEGMENT):
            return body.removeprefix(XMP_SEGMENT)
    return None
