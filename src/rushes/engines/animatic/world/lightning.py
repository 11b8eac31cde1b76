"""Lightning: a few seeded strokes, each a light over everything, strongest where it strikes, and a forked bolt before
the sky while it lasts."""

from __future__ import annotations

import math

import numpy as np

from rushes.engines.animatic.post.splat import ycc
from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.world.sky import FAR
from rushes.engines.animatic.world.view import Canvas

LASTS = 0.45
"""Seconds from the first leader to darkness; the eye sees two or three returns in it, never more than three."""
TINT = np.array([0.92, 0.97, 1.12], np.float32)


class Lightning:
    """Strokes of one clip: about one in three seconds, the first soon enough to be seen. `sky` is the light of
    its horizon and `exposure` what it is printed with: the darker the sky, the more a stroke adds."""

    def __init__(
        self, strength: float, seconds: float, seed: int, sky: float = 0.3, exposure: float = 1.0
    ) -> None:
        rng = np.random.default_rng(seed ^ 0x11F7)
        count = max(1, round(seconds / 3)) if strength > 0 else 0
        self._times = [float((k + rng.uniform(0.2, 0.7)) * seconds / max(count, 1)) for k in range(count)]
        self._strength = strength
        self._gain = float(np.clip(0.42 / max(sky * exposure, 1e-3), 0.8, 6.0))
        self._most = np.float32(2.5 * sky)
        self._across = [float(rng.uniform(0.15, 0.85)) for _ in range(count)]
        self._bolts = [_bolt(rng) for _ in range(count)]

    def flash(self, t: float) -> float:
        """How strong the light of all strokes is at t: 0 is none, 1 the first moment of one."""
        return self._strength * sum(_flicker(t - start) for start in self._times)

    def light(self, canvas: Canvas, t: float) -> None:
        """Brighten what the strokes of t shine upon."""
        columns = (np.arange(canvas.width, dtype=np.float32) + 0.5) / canvas.width
        for start, across in zip(self._times, self._across, strict=True):
            glow = self._strength * _flicker(t - start)
            if glow > 0:
                near = 1 / (1 + ((columns - across) / 0.2) ** 2)
                more = self._gain * glow * (0.4 + 1.1 * near)
                # Lamps shine by themselves; the stroke adds no more to them than to what is pale.
                lit = np.minimum(canvas.light[..., :3], self._most)
                canvas.light[..., :3] += lit * (more[:, None] * TINT).astype(np.float32)

    def items(self, canvas: Canvas, t: float, width: int, height: int, horizon: float) -> Plane:
        """Rows for `splat`: the bolts that burn at t, from the clouds to `horizon` (0…1 from the top), where nothing
        stands before them."""
        rows = [np.zeros((0, 9), np.float32)]
        for start, across, bolt in zip(self._times, self._across, self._bolts, strict=True):
            glow = min(1.6 * _flicker(t - start), 1.0)
            if glow < 0.08:
                continue
            drop = height * horizon
            a, b = (bolt[:, k : k + 2] * drop + (across * width, 0) for k in (0, 2))
            middle = (a + b) / 2
            column = np.clip(middle[:, 0] * canvas.width / width, 0, canvas.width - 1).astype(int)
            row = np.clip(middle[:, 1] * canvas.height / height, 0, canvas.height - 1).astype(int)
            free = canvas.light[row, column, 3] >= FAR
            # The air around the channel glows, wide and blue; the channel itself is white.
            for radius, alpha, tone in ((0.016, 0.1, (0.6, 0.7, 1.0)), (0.0034, 1.0, (0.95, 0.97, 1.0))):
                items = np.zeros((len(bolt), 9), np.float32)
                items[:, 0:2], items[:, 2:4] = middle, (b - a) / 2
                items[:, 4] = bolt[:, 4] * min(width, height) * radius
                items[:, 5] = glow * alpha
                items[:, 6:9] = ycc(tone)
                rows.append(items[free])
        return np.concatenate(rows)


def _flicker(age: float) -> float:
    if not 0 <= age < LASTS:
        return 0.0
    # Slower than in nature, and three at most: quick flashes make some people ill.
    returns = math.cos(age * 21) ** 2
    return (0.2 + 0.8 * returns) * math.exp(-age * 6)


def _bolt(rng: np.random.Generator) -> Plane:
    """Segments (x, y, x, y, thickness) of a forked path from the clouds (0, 0) to the ground (y 1)."""
    segments: list[tuple[float, float, float, float, float]] = []

    def walk(x: float, y: float, lean: float, thickness: float, end: float) -> None:
        while y < end:
            step = rng.uniform(0.012, 0.034)
            nx, ny = x + lean * step + rng.normal() * 0.013, y + step
            segments.append((x, y, nx, ny, thickness))
            x, y = nx, ny
            lean += rng.normal() * 0.12
            if thickness > 0.6 and rng.random() < 0.09:
                aside = lean + rng.choice([-1, 1]) * rng.uniform(0.5, 1.3)
                walk(x, y, aside, thickness * 0.5, min(y + rng.uniform(0.1, 0.4), 1))

    walk(0.0, 0.0, float(rng.normal() * 0.3), 1.0, 1.0)
    return np.array(segments, np.float32)
