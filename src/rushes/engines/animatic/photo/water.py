"""Where a photograph shows water, and how sure one can be of it.

Water lies below a level shore; it has the sky's tint, or a blue one; and it is seen at a low angle, so that its waves
are drawn out sideways: brightness changes far more down the picture than across it. Pixels are judged by these, the
large pieces kept, and the whole judged once more: water fills what is below its shore, from side to side. A prompt
that names water lowers the bar, and lets grey water count under a grey sky; a person close by, or no sky, raises it
again. Below the bar nothing moves: decks, roads and snow lie below horizons too. Falling water is sought only when it
is named: bright, colourless, higher than wide in its strands, and no backdrop.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rushes.engines.animatic.photo.evidence import largest_skin, ramp
from rushes.engines.animatic.photo.guided import guided
from rushes.engines.animatic.photo.sky import Sky
from rushes.engines.animatic.runtime import Bytes, Plane

SURE, SURE_WHEN_NAMED = 0.75, 0.58
"""Confidence from which water moves: found unasked, and named by the prompt."""
SKY = 0.3
"""Confidence of a sky from which a photograph was taken in the open."""
SMALLEST = 0.03
"""Share of the photograph below which a piece is a puddle or a mistake."""


@dataclass(frozen=True)
class Water:
    """`mask` (h, w) in 0…1; `confidence` 0…1; `sure` whether it may move; `horizon` the row, 0…1 from the top, at which
    its surface would vanish; `falls` when it falls rather than lies."""

    mask: Plane
    confidence: float
    sure: bool
    horizon: float
    falls: bool = False


def find_water(small: Bytes, above: Sky, horizon: float, named: bool) -> Water:
    """The lying water of a photograph at working size (h, w, 3) RGB, whose sky is known."""
    sky = above.mask
    h, w = sky.shape
    lab = _lab(small)
    line, level = _shore(lab, horizon)
    top = line if level > 0.5 else horizon
    rows = np.linspace(0, 1, h, dtype=np.float32)[:, None]
    below = np.clip((rows - top) * h / 2, 0, 1) * (1 - sky)
    # The shore's own edge is level, whatever lies below it.
    drawn_out, colour = _drawn_out(lab, below * (rows > top + 0.02)), _colour(lab, sky, top)
    score = below * np.clip(0.1 + 0.5 * colour + 0.6 * drawn_out, 0, 1)
    # What is nearly black reflects no sky, and what has another colour is another thing.
    score *= np.clip(colour / 0.3, 0, 1) * (lab[..., 0] > 11)
    mask = _large(score > 0.5)
    if not mask.any():
        return Water(np.zeros((h, w), np.float32), 0.0, False, top)
    straight = float(drawn_out[mask].mean())
    tint = lab[mask].mean(axis=0)
    evidence = [
        # Waves are never as straight as the edge of a board or a blurred road.
        ramp(straight, 0.12, 0.38) * ramp(-straight, -0.97, -0.88),
        ramp(float(colour[mask].mean()), 0.45, 0.7),
        ramp(level, 0.4, 0.75),
        ramp(float(mask.any(axis=0).mean()), 0.3, 0.7),
        # What lies in pieces between other things is a floor, or light on it.
        ramp(float(mask[int(top * h) + 2 :].mean()), 0.3, 0.6),
        ramp(_across(mask), 0.4, 0.7),
    ]
    # Clouds may hide from the judge of skies, but not all that is bright above.
    open_air = max(
        ramp(above.confidence, 0.1, SKY), ramp(float(sky.mean()), 0.1, 0.16) * (1 - above.backdrop)
    )
    named = named and open_air > 0 and largest_skin(lab, mask | (sky > 0.5)) < 0.03
    if not named:
        evidence.append(open_air)
        evidence.append(ramp(float(np.hypot(tint[1], tint[2])), 5, 9) * ramp(float(-tint[2]), 0, 4))
    confidence = 0.5 * min(evidence) + 0.5 * sum(evidence) / len(evidence)
    bar = SURE_WHEN_NAMED if named else SURE
    first = float(np.percentile(np.nonzero(mask)[0], 2)) / h
    return Water(_soft(mask, lab) * below, confidence, confidence >= bar, first - 0.02)


def _across(mask: Plane) -> float:
    """How much of the width the fuller rows of a mask hold."""
    held = mask.mean(axis=1)
    return float(np.percentile(held[held > 0], 80))


def find_fall(small: Bytes, above: Sky) -> Water:
    """The falling water of a photograph whose prompt names a waterfall."""
    sky = above.mask
    lab = _lab(small)
    light = lab[..., 0] / 100
    colourless = np.exp(-((np.linalg.norm(lab[..., 1:], axis=2) / 14) ** 2))
    bright = np.clip((light - np.median(light)) / 0.2, 0, 1)
    drawn_out = _drawn_out(lab)
    hanging = np.clip(0.5 - 1.5 * drawn_out, 0, 1)
    score = cv2.blur((bright * colourless * hanging * (1 - sky)).astype(np.float32), (5, 5))
    mask = _large(score > 0.3)
    if not mask.any():
        return Water(np.zeros(sky.shape, np.float32), 0.0, False, 0.0, falls=True)
    rows = np.flatnonzero(mask.any(axis=1))
    slope = cv2.magnitude(
        *(cv2.Sobel(np.ascontiguousarray(light), cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1)))
    )
    confidence = min(
        ramp(float(score[mask].mean()), 0.2, 0.6),
        # Strands, and neither a plain wall nor paper.
        ramp(-float(drawn_out[mask].mean()), 0.28, 0.48),
        ramp(float(np.median(slope[mask])), 0.02, 0.08),
        ramp(float(np.ptp(rows)) / len(mask), 0.22, 0.32),
        # It falls within the picture; what its border cuts through is a curtain or a page.
        ramp(-float(max(mask[:, 0].mean(), mask[:, -1].mean())), -0.6, -0.4),
        ramp(-largest_skin(lab, mask), -0.05, -0.02),
        1 - above.backdrop,
    )
    return Water(_soft(mask, lab), confidence, confidence >= SURE_WHEN_NAMED, 0.0, falls=True)


def _lab(small: Bytes) -> Plane:
    return np.asarray(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _large(mask: Plane) -> Plane:
    """The large pieces of a mask, without crumbs and small holes."""
    solid = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    _, labels, sizes, _ = cv2.connectedComponentsWithStats(solid)
    large = np.flatnonzero(sizes[:, cv2.CC_STAT_AREA] > SMALLEST * mask.size)
    return np.isin(labels, large[large > 0])


def _soft(mask: Plane, lab: Plane) -> Plane:
    """The mask with soft edges that follow those of the picture."""
    light = np.ascontiguousarray(lab[..., 0] / 100)
    soft = guided(light, mask.astype(np.float32), max(mask.shape[1] // 80, 2), 1e-3)
    return np.asarray(np.clip(soft * 1.2 - 0.1, 0, 1), np.float32)


def _shore(lab: Plane, horizon: float) -> tuple[float, float]:
    """The row (0…1) of the levellest edge near or below the horizon, and the share of columns that it crosses."""
    h = lab.shape[0]
    reach = max(h // 40, 2)
    soft = cv2.blur(lab, (lab.shape[1] // 20 | 1, 1))
    sums = np.concatenate([np.zeros_like(soft[:1]), np.cumsum(soft, axis=0)])
    rows = np.arange(reach, h - reach)
    step = (2 * sums[rows] - sums[rows - reach] - sums[rows + reach]) / reach
    size = np.linalg.norm(step, axis=2)
    crossed = (size > 5).mean(axis=1)
    strength = np.minimum(size, 16).mean(axis=1)
    strength[(rows < max(horizon - 0.08, 0.15) * h) | (rows > 0.85 * h)] = 0
    best = int(np.argmax(strength))
    return float(rows[best]) / h, float(crossed[best])


def _drawn_out(lab: Plane, where: Plane | None = None) -> Plane:
    """-1…1: how much more brightness changes down the picture than across it, as far as it does so `where`."""
    light = np.ascontiguousarray(lab[..., 0] / 100)
    window = (light.shape[1] // 14 | 1,) * 2
    slopes = [cv2.Sobel(light, cv2.CV_32F, *axis) ** 2 for axis in ((1, 0), (0, 1))]
    across, down = (cv2.blur(slope if where is None else slope * where, window) for slope in slopes)
    return np.asarray((down - across) / (down + across + np.float32(2e-3)), np.float32)


def _colour(lab: Plane, sky: Plane, horizon: float) -> Plane:
    """0…1: how near each pixel's tint is to that of the sky above the horizon, or to blue."""
    h, w = sky.shape
    rows = np.linspace(0, 1, h, dtype=np.float32)[:, None]
    above = np.maximum(sky, 0.02 * (rows < 0.25))
    share = (above * np.exp(-(((rows - horizon) / 0.3) ** 2)))[..., None] + np.float32(1e-6)
    tint = (lab[..., 1:] * share).sum(axis=(0, 1)) / share.sum()
    like_sky = np.exp(-((np.linalg.norm(lab[..., 1:] - tint, axis=2) / 14) ** 2))
    blue = np.clip(-lab[..., 2] / 8, 0, 1) * np.clip((12 - lab[..., 1]) / 8, 0, 1)
    return np.asarray(cv2.blur(np.maximum(like_sky, blue).astype(np.float32), (w // 40 | 1,) * 2), np.float32)
