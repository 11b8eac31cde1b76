"""One loaded engine for the whole session: compiling is the dear part."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from rushes.core.errors import Cancelled
from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.base import FrameClip, Picture
from tests.engines.kernels import kernels as kernels

Image = npt.NDArray[np.uint8]


class Recorder:
    """A control that remembers what it was told, and cancels when asked to."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.phases: list[Phase] = []
        self.previews: list[Picture] = []
        self.stop = threading.Event()

    @property
    def cancelled(self) -> bool:
        return self.stop.is_set()

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled

    def progress(self, phase: Phase, fraction: float, note: str = "") -> None:
        assert 0 <= fraction <= 1
        self.phases.append(phase)
        self.notes.append(note)
        self.check()

    def preview(self, picture: Picture) -> None:
        self.previews.append(picture)


@pytest.fixture(scope="session", autouse=True)
def _compiled(kernels: None) -> None:
    """Most tests of this folder draw."""


@pytest.fixture(scope="session")
def engine() -> AnimaticEngine:
    made = AnimaticEngine({"height": 90, "fps": 6})
    made.load(Recorder())
    return made


def render(engine: AnimaticEngine, shot: Shot, image: Image | None = None) -> FrameClip:
    size = None if image is None else (image.shape[1], image.shape[0])
    return engine.render(shot, engine.plan(shot, size), image, Recorder(), Path())


@pytest.fixture(scope="session")
def first(engine: AnimaticEngine) -> Callable[..., Image]:
    """The first frame of a shot as RGB."""

    def draw(prompt: str, image: Image | None = None, **parameters: object) -> Image:
        shot = Shot(prompt=prompt, has_image=image is not None, **parameters)  # type: ignore[arg-type]
        frame = next(render(engine, shot, image).frames)
        return cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420)

    return draw


def mean(image: Image) -> npt.NDArray[np.float64]:
    """Mean red, green, blue."""
    return image.reshape(-1, 3).mean(axis=0)
