"""Light to video: exposure, filmic curve, look and vignette, then BT.709 luma and chroma at 4:2:0.

`develop` works at the size of the rendering and leaves float planes; `finish` adds grain at the delivered size and
rounds to limited-range bytes. Grain is the dither as well, so skies do not band.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Bytes, Plane, Real, f4, i4, inner, kernel
from rushes.engines.animatic.world.mathx import mixed


@dataclass(frozen=True)
class Grade:
    """`exposure` scales light; `contrast` and `saturation` act on the picture; `tint_dark` and `tint_light` are added
    to shadows and highlights; `vignette` darkens the corners; `grain` is its strength (0.015 is film-like)."""

    exposure: float = 0.8
    contrast: float = 1.06
    saturation: float = 0.98
    vignette: float = 0.55
    grain: float = 0.012
    fade: float = 0.0
    tint_dark: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tint_light: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def packed(self) -> Plane:
        return np.array(
            [
                self.exposure, self.contrast, self.saturation, self.vignette, self.fade,
                *self.tint_dark, *self.tint_light,
            ],
            np.float32,
        )  # fmt: skip


@inner
def _curve(x: float) -> Real:
    """The filmic curve (Narkowicz's fit of ACES), then the square root that stands for the display's."""
    return np.sqrt((x * (f4(2.51) * x + f4(0.03))) / (x * (f4(2.43) * x + f4(0.59)) + f4(0.14)))


@kernel("f4[:, :, ::1], f4[:, :, ::1], f4[:, ::1], f4[:, ::1], f4[:, ::1], f4[::1]")
def develop(light: Plane, bloom: Plane, y: Plane, cb: Plane, cr: Plane, grade: Plane) -> None:
    """`light` (H, W, 4) and `bloom` (of any height, W, 3) → `y` in 16…235, `cb`, `cr` around 0, all (H, W)."""
    rows, columns, _ = light.shape
    exposure, contrast, saturation, vignette, fade = grade[0], grade[1], grade[2], grade[3], grade[4]
    # Saturation, contrast, tints and fade are, for each colour, a parabola of grey and a share of the colour itself.
    keep = f4(1) - fade
    own = contrast * saturation * keep
    shared = contrast * (f4(1) - saturation) * keep
    least = f4(0.5) * (f4(1) - contrast) * keep + fade
    dr, dg, db = grade[5] * keep, grade[6] * keep, grade[7] * keep
    r0, g0, b0 = least + dr, least + dg, least + db
    r1, g1, b1 = shared - f4(2) * dr, shared - f4(2) * dg, shared - f4(2) * db
    r2, g2, b2 = dr + grade[8] * keep, dg + grade[9] * keep, db + grade[10] * keep
    red = np.empty(columns, np.float32)
    green = np.empty(columns, np.float32)
    blue = np.empty(columns, np.float32)
    glow = np.empty(columns * 3, np.float32)
    aside = np.empty(columns, np.float32)
    for i in range(columns):
        u = (f4(i) + f4(0.5)) / f4(columns) - f4(0.5)
        aside[i] = exposure * vignette * f4(2) * u * u
    last = bloom.shape[0] - 1
    blooms = bloom.reshape(last + 1, columns * 3)
    finer = f4(last + 1) / f4(rows)
    for j in range(rows):
        v = (f4(j) + f4(0.5)) / f4(rows) - f4(0.5)
        middle = exposure * (f4(1) - vignette * f4(2) * v * v)
        at = max((f4(j) + f4(0.5)) * finer - f4(0.5), f4(0))
        above = blooms[i4(at)]
        below = blooms[min(i4(at) + 1, last)]
        part = at - f4(i4(at))
        for i in range(columns * 3):
            glow[i] = above[i] + (below[i] - above[i]) * part
        # One channel after the other lies in memory, so that eight or sixteen pixels are printed at a time.
        for i in range(columns):
            red[i] = light[j, i, 0] + glow[3 * i]
            green[i] = light[j, i, 1] + glow[3 * i + 1]
            blue[i] = light[j, i, 2] + glow[3 * i + 2]
        luma_row, blue_row, red_row = y[j], cb[j], cr[j]
        for i in range(columns):
            gain = middle - aside[i]
            r = _curve(max(red[i], f4(0)) * gain)
            g = _curve(max(green[i], f4(0)) * gain)
            b = _curve(max(blue[i], f4(0)) * gain)
            grey = f4(0.2126) * r + f4(0.7152) * g + f4(0.0722) * b
            r = min(max(r * own + (r2 * grey + r1) * grey + r0, f4(0)), f4(1))
            g = min(max(g * own + (g2 * grey + g1) * grey + g0, f4(0)), f4(1))
            b = min(max(b * own + (b2 * grey + b1) * grey + b0, f4(0)), f4(1))
            luma = f4(0.2126) * r + f4(0.7152) * g + f4(0.0722) * b
            luma_row[i] = f4(16) + f4(219) * luma
            blue_row[i] = f4(224 / 1.8556) * (b - luma)
            red_row[i] = f4(224 / 1.5748) * (r - luma)


NOISE = 1 << 15
"""Length of the stretch of noise that grain is cut from: a row of each picture starts anywhere in it."""


def _noise() -> Plane:
    """(2, NOISE and the longest row): even sums of two for grain, as of dither, in -1…1; even numbers in ±½."""
    rng = np.random.default_rng(0x6EA1)
    even = rng.random((3, NOISE), np.float32)
    stretch = np.stack([even[0] + even[1] - np.float32(1), even[2] - np.float32(0.5)])
    return np.concatenate([stretch, stretch], axis=1)


_NOISE: Plane = _noise()


@kernel("f4[:, ::1], f4[:, ::1], f4[:, ::1], u1[::1], f4[:, ::1], f4, i4")
def _finish(y: Plane, cb: Plane, cr: Plane, out: Bytes, noise: Plane, grain: float, seed: int) -> None:
    rows, columns = y.shape
    area, half, quarter = rows * columns, columns // 2, rows * columns // 4
    strength = f4(grain) * f4(219)
    for j in range(rows):
        start = mixed(i4(j), i4(0), seed) & i4(NOISE - 1)
        source, speckle = y[j], noise[0, start : start + columns]
        row = out[j * columns : (j + 1) * columns]
        for i in range(columns):
            row[i] = np.uint8(min(max(source[i] + speckle[i] * strength + f4(0.5), f4(16)), f4(235)))
    for j in range(rows // 2):
        start = mixed(i4(j), i4(1), seed) & i4(NOISE - 1)
        speckle = noise[1, start : start + half]
        for c in range(2):
            source = cb[j] if c == 0 else cr[j]
            first = area + c * quarter + j * half
            row = out[first : first + half]
            for i in range(half):
                row[i] = np.uint8(min(max(f4(128.5) + source[i] + speckle[i], f4(16)), f4(240)))


def finish(y: Plane, cb: Plane, cr: Plane, out: Bytes, grain: float, seed: int) -> None:
    """Planes at the delivered size → the bytes of one yuv420p picture (flat)."""
    _finish(y, cb, cr, out, _NOISE, f4(grain), i4(seed))


def planes(picture: Bytes, width: int, height: int) -> tuple[Bytes, Bytes, Bytes]:
    """Views of Y (H, W), Cb and Cr (H/2, W/2) in one flat yuv420p picture."""
    area = width * height
    quarter = (height // 2, width // 2)
    return (
        picture[:area].reshape(height, width),
        picture[area : area + area // 4].reshape(quarter),
        picture[area + area // 4 :].reshape(quarter),
    )


def glance(picture: Bytes, width: int, height: int, across: int = 320) -> Bytes:
    """A small RGB picture of a flat yuv420p one, for a person who waits."""
    size = (min(across, width // 2), max(height * min(across, width // 2) // width, 1))
    y, cb, cr = (
        cv2.resize(p, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        for p in planes(picture, width, height)
    )
    luma = (y - 16) / 219
    red = luma + (cr - 128) * (1.5748 / 224)
    blue = luma + (cb - 128) * (1.8556 / 224)
    green = (luma - 0.2126 * red - 0.0722 * blue) / 0.7152
    return np.asarray(np.clip(np.stack([red, green, blue], axis=2) * 255 + 0.5, 0, 255), np.uint8)


class Print:
    """Turns a canvas of light into pictures of the delivered size."""

    def __init__(self, width: int, height: int, delivered: tuple[int, int], grade: Grade, seed: int) -> None:
        self.width, self.height = delivered
        self.grade = grade
        self._seed = seed
        self._vector = grade.packed()
        self._planes = np.zeros((3, height, width), np.float32)
        # Reused, for fresh memory is paid for page by page.
        self._luma = np.zeros(delivered[::-1], np.float32)
        self._chroma = np.zeros((2, self.height // 2, self.width // 2), np.float32)

    def __call__(self, light: Plane, bloom: Plane, roll: float, number: int, exposure: float = 1.0) -> Bytes:
        """One flat yuv420p picture; `roll` (radians) turns it, enlarged just enough to keep the corners filled. The
        grade's exposure is multiplied by that of the picture."""
        grade = self._vector.copy()
        grade[0] *= exposure
        wide = cv2.resize(bloom, (light.shape[1], bloom.shape[0]), interpolation=cv2.INTER_LINEAR)
        y, cb, cr = self._planes
        develop(light, wide, y, cb, cr, grade)
        y = self._fit(y, self._luma, roll, cv2.INTER_CUBIC)
        # Chroma is the mean of its four pixels where nothing is enlarged; where something is, linear is as good.
        method = cv2.INTER_AREA if light.shape[0] >= self.height else cv2.INTER_LINEAR
        cb = self._fit(cb, self._chroma[0], roll, method)
        cr = self._fit(cr, self._chroma[1], roll, method)
        out = np.empty(self.width * self.height * 3 // 2, np.uint8)
        finish(y, cb, cr, out, self.grade.grain, (self._seed + number * 131) & 0x7FFFFFFF)
        return out

    @staticmethod
    def _fit(plane: Plane, out: Plane, roll: float, method: int) -> Plane:
        """`plane` at the size of `out`, which may be where it is."""
        (h, w), (height, width) = plane.shape, out.shape
        if abs(roll) < 1e-4:
            return (
                plane
                if plane.shape == out.shape
                else cv2.resize(plane, (width, height), dst=out, interpolation=method)
            )
        long, short = max(w, h), min(w, h)
        fill = np.cos(roll) + abs(np.sin(roll)) * long / short
        c, s = np.cos(roll) * fill * width / w, np.sin(roll) * fill * width / w
        turn = np.array(
            [[c, -s, width / 2 - c * w / 2 + s * h / 2], [s, c, height / 2 - s * w / 2 - c * h / 2]],
            np.float32,
        )
        smooth = cv2.INTER_LINEAR if method == cv2.INTER_AREA else method
        return cv2.warpAffine(
            plane, turn, (width, height), dst=out, flags=smooth, borderMode=cv2.BORDER_REFLECT
        )
