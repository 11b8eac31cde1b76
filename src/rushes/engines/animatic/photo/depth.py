"""Depth of a photograph from classical cues: where the sky is, where the ground meets the horizon, what stands on it.

The result is smooth on purpose. A wrong edge in depth tears a face; a soft slope only leans it. So depth is a ground
plane and a sky joined by a wide, edge-aware blur, and the warp built on it is checked to be monotone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rushes.engines.animatic.photo.guided import guided
from rushes.engines.animatic.photo.mask import Foreground, find_foreground
from rushes.engines.animatic.runtime import Bytes, Plane

WORKING = 480
"""Long side, in pixels, at which a photograph is analysed."""


@dataclass(frozen=True)
class Depth:
    """`small` (h, w, 3) is the photograph as analysed; `near` (h, w) nearness 0 (far) … 1, smooth; `sky` (h, w) 0…1; `horizon` 0…1 from the top;
    `foreground` what stands in front, used only where it is sure."""

    small: Bytes
    near: Plane
    sky: Plane
    horizon: float
    foreground: Foreground


def analyse(image: Bytes) -> Depth:
    """Depth of an RGB photograph (H, W, 3)."""
    rows, columns = image.shape[:2]
    scale = WORKING / max(rows, columns)
    w, h = max(int(columns * scale), 16), max(int(rows * scale), 16)
    small = np.asarray(cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    light = lab[..., 0] / 100
    sky = _sky(lab, light)
    down = np.linspace(0, 1, h, dtype=np.float32)[:, None] * np.ones((1, w), np.float32)
    share = sky.mean(axis=0)
    horizon = float(np.clip(np.median(share[share > 0.02]) if (share > 0.02).any() else 0.33, 0.1, 0.6))
    ground = np.clip((down - horizon) / (1 - horizon), 0, 1) ** 0.8
    # What is large, sharp and in the middle is likely nearer than the ground behind it.
    sharp: Plane = cv2.GaussianBlur(
        np.abs(cv2.Laplacian(cv2.GaussianBlur(light, (0, 0), 1), cv2.CV_32F)), (0, 0), w / 28
    )
    sharp /= float(sharp.max()) + 1e-6
    across = np.linspace(-1, 1, w, dtype=np.float32)[None]
    middle = np.exp(-((across / 0.6) ** 2) - ((down - 0.6) / 0.45) ** 2)
    near = (0.25 + 0.5 * ground + 0.24 * sharp * middle) * (1 - sky)
    foreground = find_foreground(small, sky)
    near = guided(light, near.astype(np.float32), max(w // 24, 2), 0.02)
    near = cv2.GaussianBlur(near, (0, 0), w / 60)
    return Depth(small, np.clip(near, 0, 1).astype(np.float32), sky, horizon, foreground)


def _sky(lab: Plane, light: Plane) -> Plane:
    """Smooth, bright or bluish regions that touch the top border, as a soft mask."""
    h, w = light.shape
    slope = cv2.magnitude(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1))
    texture = cv2.blur(slope, (15, 15))
    rows = np.linspace(0, 1, h, dtype=np.float32)[:, None]
    candidate = (texture < 0.11) & (light > 0.38) & ((lab[..., 2] < 6) | (light > 0.72)) & (rows < 0.78)
    opened = cv2.morphologyEx(candidate.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels = cv2.connectedComponents(opened)
    edge = labels[: max(h // 60, 2)]
    tops = [k for k in np.unique(edge) if k and (edge == k).sum() > 0.04 * edge.size]
    mask = np.isin(labels, tops).astype(np.float32)
    if mask.mean() < 0.03:
        return np.zeros((h, w), np.float32)
    return np.clip(guided(light, mask, max(w // 60, 2), 1e-3), 0, 1)
