"""Nothing is called a success before it has been decoded from end to end.

One pass over the file answers three questions: is it what was asked for (if not, the attempt fails), does it look
like something (a blank, frozen, noisy or silent clip only earns a warning: a night sky is a good result), and what
would its thumbnail and preview be. The last are sinks that see every decoded frame, so nothing is decoded twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import ThreadType
from av.container import InputContainer

from rushes.core.errors import BadOutput
from rushes.media.encode import SOUND_TOLERANCE
from rushes.media.frames import BT709, LIMITED, luma

BLANK_CONTRAST = 2.0
"""Levels of standard deviation that no frame of a blank clip exceeds."""
FROZEN_MOTION = 0.02
"""Mean levels of change from frame to frame below which a clip stands still: what x264 changes by itself when it
refines a picture stays under 0.005."""
NOISE_BITS = 1.0
"""Bits per pixel: real clips stay under 0.34, a known garbage case has 2.07."""
SILENCE_PEAK = 0.001
"""-60 dB of full scale."""
_ROWS = 96
"""About as many rows and columns of a frame, and not every one, tell its brightness, contrast and change."""


class FrameSink(AbstractContextManager[Any], Protocol):
    """Sees every decoded frame once, in order; entered before the first and left after the last."""

    def see(self, index: int, frame: av.VideoFrame) -> None: ...


@dataclass(frozen=True)
class Inspection:
    """`measured` are JSON figures for the outcome, `warnings` sentences for a person."""

    measured: dict[str, Any]
    warnings: list[str]


@dataclass(frozen=True)
class _Asked:
    """What the file must be."""

    width: int
    height: int
    fps: int
    frames: int
    sound: bool
    slack: int

    @property
    def seconds(self) -> float:
        return self.frames / self.fps

    @property
    def leeway(self) -> float:
        """Seconds by which a time may be off: one frame, and one more for each of slack."""
        return (1 + self.slack) / self.fps + 1e-6


@dataclass
class _Seen:
    """What was decoded: brightness, change and contrast in levels of 0…255 (two sums and the best), the sound's
    loudest sample as a part of full scale and its end in seconds, the picture's bytes in the file."""

    frames: int = 0
    keyframes: list[int] = field(default_factory=list)
    brightness: float = 0.0
    change: float = 0.0
    contrast: float = 0.0
    picture_bytes: int = 0
    peak: float = 0.0
    heard: float = 0.0
    _before: npt.NDArray[np.float32] | None = None

    def see(self, frame: av.VideoFrame) -> None:
        step = max(1, min(frame.width, frame.height) // _ROWS)
        picture = luma(frame, step).astype(np.float32)
        self.contrast = max(self.contrast, float(picture.std()))
        self.brightness += float(picture.mean())
        if self._before is not None:
            self.change += float(np.abs(picture - self._before).mean())
        if frame.key_frame:
            self.keyframes.append(self.frames)
        self._before = picture
        self.frames += 1

    def hear(self, frame: av.AudioFrame) -> None:
        samples: npt.NDArray[Any] = frame.to_ndarray()
        loudest = max(float(samples.max(initial=0)), -float(samples.min(initial=0)))
        if not math.isfinite(loudest):
            raise BadOutput("the sound holds values that are not finite")
        full_scale = float(np.iinfo(samples.dtype).max) if samples.dtype.kind == "i" else 1.0
        self.peak = max(self.peak, loudest / full_scale)
        self.heard = (frame.time or 0.0) + frame.samples / frame.sample_rate

    @property
    def motion(self) -> float:
        """The mean change from one frame to the next."""
        return self.change / max(1, self.frames - 1)


def inspect(
    path: Path,
    *,
    width: int,
    height: int,
    fps: int,
    frames: int,
    sound: bool,
    sinks: Iterable[FrameSink] = (),
    slack: int = 0,
) -> Inspection:
    """Decode the MP4 at `path` and hold it against what was asked: `frames` frames of `width` × `height` at `fps`,
    give or take `slack` frames (an upstream may add one), with or without sound.

    Raises `BadOutput` naming what is wrong and what it must be.
    """
    asked = _Asked(width, height, fps, frames, sound, slack)
    try:
        with av.open(str(path)) as container, ExitStack() as stack:
            video, audio = _tracks(container, asked)
            entered = [stack.enter_context(sink) for sink in sinks]
            seen = _decode(container, video, audio, asked, entered)
            measured = _measure(video, audio, asked, seen)
            measured["size"] = container.size
            return Inspection(measured, _suspicions(video, asked, seen, measured["bits_per_pixel"]))
    except (av.FFmpegError, UnicodeDecodeError) as error:
        raise BadOutput(f"the file cannot be decoded: {error}") from error


def _tracks(container: InputContainer, asked: _Asked) -> tuple[av.VideoStream, av.AudioStream | None]:
    """The tracks, right by what the file says of itself; nothing is decoded before that."""
    if len(container.streams.video) != 1:
        raise BadOutput(f"there are {len(container.streams.video)} video tracks: there must be one")
    video = container.streams.video[0]
    context = video.codec_context
    _same("codec", context.name, "h264")
    _same("pixel format", context.pix_fmt or "none", "yuv420p")
    _same("size", f"{context.width}×{context.height}", f"{asked.width}×{asked.height}")
    rate = float(video.average_rate or 0)
    if abs(rate - asked.fps) > 0.01:
        raise BadOutput(f"frame rate is {rate:.3f} fps: it must be {asked.fps}")
    voices = container.streams.audio
    if asked.sound and not voices:
        raise BadOutput("the sound track is missing: sound was asked for")
    if voices and not asked.sound:
        raise BadOutput("there is a sound track: no sound was asked for")
    if len(voices) > 1:
        raise BadOutput(f"there are {len(voices)} sound tracks: there must be one")
    return video, voices[0] if voices else None


def _decode(
    container: InputContainer,
    video: av.VideoStream,
    audio: av.AudioStream | None,
    asked: _Asked,
    sinks: list[FrameSink],
) -> _Seen:
    """Decode both tracks; stops at the first frame too many, too late or damaged."""
    seen = _Seen()
    video.thread_type = ThreadType.AUTO
    for packet in container.demux(*[track for track in (video, audio) if track is not None]):
        if packet.stream is video:
            seen.picture_bytes += packet.size
        for frame in packet.decode():
            if isinstance(frame, av.VideoFrame):
                _check_frame(frame, seen.frames, asked)
                for sink in sinks:
                    sink.see(seen.frames, frame)
                seen.see(frame)
            elif isinstance(frame, av.AudioFrame):
                seen.hear(frame)
    if abs(seen.frames - asked.frames) > asked.slack:
        raise BadOutput(f"there are {seen.frames} frames: there must be {asked.frames}")
    return seen


def _check_frame(frame: av.VideoFrame, index: int, asked: _Asked) -> None:
    if index == asked.frames + asked.slack:
        raise BadOutput(f"there are more than {index} frames: there must be {asked.frames}")
    if frame.is_corrupt:  # the decoder hides damage behind its neighbourhood and goes on
        raise BadOutput(f"frame {index} is damaged")
    due = index / asked.fps
    if frame.pts is None or abs(frame.time - due) > asked.leeway:
        shown = "no time" if frame.pts is None else f"{frame.time:.3f} s"
        raise BadOutput(f"frame {index} is shown at {shown}: it must be {due:.3f} s")


def _measure(
    video: av.VideoStream, audio: av.AudioStream | None, asked: _Asked, seen: _Seen
) -> dict[str, Any]:
    """The figures; raises where the tracks are not as long as they must be."""
    seconds = float((video.duration or 0) * (video.time_base or 0))
    if abs(seconds - asked.seconds) > asked.leeway:
        raise BadOutput(f"duration is {seconds:.3f} s: it must be {asked.seconds:.3f} s")
    gaps = np.diff([*seen.keyframes, seen.frames])
    measured: dict[str, Any] = {
        "codec": video.codec_context.name,
        "width": video.codec_context.width,
        "height": video.codec_context.height,
        "fps": round(float(video.average_rate or 0), 3),
        "frames": seen.frames,
        "seconds": round(seconds, 3),
        "bits_per_pixel": round(
            seen.picture_bytes * 8 / (asked.width * asked.height * max(1, seen.frames)), 4
        ),
        "brightness": round(seen.brightness / max(1, seen.frames), 2),
        "contrast": round(seen.contrast, 2),
        "motion": round(seen.motion, 3),
        "keyframe_seconds": round(float(gaps.max(initial=0)) / asked.fps, 3),
        "sound": asked.sound,
    }
    if audio is not None:
        told = float((audio.duration or 0) * (audio.time_base or 0)) or seen.heard
        if max(abs(told - seconds), abs(seen.heard - seconds)) > SOUND_TOLERANCE:
            raise BadOutput(
                f"the sound lasts {told:.3f} s ({seen.heard:.3f} s decoded): it must last {seconds:.3f} s,"
                f" to within {SOUND_TOLERANCE:.2f} s"
            )
        measured |= {"sound_seconds": round(told, 3), "sound_peak": round(seen.peak, 4)}
    return measured


def _suspicions(video: av.VideoStream, asked: _Asked, seen: _Seen, bits: float) -> list[str]:
    warnings = []
    if seen.contrast < BLANK_CONTRAST:
        warnings.append(
            f"the picture is blank: no frame has more than {seen.contrast:.2f} levels of contrast"
        )
    elif seen.frames > 1 and seen.motion < FROZEN_MOTION:
        warnings.append(f"the picture is frozen: it changes by {seen.motion:.3f} levels a frame")
    if bits > NOISE_BITS:
        warnings.append(
            f"the picture looks like noise: {bits:.2f} bits per pixel, real clips stay under 0.34"
        )
    context = video.codec_context
    tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
    if tags != (BT709, BT709, BT709, LIMITED):
        warnings.append("the colours are not tagged as BT.709: players may show them differently")
    if asked.sound and seen.peak < SILENCE_PEAK:
        warnings.append(f"the sound is silent: its peak is {seen.peak:.4f} of full scale")
    return warnings


def _same(what: str, value: str, wanted: str) -> None:
    if value != wanted:
        raise BadOutput(f"{what} is {value}: it must be {wanted}")
