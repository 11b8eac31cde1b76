"""Plants standing on the ground: thousands of billboards, scattered from the seed, drawn far to near.

Each belongs to a `Kind` of the place's table: which sprite, how many, how tall, how near to the camera's path. The
distances already on the canvas hide what is behind a ridge or a trunk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rushes.engines.animatic.runtime import Bytes, Plane, f4, i4, kernel
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.air import Air, Colour
from rushes.engines.animatic.world.sprites import LEVELS, SIDE, VARIANTS, atlas, spans
from rushes.engines.animatic.world.terrain import Terrain
from rushes.engines.animatic.world.view import Canvas, Pose


@dataclass(frozen=True)
class Kind:
    """`count` plants of `height` metres (± `vary`), between `near` and `far` metres ahead and within `spread` of the
    view; `lane` metres around the path stay free; `lift` raises the foot above the ground; `avenue` > 0 puts
    them in two rows that far from the path; `steep` is the slope they hold on to, and `groves` gathers them: -2 not at
    all, 1 in few dense woods."""

    sprite: str
    count: int
    height: float
    paint: Colour
    near: float = 2.0
    far: float = 60.0
    vary: float = 0.35
    lane: float = 0.0
    lift: float = 0.0
    sway: float = 0.04
    wide: float = 1.0
    crowd: float = 1.6
    avenue: float = 0.0
    steep: float = 0.75
    groves: float = -2.0

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Kind:
        return cls(**{**row, "paint": colour(row["paint"])})


@kernel
def _draw(light: Plane, sprites: Bytes, spans: Plane, items: Plane) -> None:
    """`items` far to near: sprite, level, left, top, width, height, r, g, b, clearness, shear, distance, fog r, g, b.
    `sprites` are 0…255; `spans` is from where to where (0…1) each row of a sprite covers anything."""
    rows, columns, _ = light.shape
    side = f4(SIDE - 1)
    for q in range(items.shape[0]):
        top, height = items[q, 3], items[q, 5]
        j0 = max(i4(0), i4(top))
        j1 = min(i4(rows), i4(top + height) + 1)
        if j0 >= j1:
            continue
        k, level = i4(items[q, 0]), i4(items[q, 1])
        left, width, clear, depth = items[q, 2], items[q, 4], items[q, 9], items[q, 11]
        for j in range(j0, j1):
            v = (f4(j) + f4(0.5) - top) / height
            if v < f4(0) or v >= f4(1):
                continue
            shift = items[q, 10] * (f4(1) - v) * (f4(1) - v)
            fv = v * side
            iv = min(i4(fv), i4(SIDE - 2))
            dv = fv - f4(iv)
            i0 = max(i4(0), i4(left + shift + spans[k, level, iv, 0] * width))
            i1 = min(i4(columns), i4(left + shift + spans[k, level, iv, 1] * width) + 1)
            for i in range(i0, i1):
                u = (f4(i) + f4(0.5) - left - shift) / width
                if u < f4(0) or u >= f4(1) or light[j, i, 3] < depth:
                    continue
                fu = u * side
                iu = min(i4(fu), i4(SIDE - 2))
                du = fu - f4(iu)
                w00 = (f4(1) - du) * (f4(1) - dv)
                w01 = du * (f4(1) - dv)
                w10 = (f4(1) - du) * dv
                w11 = du * dv
                a = (sprites[k, level, iv, iu, 0] * w00 + sprites[k, level, iv, iu + 1, 0] * w01
                     + sprites[k, level, iv + 1, iu, 0] * w10 + sprites[k, level, iv + 1, iu + 1, 0] * w11) * f4(1 / 255)  # fmt: skip
                if a < f4(0.01):
                    continue
                s = (sprites[k, level, iv, iu, 1] * w00 + sprites[k, level, iv, iu + 1, 1] * w01
                     + sprites[k, level, iv + 1, iu, 1] * w10 + sprites[k, level, iv + 1, iu + 1, 1] * w11) * f4(1 / 255)  # fmt: skip
                # The foot lies in its own shade.
                s *= f4(0.45) + f4(0.55) * min((f4(1) - v) * f4(3), f4(1))
                r = items[q, 6] * s * clear + items[q, 12] * (f4(1) - clear)
                g = items[q, 7] * s * clear + items[q, 13] * (f4(1) - clear)
                b = items[q, 8] * s * clear + items[q, 14] * (f4(1) - clear)
                light[j, i, 0] += (r - light[j, i, 0]) * a
                light[j, i, 1] += (g - light[j, i, 1]) * a
                light[j, i, 2] += (b - light[j, i, 2]) * a
                if a > f4(0.6):
                    light[j, i, 3] = depth


class Plants:
    """The layer: all kinds of plants of a place."""

    def __init__(
        self,
        kinds: Sequence[Kind],
        terrain: Terrain | None,
        start: tuple[float, float],
        light: Air,
        wind: float,
        seed: int,
    ) -> None:
        self._air = light
        self._wind = wind
        rng = np.random.default_rng(seed ^ 0x91A7)
        names = tuple(dict.fromkeys(kind.sprite for kind in kinds))
        self._sprites = atlas(names)
        self._spans = spans(self._sprites)
        columns = [
            self._scatter(kind, names.index(kind.sprite), start, terrain, rng) for kind in kinds if kind.count
        ]
        self._plants = np.concatenate(columns) if columns else np.zeros((0, 10), np.float32)

    def guide(self, pose: Pose) -> Pose:
        return pose

    def _scatter(
        self,
        kind: Kind,
        number: int,
        start: tuple[float, float],
        terrain: Terrain | None,
        rng: np.random.Generator,
    ) -> Plane:
        """Rows x, foot, z, sprite, height, width share, sway, r, g, b."""
        n = kind.count
        z: Plane = kind.near + rng.random(n) ** kind.crowd * (kind.far - kind.near)
        x = rng.uniform(-1, 1, n) * (z * 0.95 * kind.wide + 4)
        if kind.avenue:
            z = kind.near + np.arange(n) // 2 * ((kind.far - kind.near) * 2 / n)
            x = np.where(np.arange(n) % 2 == 0, -1, 1) * kind.avenue + rng.normal(0, 0.15, n)
        keep = np.abs(x - 0.05 * z) > kind.lane * (1 + 0.25 * rng.random(n))
        turn, wide = rng.random(2) * 6.28, min(kind.far / 6, 38)
        keep &= (
            np.sin(x / wide + turn[0] + 1.3 * np.sin(1.2 * z / wide))
            + np.sin(0.9 * z / wide + turn[1] + 1.7 * np.sin(0.7 * x / wide))
            > kind.groves
        )
        x, z = x[keep] + start[0], z[keep] + start[1]
        if terrain and len(x):
            slope = np.hypot(terrain.ground(x + 1.5, z) - terrain.ground(x - 1.5, z),
                             terrain.ground(x, z + 1.5) - terrain.ground(x, z - 1.5)) / 3  # fmt: skip
            x, z = x[slope < kind.steep], z[slope < kind.steep]
        n = len(x)
        foot = terrain.ground(x, z) if terrain and n else np.zeros(n, np.float32)
        dry = foot > 0.3 if terrain and terrain.land.sea_level > -1e8 else np.ones(n, bool)
        height = kind.height * (1 + kind.vary * rng.uniform(-1, 1, n))
        tone = (
            (0.75 + 0.5 * rng.random((n, 1))) * np.array(kind.paint) * (1 + 0.16 * rng.uniform(-1, 1, (n, 3)))
        )
        sun, ambient = np.asarray(self._air.sunlight), np.asarray(self._air.ambient)
        # Sunlight comes in patches, and through leaves from behind; a tree is too large for one.
        least = 0.35 if kind.height < 3 else 0.8
        patch = least + (1 - least) * (np.sin(x * 0.9 / kind.height) * np.sin(z * 0.7 / kind.height) > -0.1)
        strength = (0.35 + 0.35 * self._air.sun[1] + 0.3 * max(self._air.sun[2], 0)) * patch
        lit = tone * (strength[:, None] * sun + 0.85 * ambient)
        variant = number * VARIANTS + rng.integers(VARIANTS, size=n)
        rows = np.column_stack(
            [x, foot + kind.lift - 0.02 * height, z, variant, height, np.where(rng.random(n) < 0.5, 1, -1),
             kind.sway * (0.6 + 0.8 * rng.random(n)), lit]
        )  # fmt: skip
        return rows[dry].astype(np.float32)

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        plants = self._plants
        if not len(plants):
            return
        seen = pose.project(plants[:, :3], canvas.width, canvas.height)
        z = seen[:, 2]
        focal = pose.zoom * min(canvas.width, canvas.height)
        size = plants[:, 4] / np.maximum(z, 0.1) * focal
        shown = (z > 0.5) & (seen[:, 0] + size / 2 > 0) & (seen[:, 0] - size / 2 < canvas.width)
        shown &= (
            (seen[:, 1] > 0) & (seen[:, 1] - size < canvas.height) & (size > 1.2) & (size < 6 * canvas.height)
        )
        order = np.flatnonzero(shown)[np.argsort(-z[shown], kind="stable")]
        seen, size, z, plants = seen[order], size[order], z[order], plants[order]
        items = np.zeros((len(order), 15), np.float32)
        items[:, 0] = plants[:, 3]
        items[:, 1] = np.clip(np.log2(np.maximum(SIDE / np.maximum(size, 1), 1)) / 2, 0, LEVELS - 1).round()
        items[:, 2] = seen[:, 0] - size / 2
        items[:, 3] = seen[:, 1] - size
        items[:, 4] = size
        items[:, 5] = size
        # Plants that the camera passes fade instead of vanishing.
        clear = np.exp(-z * self._air.fog)
        items[:, 6:9] = plants[:, 7:10]
        items[:, 9] = clear
        gust = np.sin(t * 1.3 + plants[:, 0] * 0.35) + 0.5 * np.sin(t * 2.9 + plants[:, 2] * 1.7)
        items[:, 10] = plants[:, 6] * size * gust * min(self._wind, 2.5)
        items[:, 11] = z
        items[:, 12:15] = haze[np.clip(seen[:, 0], 0, canvas.width - 1).astype(int)]
        _draw(canvas.light, self._sprites, self._spans, items)


def kinds_of(
    rows: Sequence[Mapping[str, Any]], paints: Mapping[str, Sequence[str]] | None = None
) -> list[Kind]:
    """The kinds of a place's table. `paints` are a season's colours by sprite; of several each takes its share of the
    plants, and what has none keeps its own."""
    kinds = []
    for kind in map(Kind.from_row, rows):
        tones = (paints or {}).get(kind.sprite, ())
        for number, tone in enumerate(tones):
            count = (kind.count * (number + 1)) // len(tones) - (kind.count * number) // len(tones)
            kinds.append(replace(kind, count=count, paint=_pulled(kind.paint, colour(tone))))
        if not tones:
            kinds.append(kind)
    return kinds


def _pulled(paint: Colour, tone: Colour) -> Colour:
    r, g, b = (0.15 * p + 0.85 * c for p, c in zip(paint, tone, strict=True))
    return r, g, b
