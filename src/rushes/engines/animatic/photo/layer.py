"""A photograph in two layers: the foreground cut out, and the background with the hole behind it filled.

The hole is filled by pulling colours in from around it at ever coarser sizes, with fine texture taken from beside it,
so that what a move uncovers is no smear. The cut's soft edge gets the colours of the inside: no halo of the old
background travels with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rushes.engines.animatic.photo.fill import fill
from rushes.engines.animatic.photo.guided import guided
from rushes.engines.animatic.photo.mask import Foreground
from rushes.engines.animatic.runtime import Plane


@dataclass(frozen=True)
class Cut:
    """`cover` (H, W) 0…1; `front` (H, W, 3) its colours, right also under the soft edge; `back` (H, W, 3) without it."""

    cover: Plane
    front: Plane
    back: Plane


def cut(picture: Plane, foreground: Foreground) -> Cut:
    """Split `picture` (H, W, 3), any three planes with luma first in 0…255."""
    rows, columns = picture.shape[:2]
    mask: Plane = cv2.resize(foreground.mask, (columns, rows), interpolation=cv2.INTER_LINEAR)
    luma = np.ascontiguousarray(picture[..., 0] / 255)
    radius = max(columns // 200, 2)
    cover = np.clip((guided(luma, mask, radius, 1e-4) - 0.12) / 0.76, 0, 1)
    grown = cv2.dilate(mask, np.ones((max(columns // 60, 3),) * 2, np.uint8))
    hole = np.asarray(cv2.GaussianBlur(grown, (0, 0), columns / 500), np.float32)[..., None]
    filled = fill(picture, 1 - (grown > 0.02).astype(np.float32))
    shift = columns // 7
    texture = picture - cv2.GaussianBlur(picture, (0, 0), columns / 240)
    outside = np.roll(1 - grown, shift, axis=1)[..., None]
    back = picture * (1 - hole) + (filled + np.roll(texture, shift, axis=1) * outside * 0.8) * hole
    core = (cover > 0.95).astype(np.float32)
    front = np.where(core[..., None] > 0, picture, fill(picture, core))
    return Cut(cover.astype(np.float32), front.astype(np.float32), back.astype(np.float32))
