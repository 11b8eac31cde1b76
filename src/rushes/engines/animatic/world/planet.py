"""A planet in the sky of space: a lit sphere with continents, cloud bands and a thin shell of air."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.sky import FAR, cloud_tile
from rushes.engines.animatic.world.view import Canvas, Pose


class Planet:
    """The layer: `size` its radius in short sides of the picture at zoom 1, `across` and `height` its direction as
    tangents, `turn` radians a second."""

    def __init__(self, row: Mapping[str, Any], light: Air, seed: int) -> None:
        self._row = row
        land = _rich(cloud_tile(seed + 3))
        clouds = _rich(cloud_tile(seed + 4))
        hills = _rich(cloud_tile(seed + 6))[..., None]
        pole = np.abs(np.linspace(-1, 1, len(land), dtype=np.float32))[:, None]
        ground = np.clip((land - 0.53) * 18, 0, 1)[..., None]
        shallow = np.clip((land - 0.4) * 5, 0, 1)[..., None]
        sea = np.asarray(colour(row["sea"])) * (0.55 + 0.75 * shallow)
        dry = np.asarray(colour(row["land"])) * (0.45 + hills)
        green = np.asarray(colour(row.get("green", row["land"]))) * (0.45 + hills)
        dry += (green - dry) * np.clip((hills - 0.42) * 4, 0, 1) * np.clip(1.3 - 1.6 * pole, 0, 1)[..., None]
        base = sea * (1 - ground) + dry * ground
        ice = np.clip((pole + 0.25 * (land - 0.5) - float(row.get("ice", 2.0))) * 14, 0, 1)[..., None]
        base += (np.array([0.8, 0.84, 0.88]) - base) * ice
        white = (np.clip((clouds - 0.56) * 3.2, 0, 1) ** 1.3 * float(row.get("clouds", 0.85)))[..., None]
        self._skin = np.asarray(base * (1 - white) + np.array([0.85, 0.88, 0.92]) * white, np.float32)
        # Towns by night, where there is land and nobody is under clouds.
        towns = np.random.default_rng(seed).random(land.shape) < 0.02 * np.clip((land - 0.55) * 8, 0, 1)
        glow = cv2.GaussianBlur(towns.astype(np.float32), (0, 0), 0.8) * ground[..., 0] * (1 - white[..., 0])
        self._towns = np.asarray(glow * float(row.get("towns", 0.0)), np.float32)
        self._air = np.asarray(colour(row["air"]), np.float32)
        # Lit from the side, so that the terminator is seen whatever the time of day.
        sun = np.array([0.78, 0.3, -0.55])
        self._sun = sun / np.linalg.norm(sun)
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
        left, right = int(max(at[0] - radius * 1.2, 0)), int(min(at[0] + radius * 1.2, canvas.width))
        top, bottom = int(max(at[1] - radius * 1.2, 0)), int(min(at[1] + radius * 1.2, canvas.height))
        if at[2] <= 0 or left >= right or top >= bottom:
            return
        x = (np.arange(left, right, dtype=np.float32)[None] + 0.5 - at[0]) / radius
        y = (at[1] - np.arange(top, bottom, dtype=np.float32)[:, None] - 0.5) / radius
        r2 = x * x + y * y
        r = np.sqrt(r2)
        z = np.sqrt(np.clip(1 - r2, 0, 1))
        side = self._skin.shape[0]
        u = ((np.arctan2(x, z + 1e-3) / np.pi + t * float(row["turn"]) / np.pi) * side * 0.5) % side
        v = (np.arcsin(np.clip(y + 0 * x, -1, 1)) / np.pi + 0.5) * (side - 1)
        skin = cv2.remap(
            self._skin,
            u.astype(np.float32),
            v.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
        towns = cv2.remap(
            self._towns,
            u.astype(np.float32),
            v.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
        facing = x * self._sun[0] + y * self._sun[1] - z * self._sun[2]
        day = np.clip(facing * 1.25 + 0.06, 0, 1)[..., None]
        rim = ((1 - z) ** 3)[..., None] * np.clip(facing + 0.35, 0, 1)[..., None]
        lit = skin * day * self._light * 0.55 + self._air * rim * 1.6
        lit += (towns * np.clip(-facing * 6, 0, 1))[..., None] * np.array([1.0, 0.7, 0.35], np.float32)
        cover = np.clip((1 - r) * radius + 0.5, 0, 1)[..., None]
        halo = (
            np.exp(-np.clip(r - 1, 0, 1) * 26)[..., None]
            * np.clip(facing + 0.4, 0, 1)[..., None]
            * (1 - cover)
        )
        window = canvas.light[top:bottom, left:right]
        window[..., :3] += (lit - window[..., :3]) * cover + self._air * halo * 0.55
        window[..., 3] = np.where(cover[..., 0] > 0.5, FAR * 0.5, window[..., 3])


def _rich(tile: Plane) -> Plane:
    """The tile with itself at a half and an eighth of the size: coasts as ragged as continents."""
    once, twice = (np.tile(tile[::k, ::k], (k, k)) for k in (2, 8))
    mixed = 0.62 * tile + 0.27 * np.roll(once, 91, axis=1) + 0.11 * np.roll(twice.T, 37, axis=0)
    return np.asarray((mixed - mixed.min()) / np.ptp(mixed), np.float32)
