"""Tall trunks: tapered cylinders with flared roots and ridged bark, cast column by column, near ones first.

A column stops collecting at the first trunk that covers it wholly, so a dense forest costs no more than a thin one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, i4, kernel
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.mathx import decay, tap
from rushes.engines.animatic.world.strip import STRIP, lay, lift
from rushes.engines.animatic.world.terrain import Terrain
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose

MOST = 24
"""Trunks that one column looks through."""


@kernel
def _cast(light: Plane, trunks: Plane, bark: Plane, haze: Plane, view: Plane, lamp: Plane) -> None:
    """`trunks` near to far: x, z, radius, foot, lean, seed, tilt of tone. `lamp` sun direction, sunlight, ambient,
    bark colour, moss, fog."""
    rows, columns, _ = light.shape
    focal = view[FOCAL]
    horizon = view[HORIZON_ROW]
    size = f4(bark.shape[0])
    ahead = lamp[2] * view[COS] + lamp[0] * view[SIN]
    across = lamp[0] * view[COS] - lamp[2] * view[SIN]
    back = max(ahead, f4(0))
    strip = np.empty((STRIP, rows, 4), np.float32)
    for first_column in range(0, columns, STRIP):
        lift(light, first_column, strip)
        for column in range(min(STRIP, columns - first_column)):
            i = first_column + column
            sx = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) / focal
            found = np.empty(MOST, np.int32)
            n = 0
            for k in range(trunks.shape[0]):
                dx = trunks[k, 0] - view[0]
                dz = trunks[k, 1] - view[2]
                x = dx * view[COS] - dz * view[SIN]
                z = dx * view[SIN] + dz * view[COS]
                if z < f4(0.8):
                    continue
                radius = trunks[k, 2]
                off = abs(x - sx * z)
                if off > radius * f4(2.1) + abs(trunks[k, 4]) * f4(30):
                    continue
                found[n] = k
                n += 1
                if n == MOST or off + abs(trunks[k, 4]) * f4(30) < radius * f4(0.7):
                    break
            # Near ones first: what they cover is not drawn again.
            for q in range(n):
                k = found[q]
                dx = trunks[k, 0] - view[0]
                dz = trunks[k, 1] - view[2]
                x = dx * view[COS] - dz * view[SIN]
                z = dx * view[SIN] + dz * view[COS]
                radius = trunks[k, 2]
                clear = decay(z * lamp[15])
                step = z / focal
                foot = min(i4(rows), i4(horizon + (view[1] - trunks[k, 3]) / z * focal) + 1)
                for j in range(0, foot):
                    if strip[column, j, 3] < z - radius:
                        continue
                    high = (horizon - f4(j)) * step + view[1] - trunks[k, 3]
                    up = max(high, f4(0)) / radius
                    thick = (
                        radius
                        * (f4(1) + (f4(0.9) * decay(up * f4(1 / 1.1)) if up < f4(8) else f4(0)))
                        * max(f4(1) - f4(0.007) * high, f4(0.35))
                    )
                    e = (sx * z - x - trunks[k, 4] * high) / thick
                    ae = abs(e)
                    if ae >= f4(1):
                        continue
                    edge = min((f4(1) - ae) * thick / step, f4(1))
                    depth = np.sqrt(f4(1) - e * e)
                    turn = e * (f4(1) + f4(0.5) * e * e)
                    u = (turn * radius * f4(0.5) + trunks[k, 5] * f4(9)) * size * f4(0.16)
                    v = high * size * f4(0.012)
                    broad = tap(bark, u, v * f4(0.35))
                    fine = tap(bark, u * f4(3.1) + broad * f4(30), v * f4(0.8))
                    ridge = broad * f4(0.55) + fine * f4(0.45)
                    # Furrows shade towards the sun's side.
                    furrow = tap(bark, (u + across * f4(4)) * f4(3.1) + broad * f4(30), v * f4(0.8)) - fine
                    tone = max(f4(0.1) + ridge * ridge * f4(1.7) + furrow * f4(0.5), f4(0.05)) * trunks[k, 6]
                    sun = max(e * across - depth * ahead + f4(0.12), f4(0))
                    rim = ae * ae * ae * ae * (f4(0.1) + f4(0.9) * back)
                    if e * across < f4(0):
                        rim *= f4(0.35)
                    # Little light reaches the floor; moss likes it there.
                    open_sky = min(f4(0.4) + high * f4(0.03), f4(1))
                    moss = decay(max(high, f4(0)) * f4(0.8)) * fine
                    for c in range(3):
                        paint = lamp[9 + c] + (lamp[12 + c] - lamp[9 + c]) * moss
                        value = tone * paint * (lamp[3 + c] * sun + lamp[6 + c] * open_sky) + rim * lamp[
                            3 + c
                        ] * f4(0.07) * (f4(0.3) + tone)
                        value = value * clear + haze[i, c] * (f4(1) - clear)
                        strip[column, j, c] += (value - strip[column, j, c]) * edge
                    if edge > f4(0.5):
                        strip[column, j, 3] = z - radius * depth
        lay(strip, first_column, light)


class Trunks:
    """The layer: a stand of trees seen from among them."""

    def __init__(self, row: Mapping[str, Any], terrain: Terrain, light: Air, seed: int) -> None:
        rng = np.random.default_rng(seed ^ 0x7EE5)
        start = terrain.start
        thickness, lane = float(row["radius"]), float(row["lane"])
        placed: list[tuple[float, float, float]] = []
        for _ in range(4000):
            z = 3 + rng.random() ** 0.8 * float(row["far"])
            x = rng.uniform(-1, 1) * (z * 0.9 + 6)
            radius = thickness * float(rng.choice([0.4, 0.6, 0.85, 1.2, 1.6])) * rng.uniform(0.8, 1.2)
            if abs(x - 0.05 * z) < lane + radius or (z < 9 and radius > thickness):
                continue
            if any(
                (x - px) ** 2 + (z - pz) ** 2 < (radius + pr + float(row["gap"])) ** 2
                for px, pz, pr in placed
            ):
                continue
            placed.append((x, z, radius))
            if len(placed) >= int(row["count"]):
                break
        at = np.array(placed, np.float32).reshape(-1, 3)
        at[:, 0] += start[0]
        at[:, 1] += start[1]
        n = len(at)
        self._trunks = np.column_stack(
            [at[:, 0], at[:, 1], at[:, 2], terrain.ground(at[:, 0], at[:, 1]) - 0.2,
             rng.normal(0, 0.008, n), rng.random(n), 0.75 + 0.5 * rng.random(n)]
        ).astype(np.float32)  # fmt: skip
        self._bark = _bark(rng)
        self._lamp = np.array(
            [
                *light.sun,
                *light.sunlight,
                *light.ambient,
                *colour(row["bark"]),
                *colour(row["moss"]),
                light.fog,
            ],
            np.float32,
        )

    def guide(self, pose: Pose) -> Pose:
        return pose

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        z = (self._trunks[:, 0] - pose.x) * np.sin(pose.yaw) + (self._trunks[:, 1] - pose.z) * np.cos(
            pose.yaw
        )
        nearest = np.ascontiguousarray(self._trunks[np.argsort(z, kind="stable")])
        _cast(canvas.light, nearest, self._bark, haze, pose.packed(canvas.width, canvas.height), self._lamp)


def _bark(rng: np.random.Generator, size: int = 512) -> Plane:
    """A seamless tile of vertical furrows, 0…1."""
    f = np.fft.fftfreq(size, 1 / size)
    # Stretched along the trunk: slow upwards, quick across.
    k = np.hypot(f[None, :], f[:, None] * 5)
    k[0, 0] = 1
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((size, size))) * k**-1.25 * (k > 3)).real
    ridged = 1 - np.abs(np.clip(field / (1.6 * field.std()), -1, 1))
    return np.asarray(ridged, np.float32)
