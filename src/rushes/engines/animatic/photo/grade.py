"""The light that a prompt asks of a photograph: a time of day, a weather, a look.

These are curves, as in a darkroom; nothing is lit anew. A time of day tints highlights like its sun and shadows like
its sky, and dims as film makers shoot night by day. What the photograph already has is not put on twice: a sunset told
to be one stays as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np

from rushes.engines.animatic.post.tone import Grade
from rushes.engines.animatic.prompt.brief import Brief
from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.scene.grade import styled
from rushes.engines.animatic.tables import colour, table

Tint: TypeAlias = tuple[float, float, float]
PLAIN = Grade(exposure=1.0, contrast=1.0, saturation=1.0, vignette=0.0, grain=0.004)
"""The grade that leaves a photograph as it is, but for the dither."""
TINT_LIGHT, TINT_DARK = 0.11, 0.055
MIDDLE = 0.45
"""The mean luma of a photograph by day."""
DARKEST = 0.42
MOST_THERE = 0.7
"""Of a tint, what a photograph may be credited with: a blue sky by day is not yet a night."""


def asked(brief: Brief, y: Plane, c: Plane) -> Grade:
    """The grade that `brief` asks for, of a photograph with these planes (luma 16…235, chroma around 0)."""
    grade = PLAIN
    for name in brief.weathers:
        row = table("weathers")[name]
        grey = float(row["grey"])
        grade = replace(
            grade,
            saturation=min(grade.saturation, 1 - 0.35 * grey),
            exposure=min(grade.exposure, (1 - 0.12 * grey) * float(row.get("exposure", 1.0))),
        )
    if brief.times:
        grade = _timed(grade, brief.times[0], y, c)
    names = [name for name in (*brief.moods, *brief.looks) if name not in brief.without]
    grade = styled(grade, names)
    return replace(grade, grain=0.0) if "grain" in brief.without else grade


def _timed(grade: Grade, time: str, y: Plane, c: Plane) -> Grade:
    row, day = table("times")[time], table("times")["day"]
    sun, sky = np.array(colour(row["sunlight"])), np.array(colour(row["ambient"]))
    noon = np.array(colour(day["sunlight"])), np.array(colour(day["ambient"]))
    light = (sun.mean() + sky.mean()) * float(row["exposure"])
    light /= (noon[0].mean() + noon[1].mean()) * float(day["exposure"])
    mean = float(y.mean() - 16) / 219
    gain = min(max(light ** (1 / 2.2), DARKEST), 1.0)
    # A photograph that is dark already is dimmed no further than a bright one would be.
    gain = min(max(gain, gain * MIDDLE / max(mean, 0.02)), 1.0)
    warm, cold = sun / sun.mean() - noon[0] / noon[0].mean(), sky / sky.mean() - noon[1] / noon[1].mean()
    # The cast of the photograph's bright parts along the tint that is wanted.
    wanted = np.array(chroma(_tint(TINT_LIGHT * warm))) * 224
    bright = y[::2, ::2][: c.shape[0], : c.shape[1]] >= np.percentile(y, 60)
    cast = c[bright].mean(axis=0) if bright.any() else np.zeros(2)
    share = 1 - np.clip(cast @ wanted / max(float(wanted @ wanted), 1e-6), 0, MOST_THERE)
    return replace(
        grade,
        exposure=grade.exposure * gain,
        tint_light=_tint(TINT_LIGHT * share * warm),
        tint_dark=_tint(TINT_DARK * share * cold),
    )


def _tint(values: Plane) -> Tint:
    r, g, b = (float(x) for x in values)
    return r, g, b


def chroma(tint: Tint) -> tuple[float, float]:
    """Cb and Cr of an RGB tint, in shares of their range."""
    luma = _luma(tint)
    return (tint[2] - luma) / 1.8556, (tint[0] - luma) / 1.5748


def _luma(tint: Tint) -> float:
    return 0.2126 * tint[0] + 0.7152 * tint[1] + 0.0722 * tint[2]


def graded(y: Plane, c: Plane, grade: Grade) -> tuple[Plane, Plane]:
    """Luma (H, W) and chroma (H/2, W/2, 2) under the curves of a grade, by the formulas of `develop`. Vignette and
    grain belong to the picture, not to the photograph."""
    if replace(grade, vignette=0.0, grain=0.0) == replace(PLAIN, vignette=0.0, grain=0.0):
        return y, c
    luma = np.clip((y - 16) / 219 * np.float32(grade.exposure), 0, 1)
    half = luma[::2, ::2][: c.shape[0], : c.shape[1]]
    keep = np.float32(1 - grade.fade)

    def tinted(plane: Plane, dark: float, light: float) -> Plane:
        return np.asarray((1 - plane) ** 2 * np.float32(dark) + plane**2 * np.float32(light), np.float32)

    out = (luma - np.float32(0.5)) * np.float32(grade.contrast) + np.float32(0.5)
    out += tinted(luma, _luma(grade.tint_dark), _luma(grade.tint_light))
    out = np.clip(grade.fade + out * keep, 0, 1) * np.float32(219) + np.float32(16)
    tone = c * np.float32(grade.exposure * grade.saturation * grade.contrast)
    dark, light = chroma(grade.tint_dark), chroma(grade.tint_light)
    tints = np.stack([tinted(half, dark[k], light[k]) for k in range(2)], axis=2)
    return out.astype(np.float32), ((tone + tints * np.float32(224)) * keep).astype(np.float32)
