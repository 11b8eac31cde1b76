"""A planet in the sky of space: a lit sphere with continents, cloud bands and a thin shell of air."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, i4, kernel
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.mathx import clamp, decay, turn
from rushes.engines.animatic.world.sky import FAR, cloud_tile
from rushes.engines.animatic.world.view import Canvas, Pose

AIR = 1.2
"""Radii to which its air is seen."""
FINE = 512
"""Texels around a planet; a small one has half of them."""


@kernel("f4[:, :, ::1], f4[:, :, ::1], f4[::1], f4[::1], f4[::1], f4[::1], f4")
def _sphere(
    light: Plane, skin: Plane, disc: Plane, sun: Plane, day: Plane, air: Plane, turned: float
) -> None:
    """`skin` (n, n, 4): colour and lights by night, around and from pole to pole; `disc` column, row and radius;
    `sun` its direction, `day` and `air` colours; `turned` texels of the skin."""
    rows, columns, _ = light.shape
    side = skin.shape[0]
    radius = disc[2]
    least = max(i4(np.floor(disc[1] - radius * f4(AIR))), i4(0))
    end = min(i4(np.ceil(disc[1] + radius * f4(AIR))), i4(rows))
    for j in range(least, end):
        middle = disc[0]
        sun_x, sun_y, sun_z = sun[0], sun[1], sun[2]
        y = (disc[1] - f4(j) - f4(0.5)) / radius
        reach = radius * np.sqrt(max(f4(AIR * AIR) - y * y, f4(0)))
        i0 = max(i4(np.floor(middle - reach)), i4(0))
        i1 = min(i4(np.ceil(middle + reach)), i4(columns))
        # A row of the picture is one of the skin: the poles are above and below.
        v = (np.arcsin(clamp(y, f4(-1), f4(1))) * f4(1 / math.pi) + f4(0.5)) * f4(side - 1)
        row = min(i4(v), i4(side - 2))
        down = v - f4(row)
        for i in range(i0, i1):
            x = (f4(i) + f4(0.5) - middle) / radius
            r2 = x * x + y * y
            z = np.sqrt(max(f4(1) - r2, f4(0)))
            facing = x * sun_x + y * sun_y - z * sun_z
            r = np.sqrt(r2)
            cover = clamp((f4(1) - r) * radius + f4(0.5), f4(0), f4(1))
            if cover > f4(0):
                u = turn(x, z) * f4(side) + turned
                whole = np.floor(u)
                along = u - whole
                a = i4(whole) & i4(side - 1)
                b = i4(a + 1) & i4(side - 1)
                dawn = clamp(facing * f4(1.25) + f4(0.06), f4(0), f4(1))
                night = clamp(facing * f4(-6), f4(0), f4(1))
                thin = f4(1) - z
                rim = thin * thin * thin * clamp(facing + f4(0.35), f4(0), f4(1)) * f4(1.6)
                above = skin[row, a, 3] + (skin[row, b, 3] - skin[row, a, 3]) * along
                below = skin[row + 1, a, 3] + (skin[row + 1, b, 3] - skin[row + 1, a, 3]) * along
                lamps = (above + (below - above) * down) * night
                for c in range(3):
                    above = skin[row, a, c] + (skin[row, b, c] - skin[row, a, c]) * along
                    below = skin[row + 1, a, c] + (skin[row + 1, b, c] - skin[row + 1, a, c]) * along
                    value = (above + (below - above) * down) * dawn * day[c] * f4(0.55) + air[c] * rim
                    value += lamps * (f4(1) if c == 0 else f4(0.7) if c == 1 else f4(0.35))
                    light[j, i, c] += (value - light[j, i, c]) * cover
            if cover < f4(1):
                halo = decay(max(r - f4(1), f4(0)) * f4(26)) * clamp(facing + f4(0.4), f4(0), f4(1))
                halo *= (f4(1) - cover) * f4(0.55)
                for c in range(3):
                    light[j, i, c] += air[c] * halo
            if cover > f4(0.5):
                light[j, i, 3] = FAR * f4(0.5)


class Planet:
    """The layer: `size` its radius in short sides of the picture at zoom 1, `across` and `height` its direction as
    tangents, `turn` radians a second."""

    def __init__(self, row: Mapping[str, Any], light: Air, seed: int) -> None:
        self._row = row
        side = FINE if float(row["size"]) > 0.1 else FINE // 2
        land, hills = (_rich(cloud_tile(seed + number, side)) for number in (3, 6))
        hills = hills[..., None]
        cloudy = float(row.get("clouds", 0.85))
        clouds = _rich(cloud_tile(seed + 4, side)) if cloudy else np.zeros_like(land)
        pole = np.abs(np.linspace(-1, 1, len(land), dtype=np.float32))[:, None]
        ground = np.clip((land - 0.53) * 18, 0, 1)[..., None]
        shallow = np.clip((land - 0.4) * 5, 0, 1)[..., None]
        blue, bare, grown = (
            np.array(colour(row[key]), np.float32)
            for key in ("sea", "land", "green" if "green" in row else "land")
        )
        sea = blue * (0.55 + 0.75 * shallow)
        dry = bare * (0.45 + hills)
        green = grown * (0.45 + hills)
        dry += (green - dry) * np.clip((hills - 0.42) * 4, 0, 1) * np.clip(1.3 - 1.6 * pole, 0, 1)[..., None]
        base = sea * (1 - ground) + dry * ground
        ice = np.clip((pole + 0.25 * (land - 0.5) - float(row.get("ice", 2.0))) * 14, 0, 1)[..., None]
        base += (np.array([0.8, 0.84, 0.88], np.float32) - base) * ice
        white = (np.clip((clouds - 0.56) * 3.2, 0, 1) ** 1.3 * cloudy)[..., None]
        skin = base * (1 - white) + np.array([0.85, 0.88, 0.92], np.float32) * white
        # Towns by night, where there is land and nobody is under clouds.
        towns = np.random.default_rng(seed).random(land.shape, np.float32) < 0.02 * np.clip(
            (land - 0.55) * 8, 0, 1
        )
        glow = cv2.GaussianBlur(towns.astype(np.float32), (0, 0), 0.8) * ground[..., 0] * (1 - white[..., 0])
        lights = glow * float(row.get("towns", 0.0))
        self._skin = np.asarray(np.dstack([skin, lights]), np.float32)
        self._air = np.asarray(colour(row["air"]), np.float32)
        # Lit from the side, so that the terminator is seen whatever the time of day.
        sun = np.array([0.78, 0.3, -0.55])
        self._sun = np.asarray(sun / np.linalg.norm(sun), np.float32)
        self._light = np.asarray(light.sunlight, np.float32)

    def guide(self, pose: Pose) -> Pose:
        return pose

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        row = self._row
        short = min(canvas.width, canvas.height)
        across = float(row["across"]) * min(1.0, canvas.width / canvas.height / 1.6)
        direction = np.array([[across, row["height"] + pose.rise, 1.0]], np.float32) * FAR * 0.01
        direction += np.array([[pose.x, pose.y, pose.z]], np.float32)
        at = pose.project(direction, canvas.width, canvas.height)[0]
        # Nearing it makes it grow, as the dolly of a place without any ground.
        radius = min(float(row["size"]) * pose.zoom * short, 0.43 * canvas.width) * (1 + 0.004 * pose.z)
        turned = t * float(row["turn"]) / math.pi * len(self._skin) * 0.5
        if at[2] > 0:
            disc = np.array([at[0], at[1], radius], np.float32)
            _sphere(canvas.light, self._skin, disc, self._sun, self._light, self._air, f4(turned))


def _rich(tile: Plane) -> Plane:
    """The tile with itself at a half and an eighth of the size: coasts as ragged as continents."""
    once, twice = (np.tile(tile[::k, ::k], (k, k)) for k in (2, 8))
    mixed = 0.62 * tile + 0.27 * np.roll(once, 91, axis=1) + 0.11 * np.roll(twice.T, 37, axis=0)
    return np.asarray((mixed - mixed.min()) / np.ptp(mixed), np.float32)
