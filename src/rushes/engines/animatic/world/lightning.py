"""Lightning: a few seeded strokes, each a flash over everything and a forked bolt drawn while it lasts."""

from __future__ import annotations

import math

import numpy as np

from rushes.engines.animatic.post.splat import ycc
from rushes.engines.animatic.runtime import Plane

LASTS = 0.45
"""Seconds from the first leader to darkness; the eye sees two or three returns in it."""


class Lightning:
    """Strokes of one clip: about one in three seconds, the first soon enough to be seen."""

    def __init__(self, strength: float, seconds: float, seed: int) -> None:
        rng = np.random.default_rng(seed ^ 0x11F7)
        count = max(1, round(seconds / 3)) if strength > 0 else 0
        self._times = [float((k + rng.uniform(0.2, 0.7)) * seconds / max(count, 1)) for k in range(count)]
        self._strength = strength
        self._bolts = [_bolt(rng, float(rng.uniform(0.15, 0.85))) for _ in range(count)]

    def flash(self, t: float) -> float:
        """How much brighter the scene is at t: 0 is not at all."""
        return self._strength * sum(_flicker(t - start) for start in self._times)

    def items(self, t: float, width: int, height: int, horizon: float) -> Plane:
        """Rows for `splat`: the bolts that burn at t, from the clouds to `horizon` (0…1 from the top)."""
        rows = []
        for start, bolt in zip(self._times, self._bolts, strict=True):
            glow = _flicker(t - start)
            if glow < 0.08:
                continue
            a, b = bolt[:, 0:2] * (width, height * horizon), bolt[:, 2:4] * (width, height * horizon)
            items = np.zeros((len(bolt), 9), np.float32)
            items[:, 0:2], items[:, 2:4] = (a + b) / 2, (b - a) / 2
            items[:, 4] = bolt[:, 4] * min(width, height) * 0.0022
            items[:, 5] = min(glow * 1.2, 1.0)
            items[:, 6:9] = ycc((0.93, 0.95, 1.0))
            rows.append(items)
        return np.concatenate(rows) if rows else np.zeros((0, 9), np.float32)


def _flicker(age: float) -> float:
    if not 0 <= age < LASTS:
        return 0.0
    returns = max(0.0, math.cos(age * 34)) ** 2
    return (0.25 + 0.75 * returns) * math.exp(-age * 7)


def _bolt(rng: np.random.Generator, across: float) -> Plane:
    """Segments (x, y, x, y, thickness) of a forked path from the top (y 0) to the ground (y 1)."""
    segments: list[tuple[float, float, float, float, float]] = []

    def walk(x: float, y: float, lean: float, thickness: float, end: float) -> None:
        while y < end:
            nx, ny = x + lean * 0.03 + rng.normal() * 0.012, y + rng.uniform(0.02, 0.05)
            segments.append((x, y, nx, ny, thickness))
            x, y = nx, ny
            if thickness > 0.6 and rng.random() < 0.12:
                walk(
                    x,
                    y,
                    lean + rng.choice([-1, 1]) * rng.uniform(0.5, 1.2),
                    thickness * 0.5,
                    min(y + rng.uniform(0.1, 0.35), 1),
                )

    walk(across, 0.0, float(rng.normal() * 0.3), 1.0, 1.0)
    return np.array(segments, np.float32)
