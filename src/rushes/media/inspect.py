"""Nothing is called a success before it has been decoded from end to end.

One pass over the file answers three questions: is it what was asked for (if not, the attempt fails), does it look
like something (a blank, frozen, noisy or silent clip only earns a warning: a night sky is a good result), and what
would its thumbnail and preview be. The last are sinks that see every decoded frame, so nothing is decoded twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
import numpy.typing as npt

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
_LUMA_STEP = 4


class FrameSink(AbstractContextManager[Any], Protocol):
    """Sees every decoded frame once, in order; entered before the first and left after the last."""

    def see(self, index: int, frame: av.VideoFrame) -> None: ...


@dataclass(frozen=True)
class Inspection:
    """`measured` are JSON figures for the outcome, `warnings` sentences for a person."""

    measured: dict[str, Any]
    warnings: list[str]


@dataclass
class _Look:
    """What the decoded frames look like, in levels of 0…255: the best contrast, the sums of brightness and change."""

    frames: int = 0
    keyframes: list[int] = field(default_factory=list)
    contrast: float = 0.0
    brightness: float = 0.0
    change: float = 0.0
    _before: npt.NDArray[np.int16] | None = None

    def see(self, frame: av.VideoFrame) -> None:
        picture = luma(frame, _LUMA_STEP).astype(np.int16)
        self.contrast = max(self.contrast, float(picture.std()))
        self.brightness += float(picture.mean())
        if self._before is not None:
            self.change += float(np.abs(picture - self._before).mean())
        if frame.key_frame:
            self.keyframes.append(self.frames)
        self._before = picture
        self.frames += 1

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
    try:
        with av.open(str(path)) as container, ExitStack() as stack:
            entered = [stack.enter_context(sink) for sink in sinks]
            return _inspect(container, width, height, fps, frames, sound, entered, slack)
    except (av.FFmpegError, UnicodeDecodeError) as error:
        raise BadOutput(f"the file cannot be decoded: {error}") from error


def _inspect(
    container: av.container.InputContainer,
    width: int,
    height: int,
    fps: int,
    frames: int,
    sound: bool,
    sinks: list[FrameSink],
    slack: int,
) -> Inspection:
    video = _only(container.streams.video, "video")
    context = video.codec_context
    _same("codec", context.name, "h264")
    _same("pixel format", context.pix_fmt or "none", "yuv420p")
    _same("size", f"{context.width}×{context.height}", f"{width}×{height}")
    rate = float(video.average_rate or 0)
    if abs(rate - fps) > 0.01:
        raise BadOutput(f"frame rate is {rate:.3f} fps: it must be {fps}")
    if bool(container.streams.audio) != sound:
        raise BadOutput(
            "the sound track is missing: sound was asked for"
            if sound
            else "there is a sound track: no sound was asked for"
        )
    audio = _only(container.streams.audio, "audio") if sound else None

    video.thread_type = "AUTO"
    look, peak, heard = _Look(), 0.0, 0.0
    video_bytes = 0
    for packet in container.demux(*([video] if audio is None else [video, audio])):
        if packet.stream is video:
            video_bytes += packet.size
        for frame in packet.decode():
            if isinstance(frame, av.VideoFrame):
                if frame.is_corrupt:  # the decoder hides damage behind its neighbourhood and goes on
                    raise BadOutput(f"frame {look.frames} is damaged")
                _check_time(frame, look.frames, fps, slack)
                if look.frames == frames + slack:
                    raise BadOutput(f"there are more than {frames + slack} frames: there must be {frames}")
                for sink in sinks:
                    sink.see(look.frames, frame)
                look.see(frame)
            elif isinstance(frame, av.AudioFrame):
                peak = max(peak, _peak(frame))
                heard = (frame.time or 0.0) + frame.samples / frame.sample_rate

    if abs(look.frames - frames) > slack:
        raise BadOutput(f"there are {look.frames} frames: there must be {frames}")
    seconds = float((video.duration or 0) * (video.time_base or 0))
    if abs(seconds - frames / fps) > (1 + slack) / fps + 1e-6:
        raise BadOutput(f"duration is {seconds:.3f} s: it must be {frames / fps:.3f} s")

    bits = video_bytes * 8 / (width * height * max(1, look.frames))
    gaps = np.diff([*look.keyframes, look.frames])
    measured: dict[str, Any] = {
        "codec": context.name,
        "width": context.width,
        "height": context.height,
        "fps": round(rate, 3),
        "frames": look.frames,
        "seconds": round(seconds, 3),
        "size": container.size,
        "bits_per_pixel": round(bits, 4),
        "brightness": round(look.brightness / max(1, look.frames), 2),
        "contrast": round(look.contrast, 2),
        "motion": round(look.motion, 3),
        "keyframe_seconds": round(float(gaps.max(initial=0)) / fps, 3),
        "sound": sound,
    }
    warnings = _picture_warnings(look, bits)
    tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
    if tags != (BT709, BT709, BT709, LIMITED):
        warnings.append("the colours are not tagged as BT.709: players may show them differently")
    if audio is not None:
        length = float(audio.duration * audio.time_base) if audio.duration and audio.time_base else heard
        if max(abs(length - seconds), abs(heard - seconds)) > SOUND_TOLERANCE:
            raise BadOutput(
                f"the sound lasts {length:.3f} s ({heard:.3f} s decoded): it must last {seconds:.3f} s,"
                f" to within {SOUND_TOLERANCE:.2f} s"
            )
        measured |= {"sound_seconds": round(length, 3), "sound_peak": round(peak, 4)}
        if peak < SILENCE_PEAK:
            warnings.append(f"the sound is silent: its peak is {peak:.4f} of full scale")
    return Inspection(measured, warnings)


def _only(streams: Any, kind: str) -> Any:
    if len(streams) != 1:
        raise BadOutput(f"there are {len(streams)} {kind} tracks: there must be one")
    return streams[0]


def _same(what: str, value: str, wanted: str) -> None:
    if value != wanted:
        raise BadOutput(f"{what} is {value}: it must be {wanted}")


def _check_time(frame: av.VideoFrame, index: int, fps: int, slack: int) -> None:
    if frame.pts is None or abs(frame.time - index / fps) > (1 + slack) / fps:
        shown = "no time" if frame.pts is None else f"{frame.time:.3f} s"
        raise BadOutput(f"frame {index} is shown at {shown}: it must be {index / fps:.3f} s")


def _peak(frame: av.AudioFrame) -> float:
    """The loudest sample, as a part of full scale."""
    samples: npt.NDArray[Any] = frame.to_ndarray()
    if not np.isfinite(samples).all():
        raise BadOutput("the sound holds values that are not finite")
    full_scale = float(np.iinfo(samples.dtype).max) if samples.dtype.kind == "i" else 1.0
    return float(np.abs(samples.astype(np.float64)).max(initial=0)) / full_scale


def _picture_warnings(look: _Look, bits: float) -> list[str]:
    warnings = []
    if look.contrast < BLANK_CONTRAST:
        warnings.append(
            f"the picture is blank: no frame has more than {look.contrast:.2f} levels of contrast"
        )
    elif look.frames > 1 and look.motion < FROZEN_MOTION:
        warnings.append(f"the picture is frozen: it changes by {look.motion:.3f} levels a frame")
    if bits > NOISE_BITS:
        warnings.append(
            f"the picture looks like noise: {bits:.2f} bits per pixel, real clips stay under 0.34"
        )
    return warnings
