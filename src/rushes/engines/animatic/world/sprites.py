"""Plants as drawn sprites: ferns, grass, flowers, bushes and trees, with leaves and without, each in a few variants.

A sprite is (S, S, 2): cover and shade. It is drawn with polygons at four times its size, so edges are clean, and kept
at three sharpnesses, so far plants do not sparkle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Bytes, Plane

SIDE = 208
OVER = 3
LEVELS = 3
VARIANTS = 4
Random = np.random.Generator
BLADE = np.array([(0, 0), (0.25, 0.7), (0.5, 1), (0.8, 0.55), (1, 0), (0.8, -0.55), (0.5, -1), (0.25, -0.7)])
"""A leaf's outline: shares of its length and of its width."""


class _Sheet:
    """One sprite being drawn: x to the right and y up, both 0…1, (0.5, 0) where it stands."""

    def __init__(self) -> None:
        # Of each polygon: where its corners end among all, and its shade.
        self._polygons: list[tuple[int, float]] = []
        self._count = 0
        # Corners that are told, and which of all they are.
        self._corners: list[tuple[float, float]] = []
        self._numbers: list[int] = []
        # Where the first corner of each is among all, and what its outline is computed from: of all at once.
        self._leaves: list[tuple[int, float, float, float, float, float]] = []
        self._limbs: list[tuple[int, float, float, float, float, float, float]] = []

    def polygon(self, points: Sequence[tuple[float, float]], shade: float) -> None:
        self._corners += points
        self._numbers += range(self._count, self._count + len(points))
        self._count += len(points)
        self._polygons.append((self._count, shade))

    def leaf(self, x: float, y: float, angle: float, length: float, width: float, shade: float) -> None:
        """A pointed blade from (x, y)."""
        self._leaves.append((self._count, x, y, angle, length, width))
        self._count += len(BLADE)
        self._polygons.append((self._count, shade))

    def limb(
        self, x: float, y: float, turn: float, length: float, wide: float, narrow: float, shade: float
    ) -> tuple[float, float]:
        """A straight piece of a branch from (x, y), whose half thickness goes from `wide` to `narrow`; where it ends."""
        self._limbs.append((self._count, x, y, turn, length, wide, narrow))
        self._count += 4
        self._polygons.append((self._count, shade))
        return x + math.cos(turn) * length, y + math.sin(turn) * length

    def _outlines(self) -> Plane:
        """(n, 2): the corners of all polygons, one after the other."""
        corners = np.empty((self._count, 2))
        corners[self._numbers] = np.reshape(self._corners, (-1, 2))

        def turned(at: Sequence[Plane], along: Plane, across: Plane) -> None:
            first, x, y, angle = at
            c, s = np.cos(angle), np.sin(angle)
            numbers = first.astype(int) + np.arange(along.shape[1])
            corners[numbers] = np.stack([x + along * c - across * s, y + along * s + across * c], axis=2)

        *at, length, width = np.reshape(self._leaves, (-1, 6)).T[:, :, None]
        turned(at, BLADE[:, 0] * length, BLADE[:, 1] * width)
        *at, length, wide, narrow = np.reshape(self._limbs, (-1, 7)).T[:, :, None]
        turned(at, length * [0, 1, 1, 0], wide * [-1, 0, 0, 1] + narrow * [0, -1, 1, 0])
        return corners

    def done(self) -> Plane:
        side = SIDE * OVER
        # Sixteenths of a pixel.
        corners = np.round((self._outlines() * [1, -1] + [0, 1]) * (16 * side)).astype(np.int32)
        # Cover and shade at once; of two channels OpenCV would not smooth the edges.
        drawn = np.zeros((side, side, 3), np.uint8)
        begin = 0
        for end, shade in self._polygons:
            tone = (255.0, float(round(min(max(shade, 0.0), 1.0) * 255)), 0.0)
            cv2.fillPoly(drawn, [corners[begin:end]], tone, cv2.LINE_AA, 4)
            begin = end
        small = cv2.resize(drawn, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        cover = small[..., 0]
        # The shade belongs to what is covered: spread it so that blurred edges do not darken.
        spread = cv2.GaussianBlur(small[..., 1] * cover, (0, 0), 1)
        return np.stack([cover, spread / np.maximum(cv2.GaussianBlur(cover, (0, 0), 1), 0.02)], axis=2)


def _fern(sheet: _Sheet, rng: Random) -> None:
    fronds = int(rng.integers(7, 11))
    for frond in sorted(range(fronds), key=lambda q: -abs(q - fronds / 2)):
        off = (frond - (fronds - 1) / 2) / fronds
        angle = math.pi / 2 - off * 1.9 + rng.normal() * 0.1
        length = (0.6 + 0.22 * rng.random()) * (1 - 0.25 * abs(off))
        bend = off * 2 + rng.normal() * 0.25
        x, y, bright = 0.5 + off * 0.05, 0.0, 0.45 + 0.4 * rng.random()
        for q in range(26):
            u = q / 26
            turn = angle - bend * u * u
            x, y = x + math.cos(turn) * length / 26, y + math.sin(turn) * length / 26 * (1 - 0.25 * u)
            reach = length * 0.22 * math.sin(math.pi * min(1.0, u * 0.92 + 0.1)) ** 0.9 * (1 - 0.45 * u)
            for side in (1, -1):
                light = bright * (0.4 + 0.75 * u) * (1.1 if side > 0 else 0.8)
                sheet.leaf(x, y, turn + side * (1.2 - 0.35 * u), reach, reach * 0.13, light)


def _grass(sheet: _Sheet, rng: Random) -> None:
    for _ in range(64):
        x, h, bend = 0.5 + rng.normal() * 0.17, 0.28 + 0.62 * rng.random(), rng.normal() * 0.16
        width, light = 0.009 + 0.007 * rng.random(), 0.35 + 0.6 * rng.random()
        sheet.polygon(
            [
                (x - width, 0),
                (x - width + bend * 0.3, h * 0.6),
                (x + bend, h),
                (x + width + bend * 0.3, h * 0.6),
                (x + width, 0),
            ],
            light,
        )


def _flower(sheet: _Sheet, rng: Random) -> None:
    for _ in range(9):
        x, h, bend = 0.5 + rng.normal() * 0.16, 0.4 + 0.45 * rng.random(), rng.normal() * 0.06
        sheet.polygon([(x - 0.006, 0), (x + bend, h), (x + 0.006, 0)], 0.3)
        size = 0.045 + 0.03 * rng.random()
        for petal in range(6):
            sheet.leaf(
                x + bend, h, petal * math.pi / 3 + rng.random(), size, size * 0.4, 0.8 + 0.2 * rng.random()
            )
        sheet.leaf(x + bend - 0.012, h, 0, 0.024, 0.012, 0.55)


def _clump(
    sheet: _Sheet, rng: Random, x: float, y: float, radius: float, count: int, squash: float = 0.85
) -> None:
    """Leaves gathered to a ball, darker below and inside, lighter on top."""
    turn, out, bright, large, way = rng.random((count, 5)).T
    turn, out = turn * 2 * math.pi, np.sqrt(out)
    dx, dy = np.cos(turn) * out * radius, np.sin(turn) * out * radius * squash
    light = 0.32 + 0.42 * (dy / radius + 1) / 2 + 0.22 * bright
    size = radius * (0.16 + 0.12 * large)
    rows = np.column_stack([x + dx, y + dy, way * 2 * math.pi, size, size * 0.38, light])
    for row in rows.tolist():
        sheet.leaf(*row)


def _bush(sheet: _Sheet, rng: Random) -> None:
    for x, y, r in ((0.32, 0.2, 0.2), (0.68, 0.2, 0.2), (0.5, 0.3, 0.28)):
        _clump(sheet, rng, x + rng.normal() * 0.03, y, r, 230)


def _broadleaf(sheet: _Sheet, rng: Random) -> None:
    lean = rng.normal() * 0.02
    sheet.polygon([(0.47, 0), (0.485 + lean, 0.45), (0.515 + lean, 0.45), (0.53, 0)], 0.2)
    for _ in range(7):
        turn, out = rng.random() * 2 * math.pi, rng.random() ** 0.6
        x, y = 0.5 + lean + math.cos(turn) * out * 0.25, 0.64 + math.sin(turn) * out * 0.19
        sheet.polygon([(0.495 + lean, 0.35), (x, y), (0.505 + lean, 0.35)], 0.22)
        _clump(sheet, rng, x, y, 0.15 + 0.05 * rng.random(), 150)


def _conifer(sheet: _Sheet, rng: Random) -> None:
    sheet.polygon([(0.485, 0), (0.495, 0.95), (0.505, 0.95), (0.515, 0)], 0.18)
    tiers = 26
    for tier in range(tiers):
        u = tier / tiers
        y, reach = 0.08 + 0.88 * u, 0.24 * (1 - u) ** 0.85 + 0.012
        for _ in range(9):
            side = rng.uniform(-1, 1)
            light = 0.3 + 0.25 * u + 0.25 * rng.random() + 0.1 * side
            length = reach * (0.5 + 0.5 * abs(side)) * (0.85 + 0.3 * rng.random())
            turn = -0.42 if side > 0 else math.pi + 0.42
            sheet.leaf(
                0.5 + side * reach * 0.25,
                y + 0.01,
                turn + rng.normal() * 0.12,
                length,
                0.022 * (1.2 - u),
                light,
            )


def _palm(sheet: _Sheet, rng: Random) -> None:
    lean = rng.normal() * 0.06
    trunk = [(0.5 + lean * (u * u), 0.68 * u) for u in np.linspace(0, 1, 9)]
    sheet.polygon([(x - 0.014, y) for x, y in trunk] + [(x + 0.012, y) for x, y in reversed(trunk)], 0.34)
    top = trunk[-1]
    for frond in range(11):
        angle = math.pi * (frond + 0.5) / 11 + rng.normal() * 0.1
        x, y = top
        for q in range(14):
            u = q / 14
            turn = angle + (math.pi / 2 - angle) * -0.75 * u * (1 if u < 1 else 0)
            x, y = x + math.cos(turn) * 0.026, y + (math.sin(turn) - 1.9 * u * u) * 0.024
            light = 0.35 + 0.3 * rng.random() + 0.2 * math.sin(angle)
            for side in (1, -1):
                sheet.leaf(x, y, turn + side * 1.1 - 0.5, 0.09 * (1 - 0.5 * u), 0.008, light)


def _bamboo(sheet: _Sheet, rng: Random) -> None:
    for _ in range(3):
        x, bend, width = 0.5 + rng.normal() * 0.12, rng.normal() * 0.04, 0.011
        for joint in range(9):
            a, b = joint / 9, (joint + 0.94) / 9
            xa, xb = x + bend * a * a, x + bend * b * b
            sheet.polygon(
                [(xa - width, a), (xb - width, b), (xb + width, b), (xa + width, a)],
                0.55 + 0.15 * rng.random(),
            )
            if joint > 3:
                for _ in range(9):
                    turn = (-0.5, math.pi + 0.5)[rng.integers(2)] + rng.normal() * 0.4
                    sheet.leaf(xb, b, turn, 0.09 + 0.05 * rng.random(), 0.009, 0.4 + 0.5 * rng.random())


def _foliage(sheet: _Sheet, rng: Random) -> None:
    """A hanging mass of leaves: the underside of a canopy."""
    for _ in range(6):
        _clump(sheet, rng, 0.5 + rng.normal() * 0.16, 0.5 + rng.normal() * 0.12, 0.2, 120)


def _wheat(sheet: _Sheet, rng: Random) -> None:
    for _ in range(46):
        x, h, bend = 0.5 + rng.normal() * 0.2, 0.6 + 0.32 * rng.random(), rng.normal() * 0.07
        light = 0.5 + 0.45 * rng.random()
        sheet.polygon([(x - 0.005, 0), (x + bend, h), (x + 0.005, 0)], light * 0.7)
        for q in range(4):
            for side in (1, -1):
                sheet.leaf(x + bend, h - 0.03 * q, math.pi / 2 + side * 0.5, 0.05, 0.011, light)


def _coral(sheet: _Sheet, rng: Random) -> None:
    """A fan of branches that fork and end in round tips."""

    def grow(x: float, y: float, turn: float, length: float, width: float, depth: int) -> None:
        light = min(0.3 + 0.14 * (5 - depth) + 0.12 * rng.random(), 1.0)
        nx, ny = sheet.limb(x, y, turn, length, width, width * 0.75, light)
        turns = np.linspace(0, 2 * math.pi, 9)[:-1]
        sheet.polygon(
            [(nx + math.cos(a) * width * 0.85, ny + math.sin(a) * width * 0.85) for a in turns], light
        )
        if depth:
            for side in (-1, 1):
                grow(
                    nx,
                    ny,
                    turn + side * rng.uniform(0.25, 0.6),
                    length * rng.uniform(0.72, 0.9),
                    width * 0.78,
                    depth - 1,
                )

    for lean in (-0.5, 0.0, 0.5):
        grow(0.5 + 0.1 * lean, 0.0, math.pi / 2 - lean + rng.normal() * 0.1, 0.2, 0.028, 4)


def _boughs(
    sheet: _Sheet, rng: Random, x: float, turn: float, length: float, width: float, depth: int, snowy: bool
) -> None:
    """A stem from the ground that forks `depth` times into ever thinner branches without leaves. `snowy` wood is dark, so
    that a pale paint is the snow's on its upper sides."""

    def grow(x: float, y: float, turn: float, length: float, width: float, left: int) -> None:
        light = (0.16 + 0.1 * rng.random()) if snowy else 0.5 + 0.4 * rng.random()
        thin = width * 0.7
        # Two pieces at an angle: no branch is straight.
        bend = rng.normal() * 0.13
        mx, my = sheet.limb(x, y, turn - bend, length / 2, width, (width + thin) / 2, light)
        nx, ny = sheet.limb(mx, my, turn + bend, length / 2, (width + thin) / 2, thin, light)
        flat = abs(math.cos(turn))
        if snowy and 1 < left < depth and flat > 0.25:
            thick = (0.0012 + 0.45 * width) * flat
            lift = width + thick * 0.4
            sheet.limb(
                x, y + lift, math.atan2(ny - y, nx - x), length, thick, thick, 0.9 + 0.1 * rng.random()
            )
        if not left:
            return
        for side in (-1, 1):
            # Tips turn up to the light.
            away = turn + side * rng.uniform(0.22, 0.62)
            grow(nx, ny, away + 0.1 * (math.pi / 2 - away), length * rng.uniform(0.7, 0.9), thin, left - 1)
        if rng.random() < 0.6:
            away = turn + (-1, 1)[rng.integers(2)] * rng.uniform(0.5, 1.0)
            grow(mx, my, away, length * rng.uniform(0.5, 0.75), thin * 0.75, left - 1)

    grow(x, 0.0, turn, length, width, depth)


def _bare(sheet: _Sheet, rng: Random, snowy: bool = False) -> None:
    """A tree that has shed its leaves."""
    _boughs(sheet, rng, 0.5, math.pi / 2 + rng.normal() * 0.04, 0.195, 0.02, 7, snowy)


def _twigs(sheet: _Sheet, rng: Random, snowy: bool = False) -> None:
    """A bush that has shed its leaves."""
    for off in (-0.75, -0.4, -0.1, 0.2, 0.5, 0.8):
        _boughs(sheet, rng, 0.5 + 0.12 * off, math.pi / 2 - off + rng.normal() * 0.1, 0.125, 0.009, 5, snowy)


DRAWN: dict[str, Callable[[_Sheet, Random], None]] = {
    "fern": _fern, "grass": _grass, "flower": _flower, "bush": _bush, "broadleaf": _broadleaf, "conifer": _conifer,
    "palm": _palm, "bamboo": _bamboo, "foliage": _foliage, "wheat": _wheat, "coral": _coral,
    "bare": _bare, "snowy bare": partial(_bare, snowy=True), "twigs": _twigs, "snowy twigs": partial(_twigs, snowy=True),
}  # fmt: skip


@cache
def sprite(kind: str, variant: int) -> Bytes:
    """(LEVELS, SIDE, SIDE, 2) in 0…255 of one variant; level n is blurred by about 4ⁿ pixels."""
    sheet = _Sheet()
    DRAWN[kind](sheet, np.random.default_rng(variant * 977 + len(kind)))
    sharp = sheet.done()
    levels = [sharp]
    for sigma in (1.6, 6.0):
        cover = cv2.GaussianBlur(sharp[..., 0], (0, 0), sigma)
        shade = cv2.GaussianBlur(sharp[..., 1] * sharp[..., 0], (0, 0), sigma) / np.maximum(cover, 0.01)
        levels.append(np.stack([cover, shade], axis=2))
    return np.round(np.stack(levels) * 255).astype(np.uint8)


def atlas(kinds: tuple[str, ...]) -> Bytes:
    """(kinds × VARIANTS, LEVELS, SIDE, SIDE, 2), the variants of a kind next to each other."""
    return np.stack([sprite(kind, variant) for kind in kinds for variant in range(VARIANTS)])


def spans(sprites: Bytes) -> Plane:
    """(n, LEVELS, SIDE, 2): from where to where, 0…1, each row of each sprite covers anything."""
    covered = sprites[..., 0] > 2
    any_column = covered | np.roll(covered, -1, axis=2)
    first = any_column.argmax(axis=3)
    last = SIDE - any_column[..., ::-1].argmax(axis=3)
    empty = ~any_column.any(axis=3)
    first[empty], last[empty] = SIDE, 0
    return np.stack([(first - 1) / SIDE, (last + 1) / SIDE], axis=3).astype(np.float32)
