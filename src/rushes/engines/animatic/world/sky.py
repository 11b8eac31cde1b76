"""The sky: a gradient that warms towards the sun, a glow around it, and a sheet of clouds lit from its direction.

It is drawn twice per frame by one kernel: for the camera at half resolution (the sky is soft), and as a *dome*, the
upper hemisphere as a disc (x / (1 + y), z / (1 + y)), from which water takes reflections and haze takes its colour.
The horizon is the dome's rim.
"""

from __future__ import annotations

import cv2
import numpy as np
import scipy.fft

from rushes.engines.animatic.runtime import Plane, Real, f4, i4, inner, kernel
from rushes.engines.animatic.world import air
from rushes.engines.animatic.world.air import Air, Colour
from rushes.engines.animatic.world.mathx import decay, smooth, tap
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose

FAR = np.float32(1e6)
"""Distance of the sky in the canvas."""


@inner
def _sky_at(
    x: float, y: float, z: float, a: Plane, tile: Plane, t: float, cloudy: bool
) -> tuple[Real, Real, Real, Real]:
    """Light from direction (x, y, z), y ≥ 0, and how much of what is behind the clouds comes through. Lower than
    0.0022 there are none: `cloudy` says whether to look."""
    high = decay(y * a[air.FALLOFF])
    low = decay(y * a[air.HAZE])
    mu = x * a[air.SUN] + y * a[air.SUN + 1] + z * a[air.SUN + 2]
    m = max(mu, f4(0))
    m2 = m * m
    m8 = m2 * m2 * m2 * m2
    m32 = m8 * m8 * m8 * m8
    m256 = m32 * m32
    m256 = m256 * m256
    m256 = m256 * m256
    glow = a[air.GLOW] * m8 * low + a[air.HALO] * m32 + a[air.CORE] * m256
    warm = low * (f4(0.35) + f4(0.65) * max((mu + f4(0.6)) * f4(0.625), f4(0)))
    r = a[0] + (a[3] - a[0]) * high + a[6] * glow + a[9] * warm
    g = a[1] + (a[4] - a[1]) * high + a[7] * glow + a[10] * warm
    b = a[2] + (a[5] - a[2]) * high + a[8] * glow + a[11] * warm
    clear = f4(1)
    if a[air.AURORA] > f4(0):
        # Curtains: a fold pattern stretched upwards, green below and violet above.
        q = f4(1) / (y + f4(0.22))
        fold = tap(
            tile,
            (x * q * f4(0.16) + f4(0.012) * t) * f4(tile.shape[0]),
            (z * q * f4(0.05) + f4(0.3)) * f4(tile.shape[0]),
        )
        fine = tap(
            tile, (x * q * f4(0.9) - f4(0.02) * t) * f4(tile.shape[0]), z * q * f4(0.02) * f4(tile.shape[0])
        )
        curtain = smooth((fold - f4(0.42)) * f4(2.6)) * (f4(0.55) + f4(0.45) * fine)
        curtain *= smooth(y * f4(3.2) - f4(0.12)) * decay(y * f4(2.4)) * a[air.AURORA]
        r += curtain * (f4(0.10) + f4(0.5) * y)
        g += curtain * f4(0.62) * (f4(1.1) - y)
        b += curtain * (f4(0.24) + f4(0.45) * y)
    if cloudy:
        # The sheet is flat but bends down towards the horizon, else it would end in a line of noise.
        q = a[air.SCALE] / (y + f4(0.07))
        size = f4(tile.shape[0])
        u = (x * q + a[air.DRIFT_X] * t) * size
        v = (z * q + a[air.DRIFT_Z] * t) * size
        coarse = tap(tile, u, v)
        fine = tap(tile, u * f4(2.7) + f4(91), v * f4(2.7) + t * a[air.DRIFT_X] * size * f4(0.6))
        density = coarse * f4(0.74) + fine * f4(0.26)
        thick = smooth((density - (f4(1) - a[air.COVER])) / a[air.SOFT]) * smooth(y * f4(9) - f4(0.02))
        towards = tap(tile, u + a[air.SUN] * size * f4(0.02), v + a[air.SUN + 2] * size * f4(0.02))
        lit = min(max(f4(0.55) + (density - towards * f4(0.74) - f4(0.13)) * f4(4), f4(0)), f4(1.3))
        lit += (f4(1) - thick) * m2 * m2 * m2
        far = decay(y * f4(7)) * f4(0.75)
        cr = a[air.SHADE] + (a[air.LIT] - a[air.SHADE]) * lit
        cg = a[air.SHADE + 1] + (a[air.LIT + 1] - a[air.SHADE + 1]) * lit
        cb = a[air.SHADE + 2] + (a[air.LIT + 2] - a[air.SHADE + 2]) * lit
        cr += (r - cr) * far
        cg += (g - cg) * far
        cb += (b - cb) * far
        veil = thick * f4(0.96)
        r += (cr - r) * veil
        g += (cg - g) * veil
        b += (cb - b) * veil
        clear -= veil
    if a[air.VEIL] > f4(0):
        # Fog hides the clouds: the colour of the horizon below, an even and slightly paler light above.
        veil = a[air.VEIL] * (f4(0.86) + f4(0.14) * decay(y * f4(6)))
        bright = f4(1) + f4(0.16) * (f4(1) - decay(y * f4(3))) + f4(0.25) * a[air.HALO] * m8
        r += ((a[3] + a[9] * f4(0.35)) * bright - r) * veil
        g += ((a[4] + a[10] * f4(0.35)) * bright - g) * veil
        b += ((a[5] + a[11] * f4(0.35)) * bright - b) * veil
        clear *= f4(1) - veil
    disc = smooth((mu - a[air.DISC_COS]) / a[air.DISC_EDGE]) * clear
    return r + a[air.DISC] * disc, g + a[air.DISC + 1] * disc, b + a[air.DISC + 2] * disc, clear


