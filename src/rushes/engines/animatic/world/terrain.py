"""Land: a height map raised from noise, lit once for the scene's sun, and walked column by column (voxel space).

Heights are fractal noise damped by its own slope, which erodes ridges and fills valleys, mixed with ridged noise. The
map is mirrored at its borders, so there is no seam. Lighting is baked: shadow by a march towards the sun, ambient
light by how much higher the neighbourhood is. A column walks away from the camera, raising the lowest row that is
still free; steps grow with distance as pixels do.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from rushes.engines.animatic.ahead import in_parts
from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.land import ACROSS, AHEAD, Land, raised, starts
from rushes.engines.animatic.world.march import BLOCK, light_land, walk_land
from rushes.engines.animatic.world.mathx import corners
from rushes.engines.animatic.world.noise import seamless
from rushes.engines.animatic.world.view import Canvas, Pose


class Terrain:
    """The layer: land under the camera and to the horizon."""

    def __init__(self, land: Land, light: Air, eye: float, seed: int) -> None:
        self.land = land
        self._heights = raised(land, seed)
        self._ceiling = _ceiling(self._heights)
        side = land.size // land.coarse
        small = cv2.resize(self._heights, (side, side), interpolation=cv2.INTER_AREA)
        around = cv2.resize(
            cv2.GaussianBlur(small, (0, 0), 2.2), (land.size, land.size), interpolation=cv2.INTER_LINEAR
        )
        rng = np.random.default_rng(seed)
        self._grain = corners(np.clip(seamless(rng, 512, 2.1, 1.1) / 4.4 + 0.5, 0, 1))
        self._lit: Plane = np.empty((land.size, land.size), np.uint32)
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
        in_parts(lambda first, end: light_land(self._lit, first, end, self._heights, *looks), land.size)
        self._far = _quarter(self._lit)
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

    def guide(self, pose: Pose) -> Pose:
        x, z = pose.x + self._start[0], pose.z + self._start[1]
        return replace(pose, x=x, z=z, y=self.floor(x, z) + pose.y)

    def floor(self, x: float, z: float) -> float:
        """Height above which nothing sticks out near (x, z), varying slowly."""
        step = self.land.cell * self.land.coarse
        u = np.array([[x / step - 0.5]], np.float32)
        v = np.array([[z / step - 0.5]], np.float32)
        level = float(cv2.remap(self._floor, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)[0, 0])
        return max(level, 0.0) if self.land.wet else level

    def ground(self, x: Plane, z: Plane) -> Plane:
        """The height of the ground at world points (n,), without its fine relief."""
        side = self.land.size
        u = (np.asarray(x, np.float32) / self.land.cell) % (2 * side)
        v = (np.asarray(z, np.float32) / self.land.cell) % (2 * side)
        u = np.minimum(np.minimum(u, 2 * side - 1 - u), side - 1.001).clip(0)
        v = np.minimum(np.minimum(v, 2 * side - 1 - v), side - 1.001).clip(0)
        sampled = cv2.remap(self._heights, u[None], v[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(sampled[0], np.float32)

    def haze(self, height: Plane) -> Plane:
        """How much thicker than the air's fog it is before the ground at these heights (n,): it lies in the valleys."""
        base, falloff = self._lies
        return np.asarray(0.25 + np.exp(-np.maximum(height - base, 0) * falloff), np.float32)

    @property
    def _lies(self) -> tuple[float, float]:
        """Up to where the haze is thickest, in metres, and how fast it thins out above."""
        return 0.1 * self.land.height, self.land.low_fog / (0.16 * self.land.height + 1)

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
                1.0 if land.wet else 0.0,
                self._fog, *self._lies, 0.96, land.bumps, land.strata,
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
            z = self.land.brink[1] - self.land.cliff_ahead
            return self.land.river_at(z), z
        if self.land.river:
            z = rng.uniform(0.12, 0.3) * n * step
            return self.land.river_at(z), z
        wet = self.land.wet
        # From low down a slope close by fills the picture; from high up peaks should stand above the horizon.
        wanted, steepest = (0.09, 0.12) if wet or eye_height > 50 else (0.03, 0.03)
        # Away from the map's middle a ray would soon meet the mirrored land.
        angles = np.linspace(-0.6, 0.6, 13)
        # A lake is seen from its water, not from the hills that hide it.
        places = starts(n)
        open_water = np.argwhere(self._floor[places] <= 0) if wet else ()
        for _ in range(60):
            x, z = rng.uniform(*ACROSS) * n, rng.uniform(*AHEAD) * n
            if len(open_water):
                z, x = [part.start for part in places] + open_water[int(rng.integers(len(open_water)))]
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


def _ceiling(heights: Plane) -> Plane:
    """The highest of each block of the map and of the blocks around it."""
    n = heights.shape[0] // BLOCK
    rows = heights.reshape(n, BLOCK, n * BLOCK).max(axis=1)
    highest = rows.reshape(n, n, BLOCK).max(axis=2)
    return np.asarray(cv2.dilate(highest, np.ones((3, 3), np.uint8)), np.float32)


def _quarter(words: Plane) -> Plane:
    """Words of four bytes (n, n) at a quarter of the size, each byte the mean of sixteen."""
    n = len(words)
    packed = words.view(np.uint8).reshape(n, n, 4)
    small = cv2.resize(packed, (n // 4, n // 4), interpolation=cv2.INTER_AREA)
    return np.asarray(small.view(np.uint32)[..., 0])
