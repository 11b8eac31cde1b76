"""The tracer: rows of a body, sphere-traced inside the box they cover, tile by tile.

A tile keeps only the rows that can reach it, so cost follows the body's outline and not its number of parts. Edges are
softened by how close a missed ray came. The canvas's distances decide what hides the body; its own is written back.
"""

from __future__ import annotations

import math

import numpy as np

from rushes.engines.animatic.creature.rig import points
from rushes.engines.animatic.runtime import Plane, Real, f4, i4, i8, inner, kernel
from rushes.engines.animatic.world.mathx import clamp, hash01
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose

TILE = 16


@inner
def _cone(x: float, y: float, z: float, b: Plane, k: int) -> Real:
    ux = b[k, 3] - b[k, 0]
    uy = b[k, 4] - b[k, 1]
    uz = b[k, 5] - b[k, 2]
    px = x - b[k, 0]
    py = y - b[k, 1]
    pz = z - b[k, 2]
    h = clamp((px * ux + py * uy + pz * uz) / (ux * ux + uy * uy + uz * uz + f4(1e-9)), f4(0), f4(1))
    dx = px - ux * h
    dy = py - uy * h
    dz = pz - uz * h
    return np.sqrt(dx * dx + dy * dy + dz * dz) - (b[k, 6] + (b[k, 7] - b[k, 6]) * h)


@inner
def _edge(px: float, py: float, pz: float, ux: float, uy: float, uz: float) -> Real:
    """Squared distance from p to the segment 0…u."""
    h = clamp((ux * px + uy * py + uz * pz) / (ux * ux + uy * uy + uz * uz + f4(1e-9)), f4(0), f4(1))
    dx = ux * h - px
    dy = uy * h - py
    dz = uz * h - pz
    return f4(dx * dx + dy * dy + dz * dz)


@inner
def _membrane(x: float, y: float, z: float, b: Plane, k: int) -> Real:
    abx = b[k, 3] - b[k, 0]
    aby = b[k, 4] - b[k, 1]
    abz = b[k, 5] - b[k, 2]
    bcx = b[k, 13] - b[k, 3]
    bcy = b[k, 14] - b[k, 4]
    bcz = b[k, 15] - b[k, 5]
    cax = b[k, 0] - b[k, 13]
    cay = b[k, 1] - b[k, 14]
    caz = b[k, 2] - b[k, 15]
    pax = x - b[k, 0]
    pay = y - b[k, 1]
    paz = z - b[k, 2]
    pbx = x - b[k, 3]
    pby = y - b[k, 4]
    pbz = z - b[k, 5]
    pcx = x - b[k, 13]
    pcy = y - b[k, 14]
    pcz = z - b[k, 15]
    nx = aby * caz - abz * cay
    ny = abz * cax - abx * caz
    nz = abx * cay - aby * cax
    s1 = (aby * nz - abz * ny) * pax + (abz * nx - abx * nz) * pay + (abx * ny - aby * nx) * paz
    s2 = (bcy * nz - bcz * ny) * pbx + (bcz * nx - bcx * nz) * pby + (bcx * ny - bcy * nx) * pbz
    s3 = (cay * nz - caz * ny) * pcx + (caz * nx - cax * nz) * pcy + (cax * ny - cay * nx) * pcz
    if (s1 > 0 and s2 > 0 and s3 > 0) or (s1 < 0 and s2 < 0 and s3 < 0):
        q = nx * pax + ny * pay + nz * paz
        d = q * q / (nx * nx + ny * ny + nz * nz + f4(1e-12))
    else:
        d = min(_edge(pax, pay, paz, abx, aby, abz), _edge(pbx, pby, pbz, bcx, bcy, bcz))
        d = min(d, _edge(pcx, pcy, pcz, cax, cay, caz))
    return np.sqrt(d) - b[k, 6]


@inner
def _body(x: float, y: float, z: float, b: Plane, n: int) -> Real:
    """Distance to the smooth union of the first n rows."""
    d = f4(1e9)
    for k in range(n):
        e = _cone(x, y, z, b, k) if b[k, 9] < f4(0.5) else _membrane(x, y, z, b, k)
        s = b[k, 8]
        w = max(s - abs(d - e), f4(0)) / s
        d = min(d, e) - w * w * s * f4(0.25)
    return d


