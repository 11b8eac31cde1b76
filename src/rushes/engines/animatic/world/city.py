"""A city of boxes on a grid of streets: façades with windows, lit from within by night, and a street that mirrors them
when it is wet.

A column of the picture walks from cell to cell of the grid and paints the wall it meets first above what is already
covered. Windows are averaged away where they are smaller than a pixel, so distant towers do not flicker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, i4, kernel
from rushes.engines.animatic.scene.graph import Weather
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.faces import PLAIN, Faces, draw_faces, measures
from rushes.engines.animatic.world.mathx import clamp, decay, hash01, smooth, tap
from rushes.engines.animatic.world.sky import FAR, cloud_tile
from rushes.engines.animatic.world.strip import STRIP, lay, lift
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose

CELL = 24.0
GRID = 64
STEPS = 110
BED = CELL * 0.34
"""Half the width of the street between its kerbs, in metres."""
LAMPS = 14
"""Posts on each side of the street."""
STONE = ("#8f5a45", "#b3a184", "#8d8a86", "#c4b7a0", "#6f5f58", "#a8794f", "#4a5a66")
"""Walls: brick, sandstone, concrete, plaster, dark brick, terracotta; the last is the metal between panes of glass."""


@kernel("f4[:, :, ::1], f4[::1], f4[:, ::1], f4[:, ::1], f4[:, ::1], f4[::1], f4[::1], f4")
def _walls(
    light: Plane, base: Plane, heights: Plane, stone: Plane, haze: Plane, view: Plane, lamp: Plane, t: float
) -> None:
    """Façades into `light` (H, W, 4); `base` (W) becomes the row where the first wall of a column stands. `stone` the
    colours of walls, glass last; `lamp` sun direction, sunlight, ambient, sky, fog, night 0…1, seed, neon 0…1, snow 0…1."""
    rows, columns, _ = light.shape
    strip = np.empty((STRIP, rows, 4), np.float32)
    focal = view[FOCAL]
    horizon = view[HORIZON_ROW]
    size = heights.shape[0]
    night, seed, neon, snow = lamp[13], i4(lamp[14]), lamp[15], lamp[16]
    cell = f4(CELL)
    for i in range(columns):
        if i % STRIP == 0:
            lift(light, i, strip)
        upright = strip[i % STRIP]
        px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) / focal
        rx = px * view[COS] + view[SIN]
        rz = view[COS] - px * view[SIN]
        if abs(rx) < f4(1e-5):
            rx = f4(1e-5)
        if abs(rz) < f4(1e-5):
            rz = f4(1e-5)
        free = f4(rows)
        base[i] = horizon + f4(1)
        ix = i4(np.floor(view[0] / cell))
        iz = i4(np.floor(view[2] / cell))
        sx = i4(1) if rx > f4(0) else i4(-1)
        sz = i4(1) if rz > f4(0) else i4(-1)
        step_x = abs(cell / rx)
        step_z = abs(cell / rz)
        tx = ((f4(ix) + (f4(1) if rx > f4(0) else f4(0))) * cell - view[0]) / rx
        tz = ((f4(iz) + (f4(1) if rz > f4(0) else f4(0))) * cell - view[2]) / rz
        for _ in range(STEPS):
            high = heights[iz & i4(size - 1), ix & i4(size - 1)]
            if high > f4(0):
                inset = f4(1) + f4(2.5) * hash01(ix, iz, i4(seed + 1))
                ta = (f4(ix) * cell + inset - view[0]) / rx
                tb = (f4(ix + 1) * cell - inset - view[0]) / rx
                tc = (f4(iz) * cell + inset - view[2]) / rz
                td = (f4(iz + 1) * cell - inset - view[2]) / rz
                enter = max(min(ta, tb), min(tc, td))
                leave = min(max(ta, tb), max(tc, td))
                if enter < leave and enter > f4(0.5):
                    top = horizon + (view[1] - high) / enter * focal
                    foot = horizon + view[1] / enter * focal
                    if base[i] < horizon + f4(1.5):
                        base[i] = foot
                    if top < free:
                        side = i4(0) if min(ta, tb) > min(tc, td) else i4(1)
                        along = (view[2] + rz * enter) if side == 0 else (view[0] + rx * enter)
                        along -= (f4(iz) if side == 0 else f4(ix)) * cell
                        facing = -lamp[0] * f4(sx) if side == 0 else -lamp[2] * f4(sz)
                        clear = decay(enter * np.sqrt(px * px + f4(1)) * lamp[12])
                        who = i4(ix * i4(92821) + iz * i4(68917) + side * i4(31))
                        style = hash01(who, i4(2), seed)
                        hue = hash01(ix, iz, i4(seed + 4))
                        storey = f4(3.2)
                        bay = f4(1.7) + hash01(ix, iz, i4(seed + 5)) * f4(1.8)
                        lived = f4(0.12) + f4(0.5) * hash01(who, i4(3), seed) * hash01(who, i4(3), seed)
                        w = along / bay
                        wi = np.floor(w)
                        pixel = enter / focal
                        blur_w = clamp(pixel / bay * f4(1.5), f4(0.02), f4(0.5))
                        blur_h = clamp(pixel / storey * f4(1.5), f4(0.02), f4(0.5))
                        pane = clamp((f4(0.36) - abs(w - wi - f4(0.5))) / blur_w + f4(0.5), f4(0), f4(1))
                        lost = clamp((pixel / storey - f4(0.18)) * f4(4), f4(0), f4(1))
                        kind = min(i4(hue * f4(stone.shape[0])), i4(stone.shape[0] - 1))
                        glassy = kind == stone.shape[0] - 1
                        shade = f4(0.75) + f4(0.5) * hash01(ix, iz, i4(seed + 7))
                        fr = stone[kind, 0] * shade
                        fg = stone[kind, 1] * shade
                        fb = stone[kind, 2] * shade
                        sun = max(facing, f4(0))
                        reach_h = f4(0.44) if glassy else f4(0.32)
                        if glassy:
                            pane = clamp((f4(0.46) - abs(w - wi - f4(0.5))) / blur_w + f4(0.5), f4(0), f4(1))
                        terrace = style < f4(0.5) and not glassy and (i4(wi) & i4(1)) == 0
                        # Shops take the ground floor, a few metres each.
                        ws = along / f4(5.2)
                        shop = np.floor(ws)
                        blur_s = clamp(pixel / f4(5.2) * f4(1.5), f4(0.01), f4(0.5))
                        front = clamp((f4(0.44) - abs(ws - shop - f4(0.5))) / blur_s + f4(0.5), f4(0), f4(1))
                        post = abs(f4(4) * ws - np.floor(f4(4) * ws) - f4(0.5))
                        front *= f4(1) - f4(0.6) * clamp(
                            (post - f4(0.46)) / (f4(4) * blur_s) + f4(0.5), f4(0), f4(1)
                        )
                        trade = hash01(i4(i4(shop) + who), i4(21), seed)
                        open_late = f4(1) if hash01(i4(i4(shop) + who), i4(22), seed) < f4(0.8) else f4(0.1)
                        first = max(i4(np.ceil(top)), i4(0))
                        last = min(i4(np.ceil(min(free, foot))), i4(rows))
                        for j in range(first - 1 if first > 0 else 0, last):
                            y = max(view[1] - (f4(j) + f4(0.5) - horizon) * pixel, f4(0))
                            h = y / storey
                            hi = np.floor(h)
                            m = pane * clamp(
                                (reach_h - abs(h - hi - f4(0.5))) / blur_h + f4(0.5), f4(0), f4(1)
                            )
                            m = m * (f4(1) - lost) + lost * f4(0.42)
                            n = hash01(i4(i4(wi) + who), i4(hi), i4(seed + 5))
                            n2 = hash01(i4(i4(wi) + who), i4(hi), i4(seed + 6))
                            on = f4(1) if n < lived else f4(0)
                            glow = (
                                (on * (f4(1) - lost) + lived * lost * f4(0.8))
                                * m
                                * night
                                * (f4(0.2) + f4(1.1) * n2 * n2 * n2)
                            )
                            open_sky = f4(0.35) + f4(0.65) * clamp(y / f4(45), f4(0), f4(1))
                            # Ledges under the windows, rails before some, and a cornice that casts a shade.
                            rest = h - hi
                            ledge = clamp((f4(0.06) - rest) / blur_h + f4(0.5), f4(0), f4(1)) * (f4(1) - lost)
                            relief = f4(1) + f4(0.22) * ledge
                            if terrace and y > f4(4.4):
                                rail = clamp((f4(0.36) - rest) / blur_h + f4(0.5), f4(0), f4(1)) * (
                                    f4(1) - lost
                                )
                                relief *= f4(1) - f4(0.4) * rail * (f4(1) - ledge)
                                m *= f4(1) - f4(0.75) * rail
                            under = high - y
                            relief *= f4(1) + f4(0.25) * clamp(f4(1.5) - under, f4(0), f4(1))
                            relief *= f4(1) - f4(0.35) * clamp(
                                f4(1) - abs(under - f4(1.7)) * f4(2), f4(0), f4(1)
                            )
                            # Snow lies on ledges and along the top.
                            white = snow * max(ledge, clamp(f4(0.8) - under, f4(0), f4(1)))
                            sign = f4(0)
                            if y < f4(4.4):
                                m = (
                                    front
                                    * clamp((f4(3.2) - y) / pixel + f4(0.5), f4(0), f4(1))
                                    * clamp((y - f4(0.5)) / pixel + f4(0.5), f4(0), f4(1))
                                )
                                goods = hash01(i4(i4(along * f4(1.7)) + who), i4(y * f4(1.3)), i4(seed + 8))
                                glow = m * night * open_late * (f4(0.25) + f4(0.6) * goods)
                                sign = clamp(
                                    (f4(0.36) - abs(y - f4(3.75))) / pixel + f4(0.5), f4(0), f4(1)
                                ) * clamp(
                                    (f4(0.45) - abs(ws - shop - f4(0.5))) / blur_s + f4(0.5), f4(0), f4(1)
                                )
                                relief = f4(0.8)
                                white = f4(0)
                            for c in range(3):
                                wall = (fr if c == 0 else fg if c == 1 else fb) * relief
                                # Signs in three paints.
                                paint = f4(0.08) + f4(0.5) * (
                                    trade
                                    if c == 0
                                    else f4(0.6) - f4(0.5) * trade
                                    if c == 2
                                    else f4(0.2) * trade
                                )
                                wall += (paint - wall) * sign
                                wall += (f4(0.7) - wall) * white
                                value = wall * (
                                    lamp[3 + c] * sun * (f4(0.25) + f4(0.75) * open_sky)
                                    + lamp[6 + c] * open_sky
                                )
                                glass = lamp[9 + c] * (
                                    f4(0.22) + f4(0.3) * n2 + (f4(0.3) if glassy else f4(0))
                                ) * open_sky + wall * lamp[6 + c] * f4(0.08)
                                value += (glass - value) * m * f4(0.85)
                                warm = (
                                    f4(1)
                                    if c == 0
                                    else (f4(0.64) if style < f4(0.7) else f4(0.92))
                                    if c == 1
                                    else (f4(0.3) if style < f4(0.7) else f4(1))
                                )
                                value += glow * warm + sign * paint * night * open_late * f4(1.6)
                                # The street's own light climbs the walls.
                                street = decay(y * f4(0.12)) * f4(0.13) * night
                                value += street * (f4(1) if c == 0 else f4(0.55) if c == 1 else f4(0.28))
                                if (
                                    neon > f4(0)
                                    and y > f4(5)
                                    and y < high * f4(0.5)
                                    and hash01(who, i4(11), seed) < f4(0.5)
                                ):
                                    near = f4(1) - abs(along - f4(3)) / f4(0.5)
                                    if near > f4(0):
                                        pulse = (
                                            f4(1) if np.sin(y * f4(1.9) + t * f4(2)) > f4(-0.5) else f4(0.4)
                                        )
                                        k = near * f4(2.4) * pulse * neon
                                        pick = hash01(who, i4(12), seed)
                                        tint = f4(1) if c == 0 else f4(0.06) if c == 1 else f4(0.5)
                                        if pick > f4(0.4):
                                            tint = f4(0.05) if c == 0 else f4(0.75) if c == 1 else f4(1)
                                        value += k * tint
                                value = value * clear + haze[i, c] * (f4(1) - clear)
                                share = f4(1) if j >= first else clamp(f4(first) - top, f4(0), f4(1))
                                upright[j, c] += (value - upright[j, c]) * share
                            if j >= first:
                                upright[j, 3] = enter
                        free = min(free, top)
                        if free <= f4(0):
                            break
            if tx < tz:
                tx += step_x
                ix += sx
            else:
                tz += step_z
                iz += sz
        if i % STRIP == STRIP - 1 or i == columns - 1:
            lay(strip, i - i % STRIP, light)


@kernel("f4[:, :, ::1], f4[:, :, ::1], f4[::1], f4[:, ::1], f4[:, ::1], f4[::1], f4[::1], f4")
def _street(
    light: Plane, mirror: Plane, base: Plane, grain: Plane, haze: Plane, view: Plane, lamp: Plane, t: float
) -> None:
    """The ground where nothing stands: asphalt, kerbs, lane marks, crossings, light under the lamps, and the mirrored
    walls as far as it is wet.
    `lamp` sunlight, ambient, fog, night, wet, half the width of the street's bed, its middle, snow 0…1."""
    rows, columns, _ = light.shape
    focal = view[FOCAL]
    first = max(i4(view[HORIZON_ROW]) + 1, i4(0))
    night, wet, half, middle, snow = lamp[7], lamp[8], lamp[9], lamp[10], lamp[11]
    for j in range(first, rows):
        d = view[1] * focal / (f4(j) + f4(0.5) - view[HORIZON_ROW])
        clear = decay(d * lamp[6])
        tall = f4(rows) / f4(1080)
        line = clamp(d / focal * f4(1.5), f4(0.03), f4(2))
        for i in range(columns):
            if light[j, i, 3] < FAR:
                continue
            px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) / focal
            x = view[0] + (px * view[COS] + view[SIN]) * d
            z = view[2] + (view[COS] - px * view[SIN]) * d
            rough = tap(grain, x * f4(9), z * f4(9))
            puddle = smooth((rough - f4(0.42)) * f4(5)) * wet
            ripple = tap(grain, x * f4(55), z * f4(55) + t * f4(60)) - f4(0.5)
            row = f4(2) * base[i] - f4(j) + ripple * (f4(8) + f4(26) * (f4(1) - puddle)) * tall
            column = f4(i) + (tap(grain, x * f4(70) + t * f4(40), z * f4(40)) - f4(0.5)) * f4(9) * tall
            mj = min(max(i4(row), i4(0)), i4(rows - 1))
            mi = min(max(i4(column), i4(0)), i4(columns - 1))
            # From the middle of the street: bed, then kerb, then pavement.
            across = abs(x - middle)
            kerb = clamp((across - half) / line + f4(0.5), f4(0), f4(1))
            mark = clamp((f4(0.09) - across) / line + f4(0.5), f4(0), f4(1)) * (
                f4(1) if (z * f4(0.16) - np.floor(z * f4(0.16))) < f4(0.5) else f4(0)
            )
            # Stripes to walk over, and slabs beside the bed.
            strip = z - np.floor(z * f4(1 / 60)) * f4(60)
            over = clamp((f4(1.7) - abs(strip - f4(31))) / (line * f4(4)) + f4(0.5), f4(0), f4(1)) * (
                f4(1) - kerb
            )
            bar = abs(x * f4(0.9) - np.floor(x * f4(0.9)) - f4(0.5))
            mark += (clamp((f4(0.25) - bar) / line + f4(0.5), f4(0), f4(1)) - mark) * over
            joint = max(
                abs(x * f4(0.7) - np.floor(x * f4(0.7)) - f4(0.5)),
                abs(z * f4(0.7) - np.floor(z * f4(0.7)) - f4(0.5)),
            )
            slab = (
                clamp((joint - f4(0.48)) * f4(40), f4(0), f4(1))
                * kerb
                * clamp(f4(1.2) - d * f4(0.06), f4(0), f4(1))
            )
            edge = clamp((f4(0.16) - abs(across - half - f4(0.1))) / line + f4(0.5), f4(0), f4(1))
            tone = (f4(0.055) + f4(0.05) * rough) * (f4(1) - wet * f4(0.4)) * (
                f4(1) + kerb * (f4(1.4) - f4(0.7) * slab) + edge * f4(0.9)
            ) + mark * f4(0.3) * (f4(0.7) + f4(0.5) * rough)
            # Snow lies white beside the bed; on it wheels have drawn their tracks, two to a lane.
            wheel = abs(abs(across - half * f4(0.5)) - f4(0.85))
            track = clamp(
                (f4(0.5) - wheel + f4(0.5) * (rough - f4(0.5))) / (line + f4(0.2)) + f4(0.5), f4(0), f4(1)
            )
            white = (
                snow
                * (kerb * f4(0.95) + (f4(1) - kerb) * (f4(0.82) - f4(0.6) * track))
                * (f4(1) - f4(0.6) * edge)
            )
            tone += (f4(0.5) + f4(0.2) * rough - tone) * white
            # Pools of light under the lamps, which stand every 24 m on both sides.
            post = z - np.floor(z * f4(1 / CELL)) * f4(CELL) - f4(CELL * 0.5)
            aside = across - half
            pool = night * max(f4(1) - (aside * aside + post * post) * f4(0.011), f4(0))
            pool *= pool * f4(2.4)
            lamplight = (night + pool) * (f4(1) - f4(0.5) * white)
            gleam = (wet * (f4(0.12) + f4(0.5) * puddle) + f4(0.03)) * (f4(1) - white)
            for c in range(3):
                value = tone * (lamp[c] * f4(0.35) + lamp[3 + c])
                value += tone * lamplight * (f4(0.55) if c == 0 else f4(0.34) if c == 1 else f4(0.2))
                value += mirror[mj, mi, c] * gleam
                light[j, i, c] = value * clear + haze[i, c] * (f4(1) - clear)
            light[j, i, 3] = d


