from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
import pytest

from rushes.core.encoding import SAMPLE_RATE
from rushes.core.errors import BadOutput
from rushes.media.encode import Mp4Writer
from rushes.media.inspect import Inspection, inspect
from tests.media.clips import FPS, HEIGHT, WIDTH, flat, moving, tone, write_clip


def look(path: Path, **more: Any) -> Inspection:
    asked = {"width": WIDTH, "height": HEIGHT, "fps": FPS, "frames": FPS, "sound": False}
    return inspect(path, **(asked | more))


def write_raw(
    path: Path, codec: str = "libx264", *, times: list[int] | None = None, tagged: bool = False
) -> Path:
    """One second that our own encoder would not write."""
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index, picture in enumerate(moving(FPS)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts = index if times is None else times[index]
            frame.time_base = Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_good_clip_is_measured(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 5 * FPS, audio=tone(5.0))
    found = look(path, frames=5 * FPS, sound=True)
    assert found.warnings == []
    measured = found.measured
    expected = {
        "codec": "h264",
        "width": WIDTH,
        "height": HEIGHT,
        "fps": 24.0,
        "frames": 120,
        "seconds": 5.0,
        "size": path.stat().st_size,
        "keyframe_seconds": 2.0,
        "sound": True,
        "sound_seconds": 5.0,
    }
    assert {name: measured[name] for name in expected} == expected
    assert 0.35 < measured["sound_peak"] < 0.45
    assert 0 < measured["bits_per_pixel"] < 1
    assert measured["motion"] > 1
    assert measured["contrast"] > 10


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"width": 66}, "size is 64×48: it must be 66×48"),
        ({"height": 50}, "size is 64×48: it must be 64×50"),
        ({"fps": 25}, r"frame rate is 24.000 fps: it must be 25"),
        ({"frames": 25}, "there are 24 frames: there must be 25"),
        ({"frames": 23}, "there are more than 23 frames: there must be 23"),
        ({"sound": True}, "the sound track is missing: sound was asked for"),
    ],
)
def test_what_was_not_asked_for_is_refused(tmp_path: Path, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(BadOutput, match=says):
        look(write_clip(tmp_path / "a.mp4"), **asked)


def test_slack_lets_an_upstream_add_a_frame(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", FPS + 1)
    assert look(path, slack=1).measured["frames"] == FPS + 1
    with pytest.raises(BadOutput, match="more than 24 frames"):
        look(write_clip(tmp_path / "b.mp4", FPS + 2), frames=FPS - 1, slack=1)


def test_sound_that_was_not_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOutput, match="there is a sound track: no sound was asked for"):
        look(write_clip(tmp_path / "a.mp4", audio=tone(1.0)))


@pytest.mark.parametrize("seconds", [0.9, 1.1])
def test_sound_of_another_length_is_refused(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "a.mp4"
    with Mp4Writer(path, width=WIDTH, height=HEIGHT, fps=FPS, sound=True) as writer:
        for picture in moving(FPS):
            writer.add(av.VideoFrame.from_ndarray(picture, format="rgb24"))
        writer.add_sound(tone(seconds))
    with pytest.raises(
        BadOutput, match=rf"the sound lasts {seconds}.* it must last 1.000 s, to within 0.05 s"
    ):
        look(path, sound=True)


@pytest.mark.parametrize(("codec", "name"), [("mpeg4", "mpeg4"), ("libx265", "hevc")])
def test_another_codec_is_refused(tmp_path: Path, codec: str, name: str) -> None:
    with pytest.raises(BadOutput, match=f"codec is {name}: it must be h264"):
        look(write_raw(tmp_path / "a.mp4", codec))


def test_frames_at_the_wrong_time_are_refused(tmp_path: Path) -> None:
    times = [*range(10), *range(14, 28)]  # a hole of four frames; the average rate still comes near
    with pytest.raises(BadOutput, match="it must be"):
        look(write_raw(tmp_path / "a.mp4", times=times))


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100, b"\x00\x00\x00\x18ftypisom" + bytes(500)])
def test_a_file_that_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(BadOutput, match="cannot be decoded"):
        look(path)


def test_a_sound_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = container.add_stream("aac", rate=SAMPLE_RATE)
        frame = av.AudioFrame.from_ndarray(tone(1.0), format="fltp", layout="stereo")
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(BadOutput, match="there are 0 video tracks: there must be one"):
        look(path, sound=True)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    data = path.read_bytes()
    for part in (0.3, 0.6, 0.95):
        path.write_bytes(data[: int(len(data) * part)])
        with pytest.raises(BadOutput):
            look(path)


def test_damage_inside_the_picture_is_seen(tmp_path: Path) -> None:
    """One bit is enough, most of the time: the rest decodes to another picture as good as the first."""
    path = write_clip(tmp_path / "a.mp4", 5 * FPS)
    good = path.read_bytes()
    start = good.index(b"mdat") + 1000  # behind the note that the encoder leaves
    draw, refused = random.Random(1), 0
    for _ in range(20):
        data = bytearray(good)
        data[draw.randrange(start, len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        try:
            look(path, frames=5 * FPS)
        except BadOutput:
            refused += 1
    assert refused >= 12


def test_a_blank_clip_warns(tmp_path: Path) -> None:
    (warning,) = look(write_clip(tmp_path / "a.mp4", frames=flat((20, 20, 30), FPS))).warnings
    assert warning.startswith("the picture is blank")


def test_a_frozen_clip_warns(tmp_path: Path) -> None:
    still = next(moving(1))
    (warning,) = look(write_clip(tmp_path / "a.mp4", frames=iter([still] * FPS))).warnings
    assert warning.startswith("the picture is frozen")


def test_noise_warns(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (FPS, HEIGHT, WIDTH, 3), np.uint8)
    (warning,) = look(write_clip(tmp_path / "a.mp4", frames=iter(noise))).warnings
    assert warning.startswith("the picture looks like noise")


def test_silence_warns(tmp_path: Path) -> None:
    (warning,) = look(write_clip(tmp_path / "a.mp4", audio=tone(1.0, loudness=0.0)), sound=True).warnings
    assert warning.startswith("the sound is silent")


def test_untagged_colours_warn(tmp_path: Path) -> None:
    (warning,) = look(write_raw(tmp_path / "a.mp4")).warnings
    assert warning.startswith("the colours are not tagged")


class Witness:
    """A sink that keeps a protocol of its calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def see(self, index: int, frame: av.VideoFrame) -> None:
        self.calls.append((index, frame.width))

    def __enter__(self) -> Self:
        self.calls.append("enter")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.calls.append(kind)


def test_sinks_see_every_frame_once(tmp_path: Path) -> None:
    witness = Witness()
    look(write_clip(tmp_path / "a.mp4"), sinks=[witness])
    assert witness.calls == ["enter", *((index, WIDTH) for index in range(FPS)), None]


def test_sinks_learn_of_a_refusal(tmp_path: Path) -> None:
    witness = Witness()
    with pytest.raises(BadOutput):
        look(write_clip(tmp_path / "a.mp4"), frames=20, sinks=[witness])
    assert witness.calls[-1] is BadOutput
    assert len(witness.calls) == 1 + 20 + 1  # decoding stopped at the first frame too many
