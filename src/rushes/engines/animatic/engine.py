"""The engine itself: what it can do, the size of its clips, and the way from a shot to frames.

Making one and planning load nothing heavy; numba and OpenCV come with `load`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from rushes.core.errors import SetupError
from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.animatic.ahead import ahead, threads
from rushes.engines.base import Capabilities, Control, Footprint, FrameClip, Picture, Plan

SIZES = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1)}
OPTIONS = {"height": (64, 1440), "fps": (1, 60), "quality": (0.25, 1.0)}
DEFAULTS: dict[str, float] = {"height": 1080, "fps": 24, "quality": 2 / 3}
LARGEST_RATIO = 2.5


class AnimaticEngine:
    """Options (TOML of the card): `height`, the short side of mode *pro* in pixels (mode *std* is two thirds of it);
    `fps`; `quality`, the share of that side that is rendered before enlarging (never below 720 rows of a clip that
    has them)."""

    name = "animatic"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        options = options or {}
        for key, value in options.items():
            if key not in OPTIONS:
                raise SetupError(
                    f"engine animatic: option '{key}' is not known; options: {', '.join(OPTIONS)}",
                    advice="Correct the [engine] table of the card.",
                )
            low, high = OPTIONS[key]
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise SetupError(
                    f"engine animatic: option '{key}' is {value!r}; allowed: a number from {low} to {high}",
                    advice="Correct the [engine] table of the card.",
                )
        chosen = {**DEFAULTS, **options}
        self._short = int(chosen["height"])
        self._fps = int(chosen["fps"])
        self._quality = float(chosen["quality"])

    def capabilities(self) -> Capabilities:
        return Capabilities(
            sound=True,
            max_seconds=30,
            description="An animatic preview: a 3D scene read from the prompt and rendered on the CPU.",
            source="algorithmicMedia",
        )

    def plan(self, shot: Shot, image_size: tuple[int, int] | None) -> Plan:
        short = self._short if shot.mode == "pro" else max(self._short * 2 // 3, 64)
        area = short * short * 16 / 9
        if shot.aspect_ratio is None and image_size is not None:
            ratio = min(max(image_size[0] / image_size[1], 1 / LARGEST_RATIO), LARGEST_RATIO)
            width, height = _even(math.sqrt(area * ratio)), _even(math.sqrt(area / ratio))
        else:
            across, down = SIZES[shot.aspect_ratio or "16:9"]
            width, height = _even(short * across / min(across, down)), _even(short * down / min(across, down))
        return Plan(
            width=width, height=height, fps=self._fps, frames=shot.seconds * self._fps, sound=shot.sound
        )

    def footprint(self) -> Footprint:
        return Footprint(memory=500_000_000 + 200_000_000 * threads(), device="cpu", load_seconds=10.0)

    def load(self, control: Control) -> None:
        # What draws in every clip comes with it.
        import rushes.engines.animatic.film  # noqa: F401
        from rushes.engines.animatic.warm import read

        read()
        control.progress(Phase.LOAD, 1.0, "ready")

    def preparation(self) -> tuple[str, ...]:
        from rushes.engines.animatic import cache

        return () if cache.complete() else ("-m", "rushes.engines.animatic.warm")

    def render(
        self, shot: Shot, plan: Plan, image: Picture | None, control: Control, folder: Path
    ) -> FrameClip:
        from rushes.engines.animatic.film import film
        from rushes.engines.animatic.post.tone import glance

        control.progress(Phase.RENDER, 0.0, "reading the prompt")
        made = film(shot, plan, image, self.rendered(plan), control)

        def frames() -> Iterator[Picture]:
            control.progress(Phase.RENDER, 0.0)
            with closing(ahead(made.frame, plan.frames)) as drawn:
                for number, frame in enumerate(drawn):
                    if number % plan.fps == 0:
                        control.preview(glance(frame.reshape(-1), plan.width, plan.height))
                    yield frame
                    control.progress(Phase.RENDER, (number + 1) / plan.frames)

        audio = made.sound() if plan.sound else None
        return FrameClip(plan=plan, frames=frames(), audio=audio, report=made.report, lazy=True)

    def rendered(self, plan: Plan) -> tuple[int, int]:
        """The size that is drawn before enlarging: `quality` of the plan, but not below 720 on the short side."""
        short = min(plan.width, plan.height)
        scale = min(1.0, max(self._quality, 720 / short))
        return _even(plan.width * scale), _even(plan.height * scale)

    def unload(self) -> None:
        """Nothing to give back: the compiled kernels go with the process."""


def _even(x: float) -> int:
    return max(2, round(x / 2) * 2)
