"""Open water: slopes of a wind-driven spectrum (Tessendorf's sum of waves by FFT) at two scales, mirrored sky above,
light scattered from below.

A row of the picture has one distance, so the inner loop only steps along it. Far away the waves are smaller than a
pixel: their slopes fade out and the mirror grows rough instead, which is what keeps the horizon from sparkling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane, f4, i4, inner, kernel
from rushes.engines.animatic.world.air import Air, Colour
from rushes.engines.animatic.world.mathx import decay
from rushes.engines.animatic.world.view import COS, FOCAL, HORIZON_ROW, SIN, Canvas, Pose

DEEP, SCATTER, SUNLIGHT, SUN_DIRECTION, ROUGH, FOG, GLITTER = 0, 3, 6, 9, 12, 13, 14


@dataclass(frozen=True)
class Water:
    """What kind of water: `roughness` 1 is a fresh breeze, `deep` the colour from above, `scatter` the light that
    comes through the waves towards the sun, `long` and `short` the metres after which the two wave fields repeat."""

    roughness: float = 1.0
    deep: Colour = (0.006, 0.02, 0.03)
    scatter: Colour = (0.02, 0.06, 0.06)
    long: float = 190.0
    short: float = 23.0
    wind: float = 0.9


class Waves:
    """A field of waves that repeats every `length` metres. `slopes(t)` (n, n, 2) are its x and z slopes."""

    def __init__(self, n: int, length: float, wind_speed: float, wind: float, rms: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        k = 2 * np.pi * np.fft.fftfreq(n, length / n)
        kx, kz = np.meshgrid(k, k)
        kk = np.hypot(kx, kz)
        kk[0, 0] = 1e-6
        longest = wind_speed * wind_speed / 9.81
        along = (kx * math.cos(wind) + kz * math.sin(wind)) / kk
        power = np.exp(-1 / (kk * longest) ** 2) / kk**4 * (along**2 * 0.85 + 0.15)
        power *= np.exp(-((kk * length / n * 0.35) ** 2))
        power[0, 0] = 0
        noise = rng.standard_normal((2, n, n))
        self._h = ((noise[0] + 1j * noise[1]) * np.sqrt(power / 2)).astype(np.complex64)
        self._mirror = np.conj(np.roll(np.flip(self._h, (0, 1)), (1, 1), (0, 1)))
        self._omega = np.sqrt(9.81 * kk).astype(np.float32)
        # One complex transform carries both real slope fields.
        self._gradient = (1j * kx - kz).astype(np.complex64)
        self._scale = np.float32(1)
        self._scale = np.float32(rms / math.sqrt(2 * float((self.slopes(0.0) ** 2).mean())))

    def slopes(self, t: float) -> Plane:
        phase = self._omega * np.float32(t)
        turn = np.empty(phase.shape, np.complex64)
        np.cos(phase, out=turn.real)
        np.sin(phase, out=turn.imag)
        height = self._h * turn
        height += self._mirror * np.conj(turn, out=turn)
        height *= self._gradient
        both: Plane = height.view(np.float32).reshape(*height.shape, 2)
        cv2.idft(both, both)
        both *= self._scale
        return both


@inner
def _swell(x: Plane, z: Plane, field: Plane, texels: float, keep: float, sx: Plane, sz: Plane) -> None:
    """Add a field's slopes at the places of a row, where `texels` is how many of its texels a metre has."""
    size = field.shape[0]
    flat, mask, line = field.reshape(size * size * 2), i4(size - 1), np.uintp(2 * size)
    for i in range(x.shape[0]):
        u, v = x[i] * texels, z[i] * texels
        iu, iv = np.floor(u), np.floor(v)
        fu, fv = u - iu, v - iv
        h, k = i4(iu), i4(iv)
        left, right = np.uintp(h & mask) * np.uintp(2), np.uintp(i4(h + 1) & mask) * np.uintp(2)
        top, low = np.uintp(k & mask) * line, np.uintp(i4(k + 1) & mask) * line
        w01, w10, w11 = fu * (f4(1) - fv), (f4(1) - fu) * fv, fu * fv
        w00 = f4(1) - w01 - w10 - w11
        a, b, c, d = top + left, top + right, low + left, low + right
        sx[i] += (flat[a] * w00 + flat[b] * w01 + flat[c] * w10 + flat[d] * w11) * keep
        a, b, c, d = a + np.uintp(1), b + np.uintp(1), c + np.uintp(1), d + np.uintp(1)
        sz[i] += (flat[a] * w00 + flat[b] * w01 + flat[c] * w10 + flat[d] * w11) * keep


