"""Light to video: exposure, filmic curve, look and vignette, then BT.709 luma and chroma at 4:2:0.

`develop` works at the size of the rendering and leaves float planes; `finish` adds grain at the delivered size and
rounds to limited-range bytes. Grain is the dither as well, so skies do not band.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Bytes, Plane, f4, i4, kernel
from rushes.engines.animatic.world.mathx import hash01, triangle


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


@kernel
def develop(light: Plane, bloom: Plane, y: Plane, cb: Plane, cr: Plane, grade: Plane) -> None:
    """`light` (H, W, 4) and `bloom` (H, W, 3) → `y` in 16…235, `cb`, `cr` around 0, all (H, W)."""
    rows, columns, _ = light.shape
    # Read once: inside the loop they could, for all the compiler knows, be overwritten by what it stores.
    exposure, contrast, saturation, vignette, fade = grade[0], grade[1], grade[2], grade[3], grade[4]
    dr, dg, db, lr, lg, lb = grade[5], grade[6], grade[7], grade[8], grade[9], grade[10]
    for j in range(rows):
        v = (f4(j) + f4(0.5)) / f4(rows) - f4(0.5)
        inverse = f4(1) / f4(columns)
        # One channel after the other lies in memory, so that eight or sixteen pixels are printed at a time.
        red = np.empty(columns, np.float32)
        green = np.empty(columns, np.float32)
        blue = np.empty(columns, np.float32)
        for i in range(columns):
            red[i] = light[j, i, 0] + bloom[j, i, 0]
            green[i] = light[j, i, 1] + bloom[j, i, 1]
            blue[i] = light[j, i, 2] + bloom[j, i, 2]
        for i in range(columns):
            u = (f4(i) + f4(0.5)) * inverse - f4(0.5)
            gain = exposure * (f4(1) - vignette * (u * u + v * v) * f4(2))
            r = max(red[i], f4(0)) * gain
            g = max(green[i], f4(0)) * gain
            b = max(blue[i], f4(0)) * gain
            r = np.sqrt((r * (f4(2.51) * r + f4(0.03))) / (r * (f4(2.43) * r + f4(0.59)) + f4(0.14)))
            g = np.sqrt((g * (f4(2.51) * g + f4(0.03))) / (g * (f4(2.43) * g + f4(0.59)) + f4(0.14)))
            b = np.sqrt((b * (f4(2.51) * b + f4(0.03))) / (b * (f4(2.43) * b + f4(0.59)) + f4(0.14)))
            grey = f4(0.2126) * r + f4(0.7152) * g + f4(0.0722) * b
            top = grey * grey
            low = (f4(1) - grey) * (f4(1) - grey)
            r = (grey + (r - grey) * saturation - f4(0.5)) * contrast + f4(0.5) + low * dr + top * lr
            g = (grey + (g - grey) * saturation - f4(0.5)) * contrast + f4(0.5) + low * dg + top * lg
            b = (grey + (b - grey) * saturation - f4(0.5)) * contrast + f4(0.5) + low * db + top * lb
            r = min(max(fade + r * (f4(1) - fade), f4(0)), f4(1))
            g = min(max(fade + g * (f4(1) - fade), f4(0)), f4(1))
            b = min(max(fade + b * (f4(1) - fade), f4(0)), f4(1))
            luma = f4(0.2126) * r + f4(0.7152) * g + f4(0.0722) * b
            y[j, i] = f4(16) + f4(219) * luma
            cb[j, i] = f4(224 / 1.8556) * (b - luma)
            cr[j, i] = f4(224 / 1.5748) * (r - luma)


@kernel
def finish(y: Plane, cb: Plane, cr: Plane, out: Bytes, grain: float, seed: int) -> None:
    """Planes at the delivered size → the bytes of one yuv420p picture (flat)."""
    rows, columns = y.shape
    area = rows * columns
    strength = f4(grain) * f4(219)
    for j in range(rows):
        at = j * columns
        for i in range(columns):
            out[at + i] = np.uint8(
                min(max(y[j, i] + triangle(i, j, seed) * strength + f4(0.5), f4(16)), f4(235))
            )
        if j < rows // 2:
            at = area + j * (columns // 2)
            for i in range(columns // 2):
                noise = hash01(i, j, seed + 3) - f4(0.5)
                out[at + i] = np.uint8(min(max(f4(128.5) + cb[j, i] + noise, f4(16)), f4(240)))
                out[at + area // 4 + i] = np.uint8(min(max(f4(128.5) + cr[j, i] + noise, f4(16)), f4(240)))


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
        self._y = np.zeros((height, width), np.float32)
        self._c = np.zeros((2, height, width), np.float32)
        self._bloom = np.zeros((height, width, 3), np.float32)

    def __call__(self, light: Plane, bloom: Plane, roll: float, number: int) -> Bytes:
        """One flat yuv420p picture; `roll` (radians) turns it, enlarged just enough to keep the corners filled."""
        cv2.resize(bloom, (light.shape[1], light.shape[0]), dst=self._bloom, interpolation=cv2.INTER_LINEAR)
        develop(light, self._bloom, self._y, self._c[0], self._c[1], self._vector)
        y = self._fit(self._y, self.width, self.height, roll, cv2.INTER_CUBIC)
        # Chroma is the mean of its four pixels where nothing is enlarged; where something is, linear is as good.
        chroma = cv2.INTER_AREA if light.shape[0] >= self.height else cv2.INTER_LINEAR
        cb = self._fit(self._c[0], self.width // 2, self.height // 2, roll, chroma)
        cr = self._fit(self._c[1], self.width // 2, self.height // 2, roll, chroma)
        out = np.empty(self.width * self.height * 3 // 2, np.uint8)
        finish(y, cb, cr, out, f4(self.grade.grain), i4((self._seed + number * 131) & 0x7FFFFFFF))
        return out

    def _fit(self, plane: Plane, width: int, height: int, roll: float, method: int) -> Plane:
        h, w = plane.shape
        if abs(roll) < 1e-4:
            return (
                plane
                if (w, h) == (width, height)
                else cv2.resize(plane, (width, height), interpolation=method)
            )
        long, short = max(w, h), min(w, h)
        fill = np.cos(roll) + abs(np.sin(roll)) * long / short
        c, s = np.cos(roll) * fill * width / w, np.sin(roll) * fill * width / w
        turn = np.array(
            [[c, -s, width / 2 - c * w / 2 + s * h / 2], [s, c, height / 2 - s * w / 2 - c * h / 2]],
            np.float32,
        )
        smooth = cv2.INTER_LINEAR if method == cv2.INTER_AREA else method
        return cv2.warpAffine(plane, turn, (width, height), flags=smooth, borderMode=cv2.BORDER_REFLECT)
