"""The self-test of `rushes doctor --engine`: whether a recipe really works on this machine, and how fast.

Tests without weights can claim much, but not that a real checkpoint on a real GPU makes pictures. So this loads it,
makes clips of one second and looks: is the picture finite, neither blank nor frozen? Does the same shot give the same
again, and does each thing that the recipe heeds change it? How long is a step, how much memory does it take, how wrong
was the estimate? What the picture is worth is for the operator's eyes: the first clip is left where he asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias

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
CHANGES: dict[str, tuple[str, Any]] = {
    "prompt": ("prompt", "a red car in a desert, seen from above"),
    "seed": ("seed", 2),
    "negative": ("negative_prompt", "sea, clouds"),
    "cfg": ("cfg_scale", 1.0),
}
"""What is tried of all that a recipe may heed: a shot's field, and its value."""
QUICK_STEPS = 4
"""For the clips that are only compared."""
NOISE = 3.0
"""A change must change the clip by more than so many times what two clips of the same shot differ by."""
ARITHMETIC = 0.02
"""Seconds of a step by the formula from which on it is judged. Below, it is not arithmetic that a step takes long for."""
OFF = 2.0
"""How many times too short or too long an estimate may be."""

Say = Callable[[str], None]
Frames: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
Level = Literal["info", "ok", "warn", "fail"]


@dataclass(frozen=True)
class Found:
    """One line of the result; "info" is where there is nothing to judge."""

    name: str
    text: str
    level: Level = "info"
    advice: str = ""


class Watcher:
    """A `Control` that passes on what the engine says of the clip for `name`, and is never cancelled."""

    cancelled = False
    name = "load"

    def __init__(self, say: Say) -> None:
        self._say = say

    def check(self) -> None:
        """Nobody stops a self-test but Ctrl-C."""

    def progress(self, phase: Phase, fraction: float, note: str = "") -> None:
        self._say(f"{self.name}: {100 * fraction:.0f} % {note}")

    def preview(self, picture: Picture) -> None:
        """Nobody looks before the end."""


def self_test(engine: DiffusersEngine, say: Say, keep: Path | None = None) -> Iterator[Found]:
    """Load `engine`, try it, unload it. `say` hears the progress, `keep` is where the first clip goes as an MP4.
    Raises what loading and rendering raise."""
    control = Watcher(say)
    engine.load(control)
    try:
        loaded = engine.footprint()
        devices = ", ".join([loaded.device, *loaded.others])
        yield Found("load", f"{loaded.load_seconds:.1f} s on {devices}, {engine.placement}")
        yield from _signal(engine, control, keep)
        yield from _causes_and_speed(engine, control)
        yield Found("memory", f"{engine.footprint().memory / GIB:.1f} GiB at its peak")
    finally:
        engine.unload()


def _signal(engine: DiffusersEngine, control: Watcher, keep: Path | None) -> Iterator[Found]:
    """One clip with all its steps."""
    control.name = "clip"
    clip = _render(engine, SHOT, _first_image(engine), control)
    frames = _frames(clip)
    whole = len(frames) == clip.plan.frames
    yield Found("picture", f"{clip.plan.width}×{clip.plan.height}, {len(frames)} frames", _ok(whole))
    yield Found("contrast", f"{frames.std():.1f} levels", _ok(frames.std() > 2))
    moved = float(np.abs(np.diff(frames.astype(np.int16), axis=0)).mean())
    yield Found("motion", f"{moved:.2f} levels from frame to frame", _ok(moved > 0.01))
    if clip.audio is not None:
        loud = float(clip.audio.std())
        yield Found("sound", f"{20 * np.log10(max(1e-9, loud)):.0f} dB", _ok(loud > 1e-4))
    if keep is not None:
        _write(clip, frames, keep)
        yield Found("clip", str(keep))


def _causes_and_speed(engine: DiffusersEngine, control: Watcher) -> Iterator[Found]:
    """Clips of few steps: twice the same one, then one for each change."""
    recipe, able = engine.recipe, engine.capabilities()
    engine.recipe = msgspec.structs.replace(recipe, steps=min(recipe.steps, QUICK_STEPS))
    image = _first_image(engine)
    control.name = "repeat"
    base = _frames(_render(engine, SHOT, image, control))
    clip = _render(engine, SHOT, image, control)  # what is compiled or chosen at the first clip is behind it
    again = _frames(clip)
    same = np.array_equal(base, again)
    yield Found("repeat", "the same clip" if same else "not the same clip", _ok(same))
    least = NOISE * _difference(base, again)
    tried = [
        (name, msgspec.structs.replace(SHOT, **{field: value}), image)
        for name, (field, value) in CHANGES.items()
        if field == "prompt" or field in able.honours
    ]
    if able.image_to_video:
        tried.append(("image", SHOT, _photo()[::-1].copy()))
    for control.name, shot, picture in tried:
        differs = _difference(base, _frames(_render(engine, shot, picture, control)))
        yield Found(control.name, f"another clip by {differs:.2g} levels", _ok(differs > least))
    step = float(clip.report.details["seconds_per_step"])
    yield Found("speed", f"{step:.3f} s a step; a clip has {recipe.steps}")
    yield judged(engine.first_estimate(sizes.schedule(recipe, clip.plan)).step, step)


def judged(guess: float, step: float) -> Found:
    """The seconds of a step that the formula gave, held against those that it took."""
    if guess < ARITHMETIC:
        return Found(
            "estimate",
            f"not judged: by the formula {guess:.3f} s of a step are arithmetic, and what else it takes is not counted",
        )
    off = f"{100 * abs(guess / step - 1):.0f} % too {'short' if guess < step else 'long'}"
    text = f"the formula said {guess:.3f} s a step, {off}"
    if 1 / OFF <= guess / step <= OFF:
        return Found("estimate", text, "ok")
    return Found(
        "estimate",
        text,
        "warn",
        "The time left is told wrong by that much, but only for the first clip of each size: then what was measured"
        " counts.",
    )


def _ok(good: bool | np.bool) -> Level:
    return "ok" if good else "fail"


def _difference(a: Frames, b: Frames) -> float:
    """Levels, on average."""
    return float(np.abs(a.astype(np.int16) - b).mean())


def _first_image(engine: DiffusersEngine) -> Picture | None:
    return None if engine.recipe.text else _photo()


def _render(engine: DiffusersEngine, shot: Shot, image: Picture | None, control: Watcher) -> FrameClip:
    shot = msgspec.structs.replace(shot, has_image=image is not None, sound=engine.recipe.sound)
    with TemporaryDirectory(prefix="rushes-") as folder:
        return engine.render(shot, engine.plan(shot, None), image, control, Path(folder))


def _frames(clip: FrameClip) -> Frames:
    return np.stack(list(clip.frames))


def _photo() -> Picture:
    """A smooth landscape of three bands, for models that start from an image."""
    rows, columns = np.mgrid[0:720, 0:1280]
    sky = np.stack([120 + rows // 8, 160 + rows // 10, np.full_like(rows, 220)], axis=-1)
    land = np.stack([60 + columns // 16, 110 + rows // 16, np.full_like(rows, 60)], axis=-1)
    return np.where((rows > 400)[..., None], land, sky).astype(np.uint8)


def _write(clip: FrameClip, frames: Frames, path: Path) -> None:
    from rushes.media.encode import write_video

    plan = clip.plan
    write_video(
        frames, path, width=plan.width, height=plan.height, fps=plan.fps, count=plan.frames, audio=clip.audio
    )
