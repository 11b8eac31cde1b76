"""The troupe: every body of the scene, placed and drawn."""

from __future__ import annotations

from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.scene.graph import Scene
from rushes.engines.animatic.world.view import Canvas, Pose


class Troupe:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        pass
