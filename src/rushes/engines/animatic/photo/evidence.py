"""What judges of masks share: a scale for evidence, and whether somebody stands close by, since what one would do to
water or a sky is then seen beside a face."""

from __future__ import annotations

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane


def largest_skin(lab: Plane, elsewhere: Plane) -> float:
    """Share of the picture (h, w, 3; L 0…100, a, b) that the largest patch of skin colour covers, outside of
    `elsewhere` (h, w), a mask."""
    light, a, b = lab[..., 0], lab[..., 1], lab[..., 2]
    skin = (light > 25) & (light < 92) & (a > 8) & (a < 30) & (b > 6) & (b < 34) & ~elsewhere
    solid = cv2.morphologyEx(skin.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    _, _, sizes, _ = cv2.connectedComponentsWithStats(solid)
    return float(sizes[1:, cv2.CC_STAT_AREA].max(initial=0)) / skin.size


def ramp(x: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, even between."""
    return min(max((x - low) / (high - low), 0.0), 1.0)
