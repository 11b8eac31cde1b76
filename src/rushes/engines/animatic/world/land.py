"""Land as a place's table has it, and the map of its heights: noise made into metres, and what water, rivers and cliffs
do to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np

from rushes.engines.animatic.ahead import in_parts
from rushes.engines.animatic.runtime import Plane, f4, i4
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.air import Colour
from rushes.engines.animatic.world.march import raise_land

ACROSS, AHEAD = (0.3, 0.7), (0.12, 0.4)
"""Where on the map, from side to side and away, the camera may start."""
LAKES = 0.35
"""Share of that which is water, at least, in a place of lakes."""
WASHED = np.float32(1.6)
"""Metres above the sea that its waves reach, at most."""
RISES = np.float32(0.08)
"""Slope of a shore, at least."""
SIZE = 2048
"""Texels of a map's side, unless its row says otherwise."""
COARSE = 8
"""Texels of the map per texel of the map that guides the camera, where the map is as fine as it gets."""


@dataclass(frozen=True)
class Land:
    """`height` metres from lowest to highest; `scale` noise cells across the map; `cell` metres per texel; `ridge`
    0…1 share of sharp ridges; `power` > 1 widens valleys; `snowline` and `treeline` 0…1 of the height (`snowed` is the line
    while snow falls); snow and grass
    hold up to a slope of 0 (flat) … 1; `low_fog` 0 keeps the haze even, 1 lets it lie in the valleys;
    `shore` tilts the map, so that land lies to the left and water to the right; `river` half its width in
    metres, where one runs through; `cliff` metres of a wall across the map, `cliff_ahead` of where the camera starts
    and `cliff_depth` from its foot to its brink; `bumps` metres of fine relief; `strata` 0…1 layers in the rock;
    `texture` 1 is stony ground and 0 smooth sand; `surf` 0…1 the foam that runs up where the land meets water;
    `coarse` texels per texel of the map that guides the camera."""

    height: float
    scale: float
    ridge: float
    detail: int
    power: float
    cell: float
    snowline: float
    treeline: float
    rock: Colour
    scree: Colour
    grass: Colour
    snow: Colour
    sea_level: float
    relief: float
    snow_slope: float
    grass_slope: float
    bumps: float
    strata: float
    size: int
    low_fog: float
    shore: float
    river: float
    cliff: float
    cliff_ahead: float
    cliff_depth: float
    texture: float
    surf: float
    coarse: int

    @classmethod
    def from_row(cls, row: Mapping[str, Any], snowfall: float = 0.0, coarser: int = 1) -> Land:
        return cls(
            height=float(row["height"]),
            scale=float(row["scale"]),
            ridge=float(row["ridge"]),
            detail=int(row["detail"]),
            power=float(row["power"]),
            cell=float(row.get("cell", 9.0)) * coarser,
            snowline=float(row.get("snowed", 0.25 * row["snowline"]) if snowfall else row["snowline"]),
            treeline=float(row["treeline"]) * (1 - 0.8 * snowfall),
            rock=colour(row["rock"]),
            scree=colour(row["scree"]),
            grass=colour(row["grass"]),
            snow=colour(row.get("snow", "#eef1f8")),
            sea_level=float(row.get("sea_level", -1e9)),
            relief=float(row.get("relief", 1.0)),
            snow_slope=float(row.get("snow_slope", 0.5)),
            grass_slope=float(row.get("grass_slope", 0.38)),
            bumps=float(row.get("bumps", 2.0)),
            strata=float(row.get("strata", 0.6)),
            size=int(row.get("size", SIZE)) // coarser,
            low_fog=float(row.get("low_fog", 1.0)),
            shore=float(row.get("shore", 0.0)),
            river=float(row.get("river", 0.0)),
            cliff=float(row.get("cliff", 0.0)),
            cliff_ahead=float(row.get("cliff_ahead", 90.0)),
            cliff_depth=float(row.get("cliff_depth", 8.0)),
            texture=float(row.get("texture", 1.0)),
            surf=float(row.get("surf", 0.0)),
            # The same metres on a coarser map, so that a thumbnail is composed like the film.
            coarse=COARSE // coarser,
        )

    @property
    def wet(self) -> bool:
        """Whether ground below 0 is under water."""
        return self.sea_level > -1e8

    @property
    def brink(self) -> tuple[float, float]:
        """The foot of the cliff where the river comes down, in metres of the map."""
        z = 0.3 * self.size * self.cell
        return self.river_at(z), z

    def river_at(self, z: float) -> float:
        """Where the middle of the winding river is."""
        return self.size * self.cell / 2 + 1.4 * self.river * math.sin(z / (5.5 * self.river))


def starts(side: int) -> tuple[slice, slice]:
    """Rows and columns of a map of that side where the camera may start."""
    (first, end), (left, right) = ((int(share * side) for share in part) for part in (AHEAD, ACROSS))
    return slice(first, end), slice(left, right)


