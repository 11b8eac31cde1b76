"""Sizes and lengths: what is delivered, what is generated, and in how many parts.

The models round what does not suit them, some silently, some by an error. So nothing is left to them: every size and
number of frames is worked out here, generated larger where it must be, and cut. A clip is exactly seconds × fps frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rushes.core.shot import Shot
from rushes.engines.base import Plan
from rushes.engines.diffusers.recipe import ClipRules, Recipe

STD_SCALE = 2 / 3
"""Mode *std* has two thirds of the sides of *pro*."""
SMALLEST_RATIO, LARGEST_RATIO = 0.4, 2.5


@dataclass(frozen=True)
class Part:
    """One run of the pipeline: `frames` generated, of which the first `drop` repeat the part before."""

    frames: int
    drop: int = 0


@dataclass(frozen=True)
class Schedule:
    """How a plan is made: generated `width` × `height` pixels, part after part."""

    plan: Plan
    width: int
    height: int
    parts: tuple[Part, ...]

    @property
    def pixels(self) -> int:
        """Of the largest part: what memory follows."""
        return self.width * self.height * max(part.frames for part in self.parts)


def plan_clip(recipe: Recipe, shot: Shot, image_size: tuple[int, int] | None) -> Plan:
    """What is delivered; `image_size` is (width, height)."""
    width, height = _delivered(recipe.clip, shot, image_size)
    fps = recipe.clip.fps
    return Plan(width=width, height=height, fps=fps, frames=shot.seconds * fps, sound=shot.sound)


def schedule(recipe: Recipe, plan: Plan) -> Schedule:
    clip = recipe.clip
    width, height = clip.canvas or (_up(plan.width, clip.multiple), _up(plan.height, clip.multiple))
    return Schedule(plan, width, height, parts(clip, plan.frames))


def parts(clip: ClipRules, frames: int) -> tuple[Part, ...]:
    """The fewest parts of at most the native length that give `frames` frames; each but the first begins with the
    last frame of the one before, which is dropped."""
    native = valid_frames(clip.native_seconds * clip.fps, clip.frame_step)
    made = [Part(min(native, valid_frames(frames, clip.frame_step)))]
    have = made[0].frames
    while have < frames:
        part = Part(min(native, valid_frames(frames - have + 1, clip.frame_step)), drop=1)
        made.append(part)
        have += part.frames - 1
    return tuple(made)


def valid_frames(least: int, step: int) -> int:
    """The smallest step·k + 1 that is at least `least`."""
    return math.ceil(max(0, least - 1) / step) * step + 1


def _delivered(clip: ClipRules, shot: Shot, image_size: tuple[int, int] | None) -> tuple[int, int]:
    scale = STD_SCALE if shot.mode == "std" else 1.0
    if shot.aspect_ratio is not None or image_size is None:
        width, height = clip.sizes[shot.aspect_ratio or "16:9"]
        return _even(width * scale), _even(height * scale)
    ratio = min(max(image_size[0] / image_size[1], SMALLEST_RATIO), LARGEST_RATIO)
    if clip.canvas is not None:  # the largest piece of the canvas with the image's shape
        across, down = clip.canvas
        return _even(min(across, down * ratio) * scale), _even(min(down, across / ratio) * scale)
    area = math.prod(clip.sizes["16:9"]) * scale * scale
    return _even(math.sqrt(area * ratio)), _even(math.sqrt(area / ratio))


def _even(x: float) -> int:
    """The even number not above `x`, so that a cut never exceeds what it is cut from."""
    return max(16, int(x + 1e-6) // 2 * 2)


def _up(x: int, multiple: int) -> int:
    return math.ceil(x / multiple) * multiple
