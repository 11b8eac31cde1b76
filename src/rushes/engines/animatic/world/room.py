"""Indoors: a box with a floor of boards, plain walls, and a window that lights it; or a stage with curtains and beams.

Every ray meets one of five faces. Corners darken (the light that a corner cannot see), and so does the floor where
something stands on it; the window's light lies on the floor as a soft patch. The furniture is drawn into the box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rushes.engines.animatic.runtime import Plane, Real, f4, i4, inner, kernel
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.furniture import Furniture
from rushes.engines.animatic.world.mathx import clamp, decay, hash01, smooth, tap, wave
from rushes.engines.animatic.world.sky import cloud_tile
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose


@kernel("f4[:, :, ::1], f4[:, ::1], f4[::1], f4[:, ::1], f4, f4")
def _beams(mist: Plane, grain: Plane, view: Plane, lamps: Plane, high: float, t: float) -> None:
    """Fill `mist` (H, W, 3) with beams from above, each a cone of lit dust; `view` is packed for its size. `lamps`
    (n, 6): where each hangs and aims (metres right), how far away, its colour; `high` is where they hang."""
    rows, columns, _ = mist.shape
    fine, top = f4(1) / view[FOCAL], f4(high)
    ways = np.empty(columns, np.float32)
    steps = np.empty(columns, np.float32)
    for i in range(columns):
        px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) * fine
        steps[i] = f4(1) / max(view[COS] - px * view[SIN], f4(0.05))
        ways[i] = (px * view[COS] + view[SIN]) * steps[i]
    inside = np.empty(columns, np.float32)
    for j in range(rows):
        row = mist[j]
        for i in range(columns):
            row[i, 0], row[i, 1], row[i, 2] = f4(0), f4(0), f4(0)
        py = (view[HORIZON_ROW] - f4(j) - f4(0.5)) * fine
        for n in range(lamps.shape[0]):
            hung, swing, away = lamps[n, 0], lamps[n, 1] - lamps[n, 0], lamps[n, 2] - view[2]
            for i in range(columns):
                down = min(max((top - view[1] - py * away * steps[i]) / top, f4(0)), f4(1.1))
                off = abs(view[0] + ways[i] * away - hung - swing * down)
                inside[i] = f4(1) - off / (f4(0.08) + f4(0.62) * down)
            for i in range(columns):
                k = inside[i]
                if k > f4(0):
                    x, y = view[0] + ways[i] * away, view[1] + py * away * steps[i]
                    down = clamp((top - y) / top, f4(0), f4(1.1))
                    dust = tap(grain, x * f4(30) + f4(t) * f4(4), y * f4(30) + f4(n) * f4(70))
                    glow = k * k * clamp(y * f4(8) + f4(0.5), f4(0), f4(1))
                    glow *= (f4(1.1) - down * f4(0.8)) * (f4(0.7) + f4(0.6) * dust) * f4(0.42)
                    for c in range(3):
                        row[i, c] += glow * lamps[n, 3 + c]


@inner
def _inset(at: float, near: float, far: float, edge: float) -> Real:
    """How much of a pixel `edge` wide lies between two bounds."""
    return min(max(min(at - near, far - at) / edge + f4(0.5), f4(0)), f4(1))


@inner
def _widen(mist: Plane, row: int, out: Plane) -> None:
    """Row `row` of the picture from beams of half its size: two rows of them become one, of which each pixel mixes two."""
    half, last = mist.shape[1], mist.shape[0] - 1
    here = min(row >> 1, last)
    above, below = mist[here], mist[min(max(here + (row & 1) * 2 - 1, 0), last)]
    for i in range(out.shape[0]):
        near = min(i >> 1, half - 1)
        next_ = min(max(near + (i & 1) * 2 - 1, 0), half - 1)
        for c in range(3):
            first = above[near, c] * f4(0.75) + below[near, c] * f4(0.25)
            out[i, c] = first * f4(0.75) + (above[next_, c] * f4(0.75) + below[next_, c] * f4(0.25)) * f4(
                0.25
            )


@inner
def _wall(
    light: Plane, mist: Plane, far: Plane, shade: Plane, fall: Plane, back: Plane, up: float, fine: float, box: Plane,
    eye: float, paint: Plane, stage: float,
) -> None:  # fmt: skip
    """A stretch of a row of `light` (n, 4) where walls are seen: how `far` they are, their `shade`, how much of the
    window's light falls on them (`fall`), and 1 where it is the `back` wall."""
    high, skirting = box[1], f4(1) if box[8] == f4(0) else f4(0)
    wr, wg, wb = paint[0], paint[1], paint[2]
    tr, tg, tb = paint[6] - wr, paint[7] - wg, paint[8] - wb
    sr, sg, sb = paint[9], paint[10], paint[11]
    ar, ag, ab = paint[12], paint[13], paint[14]
    for i in range(light.shape[0]):
        d = far[i]
        y = eye + up * d
        tone = (
            (f4(1) - f4(0.45) * decay(y * f4(1.8)))
            * (f4(1) - f4(0.35) * decay((high - y) * f4(1.8)))
            * shade[i]
        )
        skirt = min(max((f4(0.13) - y) / (d * fine) + f4(0.5), f4(0)), f4(1)) * skirting
        # The back of a stage is lit from its foot.
        lamp = fall[i] * f4(0.6) + decay(y * f4(0.9)) * f4(0.7) * back[i] * stage
        light[i, 0] = (wr + tr * skirt) * tone * (ar + sr * lamp) + mist[i, 0]
        light[i, 1] = (wg + tg * skirt) * tone * (ag + sg * lamp) + mist[i, 1]
        light[i, 2] = (wb + tb * skirt) * tone * (ab + sb * lamp) + mist[i, 2]
        light[i, 3] = d


