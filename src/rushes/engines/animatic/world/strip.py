"""Strips: a few columns of the canvas at a time, upright in memory, for kernels that work column by column.

A picture lies in memory row by row, so a column touches a new cache line with every pixel; a strip is copied out, worked
on and copied back while it is in the cache, and nothing is transposed.
"""

from __future__ import annotations

from rushes.engines.animatic.runtime import Plane, inner

STRIP = 8
"""Columns of one strip: two cache lines of pixels."""


@inner
def lift(light: Plane, first: int, strip: Plane) -> None:
    """Copy the columns from `first` on of `light` (H, W, 4) into `strip` (STRIP, H, 4)."""
    rows, columns, _ = light.shape
    wide = min(strip.shape[0], columns - first)
    for j in range(rows):
        for k in range(wide):
            for c in range(4):
                strip[k, j, c] = light[j, first + k, c]


@inner
def lay(strip: Plane, first: int, light: Plane) -> None:
    """The way back."""
    rows, columns, _ = light.shape
    wide = min(strip.shape[0], columns - first)
    for j in range(rows):
        for k in range(wide):
            for c in range(4):
                light[j, first + k, c] = strip[k, j, c]
