"""Plants standing on the ground: thousands of billboards, scattered from the seed, drawn near to far.

Each belongs to a `Kind` of the place's table: which sprite, how many, how tall, how near to the camera's path. The
distances already on the canvas hide what is behind a ridge or a trunk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rushes.engines.animatic.runtime import Plane, Real, f4, i4, inner, kernel, scratch, u4, u8
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.air import Air, Colour
from rushes.engines.animatic.world.sprites import LEVELS, SIDE, VARIANTS, atlas, spans
from rushes.engines.animatic.world.view import Canvas, Pose

if TYPE_CHECKING:
    from rushes.engines.animatic.world.terrain import Terrain

OPAQUE = 1 / 500
"""A pixel through which less than this is seen is closed."""
CHUNK = 32
"""Pixels of a plant's row that are looked up at once."""


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


@inner
def _between(a: int, b: int, c: int, d: int, fx: float, fy: float) -> Real:
    """Between four numbers, the corners of a square."""
    top = f4(i4(a)) + (f4(i4(b)) - f4(i4(a))) * fx
    low = f4(i4(c)) + (f4(i4(d)) - f4(i4(c))) * fx
    return top + (low - top) * fy


@kernel("f4[:, :, ::1], u2[:, :, :, ::1], f4[:, :, :, ::1], f4[:, ::1]")
def _draw(light: Plane, sprites: Plane, spans: Plane, items: Plane) -> None:
    """`items` near to far: sprite, level, left, top, width, height, r, g, b, clearness, shear, distance, fog r, g, b.
    `sprites` have cover and shade in the two bytes of a texel; `spans` is from where to where (0…1) each row of a sprite
    covers anything.

    Most of a thicket is behind its first leaves: a pixel through which nothing is seen any more is not looked at again,
    and runs of those are passed in a few steps."""
    rows, columns, _ = light.shape
    side = f4(SIDE - 1)
    count = items.shape[0]
    first_row = np.empty(count, np.int32)
    last_row = np.empty(count, np.int32)
    # Which items are in each row, still near to far, and from where to where.
    ends = np.empty(rows + 1, np.int32)
    lows = np.empty(rows, np.int32)
    highs = np.empty(rows, np.int32)
    ends[0] = 0
    for j in range(rows):
        ends[j + 1], lows[j], highs[j] = 0, columns, 0
    for q in range(count):
        top, height, left, width, shear = items[q, 3], items[q, 5], items[q, 2], items[q, 4], items[q, 10]
        first_row[q] = np.ceil(max(top - f4(0.5), f4(0)))
        last_row[q] = np.ceil(min(top + height, f4(rows)) - f4(0.5))
        low = max(i4(left + min(shear, f4(0))) - 1, 0)
        high = min(i4(left + width + max(shear, f4(0))) + 2, columns)
        for j in range(first_row[q], last_row[q]):
            ends[j + 1] += 1
            lows[j] = min(lows[j], low)
            highs[j] = max(highs[j], high)
    for j in range(rows):
        ends[j + 1] += ends[j]
    present = np.empty(ends[rows], np.int32)
    for q in range(count):
        for j in range(first_row[q], last_row[q]):
            # From where the row before ends to where this one does.
            present[ends[j]] = q
            ends[j] += 1
    # Of a row: the next pixel that is open, from each on; how far its front is; the front's light and how
    # much is seen through it.
    onward = np.empty(columns + 1, np.uint32)
    nearest = np.empty(columns, np.float32)
    front = np.empty((columns, 4), np.float32)
    for i in range(columns + 1):
        onward[i] = i
    for i in range(columns):
        nearest[i] = f4(0)
        front[i, 0], front[i, 1], front[i, 2], front[i, 3] = f4(0), f4(0), f4(0), f4(1)
    # Open pixels of an item, worked on together.
    pixels = scratch(CHUNK, i4)
    texels = scratch(CHUNK, i4)
    shares = scratch(CHUNK, f4)
    covers = scratch(CHUNK, f4)
    shades = scratch(CHUNK, f4)
    begin = 0
    for j in range(rows):
        low, high = lows[j], highs[j]
        still_open = high - low
        end = ends[j]
        for number in range(begin, end):
            q = present[number]
            v = (f4(i4(j)) + f4(0.5) - items[q, 3]) / items[q, 5]
            k, level = u4(items[q, 0]), u4(items[q, 1])
            width, clear, depth = items[q, 4], items[q, 9], items[q, 11]
            left = items[q, 2] + items[q, 10] * (f4(1) - v) * (f4(1) - v)
            fv = v * side
            iv = min(i4(fv), i4(SIDE - 2))
            dv = fv - f4(iv)
            i = max(i4(np.ceil(left + max(spans[k, level, u4(iv), 0] * width, f4(0)) - f4(0.5))), i4(low))
            stop = i4(np.ceil(left + min(spans[k, level, u4(iv), 1], f4(1)) * width - f4(0.5)))
            stop = min(stop, i4(high))
            above = sprites[k, level, u4(iv)]
            below = sprites[k, level, u4(iv + 1)]
            # The foot lies in its own shade.
            shaded = (f4(0.45) + f4(0.55) * min((f4(1) - v) * f4(3), f4(1))) * clear * f4(1 / 255)
            r, g, b = items[q, 6] * shaded, items[q, 7] * shaded, items[q, 8] * shaded
            dim = f4(1) - clear
            fog_r, fog_g, fog_b = items[q, 12] * dim, items[q, 13] * dim, items[q, 14] * dim
            pace = side / width
            from_left = (f4(0.5) - left) * pace
            while i < stop:
                many = 0
                while many < CHUNK:
                    while onward[u4(i)] != u4(i):
                        onward[u4(i)] = onward[onward[u4(i)]]
                        i = i4(onward[u4(i)])
                    if i >= stop:
                        break
                    if light[j, u4(i), 3] < depth:
                        onward[u4(i)] = i + 1
                        still_open -= 1
                    else:
                        pixels[many] = i
                        many += 1
                    i += i4(1)
                # A few more than there are, to make eights.
                padded = (many + 7) & ~7
                for e in range(many, padded):
                    pixels[e] = pixels[0]
                for e in range(padded):
                    x = max(f4(pixels[e]) * pace + from_left, f4(0))
                    texel = min(i4(x), i4(SIDE - 2))
                    texels[e] = texel
                    shares[e] = x - f4(texel)
                for e in range(padded):
                    o = u8(u4(texels[e]))
                    p00, p01, p10, p11 = above[o], above[o + u8(1)], below[o], below[o + u8(1)]
                    covers[e] = _between(p00 & 255, p01 & 255, p10 & 255, p11 & 255, shares[e], dv) * f4(
                        1 / 255
                    )
                    shades[e] = _between(p00 >> 8, p01 >> 8, p10 >> 8, p11 >> 8, shares[e], dv)
                for e in range(many):
                    cover = covers[e]
                    if cover < f4(0.01):
                        continue
                    at = u4(pixels[e])
                    shade = shades[e]
                    share = front[at, 3] * cover
                    front[at, 0] += (r * shade + fog_r) * share
                    front[at, 1] += (g * shade + fog_g) * share
                    front[at, 2] += (b * shade + fog_b) * share
                    front[at, 3] -= share
                    if cover > f4(0.6) and nearest[at] == f4(0):
                        nearest[at] = depth
                    if front[at, 3] < f4(OPAQUE):
                        onward[at] = at + u4(1)
                        still_open -= 1
            if still_open == 0:
                break
        begin = end
        for i in range(low, high):
            onward[i] = i
            if front[i, 3] < f4(1):
                for c in range(3):
                    light[j, i, c] = light[j, i, c] * front[i, 3] + front[i, c]
                    front[i, c] = f4(0)
                front[i, 3] = f4(1)
                if nearest[i] > f4(0):
                    light[j, i, 3] = nearest[i]
                    nearest[i] = f4(0)