@kernel
def draw_sky(out: Plane, view: Plane, a: Plane, tile: Plane, t: float, dome: bool) -> None:
    """Fill `out` (h, w, 4): with the camera's view (`view` packed for out's own size), or as the dome."""
    rows, columns, _ = out.shape
    # Below the horizon the sky is that of its lowest row.
    shown = rows
    if not dome:
        shown = min(max(i4(np.ceil(view[HORIZON_ROW] - f4(0.5))) + 1, i4(1)), i4(rows))
    for j in range(shown):
        # Their own copy: what the loop stores could otherwise, for all the compiler knows, change it.
        air_ = a.copy()
        seen = view.copy()
        py = f4(0) if dome else max((seen[HORIZON_ROW] - f4(j) - f4(0.5)) / seen[FOCAL], f4(0))
        cloudy = air_[air.COVER] > f4(0) and (dome or py > f4(0.0022))
        for i in range(columns):
            if dome:
                u = (f4(i) + f4(0.5)) * f4(2) / f4(columns) - f4(1)
                v = (f4(j) + f4(0.5)) * f4(2) / f4(rows) - f4(1)
                w = min(u * u + v * v, f4(1))
                y = (f4(1) - w) / (f4(1) + w)
                x = u * (f4(1) + y)
                z = v * (f4(1) + y)
            else:
                px = (f4(i) + f4(0.5) - f4(columns) * f4(0.5)) / seen[FOCAL]
                n = f4(1) / np.sqrt(px * px + py * py + f4(1))
                x = (px * seen[COS] + seen[SIN]) * n
                y = py * n
                z = (seen[COS] - px * seen[SIN]) * n
            out[j, i, 0], out[j, i, 1], out[j, i, 2], out[j, i, 3] = _sky_at(
                x, y, z, air_, tile, f4(t), cloudy
            )
    for j in range(shown, rows):
        out[j] = out[shown - 1]


def cloud_tile(seed: int, size: int = 512) -> Plane:
    """A seamless sheet of billows in 0…1, evenly distributed so that a cover of 0.4 hides 40 % of the sky.

    Broad masses, heads like those of cauliflowers on them, and both drawn out by a slow swirl.
    """
    rng = np.random.default_rng(seed)
    frequency = np.fft.fftfreq(size, 1 / size).astype(np.float32)
    k = np.hypot(frequency[:, None], frequency[None, :])
    k[0, 0] = 1

    def noise(least: float, fall: float) -> Plane:
        spectrum = scipy.fft.fft2(rng.standard_normal((size, size)).astype(np.float32))
        field = scipy.fft.ifft2(spectrum * np.where(k < least, 0, k**-fall)).real
        return np.asarray(field / field.std(), np.float32)

    field: Plane = noise(2, 2.0) - 0.32 * np.abs(noise(7, 1.6))
    swirl = [np.float32(9) * noise(2, 2.6) for _ in range(2)]
    at = np.arange(size, dtype=np.float32)
    field = cv2.remap(
        np.pad(field, 64, mode="wrap"),
        at[None] + swirl[0] + 64,
        at[:, None] + swirl[1] + 64,
        cv2.INTER_LINEAR,
    )
    order = np.empty(size * size, np.float32)
    order[np.argsort(field, axis=None, kind="stable")] = np.linspace(0, 1, size * size, dtype=np.float32)
    return order.reshape(size, size)


class Sky:
    """Draws the sky of one scene. `tint` colours the haze; `veil` 0…1 is how much of the sky it hides: under trees what
    is seen of it has come through leaves and damp air."""

    def __init__(self, light: Air, seed: int, tint: Colour = (1.0, 1.0, 1.0), veil: float = 0.0) -> None:
        self._tint = np.array(tint, np.float32)
        self._veil = np.float32(veil)
        self._vector = light.packed()
        self._tile = cloud_tile(seed)

    def draw(self, canvas: Canvas, pose: Pose, t: float) -> None:
        h, w, _ = canvas.sky.shape
        draw_sky(canvas.dome, self._vector, self._vector, self._tile, f4(t), True)
        cv2.GaussianBlur(canvas.dome, (0, 0), 1.2, dst=canvas.dome, borderType=cv2.BORDER_REPLICATE)
        draw_sky(canvas.sky, pose.packed(w, h), self._vector, self._tile, f4(t), False)
        if self._veil:
            haze = cv2.resize(self.haze(canvas, pose)[None], (w, 1), interpolation=cv2.INTER_AREA)
            canvas.sky[..., :3] += (haze - canvas.sky[..., :3]) * self._veil
        cv2.resize(
            canvas.sky, (canvas.width, canvas.height), dst=canvas.light, interpolation=cv2.INTER_LINEAR
        )
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
