"""The kernels of land: raise it, light it, walk it."""

from __future__ import annotations

import numpy as np

from rushes.engines.animatic.runtime import Plane, Real, f4, i4, inner, kernel, scratch, u4, u8
from rushes.engines.animatic.world.mathx import among, byte, clamp, decay, hash01, spot, wave
from rushes.engines.animatic.world.strip import STRIP, lay, lift
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN

ROW = 256
"""Texels of a row of the map that are raised, or lit, together: each step is a loop over them without branches, which
the compiler does eight at a time."""
EDGED = ROW + 4
"""The same with two on each side, among which it is blurred."""
SLOPED = EDGED + 2
"""The same with one more, whose heights give the slope."""
FOUND = 4 * EDGED
"""Numbers that are found for it: four rows, of which the last four numbers of each are no texel's once they are blurred."""
RING = 5 * FOUND
SHADE_STEPS = 40
"""Places towards the sun that are asked whether they stand in its light."""
OPEN = 200.0
"""Open sky, which may pass 1, in a byte."""
RISE, LEVEL = 40.0, 128.0
"""How far land is above a threshold, in a byte; LEVEL is just."""


@inner
def _lattice(x: float, y: float, seed: int) -> tuple[Real, Real, Real, Real, Real, Real]:
    """Between which four random numbers (x, y) lies, the second to the right and the third below the first; and how far
    past the first it is."""
    x0 = np.floor(f4(x))
    y0 = np.floor(f4(y))
    ix = i4(x0)
    iy = i4(y0)
    return (
        hash01(ix, iy, seed),
        hash01(i4(ix + 1), iy, seed),
        hash01(ix, i4(iy + 1), seed),
        hash01(i4(ix + 1), i4(iy + 1), seed),
        f4(x) - x0,
        f4(y) - y0,
    )


@inner
def _ease(x: float) -> Real:
    """From 0 to 1 without a kink at either end, nor in its slope."""
    return f4(x) * f4(x) * f4(x) * (f4(x) * (f4(x) * f4(6) - f4(15)) + f4(10))


@inner
def _noise(x: float, y: float, seed: int) -> Real:
    """Value noise in 0…1."""
    a, b, c, d, fx, fy = _lattice(x, y, seed)
    top = a + (b - a) * _ease(fx)
    low = c + (d - c) * _ease(fx)
    return top + (low - top) * _ease(fy)


@kernel("f4[:, ::1], i8, i8, f4, i8, f4, i4")
def raise_land(out: Plane, first: int, end: int, scale: float, octaves: int, ridge: float, seed: int) -> None:
    """Fill rows `first` … `end` - 1 of `out` (n, n) with eroded heights, unscaled."""
    columns = out.shape[1]
    # Where the texels are in the noise, its slopes so far, and their heights.
    xs, ys = scratch(ROW, f4), scratch(ROW, f4)
    slopes_x, slopes_y = scratch(ROW, f4), scratch(ROW, f4)
    totals = scratch(ROW, f4)
    for j in range(first, end):
        for left in range(0, columns, ROW):
            for q in range(ROW):
                x = f4(i4(left + q)) * f4(scale)
                y = f4(i4(j)) * f4(scale)
                bent = x * f4(0.7), y * f4(0.7)
                xs[q] = x + (_noise(bent[0] + f4(11.3), bent[1], i4(seed + 9)) - f4(0.5)) * f4(0.7)
                ys[q] = y + (_noise(bent[0], bent[1] + f4(5.2), i4(seed + 8)) - f4(0.5)) * f4(0.7)
                slopes_x[q] = f4(0)
                slopes_y[q] = f4(0)
                totals[q] = f4(0)
            weight = f4(1)
            for octave in range(octaves):
                soft = weight * (f4(1) - f4(ridge))
                # Only broad ridges are sharp.
                sharp = weight * f4(ridge) * f4(0.75) if octave < 4 else f4(0)
                for q in range(ROW):
                    x, y = xs[q], ys[q]
                    a, b, c, d, fx, fy = _lattice(x, y, seed)
                    ux, uy = _ease(fx), _ease(fy)
                    k = a - b - c + d
                    n = a + (b - a) * ux + (c - a) * uy + k * ux * uy
                    dx = f4(30) * fx * fx * (fx * (fx - f4(2)) + f4(1))
                    dy = f4(30) * fy * fy * (fy * (fy - f4(2)) + f4(1))
                    sx = slopes_x[q] + dx * (b - a + k * uy)
                    sy = slopes_y[q] + dy * (c - a + k * ux)
                    crest = f4(1) - abs(f4(2) * n - f4(1))
                    totals[q] += soft * n / (f4(1) + sx * sx + sy * sy) + sharp * crest * crest
                    slopes_x[q] = sx
                    slopes_y[q] = sy
                    xs[q] = f4(1.6) * x - f4(1.2) * y
                    ys[q] = f4(1.2) * x + f4(1.6) * y
                weight *= f4(0.47)
            for q in range(min(i4(ROW), i4(columns - left))):
                out[j, left + q] = totals[q]


