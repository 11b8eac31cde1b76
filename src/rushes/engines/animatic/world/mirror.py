"""What stands at the water, seen again in it: pixels above the horizon copied below it, broken by ripples.

Exact for what is far away, which is what a picture shows at its waterline.
"""

from __future__ import annotations

import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, i4, kernel
from rushes.engines.animatic.world.mathx import wave
from rushes.engines.animatic.world.sky import FAR
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose


@kernel("f4[:, :, ::1], f4[::1], f4, f4")
def _mirror(light: Plane, view: Plane, rough: float, t: float) -> None:
    """Mix mirrored things into the water pixels of `light`: those at the distance of the plane at height 0."""
    rows, columns, _ = light.shape
    eye_x, eye, eye_z, cos, sin = view[0], view[1], view[2], view[COS], view[SIN]
    fine, horizon = f4(1) / view[FOCAL], view[HORIZON_ROW]
    first = max(i4(horizon) + 1, i4(0))
    pixels = light.reshape(rows * columns * 4)
    sway = np.empty(columns, np.float32)
    for j in range(first, rows):
        below = f4(j) + f4(0.5) - horizon
        d = eye / (below * fine)
        # Ripples smaller than a pixel only blur; their sway is shown as long as they are larger.
        shown = min(f4(60) * f4(rough) / (f4(1) + d * f4(0.02)), f4(1))
        slant = below * fine / np.sqrt(below * below * fine * fine + f4(1))
        grazing = f4(1) - slant
        strength = grazing * grazing * grazing * grazing * f4(0.8)
        for i in range(columns):
            px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) * fine
            x = eye_x + (px * cos + sin) * d
            z = eye_z + (cos - px * sin) * d
            sway[i] = wave(x * f4(0.31) + z * f4(0.83) + f4(t) * f4(1.5)) + f4(0.6) * wave(
                z * f4(2.1) - x * f4(0.7) - f4(t) * f4(2.3)
            )
        row = light[j]
        down, aside = below * f4(0.34) * shown, below * f4(0.05) * shown
        for i in range(columns):
            if abs(row[i, 3] - d) > d * f4(0.01):
                continue
            m = i4(horizon - below - sway[i] * down)
            k = min(max(i4(i) + i4(sway[i] * aside), i4(0)), i4(columns - 1))
            if m < 0 or m >= first:
                continue
            # An unsigned place: of a signed one it is asked whether it counts from the end.
            p = (np.uintp(m) * np.uintp(columns) + np.uintp(k)) * np.uintp(4)
            far = pixels[p + np.uintp(3)]
            if far < FAR * f4(0.9) and far >= d:
                for c in range(3):
                    row[i, c] += (pixels[p + np.uintp(c)] * f4(0.85) - row[i, c]) * strength


class Mirror:
    """The layer: drawn after everything that stands at the water."""

    def __init__(self, rough: float) -> None:
        self._rough = rough

    def guide(self, pose: Pose) -> Pose:
        return pose

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        _mirror(canvas.light, pose.packed(canvas.width, canvas.height), f4(self._rough), f4(t))
