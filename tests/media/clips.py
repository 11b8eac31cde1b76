"""Small clips for the tests of this room: 64×48 pixels, a second or two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rushes.core.encoding import SAMPLE_RATE
from rushes.media.encode import write_video

WIDTH, HEIGHT, FPS = 64, 48, 24


def moving(count: int, width: int = WIDTH, height: int = HEIGHT) -> Iterator[npt.NDArray[np.uint8]]:
    """A colour ramp that slides to the right."""
    ramp = np.linspace(0, 255, width, dtype=np.uint8)
    picture = np.stack(
        [
            np.tile(ramp, (height, 1)),
            np.tile(ramp[::-1], (height, 1)),
            np.full((height, width), 90, np.uint8),
        ],
        -1,
    )
    for index in range(count):
        yield np.roll(picture, index * 2, axis=1)


def flat(colour: tuple[int, int, int], count: int) -> Iterator[npt.NDArray[np.uint8]]:
    for _ in range(count):
        yield np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def tone(seconds: float, loudness: float = 0.4) -> npt.NDArray[np.float32]:
    """A stereo sine of 440 Hz."""
    wave = loudness * np.sin(2 * np.pi * 440 * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    return np.stack([wave, wave]).astype(np.float32)


def write_clip(path: Path, count: int = FPS, **more: Any) -> Path:
    """A clip of `count` frames at `path`; `frames` and what `write_video` takes may be given."""
    frames = more.pop("frames", None) or moving(count)
    write_video(frames, path, **{"width": WIDTH, "height": HEIGHT, "fps": FPS, "count": count} | more)
    return path