@inner
def _window(
    light: Plane, sky: Plane, across: Plane, far: Plane, trees: Plane, up: float, fine: float, box: Plane, view: Plane,
    paint: Plane, grain: Plane,
) -> None:  # fmt: skip
    """A stretch of a row with the back wall's window in it: `sky` (n, 4) is what was there before the wall."""
    left, right, bottom, top = box[3], box[4], box[5], box[6]
    for i in range(light.shape[0]):
        d = far[i]
        x, y = view[0] + across[i] * d, view[1] + up * d
        edge = d * fine * f4(1.5)
        bar = (f4(0.03) - abs(x - (left + right) * f4(0.5))) / edge
        cross = (f4(0.03) - abs(y - (bottom + top) * f4(0.5))) / edge
        through = _inset(x, left, right, edge) * _inset(y, bottom, top, edge)
        through *= f4(1) - clamp(max(bar, cross) + f4(0.5), f4(0), f4(1))
        frame = min(min(x - left, right - x), min(y - bottom, top - y))
        frame = clamp(frame / f4(0.12) + f4(1), f4(0), f4(1))
        leaves = f4(0)
        if through > f4(0) and trees[i] > up - f4(1 / 60):
            # A row of trees outside, farther than any step of the camera.
            leaves = clamp((trees[i] - up) * f4(60), f4(0), f4(1))
            leaves *= f4(0.55) + f4(0.45) * tap(grain, across[i] * f4(700), up * f4(700))
        for c in range(3):
            wall = light[i, c] * (f4(1) + f4(0.35) * frame * (f4(1) - through))
            outside = sky[i, c] + (paint[21 + c] - sky[i, c]) * leaves
            light[i, c] = wall + (outside - wall) * through
        if through >= f4(0.5):
            light[i, 3] = sky[i, 3]


@inner
def _ceiling(light: Plane, mist: Plane, x: Plane, z: Plane, d: float, box: Plane, paint: Plane) -> None:
    """A stretch of a row where the ceiling is seen, `d` metres away."""
    half, deep = box[0], box[2]
    cr, cg, cb = paint[6], paint[7], paint[8]
    sr, sg, sb = paint[9], paint[10], paint[11]
    ar, ag, ab = paint[12], paint[13], paint[14]
    for i in range(light.shape[0]):
        depth = deep - z[i]
        tone = (f4(1) - f4(0.5) * decay((half - abs(x[i])) * f4(1.6))) * (
            f4(1) - f4(0.5) * decay(depth * f4(1.6))
        )
        lamp = f4(0.6) / (f4(1) + f4(0.05) * depth * depth)
        light[i, 0] = cr * tone * (ar + sr * lamp) + mist[i, 0]
        light[i, 1] = cg * tone * (ag + sg * lamp) + mist[i, 1]
        light[i, 2] = cb * tone * (ab + sb * lamp) + mist[i, 2]
        light[i, 3] = d


