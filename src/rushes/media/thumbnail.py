"""The still and the short loop that stand for a clip in a list. Both are sinks of the inspection's single decode."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter
from PIL import Image

from rushes.core.encoding import Encoding
from rushes.core.errors import BadOutput
from rushes.media.encode import Mp4Writer
from rushes.media.frames import fit, luma, shrink, to_picture

THUMBNAIL_SIDE = 1280
THUMBNAIL_QUALITY = 88
CANDIDATES = 8
PREVIEW_SIDE = 320
PREVIEW_FPS = 12
PREVIEW_ENCODING = Encoding(crf=28)


class Thumbnail:
    """A JPEG at `path`, at most 1280 pixels on its longer side: of eight frames around the first third of a clip of
    `frames` frames, the most telling one. Written when the block is left without an error."""

    def __init__(self, path: Path, *, frames: int) -> None:
        self.path = path
        self._candidates = {int(frames * (0.2 + 0.3 * n / CANDIDATES)) for n in range(CANDIDATES)}
        self._best: av.VideoFrame | None = None
        self._score = -1.0

    def see(self, index: int, frame: av.VideoFrame) -> None:
        if index in self._candidates:
            score = telling(luma(frame))
            if score > self._score:
                self._best, self._score = frame, score

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            return
        if self._best is None:
            raise BadOutput("the clip has no frame for its thumbnail")
        width, height = fit(self._best.width, self._best.height, THUMBNAIL_SIDE)
        picture = Image.fromarray(to_picture(self._best, width, height))
        picture.save(self.path, "JPEG", quality=THUMBNAIL_QUALITY, optimize=True)


def telling(brightness: npt.NDArray[np.uint8]) -> float:
    """How much a picture shows, by its (height, width) brightness: contrast times fine detail. A fade scores low on
    the first, a blur on the second. Scaled to about 480 pixels, so that neither size nor grain decides."""
    step = max(1, max(brightness.shape) // 480)
    rows, columns = (side // step * step for side in brightness.shape)
    # Rows first: a sum along neighbours in memory is many times faster than one across them.
    lines = brightness[:rows, :columns].reshape(rows // step, step, columns).sum(axis=1, dtype=np.uint16)
    small = lines.reshape(rows // step, columns // step, step).sum(axis=2, dtype=np.float32) / step**2
    detail = small[1:-1, 1:-1] * 4 - small[:-2, 1:-1] - small[2:, 1:-1] - small[1:-1, :-2] - small[1:-1, 2:]
    return float(small.std() * detail.std())


class Preview:
    """A small muted MP4 at `path`, at most 320 pixels on its longer side and 12 frames a second, of a clip of
    `frames` frames of `width` × `height` at `fps`."""

    def __init__(self, path: Path, *, width: int, height: int, fps: int, frames: int) -> None:
        self._path = path
        self._size = fit(width, height, PREVIEW_SIDE)
        self._fps = min(PREVIEW_FPS, fps)
        self._wanted = {n * fps // self._fps for n in range(frames)}
        self._converter = VideoReformatter()
        self._stack = ExitStack()

    def see(self, index: int, frame: av.VideoFrame) -> None:
        if index in self._wanted:
            self._writer.add(shrink(frame, self._converter, *self._size))

    def __enter__(self) -> Self:
        width, height = self._size
        writer = Mp4Writer(self._path, width=width, height=height, fps=self._fps, encoding=PREVIEW_ENCODING)
        self._writer = self._stack.enter_context(writer)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