@inner
def _reflected(dome: Plane, across: Plane, away: Plane, out: Plane) -> None:
    """The dome's colours at a row of places in it, into `out` (3, n)."""
    side, wide = dome.shape[0], dome.shape[2]
    flat, line, pixel = dome.reshape(side * side * wide), np.uintp(side * wide), np.uintp(wide)
    last = i4(side - 2)
    red, green, blue = out[0], out[1], out[2]
    for i in range(across.shape[0]):
        h, k = min(max(i4(across[i]), i4(0)), last), min(max(i4(away[i]), i4(0)), last)
        fu = min(max(across[i] - f4(h), f4(0)), f4(1))
        fv = min(max(away[i] - f4(k), f4(0)), f4(1))
        w01, w10, w11 = fu * (f4(1) - fv), (f4(1) - fu) * fv, fu * fv
        w00 = f4(1) - w01 - w10 - w11
        a = np.uintp(k) * line + np.uintp(h) * pixel
        b, c = a + pixel, a + line
        d = c + pixel
        g, e = np.uintp(1), np.uintp(2)
        red[i] = flat[a] * w00 + flat[b] * w01 + flat[c] * w10 + flat[d] * w11
        green[i] = flat[a + g] * w00 + flat[b + g] * w01 + flat[c + g] * w10 + flat[d + g] * w11
        blue[i] = flat[a + e] * w00 + flat[b + e] * w01 + flat[c + e] * w10 + flat[d + e] * w11


