from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import av
import pytest
from PIL import Image

from rushes.core.errors import BadOutput
from rushes.media.inspect import inspect
from rushes.media.provenance import (
    C2PA_BOX,
    XMP_BOX,
    boxes,
    file_sha256,
    is_signed,
    mark_image,
    mark_video,
    read_mark,
)
from tests.media.clips import FPS, HEIGHT, WIDTH, tone, write_clip

SOURCE = "trainedAlgorithmicMedia"


def kinds(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return [box.kind for box in boxes(file)]


def test_an_mp4_is_marked_by_one_box_at_its_end(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", audio=tone(1.0))
    before, layout = path.read_bytes(), kinds(path)
    assert read_mark(path) is None
    assert mark_video(path, source=SOURCE, title="kling-v2-6", tool="Rushes 0.1")
    assert read_mark(path) == {"source": SOURCE, "title": "kling-v2-6", "tool": "Rushes 0.1"}
    after = path.read_bytes()
    assert after.startswith(before)
    assert kinds(path) == [*layout, b"uuid"]
    assert after[len(before) :][8:24] == XMP_BOX
    assert b"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia" in after
    assert len(after) - len(before) < 700


def test_a_marked_mp4_still_plays(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", audio=tone(1.0))
    asked = {"width": WIDTH, "height": HEIGHT, "fps": FPS, "frames": FPS, "sound": True}
    before = inspect(path, **asked).measured
    mark_video(path, source=SOURCE)
    after = inspect(path, **asked).measured
    assert before.pop("size") < after.pop("size")
    assert before == after


def test_a_marked_file_is_not_marked_again(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    mark_video(path, source=SOURCE)
    once = path.read_bytes()
    assert not mark_video(path, source="algorithmicMedia")
    assert path.read_bytes() == once


def test_a_signed_file_is_left_alone(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    assert not is_signed(path)
    content = C2PA_BOX + bytes(40)
    signed = path.read_bytes() + struct.pack(">I4s", 8 + len(content), b"uuid") + content
    path.write_bytes(signed)
    assert is_signed(path)
    assert not mark_video(path, source=SOURCE)
    assert path.read_bytes() == signed


def test_markup_in_a_title_stays_text(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    title = """a <b> & "c" 'd' ]]> 雪"""
    mark_video(path, source=SOURCE, title=title)
    assert read_mark(path) == {"source": SOURCE, "title": title, "tool": "Rushes"}


def test_an_open_ended_last_box_is_closed_first(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    with path.open("rb") as file:
        last = list(boxes(file))[-1]
    assert last.kind == b"mdat"
    data[last.start : last.start + 4] = bytes(4)
    path.write_bytes(data)
    assert mark_video(path, source=SOURCE)
    assert kinds(path)[-2:] == [b"mdat", b"uuid"]
    assert read_mark(path) is not None
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == FPS


def test_large_box_sizes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(struct.pack(">I4sQ", 1, b"mdat", 20) + b"body" + struct.pack(">I4s", 8, b"free"))
    with path.open("rb") as file:
        assert [(box.start, box.size, box.kind, box.header) for box in boxes(file)] == [
            (0, 20, b"mdat", 16),
            (20, 8, b"free", 8),
        ]


@pytest.mark.parametrize(
    "content", [b"\0\0\0\x10free", b"\0\0\0\x04free", b"\0\0\0\x01free" + bytes(8), b"abc"]
)
def test_boxes_that_do_not_add_up_are_bad_output(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(BadOutput):
        mark_video(path, source=SOURCE)
    assert path.read_bytes() == content


def test_a_jpeg_is_marked_without_touching_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.effect_noise((64, 48), 50).convert("RGB").save(path, "JPEG")
    with Image.open(path) as image:
        pixels = image.tobytes()
    mark_image(path, source="algorithmicMedia", title="dawn", tool="Rushes")
    assert read_mark(path) == {"source": "algorithmicMedia", "title": "dawn", "tool": "Rushes"}
    assert path.read_bytes()[:4] == b"\xff\xd8\xff\xe0"  # JFIF stays first
    with Image.open(path) as image:
        assert image.tobytes() == pixels
        assert b"digitalsourcetype/algorithmicMedia" in image.info["xmp"]


def test_only_a_jpeg_is_marked_as_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (8, 8)).save(path, "PNG")
    with pytest.raises(BadOutput, match=r"a\.jpg is not a JPEG"):
        mark_image(path, source=SOURCE)


@pytest.mark.parametrize(
    "xmp", [b"<not xml", b"<a/>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"\xff\xfe\x00"]
)
def test_a_strangers_xmp_is_no_mark(tmp_path: Path, xmp: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(struct.pack(">I4s", 24 + len(xmp), b"uuid") + XMP_BOX + xmp)
    assert read_mark(path) is None


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"bytes" * 100_000)
    assert file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()
