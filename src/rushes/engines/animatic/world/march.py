"""The kernels of land: raise it, light it, walk it."""

from __future__ import annotations

import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, i4, inner, kernel, prange
from rushes.engines.animatic.world.mathx import clamp, decay, hash01, tap
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN


@inner
def _slope_noise(x: float, y: float, seed: int) -> tuple[np.float32, np.float32, np.float32]:
    """Value noise in 0…1 and its two slopes."""
    x0 = np.floor(f4(x))
    y0 = np.floor(f4(y))
    fx = f4(x) - x0
    fy = f4(y) - y0
    ix = i4(x0)
    iy = i4(y0)
    ux = fx * fx * fx * (fx * (fx * f4(6) - f4(15)) + f4(10))
    uy = fy * fy * fy * (fy * (fy * f4(6) - f4(15)) + f4(10))
    dx = f4(30) * fx * fx * (fx * (fx - f4(2)) + f4(1))
    dy = f4(30) * fy * fy * (fy * (fy - f4(2)) + f4(1))
    a = hash01(ix, iy, seed)
    b = hash01(ix + 1, iy, seed)
    c = hash01(ix, iy + 1, seed)
    d = hash01(ix + 1, iy + 1, seed)
    k = a - b - c + d
    return a + (b - a) * ux + (c - a) * uy + k * ux * uy, dx * (b - a + k * uy), dy * (c - a + k * ux)


@kernel
def raise_land(out: Plane, scale: float, octaves: int, ridge: float, seed: int) -> None:
    """Fill `out` (n, n) with eroded heights, unscaled."""
    rows, columns = out.shape
    for j in prange(rows):
        for i in range(columns):
            x = f4(i) * f4(scale)
            y = f4(j) * f4(scale)
            wx, _, _ = _slope_noise(x * f4(0.7) + f4(11.3), y * f4(0.7), seed + 9)
            wy, _, _ = _slope_noise(x * f4(0.7), y * f4(0.7) + f4(5.2), seed + 8)
            x += (wx - f4(0.5)) * f4(0.7)
            y += (wy - f4(0.5)) * f4(0.7)
            total = f4(0)
            sharp = f4(0)
            weight = f4(1)
            sx = f4(0)
            sy = f4(0)
            for octave in range(octaves):
                n, nx, ny = _slope_noise(x, y, seed)
                sx += nx
                sy += ny
                total += weight * n / (f4(1) + sx * sx + sy * sy)
                if octave < 5:
                    crest = f4(1) - abs(f4(2) * n - f4(1))
                    sharp += weight * crest * crest
                weight *= f4(0.5)
                x, y = f4(1.6) * x - f4(1.2) * y, f4(1.2) * x + f4(1.6) * y
            out[j, i] = total * (f4(1) - f4(ridge)) + f4(ridge) * sharp * f4(0.75)


@kernel
def paint_land(out: Plane, h: Plane, around: Plane, grain: Plane, material: Plane, sky: Plane, lines: Plane) -> None:
    """`out` (n, n, 3) becomes lit radiance. `around` is `h` blurred; `material` rock, scree, grass, snow; `sky` sun
    direction, sunlight, ambient; `lines` height, snowline, treeline, cell, relief."""
    n = h.shape[0]
    height, snowline, treeline, cell, relief = lines[0], lines[1], lines[2], lines[3], lines[4]
    flat = np.sqrt(sky[0] * sky[0] + sky[2] * sky[2]) + f4(1e-6)
    step_x = sky[0] / flat
    step_z = sky[2] / flat
    climb = sky[1] / flat * cell
    for j in prange(n):
        for i in range(n):
            a = h[j, i]
            gx = (h[j, min(i + 1, n - 1)] - h[j, max(i - 1, 0)]) * f4(0.5) / cell
            gz = (h[min(j + 1, n - 1), i] - h[max(j - 1, 0), i]) * f4(0.5) / cell
            ny = f4(1) / np.sqrt(gx * gx + gz * gz + f4(1))
            nx = -gx * ny
            nz = -gz * ny
            hidden = f4(0)
            d = f4(1.2)
            for _ in range(44):
                x = i4(f4(i) + step_x * d)
                z = i4(f4(j) + step_z * d)
                if x < 0 or z < 0 or x >= n or z >= n:
                    break
                hidden = max(hidden, (h[z, x] - a - f4(2) - climb * d) / (d * cell))
                d = d * f4(1.08) + f4(0.4)
            sun = max(nx * sky[0] + ny * sky[1] + nz * sky[2], f4(0)) * clamp(f4(1) - hidden * f4(22), f4(0), f4(1))
            open_sky = clamp(f4(1) - (around[j, i] - a) / (height * f4(0.1) * relief), f4(0.3), f4(1.2))
            ambient = open_sky * (f4(0.45) + f4(0.55) * ny)
            fine = tap(grain, f4(i) * f4(0.9), f4(j) * f4(0.9))
            rough = tap(grain, f4(i) * f4(0.11) + f4(50), f4(j) * f4(0.11))
            mottle = f4(0.5) + f4(0.25) * fine + f4(0.25) * rough
            level = a / height
            slope = f4(1) - ny
            snow = clamp((level - snowline + (mottle - f4(0.5)) * f4(0.3)) * f4(9), f4(0), f4(1))
            snow *= clamp((f4(0.50) - slope + (mottle - f4(0.5)) * f4(0.35)) * f4(5), f4(0), f4(1))
            green = clamp((treeline - level + (mottle - f4(0.5)) * f4(0.24)) * f4(7), f4(0), f4(1))
            green *= clamp((f4(0.38) - slope) * f4(6), f4(0), f4(1))
            for c in range(3):
                albedo = material[c] + (material[3 + c] - material[c]) * mottle
                albedo *= f4(0.62) + f4(0.6) * mottle
                albedo += (material[6 + c] * (f4(0.6) + f4(0.8) * mottle) - albedo) * green
                albedo += (material[9 + c] * (f4(0.94) + f4(0.08) * fine) - albedo) * snow
                out[j, i, c] = albedo * (sun * sky[3 + c] + ambient * sky[6 + c])


