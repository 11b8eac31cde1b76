"""The sky: a gradient that warms towards the sun, a glow around it, and a sheet of clouds lit from its direction.

It is drawn twice per frame by one kernel: for the camera at half resolution (the sky is soft), and as a *dome*, the
upper hemisphere as a disc (x / (1 + y), z / (1 + y)), from which water takes reflections and haze takes its colour.
The horizon is the dome's rim.
"""

from __future__ import annotations

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane, Real, f4, i4, inner, kernel, scratch, u4, u8
from rushes.engines.animatic.world import air
from rushes.engines.animatic.world.air import Air, Colour
from rushes.engines.animatic.world.mathx import among, corners, decay, smooth, spot, tap
from rushes.engines.animatic.world.noise import seamless
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose

FAR = np.float32(1e6)
"""Distance of the sky in the canvas."""
STEPS = 4096
"""Steps in which numbers are counted to spread them evenly."""
CHUNK = 64
"""Pixels of a row whose clouds are drawn at once."""
SLICES = 4
"""Of a cloud, from its base to its heads."""
THICK = 0.45
"""How much farther than the bases of clouds their heads are."""
RISE = 0.24
"""How much of a tile of clouds their base has and their heads have not."""


@inner
def _towards_view(way: Plane, row: int, columns: int, view: Plane) -> None:
    """Directions of the pixels of a row of the camera's view, none of them below the horizon."""
    x, y, z = way[0], way[1], way[2]
    cos, sin, fine = view[COS], view[SIN], f4(1) / view[FOCAL]
    up = max((view[HORIZON_ROW] - f4(row) - f4(0.5)) * fine, f4(0))
    for i in range(columns):
        px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) * fine
        n = f4(1) / np.sqrt(px * px + up * up + f4(1))
        x[i] = (px * cos + sin) * n
        y[i] = up * n
        z[i] = (cos - px * sin) * n


@inner
def _towards_dome(way: Plane, row: int, rows: int) -> Real:
    """Directions of those pixels of a row of the dome that lie in the disc; how many columns before them do not."""
    x, y, z = way[0], way[1], way[2]
    v = (f4(row) + f4(0.5)) * f4(2) / f4(rows) - f4(1)
    first = i4(np.ceil((f4(1) - np.sqrt(f4(1) - v * v)) * f4(rows) * f4(0.5) - f4(0.5)))
    for i in range(rows - 2 * first):
        u = (f4(i + first) + f4(0.5)) * f4(2) / f4(rows) - f4(1)
        w = u * u + v * v
        up = (f4(1) - w) / (f4(1) + w)
        x[i] = u * (f4(1) + up)
        y[i] = up
        z[i] = v * (f4(1) + up)
    return first


@inner
def _curtains(paint: Plane, way: Plane, wide: int, strength: float, sheet: Plane, t: float) -> None:
    """Aurora: a fold pattern stretched upwards, green below and violet above."""
    tile, size = sheet, f4(sheet.shape[0])
    for i in range(wide):
        q = f4(1) / (way[1, i] + f4(0.22))
        fold = tap(
            tile,
            (way[0, i] * q * f4(0.16) + f4(0.012) * t) * size,
            (way[2, i] * q * f4(0.05) + f4(0.3)) * size,
        )
        fine = tap(tile, (way[0, i] * q * f4(0.9) - f4(0.02) * t) * size, way[2, i] * q * f4(0.02) * size)
        curtain = smooth((fold - f4(0.42)) * f4(2.6)) * (f4(0.55) + f4(0.45) * fine)
        curtain *= smooth(way[1, i] * f4(3.2) - f4(0.12)) * decay(way[1, i] * f4(2.4)) * strength
        paint[0, i] += curtain * (f4(0.10) + f4(0.5) * way[1, i])
        paint[1, i] += curtain * f4(0.62) * (f4(1.1) - way[1, i])
        paint[2, i] += curtain * (f4(0.24) + f4(0.45) * way[1, i])


