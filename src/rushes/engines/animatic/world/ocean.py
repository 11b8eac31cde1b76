"""Open water: slopes of a wind-driven spectrum (Tessendorf's sum of waves by FFT) at two scales, mirrored sky above,
light scattered from below.

A row of the picture has one distance, so the inner loop only steps along it. Far away the waves are smaller than a
pixel: their slopes fade out and the mirror grows rough instead, which is what keeps the horizon from sparkling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft

from rushes.engines.animatic.runtime import Plane, f4, i4, kernel
from rushes.engines.animatic.world.air import Air, Colour
from rushes.engines.animatic.world.mathx import decay, tap
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
    """A field of waves that repeats every `length` metres. `slopes(t)` are its x and z slopes, (n, n) each."""

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
        x, z = self.slopes(0.0)
        self._scale = np.float32(rms / math.sqrt(float((x * x + z * z).mean())))

    def slopes(self, t: float) -> tuple[Plane, Plane]:
        phase = self._omega * np.float32(t)
        turn = np.empty(phase.shape, np.complex64)
        np.cos(phase, out=turn.real)
        np.sin(phase, out=turn.imag)
        height = self._h * turn + self._mirror * np.conj(turn)
        both = scipy.fft.ifft2(self._gradient * height) * self._scale
        size = np.float32(both.size)
        return np.ascontiguousarray(both.real * size), np.ascontiguousarray(both.imag * size)


@kernel
def draw_water(
    light: Plane, dome: Plane, haze: Plane,
    ax: Plane, az: Plane, a_length: float, bx: Plane, bz: Plane, b_length: float,
    view: Plane, w: Plane,
) -> None:  # fmt: skip
    """Fill the rows of `light` below the horizon with water at height 0."""
    rows, columns, _ = light.shape
    reach = f4(dome.shape[0]) * f4(0.5)
    a_texels = f4(ax.shape[0]) / f4(a_length)
    b_texels = f4(bx.shape[0]) / f4(b_length)
    first = max(i4(0), i4(np.ceil(view[HORIZON_ROW] - f4(0.4))))
    count = rows - first
    for k in range(count):
        # Every thread gets near and far rows alike: they do not cost the same.
        j = first + (k * 7) % count if count % 7 != 0 else first + k
        py = min((view[HORIZON_ROW] - f4(j) - f4(0.5)) / view[FOCAL], f4(-1e-4))
        d = -view[1] / py
        step = d / view[FOCAL]
        footprint = d * d / (view[1] * view[FOCAL])
        a_keep = f4(1) / (f4(1) + footprint * footprint * f4(0.015))
        b_keep = f4(1) / (f4(1) + footprint * footprint * f4(0.6))
        lost = f4(1) - b_keep
        lift = f4(0.02) + f4(0.10) * lost
        clear = decay(d * w[FOG])
        sharp = f4(1) / (f4(1) + f4(7) * lost)
        x0 = view[0] + d * view[SIN] - (f4(columns) * f4(0.5) - f4(0.5)) * step * view[COS]
        z0 = view[2] + d * view[COS] + (f4(columns) * f4(0.5) - f4(0.5)) * step * view[SIN]
        for i in range(columns):
            x = x0 + f4(i) * step * view[COS]
            z = z0 - f4(i) * step * view[SIN]
            sx = tap(ax, x * a_texels, z * a_texels) * a_keep + tap(bx, x * b_texels, z * b_texels) * b_keep
            sz = tap(az, x * a_texels, z * a_texels) * a_keep + tap(bz, x * b_texels, z * b_texels) * b_keep
            sx *= w[ROUGH]
            sz *= w[ROUGH]
            n = f4(1) / np.sqrt(sx * sx + sz * sz + f4(1))
            vx = x - view[0]
            vz = z - view[2]
            inv = f4(1) / np.sqrt(vx * vx + vz * vz + view[1] * view[1])
            vx *= inv
            vz *= inv
            vy = -view[1] * inv
            c = max((vx * sx + vz * sz - vy) * n, f4(0.02))
            rx = vx - f4(2) * c * sx * n
            ry = abs(vy + f4(2) * c * n) + lift
            rz = vz - f4(2) * c * sz * n
            q = f4(1) / np.sqrt(rx * rx + ry * ry + rz * rz)
            rx *= q
            ry *= q
            rz *= q
            m = f4(1) - c
            m2 = m * m
            fresnel = f4(0.02) + f4(0.95) * m2 * m2 * m
            p = reach / (f4(1) + ry)
            du = rx * p + reach - f4(0.5)
            dv = rz * p + reach - f4(0.5)
            iu = i4(du)
            iv = i4(dv)
            iu = min(max(iu, i4(0)), i4(dome.shape[1] - 2))
            iv = min(max(iv, i4(0)), i4(dome.shape[0] - 2))
            fu = min(max(du - f4(iu), f4(0)), f4(1))
            fv = min(max(dv - f4(iv), f4(0)), f4(1))
            w00 = (f4(1) - fu) * (f4(1) - fv)
            w01 = fu * (f4(1) - fv)
            w10 = (f4(1) - fu) * fv
            w11 = fu * fv
            r = (
                dome[iv, iu, 0] * w00
                + dome[iv, iu + 1, 0] * w01
                + dome[iv + 1, iu, 0] * w10
                + dome[iv + 1, iu + 1, 0] * w11
            )
            g = (
                dome[iv, iu, 1] * w00
                + dome[iv, iu + 1, 1] * w01
                + dome[iv + 1, iu, 1] * w10
                + dome[iv + 1, iu + 1, 1] * w11
            )
            b = (
                dome[iv, iu, 2] * w00
                + dome[iv, iu + 1, 2] * w01
                + dome[iv + 1, iu, 2] * w10
                + dome[iv + 1, iu + 1, 2] * w11
            )
            # The sun's glitter: a narrow lobe that widens, and dims, as waves fall below the pixel.
            mu = rx * w[9] + ry * w[10] + rz * w[11]
            lobe = decay(max(f4(1) - mu, f4(0)) * f4(420) * sharp) * w[GLITTER] * sharp
            r = min(r, f4(2.4)) + w[6] * lobe
            g = min(g, f4(2.4)) + w[7] * lobe
            b = min(b, f4(2.4)) + w[8] * lobe
            through = max(f4(0.25) + f4(1.6) * max(sx * w[9] + sz * w[11], f4(0)), f4(0))
            wr = w[0] + w[3] * through
            wg = w[1] + w[4] * through
            wb = w[2] + w[5] * through
            wr += (r - wr) * fresnel
            wg += (g - wg) * fresnel
            wb += (b - wb) * fresnel
            light[j, i, 0] = haze[i, 0] + (wr - haze[i, 0]) * clear
            light[j, i, 1] = haze[i, 1] + (wg - haze[i, 1]) * clear
            light[j, i, 2] = haze[i, 2] + (wb - haze[i, 2]) * clear
            light[j, i, 3] = d


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
        ax, az = self._long.slopes(t)
        bx, bz = self._short.slopes(t)
        view = pose.packed(canvas.width, canvas.height)
        draw_water(
            canvas.light, canvas.dome, haze, ax, az, f4(self.water.long),
            bx, bz, f4(self.water.short), view, self._vector,
        )  # fmt: skip