def raised(land: Land, seed: int) -> Plane:
    """The map of its heights (size, size) in metres, above the water where there is any."""
    heights: Plane = np.empty((land.size, land.size), np.float32)
    noise = f4(land.scale / land.size), land.detail, f4(land.ridge), i4(seed & 0xFFFFFF)
    in_parts(lambda first, end: raise_land(heights, first, end, *noise), land.size)
    low, high = (float(v) for v in np.percentile(heights[::8, ::8], [0.05, 99.95]))
    level = np.float32(land.sea_level if land.wet else 0)

    def scaled(noise: Plane) -> Plane:
        """From noise to metres, where it stands."""
        noise -= np.float32(low)
        noise *= np.float32(1 / (high - low))
        np.clip(noise, 0, np.float32(1.1), out=noise)
        cv2.pow(noise, land.power, noise)
        noise *= np.float32(land.height)
        return noise

    if land.wet and not (land.shore or land.river):
        # However this seed's land lies, there is a lake where the camera may start.
        level = max(level, np.quantile(scaled(heights[starts(land.size)][::8, ::8].copy()), LAKES))
    at = np.arange(land.size, dtype=np.float32) * np.float32(land.cell)
    changes: list[Change] = []
    if land.shore:
        changes.append(_shore(land, at))
    if land.river:
        middle = np.array([land.river_at(float(z)) for z in at], np.float32)
        bed = scaled(heights[np.arange(land.size), (middle / land.cell).astype(int)][:, None]) - level
        changes.append(_river(land, at, middle, np.maximum(bed, 0)))
    if land.cliff:
        changes.append(_cliff(land, at, seed))

    def form(first: int, end: int) -> None:
        # A few rows at a time stay in the cache.
        for begin in range(first, end, 32):
            rows = slice(begin, min(begin + 32, end))
            scaled(heights[rows])
            heights[rows] -= level
            for change in changes:
                heights[rows] += change(rows)

    in_parts(form, land.size)
    if land.shore:
        _drain(heights, land.cell)
    return heights


Change: TypeAlias = Callable[[slice], Plane]
"""Metres by which rows of the map rise."""


def _shore(land: Land, at: Plane) -> Change:
    """Land rises to the left of the middle and falls to the right of it, gently at the water's edge."""
    across = (at - np.float32(land.size * land.cell / 2)) * np.float32(land.shore)
    fall = across + np.float32(0.25 * land.height) * np.tanh(across / np.float32(0.2 * land.height))
    return lambda rows: -fall[None]


def _drain(heights: Plane, cell: float) -> None:
    """Take the hollows out of a shore: from the edge of the sea on land rises a little at least, until it is above all
    waves."""
    water = (heights < 0).astype(np.uint8)
    # The sea lies to the right.
    cv2.floodFill(water, None, (len(water) - 1, len(water) // 2), 2)
    land = water != 2
    away = cv2.distanceTransform(land.astype(np.uint8), cv2.DIST_L2, 5)
    away *= np.float32(cell) * RISES
    np.maximum(heights, np.minimum(away, WASHED, out=away), out=heights, where=land)


def _river(land: Land, at: Plane, middle: Plane, bed: Plane) -> Change:
    """A winding bed, from whose `middle`, where the land was as high as `bed`, the banks rise."""
    # A valley leads it through high land.
    valley = cv2.GaussianBlur(bed, (0, 0), land.size / 128)

    def change(rows: slice) -> Plane:
        bank = np.abs(at - middle[rows, None]) - np.float32(land.river)
        rise: Plane = np.float32(0.2 * land.height) * np.tanh(bank / np.float32(1.5 * land.river))
        rise += np.minimum(bank, 0) * np.float32(0.1)
        rise -= valley[rows] * np.exp(-np.square(np.maximum(bank, 0) / np.float32(6 * land.river)))
        return rise

    return change


def _cliff(land: Land, at: Plane, seed: int) -> Change:
    """A wall that comes forward on both sides of the river, with buttresses."""
    x, z = land.brink
    side = np.maximum(np.abs(at - np.float32(x)) - np.float32(0.8 * land.river), 0)
    phase = np.random.default_rng(seed ^ 0xC11F).random(3) * 6.28
    rough = sum(
        np.sin(side * k + np.sign(at - x) * p) / k for k, p in zip((0.05, 0.13, 0.4), phase, strict=True)
    )
    forward = 0.22 * side + 0.25 * rough * np.minimum(side / 12, 1)
    foot = np.asarray(np.float32(z) - np.minimum(forward, 0.5 * land.cliff_ahead), np.float32)
    steep = np.float32(1 / land.cliff_depth)

    def change(rows: slice) -> Plane:
        up: Plane = np.clip((at[rows, None] - foot) * steep, 0, 1)
        return up * np.float32(land.cliff)

    return change
