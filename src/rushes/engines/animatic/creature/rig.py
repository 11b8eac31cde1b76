"""Bodies as rows: a round cone or a thin triangle each, with its colour and how softly it joins the others.

A rig builds its rows in its own space (x forward, y up, z to its left, lengths in body units), then places them.
"""

from __future__ import annotations

import math

import numpy as np

from rushes.engines.animatic.runtime import Plane

Point = tuple[float, float, float]
Colour = tuple[float, float, float]

# Columns of a row: end a, end b, radii there, softness, kind, colour, third corner (triangles only), shine.
A, B, RADIUS_A, RADIUS_B, SOFTNESS, KIND, COLOUR, C, SHINE = 0, 3, 6, 7, 8, 9, 10, 13, 16
WIDTH = 18
CONE, MEMBRANE = 0.0, 1.0


class Rows:
    """Collects the rows of one body."""

    def __init__(self) -> None:
        self._rows: list[list[float]] = []

    def cone(
        self,
        a: Point,
        b: Point,
        ra: float,
        rb: float,
        colour: Colour,
        softness: float = 0.05,
        shine: float = 0.0,
    ) -> None:
        self._rows.append([*a, *b, ra, rb, softness, CONE, *colour, 0, 0, 0, shine, 0])

    def membrane(
        self, a: Point, b: Point, c: Point, colour: Colour, thickness: float = 0.012, softness: float = 0.015
    ) -> None:
        self._rows.append([*a, *b, thickness, thickness, softness, MEMBRANE, *colour, *c, 0, 0])

    def placed(self, size: float, at: Point, yaw: float, roll: float = 0.0, pitch: float = 0.0) -> Plane:
        """(n, WIDTH) rows in the world: scaled, rolled, pitched, turned and moved."""
        rows = np.array(self._rows, np.float64).reshape(-1, WIDTH)
        for column in (A, B, C):
            p = rows[:, column : column + 3] * size
            x, y, z = p[:, 0].copy(), p[:, 1].copy(), p[:, 2].copy()
            y, z = y * math.cos(roll) - z * math.sin(roll), y * math.sin(roll) + z * math.cos(roll)
            x, y = x * math.cos(pitch) - y * math.sin(pitch), x * math.sin(pitch) + y * math.cos(pitch)
            rows[:, column] = x * math.cos(yaw) + z * math.sin(yaw) + at[0]
            rows[:, column + 1] = y + at[1]
            rows[:, column + 2] = -x * math.sin(yaw) + z * math.cos(yaw) + at[2]
        rows[:, RADIUS_A : SOFTNESS + 1] *= size
        return rows.astype(np.float32)


def points(rows: Plane) -> tuple[Plane, Plane]:
    """All ends and corners of placed rows (m, 3) and their radii (m)."""
    skin = rows[rows[:, KIND] == MEMBRANE]
    at = np.concatenate([rows[:, A : A + 3], rows[:, B : B + 3], skin[:, C : C + 3]])
    radius = np.concatenate([rows[:, RADIUS_A], rows[:, RADIUS_B], skin[:, RADIUS_A]])
    return at, radius + rows[:, SOFTNESS].max() * 0.3
