"""What stands at the water, seen again in it: pixels above the horizon copied below it, broken by ripples.

Exact for what is far away, which is what a picture shows at its waterline.
"""

from __future__ import annotations

import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, i4, kernel
from rushes.engines.animatic.world.mathx import wave
from rushes.engines.animatic.world.sky import FAR
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose


@kernel
def _mirror(light: Plane, view: Plane, rough: float, t: float) -> None:
    """Mix mirrored things into the water pixels of `light`: those at the distance of the plane at height 0."""
    rows, columns, _ = light.shape
    focal = view[FOCAL]
    horizon = view[HORIZON_ROW]
    first = max(i4(horizon) + 1, i4(0))
    for j in range(first, rows):
        below = f4(j) + f4(0.5) - horizon
        d = view[1] * focal / below
        # Ripples smaller than a pixel only blur; their sway is shown as long as they are larger.
        shown = min(f4(60) * f4(rough) / (f4(1) + d * f4(0.02)), f4(1))
        slant = below / np.sqrt(below * below + focal * focal)
        grazing = f4(1) - slant
        strength = grazing * grazing * grazing * grazing * f4(0.8)
        for i in range(columns):
            if abs(light[j, i, 3] - d) > d * f4(0.01):
                continue
            px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) / focal
            x = view[0] + (px * view[COS] + view[SIN]) * d
            z = view[2] + (view[COS] - px * view[SIN]) * d
            sway = wave(x * f4(0.31) + z * f4(0.83) + f4(t) * f4(1.5)) + f4(0.6) * wave(
                z * f4(2.1) - x * f4(0.7) - f4(t) * f4(2.3)
            )
            m = i4(horizon - below * (f4(1) + f4(0.34) * sway * shown))
            k = min(max(i + i4(sway * below * f4(0.05) * shown), i4(0)), i4(columns - 1))
            if m < 0 or m >= first or light[m, k, 3] >= FAR * f4(0.9) or light[m, k, 3] < d:
                continue
            for c in range(3):
                light[j, i, c] += (light[m, k, c] * f4(0.85) - light[j, i, c]) * strength


class Mirror:
    """The layer: drawn after everything that stands at the water."""

    def __init__(self, rough: float) -> None:
        self._rough = rough

    def guide(self, pose: Pose) -> Pose:
        return pose

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        _mirror(canvas.light, pose.packed(canvas.width, canvas.height), f4(self._rough), f4(t))
