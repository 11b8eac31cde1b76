"""The night sky's lights: stars as points at full size, and a moon with its maria."""

from __future__ import annotations

import numpy as np

from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.sky import FAR
from rushes.engines.animatic.world.view import Canvas, Pose

COUNT = 2600
MOON_RADIUS = 0.026
"""Radians: three times the true moon, which looks like a dot through a wide lens."""


class Stars:
    """Stars and moon of one scene; both hide behind clouds and land."""

    def __init__(self, air: Air, seed: int) -> None:
        self._air = air
        rng = np.random.default_rng(seed ^ 0x57A2)
        count = int(COUNT * air.stars)
        up = rng.uniform(0.01, 1, count)
        turn = rng.uniform(0, 2 * np.pi, count)
        flat = np.sqrt(1 - up * up)
        self._at = np.stack([flat * np.sin(turn), up, flat * np.cos(turn)], axis=1).astype(np.float32)
        # A few bright ones among many faint ones, as in the sky.
        self._bright = (0.12 + 0.88 * rng.random(count) ** 7).astype(np.float32) * air.stars
        self._warmth = rng.uniform(-6, 6, count).astype(np.float32)
        self._phase = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
        spots = rng.normal(0, 0.42, (14, 2))
        self._spots = np.column_stack([spots, rng.uniform(0.08, 0.3, 14)]).astype(np.float32)

    def points(self, canvas: Canvas, pose: Pose, t: float, width: int, height: int) -> Plane:
        """Rows for `splat` in a picture of `width` × `height`."""
        if not len(self._at):
            return np.zeros((0, 9), np.float32)
        eye = np.array([pose.x, pose.y, pose.z], np.float32)
        seen = pose.project(self._at * FAR * 0.1 + eye, width, height)
        inside = (
            (seen[:, 2] > 0)
            & (seen[:, 0] >= 0)
            & (seen[:, 0] < width)
            & (seen[:, 1] >= 0)
            & (seen[:, 1] < height)
        )
        at = seen[inside]
        column = (at[:, 0] * canvas.width / width).astype(int)
        row = (at[:, 1] * canvas.height / height).astype(int)
        open_sky = canvas.light[row, column, 3] >= FAR
        sky_row = np.minimum(row // 2, canvas.sky.shape[0] - 1)
        sky_column = np.minimum(column // 2, canvas.sky.shape[1] - 1)
        through = canvas.sky[sky_row, sky_column, 3] ** 2
        low = np.clip(self._at[inside, 1] * 5, 0, 1)
        twinkle = 1 + 0.22 * np.sin(t * 5 + self._phase[inside])
        alpha = self._bright[inside] * through * low * open_sky * twinkle
        items = np.zeros((len(at), 9), np.float32)
        items[:, 0:2] = at[:, 0:2]
        items[:, 4] = (0.55 + 0.75 * self._bright[inside]) * min(width, height) / 1080
        items[:, 5] = np.clip(alpha, 0, 1)
        items[:, 6] = 228
        items[:, 7] = 131 + self._warmth[inside]
        items[:, 8] = 127 - self._warmth[inside]
        return items[items[:, 5] > 0.03]

    def moon(self, canvas: Canvas, pose: Pose) -> None:
        """Paint the moon into the light of a canvas that holds only sky so far."""
        if not self._air.moon:
            return
        eye = np.array([[pose.x, pose.y, pose.z]], np.float32)
        seen = pose.project(
            np.array([self._air.sun], np.float32) * FAR * 0.1 + eye, canvas.width, canvas.height
        )[0]
        radius = MOON_RADIUS * pose.zoom * min(canvas.width, canvas.height)
        if seen[2] <= 0:
            return
        left, right = int(max(seen[0] - radius - 2, 0)), int(min(seen[0] + radius + 3, canvas.width))
        top, bottom = int(max(seen[1] - radius - 2, 0)), int(min(seen[1] + radius + 3, canvas.height))
        if left >= right or top >= bottom:
            return
        x = (np.arange(left, right, dtype=np.float32)[None] + 0.5 - seen[0]) / radius
        y = (np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5 - seen[1]) / radius
        r2 = x * x + y * y
        edge = np.clip((1 - np.sqrt(r2)) * radius + 0.5, 0, 1)
        face = np.full(r2.shape, 1.0, np.float32)
        for sx, sy, size in self._spots:
            face -= 0.16 * np.exp(-(((x - sx) ** 2 + (y - sy) ** 2) / size**2))
        face *= 0.75 + 0.25 * np.sqrt(np.clip(1 - r2, 0, 1))
        window = canvas.light[top:bottom, left:right]
        clear = canvas.sky[np.ix_(np.arange(top, bottom) // 2, np.arange(left, right) // 2)][..., 3]
        cover = (edge * (0.1 + 0.9 * clear))[..., None]
        light = face[..., None] * np.array([1.45, 1.42, 1.3], np.float32) * 1.15
        window[..., :3] += (light - window[..., :3]) * cover
