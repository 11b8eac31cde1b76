"""Arithmetic that the compiler can vectorise: float32 throughout, no calls, no branches."""

from __future__ import annotations

import numpy as np

from rushes.engines.animatic.runtime import Plane, Real, f4, i4, inner, u4


@inner
def decay(x: float) -> Real:
    """exp(-x) for x ≥ 0 as (1 - x/1024)^1024: within 1 % where it matters, exactly 0 from 1024 on."""
    y = max(f4(1) - f4(x) * f4(1 / 1024), f4(0))
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    return f4(y * y)


@inner
def clamp(x: float, low: float, high: float) -> Real:
    return f4(min(max(f4(x), f4(low)), f4(high)))


@inner
def wave(x: float) -> Real:
    """sin(x) to one part in a thousand, without a call."""
    t = f4(x) * f4(0.15915494)
    t -= np.floor(t + f4(0.5))
    y = f4(8) * t - f4(16) * t * abs(t)
    return f4(y + f4(0.225) * (y * abs(y) - y))


@inner
def turn(x: float, z: float) -> Real:
    """How far the direction (x, z), z ≥ 0, is turned from straight ahead to the right, in turns: ±¼; to 2e-5.

    The arc tangent's polynomial of Abramowitz and Stegun, 4.4.49."""
    side = abs(f4(x))
    low = min(side, f4(z))
    high = max(side, f4(z))
    q = low / max(high, f4(1e-9))
    p = q * q
    angle = q * (
        f4(0.9998660) + p * (f4(-0.3302995) + p * (f4(0.1801410) + p * (f4(-0.0851330) + p * f4(0.0208351))))
    )
    angle *= f4(0.15915494)
    if side > f4(z):
        angle = f4(0.25) - angle
    return f4(angle if f4(x) > f4(0) else -angle)


@inner
def smooth(x: float) -> Real:
    """3x² - 2x³ on 0…1."""
    x = min(max(f4(x), f4(0)), f4(1))
    return f4(x * x * (f4(3) - f4(2) * x))


@inner
def mixed(x: int, y: int, seed: int) -> Real:
    """24 bits for a lattice point, by 32-bit integer mixing (a sine hash differs between CPUs)."""
    h = i4(i4(x) * i4(374761393) + i4(y) * i4(668265263) + i4(seed) * i4(1442695041))
    h = i4((h ^ ((h >> i4(13)) & i4(0x7FFFF))) * i4(1274126177))
    h = i4((h ^ ((h >> i4(15)) & i4(0x1FFFF))) * i4(-2048144789))
    return (h >> i4(8)) & i4(0xFFFFFF)


@inner
def hash01(x: int, y: int, seed: int) -> Real:
    """A number in 0…1 for a lattice point."""
    return f4(mixed(i4(x), i4(y), i4(seed))) * f4(1 / 16777216)


@inner
def tap(tile: Plane, u: float, v: float) -> Real:
    """Bilinear sample of a square tile whose side is a power of two, repeated for ever; u, v in texels."""
    size = tile.shape[0]
    x = np.floor(f4(u))
    y = np.floor(f4(v))
    fx = f4(u) - x
    fy = f4(v) - y
    mask = i4(size - 1)
    ix = i4(x)
    iy = i4(y)
    # Unsigned: of a signed place it is asked whether it counts from the end.
    ax = np.uintp(ix & mask)
    bx = np.uintp(i4(ix + 1) & mask)
    ay = np.uintp(iy & mask)
    by = np.uintp(i4(iy + 1) & mask)
    top = tile[ay, ax] + (tile[ay, bx] - tile[ay, ax]) * fx
    low = tile[by, ax] + (tile[by, bx] - tile[by, ax]) * fx
    return f4(top + (low - top) * fy)


def corners(tile: Plane) -> Plane:
    """A seamless tile of 0…1 with the four corners of each texel in the bytes of a word, so that one read finds them."""
    corner = np.round(tile * 255).astype(np.uint32)
    both = corner | np.roll(corner, -1, axis=1) << 8
    return np.asarray(both | np.roll(both, -1, axis=0) << 16)


@inner
def spot(q: int, x: float, y: float, size: int, where: Plane, fx: Plane, fy: Plane) -> None:
    """Where the q-th of several points is in a tile of `size`² (a power of two), repeated for ever: the texel, and how far
    past it. Kept apart from reading the texels, or the compiler does not do eight at a time."""
    x0 = np.floor(f4(x))
    y0 = np.floor(f4(y))
    fx[q] = f4(x) - x0
    fy[q] = f4(y) - y0
    where[q] = i4(i4(i4(y0) & i4(size - 1)) * i4(size)) + i4(i4(x0) & i4(size - 1))


@inner
def byte(word: int, number: int) -> Real:
    return f4(i4((word >> u4(8 * number)) & u4(255)))


@inner
def among(word: int, fx: float, fy: float) -> Real:
    """Between the four `corners` of a texel: 0…1."""
    top = byte(word, 0) + (byte(word, 1) - byte(word, 0)) * fx
    low = byte(word, 2) + (byte(word, 3) - byte(word, 2)) * fx
    return (top + (low - top) * fy) * f4(1 / 255)
