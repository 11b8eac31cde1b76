"""What falls between the scene and the lens: rain, snow, petals and leaves.

Particles live in a box of space that travels with the camera and repeats: each falls with its own speed and drift, is
projected like everything else, and is drawn as the streak of half a frame's exposure.
"""

from __future__ import annotations

import numpy as np

from rushes.engines.animatic.post.splat import ycc
from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.scene.graph import Weather
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.view import Pose

BOX = np.array([26.0, 14.0, 22.0], np.float32)
"""Metres across, up and away in which particles repeat."""
SHUTTER = 1 / 40


class Falling:
    """Particles of one scene. `pace` 0…1 is how much of the camera's own speed they feel: a plane's would turn snow
    into lines."""

    def __init__(self, weather: Weather, air: Air, exposure: float, pace: float, seed: int) -> None:
        self._pace = pace
        self._wind = weather.wind
        glow = float(np.mean(air.horizon) + np.mean(air.ambient)) * exposure
        bright = min(max(0.35 + 0.55 * glow, 0.4), 0.97)
        self._kinds: list[tuple[str, Plane, Plane]] = []
        rng = np.random.default_rng(seed ^ 0xFA11)
        for kind, amount, count, colours in (
            ("rain", weather.rain, 4200, [(bright * 0.82, bright * 0.88, bright * 0.95)]),
            ("snow", weather.snow, 2400, [(bright, bright, bright * 1.02)]),
            ("motes", weather.motes, 420, [(min(bright * 1.1, 1.0), bright, bright * 0.86)]),
            ("bubbles", weather.bubbles, 160, [(0.78, 0.95, 1.0)]),
            ("petals", weather.petals, 320, [(1.0, 0.72, 0.8), (1.0, 0.86, 0.9), (0.95, 0.6, 0.7)]),
            ("leaves", weather.leaves, 260, [(0.75, 0.36, 0.1), (0.82, 0.58, 0.14), (0.6, 0.2, 0.08)]),
        ):
            n = int(count * min(amount, 1.5))
            if n:
                paint = np.array([ycc(c) for c in colours], np.float32)[rng.integers(len(colours), size=n)]
                self._kinds.append((kind, rng.random((n, 6)).astype(np.float32), paint))

    def items(self, pose: Pose, t: float, width: int, height: int) -> Plane:
        """Rows for `splat`, far to near."""
        rows = [self._kind(kind, seeds, paint, pose, t, width, height) for kind, seeds, paint in self._kinds]
        return np.concatenate(rows) if rows else np.zeros((0, 9), np.float32)

    def _kind(
        self, kind: str, seeds: Plane, paint: Plane, pose: Pose, t: float, width: int, height: int
    ) -> Plane:
        now = self._place(kind, seeds, pose, t)
        then = self._place(kind, seeds, pose, t + SHUTTER)
        # Wrapping moves a particle across the box: the streak then is that of the fall alone.
        step = then - now
        step -= np.round(step / BOX) * BOX
        eye = np.array([pose.x, pose.y, pose.z], np.float32)
        turn = np.array(
            [[np.cos(pose.yaw), 0, -np.sin(pose.yaw)], [0, 1, 0], [np.sin(pose.yaw), 0, np.cos(pose.yaw)]]
        )
        world = (now @ turn + eye).astype(np.float32)
        a = pose.project(world, width, height)
        b = pose.project((world + (step @ turn)).astype(np.float32), width, height)
        z = a[:, 2]
        focal = pose.zoom * min(width, height)
        size = {
            "rain": 0.0065,
            "snow": 0.014,
            "petals": 0.045,
            "leaves": 0.055,
            "motes": 0.006,
            "bubbles": 0.016,
        }[kind] * (0.6 + 0.8 * seeds[:, 3])
        radius = size * focal / np.maximum(z, 0.1)
        # Out of focus near the lens: larger and fainter, never a hard disc.
        near = np.clip((2.6 - z) / 2.6, 0, 1)
        radius *= 1 + 1.5 * near
        alpha = {"rain": 0.5, "snow": 0.85, "petals": 0.9, "leaves": 0.9, "motes": 0.5, "bubbles": 0.4}[
            kind
        ] * (1 - 0.7 * near)
        fade = np.clip((z - 0.7) * 1.5, 0, 1) * np.clip((BOX[2] - z) / (BOX[2] * 0.5), 0, 1)
        items = np.zeros((len(seeds), 9), np.float32)
        items[:, 0:2] = (a[:, 0:2] + b[:, 0:2]) * 0.5
        items[:, 2:4] = (b[:, 0:2] - a[:, 0:2]) * 0.5
        items[:, 4] = np.minimum(radius, min(width, height) * 0.018)
        items[:, 5] = alpha * fade
        items[:, 6:9] = paint
        if kind in ("petals", "leaves"):
            flutter = np.sin(t * (2 + 3 * seeds[:, 4]) + seeds[:, 5] * 6.28)
            items[:, 2] += items[:, 4] * 0.9 * flutter
            items[:, 3] += items[:, 4] * 0.5 * np.sqrt(1 - flutter * flutter)
        shown = (z > 0.7) & (items[:, 5] > 0.02) & (a[:, 0] > -40) & (a[:, 0] < width + 40)
        shown &= (a[:, 1] > -80) & (a[:, 1] < height + 80)
        order = np.argsort(-z[shown], kind="stable")
        return items[shown][order]

    def _place(self, kind: str, seeds: Plane, pose: Pose, t: float) -> Plane:
        """Where particles are, relative to the camera and turned with it: x across, y up, z away."""
        fall = {"rain": 9.0, "snow": 1.1, "petals": 0.9, "leaves": 1.2, "motes": 0.03, "bubbles": -0.55}[
            kind
        ] * (0.75 + 0.5 * seeds[:, 3])
        blow = {"rain": 1.3, "snow": 0.7, "petals": 0.9, "leaves": 1.1, "motes": 0.12, "bubbles": 0.05}[
            kind
        ] * self._wind
        wobble = {"rain": 0.0, "snow": 0.22, "petals": 0.5, "leaves": 0.6, "motes": 0.14, "bubbles": 0.1}[
            kind
        ]
        phase = seeds[:, 4] * 6.28
        at = seeds[:, :3] * BOX
        at[:, 0] += t * blow + wobble * np.sin(t * (0.7 + seeds[:, 5]) + phase)
        at[:, 1] -= t * fall
        at[:, 2] += wobble * np.cos(t * (0.6 + seeds[:, 5]) + phase) * 0.7
        c, s = np.cos(pose.yaw), np.sin(pose.yaw)
        at[:, 0] -= (pose.x * c - pose.z * s) * self._pace
        at[:, 1] -= pose.y * self._pace
        at[:, 2] -= (pose.x * s + pose.z * c) * self._pace
        at -= np.floor(at / BOX) * BOX
        at[:, 0] -= BOX[0] * 0.5
        at[:, 1] -= BOX[1] * 0.5
        return at.astype(np.float32)