@inner
def _mirror(k: int, n: int) -> np.int32:
    """An index beyond the map, folded back into it; n is a power of two."""
    m = i4(k) & i4(2 * n - 1)
    return min(m, i4(2 * n - 1) - m)


@kernel
def walk_land(
    upright: Plane, h: Plane, colours: Plane, far: Plane, grain: Plane, haze: Plane, view: Plane, fog: Plane, numbers: Plane
) -> None:
    """Draw land into `upright` (W, H, 4), the canvas transposed. `far` is `colours` at a quarter of the size; `fog`
    extinction, base height, falloff, strength; `numbers` cell, reach, first distance, whether ground below 0 is water."""
    columns, rows, _ = upright.shape
    n = h.shape[0]
    m = far.shape[0]
    cell, reach, nearest, wet = numbers[0], numbers[1], numbers[2], numbers[3]
    focal = view[FOCAL]
    horizon = view[HORIZON_ROW]
    for i in prange(columns):
        px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) / focal
        rx = px * view[COS] + view[SIN]
        rz = view[COS] - px * view[SIN]
        length = np.sqrt(px * px + f4(1))
        s = i * 63 // columns
        free = f4(rows)
        d = nearest
        pr = f4(0)
        pg = f4(0)
        pb = f4(0)
        joined = False
        before = f4(rows)
        while d < reach and free > f4(0):
            u = (view[0] + rx * d) / cell
            v = (view[2] + rz * d) / cell
            x0 = np.floor(u)
            y0 = np.floor(v)
            fx = u - x0
            fy = v - y0
            ax = _mirror(i4(x0), n)
            bx = _mirror(i4(x0) + 1, n)
            ay = _mirror(i4(y0), n)
            by = _mirror(i4(y0) + 1, n)
            w00 = (f4(1) - fx) * (f4(1) - fy)
            w01 = fx * (f4(1) - fy)
            w10 = (f4(1) - fx) * fy
            w11 = fx * fy
            ground = h[ay, ax] * w00 + h[ay, bx] * w01 + h[by, ax] * w10 + h[by, bx] * w11
            water = wet > f4(0) and ground < f4(0)
            near = clamp(f4(1) - d / (cell * f4(110)), f4(0), f4(1))
            if near > f4(0):
                # Fine relief that the map is too coarse for.
                bump = tap(grain, u * f4(5.3), v * f4(5.3)) * f4(0.6) + tap(grain, u * f4(19), v * f4(19)) * f4(0.22)
                ground += bump * cell * f4(0.22) * near
            else:
                bump = f4(0)
            top = horizon + (view[1] - (f4(0) if water else ground)) / d * focal
            if top < free:
                if water:
                    free = top
                    joined = False
                else:
                    mix = clamp((d / (cell * f4(260)) - f4(0.4)) * f4(1.4), f4(0), f4(1))
                    cx = _mirror(i4(np.floor(u * f4(0.25))), m)
                    cy = _mirror(i4(np.floor(v * f4(0.25))), m)
                    shade = f4(1) + bump * f4(0.5) * near
                    distance = d * length
                    above = max(ground - fog[1], f4(0))
                    clear = decay(distance * fog[0] * (f4(0.25) + decay(above * fog[2])))
                    lost = (f4(1) - clear) * fog[3]
                    r = (colours[ay, ax, 0] * w00 + colours[ay, bx, 0] * w01 + colours[by, ax, 0] * w10 + colours[by, bx, 0] * w11)
                    g = (colours[ay, ax, 1] * w00 + colours[ay, bx, 1] * w01 + colours[by, ax, 1] * w10 + colours[by, bx, 1] * w11)
                    b = (colours[ay, ax, 2] * w00 + colours[ay, bx, 2] * w01 + colours[by, ax, 2] * w10 + colours[by, bx, 2] * w11)
                    r = (r + (far[cy, cx, 0] - r) * mix) * shade * clear + haze[s, 0] * lost
                    g = (g + (far[cy, cx, 1] - g) * mix) * shade * clear + haze[s, 1] * lost
                    b = (b + (far[cy, cx, 2] - b) * mix) * shade * clear + haze[s, 2] * lost
                    last = min(i4(np.ceil(free)), i4(rows))
                    first = max(i4(np.ceil(top)), i4(0))
                    if not joined or top < before - f4(rows) * f4(0.08):
                        pr = r
                        pg = g
                        pb = b
                    span = f4(1) / f4(max(last - first, 1))
                    for j in range(first, last):
                        k = f4(last - j) * span
                        upright[i, j, 0] = pr + (r - pr) * k
                        upright[i, j, 1] = pg + (g - pg) * k
                        upright[i, j, 2] = pb + (b - pb) * k
                        upright[i, j, 3] = d
                    if first > 0:
                        edge = f4(first) - top
                        upright[i, first - 1, 0] += (r - upright[i, first - 1, 0]) * edge
                        upright[i, first - 1, 1] += (g - upright[i, first - 1, 1]) * edge
                        upright[i, first - 1, 2] += (b - upright[i, first - 1, 2]) * edge
                    pr = r
                    pg = g
                    pb = b
                    joined = True
                    free = top
                    before = top
            else:
                joined = False
            d += max(min(cell * f4(0.3), d * f4(0.008)), d * f4(0.0024))
