"""Depth of a photograph from classical cues: where the sky is, where the ground meets the horizon, what stands on it.

The result is smooth on purpose. A wrong edge in depth tears a face; a soft slope only leans it. So depth is a ground
plane and a sky joined by a wide, edge-aware blur, and the warp built on it is checked to be monotone. Where somebody
stands close by, or a thing before a plain backdrop, there is no ground to be seen: the slope is nearly taken away, or a
head would lean and a bottle with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rushes.engines.animatic.photo.evidence import largest_skin, ramp
from rushes.engines.animatic.photo.guided import guided
from rushes.engines.animatic.photo.mask import Foreground, find_foreground
from rushes.engines.animatic.photo.sky import Sky, find_sky
from rushes.engines.animatic.runtime import Bytes, Plane

WORKING = 480
"""Long side, in pixels, at which a photograph is analysed."""


@dataclass(frozen=True)
class Depth:
    """`small` (h, w, 3) is the photograph as analysed; `near` (h, w) nearness 0 (far) … 1, smooth; `horizon` 0…1 from the
    top; `close` 0…1 that the subject stands close by; `foreground` what stands in front, used only where it is sure."""

    small: Bytes
    near: Plane
    sky: Sky
    horizon: float
    close: float
    foreground: Foreground


def analyse(image: Bytes) -> Depth:
    """Depth of an RGB photograph (H, W, 3)."""
    rows, columns = image.shape[:2]
    scale = WORKING / max(rows, columns)
    w, h = max(int(columns * scale), 16), max(int(rows * scale), 16)
    small = np.asarray(cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    light = lab[..., 0] / 100
    sky = find_sky(lab)
    down = np.linspace(0, 1, h, dtype=np.float32)[:, None] * np.ones((1, w), np.float32)
    share = sky.mask.mean(axis=0)
    horizon = float(np.clip(np.median(share[share > 0.02]) if (share > 0.02).any() else 0.33, 0.1, 0.6))
    ground = np.clip((down - horizon) / (1 - horizon), 0, 1) ** 0.8
    # What is large, sharp and in the middle is likely nearer than the ground behind it.
    sharp: Plane = cv2.GaussianBlur(
        np.abs(cv2.Laplacian(cv2.GaussianBlur(light, (0, 0), 1), cv2.CV_32F)), (0, 0), w / 28
    )
    sharp /= float(sharp.max()) + 1e-6
    across = np.linspace(-1, 1, w, dtype=np.float32)[None]
    middle = np.exp(-((across / 0.6) ** 2) - ((down - 0.6) / 0.45) ** 2)
    skin = ramp(largest_skin(lab, sky.mask > 0.5), 0.02, 0.06)
    close = max(sky.backdrop, skin)
    near = (
        0.25
        + 0.5 * (ground * (1 - close) + 0.4 * close)
        + 0.24 * (sharp * (1 - close) + 0.5 * close) * middle
    )
    # A backdrop is not far behind what stands before it.
    near *= 1 - sky.mask * max(min(2 * sky.confidence, 1.0), 0.4 * sky.backdrop)
    foreground = find_foreground(small, sky.mask)
    near = guided(light, near.astype(np.float32), max(w // 24, 2), 0.02)
    near = cv2.GaussianBlur(near, (0, 0), w / 60)
    return Depth(small, np.clip(near, 0, 1).astype(np.float32), sky, horizon, close, foreground)