def _posts(light: Air, dark: float) -> tuple[Plane, Plane]:
    """Lamp posts along both sides of the street, a cell apart: corners (n, 4, 3) and paints (n, 5) as `draw_faces`
    takes them."""
    faces = Faces()
    metal = np.array([0.05, 0.055, 0.06]) * (np.asarray(light.ambient) + 0.4 * np.asarray(light.sunlight))
    shine = np.array([1.0, 0.78, 0.48]) * 7 * dark + metal * 2
    for side in (-1.0, 1.0):
        for k in range(LAMPS):
            x, z = CELL * 0.5 + side * (BED + 0.45), CELL * (k + 0.5)
            tip = x - side * 1.9
            for a, b, low, high in ((x - 0.07, x + 0.07, 0.0, 7.2), (x - 0.13, x + 0.13, 0.0, 0.9)):
                faces.add([(a, low, z), (b, low, z), (b, high, z), (a, high, z)], PLAIN, metal, 0)
                faces.add([(x, low, z - 0.07), (x, low, z + 0.07), (x, high, z + 0.07), (x, high, z - 0.07)],
                          PLAIN, metal * 0.6, 0)  # fmt: skip
            faces.add([(x, 7.0, z), (tip, 7.4, z), (tip, 7.5, z), (x, 7.12, z)], PLAIN, metal, 0)
            a, b = min(tip, tip + side * 0.7), max(tip, tip + side * 0.7)
            faces.add(
                [(a, 7.36, z - 0.14), (b, 7.3, z - 0.14), (b, 7.3, z + 0.14), (a, 7.36, z + 0.14)],
                PLAIN,
                shine,
                0,
            )
            faces.add([(a, 7.34, z - 0.14), (b, 7.28, z - 0.14), (b, 7.42, z - 0.14), (a, 7.48, z - 0.14)],
                      PLAIN, shine * 0.7, 0)  # fmt: skip
    return faces.placed(0, 0, 0, 0), np.array(faces.paints)


