"""The self-test of `rushes doctor --engine`: whether a recipe really works on this machine, and how fast.

Tests without weights can claim much, but not that a real checkpoint on a real GPU makes pictures. So this loads it,
makes clips of one second and looks: is the picture finite, neither blank nor frozen? Do prompt and seed change it, and
does the same seed give the same again? How long is a step, how much memory does it take, how wrong was the estimate?
What the picture is worth is for the operator's eyes: the first clip is left where he asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.base import FrameClip, Picture
from rushes.engines.diffusers import sizes
from rushes.engines.diffusers.engine import DiffusersEngine
from rushes.engines.diffusers.recipe import GIB

SHOT = Shot(
    prompt="a lighthouse on a cliff, waves breaking, clouds moving", seconds=1, aspect_ratio="16:9", seed=1
)
QUICK_STEPS = 4
"""For the clips that are only compared."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """One line of the result; `good` is None where there is nothing to judge."""

    name: str
    text: str
    good: bool | None = None


class Watcher:
    """A `Control` that passes on what the engine says, and is never cancelled."""

    cancelled = False

    def __init__(self, say: Say) -> None:
        self._say = say

    def check(self) -> None:
        """Nobody stops a self-test but Ctrl-C."""

    def progress(self, phase: Phase, fraction: float, note: str = "") -> None:
        self._say(f"{phase} {100 * fraction:.0f} % {note}")

    def preview(self, picture: Picture) -> None:
        """Nobody looks before the end."""


def self_test(engine: DiffusersEngine, say: Say, keep: Path | None = None) -> Iterator[Found]:
    """Load `engine`, try it, unload it. `say` hears the progress, `keep` is where the first clip goes as an MP4.
    Raises what loading and rendering raise."""
    control = Watcher(say)
    engine.load(control)
    try:
        yield from _look(engine, control, keep)
    finally:
        engine.unload()


def _look(engine: DiffusersEngine, control: Watcher, keep: Path | None) -> Iterator[Found]:
    loaded, recipe = engine.footprint(), engine.recipe
    devices = ", ".join([loaded.device, *loaded.others])
    yield Found("load", f"{loaded.load_seconds:.1f} s on {devices}, {engine.placement}")
    shot = SHOT
    image = None if recipe.text else _photo()
    clip = _render(engine, shot, image, control)
    first = _frames(clip)
    step = float(clip.report.details["seconds_per_step"])
    guess = engine.first_estimate(sizes.schedule(recipe, clip.plan)).step
    yield Found(
        "picture",
        f"{clip.plan.width}×{clip.plan.height}, {len(first)} frames",
        len(first) == clip.plan.frames,
    )
    yield Found("contrast", f"{first.std():.1f} levels", bool(first.std() > 2))
    moved = float(np.abs(np.diff(first.astype(np.int16), axis=0)).mean())
    yield Found("motion", f"{moved:.2f} levels from frame to frame", bool(moved > 0.01))
    if clip.audio is not None:
        yield Found(
            "sound", f"{20 * np.log10(max(1e-9, clip.audio.std())):.0f} dB", bool(clip.audio.std() > 1e-4)
        )
    yield Found("speed", f"{step:.3f} s a step, {recipe.steps} steps")
    yield Found("estimate", f"the formula said {guess:.3f} s a step: {100 * (guess / step - 1):+.0f} %")
    yield Found("memory", f"{engine.footprint().memory / GIB:.1f} GiB at its peak")
    if keep is not None:
        _write(clip, first, keep)
        yield Found("clip", str(keep))
    engine.recipe = msgspec.structs.replace(recipe, steps=min(recipe.steps, QUICK_STEPS))
    base = _frames(_render(engine, shot, image, control))
    again = _frames(_render(engine, shot, image, control))
    yield Found(
        "repeat",
        "the same clip" if np.array_equal(base, again) else "not the same clip",
        np.array_equal(base, again),
    )
    for name, changed in (
        ("seed", msgspec.structs.replace(shot, seed=2)),
        ("prompt", msgspec.structs.replace(shot, prompt="a red car in a desert, seen from above")),
    ):
        other = _frames(_render(engine, changed, image, control))
        differs = float(np.abs(base.astype(np.int16) - other).mean())
        yield Found(name, f"another clip by {differs:.1f} levels", bool(differs > 1))
    engine.recipe = recipe


def _render(engine: DiffusersEngine, shot: Shot, image: Picture | None, control: Watcher) -> FrameClip:
    shot = msgspec.structs.replace(shot, has_image=image is not None, sound=engine.recipe.sound)
    with TemporaryDirectory(prefix="rushes-") as folder:
        return engine.render(shot, engine.plan(shot, None), image, control, Path(folder))


def _frames(clip: FrameClip) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.stack(list(clip.frames))


def _photo() -> Picture:
    """A smooth landscape of three bands, for models that start from an image."""
    rows, columns = np.mgrid[0:720, 0:1280]
    sky = np.stack([120 + rows // 8, 160 + rows // 10, np.full_like(rows, 220)], axis=-1)
    land = np.stack([60 + columns // 16, 110 + rows // 16, np.full_like(rows, 60)], axis=-1)
    return np.where((rows > 400)[..., None], land, sky).astype(np.uint8)


def _write(clip: FrameClip, frames: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], path: Path) -> None:
    from rushes.media.encode import write_video

    plan = clip.plan
    write_video(
        frames, path, width=plan.width, height=plan.height, fps=plan.fps, count=plan.frames, audio=clip.audio
    )