@kernel("f4[:, :, ::1], f4[:, :, ::1], f4[:, ::1], f4[:, :, ::1], f4, f4[:, :, ::1], f4, f4[::1], f4[::1]")
def draw_water(
    light: Plane, dome: Plane, haze: Plane, long: Plane, long_metres: float, short: Plane, short_metres: float,
    view: Plane, w: Plane,
) -> None:  # fmt: skip
    """Fill the rows of `light` below the horizon with water at height 0. `long` and `short` (n, n, 2) are the slopes of
    two fields of waves that repeat after so many metres."""
    rows, columns, _ = light.shape
    reach = f4(dome.shape[0]) * f4(0.5)
    long_texels = f4(long.shape[0]) / f4(long_metres)
    short_texels = f4(short.shape[0]) / f4(short_metres)
    eye_x, eye, eye_z, cos, sin, focal = view[0], view[1], view[2], view[COS], view[SIN], view[FOCAL]
    deep_r, deep_g, deep_b, glow_r, glow_g, glow_b = w[0], w[1], w[2], w[3], w[4], w[5]
    sun_r, sun_g, sun_b, sun_x, sun_y, sun_z = w[6], w[7], w[8], w[9], w[10], w[11]
    work = np.empty((11, columns), np.float32)
    x, z, sx, sz, across, away = work[0], work[1], work[2], work[3], work[4], work[5]
    fresnel, lobe, sky = work[6], work[7], work[8:]
    for j in range(max(i4(0), i4(np.ceil(view[HORIZON_ROW] - f4(0.4)))), rows):
        py = min((view[HORIZON_ROW] - f4(j) - f4(0.5)) / focal, f4(-1e-4))
        d = -eye / py
        step = d / focal
        # Waves smaller than a pixel fade out, and the mirror grows rough instead.
        footprint = d * d / (eye * focal)
        long_keep = w[ROUGH] / (f4(1) + footprint * footprint * f4(0.015))
        short_keep = f4(1) / (f4(1) + footprint * footprint * f4(0.6))
        lost = f4(1) - short_keep
        lift = f4(0.02) + f4(0.10) * lost
        clear = decay(d * w[FOG])
        sharp = f4(1) / (f4(1) + f4(7) * lost)
        shine = w[GLITTER] * sharp
        x0 = eye_x + d * sin - (f4(columns) * f4(0.5) - f4(0.5)) * step * cos
        z0 = eye_z + d * cos + (f4(columns) * f4(0.5) - f4(0.5)) * step * sin
        for i in range(columns):
            x[i] = x0 + f4(i) * step * cos
            z[i] = z0 - f4(i) * step * sin
            sx[i] = f4(0)
            sz[i] = f4(0)
        _swell(x, z, long, long_texels, long_keep, sx, sz)
        _swell(x, z, short, short_texels, short_keep * w[ROUGH], sx, sz)
        for i in range(columns):
            ax, az = sx[i], sz[i]
            n = f4(1) / np.sqrt(ax * ax + az * az + f4(1))
            vx, vz = x[i] - eye_x, z[i] - eye_z
            inverse = f4(1) / np.sqrt(vx * vx + vz * vz + eye * eye)
            vx *= inverse
            vz *= inverse
            vy = -eye * inverse
            c = max((vx * ax + vz * az - vy) * n, f4(0.02))
            rx = vx - f4(2) * c * ax * n
            ry = abs(vy + f4(2) * c * n) + lift
            rz = vz - f4(2) * c * az * n
            q = f4(1) / np.sqrt(rx * rx + ry * ry + rz * rz)
            rx *= q
            ry *= q
            rz *= q
            m = f4(1) - c
            m2 = m * m
            fresnel[i] = f4(0.02) + f4(0.95) * m2 * m2 * m
            p = reach / (f4(1) + ry)
            across[i] = rx * p + reach - f4(0.5)
            away[i] = rz * p + reach - f4(0.5)
            # The sun's glitter: a narrow lobe that widens, and dims, as waves fall below the pixel.
            lobe[i] = (
                decay(max(f4(1) - rx * sun_x - ry * sun_y - rz * sun_z, f4(0)) * f4(420) * sharp) * shine
            )
        _reflected(dome, across, away, sky)
        red, green, blue = sky[0], sky[1], sky[2]
        row = light[j]
        for i in range(columns):
            r = min(red[i], f4(2.4)) + sun_r * lobe[i]
            g = min(green[i], f4(2.4)) + sun_g * lobe[i]
            b = min(blue[i], f4(2.4)) + sun_b * lobe[i]
            through = f4(0.25) + f4(1.6) * max(sx[i] * sun_x + sz[i] * sun_z, f4(0))
            wr = deep_r + glow_r * through
            wg = deep_g + glow_g * through
            wb = deep_b + glow_b * through
            wr += (r - wr) * fresnel[i]
            wg += (g - wg) * fresnel[i]
            wb += (b - wb) * fresnel[i]
            row[i, 0] = haze[i, 0] + (wr - haze[i, 0]) * clear
            row[i, 1] = haze[i, 1] + (wg - haze[i, 1]) * clear
            row[i, 2] = haze[i, 2] + (wb - haze[i, 2]) * clear
            row[i, 3] = d


class Ocean:
    """The layer: water at height 0, moved by its waves."""

    def __init__(self, water: Water, light: Air, seed: int) -> None:
        self.water = water
        self._long = Waves(256, water.long, 11.0, water.wind, 0.10, seed)
        self._short = Waves(256, water.short, 5.0, water.wind + 0.5, 0.08, seed + 1)
        strength = np.asarray(light.sunlight)
        ambient = np.asarray(light.ambient)
        lit = ambient + 0.25 * strength
        # Waves glow from within where the sun comes through them; under grey skies they do not.
        sunny = min(max(float(strength.mean() / (3 * ambient.mean())), 0.25), 1.0)
        self._vector = np.array(
            [
                *(np.asarray(water.deep) * (0.3 + lit.mean() * 1.4)),
                *(np.asarray(water.scatter) * (0.2 + lit * 1.4) * sunny),
                *strength, *light.sun, water.roughness, light.fog * 1.6, 2.2 * (1 - light.cover * 0.6), 0.0,
            ],
            np.float32,
        )  # fmt: skip

    def guide(self, pose: Pose) -> Pose:
        return pose

    def draw(self, canvas: Canvas, pose: Pose, t: float, haze: Plane) -> None:
        draw_water(
            canvas.light, canvas.dome, haze, self._long.slopes(t), f4(self.water.long),
            self._short.slopes(t), f4(self.water.short), pose.packed(canvas.width, canvas.height), self._vector,
        )  # fmt: skip
