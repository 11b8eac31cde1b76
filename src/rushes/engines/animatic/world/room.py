"""Indoors: a box with a floor of boards, plain walls, and a window that lights it; or a stage with curtains and beams.

Every ray meets one of five faces. Corners darken (the light that a corner cannot see), and so does the floor where
something stands on it; the window's light lies on the floor as a soft patch. The furniture is drawn into the box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, i4, kernel, prange
from rushes.engines.animatic.tables import colour
from rushes.engines.animatic.world.air import Air
from rushes.engines.animatic.world.furniture import Furniture
from rushes.engines.animatic.world.mathx import clamp, decay, hash01, smooth, tap
from rushes.engines.animatic.world.sky import cloud_tile
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose


@kernel
def _inside(light: Plane, grain: Plane, view: Plane, box: Plane, paint: Plane, feet: Plane, t: float) -> None:
    """`box` half width, height, depth, window left, right, bottom, top (on the back wall), boards per metre, curtain
    folds per metre, gloss, beams 0…1, rug (middle and half size, across and away); `paint` wall, floor, ceiling, window
    light, room light, rug, its border, what grows outside, two gels; `feet` what stands on the floor, as the rug."""
    rows, columns, _ = light.shape
    focal = view[FOCAL]
    half, high, deep = box[0], box[1], box[2]
    for j in prange(rows):
        py = (view[HORIZON_ROW] - f4(j) - f4(0.5)) / focal
        for i in range(columns):
            px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) / focal
            rx = px * view[COS] + view[SIN]
            rz = view[COS] - px * view[SIN]
            tx = ((half if rx > f4(0) else -half) - view[0]) / (rx if abs(rx) > f4(1e-5) else f4(1e-5))
            ty = ((high if py > f4(0) else f4(0)) - view[1]) / (py if abs(py) > f4(1e-5) else f4(1e-5))
            tz = (deep - view[2]) / max(rz, f4(1e-5))
            d = min(min(tx, ty), tz)
            x = view[0] + rx * d
            y = view[1] + py * d
            z = view[2] + rz * d
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
                edge = d / focal * f4(1.5)
                wx = clamp(min(x - box[3], box[4] - x) / edge + f4(0.5), f4(0), f4(1))
                wy = clamp(min(y - box[5], box[6] - y) / edge + f4(0.5), f4(0), f4(1))
                bar = clamp((f4(0.03) - abs(x - (box[3] + box[4]) * f4(0.5))) / edge + f4(0.5), f4(0), f4(1))
                cross = clamp(
                    (f4(0.03) - abs(y - (box[5] + box[6]) * f4(0.5))) / edge + f4(0.5), f4(0), f4(1)
                )
                through = wx * wy * (f4(1) - max(bar, cross))
                frame = clamp(
                    min(min(x - box[3], box[4] - x), min(y - box[5], box[6] - y)) / f4(0.12) + f4(1),
                    f4(0),
                    f4(1),
                )
                tone = open_x * open_y * (f4(1) + f4(0.35) * frame * (f4(1) - through))
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
                clamp((f4(0.13) - y) / (d / focal) + f4(0.5), f4(0), f4(1))
                if face == 0 and box[8] == f4(0)
                else f4(0)
            )
            if box[8] > f4(0) and face == 0:
                along = x if d == tz else z
                fold = np.sin(
                    along * box[8] * f4(6.2832)
                    + f4(0.8) * np.sin(along * box[8] * f4(1.7) + f4(t) * f4(0.15))
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
                inset = min(box[13] - abs(x - box[11]), box[14] - abs(z - box[12]))
                rug = clamp(inset / (d / focal * f4(1.5)) + f4(0.5), f4(0), f4(1))
                border = clamp((f4(0.035) - abs(inset - f4(0.14))) * f4(60), f4(0), f4(1)) + clamp(
                    (f4(0.02) - abs(inset - f4(0.24))) * f4(60), f4(0), f4(1)
                )
                weave = tap(grain, x * f4(260), z * f4(260)) * f4(0.5) + tap(
                    grain, x * f4(40), z * f4(40)
                ) * f4(0.5)
                across = x * box[7]
                plank = np.floor(across)
                gap = clamp(abs(across - plank - f4(0.5)) * f4(2), f4(0), f4(1))
                lost = clamp(d / focal * box[7] * f4(3), f4(0), f4(1))
                board = hash01(i4(plank), i4(np.floor(z * f4(0.5) + hash01(i4(plank), 3, 1) * f4(7))), 5)
                vein = tap(grain, across * f4(37), z * f4(9))
                wood = f4(0.72) + f4(0.35) * board + f4(0.2) * vein
                wood *= f4(1) - f4(0.5) * smooth((gap - f4(0.9)) * f4(10)) * (f4(1) - lost)
                tone *= wood + (f4(0.7) + f4(0.5) * weave - wood) * rug
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
                shine = patch * f4(0.55) * tone + inside * box[9] * (f4(0.6) + f4(0.4) * vein) * (f4(1) - rug)
            # Beams from above, each a cone of lit dust that sways slowly; every other one behind a gel.
            air_w, air_a, air_b, pool_w, pool_a, pool_b = f4(0), f4(0), f4(0), f4(0), f4(0), f4(0)
            if box[10] > f4(0):
                for beam in range(6):
                    hung = (f4(beam) - f4(2.5)) * half * f4(0.36)
                    aim = hung * f4(0.3) + f4(1.3) * np.sin(f4(t) * f4(0.5) + f4(beam) * f4(1.9))
                    zb = deep * (f4(0.62) if beam % 2 == 0 else f4(0.8))
                    s = (zb - view[2]) / max(rz, f4(0.05))
                    bx = view[0] + rx * s
                    by = view[1] + py * s
                    down = clamp((high - by) / high, f4(0), f4(1.1))
                    k = clamp(
                        f4(1) - abs(bx - hung - (aim - hung) * down) / (f4(0.08) + f4(0.62) * down),
                        f4(0),
                        f4(1),
                    )
                    k *= clamp(by * f4(8) + f4(0.5), f4(0), f4(1))
                    glow = f4(0)
                    if k > f4(0):
                        dust = f4(0.7) + f4(0.6) * tap(
                            grain, bx * f4(30) + f4(t) * f4(4), by * f4(30) + f4(beam) * f4(70)
                        )
                        glow = k * k * (f4(1.1) - down * f4(0.8)) * dust * box[10] * f4(0.42)
                    pool = f4(0)
                    if face == 1:
                        pool = (
                            decay(((x - aim) * (x - aim) + (z - zb) * (z - zb) * f4(1.6)) * f4(1.3))
                            * box[10]
                            * f4(1.5)
                        )
                    if beam % 2 == 0:
                        air_w += glow
                        pool_w += pool
                    elif beam == 3:
                        air_b += glow
                        pool_b += pool
                    else:
                        air_a += glow
                        pool_a += pool
            fall = f4(1) / (f4(1) + f4(0.05) * (deep - z) * (deep - z))
            for c in range(3):
                base = paint[c] if face == 0 else paint[3 + c] if face == 1 else paint[6 + c]
                base += (paint[6 + c] - base) * skirt
                base += (paint[15 + c] + (paint[18 + c] - paint[15 + c]) * border - base) * rug
                value = base * tone * (paint[12 + c] + paint[9 + c] * fall * f4(0.6)) + shine * paint[
                    9 + c
                ] * (base + f4(0.08))
                value += (light[j, i, c] - value) * through
                if box[10] > f4(0):
                    if d == tz:
                        value += base * paint[9 + c] * decay(y * f4(0.9)) * f4(0.7) * tone
                    value += (air_w + air_a * paint[24 + c] + air_b * paint[27 + c]) * paint[9 + c]
                    value += (
                        (pool_w + pool_a * paint[24 + c] + pool_b * paint[27 + c])
                        * paint[9 + c]
                        * (base + f4(0.05))
                    )
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
             float(row.get("folds", 0)), float(row.get("gloss", 0.15)), float(row.get("beams", 0)),
             *(float(v) for v in row.get("rug", (0, 0, -9, -9)))], np.float32
        )  # fmt: skip
        outside = np.asarray(light.sunlight) * 0.35 + np.asarray(light.ambient) * 0.6
        lamps = np.asarray(colour(row["lamps"])) * (0.12 + 0.88 * dark)
        inside = np.asarray(light.ambient) * 0.45 + lamps
        if row.get("beams"):
            outside = np.asarray(colour(row["spot"]))
            inside = lamps
        trees = np.array([0.05, 0.085, 0.03]) * (np.asarray(light.ambient) + 0.3 * np.asarray(light.sunlight))
        self._paint = np.array(
            [
                *colour(row["wall"]), *colour(row["floor"]), *colour(row["ceiling"]), *outside, *inside,
                *colour(row.get("rug_paint", "#000000")), *colour(row.get("rug_border", "#000000")), *trees,
                *(v for gel in row.get("gels", ()) for v in colour(gel)),
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
        view = pose.packed(canvas.width, canvas.height)
        _inside(canvas.light, self._grain, view, self._box, self._paint, self._furniture.footprints, f4(t))
        self._furniture.draw(canvas, pose, haze)
