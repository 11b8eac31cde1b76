"""The foreground of a photograph, and how sure one can be of it.

Saliency (colours that the border does not have, sharpness, nearness to the middle) seeds GrabCut; its mask is then
judged. Confidence is edge support × colour separation × solidity × explained surroundings × height, less holes and
borders touched: a mask whose outline lies on real edges, whose inside differs from its outside, and which is one
compact thing that stands. Somebody close by reaches the lower border: a head without its shoulders is no foreground,
however well it is cut. Below `SURE` the mask is not used at all. A wrong mask cuts a face in two, which is the one
ugly failure; none is only a gentler move.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from rushes.engines.animatic.photo.evidence import largest_skin, ramp
from rushes.engines.animatic.runtime import Bytes, Plane

SURE = 0.8
SMALLEST, LARGEST = 0.02, 0.5
"""Share of the photograph that a foreground may cover."""
SECTORS = 24
"""Directions from the middle into which an outline is divided."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Foreground:
    """`mask` (h, w) in 0…1, `confidence` 0…1, `foot` its lowest row (0…1 from the top)."""

    mask: Plane
    confidence: float
    foot: float

    @property
    def sure(self) -> bool:
        return self.confidence >= SURE


def find_foreground(small: Bytes, sky: Plane) -> Foreground:
    """The foreground of a photograph at working size (h, w, 3)."""
    h, w = small.shape[:2]
    nothing = Foreground(np.zeros((h, w), np.float32), 0.0, 1.0)
    lab = np.asarray(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
    salient, backdrop = _saliency(lab, sky)
    seeds = np.full((h, w), cv2.GC_PR_BGD, np.uint8)
    seeds[salient > 0.42] = cv2.GC_PR_FGD
    seeds[salient > 0.78] = cv2.GC_FGD
    seeds[_border(h, w) & (salient < 0.3)] = cv2.GC_BGD
    seeds[sky > 0.5] = cv2.GC_BGD
    mask = _largest(_grab(small, seeds))
    if not SMALLEST < mask.mean() < LARGEST:
        return nothing
    foot = float(np.flatnonzero(mask.any(axis=1)).max() + 1) / h
    severed = ramp(largest_skin(lab, sky > 0.5), 0.015, 0.03) * ramp(-foot, -0.97, -0.9)
    return Foreground(mask.astype(np.float32), confidence(mask, lab, backdrop) * (1 - severed), foot)


def _grab(small: Bytes, seeds: Bytes) -> Mask:
    """GrabCut at half size: what it cuts through is a graph of all pixels, and in one of noise its way is long. The
    edges of the layer are found anew at full size."""
    h, w = seeds.shape
    half = (max(w // 2, 8), max(h // 2, 8))
    picture = cv2.resize(cv2.GaussianBlur(small, (0, 0), 1.0), half, interpolation=cv2.INTER_AREA)
    labels = cv2.resize(seeds, half, interpolation=cv2.INTER_NEAREST)
    if not (labels == cv2.GC_FGD).any() or not (labels == cv2.GC_BGD).any():
        return np.zeros((h, w), np.bool_)
    cv2.setRNGSeed(1)
    models = np.zeros((2, 1, 65))
    cv2.grabCut(
        np.ascontiguousarray(picture[..., ::-1]),
        labels,
        (0, 0, 1, 1),
        models[0],
        models[1],
        3,
        cv2.GC_INIT_WITH_MASK,
    )
    inside = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return np.asarray(cv2.resize(inside, (w, h), interpolation=cv2.INTER_LINEAR) > 0.5)


def confidence(mask: Mask, lab: Plane, backdrop: Mask) -> float:
    """How far the mask can be trusted, 0…1. `backdrop` are the pixels whose colour the border of the photograph has."""
    solid = mask.astype(np.uint8)
    ring = (cv2.dilate(solid, np.ones((3, 3), np.uint8)) - cv2.erode(solid, np.ones((3, 3), np.uint8))) > 0
    ring[:2], ring[-2:], ring[:, :2], ring[:, -2:] = False, False, False, False
    if not ring.any():
        return 0.0
    soft = [cv2.GaussianBlur(np.ascontiguousarray(lab[..., c]), (0, 0), 1.2) for c in range(3)]
    slopes = np.sqrt(
        sum(cv2.Sobel(p, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(p, cv2.CV_32F, 0, 1) ** 2 for p in soft)
    )
    slopes = cv2.dilate(slopes, np.ones((3, 3), np.uint8))
    support = _support(ring, slopes > np.percentile(slopes, 75), mask)
    inside = (cv2.erode(solid, np.ones((9, 9), np.uint8)) < 1) & mask
    outside = (cv2.dilate(solid, np.ones((11, 11), np.uint8)) > 0) & ~mask
    # What lies just outside should be background: a head left out of the cut is not.
    explained = float(np.clip((backdrop[outside].mean() - 0.55) / 0.3, 0, 1))
    a, b = lab[inside], lab[outside]
    spread = 0.5 * float(a.std(axis=0).mean() + b.std(axis=0).mean()) + 4
    separation = float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0))) / spread
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    area = sum(cv2.contourArea(line) for line in outlines)
    hull = sum(cv2.contourArea(cv2.convexHull(line)) for line in outlines)
    solidity = area / max(hull, 1.0)
    whole = cv2.drawContours(np.zeros_like(solid), outlines, -1, (1.0,), cv2.FILLED)
    holes = 1 - float(mask.sum()) / float(whole.sum())
    touched = float(np.concatenate([mask[:, 0], mask[:, -1], mask[0]]).mean())
    # A subject stands; a low flat piece is a bank, a roof or a shadow.
    standing = float(np.clip((np.ptp(np.flatnonzero(mask.any(axis=1))) / len(mask) - 0.18) / 0.15, 0, 1))
    score = support * min(separation / 1.3, 1) * min(solidity / 0.75, 1) * explained * standing
    score -= 3 * holes + 2 * touched
    return float(np.clip(score, 0, 1))


def _support(ring: Mask, edges: Mask, mask: Mask) -> float:
    """How much of the outline lies on edges of the picture, its worst parts counting as much as all of it: a head cut
    off at the neck has a good outline but for one stretch."""
    rows, columns = np.nonzero(ring)
    middle = np.argwhere(mask).mean(axis=0)
    turn = np.arctan2(rows - middle[0], columns - middle[1])
    sector = ((turn + np.pi) / (2 * np.pi) * SECTORS).astype(int) % SECTORS
    size = np.bincount(sector, minlength=SECTORS)
    held = np.bincount(sector, weights=edges[ring], minlength=SECTORS)
    shares = (held / np.maximum(size, 1))[size > 3]
    return float(0.5 * edges[ring].mean() + 0.5 * np.sort(shares)[:2].mean()) if len(shares) else 0.0


def _saliency(lab: Plane, sky: Plane) -> tuple[Plane, Mask]:
    """How much each pixel looks like the subject, and whether the border has its colour."""
    h, w = sky.shape
    pixels = np.ascontiguousarray(lab.reshape(-1, 3))
    cv2.setRNGSeed(1)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 1.0)
    _, _, centres = cv2.kmeans(pixels[::5], 10, None, stop, 1, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    nearest = ((pixels[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1).reshape(h, w)
    total = np.bincount(nearest.ravel(), minlength=10).astype(np.float64)
    border = _border(h, w)
    at_border = (
        np.bincount(nearest[border], minlength=10) / border.sum() * nearest.size / np.maximum(total, 1)
    )
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    contrast = (apart * (total / total.sum())[None]).sum(axis=1)
    colours = (contrast / (contrast.max() + 1e-6) * np.exp(-1.1 * np.clip(at_border, 0, 3)))[nearest]
    down, across = np.mgrid[0:h, 0:w].astype(np.float32)
    middle = np.exp(-(((across / w - 0.5) / 0.3) ** 2) - ((down / h - 0.56) / 0.36) ** 2)
    light = np.ascontiguousarray(lab[..., 0] / 100)
    sharp = cv2.GaussianBlur(np.abs(cv2.Laplacian(light, cv2.CV_32F)), (0, 0), w / 48)
    salient = cv2.GaussianBlur((colours * middle).astype(np.float32), (0, 0), w / 80)
    salient = salient / (salient.max() + 1e-6) * 0.75 + 0.25 * sharp / (sharp.max() + 1e-6) * middle
    salient = salient * (1 - sky)
    return np.asarray(salient / (salient.max() + 1e-6), np.float32), (at_border > 0.4)[nearest]


def _border(h: int, w: int) -> Mask:
    """The left, right and top margins: what is there is rarely the subject."""
    margin = max(4, w // 25)
    border = np.zeros((h, w), bool)
    border[:, :margin] = border[:, -margin:] = border[:margin] = True
    return border


def _largest(mask: Mask) -> Mask:
    """The largest piece, cleaned of crumbs and small holes."""
    solid = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    count, labels, sizes, _ = cv2.connectedComponentsWithStats(solid)
    if count < 2:
        return np.zeros(mask.shape, bool)
    return np.asarray(labels == 1 + int(np.argmax(sizes[1:, cv2.CC_STAT_AREA])))