@inner
def _boards(
    tone: Plane, vein: Plane, x: Plane, z: Plane, d: float, fine: float, boards: float, grain: Plane
) -> None:
    """Planks of wood: how light they are, and their veins."""
    lost = clamp(d * fine * boards * f4(3), f4(0), f4(1))
    for i in range(tone.shape[0]):
        vein[i] = tap(grain, x[i] * boards * f4(37), z[i] * f4(9))
    for i in range(tone.shape[0]):
        across = x[i] * boards
        plank = np.floor(across)
        gap = min(max(abs(across - plank - f4(0.5)) * f4(2), f4(0)), f4(1))
        board = hash01(
            i4(plank), i4(np.floor(z[i] * f4(0.5) + hash01(i4(plank), i4(3), i4(1)) * f4(7))), i4(5)
        )
        wood = f4(0.72) + f4(0.35) * board + f4(0.2) * vein[i]
        tone[i] = wood * (f4(1) - f4(0.5) * smooth((gap - f4(0.9)) * f4(10)) * (f4(1) - lost))


@inner
def _carpet(
    tone: Plane, rug: Plane, border: Plane, x: Plane, z: Plane, edge: float, box: Plane, grain: Plane
) -> None:
    """The rug over the boards' `tone`: where it lies, and where its border is woven."""
    for i in range(tone.shape[0]):
        inset = min(box[12] - abs(x[i] - box[10]), box[13] - abs(z[i] - box[11]))
        rug[i] = min(max(inset / edge + f4(0.5), f4(0)), f4(1))
        border[i] = min(max((f4(0.035) - abs(inset - f4(0.14))) * f4(60), f4(0)), f4(1)) + min(
            max((f4(0.02) - abs(inset - f4(0.24))) * f4(60), f4(0)), f4(1)
        )
    for i in range(tone.shape[0]):
        if rug[i] > f4(0):
            weave = tap(grain, x[i] * f4(260), z[i] * f4(260)) + tap(grain, x[i] * f4(40), z[i] * f4(40))
            tone[i] += (f4(0.7) + f4(0.25) * weave - tone[i]) * rug[i]


@inner
def _shade(tone: Plane, x: Plane, z: Plane, nearest: float, farthest: float, box: Plane, feet: Plane) -> None:
    """The floor's corners and what stands on it darken it."""
    half, deep = box[0], box[2]
    for i in range(tone.shape[0]):
        tone[i] *= (f4(1) - f4(0.5) * decay((half - abs(x[i])) * f4(1.6))) * (
            f4(1) - f4(0.5) * decay((deep - z[i]) * f4(1.6))
        )
    for k in range(feet.shape[0]):
        at_x, at_z, across, away = feet[k, 0], feet[k, 1] - f4(0.06), feet[k, 2], feet[k, 3]
        # A third of a metre around it.
        if nearest < at_z + away + f4(0.34) and farthest > at_z - away - f4(0.34):
            for i in range(tone.shape[0]):
                off_x = max(abs(x[i] - at_x) - across, f4(0))
                off_z = max(abs(z[i] - at_z) - away, f4(0))
                near = max(f4(1) - (off_x * off_x + off_z * off_z) * f4(9), f4(0))
                tone[i] *= f4(1) - f4(0.5) * near * near


@inner
def _shine(
    shine: Plane, tone: Plane, vein: Plane, rug: Plane, x: Plane, z: Plane, across: Plane, away: Plane, up: float,
    box: Plane,
) -> None:  # fmt: skip
    """The window again in the polished floor, and its light as a patch in front of it."""
    deep, bottom, top, gloss = box[2], box[5], box[6], box[9]
    middle, wide = (box[3] + box[4]) * f4(0.5), (box[4] - box[3]) * f4(0.5)
    for i in range(shine.shape[0]):
        depth = deep - z[i]
        patch = smooth((wide - abs(x[i] - middle - depth * f4(0.22))) * f4(2.5) + f4(0.5))
        patch *= smooth(depth * f4(0.7)) * smooth((f4(3.4) - depth) * f4(0.7))
        reach = depth / max(away[i], f4(0.05))
        inside = smooth((wide - abs(x[i] + across[i] * reach - middle)) * f4(3) + f4(0.5))
        inside *= smooth((-up * reach - bottom) * f4(3) + f4(0.5)) * smooth(
            (top + up * reach) * f4(3) + f4(0.5)
        )
        shine[i] = patch * f4(0.55) * tone[i] + inside * gloss * (f4(0.6) + f4(0.4) * vein[i]) * (
            f4(1) - rug[i]
        )


