"""The warp: where in the photograph each pixel of the picture comes from.

A camera move is a shift and an enlargement that grow with nearness. The inverse map is found by fixed-point iteration
on a quarter-size grid, since depth is smooth; afterwards it is made monotone along rows and columns, so that the
picture can stretch but never fold or tear.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane

GRID = 8
"""Pixels of the picture per node of the grid."""
LEAST = 0.25
"""The least step between neighbouring nodes, in units of an unmoved grid's step."""


@dataclass(frozen=True)
class Shift:
    """One moment of a move, in shares of the width: `pan_x`, `pan_y` for the whole, `x`, `y` for the nearest point,
    `zoom` of the whole, `dolly` the extra enlargement of the nearest point, `roll` in radians, `anchor` the nearness
    that stays in place."""

    pan_x: float = 0.0
    pan_y: float = 0.0
    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0
    dolly: float = 0.0
    roll: float = 0.0
    anchor: float = 0.35


def grid_map(near: Plane, shift: Shift, aspect: float) -> tuple[Plane, Plane]:
    """Source coordinates (u, v) in 0…1 for the nodes of a grid the size of `near` (h, w)."""
    h, w = near.shape
    x = np.linspace(-0.5, 0.5, w, dtype=np.float32)[None] * np.ones((h, 1), np.float32)
    y = np.linspace(-0.5, 0.5, h, dtype=np.float32)[:, None] * np.ones((1, w), np.float32)
    c, s = np.float32(np.cos(shift.roll)), np.float32(np.sin(shift.roll))
    x, y = x * c - y * s / aspect, x * s * aspect + y * c
    u, v = x / shift.zoom, y / shift.zoom
    for _ in range(6):
        z = cv2.remap(
            near, (u + 0.5) * (w - 1), (v + 0.5) * (h - 1), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        enlarge = shift.zoom * (1 + shift.dolly * z)
        z = z - shift.anchor
        u = x / enlarge + shift.x * z + shift.pan_x
        v = y / enlarge + (shift.y * z + shift.pan_y) * aspect
    return _monotone(u + 0.5, 1), _monotone(v + 0.5, 0)


def _monotone(plane: Plane, axis: int) -> Plane:
    """`plane` with every step along `axis` at least LEAST of the even step, keeping its mean."""
    step = LEAST / (plane.shape[axis] - 1)
    ramp = np.arange(plane.shape[axis], dtype=np.float32) * np.float32(step)
    ramp = ramp[None] if axis else ramp[:, None]
    level = plane - ramp
    rising = np.maximum.accumulate(level, axis=axis)
    falling = np.flip(np.minimum.accumulate(np.flip(level, axis), axis=axis), axis)
    return ((rising + falling) * 0.5 + ramp).astype(np.float32)
