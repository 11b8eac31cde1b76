"""Depth of field: what is off the plane of focus is blurred by how far it is off, in nearness and not in metres."""

from __future__ import annotations

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane


def soften(light: Plane, focus: float, strength: float) -> None:
    """Blur `light` (H, W, 4) in place away from `focus` metres; `strength` 1 is a macro lens."""
    rows, columns, _ = light.shape
    size = (max(columns // 2, 2), max(rows // 2, 2))
    small = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
    off = np.abs(1 / np.maximum(small[..., 3], 0.2) - 1 / focus) * focus * strength
    # Spread the blur a little, or sharp silhouettes would stand in front of a smeared background.
    off = np.asarray(
        cv2.GaussianBlur(np.clip(off * 1.5 - 0.12, 0, 1).astype(np.float32), (0, 0), rows / 240), np.float32
    )
    colours = np.ascontiguousarray(small[..., :3])
    mild = cv2.GaussianBlur(colours, (0, 0), rows / 240)
    wide = cv2.GaussianBlur(colours, (0, 0), rows / 90)
    heavy = np.clip(off * 2 - 1, 0, 1)[..., None]
    blurred = cv2.resize(mild + (wide - mild) * heavy, (columns, rows), interpolation=cv2.INTER_LINEAR)
    share = cv2.resize(np.clip(off * 2, 0, 1), (columns, rows), interpolation=cv2.INTER_LINEAR)[..., None]
    light[..., :3] += (blurred - light[..., :3]) * share
