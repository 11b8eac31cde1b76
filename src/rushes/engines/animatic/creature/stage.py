"""The troupe: every body of the scene, placed in the picture and drawn from far to near.

A flyer is placed relative to the camera, as a following shot would film it; a boat stands in the water, and the camera
that looks at it was placed by the composer. Both are sized in short sides of the picture.
"""

from __future__ import annotations

import math
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


class Troupe:
    """The bodies of one scene."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._rng = np.random.default_rng(scene.seed ^ 0xB0D1)
        self._phase = [float(v) for v in self._rng.random(len(scene.subjects) + 1)]
        self._rows: dict[str, Any] = table("subjects")

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
        draw_body(canvas, pose, rows, self._lamp(haze, subject.across, distance * 30, t, texture=2.0))

    def _boat(self, subject: Subject, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        scene = self._scene
        base = scene.path.pose(scene.seconds / 2)
        length = 8.0
        distance = length / subject.size * base.zoom
        wide = canvas.width / min(canvas.width, canvas.height)
        ahead = 1.0 if subject.heading < 1.5 else -1.0
        # Its place in the world is where the composer wants it half-way through the clip; it sails on from there.
        side = (subject.across - 0.5) * wide / base.zoom * distance
        speed = 1.1 if scene.weather.wind < 2 else 1.7
        x = (
            base.x
            + side * math.cos(base.yaw)
            + distance * math.sin(base.yaw)
            + ahead * speed * (t - scene.seconds / 2)
        )
        z = base.z - side * math.sin(base.yaw) + distance * math.cos(base.yaw)
        phase = self._phase[subject.rank] * 6.28
        wind = scene.weather.wind
        sea = 0.4 + 0.6 * min(wind, 2.5)
        heave = 0.16 * sea * math.sin(t * 1.35 + phase) + 0.05 * sea * math.sin(t * 2.3 + phase * 2)
        roll = ahead * (0.06 + 0.03 * wind) + 0.035 * sea * math.sin(t * 1.2 + phase)
        pitch = 0.03 * sea * math.sin(t * 1.5 + phase + 1)
        yaw = 0.32 if ahead > 0 else math.pi - 0.32
        rows = boat(t, wind, subject.colour).placed(length, (x, heave, z), yaw, roll, pitch)
        lamp = self._lamp(haze, subject.across, distance, t, floor=0.0)
        mirrored = rows.copy()
        for column in (1, 4, 14):
            mirrored[:, column] *= -1
        reflect = lamp.copy()
        reflect[17] = 0.5 / (1 + 0.4 * wind)
        reflect[1] *= -1
        draw_body(canvas, pose, mirrored, reflect)
        draw_body(canvas, pose, rows, lamp)

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