@inner
def _floor(
    light: Plane, mist: Plane, x: Plane, z: Plane, across: Plane, away: Plane, up: float, d: float, fine: float,
    box: Plane, paint: Plane, feet: Plane, lamps: Plane, grain: Plane, work: Plane,
) -> None:  # fmt: skip
    """A stretch of a row where the floor is seen, `d` metres away."""
    wide = light.shape[0]
    deep = box[2]
    tone, vein, rug, border, shine = (
        work[0][:wide],
        work[1][:wide],
        work[2][:wide],
        work[3][:wide],
        work[4][:wide],
    )
    nearest, farthest = min(z[0], z[wide - 1]), max(z[0], z[wide - 1])
    _boards(tone, vein, x, z, d, fine, box[7], grain)
    edge = d * fine * f4(1.5)
    for i in range(wide):
        rug[i], border[i], shine[i] = f4(0), f4(0), f4(0)
    if nearest < box[11] + box[13] + edge and farthest > box[11] - box[13] - edge:
        _carpet(tone, rug, border, x, z, edge, box, grain)
    _shade(tone, x, z, nearest, farthest, box, feet)
    if box[4] > box[3] and box[6] > box[5]:
        _shine(shine, tone, vein, rug, x, z, across, away, up, box)
    fr, fg, fb = paint[3], paint[4], paint[5]
    sr, sg, sb = paint[9], paint[10], paint[11]
    ar, ag, ab = paint[12], paint[13], paint[14]
    rr, rg, rb = paint[15], paint[16], paint[17]
    br, bg, bb = paint[18] - rr, paint[19] - rg, paint[20] - rb
    for i in range(wide):
        depth = deep - z[i]
        lamp = f4(0.6) / (f4(1) + f4(0.05) * depth * depth)
        r = fr + (rr + br * border[i] - fr) * rug[i]
        g = fg + (rg + bg * border[i] - fg) * rug[i]
        b = fb + (rb + bb * border[i] - fb) * rug[i]
        light[i, 0] = r * tone[i] * (ar + sr * lamp) + shine[i] * sr * (r + f4(0.08)) + mist[i, 0]
        light[i, 1] = g * tone[i] * (ag + sg * lamp) + shine[i] * sg * (g + f4(0.08)) + mist[i, 1]
        light[i, 2] = b * tone[i] * (ab + sb * lamp) + shine[i] * sb * (b + f4(0.08)) + mist[i, 2]
        light[i, 3] = d
    for n in range(lamps.shape[0]):
        # Where the beams meet the floor.
        aimed, away = lamps[n, 1], lamps[n, 2]
        lr, lg, lb = lamps[n, 3] * f4(1.5), lamps[n, 4] * f4(1.5), lamps[n, 5] * f4(1.5)
        for i in range(wide):
            off_x, off_z = x[i] - aimed, z[i] - away
            pool = decay((off_x * off_x + off_z * off_z * f4(1.6)) * f4(1.3))
            light[i, 0] += pool * lr * (fr + f4(0.05))
            light[i, 1] += pool * lg * (fg + f4(0.05))
            light[i, 2] += pool * lb * (fb + f4(0.05))


