"""The kernels of land: raise it, light it, walk it."""

from __future__ import annotations

import numpy as np

from rushes.engines.animatic.runtime import Plane, Real, f4, i4, inner, kernel
from rushes.engines.animatic.world.mathx import clamp, decay, hash01, tap, wave
from rushes.engines.animatic.world.strip import STRIP, lay, lift
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN


@inner
def _slope_noise(x: float, y: float, seed: int) -> tuple[Real, Real, Real]:
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
    for j in range(rows):
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
                if octave < 4:
                    crest = f4(1) - abs(f4(2) * n - f4(1))
                    sharp += weight * crest * crest
                weight *= f4(0.47)
                x, y = f4(1.6) * x - f4(1.2) * y, f4(1.2) * x + f4(1.6) * y
            out[j, i] = total * (f4(1) - f4(ridge)) + f4(ridge) * sharp * f4(0.75)


@kernel
def light_land(out: Plane, h: Plane, around: Plane, sun: Plane, lines: Plane) -> None:
    """`out` (n, n, 4) becomes, per texel, direct light and open sky (0…1), and how far it is above the thresholds of
    snow and of green (0 = just). `around` is `h` blurred; `sun` its direction; `lines` height, snowline, treeline,
    cell, relief, steepest slope that holds snow, steepest that holds green."""
    n = h.shape[0]
    height, snowline, treeline, cell, relief = lines[0], lines[1], lines[2], lines[3], lines[4]
    flat = np.sqrt(sun[0] * sun[0] + sun[2] * sun[2]) + f4(1e-6)
    step_x = sun[0] / flat
    step_z = sun[2] / flat
    climb = sun[1] / flat * cell
    for j in range(n):
        for i in range(n):
            a = h[j, i]
            gx = (h[j, min(i + 1, n - 1)] - h[j, max(i - 1, 0)]) * f4(0.5) / cell
            gz = (h[min(j + 1, n - 1), i] - h[max(j - 1, 0), i]) * f4(0.5) / cell
            ny = f4(1) / np.sqrt(gx * gx + gz * gz + f4(1))
            hidden = f4(0)
            d = f4(1.2)
            for _ in range(40):
                x = i4(f4(i) + step_x * d)
                z = i4(f4(j) + step_z * d)
                if x < 0 or z < 0 or x >= n or z >= n:
                    break
                hidden = max(hidden, (h[z, x] - a - cell * f4(0.25) - climb * d) / (d * cell))
                d = d * f4(1.08) + f4(0.4)
            # Grass and crumbs stand up into a low sun: ground is lit a little past the edge of its own shade.
            facing = max(((sun[1] - gx * sun[0] - gz * sun[2]) * ny + f4(0.1)) * f4(1 / 1.1), f4(0))
            out[j, i, 0] = facing * clamp(f4(1) - hidden * f4(22), f4(0), f4(1))
            out[j, i, 1] = clamp(
                f4(1) - (around[j, i] - a) / (height * f4(0.1) * relief), f4(0.3), f4(1.15)
            ) * (f4(0.45) + f4(0.55) * ny)
            level = a / height
            slope = f4(1) - ny
            out[j, i, 2] = min((level - snowline) * f4(9), (lines[5] - slope) * f4(5))
            out[j, i, 3] = min((treeline - level) * f4(7), (lines[6] - slope) * f4(6))


@inner
def _mirror(k: int, n: int) -> Real:
    """An index beyond the map, folded back into it; n is a power of two."""
    m = i4(k) & i4(2 * n - 1)
    return min(m, i4(2 * n - 1) - m)


MOST_STEPS = 4096
"""Samples along one column, at most."""
BITS = 4
BLOCK = 1 << BITS
"""Texels of the height map per texel of its ceiling."""
PATIENCE = 0.6
"""Rows that land must gain on what is drawn before it is drawn: finer than that nobody sees."""


