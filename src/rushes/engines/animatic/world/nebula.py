"""Deep space behind everything: glowing gas in two colours, lanes of dust before it, and a band of countless faint stars.

Painted once on a seamless sheet; a frame only looks it up. The stars that twinkle are `Stars`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, i4, kernel
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.sky import cloud_tile
from rushes.engines.animatic.world.view import Canvas, Pose

SIDE = 1024
TEXELS = 620.0
"""Texels of the sheet per unit of tangent: a wide lens sees a little more than its whole side."""


@kernel("f4[:, :, ::1], f4[:, :, ::1], f4, f4, f4")
def _shine(light: Plane, sheet: Plane, left: float, top: float, step: float) -> None:
    """Add `sheet` (SIDE, SIDE, 3) to `light`: its texel (left, top) to the first pixel, `step` texels between two."""
    rows, columns, _ = light.shape
    for j in range(rows):
        v = f4(top) + f4(j) * f4(step)
        whole = np.floor(v)
        down = v - whole
        above = i4(whole) & i4(SIDE - 1)
        below = i4(above + 1) & i4(SIDE - 1)
        # The two rows of the sheet become one, of which each pixel then mixes two texels.
        row = sheet[above] + (sheet[below] - sheet[above]) * down
        for i in range(columns):
            u = f4(left) + f4(i) * f4(step)
            whole = np.floor(u)
            along = u - whole
            a = i4(whole) & i4(SIDE - 1)
            b = i4(a + 1) & i4(SIDE - 1)
            for c in range(3):
                light[j, i, c] += row[a, c] + (row[b, c] - row[a, c]) * along


class Nebula:
    """The layer: `gas` and `ember` are the colours of the gas, thin and dense, `glow` of its heart."""

    def __init__(self, row: Mapping[str, Any], seed: int) -> None:
        rng = np.random.default_rng(seed ^ 0x7EB)
        tiles = [
            cv2.resize(cloud_tile(seed + 41 + k, 256), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            for k in range(3)
        ]
        fine = cloud_tile(seed + 47, SIDE)
        at = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 * np.float32(math.pi)
        # A band across the picture, seamless like the rest.
        band = np.exp(3.2 * (np.cos(at[:, None] - 0.55 * np.sin(at[None]) - 2.6) - 1))
        thick = np.clip(0.62 * tiles[0] + 0.38 * fine - 0.42 + 0.34 * band, 0, 1)
        dust = 1 - 0.85 * np.clip((0.6 * tiles[2] + 0.4 * fine - 0.5) * 3.4, 0, 1) * (0.35 + 0.65 * band)
        thin, heart = (cv2.pow(thick, power) * dust for power in (1.6, 4.2))
        blend = np.clip((tiles[1] - 0.3) * 2.2, 0, 1)
        self._sheet: Plane = np.empty((SIDE, SIDE, 3), np.float32)
        for c, (gas, ember, glow) in enumerate(
            zip(*(colour(row[key]) for key in ("gas", "ember", "glow")), strict=True)
        ):
            self._sheet[..., c] = (gas + (ember - gas) * blend) * thin + glow * heart
        at_star = np.nonzero(rng.random((SIDE, SIDE), np.float32) < 0.01 + 0.05 * band * dust)
        count = len(at_star[0])
        bright = 0.8 * rng.random(count) ** 5 * (0.3 + band[at_star])
        tints = np.column_stack(
            [rng.uniform(0.75, 1.25, count), np.ones(count), rng.uniform(0.75, 1.25, count)]
        )
        self._sheet[at_star] += (bright[:, None] * tints).astype(np.float32)
        # Stars no smaller than a pixel; on gas it does not show.
        cv2.GaussianBlur(self._sheet, (0, 0), 0.5, dst=self._sheet)

    def guide(self, pose: Pose) -> Pose:
        return pose

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        focal = pose.zoom * min(canvas.width, canvas.height)
        # The view down the axis is a tangent plane, so nothing stretches; the middle of the picture looks level.
        # Drawing nearer makes even this grow, a very little.
        scale = TEXELS / (1 + 0.001 * pose.z)
        step = scale / focal
        left = pose.yaw * scale + (0.5 - canvas.width / 2) * step
        top = 0.4 * SIDE + (0.5 - canvas.height / 2) * step
        _shine(canvas.light, self._sheet, f4(left % SIDE), f4(top % SIDE), f4(step))