@inner
def _heads(
    found: Plane, x: Plane, z: Plane, spread: Plane, much: float, off_x: float, off_z: float, words: Plane, size: int,
    at: Plane, fx: Plane, fy: Plane,
) -> None:  # fmt: skip
    """`found` of a tile of `corners`, at a chunk of places: directions times their `spread` and as `much` more."""
    for i in range(CHUNK):
        q = spread[i] * much
        spot(i, x[i] * q + off_x, z[i] * q + off_z, size, at, fx, fy)
    for i in range(CHUNK):
        found[i] = among(words[u8(u4(at[i]))], fx[i], fy[i])


@inner
def _clouds(
    paint: Plane, way: Plane, wide: int, a: Plane, heads: Plane, shine: Plane, size: int, t: float, work: tuple[Plane, ...],
    at: Plane,
) -> None:  # fmt: skip
    """Heaps of clouds over `paint`: a tile is how high they rise, and they are looked through in slices from their flat
    base to their heads, each smaller than the one below. The sheet bends down towards the horizon, else it would end in a
    line of noise. `work` and `at` are for a chunk of what lies between; `paint` and `way` are longer by a chunk."""
    x, y, z, spread, fx, fy, fine, dense, sunny, red, green, blue, through, shown, glow = work
    texels = f4(size)
    scale, drift_x, drift_z = a[air.SCALE] * texels, a[air.DRIFT_X] * t * texels, a[air.DRIFT_Z] * t * texels
    cover, soft = f4(1) - a[air.COVER], f4(1) / a[air.SOFT]
    sx, sy, sz = a[air.SUN], a[air.SUN + 1], a[air.SUN + 2]
    lr, lg, lb = a[air.LIT], a[air.LIT + 1], a[air.LIT + 2]
    dr, dg, db = a[air.SHADE], a[air.SHADE + 1], a[air.SHADE + 2]
    for first in range(0, wide, CHUNK):
        for i in range(CHUNK):
            o = u8(first + i)
            x[i], y[i], z[i] = way[0, o], way[1, o], way[2, o]
            spread[i] = scale / (y[i] + f4(0.07))
            red[i], green[i], blue[i], through[i] = f4(0), f4(0), f4(0), f4(1)
            shown[i] = smooth(y[i] * f4(9) - f4(0.02))
            m = max(x[i] * sx + y[i] * sy + z[i] * sz, f4(0))
            m2 = m * m
            glow[i] = m2 * m2 * m2
        _heads(
            fine, x, z, spread, f4(2.7 * (1 + 0.4 * THICK)), drift_x * f4(2.7) + f4(91),
            drift_z * f4(2.7) + drift_x * f4(0.6), heads, size, at, fx, fy,
        )  # fmt: skip
        for slice_ in range(SLICES):
            high = f4(slice_) * f4(1 / (SLICES - 1))
            _heads(dense, x, z, spread, f4(1) + f4(THICK) * high, drift_x, drift_z, heads, size, at, fx, fy)
            for i in range(CHUNK):
                sunny[i] = among(shine[u8(u4(at[i]))], fx[i], fy[i])
            least = cover + f4(0.05) + f4(RISE) * high
            usual = max(f4(0.5) - least, f4(0.16))
            for i in range(CHUNK):
                body = dense[i] * f4(0.74) + fine[i] * f4(0.26) - least
                thick = smooth(body * soft) * shown[i]
                # Bases are grey where much is above them; heads are bright towards the sun, and thin edges against it.
                lit = sunny[i] * f4(1.5) - f4(0.25) + (fine[i] - f4(0.5)) * f4(0.9)
                lit += (high - f4(0.6)) * f4(0.55) - (body - usual) * (f4(1) - high) * f4(1.1)
                lit = min(max(lit, f4(0)), f4(1.25)) + (f4(1) - thick) * glow[i]
                part = through[i] * thick
                red[i] += (dr + (lr - dr) * lit) * part
                green[i] += (dg + (lg - dg) * lit) * part
                blue[i] += (db + (lb - db) * lit) * part
                through[i] -= part * f4(0.97)
        for i in range(CHUNK):
            # Far clouds fade into the sky behind them.
            near = f4(1) - decay(y[i] * f4(7)) * f4(0.75)
            veil = (f4(1) - through[i]) * near
            o = u8(first + i)
            paint[0, o] += red[i] * near - paint[0, o] * veil
            paint[1, o] += green[i] * near - paint[1, o] * veil
            paint[2, o] += blue[i] * near - paint[2, o] * veil
            paint[3, o] *= through[i]