@inner
def _blurred(a: float, b: float, c: float, d: float, e: float) -> Real:
    """The middle of five with its neighbours: a bell 0.8 wide."""
    return f4(c) * f4(0.4991) + (f4(b) + f4(d)) * f4(0.2285) + (f4(a) + f4(e)) * f4(0.02195)


@kernel("u4[:, ::1], i8, i8, f4[:, ::1], f4[:, ::1], f4[::1], f4[::1]")
def light_land(out: Plane, first: int, end: int, h: Plane, around: Plane, sun: Plane, lines: Plane) -> None:
    """Rows `first` … `end` - 1 of `out` (n, n) become, per texel, a word of four bytes: direct light (255 is 1), open sky
    (`OPEN` is 1), and how far it is above the thresholds of snow and of green (`RISE` to 1, `LEVEL` is just), each a
    little blurred: without that a sharp crest, lit on one side, shows the texels it runs across. Land is smooth, and what
    is read is mixed of four texels, so no step of a byte is seen.

    `around` is `h` blurred; `sun` its direction; `lines` height, snowline, treeline, cell, relief, steepest slope that
    holds snow, steepest that holds green."""
    n = h.shape[0]
    height, snowline, treeline, cell, relief = lines[0], lines[1], lines[2], lines[3], lines[4]
    sun_x, sun_y, sun_z = sun[0], sun[1], sun[2]
    heights, blurred = h.reshape(-1), around.reshape(-1)
    flat = np.sqrt(sun_x * sun_x + sun_z * sun_z) + f4(1e-6)
    # Of each place towards the sun: how many texels away it is, and how far in metres.
    far = scratch(SHADE_STEPS, f4)
    across, away = scratch(SHADE_STEPS, i4), scratch(SHADE_STEPS, i4)
    d = f4(1.2)
    for step in range(SHADE_STEPS):
        far[step] = d * cell
        across[step] = i4(np.floor(sun_x / flat * d + f4(0.5)))
        away[step] = i4(np.floor(sun_z / flat * d + f4(0.5)))
        d = d * f4(1.08) + f4(0.4)
    climb, slack = sun_y / flat, cell * f4(0.25)
    tilt, depth = f4(0.5) / cell, f4(1) / (height * f4(0.1) * relief)
    holds_snow, holds_green = lines[5], lines[6]
    # A piece of a row, and of what is found there, with two texels on each side; of the heights three.
    here = scratch(SLOPED, f4)
    below, near = scratch(EDGED, f4), scratch(EDGED, f4)
    hidden = scratch(EDGED, f4)
    found = scratch(FOUND, f4)
    # The last five rows, blurred along; and what of them becomes one.
    rows = scratch(RING, f4)
    parts = scratch(FOUND, i4)
    for left in range(0, n, ROW):
        for j in range(first - 2, end + 2):
            # What lies beyond the map is as its edge.
            row = min(max(j, 0), n - 1)
            above_row, below_row = max(row - 1, 0) * n, min(row + 1, n - 1) * n
            for q in range(SLOPED):
                here[q] = heights[u8(row * n + min(max(left + q - 3, 0), n - 1))]
            for q in range(EDGED):
                i = min(max(left + q - 2, 0), n - 1)
                below[q] = heights[u8(below_row + i)] - heights[u8(above_row + i)]
                near[q] = blurred[u8(row * n + i)]
                hidden[q] = f4(0)
            for step in range(SHADE_STEPS):
                z, x = row + away[step], left - 2 + across[step]
                if z < 0 or z >= n:
                    break
                steep = f4(1) / far[step]
                lost = slack + climb * far[step]
                begin = u8(z * n + x)
                for q in range(u4(max(0, -x)), u4(max(0, min(EDGED, n - x)))):
                    ground = heights[begin + u8(q)] - here[u8(q) + u8(1)]
                    # Their maximum; but said so, the compiler would store only where it is new, which is slow.
                    hidden[q] += max((ground - lost) * steep - hidden[q], f4(0))
            if left == 0:
                hidden[0] = hidden[1] = hidden[2]
            last = n - left + 1
            if last + 2 < EDGED:
                hidden[u4(last + 1)] = hidden[u4(last + 2)] = hidden[u4(last)]
            for q in range(EDGED):
                a = here[q + 1]
                gx, gz = (here[q + 2] - here[q]) * tilt, below[q] * tilt
                ny = f4(1) / np.sqrt(gx * gx + gz * gz + f4(1))
                level, slope = a / height, f4(1) - ny
                # Grass and crumbs stand up into a low sun: ground is lit a little past the edge of its own shade.
                facing = max(((sun_y - gx * sun_x - gz * sun_z) * ny + f4(0.1)) * f4(1 / 1.1), f4(0))
                open_sky = clamp(f4(1) - (near[q] - a) * depth, f4(0.3), f4(1.15))
                snow = min((level - snowline) * f4(9), (holds_snow - slope) * f4(5))
                green = min((treeline - level) * f4(7), (holds_green - slope) * f4(6))
                found[q] = f4(255) * facing * clamp(f4(1) - hidden[q] * f4(22), f4(0), f4(1))
                found[q + EDGED] = f4(OPEN) * open_sky * (f4(0.45) + f4(0.55) * ny)
                found[q + 2 * EDGED] = f4(LEVEL) + f4(RISE) * snow
                found[q + 3 * EDGED] = f4(LEVEL) + f4(RISE) * green
            new = u4((j - first + 2) % 5) * u4(FOUND)
            for q in range(FOUND - 4):
                p = u4(q)
                rows[new + p] = _blurred(
                    found[p], found[p + u4(1)], found[p + u4(2)], found[p + u4(3)], found[p + u4(4)]
                )
            if j < first + 2:
                continue
            # The oldest of the five follows the newest.
            v, w = (new + u4(FOUND)) % u4(RING), (new + u4(2 * FOUND)) % u4(RING)
            x, y = (new + u4(3 * FOUND)) % u4(RING), (new + u4(4 * FOUND)) % u4(RING)
            for q in range(FOUND - 4):
                p = u4(q)
                value = _blurred(rows[v + p], rows[w + p], rows[x + p], rows[y + p], rows[new + p])
                parts[q] = i4(clamp(value + f4(0.5), f4(0), f4(255)))
            for q in range(min(ROW, n - left)):
                p = u4(q)
                direct, sky, snow, green = (
                    parts[p],
                    parts[p + u4(EDGED)],
                    parts[p + u4(2 * EDGED)],
                    parts[p + u4(3 * EDGED)],
                )
                out[j - 2, left + q] = u4(direct | sky << 8 | snow << 16 | green << 24)


