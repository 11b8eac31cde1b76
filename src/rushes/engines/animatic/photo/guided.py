"""He's guided filter: a blur that follows the edges of another picture."""

from __future__ import annotations

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane


def guided(guide: Plane, plane: Plane, radius: int, epsilon: float) -> Plane:
    """Edge-aware blur of `plane` that follows the edges of `guide`."""
    size = (2 * radius + 1, 2 * radius + 1)
    mean_g, mean_p = cv2.blur(guide, size), cv2.blur(plane, size)
    covariance = cv2.blur(guide * plane, size) - mean_g * mean_p
    variance = cv2.blur(guide * guide, size) - mean_g * mean_g
    a = covariance / (variance + epsilon)
    b = mean_p - a * mean_g
    return (cv2.blur(a, size) * guide + cv2.blur(b, size)).astype(np.float32)