class Plants:
    """The layer: all kinds of plants of a place. `feet` (n,) is how high each stands, in metres, and `haze` how much
    thicker than the air's fog it is there."""

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
        self._canopy = any(kind.sprite == "foliage" for kind in kinds)
        rng = np.random.default_rng(seed ^ 0x91A7)
        names = tuple(dict.fromkeys(kind.sprite for kind in kinds))
        sprites = atlas(names)
        self._spans = spans(sprites)
        self._sprites: Plane = sprites.view(np.uint16)[..., 0]
        columns = [
            self._scatter(kind, names.index(kind.sprite), start, terrain, rng) for kind in kinds if kind.count
        ]
        self._plants = np.concatenate(columns) if columns else np.zeros((0, 10), np.float32)
        # The same haze as before the ground that they stand on.
        self.feet: Plane = self._plants[:, 1]
        self.haze: Plane = terrain.haze(self.feet) if terrain else np.ones(len(self.feet), np.float32)

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
        dry = foot > 0.3 if terrain and terrain.land.wet else np.ones(n, bool)
        height = kind.height * (1 + kind.vary * rng.uniform(-1, 1, n))
        # No two plants have the same hue; but grey wood and snow have none to vary.
        hue = min(0.16, 0.3 * (1 - min(kind.paint) / (max(kind.paint) or 1.0)))
        tone = (
            (0.75 + 0.5 * rng.random((n, 1))) * np.array(kind.paint) * (1 + hue * rng.uniform(-1, 1, (n, 3)))
        )
        sun, ambient = np.asarray(self._air.sunlight), np.asarray(self._air.ambient)
        # Sunlight comes through leaves from behind, and under a canopy in patches; a tree is too large for one.
        least = 0.35 if self._canopy and kind.height < 3 else 0.8
        patch = least + (1 - least) * (np.sin(x * 0.9 / kind.height) * np.sin(z * 0.7 / kind.height) > -0.1)
        # In the open plants are lit like the ground that they stand on, or they would glow when the sun is low.
        base, above, behind = (0.35, 0.35, 0.3) if self._canopy else (0.15, 0.6, 0.12)
        strength = (base + above * self._air.sun[1] + behind * max(self._air.sun[2], 0)) * patch
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
        order = np.flatnonzero(shown)[np.argsort(z[shown], kind="stable")]
        seen, size, z, plants = seen[order], size[order], z[order], plants[order]
        items = np.zeros((len(order), 15), np.float32)
        items[:, 0] = plants[:, 3]
        items[:, 1] = np.clip(np.log2(np.maximum(SIDE / np.maximum(size, 1), 1)) / 2, 0, LEVELS - 1).round()
        items[:, 2] = seen[:, 0] - size / 2
        items[:, 3] = seen[:, 1] - size
        items[:, 4] = size
        items[:, 5] = size
        # Plants that the camera passes fade instead of vanishing.
        clear = np.exp(-z * self._air.fog * self.haze[order])
        items[:, 6:9] = plants[:, 7:10]
        items[:, 9] = clear
        gust = np.sin(t * 1.3 + plants[:, 0] * 0.35) + 0.5 * np.sin(t * 2.9 + plants[:, 2] * 1.7)
        items[:, 10] = plants[:, 6] * size * gust * min(self._wind, 2.5)
        items[:, 11] = z
        items[:, 12:15] = haze[np.clip(seen[:, 0], 0, canvas.width - 1).astype(int)]
        _draw(canvas.light, self._sprites, self._spans, items)


def kinds_of(rows: Sequence[Mapping[str, Any]], season: Mapping[str, Any], lying: float) -> list[Kind]:
    """The kinds of a place's table as they are in a row of the seasons: its `worn` sprite stands in for a kind's own,
    the second where snow is `lying`; of several `paints` of a sprite each takes its share of the plants, and what has
    none keeps its own."""
    kinds = []
    for kind in map(Kind.from_row, rows):
        if kind.sprite in season.get("worn", {}):
            kind = replace(kind, sprite=season["worn"][kind.sprite][lying > 0])
        tones = season.get("paints", {}).get(kind.sprite, ())
        for number, tone in enumerate(tones):
            count = (kind.count * (number + 1)) // len(tones) - (kind.count * number) // len(tones)
            kinds.append(replace(kind, count=count, paint=_pulled(kind.paint, colour(tone))))
        if not tones:
            kinds.append(kind)
    return kinds


def _pulled(paint: Colour, tone: Colour) -> Colour:
    r, g, b = (0.15 * p + 0.85 * c for p, c in zip(paint, tone, strict=True))
    return r, g, b