MOST_STEPS = 4096
"""Samples along one column, at most."""
CHUNK = 16
"""Samples that are taken at once: what is computed for all of them is written so that the compiler can do eight at a time."""
BLOCK = 16
"""Texels of the height map per texel of its ceiling."""
PATIENCE = 0.6
"""Rows that land must gain on what is drawn before it is drawn: finer than that nobody sees."""
COVERED, BEGUN, CREST = 0, 1, 2
"""What a seen sample does: goes on from the one before, begins another surface, or ends one between two samples."""


@inner
def _fold(u: float, n: int) -> Real:
    """A coordinate beyond the map (n texels), folded back into it: 0…n - 1."""
    period = f4(2) * f4(n)
    w = f4(u) - np.floor(f4(u) * (f4(0.5) / f4(n))) * period
    return max(min(min(w, period - f4(1) - w), f4(n) - f4(1)), f4(0))


@inner
def _land(q: int, u: float, v: float, n: int, where: Plane, fx: Plane, fy: Plane) -> None:
    """What `spot` does for a tile, for the map."""
    fu = _fold(u, n)
    fv = _fold(v, n)
    x0 = min(np.floor(fu), f4(n) - f4(2))
    y0 = min(np.floor(fv), f4(n) - f4(2))
    fx[q] = fu - x0
    fy[q] = fv - y0
    where[q] = i4(i4(y0) * i4(n)) + i4(x0)


