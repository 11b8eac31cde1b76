"""A sailing boat: a hull of cones, a mast, two sails bellied by the wind. Its length is 1; its waterline is y = 0."""

from __future__ import annotations

import math
from itertools import pairwise

from rushes.engines.animatic.creature.rig import Colour, Point, Rows
from rushes.engines.animatic.tables import colour

SAIL: Colour = (0.82, 0.78, 0.70)
HULL: Colour = (0.10, 0.055, 0.035)
TRIM: Colour = (0.62, 0.56, 0.48)
WOOD: Colour = (0.14, 0.085, 0.05)
STRIPS = 5


def boat(t: float, wind: float, paint: str | None = None) -> Rows:
    """Rows of the boat under sail at time t; its bow points forward."""
    rows = Rows()
    sail = colour(paint) if paint else SAIL
    for side in (1.0, -1.0):
        spine: list[tuple[Point, float]] = [
            ((-0.46, 0.055, side * 0.055), 0.05), ((-0.2, 0.035, side * 0.09), 0.065),
            ((0.12, 0.035, side * 0.085), 0.065), ((0.38, 0.06, side * 0.035), 0.045), ((0.52, 0.10, 0.0), 0.02),
        ]  # fmt: skip
        for (a, ra), (b, rb) in pairwise(spine):
            rows.cone(a, b, ra, rb, HULL, 0.05)
            rows.cone(
                (a[0], a[1] + ra * 0.85, a[2] * 1.05),
                (b[0], b[1] + rb * 0.85, b[2] * 1.05),
                0.012,
                0.012,
                TRIM,
                0.008,
            )
    rows.cone((-0.3, 0.10, 0.0), (0.02, 0.105, 0.0), 0.055, 0.05, TRIM, 0.03)
    rows.cone((0.06, 0.05, 0.0), (0.03, 1.24, 0.0), 0.013, 0.008, WOOD, 0.01)
    rows.cone((0.05, 0.2, 0.0), (-0.46, 0.17, 0.04), 0.011, 0.009, WOOD, 0.01)
    belly = 0.07 + 0.05 * min(wind, 2) + 0.01 * math.sin(t * 2.3)
    _sail(rows, (0.03, 1.2, 0.0), (0.05, 0.21, 0.0), (-0.45, 0.19, 0.04), belly, sail)
    jib = (sail[0] * 0.92, sail[1] * 0.92, sail[2] * 0.92)
    _sail(rows, (0.04, 1.02, 0.0), (0.5, 0.13, 0.0), (0.10, 0.19, 0.05), belly * 0.8, jib)
    return rows


def _sail(rows: Rows, head: Point, tack: Point, clew: Point, belly: float, paint: Colour) -> None:
    """A bellied triangle: strips from luff (head to tack) to leech (head to clew)."""

    def at(u: float, v: float) -> Point:
        # u down the sail from its head, v from luff to leech.
        x, y, z = (
            head[k] + (tack[k] - head[k]) * u + (clew[k] - tack[k]) * u * v for k in range(3)
        )  # fmt: skip
        return (x, y, z + belly * math.sin(math.pi * v) * math.sin(math.pi * min(u, 0.9)) ** 0.7)

    for i in range(STRIPS):
        a, b = i / STRIPS, (i + 1) / STRIPS
        for c, d in ((0.0, 0.5), (0.5, 1.0)):
            rows.membrane(at(a, c), at(b, c), at(b, d), paint, 0.006, 0.012)
            if i:
                rows.membrane(at(a, c), at(b, d), at(a, d), paint, 0.006, 0.012)