class City:
    """The layer: a street of boxes. `tall` metres of the highest tower, `clear` metres ahead kept free of houses, and
    `street` whether there is ground (a skyline stands behind other layers)."""

    def __init__(self, row: Mapping[str, Any], weather: Weather, light: Air, dark: float, seed: int) -> None:
        rng = np.random.default_rng(seed ^ 0xC171)
        draw = rng.random((GRID, GRID)).astype(np.float32)
        heights = float(row["low"]) + (float(row["tall"]) - float(row["low"])) * draw ** float(
            row.get("spread", 2.2)
        )
        blocks = np.arange(GRID)
        if row.get("street", True):
            heights[:, blocks % 3 == 0] = 0
        heights[blocks % 6 == 3, :] = 0
        heights[draw < float(row.get("gaps", 0.0))] = 0
        clear = int(float(row.get("clear", 0.0)) / CELL)
        heights[: clear + 1] = 0
        heights[GRID - 4 :] = 0
        self._heights: Plane = np.ascontiguousarray(heights, dtype=np.float32)
        self._ground = bool(row.get("street", True))
        self._grain = cloud_tile(seed + 5)
        wet = min(weather.rain, 1.0)
        sky = np.asarray(light.horizon) * 0.6 + np.asarray(light.zenith) * 0.4
        self._walls = np.array(
            [*light.sun, *light.sunlight, *light.ambient, *sky, light.fog, dark, seed % 9973,
             dark * float(row.get("neon", 0.0)), weather.lying], np.float32
        )  # fmt: skip
        self._street = np.array(
            [*light.sunlight, *light.ambient, light.fog, dark, wet, BED, CELL * 0.5, weather.lying],
            np.float32,
        )
        self._shift = (CELL * 0.5 + float(row.get("beside", 1.5)), CELL * 0.5)
        self._fog = light.fog
        self._posts, self._posts_paint = _posts(light, dark)
        self._posts_across = measures(self._posts)[1]
        self._stone = np.array([colour(code) for code in STONE], np.float32)

    def guide(self, pose: Pose) -> Pose:
        # Stay over the street: the houses begin at its edges.
        limit = CELL * 0.36
        x = float(np.clip(pose.x, -limit, limit)) if self._ground else pose.x
        return replace(pose, x=x + self._shift[0], z=pose.z + self._shift[1])

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        view = pose.packed(canvas.width, canvas.height)
        # Where the walls of each column stand on the ground.
        base = np.zeros(canvas.width, np.float32)
        _walls(canvas.light, base, self._heights, self._stone, haze, view, self._walls, f4(t))
        if self._ground:
            mirror = canvas.light.copy() if self._street[8] > 0 else canvas.light
            _street(canvas.light, mirror, base, self._grain, haze, view, self._street, f4(t))
            draw_faces(canvas, pose, self._posts, self._posts_across, self._posts_paint, haze, self._fog, 0.0)

    @property
    def start(self) -> tuple[float, float]:
        """The middle of the street where the camera's path begins, in metres."""
        return CELL * 0.5, CELL * 0.5
