"""Houses of a village and halls of a temple, standing on the land.

A row of the place's table names a `shape`, how many and where; from that faces are built once, lit by the scene's sun,
and drawn every frame. Snow that falls lies on roofs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.faces import PLAIN, ROOF, WALL, Faces, draw_faces, measures
from rushes.engines.animatic.world.terrain import Terrain
from rushes.engines.animatic.world.view import Canvas, Pose

Random = np.random.Generator
Paints = Mapping[str, Plane]
SNOW = np.array([0.82, 0.86, 0.93])


def _box(
    faces: Faces, half: tuple[float, float], low: float, high: float, kind: float, paint: Plane, name: int, lid: bool = True
) -> None:  # fmt: skip
    """Four walls around the middle and a lid."""
    w, d = half
    ring = [(-w, -d), (w, -d), (w, d), (-w, d)]
    for k, (a, b) in enumerate(zip(ring, ring[1:] + ring[:1], strict=True)):
        faces.add(
            [(a[0], low, a[1]), (b[0], low, b[1]), (b[0], high, b[1]), (a[0], high, a[1])],
            kind,
            paint,
            name + k,
        )
    if lid:
        faces.add([(x, high, z) for x, z in ring], PLAIN, paint, name)


def _house(rng: Random, paints: Paints) -> Faces:
    """Walls on a stone foot, a steep gabled roof that overhangs, a chimney."""
    faces = Faces()
    name = int(rng.integers(1 << 14)) * 8
    w, d = rng.uniform(3.6, 6.2), rng.uniform(3.0, 4.2)
    eaves = float(rng.choice([3.1, 3.3, 5.9]))
    ridge = eaves + d * rng.uniform(0.85, 1.25)
    wall = paints["wall"] * rng.uniform(0.75, 1.1) * rng.uniform(0.92, 1.08, 3)
    roof = paints["roof"] * (
        rng.uniform(0.75, 1.2) * rng.uniform(0.9, 1.1, 3) if paints["roof"].max() < 0.7 else 1.0
    )
    # No lids: where the roof runs through one they would fight for the same pixels.
    _box(faces, (w + 0.1, d + 0.1), -4.0, 0.0, PLAIN, paints["stone"], name, lid=False)
    _box(faces, (w, d), 0.0, eaves - 0.1, WALL, wall, name, lid=False)
    for x in (-w, w):
        faces.add([(x, eaves, -d), (x, eaves, d), (x, ridge, 0.0)], PLAIN, wall * 0.9, name)
    out, fall = 0.55, 0.55 * (ridge - eaves) / d
    for z in (-1.0, 1.0):
        low = [(-w - out, eaves - fall, z * (d + out)), (w + out, eaves - fall, z * (d + out))]
        faces.add([*low, (w + out, ridge, 0.0), (-w - out, ridge, 0.0)], ROOF, roof, name)
        lift = 0.22
        faces.add([(low[0][0], low[0][1] - lift, low[0][2]), (low[1][0], low[1][1] - lift, low[1][2]), low[1], low[0]],
                  PLAIN, paints["wood"], name)  # fmt: skip
    x, top = rng.uniform(-0.6, 0.6) * w, ridge + 0.9
    chimney = Faces()
    _box(chimney, (0.4, 0.4), eaves, top, PLAIN, paints["stone"], name)
    for corners, paint in zip(chimney.corners, chimney.paints, strict=True):
        faces.corners.append(corners + np.array([x, 0.0, 0.35 * d]))
        faces.paints.append(paint)
    return faces


def _roof(
    faces: Faces, half: tuple[float, float], base: float, rise: float, inner: float, paint: Plane, wood: Plane
) -> None:
    """A hipped roof whose slopes hollow towards the eaves and whose corners sweep up."""
    steps = 5
    rings = []
    for k in range(steps):
        u = k / (steps - 1)
        share = 1 + (inner - 1) * u
        y = base + rise * (0.35 * u + 0.65 * u * u)
        w, d = half[0] * share, half[1] * share
        curl = 0.3 * rise * (1 - u) ** 3
        ring = []
        for cx, cz in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            ring += [(cx * w, y + curl, cz * d)]
            nx, nz = {(-1, -1): (1, -1), (1, -1): (1, 1), (1, 1): (-1, 1), (-1, 1): (-1, -1)}[(cx, cz)]
            for f in (0.22, 0.5, 0.78):
                sweep = curl * abs(2 * f - 1) ** 4
                ring.append(((cx + (nx - cx) * f) * w, y + sweep, (cz + (nz - cz) * f) * d))
        rings.append(ring)
    for low, high in pairwise(rings):
        for k in range(len(low)):
            n = (k + 1) % len(low)
            faces.add([low[k], low[n], high[n], high[k]], ROOF, paint, 0)
    for k in range(len(rings[0])):
        a, b = rings[0][k], rings[0][(k + 1) % len(rings[0])]
        faces.add([(a[0], a[1] - 0.3, a[2]), (b[0], b[1] - 0.3, b[2]), b, a], PLAIN, wood, 0)
        faces.add([(a[0] * 0.5, a[1] - 0.3, a[2] * 0.5), (b[0] * 0.5, b[1] - 0.3, b[2] * 0.5),
                   (b[0], b[1] - 0.3, b[2]), (a[0], a[1] - 0.3, a[2])], PLAIN, wood * 0.5, 0)  # fmt: skip


def _temple(storeys: int, width: float, depth: float) -> Callable[[Random, Paints], Faces]:
    def build(rng: Random, paints: Paints) -> Faces:
        """A terrace with stairs, and storeys of red pillars under sweeping roofs, each smaller than the one below."""
        faces = Faces()
        w, d = width, depth
        stone, wood = paints["stone"], paints["wood"]
        _box(faces, (w * 1.75, d * 1.75), -6.0, 0.9, PLAIN, stone * 0.85, 0)
        _box(faces, (w * 1.5, d * 1.5), 0.9, 1.8, PLAIN, stone, 0)
        for k in range(6):
            z = -d * 1.75 - 0.45 * (5 - k)
            step = 0.3 * (k + 1)
            faces.add(
                [(-2.2, step - 0.3, z), (2.2, step - 0.3, z), (2.2, step, z), (-2.2, step, z)],
                PLAIN,
                stone * 0.8,
                0,
            )
            faces.add(
                [(-2.2, step, z), (2.2, step, z), (2.2, step, z + 0.46), (-2.2, step, z + 0.46)],
                PLAIN,
                stone,
                0,
            )
        base, name = 1.8, int(rng.integers(1 << 14)) * 8
        for storey in range(storeys):
            high = (3.9 if storey == 0 else 2.9) * (width / 6)
            _box(faces, (w, d), base, base + high, WALL, paints["wall"], name + 16 * storey)
            for k in range(6):
                x = (k / 5 * 2 - 1) * w * 1.12
                for z in (-d * 1.12, d * 1.12):
                    pillar = [
                        (x - 0.2, base, z),
                        (x + 0.2, base, z),
                        (x + 0.2, base + high, z),
                        (x - 0.2, base + high, z),
                    ]
                    faces.add([(px, py, pz) for px, py, pz in pillar], PLAIN, wood, 0)
            last = storey == storeys - 1
            rise = (2.5 if last else 1.5) * (width / 6)
            _roof(
                faces,
                (w * 1.55, d * 1.55),
                base + high - 0.3,
                rise,
                0.12 if last else 0.55,
                paints["roof"],
                wood,
            )
            base += high + rise * 0.62
            w, d = w * 0.8, d * 0.8
        if storeys > 2:
            top = base + 1.2
            for k in range(4):
                _box(
                    faces,
                    (0.5 - 0.1 * k, 0.5 - 0.1 * k),
                    top - 1.5 + k,
                    top - 0.9 + k,
                    PLAIN,
                    paints["gold"],
                    0,
                )
            _box(faces, (0.08, 0.08), top - 1.5, top + 4, PLAIN, paints["gold"], 0)
        return faces

    return build


SHAPES: dict[str, Callable[[Random, Paints], Faces]] = {
    "house": _house, "hall": _temple(2, 8.0, 5.0), "pagoda": _temple(5, 5.0, 5.0),
}  # fmt: skip


class Houses:
    """The layer: everything built in a place. `near` and `far` metres ahead, `lane` metres around the path kept free,
    or `at` right and ahead of where the camera starts, for wide, square and tall pictures; `snow` 0…1 lies on roofs,
    `dark` 0…1 lights windows, `shape` is the picture's."""

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        terrain: Terrain,
        light: Air,
        snow: float,
        dark: float,
        shape: int,
        seed: int,
    ) -> None:
        rng = np.random.default_rng(seed ^ 0x40C5E)
        self._fog, self._dark = light.fog, dark
        corners: list[Plane] = []
        paints: list[list[float]] = []
        taken: list[tuple[float, float]] = []
        for row in rows:
            tones = {
                key: np.array(colour(row[key]))
                for key in ("wall", "roof", "stone", "wood", "gold")
                if key in row
            }
            if snow > 0:
                tones["roof"] = tones["roof"] + (SNOW - tones["roof"]) * min(0.92 * snow, 0.92)
            for _ in range(int(row.get("count", 1))):
                faces = SHAPES[row["shape"]](rng, tones)
                x, z = self._site(row, taken, shape, rng)
                taken.append((x, z))
                x, z = x + terrain.start[0], z + terrain.start[1]
                yaw = float(row.get("yaw", 0.0)) + rng.normal() * float(row.get("turn", 0.0))
                around = terrain.ground(np.array([x, x - 3, x + 3, x, x]), np.array([z, z, z, z - 3, z + 3]))
                corners.append(faces.placed(x, float(around.mean()), z, yaw, float(row.get("size", 1.0))))
                paints += faces.paints
        self._corners = np.concatenate(corners)
        normal, self._across = measures(self._corners)
        # A normal faces the camera's side of its face: houses are never seen from within.
        eye = np.array([terrain.start[0], float(self._corners[..., 1].mean()) + 2, terrain.start[1]])
        table = np.array(paints)
        roof = table[:, 0] == ROOF
        normal *= np.where(
            roof, np.sign(normal[:, 1]), np.sign(((eye - self._corners[:, 0]) * normal).sum(axis=1))
        )[:, None]
        sun = np.maximum(normal @ np.array(light.sun), 0.0)[:, None]
        sky = (0.62 + 0.38 * normal[:, 1])[:, None]
        table[:, 1:4] *= sun * np.array(light.sunlight) * 0.8 + sky * np.array(light.ambient)
        self._paints = table
        self._normal = normal

    @staticmethod
    def _site(
        row: Mapping[str, Any], taken: list[tuple[float, float]], shape: int, rng: Random
    ) -> tuple[float, float]:
        """Metres right and ahead of the camera's start where there is room."""
        if "at" in row:
            x, z = row["at"][shape]
            return float(x), float(z)
        x = z = 0.0
        gap = float(row.get("gap", 15.0))
        for _ in range(60):
            z = float(row["near"]) + rng.random() ** 0.9 * (float(row["far"]) - float(row["near"]))
            x = rng.uniform(-1, 1) * (z * 0.55 + 6)
            free = all((x - a) ** 2 + (z - b) ** 2 > gap * gap for a, b in taken)
            if free and abs(x) > float(row["lane"]):
                break
        return x, z

    def guide(self, pose: Pose) -> Pose:
        return pose

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        # The back of a roof is its underside; lit, it would glitter along the ridge.
        towards = ((np.array([pose.x, pose.y, pose.z]) - self._corners[:, 0]) * self._normal).sum(axis=1)
        paints = self._paints.copy()
        paints[(towards < 0) & (paints[:, 0] == ROOF), 1:4] *= 0.25
        draw_faces(canvas, pose, self._corners, self._across, paints, haze, self._fog, self._dark)
