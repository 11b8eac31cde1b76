"""Land: a height map raised from noise, lit once for the scene's sun, and walked column by column (voxel space).

Heights are fractal noise damped by its own slope, which erodes ridges and fills valleys, mixed with ridged noise. The
map is mirrored at its borders, so there is no seam. Lighting is baked: shadow by a march towards the sun, ambient
light by how much higher the neighbourhood is. A column walks away from the camera, raising the lowest row that is
still free; steps grow with distance as pixels do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from rushes.engines.animatic.ahead import in_parts
from rushes.engines.animatic.runtime import Plane, f4, i4
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.air import Air, Colour
from rushes.engines.animatic.world.march import BLOCK, LEVEL, OPEN, RISE, light_land, raise_land, walk_land
from rushes.engines.animatic.world.mathx import corners
from rushes.engines.animatic.world.view import Canvas, Pose

ACROSS, AHEAD = (0.3, 0.7), (0.12, 0.4)
"""Where on the map, from side to side and away, the camera may start."""
LAKES = 0.35
"""Share of that which is water, at least, in a place of lakes."""
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


class Terrain:
    """The layer: land under the camera and to the horizon."""

    def __init__(self, land: Land, light: Air, eye: float, seed: int) -> None:
        self.land = land
        heights = np.zeros((land.size, land.size), np.float32)
        shape = f4(land.scale / land.size), land.detail, f4(land.ridge), i4(seed & 0xFFFFFF)
        in_parts(lambda first, end: raise_land(heights, first, end, *shape), land.size)
        low, high = (float(v) for v in np.percentile(heights[::8, ::8], [0.05, 99.95]))
        heights = np.clip((heights - np.float32(low)) / np.float32(high - low), 0, 1.1)
        self._heights: Plane = np.power(heights, np.float32(land.power)) * np.float32(land.height)
        if land.sea_level > -1e8:
            level = land.sea_level
            if not (land.shore or land.river):
                # However this seed's land lies, there is a lake where the camera may start.
                level = max(level, float(np.quantile(self._heights[_starts(land.size)][::8, ::8], LAKES)))
            self._heights -= np.float32(level)
        if land.shore:
            # Land rises to the left of the middle and falls to the right of it, gently at the water's edge.
            across = (np.arange(land.size, dtype=np.float32) - land.size / 2) * np.float32(
                land.cell * land.shore
            )
            self._heights -= (
                across[None] + np.float32(0.25 * land.height) * np.tanh(across / (0.2 * land.height))[None]
            )
        if land.river:
            # A winding bed, from whose middle the banks rise.
            away = np.arange(land.size, dtype=np.float32) * np.float32(land.cell)
            middle = land.size * land.cell / 2 + 1.4 * land.river * np.sin(away / (5.5 * land.river))
            across = np.abs(away[None] - middle[:, None]) - np.float32(land.river)
            # A valley leads it through high land.
            bed = self._heights[np.arange(land.size), (middle / land.cell).astype(int)]
            bed = cv2.GaussianBlur(np.maximum(bed, 0)[:, None], (0, 0), land.size / 128)
            self._heights -= bed * np.exp(-np.square(np.maximum(across, 0) / (6 * land.river)))
            self._heights += np.float32(0.2 * land.height) * np.tanh(across / (1.5 * land.river))
            self._heights -= np.maximum(-across, 0) * np.float32(0.1)
        if land.cliff:
            self._heights += self._cliff(seed)
        self._ceiling = _ceiling(self._heights)
        side = land.size // land.coarse
        small = cv2.resize(self._heights, (side, side), interpolation=cv2.INTER_AREA)
        around = cv2.resize(
            cv2.GaussianBlur(small, (0, 0), 2.2), (land.size, land.size), interpolation=cv2.INTER_LINEAR
        )
        rng = np.random.default_rng(seed)
        self._grain = corners((_grain(rng) + 1) / 2)
        lit: Plane = np.zeros((land.size, land.size, 4), np.float32)
        lines = [
            land.height,
            land.snowline,
            land.treeline,
            land.cell,
            land.relief,
            land.snow_slope,
            land.grass_slope,
        ]
        looks = around, np.array(light.sun, np.float32), np.array(lines, np.float32)
        in_parts(lambda first, end: light_land(lit, first, end, self._heights, *looks), land.size)
        # Without this a sharp crest, lit on one side, shows the texels it runs across.
        cv2.GaussianBlur(lit, (0, 0), 0.8, dst=lit)
        self._lit = _packed(lit)
        self._far = _packed(cv2.resize(lit, (land.size // 4, land.size // 4), interpolation=cv2.INTER_AREA))
        self._paint = np.array(
            [*land.rock, *land.scree, *land.grass, *land.snow, *light.sunlight, *light.ambient, *light.sun],
            np.float32,
        )
        if eye < 1.5 * land.cell * land.coarse:
            # On foot: the ground right here, or what grows at one's feet would be out of sight below.
            self._floor = cv2.GaussianBlur(cv2.dilate(small, np.ones((3, 3), np.uint8)), (0, 0), 1.0)
        else:
            peaks = cv2.dilate(small, np.ones((5, 5), np.uint8))
            # Smooth, so that the camera glides; never below what sticks out right here, so that it stays in the air.
            here = cv2.GaussianBlur(cv2.dilate(small, np.ones((7, 7), np.uint8)), (0, 0), 1.5)
            self._floor = np.maximum(cv2.GaussianBlur(peaks, (0, 0), 6), here)
        self._start = self._vantage(small, eye, rng)
        self._fog = light.fog

    @property
    def brink(self) -> tuple[float, float]:
        """The foot of the cliff where the river comes down, in metres of the map."""
        z = 0.3 * self.land.size * self.land.cell
        return self._river(z), z

    def _river(self, z: float) -> float:
        """Where the middle of the river is."""
        winding = self.land.river
        return self.land.size * self.land.cell / 2 + 1.4 * winding * float(np.sin(z / (5.5 * winding)))

    def _cliff(self, seed: int) -> Plane:
        """Metres to raise the land by: a wall that comes forward on both sides of the river, with buttresses."""
        land = self.land
        x, z = self.brink
        at = np.arange(land.size, dtype=np.float32) * np.float32(land.cell)
        side = np.maximum(np.abs(at - np.float32(x)) - np.float32(0.8 * land.river), 0)
        phase = np.random.default_rng(seed ^ 0xC11F).random(3) * 6.28
        rough = sum(
            np.sin(side * k + np.sign(at - x) * p) / k for k, p in zip((0.05, 0.13, 0.4), phase, strict=True)
        )
        forward = 0.22 * side + 0.25 * rough * np.minimum(side / 12, 1)
        foot = np.float32(z) - np.minimum(forward, 0.5 * land.cliff_ahead)
        up = np.clip((at[:, None] - foot[None]) / np.float32(land.cliff_depth), 0, 1)
        return np.asarray(up * np.float32(land.cliff), np.float32)

    def guide(self, pose: Pose) -> Pose:
        x, z = pose.x + self._start[0], pose.z + self._start[1]
        return replace(pose, x=x, z=z, y=self.floor(x, z) + pose.y)

    def floor(self, x: float, z: float) -> float:
        """Height above which nothing sticks out near (x, z), varying slowly."""
        step = self.land.cell * self.land.coarse
        u = np.array([[x / step - 0.5]], np.float32)
        v = np.array([[z / step - 0.5]], np.float32)
        level = float(cv2.remap(self._floor, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)[0, 0])
        return level if self.land.sea_level < -1e8 else max(level, 0.0)

    def ground(self, x: Plane, z: Plane) -> Plane:
        """The height of the ground at world points (n,), without its fine relief."""
        side = self.land.size
        u = (np.asarray(x, np.float32) / self.land.cell) % (2 * side)
        v = (np.asarray(z, np.float32) / self.land.cell) % (2 * side)
        u = np.minimum(np.minimum(u, 2 * side - 1 - u), side - 1.001).clip(0)
        v = np.minimum(np.minimum(v, 2 * side - 1 - v), side - 1.001).clip(0)
        sampled = cv2.remap(self._heights, u[None], v[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(sampled[0], np.float32)

    @property
    def start(self) -> tuple[float, float]:
        """Where the camera's path begins, in metres of the map."""
        return self._start

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        view = pose.packed(canvas.width, canvas.height)
        land = self.land
        numbers = np.array(
            [
                land.cell, land.cell * land.size * 0.8, max(0.3, min((pose.y - self.floor(pose.x, pose.z)) * 0.3, 30.0)),
                0.0 if land.sea_level < -1e8 else 1.0,
                self._fog, 0.1 * land.height, land.low_fog / (0.16 * land.height + 1), 0.96, land.bumps, land.strata,
                land.texture, land.surf, t,
            ],
            np.float32,
        )  # fmt: skip
        walk_land(
            canvas.light, self._heights, self._ceiling, self._lit, self._far, self._grain, haze, view, self._paint, numbers
        )  # fmt: skip

    def _vantage(self, small: Plane, eye_height: float, rng: np.random.Generator) -> tuple[float, float]:
        """A place to start from whose skyline is well up and uneven: the best of five dozen."""
        n = small.shape[0]
        step = self.land.cell * self.land.coarse
        distances = np.arange(2, n // 3)
        best, where = -1e9, (n / 2, n / 3)
        if self.land.shore:
            # On the line where the ground leaves the water.
            row = int(rng.uniform(0.15, 0.35) * n)
            dry = np.flatnonzero(small[row] > 0.012 * self.land.height)
            return (float(dry[-1]) if len(dry) else n / 2) * step, row * step
        if self.land.cliff:
            z = self.brink[1] - self.land.cliff_ahead
            return self._river(z), z
        if self.land.river:
            z = rng.uniform(0.12, 0.3) * n * step
            return self._river(z), z
        wet = self.land.sea_level > -1e8
        # From low down a slope close by fills the picture; from high up peaks should stand above the horizon.
        wanted, steepest = (0.09, 0.12) if wet or eye_height > 50 else (0.03, 0.03)
        # Away from the map's middle a ray would soon meet the mirrored land.
        angles = np.linspace(-0.6, 0.6, 13)
        # A lake is seen from its water, not from the hills that hide it.
        starts = _starts(n)
        open_water = np.argwhere(self._floor[starts] <= 0) if wet else ()
        for _ in range(60):
            x, z = rng.uniform(*ACROSS) * n, rng.uniform(*AHEAD) * n
            if len(open_water):
                z, x = [part.start for part in starts] + open_water[int(rng.integers(len(open_water)))]
            eye = max(float(self._floor[int(z), int(x)]), 0.0 if wet else -1e9) + eye_height
            columns = np.clip(x + np.sin(angles)[:, None] * distances[None], 0, n - 1).astype(int)
            rows = np.clip(z + np.cos(angles)[:, None] * distances[None], 0, n - 1).astype(int)
            along = small[rows, columns]
            slopes = (along - eye) / (distances * step)
            skyline = slopes.max(axis=1)
            # A skyline that is well up and uneven, no wall in front, and water ahead where there is any.
            score = -abs(float(skyline.mean()) - wanted) + 0.6 * float(skyline.std())
            score -= 2.0 * max(float(slopes[:, : n // 16].max()) - steepest, 0.0)
            if wet:
                water = float((along[:, : n // 10] < 0).mean())
                score += 0.5 * water - 4.0 * max(0.6 - water, 0.0)
            if score > best:
                best, where = score, (x, z)
        return where[0] * step, where[1] * step


def _starts(side: int) -> tuple[slice, slice]:
    """Rows and columns of a map of that side where the camera may start."""
    (first, end), (left, right) = ((int(share * side) for share in part) for part in (AHEAD, ACROSS))
    return slice(first, end), slice(left, right)


def _ceiling(heights: Plane) -> Plane:
    """The highest of each block of the map and of the blocks around it."""
    n = heights.shape[0] // BLOCK
    highest = heights.reshape(n, BLOCK, n, BLOCK).max(axis=(1, 3))
    return np.asarray(cv2.dilate(highest, np.ones((3, 3), np.uint8)), np.float32)


def _packed(lit: Plane) -> Plane:
    """What `light_land` finds (n, n, 4) with a byte for each number, in one word of 32 bits: (n, n). Land is smooth, and
    what is read is mixed of four texels, so no step is seen; and four times as much of it fits in the cache."""
    scale = np.array([255, OPEN, RISE, RISE], np.float32)
    shift = np.array([0.5, 0.5, LEVEL + 0.5, LEVEL + 0.5], np.float32)
    packed = np.empty(lit.shape[:2], np.uint32)

    def pack(first: int, end: int) -> None:
        # A few rows at a time stay in the cache.
        for at in range(first, end, 32):
            rows = slice(at, min(at + 32, end))
            packed[rows] = np.clip(lit[rows] * scale + shift, 0, 255).astype(np.uint8).view(np.uint32)[..., 0]

    in_parts(pack, len(lit))
    return packed


def _grain(rng: np.random.Generator, size: int = 512) -> Plane:
    """Seamless fine texture in -1…1."""
    frequency = np.fft.fftfreq(size, 1 / size)
    k = np.hypot(frequency[:, None], frequency[None, :])
    k[0, 0] = 1
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((size, size))) * k**-1.1 * (k > 2)).real
    return np.asarray(np.clip(field / (2.2 * field.std()), -1, 1), np.float32)
