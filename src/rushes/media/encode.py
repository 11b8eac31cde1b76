"""Frames to an MP4 that every browser plays: H.264 yuv420p in BT.709, a keyframe every two seconds, the index in front.

The caller's thread draws and converts the frames; a helper thread encodes them, at most four behind, so that drawing
and encoding overlap and memory stays bounded. Whoever fails first, the drawing, the encoder or a cancel, stops both
at once and leaves no file. The bytes are reproducible: the number of threads is fixed and no date is written.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import ThreadType
from av.video.reformatter import VideoReformatter

from rushes.core.encoding import SAMPLE_RATE, Encoding
from rushes.core.errors import BadOutput
from rushes.media import frames as convert

AUDIO_BIT_RATE = 128_000
KEYFRAME_SECONDS = 2
FRAMES_WAITING = 4
ENCODING = Encoding()
SOUND_TOLERANCE = 0.05
"""Seconds by which a sound track may miss the picture's length."""

Item = TypeVar("Item")


class Mp4Writer:
    """One MP4 being written. Left by an exception, it removes the unfinished file.

    `width` and `height` are even pixels, `fps` frames a second; `sound` adds an AAC stereo track at 48 kHz.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        fps: int,
        sound: bool = False,
        encoding: Encoding = ENCODING,
    ) -> None:
        if width % 2 or height % 2 or width < 2 or height < 2:
            raise BadOutput(f"the clip is {width}×{height}: both sides must be even")
        self.path = path
        self._rate = Fraction(fps)
        self._frames = 0
        self._samples = 0
        self._converter = VideoReformatter()
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        video = self._container.add_stream("libx264", rate=self._rate)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        # Left to itself, x264 also sets keyframes where it suspects a cut, and then counts anew.
        video.options = {"preset": encoding.preset, "crf": f"{encoding.crf:g}", "sc_threshold": "0"}
        context = video.codec_context
        context.gop_size = round(KEYFRAME_SECONDS * fps)
        context.thread_count = encoding.threads
        context.thread_type = ThreadType.FRAME  # PyAV's default, slices, costs both speed and quality
        convert.tag(context)
        self._video = video
        self._audio: av.AudioStream | None = None
        if sound:
            audio = self._container.add_stream("aac", rate=SAMPLE_RATE)
            audio.codec_context.layout = "stereo"
            audio.codec_context.bit_rate = AUDIO_BIT_RATE
            self._audio = audio

    def add(self, frame: av.VideoFrame) -> None:
        """Convert and append one RGB or yuv420p frame of the clip's size."""
        frame = convert.to_video(frame, self._converter)
        frame.pts, frame.time_base = self._frames, 1 / self._rate
        self._frames += 1
        self._container.mux(self._video.encode(frame))

    def add_sound(self, samples: npt.NDArray[np.float32]) -> None:
        """Append (2, n) samples. Give them along with the frames, so that the tracks interleave."""
        if self._audio is None:
            raise BadOutput("sound was given for a clip without a sound track")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = self._samples, Fraction(1, SAMPLE_RATE)
        self._samples += samples.shape[1]
        self._container.mux(self._audio.encode(frame))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._discard()
            return
        try:
            for stream in (self._video, self._audio):
                if stream is not None:
                    self._container.mux(stream.encode(None))
            self._container.close()
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        # The trailer of a broken file may fail to be written; the file goes either way.
        with suppress(av.FFmpegError, OSError, ValueError):
            self._container.close()
        self.path.unlink(missing_ok=True)


