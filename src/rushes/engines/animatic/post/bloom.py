"""What bright light does in a lens and in damp air: bloom around it, and rays that reach out from the sun.

Both are made from the picture at a quarter of its size.
"""

from __future__ import annotations

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane

MEAN = np.array([[1 / 3, 1 / 3, 1 / 3, 0]], np.float32)


def bloom(
    light: Plane, strength: float, threshold: float, sun: tuple[float, float] | None, rays: float
) -> Plane:
    """Light to add, (H/4, W/4, 3). `sun` is its place in the picture (0…1 each way, also outside); `rays` 0…1."""
    rows, columns, _ = light.shape
    size = (max(columns // 4, 8), max(rows // 4, 8))
    small = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
    bright = np.ascontiguousarray(np.clip(small[..., :3] - np.float32(threshold), 0, 8))
    scale = size[1] / 180
    wide = cv2.resize(bright, (max(size[0] // 4, 2), max(size[1] // 4, 2)), interpolation=cv2.INTER_AREA)
    wide = cv2.resize(cv2.GaussianBlur(wide, (0, 0), 4.5 * scale), size, interpolation=cv2.INTER_LINEAR)
    out = (cv2.GaussianBlur(bright, (0, 0), 2.2 * scale) * 0.22 + wide * 0.3) * np.float32(strength)
    if rays > 0 and sun is not None:
        out += _rays(small, threshold, sun) * np.float32(rays)
    return np.ascontiguousarray(out, dtype=np.float32)


def _rays(small: Plane, threshold: float, sun: tuple[float, float]) -> Plane:
    """Bright sky smeared away from the sun: doublings of a zoom about it, so that no single step shows. So soft that it
    is made at half the size of `small`."""
    size = (small.shape[1], small.shape[0])
    small = cv2.resize(small, (size[0] // 2, size[1] // 2), interpolation=cv2.INTER_AREA)
    rows, columns, _ = small.shape
    luminance = cv2.transform(small, MEAN)
    ray = small[..., :3] * np.clip(luminance - np.float32(threshold * 0.55), 0, 1.2)[..., None]
    x, y = sun[0] * columns, sun[1] * rows
    for step in range(5):
        k = 1 / (1 + 0.025 * 2**step)
        zoom = np.array([[k, 0, x * (1 - k)], [0, k, y * (1 - k)]], np.float32)
        # The inverse map: each pixel looks towards the sun.
        moved = cv2.warpAffine(
            ray,
            zoom,
            (columns, rows),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        ray = 0.5 * ray + 0.5 * moved
    ray = cv2.GaussianBlur(ray, (0, 0), max(rows / 28, 0.8))
    return np.asarray(cv2.resize(ray, size, interpolation=cv2.INTER_LINEAR), np.float32)
