"""Flat faces with sharp edges: what people build. Each is a triangle or a convex quad in the world with a paint, a light
and metres along and up it, so that windows and rows of tiles can be drawn on it.

Faces are drawn far to near; the canvas's distances hide what is behind a hill or a trunk. An edge covers half a pixel
more than it should, so that faces which meet leave no gap.
"""

from __future__ import annotations

import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, i4, kernel
from rushes.engines.animatic.world.mathx import clamp, decay, hash01
from rushes.engines.animatic.world.view import Canvas, Pose

WALL, ROOF, PLAIN = 0.0, 1.0, 2.0
"""What is drawn on a face: windows, rows of tiles, nothing."""


class Faces:
    """Collects faces. Corners are (x, y, z), seen from outside clockwise or not; the first edge is the lower one."""

    def __init__(self) -> None:
        self.corners: list[Plane] = []
        self.paints: list[list[float]] = []

    def add(self, corners: list[tuple[float, float, float]], kind: float, paint: Plane, name: int) -> None:
        """A face of three or four `corners`, `paint` its linear colour, `name` what its windows are drawn from."""
        at = np.array(corners if len(corners) == 4 else [*corners, corners[-1]], np.float64)
        self.corners.append(at)
        self.paints.append([kind, *(float(c) for c in paint), float(name)])

    def placed(self, x: float, y: float, z: float, yaw: float, size: float = 1.0) -> Plane:
        """(n, 4, 3) corners in the world."""
        at = np.array(self.corners) * size
        c, s = np.cos(yaw), np.sin(yaw)
        turned = np.stack(
            [at[..., 0] * c + at[..., 2] * s, at[..., 1], at[..., 2] * c - at[..., 0] * s], axis=2
        )
        return np.asarray(turned + np.array([x, y, z]))