class Conveyor(Generic[Item]):
    """Runs `work(item)` in a thread of its own for every item given, in order, at most `depth` waiting.

    `give` raises the error of an earlier item as soon as there is one. Left normally, it finishes what waits and
    raises what failed; left by an exception, it drops what waits. The thread has ended when the block is left.
    """

    def __init__(self, work: Callable[[Item], None], depth: int) -> None:
        self._work = work
        self._depth = depth
        self._waiting: deque[Item] = deque()
        self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="rushes-encode", daemon=True)

    def give(self, item: Item) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or len(self._waiting) < self._depth)
            if self._error is not None:
                raise self._error
            self._waiting.append(item)
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            if error is not None:
                self._waiting.clear()
            self._changed.notify_all()
        self._thread.join()
        if error is None and self._error is not None:
            raise self._error

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                if not self._waiting:
                    return
                item = self._waiting.popleft()
                self._changed.notify_all()
            try:
                self._work(item)
            except BaseException as error:  # noqa: BLE001  it is raised in the giver's thread
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return


def write_video(
    frames: Iterable[npt.NDArray[np.uint8]],
    path: Path,
    *,
    width: int,
    height: int,
    fps: int,
    count: int,
    audio: npt.NDArray[np.float32] | None = None,
    on_frame: Callable[[int], None] | None = None,
    encoding: Encoding = ENCODING,
) -> None:
    """Encode exactly `count` frames, and `audio` when given, into the MP4 at `path`.

    `frames` are uint8 (height, width, 3) RGB, or (height * 3 / 2, width) yuv420p already in BT.709 limited range;
    they are drawn, and `on_frame(number of frames drawn)` is called, in the caller's thread. `audio` is (2, n)
    float32 at 48 kHz, as long as the picture to within 50 ms. Raises `BadOutput` for frames or sound that are not
    so, and whatever `frames` or `on_frame` raise; then no file is left.
    """
    sound = None if audio is None else _fitted(audio, count, fps)
    converter = VideoReformatter()
    drawn = 0

    def encode(item: tuple[av.VideoFrame, npt.NDArray[np.float32] | None]) -> None:
        frame, samples = item
        if samples is not None:
            writer.add_sound(samples)
        writer.add(frame)

    with (
        Mp4Writer(
            path,
            width=width,
            height=height,
            fps=fps,
            sound=sound is not None,
            encoding=encoding,
        ) as writer,
        Conveyor(encode, FRAMES_WAITING) as conveyor,
    ):
        for picture in frames:
            if drawn == count:
                raise BadOutput(f"the engine gave more than {count} frames: it must give exactly {count}")
            frame = convert.from_picture(picture, converter, index=drawn, width=width, height=height)
            span = slice(drawn * SAMPLE_RATE // fps, (drawn + 1) * SAMPLE_RATE // fps)
            conveyor.give((frame, None if sound is None else sound[:, span]))
            drawn += 1
            if on_frame is not None:
                on_frame(drawn)
        if drawn != count:
            raise BadOutput(f"the engine gave {drawn} frames: it must give exactly {count}")


def _fitted(audio: npt.NDArray[np.float32], count: int, fps: int) -> npt.NDArray[np.float32]:
    """The samples in -1…1 and exactly as long as the picture; a difference of up to 50 ms is cut or filled."""
    if audio.ndim != 2 or audio.shape[0] != 2:
        raise BadOutput(f"the sound has shape {audio.shape}: it must be (2, samples)")
    if not np.isfinite(audio).all():
        bad = int(audio.size - np.isfinite(audio).sum())
        raise BadOutput(f"the sound holds {bad} values that are not finite: the engine's output is broken")
    wanted = count * SAMPLE_RATE // fps
    missing = wanted - audio.shape[1]
    if abs(missing) > SOUND_TOLERANCE * SAMPLE_RATE:
        raise BadOutput(
            f"the sound has {audio.shape[1]} samples ({audio.shape[1] / SAMPLE_RATE:.3f} s):"
            f" it must have {wanted} ({wanted / SAMPLE_RATE:.3f} s), to within {SOUND_TOLERANCE:.2f} s"
        )
    fitted = np.pad(audio[:, :wanted], ((0, 0), (0, max(0, missing))))
    return np.clip(fitted, -1.0, 1.0).astype(np.float32, copy=False)