@kernel("f4[:, :, ::1], f4[:, ::1], f4[::1], f4[::1], f4[::1], f4[:, ::1], f4[:, ::1], f4[:, :, ::1], f4")
def _inside(
    light: Plane, grain: Plane, view: Plane, box: Plane, paint: Plane, feet: Plane, lamps: Plane, mist: Plane,
    t: float,
) -> None:  # fmt: skip
    """`box` half width, height, depth, window left, right, bottom, top (on the back wall), boards per metre, curtain
    folds per metre, gloss, rug (middle and half size, across and away); `paint` wall, floor, ceiling, window
    light, room light, rug, its border, what grows outside; `feet` what stands on the floor, as the rug;
    `lamps` the beams and `mist` (about half as large as `light`) what they light up in the air, as `_beams` has them.

    Walls are the same all the way down a column of the picture, but for how high they are seen. In a row floor or
    ceiling are one stretch between two of wall, all of it equally far away.
    """
    rows, columns, _ = light.shape
    fine = f4(1) / view[FOCAL]
    half, high, deep = box[0], box[1], box[2]
    window = box[4] > box[3] and box[6] > box[5]
    stage = lamps.shape[0] > 0
    work = np.empty((14, columns), np.float32)
    across, away, far, shade, fall, back = work[5], work[6], work[7], work[8], work[9], work[10]
    trees, floor_x, floor_z = work[11], work[12], work[13]
    seen_from, seen_to = i4(columns), i4(0)
    for i in range(columns):
        px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) * fine
        rx, rz = px * view[COS] + view[SIN], view[COS] - px * view[SIN]
        to_side = ((half - view[0]) if rx > f4(0) else (half + view[0])) / max(abs(rx), f4(1e-5))
        to_back = (deep - view[2]) / max(rz, f4(1e-5))
        d = min(to_side, to_back)
        at_back = to_back <= to_side
        x, z = view[0] + rx * d, view[2] + rz * d
        across[i], away[i], far[i], back[i] = rx, rz, d, f4(1) if at_back else f4(0)
        shade[i] = f4(1) - f4(0.5) * decay(((half - abs(x)) if at_back else (deep - z)) * f4(1.6))
        if box[8] > f4(0):
            along = (x if at_back else z) * box[8]
            fold = wave(along * f4(6.2832) + f4(0.8) * wave(along * f4(1.7) + f4(t) * f4(0.15)))
            shade[i] *= f4(0.75) + f4(0.25) * fold
        fall[i] = f4(1) / (f4(1) + f4(0.05) * (deep - z) * (deep - z))
        if window and at_back and x > box[3] - f4(0.15) and x < box[4] + f4(0.15):
            seen_from, seen_to = min(seen_from, i4(i)), max(seen_to, i4(i + 1))
            trees[i] = f4(0.02) + f4(0.1) * tap(grain, (rx / max(rz, f4(0.05))) * f4(150), f4(9))
    dust = np.empty((columns, 3), np.float32)
    for i in range(columns):
        dust[i, 0], dust[i, 1], dust[i, 2] = f4(0), f4(0), f4(0)
    sky = np.empty((columns, 4), np.float32)
    for j in range(rows):
        row = light[j]
        up = (view[HORIZON_ROW] - f4(j) - f4(0.5)) * fine
        flat = ((high - view[1]) if up > f4(0) else view[1]) / max(abs(up), f4(1e-5))
        first, end = i4(0), i4(columns)
        while first < end and far[first] <= flat:
            first += i4(1)
        while end > first and far[end - 1] <= flat:
            end -= i4(1)
        if stage:
            _widen(mist, j, dust)
        # From where to where the window is seen in this row, and whether it is.
        low, top = i4(0), i4(0)
        if window and seen_from < seen_to:
            a, b = view[1] + up * far[seen_from], view[1] + up * far[seen_to - 1]
            if max(a, b) > box[5] - f4(0.15) and min(a, b) < box[6] + f4(0.15):
                low, top = seen_from, seen_to
                for i in range(low, top):
                    for c in range(4):
                        sky[i, c] = row[i, c]
        for side in range(2):
            a, b = (i4(0), first) if side == 0 else (end, i4(columns))
            _wall(row[a:b], dust[a:b], far[a:b], shade[a:b], fall[a:b], back[a:b], up, fine, box, view[1], paint,
                  f4(1) if stage else f4(0))  # fmt: skip
        if low < top:
            _window(row[low:top], sky[low:top], across[low:top], far[low:top], trees[low:top], up, fine, box, view,
                    paint, grain)  # fmt: skip
        if first < end:
            x, z = floor_x[first:end], floor_z[first:end]
            rx, rz = across[first:end], away[first:end]
            for i in range(x.shape[0]):
                x[i] = view[0] + rx[i] * flat
                z[i] = view[2] + rz[i] * flat
            if up > f4(0):
                _ceiling(row[first:end], dust[first:end], x, z, flat, box, paint)
            else:
                _floor(row[first:end], dust[first:end], x, z, rx, rz, up, flat, fine, box, paint, feet, lamps, grain,
                       work)  # fmt: skip


