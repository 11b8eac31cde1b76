"""The layers of a place: what its table names is built here, in drawing order.

A room of the world is imported where a place needs it: its kernels are compiled, or read, for that place only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rushes.core.errors import SetupError
from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.scene.graph import Scene
from rushes.engines.animatic.tables import colour, table
from rushes.engines.animatic.world.view import Canvas, Pose
from rushes.engines.base import Control

if TYPE_CHECKING:
    from rushes.engines.animatic.world.ocean import Ocean
    from rushes.engines.animatic.world.plants import Plants
    from rushes.engines.animatic.world.terrain import Terrain

ROOMS = {
    name: name
    for name in (
        "ocean", "terrain", "trunks", "fall", "houses", "city", "mirror", "depths", "nebula", "planet", "room", "plants"
    )
} | {"moon": "planet"}  # fmt: skip
"""The room of each layer that a place may name."""


class Layer(Protocol):
    """One part of the world."""

    def guide(self, pose: Pose) -> Pose:
        """Keep the camera where it may be: above the ground, out of walls."""

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        """Draw in front of what is farther away, keeping the canvas's distances true."""


class World(NamedTuple):
    """What is built of a place. `ground` gives the height of its land in metres at points (n,), if it has any: water lies
    at 0."""

    layers: list[Layer]
    ground: Callable[[Plane, Plane], Plane] | None


def open_rooms(scene: Scene) -> None:
    """Import what draws the scene's place."""
    for name in scene.ground["layers"]:
        if name not in ROOMS:
            raise SetupError(
                f"place {scene.place}: layer '{name}' is not known; layers: {', '.join(ROOMS)}",
                advice="Correct data/places.toml.",
            )
        import_module(f"{__package__}.{ROOMS[name]}")


def _ocean(scene: Scene, row: Mapping[str, Any]) -> Ocean:
    from rushes.engines.animatic.world.ocean import Ocean, Water

    water = Water(
        roughness=float(row.get("roughness", 1.0)) * (0.35 + 0.65 * scene.weather.wind),
        deep=colour(row["deep"]),
        scatter=colour(row["scatter"]),
        wind=0.9 + scene.seed % 7 * 0.2,
    )
    return Ocean(water, scene.air, scene.seed)


def _season(scene: Scene) -> Mapping[str, Any]:
    """The table of the season that ground and plants wear: winter's where snow lies, none where it is always warm."""
    name = "winter" if scene.weather.lying else "" if scene.ground.get("warm") else scene.season
    row: Mapping[str, Any] = table("seasons").get(name, {})
    return row


def _terrain(scene: Scene, row: Mapping[str, Any], rows: int) -> Terrain:
    from rushes.engines.animatic.world.land import Land
    from rushes.engines.animatic.world.terrain import Terrain

    # A map finer than the picture would only cost time.
    coarser = 1 if rows >= 360 else 2 if rows >= 180 else 4
    season = _season(scene)
    if "grass" in season:
        row = {**row, "grass": season["grass"]} if float(row["treeline"]) > 0 else row
    return Terrain(Land.from_row(row, scene.weather.lying, coarser), scene.air, scene.path.base.y, scene.seed)


def _plants(
    scene: Scene, rows: Sequence[Mapping[str, Any]], terrain: Terrain | None, start: tuple[float, float]
) -> Plants:
    from rushes.engines.animatic.world.plants import Plants, kinds_of

    if scene.weather.lying:
        # What is low lies under the snow.
        rows = [{**row, "count": int(row["count"] * 0.12)} if row["height"] < 2 else row for row in rows]
    return Plants(
        kinds_of(rows, _season(scene), scene.weather.lying),
        terrain,
        start,
        scene.air,
        scene.weather.wind,
        scene.seed,
    )


def build(scene: Scene, rows: int, control: Control) -> World:
    """Build the layers of the scene's place for a picture of `rows` rows; stops between them when cancelled."""
    built: list[Layer] = []
    terrain: Terrain | None = None
    start = (0.0, 0.0)
    dark = float(table("times")[scene.time].get("lamps", 0.0))
    for name in scene.ground["layers"]:
        control.check()
        row = scene.ground.get(name, {})
        match name:
            case "ocean":
                built.append(_ocean(scene, row))
            case "terrain":
                terrain = _terrain(scene, row, rows)
                start = terrain.start
                built.append(terrain)
            case "trunks" if terrain:
                from rushes.engines.animatic.world.trunks import Trunks

                built.append(Trunks(row, terrain, scene.air, scene.seed))
            case "fall" if terrain:
                from rushes.engines.animatic.world.fall import Fall

                built.append(Fall(row, terrain, scene.air, scene.seed))
            case "houses" if terrain:
                from rushes.engines.animatic.world.houses import Houses

                lit = max(dark, 0.35) if scene.weather.name == "fog" else dark
                built.append(
                    Houses(row, terrain, scene.air, scene.weather.lying, lit, scene.shape, scene.seed)
                )
            case "city":
                from rushes.engines.animatic.world.city import City

                lit = max(dark, 0.4 * bool(scene.weather.rain))
                city = City(row, scene.weather, scene.air, lit, scene.seed)
                start = city.start
                built.append(city)
            case "mirror":
                from rushes.engines.animatic.world.mirror import Mirror

                built.append(Mirror(float(scene.ground["ocean"].get("roughness", 1.0))))
            case "depths":
                from rushes.engines.animatic.world.depths import Depths

                built.append(Depths(row, scene.air, scene.seed))
            case "nebula":
                from rushes.engines.animatic.world.nebula import Nebula

                built.append(Nebula(row, scene.seed))
            case "planet" | "moon":
                from rushes.engines.animatic.world.planet import Planet

                built.append(Planet(row, scene.air, scene.seed))
            case "room":
                from rushes.engines.animatic.world.room import Room

                built.append(Room(row, scene.air, 1.0 if row.get("beams") else dark, scene.seed))
            case "plants":
                built.append(_plants(scene, row, terrain, start))
            case _:
                raise SetupError(
                    f"place {scene.place}: layer '{name}' needs a terrain before it",
                    advice="Correct data/places.toml.",
                )
    return World(built, terrain.ground if terrain else None)