@kernel("f4[:, :, ::1], f4[::1], f4[:, ::1], f4[::1], f4[::1], f4[::1]")
def trace(light: Plane, box: Plane, body: Plane, view: Plane, ball: Plane, lamp: Plane) -> None:
    """Draw `body` into `light` (H, W, 4) within `box` (x0, y0, x1, y1). `ball` centre and radius; `lamp` sun direction,
    sunlight, ambient, ground, haze (3 each), then clearness, floor height, mirror share, time, texture."""
    columns = light.shape[1]
    focal = view[FOCAL]
    horizon = view[HORIZON_ROW]
    x0, y0, x1, y1 = i4(box[0]), i4(box[1]), i4(box[2]), i4(box[3])
    wide = (x1 - x0 + TILE - 1) // TILE
    high = (y1 - y0 + TILE - 1) // TILE
    clear, floor, mirror, now, texture = lamp[15], lamp[16], lamp[17], lamp[18], lamp[19]
    for tile in range(wide * high):
        left = x0 + (tile % wide) * TILE
        top = y0 + (tile // wide) * TILE
        right = min(left + TILE, x1)
        bottom = min(top + TILE, y1)
        b = np.empty(body.shape, np.float32)
        n = i8(0)
        for k in range(body.shape[0]):
            corners = 2 if body[k, 9] < f4(0.5) else 3
            low_x = f4(1e9)
            high_x = f4(-1e9)
            low_y = f4(1e9)
            high_y = f4(-1e9)
            for e in range(corners):
                at = 3 * e if e < 2 else 13
                dx = body[k, at] - view[0]
                dy = body[k, at + 1] - view[1]
                dz = body[k, at + 2] - view[2]
                vz = max(dx * view[SIN] + dz * view[COS], f4(0.05))
                px = f4(columns) * f4(0.5) + (dx * view[COS] - dz * view[SIN]) / vz * focal
                py = horizon - dy / vz * focal
                reach = (max(body[k, 6], body[k, 7]) + body[k, 8] * f4(0.6)) * focal / vz * f4(1.1) + f4(2)
                low_x = min(low_x, px - reach)
                high_x = max(high_x, px + reach)
                low_y = min(low_y, py - reach)
                high_y = max(high_y, py + reach)
            if low_x < f4(right) and high_x > f4(left) and low_y < f4(bottom) and high_y > f4(top):
                for q in range(body.shape[1]):
                    b[n, q] = body[k, q]
                n += 1
        if n == 0:
            continue
        for j in range(top, bottom):
            for i in range(left, right):
                sx = f4(i) + f4(0.5)
                if mirror > f4(0):
                    # A reflection breaks up in the waves, more so the farther down it reaches.
                    depth = (f4(j) - horizon) / focal
                    sx += np.sin(f4(j) * f4(0.9) + now * f4(5)) * depth * f4(22)
                    sx += np.sin(f4(j) * f4(0.37) - now * f4(3)) * depth * f4(30)
                px = (sx - f4(columns) * f4(0.5)) / focal
                py = (horizon - f4(j) - f4(0.5)) / focal
                # A shore before the water mirrors nothing.
                if mirror > f4(0) and light[j, i, 3] * max(-py, f4(0)) < (view[1] - floor) * f4(0.9):
                    continue
                scale = np.sqrt(px * px + py * py + f4(1))
                x = (px * view[COS] + view[SIN]) / scale
                y = py / scale
                z = (view[COS] - px * view[SIN]) / scale
                cx = ball[0] - view[0]
                cy = ball[1] - view[1]
                cz = ball[2] - view[2]
                along = cx * x + cy * y + cz * z
                off = cx * cx + cy * cy + cz * cz - along * along
                if off > ball[3] * ball[3]:
                    continue
                half = np.sqrt(ball[3] * ball[3] - off)
                t = max(along - half, f4(0.05))
                end = along + half
                closest = f4(1e9)
                at_closest = t
                hit = False
                for _ in range(48):
                    d = _body(view[0] + x * t, view[1] + y * t, view[2] + z * t, b, n)
                    if d < closest:
                        closest = d
                        at_closest = t
                    if d < t / focal * f4(0.35):
                        hit = True
                        break
                    t += d * f4(0.92)
                    if t > end:
                        break
                cover = f4(1)
                if not hit:
                    cover = f4(1) - closest / (at_closest / focal)
                    if cover <= f4(0):
                        continue
                    t = at_closest
                if mirror == f4(0) and t / scale > light[j, i, 3]:
                    continue
                hx = view[0] + x * t
                hy = view[1] + y * t
                hz = view[2] + z * t
                if (mirror == f4(0) and hy < floor) or (mirror > f4(0) and hy > floor):
                    continue
                step = f4(0.005) * ball[3]
                d0, nx, ny, nz = f4(0), f4(0), f4(0), f4(0)
                # A loop, or the compiler would do the body's code four times over.
                for side in range(4):
                    d = _body(
                        hx + step * f4(side == 1), hy + step * f4(side == 2), hz + step * f4(side == 3), b, n
                    )
                    if side == 0:
                        d0 = d
                    elif side == 1:
                        nx = d - d0
                    elif side == 2:
                        ny = d - d0
                    else:
                        nz = d - d0
                r = f4(0)
                g = f4(0)
                bl = f4(0)
                total = f4(1e-9)
                shine = f4(0)
                for k in range(n):
                    e = _cone(hx, hy, hz, b, k) if b[k, 9] < f4(0.5) else _membrane(hx, hy, hz, b, k)
                    off = max(e, f4(0)) / max(b[k, 8] * f4(0.6), step)
                    # Where many rows meet, their union bulges out of reach of them all: then the nearest still rules.
                    near = max(f4(1) - off, f4(0)) + f4(1e-3) / (f4(1) + off * off)
                    near = near * near
                    # Later rows lie on top: eyes over heads, sails over masts.
                    near *= f4(1) + f4(k) * f4(0.2)
                    r += b[k, 10] * near
                    g += b[k, 11] * near
                    bl += b[k, 12] * near
                    shine += b[k, 16] * near
                    total += near
                r /= total
                g /= total
                bl /= total
                shine /= total
                if texture > f4(0):
                    lx = (hx - ball[0]) * texture
                    ly = (hy - ball[1]) * texture
                    lz = (hz - ball[2]) * texture
                    grain = hash01(
                        i4(np.floor(lx * f4(9))), i4(np.floor(ly * f4(4) + lz * f4(5))), i4(3)
                    ) - f4(0.5)
                    r *= f4(1) + grain * f4(0.2)
                    g *= f4(1) + grain * f4(0.2)
                    bl *= f4(1) + grain * f4(0.2)
                inverse = f4(1) / np.sqrt(nx * nx + ny * ny + nz * nz + f4(1e-14))
                nx *= inverse
                ny *= inverse
                nz *= inverse
                facing = nx * lamp[0] + ny * lamp[1] + nz * lamp[2]
                sun = max(facing, f4(0))
                open_sky = _body(
                    hx + nx * f4(0.1) * ball[3],
                    hy + ny * f4(0.1) * ball[3],
                    hz + nz * f4(0.1) * ball[3],
                    b,
                    n,
                )
                open_sky = clamp(open_sky / (f4(0.1) * ball[3]), f4(0), f4(1)) * f4(0.65) + f4(0.35)
                rim = f4(1) - max(-(nx * x + ny * y + nz * z), f4(0))
                back = max(x * lamp[0] + y * lamp[1] + z * lamp[2], f4(0))
                rim = rim * rim * rim * (f4(0.15) + f4(1.3) * back * back) * f4(0.35)
                up = f4(0.5) + f4(0.5) * ny
                # Thin things let the sun through from behind.
                through = max(-facing, f4(0)) * back * f4(0.35)
                for c in range(3):
                    paint = r if c == 0 else g if c == 1 else bl
                    value = paint * (
                        (sun + through) * lamp[3 + c]
                        + open_sky * (lamp[6 + c] * up + lamp[9 + c] * (f4(1) - up))
                    )
                    value += lamp[3 + c] * rim * (f4(0.3) + paint) + paint * shine
                    value = value * clear + lamp[12 + c] * (f4(1) - clear)
                    share = cover if mirror == f4(0) else cover * mirror
                    light[j, i, c] += (value - light[j, i, c]) * share
                if hit and mirror == f4(0):
                    light[j, i, 3] = t / scale


def draw_body(canvas: Canvas, pose: Pose, rows: Plane, lamp: Plane) -> None:
    """Trace placed `rows` if any of them is in the picture."""
    at, radius = points(rows)
    seen = pose.project(at, canvas.width, canvas.height)
    if (seen[:, 2] < 0.2).any():
        return
    focal = pose.zoom * min(canvas.width, canvas.height)
    reach = radius * focal / seen[:, 2] * 1.2 + 3
    box = np.array(
        [
            max(0, math.floor((seen[:, 0] - reach).min())), max(0, math.floor((seen[:, 1] - reach).min())),
            min(canvas.width, math.ceil((seen[:, 0] + reach).max())), min(canvas.height, math.ceil((seen[:, 1] + reach).max())),
        ],
        np.float32,
    )  # fmt: skip
    if box[2] <= box[0] or box[3] <= box[1]:
        return
    centre = (at.max(axis=0) + at.min(axis=0)) / 2
    ball = np.array([*centre, float((np.linalg.norm(at - centre, axis=1) + radius).max()) * 1.03], np.float32)
    trace(canvas.light, box, rows, pose.packed(canvas.width, canvas.height), ball, lamp)