class Room:
    """The layer. The camera stands inside; moves are kept inside as well."""

    def __init__(self, row: Mapping[str, Any], light: Air, dark: float, seed: int) -> None:
        self._half, self._high, self._deep = (
            float(row["width"]) / 2,
            float(row["height"]),
            float(row["depth"]),
        )
        left, right, bottom, top = (float(v) for v in row["window"])
        self._box = np.array(
            [self._half, self._high, self._deep, left, right, bottom, top, float(row.get("boards", 6)),
             float(row.get("folds", 0)), float(row.get("gloss", 0.15)),
             *(float(v) for v in row.get("rug", (0, 0, -9, -9)))], np.float32
        )  # fmt: skip
        outside = np.asarray(light.sunlight) * 0.35 + np.asarray(light.ambient) * 0.6
        lamps = np.asarray(colour(row["lamps"])) * (0.12 + 0.88 * dark)
        inside = np.asarray(light.ambient) * 0.45 + lamps
        self._spots = np.zeros((0, 3))
        if row.get("beams"):
            outside = np.asarray(colour(row["spot"]))
            inside = lamps
            # Every other beam is behind a gel, and the middle one of those behind the second.
            first, second = (np.asarray(colour(gel)) for gel in row["gels"])
            white = np.ones(3)
            gels = np.array([white, first, white, second, white, first])
            self._spots = gels * outside * float(row["beams"])
        trees = np.array([0.05, 0.085, 0.03]) * (np.asarray(light.ambient) + 0.3 * np.asarray(light.sunlight))
        self._paint = np.array(
            [
                *colour(row["wall"]), *colour(row["floor"]), *colour(row["ceiling"]), *outside, *inside,
                *colour(row.get("rug_paint", "#000000")), *colour(row.get("rug_border", "#000000")), *trees,
            ],
            np.float32,
        )  # fmt: skip
        window = np.array([(left + right) / 2, (bottom + top) / 2, self._deep])
        lamp = np.array([float(v) for v in row.get("lamp", (0.0, self._high * 0.9, self._deep * 0.6))])
        self._furniture = Furniture(
            row.get("furniture", ()),
            ((window, outside * 1.5), (lamp, lamps * 2.0)),
            inside,
            lamps * 2.6 + inside,
            seed,
        )
        self._grain = cloud_tile(seed + 9)

    def guide(self, pose: Pose) -> Pose:
        return replace(
            pose,
            x=float(np.clip(pose.x, -self._half * 0.8, self._half * 0.8)),
            y=float(np.clip(pose.y, 0.2, self._high * 0.9)),
            z=float(np.clip(pose.z, -50, self._deep * 0.8)),
        )

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        width, height = (canvas.width + 1) // 2, (canvas.height + 1) // 2
        beams = self._aimed(t)
        mist = np.empty((height, width, 3) if len(beams) else (1, 1, 3), np.float32)
        if len(beams):
            _beams(mist, self._grain, pose.packed(width, height), beams, f4(self._high), f4(t))
        _inside(
            canvas.light,
            self._grain,
            pose.packed(canvas.width, canvas.height),
            self._box,
            self._paint,
            self._furniture.footprints,
            beams,
            mist,
            f4(t),
        )
        self._furniture.draw(canvas, pose, haze)

    def _aimed(self, t: float) -> Plane:
        """(n, 6) beams as the kernels read them, from a nearer and a farther bar in turn; they sway slowly."""
        number = np.arange(len(self._spots))
        hung = (number - 2.5) * self._half * 0.36
        aim = hung * 0.3 + 1.3 * np.sin(t * 0.5 + number * 1.9)
        away = self._deep * np.where(number % 2, 0.8, 0.62)
        return np.column_stack([hung, aim, away, self._spots]).astype(np.float32)
