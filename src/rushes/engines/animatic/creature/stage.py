"""The troupe: every body of the scene, placed in the picture and drawn from far to near.

A flyer is placed relative to the camera, as a following shot would film it; a boat stands in the water where the camera
looks half-way through the clip. Both are sized in short sides of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rushes.engines.animatic.creature.bird import bird
from rushes.engines.animatic.creature.boat import boat
from rushes.engines.animatic.creature.rig import Point
from rushes.engines.animatic.creature.trace import draw_body
from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.scene.graph import Scene, Subject
from rushes.engines.animatic.tables import table
from rushes.engines.animatic.world.view import Canvas, Pose

WING_SPAN = 3.3
BOAT_LENGTH = 8.0
"""Metres."""
MISTED = 0.45
"""Optical depth of the air before a flyer, at most."""
LOWEST = 0.42
"""Short sides of the picture below its middle where a boat's foot may be."""
DRAUGHT = -0.6
"""Metres above the water: ground that is lower lets a boat float."""

Berth = tuple[float, float, float]
"""Where a boat is half-way through the clip, x and z in metres, and its distance."""


class Troupe:
    """The bodies of one scene. `middle` is the camera half-way through the clip, where the place lets it be; `ground` the
    height of the place's ground in metres at points (n,) of the world, if it has any: water lies at 0. The picture is
    `wide` short sides across."""

    def __init__(
        self,
        scene: Scene,
        middle: Pose,
        wide: float,
        ground: Callable[[Plane, Plane], Plane] | None = None,
    ) -> None:
        self._scene = scene
        self._middle = middle
        self._ground = ground
        self._rng = np.random.default_rng(scene.seed ^ 0xB0D1)
        self._phase = [float(v) for v in self._rng.random(len(scene.subjects) + 1)]
        self._rows: dict[str, Any] = table("subjects")
        self._berths: dict[int, Berth] = {}
        for subject in scene.subjects:
            if self._rows[subject.kind]["rig"] == "boat":
                self._berths[subject.rank] = self._berth(subject, wide)

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        for subject in sorted(self._scene.subjects, key=lambda s: s.size):
            rig = self._rows[subject.kind]["rig"]
            if rig == "bird":
                self._bird(subject, canvas, pose, t, haze)
            else:
                self._boat(subject, canvas, pose, t, haze)

    def _bird(self, subject: Subject, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        distance = WING_SPAN / subject.size * pose.zoom
        seconds = self._scene.seconds
        u = t / seconds - 0.5
        ahead = 1.0 if subject.heading < 1.5 else -1.0
        phase = self._phase[subject.rank]
        # Crosses a part of the frame with lead room in front of it; a far one crosses more slowly.
        across = subject.across + ahead * 0.16 * u + 0.02 * math.sin(0.7 * t + phase * 6)
        height = subject.height + 0.05 * math.sin(0.55 * t + phase * 4) + 0.04 * u
        turn = 0.55 + 0.35 * math.sin(0.5 * t + phase * 6.28)
        at = self._at(canvas, pose, across, height, distance * (1 - 0.12 * u))
        soaring = subject.action == "soar"
        beat = t * (0.55 if soaring else 0.95) + phase
        # Beats in bouts: a few strokes, then a glide.
        effort = (0.35 if soaring else 0.75) * (0.35 + 0.65 * max(0.0, math.sin(0.9 * t + phase * 6.28)))
        yaw = pose.yaw + (turn if ahead > 0 else math.pi - turn)
        roll = ahead * (0.28 + 0.22 * math.sin(0.6 * t + phase * 5))
        rows = bird(beat, effort, subject.colour).placed(1.0, at, yaw, roll, 0.06)
        # Hazy as what is far away, but never lost in fog.
        away = min(distance * 30, MISTED / max(self._scene.air.fog, 1e-9))
        draw_body(canvas, pose, rows, self._lamp(haze, subject.across, away, t, texture=2.0))

    def _boat(self, subject: Subject, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        scene = self._scene
        x, z, distance = self._berths[subject.rank]
        ahead = 1.0 if subject.heading < 1.5 else -1.0
        x += ahead * (1.1 if scene.weather.wind < 2 else 1.7) * (t - scene.seconds / 2)
        phase = self._phase[subject.rank] * 6.28
        wind = scene.weather.wind
        sea = 0.4 + 0.6 * min(wind, 2.5)
        heave = 0.16 * sea * math.sin(t * 1.35 + phase) + 0.05 * sea * math.sin(t * 2.3 + phase * 2)
        roll = ahead * (0.06 + 0.03 * wind) + 0.035 * sea * math.sin(t * 1.2 + phase)
        pitch = 0.03 * sea * math.sin(t * 1.5 + phase + 1)
        yaw = 0.32 if ahead > 0 else math.pi - 0.32
        rows = boat(t, wind, subject.colour).placed(BOAT_LENGTH, (x, heave, z), yaw, roll, pitch)
        lamp = self._lamp(haze, subject.across, distance, t, floor=0.0)
        mirrored = rows.copy()
        for column in (1, 4, 14):
            mirrored[:, column] *= -1
        reflect = lamp.copy()
        reflect[17] = 0.5 / (1 + 0.4 * wind)
        reflect[1] *= -1
        draw_body(canvas, pose, mirrored, reflect)
        draw_body(canvas, pose, rows, lamp)

    def _berth(self, subject: Subject, wide: float) -> Berth:
        """Where the composer wants a boat, or else the place most like that with water under it and before it."""
        base = self._middle

        def at(across: float, nearer: float) -> Berth:
            away = BOAT_LENGTH / subject.size * base.zoom * nearer
            side = (across - 0.5) * wide / base.zoom * away
            c, s = math.cos(base.yaw), math.sin(base.yaw)
            return base.x + side * c + away * s, base.z - side * s + away * c, away

        columns = [subject.across, *sorted(np.linspace(0.1, 0.9, 17), key=lambda u: abs(u - subject.across))]
        tries = [
            at(across, nearer)
            for nearer in (1.0, 0.8, 1.3, 0.65, 1.8, 2.5, 3.5, 5.0, 7.0)
            for across in columns
        ]
        afloat = [berth for room in (1.0, 0.5) for berth in tries if self._floats(berth, room * BOAT_LENGTH)]
        apart = [
            berth for berth in afloat if not any(self._hides(berth, other) for other in self._berths.values())
        ]
        return (apart or afloat or tries)[0]

    def _hides(self, berth: Berth, other: Berth) -> bool:
        """Whether two boats would overlap in the picture."""
        eye = self._middle
        one, two = (math.atan2(x - eye.x, z - eye.z) for x, z, _ in (berth, other))
        return abs(one - two) < 0.6 * BOAT_LENGTH * (1 / berth[2] + 1 / other[2])

    def _floats(self, berth: Berth, room: float) -> bool:
        """Whether a boat would be in the picture there, with water for `room` metres around, and seen."""
        x, z, away = berth
        eye = self._middle
        # Its foot is in the picture: `rise` is the tangent by which the camera looks up.
        if eye.zoom * (eye.y / away + eye.rise) > LOWEST:
            return False
        if self._ground is None:
            return True
        around = np.linspace(0, 2 * np.pi, 8, endpoint=False, dtype=np.float32)
        way = np.linspace(0.1, 0.9, 12, dtype=np.float32)
        afloat = self._ground(x + room * np.sin(around), z + room * np.cos(around)) < DRAUGHT
        clear = self._ground(eye.x + (x - eye.x) * way, eye.z + (z - eye.z) * way) < eye.y * (1 - way)
        return bool(afloat.all() and clear.all())

    def _at(self, canvas: Canvas, pose: Pose, across: float, height: float, distance: float) -> Point:
        """The world point seen at (across, height) of the picture, `distance` away."""
        short = min(canvas.width, canvas.height)
        x = (across - 0.5) * canvas.width / short / pose.zoom * distance
        y = ((height - 0.5) * canvas.height / short / pose.zoom + pose.rise) * distance
        c, s = math.cos(pose.yaw), math.sin(pose.yaw)
        return (pose.x + x * c + distance * s, pose.y + y, pose.z - x * s + distance * c)

    def _lamp(
        self, haze: Plane, across: float, distance: float, t: float, floor: float = -1e9, texture: float = 0.0
    ) -> Plane:
        air = self._scene.air
        behind = haze[min(max(int(across * len(haze)), 0), len(haze) - 1)]
        ground = np.asarray(air.ambient) * 0.35 + np.asarray(air.sunlight) * 0.06
        clear = math.exp(-distance * air.fog)
        return np.array(
            [*air.sun, *air.sunlight, *air.ambient, *ground, *behind, clear, floor, 0.0, t % 1000, texture],
            np.float32,
        )
