"""Gaps filled from what surrounds them: the mean of the known pixels, taken from ever coarser levels of a pyramid
until one knows something (push-pull). Smooth, without seams, and never an invented edge."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane


def fill(plane: Plane, known: Plane) -> Plane:
    """`plane` (H, W) or (H, W, C) where `known` (H, W) is 1, its surroundings where that is 0, a blend between."""
    weight = np.clip(known, 0, 1).astype(np.float32)
    levels: list[tuple[Any, Any]] = [(plane * _beside(weight, plane), weight)]
    while min(levels[-1][1].shape) > 2:
        values, weight = levels[-1]
        levels.append((cv2.pyrDown(values), cv2.pyrDown(weight)))
    values, weight = levels[-1]
    whole: Plane = values / np.maximum(_beside(weight, values), np.float32(1e-4))
    for values, weight in levels[-2::-1]:
        size = (weight.shape[1], weight.shape[0])
        coarse = cv2.pyrUp(whole, dstsize=size)
        share = np.clip(_beside(weight, values), 0, 1)
        whole = values + coarse.reshape(values.shape) * (1 - share)
    return whole.astype(np.float32)


def _beside(weight: Plane, plane: Plane) -> Plane:
    return weight if plane.ndim == 2 else weight[..., None]
