"""Tall trunks: tapered cylinders with flared roots and ridged bark, cast column by column, near ones first.

A column stops collecting at the first trunk that covers it wholly, so a dense forest costs no more than a thin one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, i4, kernel, scratch, u4
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.mathx import among, corners, decay, spot
from rushes.engines.animatic.world.noise import seamless
from rushes.engines.animatic.world.strip import STRIP, lay, lift
from rushes.engines.animatic.world.terrain import Terrain
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose

MOST = 24
"""Trunks that one column looks through."""
CHUNK = 32
"""Rows of a trunk that are worked on together."""


@kernel("f4[:, :, ::1], f4[:, ::1], u4[:, ::1], f4[:, ::1], f4[::1], f4[::1]")
def _cast(light: Plane, trunks: Plane, bark: Plane, haze: Plane, view: Plane, lamp: Plane) -> None:
    """`trunks` near to far: x, z, radius, foot, lean, seed, tilt of tone. `bark` as `corners` packs it. `lamp` sun
    direction, sunlight, ambient, bark colour, moss, fog."""
    rows, columns, _ = light.shape
    focal = view[FOCAL]
    horizon = view[HORIZON_ROW]
    side = bark.shape[0]
    size = f4(side)
    tile = bark.reshape(-1)
    ahead = lamp[2] * view[COS] + lamp[0] * view[SIN]
    across = lamp[0] * view[COS] - lamp[2] * view[SIN]
    back = max(ahead, f4(0))
    sun_r, sun_g, sun_b, sky_r, sky_g, sky_b = lamp[3], lamp[4], lamp[5], lamp[6], lamp[7], lamp[8]
    bark_r, bark_g, bark_b, moss_r, moss_g, moss_b = lamp[9], lamp[10], lamp[11], lamp[12], lamp[13], lamp[14]
    # To the right of the camera's axis and along it, and how far from its line a trunk may reach.
    count = trunks.shape[0]
    beside = np.empty(count, np.float32)
    along = np.empty(count, np.float32)
    reach = np.empty(count, np.float32)
    for k in range(count):
        dx = trunks[k, 0] - view[0]
        dz = trunks[k, 1] - view[2]
        beside[k] = dx * view[COS] - dz * view[SIN]
        along[k] = dx * view[SIN] + dz * view[COS]
        reach[k] = trunks[k, 2] * f4(2.1) + abs(trunks[k, 4]) * f4(30)
    found = np.empty(MOST, np.int32)
    # Pixels of a chunk; those that are seen move to the front.
    places = scratch(CHUNK, f4)
    highs = scratch(CHUNK, f4)
    thicks = scratch(CHUNK, f4)
    sides = scratch(CHUNK, f4)
    broads = scratch(CHUNK, f4)
    reds = scratch(CHUNK, f4)
    greens = scratch(CHUNK, f4)
    blues = scratch(CHUNK, f4)
    at_broad, bx, by = scratch(CHUNK, i4), scratch(CHUNK, f4), scratch(CHUNK, f4)
    at_fine, fx, fy = scratch(CHUNK, i4), scratch(CHUNK, f4), scratch(CHUNK, f4)
    at_sunward, sx, sy = scratch(CHUNK, i4), scratch(CHUNK, f4), scratch(CHUNK, f4)
    strip = np.empty((STRIP, rows, 4), np.float32)
    for first_column in range(0, columns, STRIP):
        lift(light, first_column, strip)
        for column in range(min(STRIP, columns - first_column)):
            i = first_column + column
            aside = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) / focal
            n = 0
            for k in range(count):
                z = along[k]
                off = abs(beside[k] - aside * z)
                if z < f4(0.8) or off > reach[k]:
                    continue
                found[n] = k
                n += 1
                if n == MOST or off + abs(trunks[k, 4]) * f4(30) < trunks[k, 2] * f4(0.7):
                    break
            # Near ones first: what they cover is not drawn again.
            for nth in range(n):
                k = found[nth]
                z = along[k]
                off = aside * z - beside[k]
                radius, ground, lean, seed, tilt = (
                    trunks[k, 2],
                    trunks[k, 3],
                    trunks[k, 4],
                    trunks[k, 5],
                    trunks[k, 6],
                )
                clear = decay(z * lamp[15])
                lost_r, lost_g, lost_b = haze[i, 0], haze[i, 1], haze[i, 2]
                step = z / focal
                foot = min(i4(rows), i4(horizon + (view[1] - ground) / z * focal) + 1)
                for top in range(0, foot, CHUNK):
                    many = min(CHUNK, foot - top)
                    for q in range(CHUNK):
                        high = (horizon - f4(i4(top + q))) * step + view[1] - ground
                        up = max(high, f4(0)) / radius
                        flare = f4(0.9) * decay(up * f4(1 / 1.1)) if up < f4(8) else f4(0)
                        thick = radius * (f4(1) + flare) * max(f4(1) - f4(0.007) * high, f4(0.35))
                        highs[q] = high
                        thicks[q] = thick
                        sides[q] = (off - lean * high) / thick
                    seen = 0
                    for q in range(many):
                        if abs(sides[q]) < f4(1) and strip[column, u4(top + q), 3] >= z - radius:
                            places[seen] = q
                            highs[seen] = highs[q]
                            thicks[seen] = thicks[q]
                            sides[seen] = sides[q]
                            seen += 1
                    # A few more than are seen, to make eights.
                    shaded = (seen + 7) & ~7
                    for q in range(shaded):
                        e = sides[q]
                        turn = e * (f4(1) + f4(0.5) * e * e)
                        u = (turn * radius * f4(0.5) + seed * f4(9)) * size * f4(0.16)
                        spot(q, u, highs[q] * size * f4(0.012 * 0.35), side, at_broad, bx, by)
                    for q in range(shaded):
                        e = sides[q]
                        turn = e * (f4(1) + f4(0.5) * e * e)
                        u = (turn * radius * f4(0.5) + seed * f4(9)) * size * f4(0.16)
                        v = highs[q] * size * f4(0.012 * 0.8)
                        broad = among(tile[u4(at_broad[q])], bx[q], by[q])
                        broads[q] = broad
                        spot(q, u * f4(3.1) + broad * f4(30), v, side, at_fine, fx, fy)
                        spot(q, (u + across * f4(4)) * f4(3.1) + broad * f4(30), v, side, at_sunward, sx, sy)
                    for q in range(shaded):
                        e = sides[q]
                        ae = min(abs(e), f4(1))
                        high = highs[q]
                        depth = np.sqrt(f4(1) - ae * ae)
                        fine = among(tile[u4(at_fine[q])], fx[q], fy[q])
                        ridge = broads[q] * f4(0.55) + fine * f4(0.45)
                        # Furrows shade towards the sun's side.
                        furrow = among(tile[u4(at_sunward[q])], sx[q], sy[q]) - fine
                        tone = max(f4(0.1) + ridge * ridge * f4(1.7) + furrow * f4(0.5), f4(0.05)) * tilt
                        sun = max(e * across - depth * ahead + f4(0.12), f4(0))
                        rim = ae * ae * ae * ae * (f4(0.1) + f4(0.9) * back)
                        rim *= (f4(0.35) if e * across < f4(0) else f4(1)) * f4(0.07) * (f4(0.3) + tone)
                        # Little light reaches the floor; moss likes it there.
                        open_sky = min(f4(0.4) + high * f4(0.03), f4(1))
                        moss = decay(max(high, f4(0)) * f4(0.8)) * fine
                        r = (
                            tone * (bark_r + (moss_r - bark_r) * moss) * (sun_r * sun + sky_r * open_sky)
                            + rim * sun_r
                        )
                        g = (
                            tone * (bark_g + (moss_g - bark_g) * moss) * (sun_g * sun + sky_g * open_sky)
                            + rim * sun_g
                        )
                        b = (
                            tone * (bark_b + (moss_b - bark_b) * moss) * (sun_b * sun + sky_b * open_sky)
                            + rim * sun_b
                        )
                        reds[q] = lost_r + (r - lost_r) * clear
                        greens[q] = lost_g + (g - lost_g) * clear
                        blues[q] = lost_b + (b - lost_b) * clear
                    for q in range(seen):
                        j = u4(i4(top) + i4(places[q]))
                        ae = abs(sides[q])
                        edge = min((f4(1) - ae) * thicks[q] / step, f4(1))
                        strip[column, j, 0] += (reds[q] - strip[column, j, 0]) * edge
                        strip[column, j, 1] += (greens[q] - strip[column, j, 1]) * edge
                        strip[column, j, 2] += (blues[q] - strip[column, j, 2]) * edge
                        if edge > f4(0.5):
                            strip[column, j, 3] = z - radius * np.sqrt(f4(1) - ae * ae)
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
        self._bark = corners(_bark(rng))
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
    return np.asarray(1 - np.minimum(np.abs(seamless(rng, size, 3.1, 1.25, tall=5) / np.float32(1.6)), 1))
