"""Small things drawn on the finished bytes at full size: flakes, drops, stars, motes, petals.

Each is a soft capsule: a point that moved a little while the shutter was open. Drawing them one by one costs what they
cover, and they have no lattice to show.
"""

from __future__ import annotations

import numpy as np

from rushes.engines.animatic.post.tone import planes
from rushes.engines.animatic.runtime import Bytes, Plane, f4, i4, kernel


@kernel("u1[:, ::1], u1[:, ::1], u1[:, ::1], f4[:, ::1]")
def _splat(y: Bytes, cb: Bytes, cr: Bytes, items: Plane) -> None:
    """Rows of `items`: column, row, half the streak (dx, dy), radius, alpha, then Y, Cb, Cr."""
    rows, columns = y.shape
    for n in range(items.shape[0]):
        x, row, dx, dy = items[n, 0], items[n, 1], items[n, 2], items[n, 3]
        radius, alpha = max(items[n, 4], f4(0.6)), items[n, 5]
        # Below a pixel and a half things dim instead of shrinking.
        alpha *= min(items[n, 4] / radius, f4(1))
        reach = radius * f4(1.25) + f4(0.7)
        j0 = max(i4(0), i4(np.floor(row - abs(dy) - reach)))
        j1 = min(i4(rows), i4(np.ceil(row + abs(dy) + reach)) + 1)
        i0 = max(i4(0), i4(np.floor(x - abs(dx) - reach)))
        i1 = min(i4(columns), i4(np.ceil(x + abs(dx) + reach)) + 1)
        length = dx * dx + dy * dy
        inverse = f4(1) / max(length, f4(1e-6))
        for j in range(j0, j1):
            py = f4(j) + f4(0.5) - row
            for i in range(i0, i1):
                px = f4(i) + f4(0.5) - x
                h = min(max((px * dx + py * dy) * inverse, f4(-1)), f4(1))
                ex = px - dx * h
                ey = py - dy * h
                d = np.sqrt(ex * ex + ey * ey) / reach
                if d < f4(1):
                    a = (f4(1) - d * d) * (f4(1) - d * d) * alpha
                    y[j, i] = np.uint8(f4(y[j, i]) + (items[n, 6] - f4(y[j, i])) * a + f4(0.5))
                    if (i & 1) == 0 and (j & 1) == 0:
                        m = j >> 1
                        k = i >> 1
                        cb[m, k] = np.uint8(f4(cb[m, k]) + (items[n, 7] - f4(cb[m, k])) * a + f4(0.5))
                        cr[m, k] = np.uint8(f4(cr[m, k]) + (items[n, 8] - f4(cr[m, k])) * a + f4(0.5))


def splat(picture: Bytes, width: int, height: int, items: Plane) -> None:
    """Draw `items` (n, 9) onto a flat yuv420p picture, in their order."""
    if len(items):
        _splat(*planes(picture, width, height), np.ascontiguousarray(items, dtype=np.float32))


def ycc(colour: tuple[float, float, float]) -> tuple[float, float, float]:
    """A picture colour (0…1 RGB) as BT.709 limited-range Y, Cb, Cr."""
    r, g, b = colour
    luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return 16 + 219 * luma, 128 + 224 / 1.8556 * (b - luma), 128 + 224 / 1.5748 * (r - luma)