def measures(corners: Plane) -> tuple[Plane, Plane]:
    """Normals (n, 3) that point up or sideways as they may, and metres along and up each face (n, 4, 2)."""
    along = corners[:, 1] - corners[:, 0]
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    normal = np.cross(along, corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    up = np.cross(normal, along)
    off = corners - corners[:, :1]
    return normal, np.stack([np.einsum("nkc,nc->nk", off, along), np.einsum("nkc,nc->nk", off, up)], axis=2)


@kernel("f4[:, :, ::1], f4[:, ::1], f4[:, ::1], f4, f4")
def _fill(light: Plane, items: Plane, haze: Plane, fog: float, night: float) -> None:
    """`items` far to near: columns of the corners (4), rows (4), then what 1 / distance, along / distance and up /
    distance are per column, per row and at 0 (9), kind, lit colour (3), name, which way round it goes (±1), its least and greatest distance, how
    much of it is seen (0…1: less than a pixel thick, it is thin paint and not a row of dashes)."""
    rows, columns, _ = light.shape
    cover = np.empty(columns, np.float32)
    far = np.empty(columns, np.float32)
    for q in range(items.shape[0]):
        x0 = min(min(items[q, 0], items[q, 1]), min(items[q, 2], items[q, 3]))
        x1 = max(max(items[q, 0], items[q, 1]), max(items[q, 2], items[q, 3]))
        y0 = min(min(items[q, 4], items[q, 5]), min(items[q, 6], items[q, 7]))
        y1 = max(max(items[q, 4], items[q, 5]), max(items[q, 6], items[q, 7]))
        j0 = max(i4(0), i4(np.floor(y0)) - 1)
        j1 = min(i4(rows), i4(np.ceil(y1)) + 1)
        if j0 >= j1:
            continue
        i0 = max(i4(0), i4(np.floor(x0)) - 1)
        i1 = min(i4(columns), i4(np.ceil(x1)) + 1)
        kind, name, seen = items[q, 17], i4(items[q, 21]), items[q, 25]
        red, green, blue = items[q, 18], items[q, 19], items[q, 20]
        nearest, farthest = items[q, 23], items[q, 24]
        turn = items[q, 22]
        # How far inside an edge grows by `right` with each column and by `down` with each row.
        right = np.empty(4, np.float32)
        down = np.empty(4, np.float32)
        edges = 0
        at = np.empty(4, np.int32)
        for e in range(4):
            n = (e + 1) % 4
            ex = items[q, n] - items[q, e]
            ey = items[q, 4 + n] - items[q, 4 + e]
            length = np.sqrt(ex * ex + ey * ey)
            if length >= f4(1e-3):
                right[edges] = -turn * ey / length
                down[edges] = turn * ex / length
                at[edges] = e
                edges += 1
        for j in range(j0, j1):
            y = f4(j) + f4(0.5)
            # Only the columns that lie inside all edges are looked at.
            left, end_column = f4(i0), f4(i1)
            for k in range(edges):
                reach = down[k] * (y - items[q, 4 + at[k]]) + f4(1)
                if right[k] > f4(1e-6):
                    left = max(left, items[q, at[k]] - reach / right[k] - f4(1))
                elif right[k] < f4(-1e-6):
                    end_column = min(end_column, items[q, at[k]] - reach / right[k] + f4(1))
                elif reach <= f4(0):
                    end_column = f4(0)
            first, wide = i4(left), i4(end_column) - i4(left)
            if wide <= 0:
                continue
            row, air = light[j, first : first + wide], haze[first : first + wide]
            start = f4(first) + f4(0.5)
            nearness, step = items[q, 8] * start + items[q, 9] * y + items[q, 10], items[q, 8]
            for i in range(wide):
                cover[i] = f4(1)
                # Half a pixel outside of a face seen edge-on its plane is anywhere.
                far[i] = min(max(f4(1) / max(nearness + step * f4(i), f4(1e-6)), nearest), farthest)
            for k in range(edges):
                inside = right[k] * (start - items[q, at[k]]) + down[k] * (y - items[q, 4 + at[k]]) + f4(1)
                step = right[k]
                for i in range(wide):
                    cover[i] = max(min(cover[i], inside + step * f4(i)), f4(0))
            if kind == f4(PLAIN):
                for i in range(wide):
                    d = far[i]
                    share = f4(0) if d > row[i, 3] + f4(0.05) else cover[i] * seen
                    clear = decay(d * fog)
                    lost = f4(1) - clear
                    row[i, 0] += (red * clear + air[i, 0] * lost - row[i, 0]) * share
                    row[i, 1] += (green * clear + air[i, 1] * lost - row[i, 1]) * share
                    row[i, 2] += (blue * clear + air[i, 2] * lost - row[i, 2]) * share
                    row[i, 3] = min(d, row[i, 3]) if share > f4(0.6) else row[i, 3]
                continue
            for i in range(wide):
                d = far[i]
                if cover[i] <= f4(0) or d > row[i, 3] + f4(0.05):
                    continue
                x = start + f4(i)
                u = (items[q, 11] * x + items[q, 12] * y + items[q, 13]) * d
                v = (items[q, 14] * x + items[q, 15] * y + items[q, 16]) * d
                tone = f4(1)
                pane = f4(0)
                lit = f4(0)
                if kind == f4(0):
                    # Windows of 1 m by 1.2 m every 2.4 m and 2.9 m; a cross of wood in each.
                    tone = f4(0.72) + f4(0.28) * clamp(v * f4(0.5), f4(0), f4(1))
                    a = u / f4(2.4)
                    b = (v - f4(0.35)) / f4(2.9)
                    fa = abs(a - np.floor(a) - f4(0.5)) * f4(2.4)
                    fb = abs(b - np.floor(b) - f4(0.5)) * f4(2.9)
                    soft = clamp(d * f4(0.004), f4(0.03), f4(0.3))
                    pane = clamp((f4(0.46) - fa) / soft + f4(0.5), f4(0), f4(1))
                    pane *= clamp((f4(0.6) - fb) / soft + f4(0.5), f4(0), f4(1))
                    bars = clamp((min(fa, fb) - f4(0.035)) / soft + f4(0.5), f4(0.25), f4(1))
                    frame = clamp((f4(0.56) - fa) / soft, f4(0), f4(1)) * clamp(
                        (f4(0.7) - fb) / soft, f4(0), f4(1)
                    )
                    tone *= f4(1) - f4(0.45) * frame
                    pane *= bars
                    lit = (
                        f4(1)
                        if hash01(i4(i4(np.floor(a)) + name), i4(np.floor(b)), i4(7)) < f4(0.62)
                        else f4(0.06)
                    )
                    lit *= night * (
                        f4(0.7) + f4(0.5) * hash01(i4(i4(np.floor(a)) + name), i4(np.floor(b)), i4(8))
                    )
                elif kind == f4(1):
                    course = v * f4(2.6)
                    tile = course - np.floor(course)
                    near = clamp(f4(1.4) - d * f4(0.014), f4(0), f4(1))
                    tone = f4(1) - (f4(0.4) * (f4(1) - tile) - f4(0.15)) * near
                    tone *= (
                        f4(0.9)
                        + f4(0.2) * hash01(i4(np.floor(u * f4(1.6))), i4(np.floor(course)), i4(3)) * near
                    )
                clear = decay(d * fog)
                share = cover[i] * seen
                for c in range(3):
                    paint = red if c == 0 else green if c == 1 else blue
                    warm = f4(1.25) if c == 0 else f4(0.72) if c == 1 else f4(0.26)
                    value = paint * tone
                    value += (paint * f4(0.16) + lit * warm - value) * pane
                    value = value * clear + air[i, c] * (f4(1) - clear)
                    row[i, c] += (value - row[i, c]) * share
                if share > f4(0.6):
                    row[i, 3] = min(d, row[i, 3])


def draw_faces(
    canvas: Canvas,
    pose: Pose,
    corners: Plane,
    across: Plane,
    paints: Plane,
    haze: Plane,
    fog: float,
    night: float,
) -> None:
    """Draw faces of `corners` (n, 4, 3), `across` as `measures` tells, and `paints` (n, 5): kind, lit colour, name."""
    n = len(corners)
    seen = pose.project(corners.reshape(-1, 3).astype(np.float32), canvas.width, canvas.height).astype(
        np.float64
    )
    seen = seen.reshape(n, 4, 3)
    x, y, z = seen[..., 0], seen[..., 1], seen[..., 2]
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
    longest = np.hypot(np.ptp(x, axis=1), np.ptp(y, axis=1))
    thick = np.abs(area) / np.maximum(longest, 1e-6)
    shown = (z.min(axis=1) > 0.6) & (thick > 0.06)
    shown &= (x.max(axis=1) > 0) & (x.min(axis=1) < canvas.width)
    shown &= (y.max(axis=1) > 0) & (y.min(axis=1) < canvas.height)
    order = np.flatnonzero(shown)
    # By their nearest corners: eaves come after the wall below them, though their roof reaches farther back.
    order = order[np.argsort(-z[order].min(axis=1), kind="stable")]
    if not len(order):
        return
    x, y, z, area = x[order], y[order], z[order], area[order]
    plane = np.stack([x[:, :3], y[:, :3], np.ones((len(order), 3))], axis=2)
    values = np.stack(
        [1 / z[:, :3], across[order, :3, 0] / z[:, :3], across[order, :3, 1] / z[:, :3]], axis=2
    )
    slopes = np.linalg.solve(plane, values)
    items = np.zeros((len(order), 26), np.float32)
    items[:, 0:4], items[:, 4:8] = x, y
    items[:, 8:17] = slopes.transpose(0, 2, 1).reshape(-1, 9)
    items[:, 17:21] = paints[order, :4]
    items[:, 21] = paints[order, 4]
    items[:, 22] = np.sign(area)
    items[:, 23], items[:, 24] = z.min(axis=1), z.max(axis=1)
    items[:, 25] = np.minimum(thick[order], 1)
    _fill(canvas.light, items, haze, f4(fog), f4(night))
