"""Where a photograph shows sky, and how sure one can be that it is one.

A smooth, bright or bluish region that touches the top is what lies farthest, be it sky or a wall: that much serves
depth. Only sky may drift, and a wall must not, so the region is judged once more. A sky is blue; or it is pale, lies
across the whole top, and no face stands before it. It is never green or orange, and it ends at a horizon: what goes on
beside and below what stands before it, down to the lower border, is a backdrop. A prompt that names the sky or a place
in the open lowers the bar; one that names a room rules it out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rushes.engines.animatic.photo.evidence import largest_skin, ramp
from rushes.engines.animatic.photo.guided import guided
from rushes.engines.animatic.runtime import Plane

SURE, SURE_WHEN_NAMED = 0.75, 0.3
"""Confidence from which it drifts: found unasked, and named by the prompt."""
SMALLEST = 0.03
"""Share of the photograph below which a piece is a window or a mistake."""
LOWEST = 0.78
"""Row below which there is no sky, 0…1 from the top."""


@dataclass(frozen=True)
class Sky:
    """`mask` (h, w) in 0…1, soft; `confidence` 0…1 that it is sky; `backdrop` 0…1 that it is what a studio hangs behind
    its subject."""

    mask: Plane
    confidence: float
    backdrop: float = 0.0


def find_sky(lab: Plane) -> Sky:
    """The sky of a photograph at working size, (h, w, 3) of L 0…100, a and b."""
    h, w = lab.shape[:2]
    light = np.ascontiguousarray(lab[..., 0] / 100)
    slope = cv2.magnitude(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1))
    texture = cv2.blur(slope, (15, 15))
    candidate = (texture < 0.11) & (light > 0.38) & ((lab[..., 2] < 6) | (light > 0.72))
    opened = cv2.morphologyEx(candidate.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    lowest = int(LOWEST * h)
    above = opened.copy()
    above[lowest:] = 0
    _, labels = cv2.connectedComponents(above)
    edge = labels[: max(h // 60, 2)]
    tops = [k for k in np.unique(edge) if k and (edge == k).sum() > 0.04 * edge.size]
    mask = np.isin(labels, tops)
    if mask.mean() < SMALLEST:
        return Sky(np.zeros((h, w), np.float32), 0.0)
    # What the region grows to where rows do not bound it.
    _, pieces = cv2.connectedComponents(opened)
    grown = np.isin(pieces, np.unique(pieces[mask]))
    around = _around(grown, lowest)
    confidence = _confidence(mask, around, lab)
    backdrop = ramp(around, 0.1, 0.3) * (1 - confidence)
    whole = (grown if backdrop > 0.5 else mask).astype(np.float32)
    return Sky(np.clip(guided(light, whole, max(w // 60, 2), 1e-3), 0, 1), confidence, backdrop)


def _around(grown: Plane, lowest: int) -> float:
    """Share of the lower border, its corners upwards included, that a region (h, w) reaches."""
    h, w = grown.shape
    margin = max(w // 40, 2)
    sides = grown[lowest:, :margin].mean() + grown[lowest:, -margin:].mean()
    return float(max(grown[-max(h // 40, 2) :].mean(), sides / 2))


def _confidence(mask: Plane, around: float, lab: Plane) -> float:
    """How likely the region (h, w) is sky. `around` is how much of the lower border it reaches."""
    h = len(mask)
    a, b = (float(x) for x in lab[mask][:, 1:].mean(axis=0))
    wide = float(mask[: max(h // 60, 2)].mean())
    blue = ramp(-b, 5, 10) * ramp(a, -34, -26) * ramp(wide, 0.14, 0.24)
    low = float(np.percentile(np.nonzero(mask)[0], 95)) / h
    pale = [
        ramp(-b, -7, -5.5) * ramp(a, -12, -8),
        ramp(wide, 0.78, 0.85),
        ramp(float(mask.mean()), 0.06, 0.12),
        ramp(-low, -0.74, -0.64),
        ramp(-largest_skin(lab, mask), -0.13, -0.08),
    ]
    return max(blue, min(pale)) * ramp(-around, -0.3 - 0.3 * blue, -0.1 - 0.2 * blue)
