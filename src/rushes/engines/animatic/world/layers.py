"""The layers of a place: what its table names is built here, in drawing order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.scene.graph import Scene
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.ocean import Ocean, Water
from rushes.engines.animatic.world.terrain import Land, Terrain
from rushes.engines.animatic.world.view import Canvas, Pose
from rushes.engines.base import Control


class Layer(Protocol):
    """One part of the world."""

    def guide(self, pose: Pose) -> Pose:
        """Keep the camera where it may be: above the ground, out of walls."""

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        """Draw in front of what is farther away, keeping the canvas's distances true."""


def _ocean(scene: Scene, row: Mapping[str, Any]) -> Layer:
    water = Water(
        roughness=float(row.get("roughness", 1.0)) * (0.35 + 0.65 * scene.weather.wind),
        deep=colour(row["deep"]),
        scatter=colour(row["scatter"]),
        wind=0.9 + scene.seed % 7 * 0.2,
    )
    return Ocean(water, scene.air, scene.seed)


def _terrain(scene: Scene, row: Mapping[str, Any]) -> Layer:
    snowfall = 1.0 if scene.weather.snow else 0.0
    return Terrain(Land.from_row(row, snowfall=snowfall), scene.air, scene.seed)


BUILDERS: dict[str, Callable[[Scene, Mapping[str, Any]], Layer]] = {"ocean": _ocean, "terrain": _terrain}


def layers(scene: Scene, control: Control) -> list[Layer]:
    """Build the layers of the scene's place; stops between them when cancelled."""
    built: list[Layer] = []
    for name in scene.ground["layers"]:
        control.check()
        built.append(BUILDERS[name](scene, scene.ground[name]))
    return built
