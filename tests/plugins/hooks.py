"""Frame hooks for tests: a stamp such as a watermark would draw, and ones that go wrong."""

from __future__ import annotations

import numpy as np

from rushes.core.shot import Shot
from rushes.engines.base import Picture, Plan
from rushes.engines.hook import FrameHook

SIDE = 16
DARK, LIGHT = 30, 220


def bits(request_id: str) -> list[int]:
    """What the stamp says: four bits of the request."""
    return [sum(request_id.encode()) >> place & 1 for place in range(4)]


def stamp(request_id: str, shot: Shot, plan: Plan) -> FrameHook:
    """A row of grey squares in the upper left corner, light for 1 and dark for 0, on RGB and yuv420p alike."""
    said = bits(request_id)

    def draw(picture: Picture, index: int) -> Picture:
        for place, bit in enumerate(said):
            square = picture[:SIDE, place * SIDE : (place + 1) * SIDE]
            square[...] = LIGHT if bit else DARK
        return picture

    return draw


def wayward(request_id: str, shot: Shot, plan: Plan) -> FrameHook:
    """Does what the prompt says in the middle of the clip."""

    def draw(picture: Picture, index: int) -> Picture:
        if index == plan.frames // 2:
            if shot.prompt == "no ink":
                raise ValueError("no more ink")
            if shot.prompt == "shrink":
                return picture[:-2]
            if shot.prompt == "float":
                return np.asarray(picture, dtype=np.float32)
        return picture

    return draw