@kernel("f4[:, :, ::1], f4[::1], f4[::1], f4[:, ::1], u4[::1], u4[::1], f4[:, ::1], f4, f4, b1")
def draw_sky(
    out: Plane, view: Plane, a: Plane, sheet: Plane, heads: Plane, shine: Plane, haze: Plane, hidden: float, t: float,
    dome: bool,
) -> None:  # fmt: skip
    """Fill `out` (h, w, 4) with light and how much of what is behind the clouds comes through: with the camera's view
    (`view` packed for out's own size), or as the dome. `sheet`, `heads` and `shine` as `Sky` has them; `haze` (w, 3) hides 0…1 `hidden` of it.

    A row is worked on in steps, each a loop without branches over arrays: so eight or sixteen pixels are drawn at a time.
    """
    rows, columns, _ = out.shape
    # Below the horizon the sky is that of its lowest row.
    shown = rows
    if not dome:
        shown = min(max(i4(np.ceil(view[HORIZON_ROW] - f4(0.5))) + 1, i4(1)), i4(rows))
    # Clouds are drawn by chunks, the last of which may reach beyond the row.
    way = np.ones((3, columns + CHUNK), np.float32)
    x, y, z = way[0], way[1], way[2]
    paint = np.zeros((4, columns + CHUNK), np.float32)
    red, green, blue, clear = paint[0], paint[1], paint[2], paint[3]
    work = (
        scratch(CHUNK, f4), scratch(CHUNK, f4), scratch(CHUNK, f4), scratch(CHUNK, f4), scratch(CHUNK, f4),
        scratch(CHUNK, f4), scratch(CHUNK, f4), scratch(CHUNK, f4), scratch(CHUNK, f4), scratch(CHUNK, f4),
        scratch(CHUNK, f4), scratch(CHUNK, f4), scratch(CHUNK, f4), scratch(CHUNK, f4), scratch(CHUNK, f4),
    )  # fmt: skip
    at = scratch(CHUNK, i4)
    sx, sy, sz = a[air.SUN], a[air.SUN + 1], a[air.SUN + 2]
    zr, zg, zb, hr, hg, hb = a[0], a[1], a[2], a[3], a[4], a[5]
    gr, gg, gb, wr, wg, wb = a[6], a[7], a[8], a[9], a[10], a[11]
    falloff, low_air, glow_share, halo, core = (
        a[air.FALLOFF],
        a[air.HAZE],
        a[air.GLOW],
        a[air.HALO],
        a[air.CORE],
    )
    fog, radius, edge = a[air.VEIL], a[air.DISC_COS], f4(1) / a[air.DISC_EDGE]
    sun_r, sun_g, sun_b = a[air.DISC], a[air.DISC + 1], a[air.DISC + 2]
    for j in range(shown):
        first = i4(0)
        if dome:
            first = _towards_dome(way, j, rows)
        else:
            _towards_view(way, j, columns, view)
        wide = columns - 2 * first
        for i in range(wide):
            high, low = decay(y[i] * falloff), decay(y[i] * low_air)
            mu = x[i] * sx + y[i] * sy + z[i] * sz
            m = max(mu, f4(0))
            m2 = m * m
            m8 = m2 * m2 * m2 * m2
            m32 = m8 * m8 * m8 * m8
            m256 = m32 * m32
            m256 = m256 * m256
            m256 = m256 * m256
            glow = glow_share * m8 * low + halo * m32 + core * m256
            warm = low * (f4(0.35) + f4(0.65) * max((mu + f4(0.6)) * f4(0.625), f4(0)))
            red[i] = zr + (hr - zr) * high + gr * glow + wr * warm
            green[i] = zg + (hg - zg) * high + gg * glow + wg * warm
            blue[i] = zb + (hb - zb) * high + gb * glow + wb * warm
            clear[i] = f4(1)
        if a[air.AURORA] > f4(0):
            _curtains(paint, way, wide, a[air.AURORA], sheet, f4(t))
        # Lower than 0.0022 there are no clouds.
        if a[air.COVER] > f4(0) and (dome or y[wide // 2] > f4(0.0022)):
            _clouds(paint, way, wide, a, heads, shine, sheet.shape[0], f4(t), work, at)
        if fog > f4(0):
            # Fog hides the clouds: the colour of the horizon below, an even and slightly paler light above.
            for i in range(wide):
                m = max(x[i] * sx + y[i] * sy + z[i] * sz, f4(0))
                m2 = m * m
                veil = fog * (f4(0.86) + f4(0.14) * decay(y[i] * f4(6)))
                bright = (
                    f4(1) + f4(0.16) * (f4(1) - decay(y[i] * f4(3))) + f4(0.25) * halo * m2 * m2 * m2 * m2
                )
                red[i] += ((hr + wr * f4(0.35)) * bright - red[i]) * veil
                green[i] += ((hg + wg * f4(0.35)) * bright - green[i]) * veil
                blue[i] += ((hb + wb * f4(0.35)) * bright - blue[i]) * veil
                clear[i] *= f4(1) - veil
        row = out[j, first : first + wide]
        for i in range(wide):
            disc = smooth((x[i] * sx + y[i] * sy + z[i] * sz - radius) * edge) * clear[i]
            r, g, b = red[i] + sun_r * disc, green[i] + sun_g * disc, blue[i] + sun_b * disc
            row[i, 0] = r + (haze[i, 0] - r) * hidden
            row[i, 1] = g + (haze[i, 1] - g) * hidden
            row[i, 2] = b + (haze[i, 2] - b) * hidden
            row[i, 3] = clear[i]
        for i in range(first):
            for c in range(4):
                out[j, i, c] = row[0, c]
                out[j, columns - 1 - i, c] = row[wide - 1, c]
    for j in range(shown, rows):
        for i in range(columns):
            for c in range(4):
                out[j, i, c] = out[shown - 1, i, c]


def cloud_tile(seed: int, size: int = 512) -> Plane:
    """A seamless sheet of billows in 0…1, evenly distributed so that a cover of 0.4 hides 40 % of the sky.

    Broad masses, heads like those of cauliflowers on them, and both drawn out by a slow swirl.
    """
    rng = np.random.default_rng(seed)
    field = seamless(rng, size, 2, 2.0) - np.float32(0.32) * np.abs(seamless(rng, size, 7, 1.6))
    across, away = (np.float32(9) * seamless(rng, size, 2, 2.6) for _ in range(2))
    at = np.arange(size, dtype=np.float32)
    return _evened(
        cv2.remap(field, at + across, at[:, None] + away, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    )


def _evened(field: Plane) -> Plane:
    """For each number, which share of all is less."""
    low, high = field.min(), field.max()
    at = (field - low) * ((STEPS - np.float32(0.01)) / (high - low))
    step = at.astype(np.int32)
    below = np.zeros(STEPS + 1, np.float32)
    np.cumsum(np.bincount(step.ravel(), minlength=STEPS) / field.size, out=below[1:])
    return np.asarray(below[step] + np.diff(below)[step] * (at - step), np.float32)


def _lit(tile: Plane, light: Air) -> Plane:
    """How much of the sun the slopes of a tile of heaps get, 0…1: they are held against what lies nearer to it."""
    slope = np.zeros_like(tile)
    for far, share in ((0.015, 0.4), (0.04, 0.35), (0.09, 0.25)):
        step = tile.shape[0] * far
        towards_sun = np.array([[1, 0, light.sun[0] * step], [0, 1, light.sun[2] * step]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        nearer = cv2.warpAffine(tile, towards_sun, tile.shape, flags=flags, borderMode=cv2.BORDER_WRAP)
        slope += np.float32(share) * (tile - nearer)
    return np.asarray(np.clip(np.float32(0.55) + np.float32(1.6) * slope, 0, 1), np.float32)


class Sky:
    """Draws the sky of one scene. `tint` colours the haze; `veil` 0…1 is how much of the sky it hides: under trees what
    is seen of it has come through leaves and damp air. `later` is the light at the end of the clip."""

    def __init__(
        self,
        light: Air,
        seed: int,
        tint: Colour = (1.0, 1.0, 1.0),
        veil: float = 0.0,
        later: Air | None = None,
    ) -> None:
        self._tint = np.array(tint, np.float32)
        self._veil = veil
        self._vector, self._later = light.packed(), (later or light).packed()
        self._sheet = cloud_tile(seed) if light.cover or light.aurora else np.zeros((2, 2), np.float32)
        self._heads, self._shine = (
            corners(self._sheet).reshape(-1),
            corners(_lit(self._sheet, light)).reshape(-1),
        )

    def sun(self, gone: float) -> tuple[float, float, float]:
        """Where the sun is when so much (0…1) of the clip has `gone`."""
        x, y, z = (float(v) for v in self._light(gone)[air.SUN : air.SUN + 3])
        return x, y, z

    def _light(self, gone: float) -> Plane:
        now: Plane = self._vector + (self._later - self._vector) * np.float32(gone)
        sun = now[air.SUN : air.SUN + 3]
        sun /= np.float32(np.linalg.norm(sun))
        return now

    def draw(self, canvas: Canvas, pose: Pose, t: float, gone: float = 0.0) -> None:
        """The sky `t` seconds on, when so much (0…1) of the clip has `gone`."""
        h, w, _ = canvas.sky.shape
        light = self._light(gone)
        none = np.zeros((max(w, canvas.dome.shape[1]), 3), np.float32)
        draw_sky(canvas.dome, light, light, self._sheet, self._heads, self._shine, none, f4(0), f4(t), True)
        cv2.GaussianBlur(canvas.dome, (0, 0), 1.2, dst=canvas.dome, borderType=cv2.BORDER_REPLICATE)
        haze = none
        if self._veil:
            haze = cv2.resize(self.haze(canvas, pose)[None], (w, 1), interpolation=cv2.INTER_AREA)[0]
        view = pose.packed(w, h)
        draw_sky(
            canvas.sky, view, light, self._sheet, self._heads, self._shine, haze, f4(self._veil), f4(t), False
        )
        # Below the horizon the sky is that of its lowest row, which need not be mixed.
        shown = min(max(int(view[HORIZON_ROW]) + 2, 2), h) if canvas.height == 2 * h else h
        top = canvas.light[: min(2 * shown, canvas.height)]
        cv2.resize(canvas.sky[:shown], top.shape[1::-1], dst=top, interpolation=cv2.INTER_LINEAR)
        canvas.light[len(top) :] = top[-1]
        canvas.light[..., 3] = FAR

    def haze(self, canvas: Canvas, pose: Pose) -> Plane:
        """(W, 3) colours of the horizon, one per column of the picture, into which distance fades."""
        focal = pose.zoom * min(canvas.width, canvas.height)
        px = (np.arange(canvas.width) + 0.5 - 0.5 * canvas.width) / focal
        yaw = pose.yaw + np.arctan(px)
        # A little above the horizon: the rim of the dome is where its pixels end.
        radius = 0.94
        size = canvas.dome.shape[0]
        u = ((np.sin(yaw) * radius + 1) * 0.5 * size - 0.5).astype(np.float32)
        v = ((np.cos(yaw) * radius + 1) * 0.5 * size - 0.5).astype(np.float32)
        samples = cv2.remap(canvas.dome, u[None], v[None], cv2.INTER_LINEAR)[0, :, :3]
        # Air scatters widely: the sun itself must not stand in the haze as a pillar of light.
        samples = np.minimum(samples, 1.35 * np.median(samples, axis=0))
        wide = cv2.blur(samples[None], (canvas.width // 5 | 1, 1), borderType=cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(wide[0] * self._tint, dtype=np.float32)
