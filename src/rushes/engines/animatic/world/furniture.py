"""What stands in a room: pieces built of flat faces, lit once by the window and by the lamp of the room.

A row of the place's table names a `piece`, where it stands (`at`: metres right of the middle, up from the floor and
ahead of where the camera starts), how it is turned (`yaw`, radians) and its colours. Each piece is drawn facing the
camera (towards smaller z) and turned from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.faces import PLAIN, Faces, draw_faces, measures
from rushes.engines.animatic.world.view import Canvas, Pose

Random = np.random.Generator
Span = tuple[float, float]
GLOW = 4.0
"""Kind of a face that shines by itself when the lamp is on; it becomes PLAIN when it is lit."""


def _block(faces: Faces, x: Span, y: Span, z: Span, paint: Plane, kind: float = PLAIN) -> None:
    """A box from its spans."""
    (x0, x1), (y0, y1), (z0, z1) = x, y, z
    faces.add([(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)], kind, paint, 0)
    faces.add([(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)], kind, paint, 0)
    faces.add([(x0, y0, z0), (x0, y0, z1), (x0, y1, z1), (x0, y1, z0)], kind, paint, 0)
    faces.add([(x1, y0, z0), (x1, y0, z1), (x1, y1, z1), (x1, y1, z0)], kind, paint, 0)
    faces.add([(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)], kind, paint, 0)
    if y0 > 0.3:
        faces.add([(x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)], kind, paint * 0.6, 0)


def _round(
    faces: Faces, low: tuple[float, float], high: tuple[float, float], paint: Plane, kind: float = PLAIN, x: float = 0.0,
    z: float = 0.0, sides: int = 14,
) -> None:  # fmt: skip
    """The side of a cone between (radius, y) below and above."""
    turns = np.linspace(0, 2 * math.pi, sides + 1)
    for a, b in pairwise(turns):
        corners = [
            (x + r * math.cos(t), y, z + r * math.sin(t))
            for (r, y), t in ((low, a), (low, b), (high, b), (high, a))
        ]
        faces.add(corners, kind, paint, 0)


def _sofa(rng: Random, paint: Plane, extra: Plane) -> Faces:
    """Two cushions, a back, arms, and two pillows; 2.1 m wide."""
    faces = Faces()
    for x in (-0.92, 0.84):
        for z in (0.06, 0.8):
            _block(faces, (x, x + 0.08), (0.0, 0.16), (z, z + 0.08), paint * 0.2)
    _block(faces, (-1.0, 1.0), (0.14, 0.32), (0.04, 0.95), paint * 0.85)
    for x in (-0.86, 0.01):
        _block(faces, (x, x + 0.85), (0.32, 0.48), (0.0, 0.72), paint)
        _block(faces, (x + 0.01, x + 0.84), (0.46, 0.88), (0.66, 0.84), paint * 0.95)
    _block(faces, (-1.0, 1.0), (0.3, 0.8), (0.8, 0.98), paint * 0.85)
    for x in (-1.06, 0.86):
        _block(faces, (x, x + 0.2), (0.14, 0.62), (0.02, 0.96), paint * 0.9)
    for x, lean in ((-0.62, 0.04), (0.6, -0.05)):
        faces.add([(x - 0.22, 0.48, 0.44), (x + 0.22, 0.48, 0.44), (x + 0.2 + lean, 0.86, 0.63),
                   (x - 0.2 + lean, 0.86, 0.63)], PLAIN, extra, 0)  # fmt: skip
    return faces


def _chair(rng: Random, paint: Plane, extra: Plane) -> Faces:
    """A low armchair on wooden legs."""
    faces = Faces()
    for x in (-0.36, 0.3):
        for z in (0.04, 0.6):
            _block(faces, (x, x + 0.05), (0.0, 0.22), (z, z + 0.05), extra)
    _block(faces, (-0.38, 0.38), (0.22, 0.44), (0.0, 0.66), paint)
    _block(faces, (-0.36, 0.36), (0.42, 0.92), (0.58, 0.72), paint * 0.92)
    for x in (-0.45, 0.35):
        _block(faces, (x, x + 0.1), (0.22, 0.6), (0.02, 0.68), paint * 0.88)
    return faces


def _table(rng: Random, paint: Plane, extra: Plane) -> Faces:
    """A low table with a tray of a bowl and two books."""
    faces = Faces()
    for x in (-0.56, 0.5):
        for z in (-0.3, 0.24):
            _block(faces, (x, x + 0.06), (0.0, 0.38), (z, z + 0.06), paint * 0.7)
    _block(faces, (-0.62, 0.62), (0.38, 0.43), (-0.36, 0.36), paint)
    _block(faces, (-0.42, -0.12), (0.43, 0.46), (-0.12, 0.1), extra)
    _block(faces, (-0.4, -0.14), (0.46, 0.485), (-0.1, 0.08), extra[::-1].copy())
    _round(faces, (0.07, 0.43), (0.16, 0.52), np.array([0.6, 0.58, 0.52]), x=0.28, z=0.02)
    return faces


def _shelf(rng: Random, paint: Plane, extra: Plane) -> Faces:
    """Five boards full of books of all sizes, 1.1 m wide and 2.1 m high."""
    faces = Faces()
    wide, high, deep = 0.55, 2.1, 0.3
    faces.add(
        [(-wide, 0, deep), (wide, 0, deep), (wide, high, deep), (-wide, high, deep)], PLAIN, paint * 0.35, 0
    )
    for x in (-wide, wide - 0.03):
        _block(faces, (x, x + 0.03), (0.0, high), (0.0, deep), paint)
    for level in range(6):
        y = 0.06 + level * 0.4
        _block(faces, (-wide, wide), (y, y + 0.03), (0.0, deep), paint)
        if level == 5:
            break
        x = -wide + 0.05
        while x < wide - 0.09:
            if rng.random() < 0.12:
                x += rng.uniform(0.05, 0.16)
                continue
            thick, tall = rng.uniform(0.022, 0.05), rng.uniform(0.2, 0.32)
            tone = (extra * 0.35 + 0.65 * rng.random(3) ** 2 * 0.7) * rng.uniform(0.5, 1.1)
            z = rng.uniform(0.05, 0.09)
            faces.add([(x, y + 0.03, z), (x + thick, y + 0.03, z), (x + thick, y + tall, z), (x, y + tall, z)],
                      PLAIN, tone, 0)  # fmt: skip
            x += thick + 0.004
    return faces


def _picture(rng: Random, paint: Plane, extra: Plane) -> Faces:
    """A framed landscape: a pale sky over three ranges of hills. Nothing lies on anything else, so the order in which its
    parts are drawn does not matter."""
    faces = Faces()
    edges = ((0.55, 0.4), (0.515, 0.365), (0.455, 0.305))
    for (w, h), (v, g), tone in zip(edges, edges[1:], (paint, np.array([0.75, 0.72, 0.65])), strict=False):
        for y in (-1, 1):
            faces.add([(-w, y * h, 0), (w, y * h, 0), (v, y * g, 0), (-v, y * g, 0)], PLAIN, tone, 0)
            faces.add([(y * w, -h, 0), (y * w, h, 0), (y * v, g, 0), (y * v, -g, 0)], PLAIN, tone, 0)
    w, h = edges[-1]
    sky = np.array([0.5, 0.6, 0.66])
    above = np.full(3, h)
    for depth, level in enumerate((0.2, -0.2, -0.6, -1.0)):
        below = level * h + (h * rng.uniform(-0.16, 0.16, 3) if depth < 3 else 0.0) + np.zeros(3)
        tone = sky * (1 - 0.26 * depth) + extra * 0.2 * depth
        for k in range(2):
            x, z = (k - 1) * w, k * w
            faces.add(
                [(x, below[k], 0), (z, below[k + 1], 0), (z, above[k + 1], 0), (x, above[k], 0)],
                PLAIN,
                tone,
                0,
            )
        above = below
    return faces


def _curtain(rng: Random, paint: Plane, extra: Plane) -> Faces:
    """A hanging curtain, 0.6 m wide, folded; its foot is at the floor, its rod at 2.55 m."""
    faces = Faces()
    folds = 16
    edges = np.linspace(-0.34, 0.34, folds + 1)
    deep = 0.05 * np.sin(np.arange(folds + 1) * math.pi * 0.5 + rng.random())
    for k in range(folds):
        shade = 0.72 + 0.28 * math.cos(k * math.pi * 0.5 + 0.6)
        a, b = edges[k], edges[k + 1]
        faces.add([(a, 0.03, -0.1 + deep[k]), (b, 0.03, -0.1 + deep[k + 1]), (b * 0.9, 2.52, -0.1 + deep[k + 1]),
                   (a * 0.9, 2.52, -0.1 + deep[k])], PLAIN, paint * shade, 0)  # fmt: skip
    _block(faces, (-0.42, 0.42), (2.51, 2.54), (-0.12, -0.09), extra)
    return faces


def _lamp(rng: Random, paint: Plane, extra: Plane) -> Faces:
    """A standing lamp with a shade that glows."""
    faces = Faces()
    _round(faces, (0.15, 0.0), (0.15, 0.03), extra)
    _round(faces, (0.018, 0.03), (0.018, 1.35), extra, sides=6)
    _round(faces, (0.24, 1.3), (0.15, 1.62), paint, GLOW)
    return faces


def _pot(rng: Random, paint: Plane, extra: Plane) -> Faces:
    """A plant with broad leaves in a pot."""
    faces = Faces()
    _round(faces, (0.14, 0.0), (0.19, 0.34), extra)
    for leaf in range(22):
        turn, steep = leaf * 2.399 + rng.normal() * 0.2, rng.uniform(0.45, 1.35)
        length, wide = rng.uniform(0.45, 0.85), rng.uniform(0.07, 0.11)
        c, s = math.cos(turn), math.sin(turn)
        tone = paint * rng.uniform(0.6, 1.25)
        spine = []
        for u in (0.0, 0.45, 0.75, 1.0):
            out = length * u * math.cos(steep)
            up = 0.32 + length * (u * math.sin(steep) - 0.35 * u * u)
            spine.append((c * out, up, s * out, wide * math.sin(math.pi * min(u + 0.12, 1.0))))
        for (x0, y0, z0, w0), (x1, y1, z1, w1) in pairwise(spine):
            faces.add([(x0 - s * w0, y0, z0 + c * w0), (x0 + s * w0, y0, z0 - c * w0),
                       (x1 + s * w1, y1, z1 - c * w1), (x1 - s * w1, y1, z1 + c * w1)], PLAIN, tone, 0)  # fmt: skip
            tone = tone * 1.15
    return faces


def _speaker(rng: Random, paint: Plane, extra: Plane) -> Faces:
    """A tower of three loudspeakers."""
    faces = Faces()
    for k in range(3):
        y = k * 0.82
        _block(faces, (-0.5, 0.5), (y, y + 0.8), (0.0, 0.6), paint)
        for x, r in ((-0.22, 0.17), (0.22, 0.17)):
            ring = [
                (x + r * math.cos(a), y + 0.4 + r * math.sin(a), -0.01)
                for a in np.linspace(0, 2 * math.pi, 13)
            ]
            for a, b in zip(ring[:-1:2], ring[2::2], strict=True):
                faces.add([(x, y + 0.4, -0.02), a, b], PLAIN, extra, 0)
    return faces


def _truss(rng: Random, paint: Plane, extra: Plane) -> Faces:
    """A truss across the stage, 11 m long, with lamps that hang from it."""
    faces = Faces()
    for y in (0.0, 0.36):
        _block(faces, (-5.5, 5.5), (y, y + 0.05), (0.0, 0.05), paint)
    for k in range(28):
        x = -5.5 + k * 11 / 28
        a, b = (0.0, 0.36) if k % 2 else (0.36, 0.0)
        faces.add(
            [(x, a, 0), (x + 0.05, a, 0), (x + 0.44, b + 0.04, 0), (x + 0.39, b + 0.04, 0)], PLAIN, paint, 0
        )
    for x in np.linspace(-4.8, 4.8, 9):
        _round(faces, (0.15, -0.45), (0.1, -0.1), paint * 0.7, x=float(x), z=0.1, sides=8)
        faces.add([(x - 0.1, -0.46, -0.05), (x + 0.1, -0.46, -0.05), (x + 0.12, -0.32, -0.06), (x - 0.12, -0.32, -0.06)],
                  GLOW, extra, 0)  # fmt: skip
    return faces


PIECES: dict[str, Callable[[Random, Plane, Plane], Faces]] = {
    "sofa": _sofa, "chair": _chair, "table": _table, "shelf": _shelf, "picture": _picture,
    "curtain": _curtain, "lamp": _lamp, "pot": _pot, "speaker": _speaker, "truss": _truss,
}  # fmt: skip


class Furniture:
    """The pieces of a room, and where they stand on its floor.

    `rows` of the place's table; `lamps` are where light comes from and its colour times strength; `room` is the light
    that is everywhere.
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        lamps: Sequence[tuple[Plane, Plane]],
        room: Plane,
        glow: Plane,
        seed: int,
    ) -> None:
        rng = np.random.default_rng(seed ^ 0xF04D)
        corners: list[Plane] = []
        paints: list[list[float]] = []
        prints: list[list[float]] = []
        for row in rows:
            paint, extra = (np.array(colour(row.get(key, "#808080"))) for key in ("paint", "extra"))
            piece = PIECES[row["piece"]](rng, paint, extra)
            x, y, z = (float(v) for v in row["at"])
            placed = piece.placed(x, y, z, float(row.get("yaw", 0.0)), float(row.get("size", 1.0)))
            corners.append(placed)
            paints += piece.paints
            low, high = placed[..., 1].min(), placed[..., 1].max()
            if low < 0.1 < high - 0.25 and row["piece"] != "curtain":
                foot = placed[placed[..., 1] < 0.5]
                (x0, _, z0), (x1, _, z1) = foot.min(axis=0), foot.max(axis=0)
                prints.append([(x0 + x1) / 2, (z0 + z1) / 2, (x1 - x0) / 2, (z1 - z0) / 2])
        self.footprints: Plane = np.array(prints, np.float32).reshape(-1, 4)
        """(n, 4): middle and half size, across and away, of what stands on the floor."""
        self._corners = np.concatenate(corners) if corners else np.zeros((0, 4, 3))
        normal, self._across = measures(self._corners)
        middle = self._corners.mean(axis=1)
        # Nobody walks around the pieces: each face shows the side that looks at where the camera starts.
        normal *= np.sign(((np.array([0.0, 1.5, 0.0]) - middle) * normal).sum(axis=1))[:, None]
        table = np.array(paints).reshape(-1, 5)
        glows = table[:, 0] == GLOW
        light = np.array(room) * (0.72 + 0.28 * normal[:, 1])[:, None]
        for at, shine in lamps:
            way = at - middle
            far = np.linalg.norm(way, axis=1)
            facing = np.maximum((normal * way).sum(axis=1) / np.maximum(far, 1e-3), 0) + 0.2
            light += (facing / (1 + 0.22 * far * far))[:, None] * shine
        light[glows] = glow
        table[:, 1:4] *= light
        table[glows, 0] = PLAIN
        self._paints = table

    def draw(self, canvas: Canvas, pose: Pose, haze: Plane) -> None:
        if len(self._corners):
            draw_faces(canvas, pose, self._corners, self._across, self._paints, haze, 0.0, 0.0)
