"""The camera's path: a base pose and what the asked moves add to it, eased at both ends.

Moves are rows of `data/camera.toml`; several add up. Unrest (handheld, drone) is a sum of slow sines that never repeats
within a clip, drawn from the seed, so a frame depends on its time alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rushes.engines.animatic.world.view import Pose


@dataclass(frozen=True)
class Move:
    """What one move adds by the end of the clip; see `data/camera.toml` for the units."""

    name: str = "static"
    forward: float = 0.0
    right: float = 0.0
    up: float = 0.0
    yaw: float = 0.0
    orbit: float = 0.0
    roll: float = 0.0
    cant: float = 0.0
    rise: float = 0.0
    zoom: float = 1.0
    shake: float = 0.0
    sway: float = 0.0
    height: float = 1.0
    tilt: float = 0.0
    aloft: float = 0.0
    closer: float = 1.0
    blur: float = 0.0

    @classmethod
    def named(cls, name: str, row: Mapping[str, object]) -> Move:
        fields = {key: float(str(value)) for key, value in row.items() if key != "words"}
        return cls(name=name, **fields)

    @property
    def travels(self) -> bool:
        """False for a mere framing, such as a close up."""
        return self != Move(
            self.name,
            cant=self.cant,
            height=self.height,
            tilt=self.tilt,
            aloft=self.aloft,
            closer=self.closer,
            blur=self.blur,
        )


HELD = 0.55
"""How much of a rise the camera makes up for by looking down at what it holds."""


def ease(u: float) -> float:
    """0…1 with a soft start and stop but an even middle, so that a long move does not lurch."""
    a = 0.22
    if u <= 0:
        return 0.0
    if u >= 1:
        return 1.0
    top = 1 / (1 - a)
    if u < a:
        return top * u * u / (2 * a)
    if u > 1 - a:
        return 1 - top * (1 - u) ** 2 / (2 * a)
    return top * (u - a / 2)


@dataclass(frozen=True)
class Path:
    """`pose(t)` for t in 0…seconds. `travel` is the metres of one unit; `pivot` the distance of an orbit's centre;
    `held`, where something near is to stay in the picture, how far away that is: a camera that rises looks down at it."""

    base: Pose
    moves: tuple[Move, ...]
    seconds: float
    travel: float
    pivot: float
    seed: int
    floor: float = 0.3
    held: float = math.inf

    def total(self, field: str) -> float:
        return float(sum(getattr(move, field) for move in self.moves))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(move.name for move in self.moves)

    def pose(self, t: float) -> Pose:
        u = ease(t / self.seconds)
        # A 10 s clip goes farther than a 5 s one, not slower to the same place.
        reach = self.travel * math.sqrt(self.seconds / 5)
        base = self.base
        yaw = base.yaw + self.total("yaw") * (u - 0.5)
        x = self.total("right") * (u - 0.5) * reach
        z = self.total("forward") * u * reach
        y = self.total("up") * u * reach
        angle = self.total("orbit") * (u - 0.5)
        if angle:
            x += self.pivot * math.sin(angle)
            z += self.pivot * (1 - math.cos(angle))
            yaw -= angle
        zoom = base.zoom * math.prod(move.zoom for move in self.moves) ** u
        rise = base.rise + self.total("rise") * (u - 0.5) * 1.2
        rise -= HELD * y / self.held
        pose = replace(
            base,
            x=base.x + x * math.cos(base.yaw) + z * math.sin(base.yaw),
            z=base.z - x * math.sin(base.yaw) + z * math.cos(base.yaw),
            y=max(base.y + y, self.floor),
            yaw=yaw,
            rise=rise,
            zoom=zoom,
            roll=base.roll + self.total("cant") + self.total("roll") * (u - 0.5),
        )
        return self._unrest(pose, t)

    def _unrest(self, pose: Pose, t: float) -> Pose:
        shake, sway = self.total("shake"), self.total("sway")
        n = _wander(self.seed, t)
        breath = 0.12 + shake + 0.5 * sway
        slow = 0.35 + 0.65 * (t / self.seconds)
        return replace(
            pose,
            x=pose.x + self.travel * (0.006 * shake * n[0] + 0.02 * sway * n[3]),
            y=max(pose.y + self.travel * (0.004 * shake * n[1] + 0.012 * sway * n[4]), self.floor),
            yaw=pose.yaw + 0.009 * breath * n[2] + 0.02 * sway * n[5] * slow,
            rise=pose.rise + 0.006 * breath * n[1],
            roll=pose.roll + 0.008 * shake * n[3] + 0.02 * sway * n[5] * slow,
        )


def _wander(seed: int, t: float) -> Sequence[float]:
    """Six smooth, independent values around 0, about ±1."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * math.pi, (6, 4))
    rate = rng.uniform(0.8, 1.25, (6, 4)) * np.array([0.5, 1.3, 2.9, 6.1])
    weight = np.array([0.55, 0.35, 0.2, 0.08])
    return [float(v) for v in (np.sin(phase + rate * t) * weight).sum(axis=1)]