@inner
def _grain(word: int, fx: float, fy: float) -> Real:
    return among(word, fx, fy) * f4(2) - f4(1)


@inner
def _grain_at(grains: Plane, size: int, x: float, y: float) -> Real:
    """The grain (size² texels, flat) at one point."""
    x0, y0 = np.floor(f4(x)), np.floor(f4(y))
    at = i4(i4(i4(y0) & i4(size - 1)) * i4(size)) + i4(i4(x0) & i4(size - 1))
    return _grain(grains[u4(at)], f4(x) - x0, f4(y) - y0)


@inner
def _rock(grains: Plane, size: int, x: float, y: float, z: float, away: float) -> Real:
    """Lighter and darker bits of a rock's face at (x, y, z) cells, ±: one pattern along each side of the map, so that
    none is drawn out on any face; the finer ones fade before they are smaller than a pixel."""
    broad = _grain_at(grains, size, x * f4(0.5), y * f4(0.6) + f4(31))
    broad += _grain_at(grains, size, z * f4(0.5) + f4(77), y * f4(0.6))
    bits = broad * clamp(f4(1.3) - away * f4(1 / 1200), f4(0), f4(1))
    middle = clamp(f4(1.3) - away * f4(1 / 420), f4(0), f4(1))
    if middle > f4(0):
        fine = _grain_at(grains, size, x * f4(1.9), y * f4(2.1))
        fine += _grain_at(grains, size, z * f4(1.9), y * f4(2.1) + f4(53))
        bits += fine * middle
    return bits * f4(0.5)


@inner
def _highest(
    ceiling: Plane, n: int, u0: float, v0: float, ru: float, rv: float, near: float, far: float
) -> Real:
    """Land from `near` to `far` along the ray is not higher than this: no sample is more than a block from a point that
    is asked, and a block of the ceiling knows its neighbours."""
    legs = i4((far - near) * max(abs(ru), abs(rv)) * f4(1 / BLOCK)) + i4(1)
    high = f4(-1e9)
    for leg in range(legs + 1):
        d = near + (far - near) * f4(i4(leg)) / f4(legs)
        x = i4(_fold(u0 + ru * d, n) * f4(1 / BLOCK))
        y = i4(_fold(v0 + rv * d, n) * f4(1 / BLOCK))
        high = max(high, ceiling[u4(y), u4(x)])
    return high


