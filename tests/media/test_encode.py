from __future__ import annotations

import errno
import resource
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from rushes.core.encoding import SAMPLE_RATE, Encoding
from rushes.core.errors import BadOutput, Cancelled
from rushes.media.encode import Conveyor, Mp4Writer, write_video
from rushes.media.frames import from_picture
from rushes.media.provenance import boxes
from tests.media.clips import FPS, HEIGHT, WIDTH, flat, moving, tone, write_clip

COLOURS = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
    (128, 128, 128),
    (200, 120, 40),
    (30, 160, 210),
]


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def by_the_standard(frame: av.VideoFrame) -> np.ndarray[Any, Any]:
    """The middle pixel as RGB, computed from the planes by BT.709's own formula."""
    luma, *chroma = (np.frombuffer(memoryview(p), np.uint8).reshape(-1, p.line_size) for p in frame.planes)
    y = (float(luma[HEIGHT // 2, WIDTH // 2]) - 16) / 219
    cb, cr = ((float(plane[HEIGHT // 4, WIDTH // 4]) - 128) / 224 for plane in chroma)
    rgb = [y + 1.5748 * cr, y - 0.1873 * cb - 0.4681 * cr, y + 1.8556 * cb]
    return np.clip(np.round(np.array(rgb) * 255), 0, 255)


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_are_true_by_bt709(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    path = write_clip(tmp_path / "a.mp4", 2, frames=flat(colour, 2))
    for frame in decoded(path):
        assert np.abs(by_the_standard(frame) - colour).max() <= 2


def test_detail_does_not_shift_the_colours() -> None:
    """BT.709 is linear: the planes' means are those of the picture's mean colour."""
    width, height = 640, 360
    picture = np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8)
    picture[..., 2] //= 3
    backwards = picture[::-1, ::-1]  # not contiguous, as engines may give it
    red, green, blue = picture.reshape(-1, 3).mean(axis=0) / 255
    bright = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    due = [16 + 219 * bright, 128 + 224 * (blue - bright) / 1.8556, 128 + 224 * (red - bright) / 1.5748]
    for shown in (picture, backwards):
        frame = from_picture(shown, VideoReformatter(), index=0, width=width, height=height)
        planes = [np.frombuffer(memoryview(plane), np.uint8).mean() for plane in frame.planes]
        assert planes == pytest.approx(due, abs=0.3)


def test_yuv_frames_pass_through_unconverted(tmp_path: Path) -> None:
    yuv = np.concatenate(
        [np.full(HEIGHT * WIDTH, 63), np.full(HEIGHT * WIDTH // 4, 102), np.full(HEIGHT * WIDTH // 4, 240)]
    )
    frames = [yuv.astype(np.uint8).reshape(HEIGHT * 3 // 2, WIDTH)] * 2
    (frame, _) = decoded(write_clip(tmp_path / "a.mp4", 2, frames=frames))
    assert np.abs(by_the_standard(frame) - (255, 0, 0)).max() <= 3


def test_stream_and_frames_are_tagged(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 2)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        assert tags == (1, 1, 1, 1)
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    assert b"colrnclx" in path.read_bytes()  # the container says so too: some players look only there


@pytest.mark.parametrize(("fps", "count"), [(24, 120), (30, 45), (25, 51), (8, 3), (24, 1)])
def test_counts_and_durations_are_exact(tmp_path: Path, fps: int, count: int) -> None:
    path = tmp_path / "a.mp4"
    write_video(
        moving(count), path, width=WIDTH, height=HEIGHT, fps=fps, count=count, audio=tone(count / fps)
    )
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert video.duration * video.time_base == Fraction(count, fps)
        assert video.average_rate == fps
        assert abs(float(audio.duration * audio.time_base) - count / fps) < 0.001
        assert (audio.codec_context.name, audio.codec_context.sample_rate) == ("aac", SAMPLE_RATE)
        assert audio.codec_context.layout.name == "stereo"
        times = [frame.pts * frame.time_base for frame in container.decode(video)]
    assert times == [Fraction(index, fps) for index in range(count)]


def test_a_clip_without_sound_has_no_sound_track(tmp_path: Path) -> None:
    with av.open(str(write_clip(tmp_path / "a.mp4", 2))) as container:
        assert not container.streams.audio


def test_sound_comes_out_as_it_went_in(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", audio=tone(1.0, loudness=0.5))
    with av.open(str(path)) as container:
        heard = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    middle = heard[0, SAMPLE_RATE // 4 : SAMPLE_RATE * 3 // 4]
    assert abs(float(np.abs(middle).max()) - 0.5) < 0.03
    loudest = np.abs(np.fft.rfft(middle)).argmax() * SAMPLE_RATE / middle.size
    assert abs(loudest - 440) < 3


def test_sound_up_to_50_ms_off_is_fitted(tmp_path: Path) -> None:
    for name, seconds in (("short", 0.96), ("long", 1.04)):
        path = write_clip(tmp_path / f"{name}.mp4", audio=tone(seconds))
        with av.open(str(path)) as container:
            audio = container.streams.audio[0]
            assert abs(float(audio.duration * audio.time_base) - 1.0) < 0.001


def test_keyframes_stand_every_two_seconds(tmp_path: Path) -> None:
    frames = decoded(write_clip(tmp_path / "a.mp4", 5 * FPS))
    assert [i for i, frame in enumerate(frames) if frame.key_frame] == [0, 2 * FPS, 4 * FPS]


def test_the_index_stands_in_front(tmp_path: Path) -> None:
    with write_clip(tmp_path / "a.mp4", audio=tone(1.0)).open("rb") as file:
        kinds = [box.kind for box in boxes(file)]
    assert kinds.index(b"moov") < kinds.index(b"mdat")


def test_the_bytes_are_reproducible(tmp_path: Path) -> None:
    one, two = (
        write_clip(tmp_path / name, 2 * FPS, audio=tone(2.0)).read_bytes() for name in ("a.mp4", "b.mp4")
    )
    assert one == two


def test_a_reused_buffer_is_copied_in_time(tmp_path: Path) -> None:
    buffer = np.empty((HEIGHT, WIDTH, 3), np.uint8)

    def frames() -> Iterator[Any]:
        for level in range(0, 240, 20):
            buffer[:] = level
            yield buffer

    seen = decoded(write_clip(tmp_path / "a.mp4", 12, frames=frames()))
    assert np.abs([by_the_standard(frame)[0] - 20 * i for i, frame in enumerate(seen)]).max() <= 3


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        (lambda: moving(23), "the engine gave 23 frames: it must give exactly 24"),
        (lambda: moving(25), "the engine gave more than 24 frames: it must give exactly 24"),
        (
            lambda: [np.zeros((HEIGHT, WIDTH), np.uint8)],
            r"frame 0 is uint8 \(48, 64\): it must be uint8 \(48, 64, 3\)",
        ),
        (lambda: [np.zeros((HEIGHT, WIDTH, 4), np.uint8)], r"frame 0 is uint8 \(48, 64, 4\)"),
        (lambda: [np.zeros((HEIGHT, WIDTH, 3), np.float32)], "frame 0 is float32"),
        (
            lambda: [np.full((HEIGHT, WIDTH, 3), np.nan, np.float32)],
            "frame 0 holds 9216 values that are not finite",
        ),
    ],
)
def test_wrong_frames_are_bad_output(tmp_path: Path, frames: Any, says: str) -> None:
    with pytest.raises(BadOutput, match=says):
        write_clip(tmp_path / "a.mp4", 24, frames=frames())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("audio", "says"),
    [
        (tone(0.9), r"43200 samples \(0.900 s\): it must have 48000"),
        (tone(1.0)[:1], r"shape \(1, 48000\): it must be \(2, samples\)"),
        (np.full((2, 48000), np.inf, np.float32), "96000 values that are not finite"),
    ],
)
def test_wrong_sound_is_bad_output(tmp_path: Path, audio: Any, says: str) -> None:
    with pytest.raises(BadOutput, match=says):
        write_clip(tmp_path / "a.mp4", 24, audio=audio)
    assert list(tmp_path.iterdir()) == []


def test_odd_sides_are_bad_output(tmp_path: Path) -> None:
    with pytest.raises(BadOutput, match="65×48: both sides must be even"):
        write_clip(tmp_path / "a.mp4", 2, width=65)


def test_a_cancel_unwinds_and_leaves_no_file(tmp_path: Path) -> None:
    drawn: list[int] = []

    def on_frame(count: int) -> None:
        drawn.append(count)
        if count == 5:
            raise Cancelled

    before = threading.active_count()
    with pytest.raises(Cancelled):
        write_clip(tmp_path / "a.mp4", 1000, on_frame=on_frame)
    assert drawn == [1, 2, 3, 4, 5]
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == before


def test_an_error_of_the_drawing_unwinds(tmp_path: Path) -> None:
    def frames() -> Iterator[Any]:
        yield from moving(10)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_clip(tmp_path / "a.mp4", frames=frames())
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_encoder_stops_the_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    added: list[av.VideoFrame] = []
    add = Mp4Writer.add

    def fails_at_third(self: Mp4Writer, frame: av.VideoFrame) -> None:
        if len(added) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        added.append(frame)
        add(self, frame)

    monkeypatch.setattr(Mp4Writer, "add", fails_at_third)
    with pytest.raises(OSError, match="No space left"):
        write_clip(tmp_path / "a.mp4", 1000, on_frame=drawn.append)
    assert len(drawn) <= 3 + 1 + 4  # done, at work, waiting
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_grow_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (48, HEIGHT, WIDTH, 3), np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_clip(tmp_path / "a.mp4", 48, frames=iter(noise))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_the_conveyor_keeps_order_and_bounds_what_waits() -> None:
    done: list[int] = []
    may_work = threading.Event()

    def work(item: int) -> None:
        may_work.wait()
        done.append(item)

    with Conveyor(work, depth=2) as conveyor:
        conveyor.give(0)
        conveyor.give(1)
        conveyor.give(2)  # one at work, two waiting
        giver = threading.Thread(target=conveyor.give, args=(3,))
        giver.start()
        giver.join(0.05)
        assert giver.is_alive()
        may_work.set()
        giver.join()
    assert done == [0, 1, 2, 3]


def test_the_conveyor_drops_what_waits_when_it_is_left_by_an_error() -> None:
    done: list[int] = []
    begun, may_work = threading.Event(), threading.Event()

    def work(item: int) -> None:
        begun.set()
        may_work.wait()
        done.append(item)

    def leave() -> None:
        with Conveyor(work, depth=4) as conveyor:
            for item in range(4):
                conveyor.give(item)
            begun.wait()
            threading.Timer(0.05, may_work.set).start()
            raise Cancelled

    with pytest.raises(Cancelled):
        leave()
    assert done == [0]


def test_the_conveyor_raises_what_fails_last() -> None:
    with pytest.raises(ZeroDivisionError), Conveyor(lambda item: 1 // item, depth=4) as conveyor:
        conveyor.give(0)


def test_the_encoding_that_was_asked_for_is_used(tmp_path: Path) -> None:
    asked = Encoding(preset="superfast", crf=33.5, threads=3)
    told = write_clip(tmp_path / "a.mp4", encoding=asked).read_bytes()
    for words in (
        b"crf=33.5",
        b" threads=3 ",
        b" me=dia ",
        b" subme=1 ",
    ):  # x264 writes what it did into the file
        assert words in told
    assert b" threads=2 " in write_clip(tmp_path / "b.mp4").read_bytes()
