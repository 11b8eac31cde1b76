"""Pictures to codec frames and back, with true colours.

A picture is full-range sRGB; a video frame is BT.709 in limited range. FFmpeg's defaults convert by BT.601 and tag
nothing, and a player that then assumes BT.709 shows colours up to 39 levels wrong. So every conversion in either
direction passes through this file, names both ends, and every frame carries its tags.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from rushes.core.errors import BadOutput

BT709 = 1
"""The code point of BT.709 for matrix, primaries and transfer alike (ISO/IEC 23091-2)."""
LIMITED = int(ColorRange.MPEG)
_TO_VIDEO = Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INP
"""Exact rounding would cost half as much again and change no level of brightness, and colour by a tenth of one."""
_TO_PICTURE = Interpolation.LANCZOS | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
"""Without exact rounding the way back darkens every picture by one level."""


def tag(target: Any) -> None:
    """Mark a codec context or a frame as BT.709, limited range."""
    target.colorspace = BT709
    target.color_primaries = BT709
    target.color_trc = BT709
    target.color_range = LIMITED


def from_picture(
    picture: npt.NDArray[np.uint8], converter: VideoReformatter, *, index: int, width: int, height: int
) -> av.VideoFrame:
    """One picture as a codec frame of its own (see `to_video`); the picture's memory may be reused at once.

    `picture` is uint8, (height, width, 3) RGB or (height * 3 / 2, width) planar yuv420p. Raises `BadOutput` naming
    `index` for anything else.
    """
    array = np.asarray(picture)
    formats = {(height, width, 3): "rgb24", (height * 3 // 2, width): "yuv420p"}
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise BadOutput(
            f"frame {index} holds {bad} values that are not finite: the engine's output is broken"
        )
    if array.dtype != np.uint8 or array.shape not in formats:
        raise BadOutput(
            f"frame {index} is {array.dtype} {array.shape}: it must be uint8 ({height}, {width}, 3) RGB"
            f" or ({height * 3 // 2}, {width}) yuv420p"
        )
    if formats[array.shape] == "yuv420p":
        return to_video(av.VideoFrame.from_ndarray(array, format="yuv420p"), converter)
    # Not a copy: the conversion makes one.
    return to_video(av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(array), format="rgb24"), converter)


def to_video(frame: av.VideoFrame, converter: VideoReformatter) -> av.VideoFrame:
    """The frame as yuv420p, BT.709, limited range, tagged. yuv420p frames are taken to be so already. The `converter`
    keeps what it has prepared for frames of one size; one thread at a time may use it."""
    if frame.format.name != "yuv420p":
        frame = converter.reformat(
            frame,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=_TO_VIDEO,
            threads=1,  # the encoder beside it has work for the others
        )
    tag(frame)
    return frame


def to_picture(frame: av.VideoFrame, width: int, height: int) -> npt.NDArray[np.uint8]:
    """A decoded BT.709 frame as a (height, width, 3) RGB picture, scaled to that size."""
    converted = frame.reformat(
        width=width,
        height=height,
        format="rgb24",
        src_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=_TO_PICTURE,
    )
    return np.asarray(converted.to_ndarray(), dtype=np.uint8)


def shrink(frame: av.VideoFrame, converter: VideoReformatter, width: int, height: int) -> av.VideoFrame:
    """A decoded yuv420p frame at a smaller size, colours untouched. The `converter` as in `to_video`."""
    return converter.reformat(frame, width=width, height=height, interpolation=Interpolation.AREA, threads=1)


def luma(frame: av.VideoFrame, step: int = 1) -> npt.NDArray[np.uint8]:
    """The brightness plane of a yuv420p frame, every `step`-th row and column: a view, not a copy."""
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height : step, : frame.width : step]


def fit(width: int, height: int, longest: int) -> tuple[int, int]:
    """(width, height) scaled down so that neither side exceeds `longest`, both even and at least 2."""
    scale = min(1.0, longest / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
