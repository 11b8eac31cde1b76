"""What water does to light: it swallows the red first, throws a dancing net on the ground, and stands in shafts.

Drawn over everything that is under water. The net is the lower of two drifting sheets of ridges, which is how crossing
waves focus; shafts are soft streaks that converge on the sun, made at a quarter of the size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, kernel
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.mathx import clamp, decay, tap
from rushes.engines.animatic.world.sky import FAR, cloud_tile
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose


@kernel("f4[:, :, ::1], f4[:, ::1], f4[::1], f4[::1], f4")
def _dapple(light: Plane, ridges: Plane, view: Plane, lamp: Plane, t: float) -> None:
    """Net and loss of colour on what is nearer than the open water. `lamp` colour of the net, its fading per metre, what
    is lost per metre of red, green and blue."""
    rows, columns, _ = light.shape
    focal = view[FOCAL]
    for j in range(rows):
        py = (view[HORIZON_ROW] - f4(j) - f4(0.5)) / focal
        for i in range(columns):
            d = light[j, i, 3]
            if d >= FAR * f4(0.5):
                continue
            px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) / focal
            # The sun stands high: the net slides a little sideways up the sides of things.
            y = view[1] + py * d
            x = view[0] + (px * view[COS] + view[SIN]) * d + y * f4(0.3)
            z = view[2] + (view[COS] - px * view[SIN]) * d
            net = min(
                tap(ridges, x * f4(38) + t * f4(7), z * f4(38) + t * f4(5)),
                tap(ridges, x * f4(31) - t * f4(6) + f4(200), z * f4(31) + t * f4(8)),
            )
            near = decay(d * lamp[3])
            net = clamp((net - f4(0.58)) * f4(3.4), f4(0), f4(1))
            net = net * net * near
            for c in range(3):
                value = light[j, i, c] * (f4(0.82) + f4(2.6) * net * lamp[c])
                # What the haze has replaced is light of the open water, which has lost its red already.
                light[j, i, c] = value * (f4(1) - (f4(1) - decay(d * lamp[4 + c])) * near)


class Depths:
    """The layer: `shafts` and `net` are how strong they are."""

    def __init__(self, row: Mapping[str, Any], light: Air, seed: int) -> None:
        self._shafts, self._net = float(row.get("shafts", 1.0)), float(row.get("net", 1.0))
        self._streaks: Plane = cloud_tile(seed + 31, 256)
        field = cloud_tile(seed + 33, 256)
        # Ridges where the field crosses its middle, seamless because the field is.
        self._ridges: Plane = np.asarray(1 - np.abs(2 * field - 1), np.float32)
        sun = np.asarray(light.sunlight)
        self._colour = np.asarray(sun / sun.max(), np.float32)
        self._lamp = np.array([*(self._colour * self._net), 0.09, 0.05, 0.012, 0.0], np.float32)
        self._sun = np.array([light.sun], np.float32)

    def guide(self, pose: Pose) -> Pose:
        return pose

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        _dapple(canvas.light, self._ridges, pose.packed(canvas.width, canvas.height), self._lamp, f4(t))
        width, height = max(canvas.width // 4, 2), max(canvas.height // 4, 2)
        eye = np.array([[pose.x, pose.y, pose.z]], np.float32)
        at = pose.project(self._sun * 1e4 + eye, width, height)[0]
        # The sun is above the picture, however the camera looks.
        x, y = float(np.clip(at[0], -width, 2 * width)), min(float(at[1]), -0.4 * height)
        across = np.arange(width, dtype=np.float32)[None] + 0.5 - x
        down = np.arange(height, dtype=np.float32)[:, None] + 0.5 - y
        turn = across / down
        size = self._streaks.shape[0]
        shaft = np.zeros((height, width), np.float32)
        for speed, finer in ((4.0, 1.0), (-2.5, 2.3)):
            u = np.asarray((turn * 150 * finer + t * speed + 40) % size, np.float32)
            v = np.full_like(u, (t * 2.2 + finer * 70) % size)
            shaft += cv2.remap(self._streaks, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        fade = np.clip(1.15 - (down + y) / height, 0, 1) ** 1.6
        shaft = np.clip(shaft - 1.02, 0, 1) * fade * self._shafts
        full = cv2.resize(shaft, (canvas.width, canvas.height), interpolation=cv2.INTER_LINEAR)
        far = np.minimum(canvas.light[..., 3] * np.float32(0.09), 1)
        canvas.light[..., :3] += (full * far)[..., None] * (self._colour * np.float32(0.8))
