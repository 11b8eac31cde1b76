"""Indoors: a box with a floor of boards, plain walls, and a window that lights it; or a stage with curtains and beams.

Every ray meets one of five faces. Corners darken (the light that a corner cannot see), and so does the floor where
something stands on it; the window's light lies on the floor as a soft patch. The furniture is drawn into the box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, i4, kernel
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.furniture import Furniture
from rushes.engines.animatic.world.mathx import clamp, decay, hash01, smooth, tap, wave
from rushes.engines.animatic.world.sky import cloud_tile
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose


@kernel
def _beams(mist: Plane, grain: Plane, view: Plane, lamps: Plane, high: float, t: float) -> None:
    """Fill `mist` (H, W, 3) with beams from above, each a cone of lit dust; `view` is packed for its size. `lamps`
    (n, 6): where each hangs and aims (metres right), how far away, its colour; `high` is where they hang."""
    rows, columns, _ = mist.shape
    for j in range(rows):
        seen, beams = view.copy(), lamps.copy()
        fine = f4(1) / seen[FOCAL]
        py = (seen[HORIZON_ROW] - f4(j) - f4(0.5)) * fine
        for i in range(columns):
            px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) * fine
            rx = px * seen[COS] + seen[SIN]
            ahead = f4(1) / max(seen[COS] - px * seen[SIN], f4(0.05))
            r, g, b = f4(0), f4(0), f4(0)
            for n in range(lamps.shape[0]):
                s = (beams[n, 2] - seen[2]) * ahead
                x = seen[0] + rx * s
                y = seen[1] + py * s
                down = clamp((f4(high) - y) / f4(high), f4(0), f4(1.1))
                off = abs(x - beams[n, 0] - (beams[n, 1] - beams[n, 0]) * down)
                k = f4(1) - off / (f4(0.08) + f4(0.62) * down)
                if k > f4(0):
                    dust = tap(grain, x * f4(30) + f4(t) * f4(4), y * f4(30) + f4(n) * f4(70))
                    glow = k * k * clamp(y * f4(8) + f4(0.5), f4(0), f4(1))
                    glow *= (f4(1.1) - down * f4(0.8)) * (f4(0.7) + f4(0.6) * dust) * f4(0.42)
                    r += glow * beams[n, 3]
                    g += glow * beams[n, 4]
                    b += glow * beams[n, 5]
            mist[j, i, 0], mist[j, i, 1], mist[j, i, 2] = r, g, b


@kernel
def _inside(
    light: Plane, grain: Plane, view: Plane, sizes: Plane, paints: Plane, feet: Plane, lamps: Plane, mist: Plane,
    t: float,
) -> None:  # fmt: skip
    """`sizes` half width, height, depth, window left, right, bottom, top (on the back wall), boards per metre, curtain
    folds per metre, gloss, rug (middle and half size, across and away); `paints` wall, floor, ceiling, window
    light, room light, rug, its border, what grows outside; `feet` what stands on the floor, as the rug;
    `lamps` the beams and `mist` (about half as large as `light`) what they light up in the air, as `_beams` has them."""
    rows, columns, _ = light.shape
    for j in range(rows):
        # Their own copies: what the loop stores could otherwise, for all the compiler knows, change them.
        seen, box, paint, beams = view.copy(), sizes.copy(), paints.copy(), lamps.copy()
        fine = f4(1) / seen[FOCAL]
        half, high, deep = box[0], box[1], box[2]
        window = box[4] > box[3] and box[6] > box[5]
        lit = lamps.shape[0] > 0
        # The beams at full size: two rows of them become one, of which each pixel then mixes two.
        near = j >> 1
        next_ = min(max(near + (j & 1) * 2 - 1, 0), mist.shape[0] - 1)
        row = mist[near] * f4(0.75) + mist[next_] * f4(0.25)
        py = (seen[HORIZON_ROW] - f4(j) - f4(0.5)) * fine
        for i in range(columns):
            px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) * fine
            rx = px * seen[COS] + seen[SIN]
            rz = seen[COS] - px * seen[SIN]
            tx = ((half if rx > f4(0) else -half) - seen[0]) / (rx if abs(rx) > f4(1e-5) else f4(1e-5))
            ty = ((high if py > f4(0) else f4(0)) - seen[1]) / (py if abs(py) > f4(1e-5) else f4(1e-5))
            tz = (deep - seen[2]) / max(rz, f4(1e-5))
            d = min(min(tx, ty), tz)
            x = seen[0] + rx * d
            y = seen[1] + py * d
            z = seen[2] + rz * d
            # How open each corner is: the product of the distances to the other faces.
            open_x = f4(1) - f4(0.5) * decay((half - abs(x)) * f4(1.6))
            open_y = (f4(1) - f4(0.45) * decay(y * f4(1.8))) * (
                f4(1) - f4(0.35) * decay((high - y) * f4(1.8))
            )
            open_z = f4(1) - f4(0.5) * decay((deep - z) * f4(1.6))
            tone = f4(1)
            face = 0
            through = f4(0)
            if d == tz:
                tone = open_x * open_y
                if window:
                    edge = d * fine * f4(1.5)
                    wx = clamp(min(x - box[3], box[4] - x) / edge + f4(0.5), f4(0), f4(1))
                    wy = clamp(min(y - box[5], box[6] - y) / edge + f4(0.5), f4(0), f4(1))
                    bar = abs(x - (box[3] + box[4]) * f4(0.5))
                    bar = clamp((f4(0.03) - bar) / edge + f4(0.5), f4(0), f4(1))
                    cross = abs(y - (box[5] + box[6]) * f4(0.5))
                    cross = clamp((f4(0.03) - cross) / edge + f4(0.5), f4(0), f4(1))
                    through = wx * wy * (f4(1) - max(bar, cross))
                    frame = min(min(x - box[3], box[4] - x), min(y - box[5], box[6] - y))
                    frame = clamp(frame / f4(0.12) + f4(1), f4(0), f4(1))
                    tone *= f4(1) + f4(0.35) * frame * (f4(1) - through)
                if through > f4(0):
                    # A row of trees outside, farther than any step of the camera.
                    trees = f4(0.02) + f4(0.1) * tap(grain, (rx / max(rz, f4(0.05))) * f4(150), f4(9))
                    leaves = clamp((trees - py) * f4(60), f4(0), f4(1)) * (
                        f4(0.55) + f4(0.45) * tap(grain, rx * f4(700), py * f4(700))
                    )
                    for c in range(3):
                        light[j, i, c] += (paint[21 + c] - light[j, i, c]) * leaves
            elif d == ty:
                face = 1 if py < f4(0) else 2
                tone = open_x * open_z
            else:
                tone = open_y * open_z
            # A skirting board, and a line of shade above it.
            skirt = (
                clamp((f4(0.13) - y) / (d * fine) + f4(0.5), f4(0), f4(1))
                if face == 0 and box[8] == f4(0)
                else f4(0)
            )
            if box[8] > f4(0) and face == 0:
                along = x if d == tz else z
                fold = wave(
                    along * box[8] * f4(6.2832) + f4(0.8) * wave(along * box[8] * f4(1.7) + f4(t) * f4(0.15))
                )
                tone *= f4(0.5) + f4(0.5) * (f4(0.5) + f4(0.5) * fold)
            shine = f4(0)
            rug = f4(0)
            border = f4(0)
            if face == 1:
                for k in range(feet.shape[0]):
                    off_x = max(abs(x - feet[k, 0]) - feet[k, 2], f4(0))
                    off_z = max(abs(z - feet[k, 1] + f4(0.06)) - feet[k, 3], f4(0))
                    near = max(f4(1) - (off_x * off_x + off_z * off_z) * f4(9), f4(0))
                    tone *= f4(1) - f4(0.5) * near * near
                inset = min(box[12] - abs(x - box[10]), box[13] - abs(z - box[11]))
                rug = clamp(inset / (d * fine * f4(1.5)) + f4(0.5), f4(0), f4(1))
                border = clamp((f4(0.035) - abs(inset - f4(0.14))) * f4(60), f4(0), f4(1)) + clamp(
                    (f4(0.02) - abs(inset - f4(0.24))) * f4(60), f4(0), f4(1)
                )
                across = x * box[7]
                plank = np.floor(across)
                gap = clamp(abs(across - plank - f4(0.5)) * f4(2), f4(0), f4(1))
                lost = clamp(d * fine * box[7] * f4(3), f4(0), f4(1))
                board = hash01(i4(plank), i4(np.floor(z * f4(0.5) + hash01(i4(plank), 3, 1) * f4(7))), 5)
                vein = tap(grain, across * f4(37), z * f4(9))
                wood = f4(0.72) + f4(0.35) * board + f4(0.2) * vein
                wood *= f4(1) - f4(0.5) * smooth((gap - f4(0.9)) * f4(10)) * (f4(1) - lost)
                if rug > f4(0):
                    weave = tap(grain, x * f4(260), z * f4(260)) + tap(grain, x * f4(40), z * f4(40))
                    wood += (f4(0.7) + f4(0.25) * weave - wood) * rug
                tone *= wood
                if window:
                    # The window again in the polished floor, and its light as a patch in front of it.
                    depth = deep - z
                    middle = (box[3] + box[4]) * f4(0.5)
                    wide = (box[4] - box[3]) * f4(0.5)
                    patch = (
                        smooth((wide - abs(x - middle - depth * f4(0.22))) * f4(2.5) + f4(0.5))
                        * smooth(depth * f4(0.7))
                        * smooth((f4(3.4) - depth) * f4(0.7))
                    )
                    ray_x = x + rx * depth / max(rz, f4(0.05))
                    ray_y = -py * depth / max(rz, f4(0.05))
                    inside = (
                        smooth((wide - abs(ray_x - middle)) * f4(3) + f4(0.5))
                        * smooth((ray_y - box[5]) * f4(3) + f4(0.5))
                        * smooth((box[6] - ray_y) * f4(3) + f4(0.5))
                    )
                    shine = patch * f4(0.55) * tone + inside * box[9] * (f4(0.6) + f4(0.4) * vein) * (
                        f4(1) - rug
                    )
            # Where the beams meet the floor.
            pool_r, pool_g, pool_b = f4(0), f4(0), f4(0)
            if face == 1:
                for n in range(lamps.shape[0]):
                    off_x, off_z = x - beams[n, 1], z - beams[n, 2]
                    pool = decay((off_x * off_x + off_z * off_z * f4(1.6)) * f4(1.3)) * f4(1.5)
                    pool_r += pool * beams[n, 3]
                    pool_g += pool * beams[n, 4]
                    pool_b += pool * beams[n, 5]
            fall = f4(1) / (f4(1) + f4(0.05) * (deep - z) * (deep - z))
            here = i >> 1
            there = min(max(here + (i & 1) * 2 - 1, 0), row.shape[0] - 1)
            for c in range(3):
                base = paint[c] if face == 0 else paint[3 + c] if face == 1 else paint[6 + c]
                base += (paint[6 + c] - base) * skirt
                base += (paint[15 + c] + (paint[18 + c] - paint[15 + c]) * border - base) * rug
                value = base * tone * (paint[12 + c] + paint[9 + c] * fall * f4(0.6)) + shine * paint[
                    9 + c
                ] * (base + f4(0.08))
                value += (light[j, i, c] - value) * through
                if lit:
                    if d == tz:
                        value += base * paint[9 + c] * decay(y * f4(0.9)) * f4(0.7) * tone
                    pool = pool_r if c == 0 else pool_g if c == 1 else pool_b
                    value += pool * (base + f4(0.05)) + row[here, c] * f4(0.75) + row[there, c] * f4(0.25)
                light[j, i, c] = value
            if through < f4(0.5):
                light[j, i, 3] = d


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
        beams, mist = self._aimed(t), np.zeros((height, width, 3), np.float32)
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
