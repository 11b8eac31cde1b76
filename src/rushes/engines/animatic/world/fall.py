"""A waterfall: a sheet of water down the cliff of its terrain, and the mist that stands at its foot.

The sheet is an inclined plane just in front of the rock. Its streaks are noise, drawn out along the fall and moving
with it; where they are thin the rock shows through. The mist is a soft mound of drifting noise before the sheet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, kernel
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.mathx import clamp, decay, smooth, tap
from rushes.engines.animatic.world.sky import cloud_tile
from rushes.engines.animatic.world.terrain import Terrain
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose


@kernel("f4[:, :, ::1], f4[:, ::1], f4[:, ::1], f4[::1], f4[::1], f4[::1], f4")
def _pour(light: Plane, tile: Plane, haze: Plane, view: Plane, fall: Plane, lamp: Plane, t: float) -> None:
    """`fall` x of its middle, z of its foot, height, lean (metres away per metre up), half its width, reach of the
    mist; `lamp` light on the sheet, light in the mist, fog per metre."""
    rows, columns, _ = light.shape
    focal = view[FOCAL]
    middle, foot, high, lean, half, reach = fall[0], fall[1], fall[2], fall[3], fall[4], fall[5]
    size = f4(tile.shape[0])
    for j in range(rows):
        up = (view[HORIZON_ROW] - f4(j) - f4(0.5)) / focal
        for i in range(columns):
            px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) / focal
            rx = px * view[COS] + view[SIN]
            rz = view[COS] - px * view[SIN]
            slope = rz - lean * up
            if slope > f4(0.05):
                d = (foot - view[2] + lean * view[1]) / slope
                y = view[1] + up * d
                u = view[0] + rx * d - middle
                # The sheet widens and frays as it falls.
                down = clamp(f4(1) - y / high, f4(0), f4(1))
                wide = half * (f4(0.8) + f4(0.25) * down)
                if (
                    d > f4(1)
                    and d < light[j, i, 3] + f4(1.5)
                    and y > f4(0)
                    and y < high
                    and abs(u) < wide * f4(1.3)
                ):
                    # Water gains speed: the pattern is drawn out further down.
                    v = np.sqrt(down + f4(0.02)) * high * f4(0.055) - t * f4(0.55)
                    broad = tap(tile, u / half * size * f4(0.13) + f4(7), v * size * f4(0.22))
                    fine = tap(tile, u / half * size * f4(0.55), v * size * f4(0.5))
                    streak = broad * f4(0.55) + fine * f4(0.45)
                    edge = smooth((wide - abs(u)) / (wide * f4(0.4)) + (streak - f4(0.55)) * f4(1.6))
                    cover = edge * clamp(f4(0.5) + streak * f4(0.9) + down * f4(0.12), f4(0), f4(0.98))
                    clear = decay(d * lamp[6])
                    for c in range(3):
                        value = lamp[c] * (f4(0.42) + f4(0.75) * streak)
                        value = value * clear + haze[i, c] * (f4(1) - clear)
                        light[j, i, c] += (value - light[j, i, c]) * cover
                    if cover > f4(0.5):
                        light[j, i, 3] = min(d, light[j, i, 3])
            # Mist: four curtains, the nearest lowest.
            for k in range(4):
                d = (foot - reach * f4(0.22) * f4(k + 1) - view[2]) / max(rz, f4(0.05))
                if d < f4(2) or d > light[j, i, 3]:
                    continue
                u = (view[0] + rx * d - middle) / (half + reach * (f4(0.5) + f4(0.1) * f4(k)))
                v = (view[1] + up * d + f4(1)) / (reach * (f4(0.75) - f4(0.13) * f4(k)))
                if abs(u) > f4(1.2) or v > f4(1.2) or v < f4(-0.4):
                    continue
                puff = tap(
                    tile, (u * f4(0.21) + f4(k) * f4(0.37)) * size, (v * f4(0.17) + t * f4(0.035)) * size
                )
                body = clamp(f4(1) - u * u - v * max(v, f4(0)), f4(0), f4(1))
                cover = body * body * (f4(0.12) + f4(0.6) * puff) * smooth((d - f4(2)) * f4(0.1))
                for c in range(3):
                    light[j, i, c] += (lamp[3 + c] - light[j, i, c]) * cover


class Fall:
    """The layer: water over the terrain's cliff; `width` metres across, `mist` metres that it reaches."""

    def __init__(self, row: Mapping[str, Any], terrain: Terrain, light: Air, seed: int) -> None:
        land = terrain.land
        x, z = land.brink
        lean = land.cliff_depth / land.cliff
        # It starts where the bed of the river breaks off, which lies below the brink on both sides.
        high = float(terrain.ground(np.array([x]), np.array([z + 1.25 * land.cliff_depth]))[0]) + 0.8
        self._fall = np.array(
            [x, z - 0.9, high, lean, float(row["width"]) / 2, float(row["mist"])], np.float32
        )
        sun, ambient = np.asarray(light.sunlight), np.asarray(light.ambient)
        grey = ambient.mean() * 0.6 + ambient * 0.4
        sheet = 0.17 * sun + 0.78 * grey
        mist = 0.11 * sun + 0.7 * grey
        self._lamp = np.array([*sheet, *mist, light.fog], np.float32)
        self._tile = cloud_tile(seed + 17)

    def guide(self, pose: Pose) -> Pose:
        return pose

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        view = pose.packed(canvas.width, canvas.height)
        _pour(canvas.light, self._tile, haze, view, self._fall, self._lamp, f4(t))