@kernel
def walk_land(
    light: Plane,
    h: Plane,
    ceiling: Plane,
    lit: Plane,
    far: Plane,
    grain: Plane,
    haze: Plane,
    view: Plane,
    paint: Plane,
    numbers: Plane,
) -> None:
    """Draw land into `light` (H, W, 4). `ceiling` is the highest of each block of `h`, `lit` as `light_land` leaves it,
    `far` the same at a quarter of the size. `paint` rock, scree, grass, snow, sunlight, ambient, sun direction;
    `numbers` cell, reach, first distance, whether ground below 0 is water, fog per metre, its base height, its
    falloff, its strength, roughness of the ground in metres, strata, texture, surf, time."""
    rows, columns, _ = light.shape
    n = h.shape[0]
    m = far.shape[0]
    cell, reach, nearest, wet = numbers[0], numbers[1], numbers[2], numbers[3]
    bumpy, strata, texture, surf, t = numbers[8], numbers[9], numbers[10], numbers[11], numbers[12]
    relief = bumpy * f4(1.55)
    side = cell * f4(BLOCK)
    focal = view[FOCAL]
    horizon = view[HORIZON_ROW]
    # All columns sample at the same distances, or neighbours would see a crest differently.
    distances = np.empty(MOST_STEPS, np.float32)
    steps = 0
    d = nearest
    while d < reach and steps < MOST_STEPS:
        distances[steps] = d
        steps += 1
        d += max(min(cell * f4(0.4), d * f4(0.011)), d * f4(0.0042))
    strip = np.empty((STRIP, rows, 4), np.float32)
    for first_column in range(0, columns, STRIP):
        lift(light, first_column, strip)
        for across in range(min(STRIP, columns - first_column)):
            i = first_column + across
            px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) / focal
            rx = px * view[COS] + view[SIN]
            rz = view[COS] - px * view[SIN]
            length = np.sqrt(px * px + f4(1))
            free = f4(rows)
            lowest = free
            pr = f4(0)
            pg = f4(0)
            pb = f4(0)
            joined = False
            before = f4(rows)
            older = f4(rows)
            newer = f4(rows)
            step = 0
            while step < steps and free > f4(0):
                d = distances[step]
                step += 1
                u = (view[0] + rx * d) / cell
                v = (view[2] + rz * d) / cell
                x0 = np.floor(u)
                y0 = np.floor(v)
                ax = _mirror(i4(x0), n)
                ay = _mirror(i4(y0), n)
                if not joined:
                    # Nothing in this block reaches above what is drawn: go on behind it.
                    left = np.floor(x0 * f4(1 / BLOCK)) * side
                    near = np.floor(y0 * f4(1 / BLOCK)) * side
                    out_x = ((left + side if rx > f4(0) else left) - view[0]) / (
                        rx if abs(rx) > f4(1e-6) else f4(1e-6)
                    )
                    out_z = ((near + side if rz > f4(0) else near) - view[2]) / (
                        rz if abs(rz) > f4(1e-6) else f4(1e-6)
                    )
                    leave = max(min(abs(out_x), abs(out_z)), d)
                    high = ceiling[ay >> i4(BITS), ax >> i4(BITS)] + relief
                    below = view[1] - (max(high, f4(0)) if wet > f4(0) else high)
                    if horizon + below * focal / (d if below < f4(0) else leave) >= free:
                        while step < steps and distances[step] < leave:
                            step += 1
                        older = free
                        newer = free
                        continue
                fx = u - x0
                fy = v - y0
                bx = _mirror(i4(x0) + 1, n)
                by = _mirror(i4(y0) + 1, n)
                w00 = (f4(1) - fx) * (f4(1) - fy)
                w01 = fx * (f4(1) - fy)
                w10 = (f4(1) - fx) * fy
                w11 = fx * fy
                ground = h[ay, ax] * w00 + h[ay, bx] * w01 + h[by, ax] * w10 + h[by, bx] * w11
                water = wet > f4(0) and ground < f4(0)
                # Relief that the map is too coarse for: two octaves, each fading before it is smaller than a pixel.
                middle = clamp(f4(1.3) - d / (cell * f4(420)), f4(0), f4(1))
                close = clamp(f4(1.2) - d / (cell * f4(90)), f4(0), f4(1))
                detail = f4(0)
                coarse = f4(0)
                fine = f4(0)
                per_metre = focal / d
                if joined or horizon + (view[1] - ground - relief * middle) * per_metre < free:
                    if middle > f4(0):
                        coarse = tap(grain, u * f4(1.9), v * f4(1.9))
                        detail = coarse * middle
                    if close > f4(0):
                        fine = tap(grain, u * f4(9.7), v * f4(9.7))
                        detail += fine * close * f4(0.55)
                ground += detail * bumpy * middle
                detail *= texture
                top = horizon + (view[1] - (f4(0) if water else ground)) * per_metre
                if top < free - f4(PATIENCE):
                    if water:
                        joined = False
                    else:
                        mix = clamp((d / (cell * f4(300)) - f4(0.4)) * f4(1.4), f4(0), f4(1))
                        direct = (
                            lit[ay, ax, 0] * w00
                            + lit[ay, bx, 0] * w01
                            + lit[by, ax, 0] * w10
                            + lit[by, bx, 0] * w11
                        )
                        sky = (
                            lit[ay, ax, 1] * w00
                            + lit[ay, bx, 1] * w01
                            + lit[by, ax, 1] * w10
                            + lit[by, bx, 1] * w11
                        )
                        snow = (
                            lit[ay, ax, 2] * w00
                            + lit[ay, bx, 2] * w01
                            + lit[by, ax, 2] * w10
                            + lit[by, bx, 2] * w11
                        )
                        green = (
                            lit[ay, ax, 3] * w00
                            + lit[ay, bx, 3] * w01
                            + lit[by, ax, 3] * w10
                            + lit[by, bx, 3] * w11
                        )
                        if mix > f4(0):
                            cx = _mirror(i4(np.floor(u * f4(0.25))), m)
                            cy = _mirror(i4(np.floor(v * f4(0.25))), m)
                            direct += (far[cy, cx, 0] - direct) * mix
                            sky += (far[cy, cx, 1] - sky) * mix
                            snow += (far[cy, cx, 2] - snow) * mix
                            green += (far[cy, cx, 3] - green) * mix
                        broad = tap(grain, u * f4(0.13) + f4(50), v * f4(0.13))
                        snow = clamp(snow + detail * f4(1.1) + broad * f4(0.9), f4(0), f4(1))
                        green = clamp(green + detail * f4(0.7) + broad * f4(0.8), f4(0), f4(1))
                        if middle > f4(0):
                            # The detail's own slope towards the sun, as light and shade.
                            ahead = tap(
                                grain, u * f4(1.9) + paint[18] * f4(1.5), v * f4(1.9) + paint[20] * f4(1.5)
                            )
                            tilt = coarse - ahead
                            if close > f4(0):
                                ahead = tap(
                                    grain,
                                    u * f4(9.7) + paint[18] * f4(1.5),
                                    v * f4(9.7) + paint[20] * f4(1.5),
                                )
                                tilt += (fine - ahead) * close
                            direct *= clamp(
                                f4(1) + tilt * f4(1.6) * texture * middle * (f4(1) - snow * f4(0.5)),
                                f4(0.3),
                                f4(1.7),
                            )
                        layers = tap(grain, ground * f4(0.35), u * f4(0.11)) * strata
                        direct *= f4(1) + f4(0.4) * layers * (f4(1) - snow)
                        mottle = clamp(
                            f4(0.5) + f4(0.3) * detail + f4(0.25) * broad + f4(0.5) * layers, f4(0), f4(1)
                        )
                        shade = (f4(0.6) + f4(0.6) * mottle) * (f4(1) - green) + green * (
                            f4(0.65) + f4(0.7) * mottle
                        )
                        r = (paint[0] + (paint[3] - paint[0]) * mottle) * (f4(1) - green) + paint[6] * green
                        g = (paint[1] + (paint[4] - paint[1]) * mottle) * (f4(1) - green) + paint[7] * green
                        b = (paint[2] + (paint[5] - paint[2]) * mottle) * (f4(1) - green) + paint[8] * green
                        r = r * shade + (paint[9] * (f4(0.97) + f4(0.06) * detail) - r * shade) * snow
                        g = g * shade + (paint[10] * (f4(0.97) + f4(0.06) * detail) - g * shade) * snow
                        b = b * shade + (paint[11] * (f4(0.97) + f4(0.06) * detail) - b * shade) * snow
                        if surf > f4(0) and ground < f4(1.4):
                            # Wet where waves reach, and their foam, which comes and goes.
                            wash = f4(0.32) + f4(0.2) * wave(t * f4(0.9) + broad * f4(5) + v * f4(0.05))
                            damp = clamp(f4(1.4) - ground, f4(0), f4(1)) * f4(0.4) * surf
                            foam = clamp(f4(1.1) - abs(ground - wash) * f4(6) + detail, f4(0), f4(1))
                            foam = max(foam, clamp((wash - ground) * f4(2), f4(0), f4(0.45))) * surf
                            r += (f4(0.8) - r) * foam - r * damp * (f4(1) - foam)
                            g += (f4(0.84) - g) * foam - g * damp * (f4(1) - foam)
                            b += (f4(0.86) - b) * foam - b * damp * (f4(1) - foam)
                        distance = d * length
                        above = max(ground - numbers[5], f4(0))
                        clear = decay(distance * numbers[4] * (f4(0.25) + decay(above * numbers[6])))
                        lost = (f4(1) - clear) * numbers[7]
                        r = r * (direct * paint[12] + sky * paint[15]) * clear + haze[i, 0] * lost
                        g = g * (direct * paint[13] + sky * paint[16]) * clear + haze[i, 1] * lost
                        b = b * (direct * paint[14] + sky * paint[17]) * clear + haze[i, 2] * lost
                        last = min(i4(np.ceil(free)), i4(rows))
                        first = max(i4(np.ceil(top)), i4(0))
                        if not joined or top < before - f4(rows) * f4(0.08):
                            pr = r
                            pg = g
                            pb = b
                        span = f4(1) / f4(max(last - first, 1))
                        for j in range(first, last):
                            k = f4(last - j) * span
                            strip[across, j, 0] = pr + (r - pr) * k
                            strip[across, j, 1] = pg + (g - pg) * k
                            strip[across, j, 2] = pb + (b - pb) * k
                            strip[across, j, 3] = d
                        if first > 0:
                            edge = f4(first) - top
                            strip[across, first - 1, 0] += (r - strip[across, first - 1, 0]) * edge
                            strip[across, first - 1, 1] += (g - strip[across, first - 1, 1]) * edge
                            strip[across, first - 1, 2] += (b - strip[across, first - 1, 2]) * edge
                        pr = r
                        pg = g
                        pb = b
                        joined = True
                    free = top
                    lowest = top
                    if not water:
                        before = top
                elif top < lowest:
                    lowest = top
                elif joined:
                    # The crest lies between samples: where a parabola through the last three has its top.
                    joined = False
                    bend = older - f4(2) * newer + top
                    if bend > f4(0.01):
                        rise = (older - top) * (older - top) / (f4(8) * bend)
                        rise = min(rise, f4(0.5) * max(older - newer, top - newer))
                        crest = lowest - rise
                        for j in range(max(i4(np.floor(crest)), i4(0)), min(i4(np.ceil(free)), i4(rows))):
                            cover = min(f4(j + 1) - crest, f4(1))
                            strip[across, j, 0] += (pr - strip[across, j, 0]) * cover
                            strip[across, j, 1] += (pg - strip[across, j, 1]) * cover
                            strip[across, j, 2] += (pb - strip[across, j, 2]) * cover
                            if cover > f4(0.5):
                                strip[across, j, 3] = d
                        lowest = crest
                    free = lowest
                else:
                    lowest = free
                older = newer
                newer = top
        lay(strip, first_column, light)