@kernel(
    "f4[:, :, ::1], f4[:, ::1], f4[:, ::1], u4[:, ::1], u4[:, ::1], u4[:, ::1], f4[:, ::1], f4[::1], f4[::1], f4[::1]"
)
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
    """Draw land into `light` (H, W, 4). `ceiling` is the highest of each block of `h` and of the blocks around, `lit` as
    `light_land` leaves it, packed, `far` the same at a quarter of the size, `grain` with the four corners of each texel
    in its bytes. `paint` rock, scree, grass, snow, sunlight, ambient, sun direction;
    `numbers` cell, reach, first distance, whether ground below 0 is water, fog per metre, its base height, its
    falloff, its strength, roughness of the ground in metres, strata, texture, surf, time.

    A strip's columns walk abreast, a chunk of samples at a time, so that what one brings into the cache the others
    find there."""
    rows, columns, _ = light.shape
    n = h.shape[0]
    m = far.shape[0]
    size = grain.shape[0]
    cell, reach, nearest, wet = numbers[0], numbers[1], numbers[2], numbers[3]
    fog, base, falloff, strength = numbers[4], numbers[5], numbers[6], numbers[7]
    bumpy, strata, texture, surf, t = numbers[8], numbers[9], numbers[10], numbers[11], numbers[12]
    relief = bumpy * f4(1.55)
    focal = view[FOCAL]
    horizon = view[HORIZON_ROW]
    eye = view[1]
    u0 = view[0] / cell
    v0 = view[2] / cell
    rock_r, rock_g, rock_b, scree_r, scree_g, scree_b = (
        paint[0],
        paint[1],
        paint[2],
        paint[3],
        paint[4],
        paint[5],
    )
    grass_r, grass_g, grass_b, snow_r, snow_g, snow_b = (
        paint[6],
        paint[7],
        paint[8],
        paint[9],
        paint[10],
        paint[11],
    )
    sun_r, sun_g, sun_b, sky_r, sky_g, sky_b = (
        paint[12],
        paint[13],
        paint[14],
        paint[15],
        paint[16],
        paint[17],
    )
    sunward_x = paint[18] * f4(1.5)
    sunward_z = paint[20] * f4(1.5)
    heights = h.reshape(-1)
    heights_below = heights[n:]
    lights = lit.reshape(-1)
    lights_below = lights[n:]
    far_lights = far.reshape(-1)
    grains = grain.reshape(-1)
    upright = f4(1) / cell
    # All columns sample at the same distances, or neighbours would see a crest differently.
    distances = np.empty(MOST_STEPS + CHUNK, np.float32)
    steps = 0
    d = nearest
    while d < reach and steps < MOST_STEPS:
        distances[steps] = d
        steps += 1
        d += max(min(cell * f4(0.4), d * f4(0.011)), d * f4(0.0042))
    for step in range(steps, steps + CHUNK):
        distances[step] = reach
    # The samples of a chunk; those that are seen move to the front.
    away = scratch(CHUNK, f4)
    tops = scratch(CHUNK, f4)
    grounds = scratch(CHUNK, f4)
    details = scratch(CHUNK, f4)
    coarses = scratch(CHUNK, f4)
    fines = scratch(CHUNK, f4)
    waters = scratch(CHUNK, f4)
    frees = scratch(CHUNK, f4)
    kinds = scratch(CHUNK, i4)
    reds = scratch(CHUNK, f4)
    greens = scratch(CHUNK, f4)
    blues = scratch(CHUNK, f4)
    bares = scratch(CHUNK, f4)
    # Where they are in the map, and in the grain at several sizes.
    at, ax, ay = scratch(CHUNK, i4), scratch(CHUNK, f4), scratch(CHUNK, f4)
    at_far = scratch(CHUNK, i4)
    at_coarse, cx, cy = scratch(CHUNK, i4), scratch(CHUNK, f4), scratch(CHUNK, f4)
    at_fine, fx, fy = scratch(CHUNK, i4), scratch(CHUNK, f4), scratch(CHUNK, f4)
    at_broad, bx, by = scratch(CHUNK, i4), scratch(CHUNK, f4), scratch(CHUNK, f4)
    at_layer, lx, ly = scratch(CHUNK, i4), scratch(CHUNK, f4), scratch(CHUNK, f4)
    # How far each column of the strip has come.
    frees_of = scratch(STRIP, f4)
    lowests_of = scratch(STRIP, f4)
    befores_of = scratch(STRIP, f4)
    olders_of = scratch(STRIP, f4)
    newers_of = scratch(STRIP, f4)
    joineds_of = scratch(STRIP, i4)
    # What was last seen of each: its colour and distance.
    pasts_of = np.empty((STRIP, 4), np.float32)
    strip = np.empty((STRIP, rows, 4), np.float32)
    for first_column in range(0, columns, STRIP):
        lift(light, first_column, strip)
        wide = min(STRIP, columns - first_column)
        for across in range(wide):
            frees_of[across] = rows
            lowests_of[across] = rows
            befores_of[across] = rows
            olders_of[across] = rows
            newers_of[across] = rows
            joineds_of[across] = 0
        for step in range(0, steps, CHUNK):
            many = min(CHUNK, steps - step)
            for across in range(wide):
                free = frees_of[across]
                if free <= f4(0):
                    continue
                i = first_column + across
                px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) / focal
                ru = (px * view[COS] + view[SIN]) / cell
                rv = (view[COS] - px * view[SIN]) / cell
                length = np.sqrt(px * px + f4(1))
                joined = joineds_of[across] != 0
                if not joined:
                    # Nothing here reaches above what is drawn: go on behind it.
                    near = distances[step]
                    last_of = distances[step + many - 1]
                    high = _highest(ceiling, n, u0, v0, ru, rv, near, last_of) + relief
                    below = eye - (max(high, f4(0)) if wet > f4(0) else high)
                    if horizon + below * focal / (near if below < f4(0) else last_of) >= free:
                        olders_of[across] = free
                        newers_of[across] = free
                        continue
                # How high the land is.
                for q in range(CHUNK):
                    d = distances[step + q]
                    u = u0 + ru * d
                    v = v0 + rv * d
                    _land(q, u, v, n, at, ax, ay)
                for q in range(CHUNK):
                    o = u8(u4(at[q]))
                    a = heights[o]
                    b = heights_below[o]
                    a += (heights[o + u8(1)] - a) * ax[q]
                    b += (heights_below[o + u8(1)] - b) * ax[q]
                    grounds[q] = a + (b - a) * ay[q]
                for q in range(CHUNK):
                    d = distances[step + q]
                    u = u0 + ru * d
                    # Grain runs up a wall as far as along the ground, or it would be drawn out into stripes.
                    w = v0 + rv * d + grounds[q] * upright
                    spot(q, u * f4(1.9), w * f4(1.9), size, at_coarse, cx, cy)
                    spot(q, u * f4(9.7), w * f4(9.7), size, at_fine, fx, fy)
                for q in range(CHUNK):
                    d = distances[step + q]
                    ground = grounds[q]
                    water = f4(1) if wet > f4(0) and ground < f4(0) else f4(0)
                    # Relief that the map is too coarse for: two octaves, each fading before it is smaller than a pixel.
                    middle = clamp(f4(1.3) - d / (cell * f4(420)), f4(0), f4(1))
                    close = clamp(f4(1.2) - d / (cell * f4(90)), f4(0), f4(1))
                    coarse = _grain(grains[u4(at_coarse[q])], cx[q], cy[q])
                    fine = _grain(grains[u4(at_fine[q])], fx[q], fy[q])
                    detail = coarse * middle + fine * close * f4(0.55)
                    ground += detail * bumpy * middle
                    tops[q] = horizon + (eye - ground * (f4(1) - water)) * (focal / d)
                    away[q] = d
                    grounds[q] = ground
                    details[q] = detail * texture
                    coarses[q] = coarse
                    fines[q] = fine
                    waters[q] = water
                # Which of it is seen.
                lowest = lowests_of[across]
                before = befores_of[across]
                older = olders_of[across]
                newer = newers_of[across]
                seen = 0
                for q in range(many):
                    top = tops[q]
                    kind = i4(-1)
                    until = free
                    edge = top
                    if top < free - f4(PATIENCE):
                        if waters[q] > f4(0):
                            joined = False
                        else:
                            kind = i4(BEGUN if not joined or top < before - f4(rows) * f4(0.08) else COVERED)
                            joined = True
                            before = top
                        free = top
                        lowest = top
                    elif top < lowest:
                        lowest = top
                    elif joined:
                        # The crest lies between samples: where a parabola through the last three has its top.
                        joined = False
                        bend = older - f4(2) * newer + top
                        if bend > f4(0.01):
                            rise = (older - top) * (older - top) / (f4(8) * bend)
                            lowest -= min(rise, f4(0.5) * max(older - newer, top - newer))
                            kind = i4(CREST)
                            edge = lowest
                        free = lowest
                    else:
                        lowest = free
                    older = newer
                    newer = top
                    if kind >= i4(0):
                        away[seen] = away[q]
                        tops[seen] = edge
                        grounds[seen] = grounds[q]
                        details[seen] = details[q]
                        coarses[seen] = coarses[q]
                        fines[seen] = fines[q]
                        frees[seen] = until
                        kinds[seen] = kind
                        seen += 1
                    if free <= f4(0):
                        break
                frees_of[across] = free
                lowests_of[across] = lowest
                befores_of[across] = before
                olders_of[across] = older
                newers_of[across] = newer
                joineds_of[across] = joined
                if seen == 0:
                    continue
                # Its colours; of a few more than are seen, to make eights.
                shaded = (seen + 7) & ~7
                for q in range(shaded):
                    u = u0 + ru * away[q]
                    v = v0 + rv * away[q]
                    _land(q, u, v, n, at, ax, ay)
                    at_far[q] = i4(i4(_fold(v, n) * f4(0.25)) * i4(m)) + i4(_fold(u, n) * f4(0.25))
                    w = v + grounds[q] * upright
                    spot(q, u * f4(0.13) + f4(50), w * f4(0.13), size, at_broad, bx, by)
                    spot(q, u * f4(1.9) + sunward_x, w * f4(1.9) + sunward_z, size, at_coarse, cx, cy)
                    spot(q, u * f4(9.7) + sunward_x, w * f4(9.7) + sunward_z, size, at_fine, fx, fy)
                    spot(q, grounds[q] * upright + u * f4(0.05), u * f4(0.2), size, at_layer, lx, ly)
                for q in range(shaded):
                    d = away[q]
                    ground = grounds[q]
                    detail = details[q]
                    o = u8(u4(at[q]))
                    p00 = lights[o]
                    p01 = lights[o + u8(1)]
                    p10 = lights_below[o]
                    p11 = lights_below[o + u8(1)]
                    spread = far_lights[u4(at_far[q])]
                    w00 = (f4(1) - ax[q]) * (f4(1) - ay[q])
                    w01 = ax[q] * (f4(1) - ay[q])
                    w10 = (f4(1) - ax[q]) * ay[q]
                    w11 = ax[q] * ay[q]
                    mix = clamp((d / (cell * f4(300)) - f4(0.4)) * f4(1.4), f4(0), f4(1))
                    direct = byte(p00, 0) * w00 + byte(p01, 0) * w01 + byte(p10, 0) * w10 + byte(p11, 0) * w11
                    sky = byte(p00, 1) * w00 + byte(p01, 1) * w01 + byte(p10, 1) * w10 + byte(p11, 1) * w11
                    snow = byte(p00, 2) * w00 + byte(p01, 2) * w01 + byte(p10, 2) * w10 + byte(p11, 2) * w11
                    green = byte(p00, 3) * w00 + byte(p01, 3) * w01 + byte(p10, 3) * w10 + byte(p11, 3) * w11
                    direct = (direct + (byte(spread, 0) - direct) * mix) * f4(1 / 255)
                    sky = (sky + (byte(spread, 1) - sky) * mix) * f4(1 / OPEN)
                    snow = (snow + (byte(spread, 2) - snow) * mix - f4(LEVEL)) * f4(1 / RISE)
                    green = (green + (byte(spread, 3) - green) * mix - f4(LEVEL)) * f4(1 / RISE)
                    broad = _grain(grains[u4(at_broad[q])], bx[q], by[q])
                    snow = clamp(snow + detail * f4(1.1) + broad * f4(0.9), f4(0), f4(1))
                    green = clamp(green + detail * f4(0.7) + broad * f4(0.8), f4(0), f4(1))
                    # The detail's own slope towards the sun, as light and shade.
                    middle = clamp(f4(1.3) - d / (cell * f4(420)), f4(0), f4(1))
                    close = clamp(f4(1.2) - d / (cell * f4(90)), f4(0), f4(1))
                    tilt = coarses[q] - _grain(grains[u4(at_coarse[q])], cx[q], cy[q])
                    tilt += (fines[q] - _grain(grains[u4(at_fine[q])], fx[q], fy[q])) * close
                    tilt *= f4(1.6) * texture * middle * (f4(1) - snow * f4(0.5))
                    direct *= clamp(f4(1) + tilt, f4(0.3), f4(1.7))
                    layers = _grain(grains[u4(at_layer[q])], lx[q], ly[q]) * strata
                    direct *= f4(1) + f4(0.4) * layers * (f4(1) - snow)
                    mottle = f4(0.5) + f4(0.3) * detail + f4(0.25) * broad + f4(0.5) * layers
                    mottle = clamp(mottle, f4(0), f4(1))
                    shade = (f4(0.6) + f4(0.6) * mottle) * (f4(1) - green)
                    shade += green * (f4(0.65) + f4(0.7) * mottle)
                    flake = f4(0.97) + f4(0.06) * detail
                    r = ((rock_r + (scree_r - rock_r) * mottle) * (f4(1) - green) + grass_r * green) * shade
                    g = ((rock_g + (scree_g - rock_g) * mottle) * (f4(1) - green) + grass_g * green) * shade
                    b = ((rock_b + (scree_b - rock_b) * mottle) * (f4(1) - green) + grass_b * green) * shade
                    r += (snow_r * flake - r) * snow
                    g += (snow_g * flake - g) * snow
                    b += (snow_b * flake - b) * snow
                    # Wet where waves reach, and their foam, which comes and goes.
                    shore = surf if ground < f4(1.4) else f4(0)
                    v = v0 + rv * d
                    wash = f4(0.32) + f4(0.2) * wave(t * f4(0.9) + broad * f4(5) + v * f4(0.05))
                    damp = clamp(f4(1.4) - ground, f4(0), f4(1)) * f4(0.4) * shore
                    foam = clamp(f4(1.1) - abs(ground - wash) * f4(6) + detail, f4(0), f4(1))
                    foam = max(foam, clamp((wash - ground) * f4(2), f4(0), f4(0.45))) * shore
                    r += (f4(0.8) - r) * foam - r * damp * (f4(1) - foam)
                    g += (f4(0.84) - g) * foam - g * damp * (f4(1) - foam)
                    b += (f4(0.86) - b) * foam - b * damp * (f4(1) - foam)
                    above = max(ground - base, f4(0))
                    clear = decay(d * length * fog * (f4(0.25) + decay(above * falloff)))
                    lost = (f4(1) - clear) * strength
                    gx, gz = heights[o + u8(1)] - heights[o], heights_below[o] - heights[o]
                    steep = clamp(np.sqrt(gx * gx + gz * gz) * upright - f4(0.7), f4(0), f4(1))
                    bares[q] = steep * strata * (f4(1) - green) * (f4(1) - f4(0.5) * snow) * clear
                    reds[q] = r * (direct * sun_r + sky * sky_r) * clear + haze[i, 0] * lost
                    greens[q] = g * (direct * sun_g + sky * sky_g) * clear + haze[i, 1] * lost
                    blues[q] = b * (direct * sun_b + sky * sky_b) * clear + haze[i, 2] * lost
                # On to the strip.
                pr, pg, pb = pasts_of[across, 0], pasts_of[across, 1], pasts_of[across, 2]
                pd = pasts_of[across, 3]
                for q in range(seen):
                    top = tops[q]
                    d = away[q]
                    last = min(i4(np.ceil(frees[q])), i4(rows))
                    if kinds[q] == i4(CREST):
                        for j in range(max(i4(np.floor(top)), i4(0)), last):
                            cover = min(f4(j + 1) - top, f4(1))
                            strip[across, j, 0] += (pr - strip[across, j, 0]) * cover
                            strip[across, j, 1] += (pg - strip[across, j, 1]) * cover
                            strip[across, j, 2] += (pb - strip[across, j, 2]) * cover
                            if cover > f4(0.5):
                                strip[across, j, 3] = d
                        continue
                    r, g, b = reds[q], greens[q], blues[q]
                    first = max(i4(np.ceil(top)), i4(0))
                    share = f4(1) / f4(max(last - first, 1))
                    if kinds[q] == i4(BEGUN):
                        pr, pg, pb, pd = r, g, b, d
                    bare = bares[q]
                    for j in range(first, last):
                        k = f4(last - j) * share
                        rough = f4(1)
                        if bare > f4(0) and last - first > 2:
                            # Bare rock that stands up has many rows from one sample to the next: each has its own bit of it.
                            e = pd + (d - pd) * k
                            x, z = u0 + ru * e, v0 + rv * e
                            y = (eye - (f4(j) + f4(0.5) - horizon) * e / focal) / cell
                            rough += _rock(grains, size, x, y, z, e / cell) * bare
                        strip[across, j, 0] = (pr + (r - pr) * k) * rough
                        strip[across, j, 1] = (pg + (g - pg) * k) * rough
                        strip[across, j, 2] = (pb + (b - pb) * k) * rough
                        strip[across, j, 3] = d
                    if first > 0:
                        edge = f4(first) - top
                        strip[across, first - 1, 0] += (r - strip[across, first - 1, 0]) * edge
                        strip[across, first - 1, 1] += (g - strip[across, first - 1, 1]) * edge
                        strip[across, first - 1, 2] += (b - strip[across, first - 1, 2]) * edge
                    pr, pg, pb, pd = r, g, b, d
                pasts_of[across, 0], pasts_of[across, 1], pasts_of[across, 2] = pr, pg, pb
                pasts_of[across, 3] = pd
        lay(strip, first_column, light)
