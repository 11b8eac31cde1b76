"""How long it will take: by a formula before the first clip, by what was measured ever after.

The formula counts the model's arithmetic: forwards · (2·P·T + 4·L·T²·d) operations for P active parameters, T tokens,
L layers and width d. On an H200 real pipelines reached 5·10¹⁴ of them a second, which is `SHARE` of what a plain matrix
product reaches there; so any device's rate is read off a short product and multiplied by that share. What a clip took
is kept per recipe, device, size and placement in `timings.json` beside the weights.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.engines.diffusers.recipe import Recipe
from rushes.engines.diffusers.sizes import Schedule

SHARE = 5e14 / 7.9e14
LATEST = 0.5
"""The weight of the newest clip against those before."""


def tokens(recipe: Recipe, width: int, height: int, frames: int) -> int:
    cost = recipe.cost
    across, down = math.ceil(width / cost.pixels), math.ceil(height / cost.pixels)
    return across * down * ((frames - 1) // cost.frames + 1)


def operations(recipe: Recipe, width: int, height: int, frames: int) -> float:
    """Of one forward of the transformer."""
    cost, count = recipe.cost, float(tokens(recipe, width, height, frames))
    return 2 * cost.billions * 1e9 * count + 4 * cost.layers * count * count * cost.width


def step_seconds(recipe: Recipe, made: Schedule, rate: float) -> float:
    """Seconds per step by the formula, mean over the parts; `rate` is operations a second."""
    forwards = 1 if recipe.distilled else recipe.cost.forwards
    each = [operations(recipe, made.width, made.height, part.frames) for part in made.parts]
    return forwards * sum(each) / len(each) / rate


def measure_rate(device: str, seconds: float = 0.05) -> float:
    """Operations a second that a pipeline should reach on `device`, from a matrix product of some milliseconds."""
    import torch

    side, kind = (8192, torch.bfloat16) if device != "cpu" else (768, torch.float32)
    a = torch.ones((side, side), device=device, dtype=kind)

    def run() -> None:
        a @ a
        if device != "cpu":
            torch.cuda.synchronize(device)

    run()
    started, times = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        run()
        times += 1
    return SHARE * 2 * side**3 * times / (time.perf_counter() - started)


@dataclass
class Timing:
    """Seconds: for the prompt, for one step, and for decoding one part."""

    prompt: float
    step: float
    decode: float


class History:
    """What clips took, in one JSON file. Whatever is wrong with the file costs the estimate, never a clip."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> Timing | None:
        row = self._rows().get(key)
        with suppress(TypeError, KeyError, ValueError):
            if row:
                return Timing(float(row["prompt"]), float(row["step"]), float(row["decode"]))
        return None

    def add(self, key: str, new: Timing) -> None:
        old = self.get(key)
        if old is not None:
            new = Timing(*(LATEST * getattr(new, f) + (1 - LATEST) * getattr(old, f) for f in vars(new)))
        rows = {**self._rows(), key: vars(new)}
        draft = self._path.with_name(f".{self._path.name}-{os.getpid()}")
        with suppress(OSError):  # a full or read-only disk: the next estimate is by the formula again
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(rows, indent=1, sort_keys=True), "utf-8")
            draft.replace(self._path)

    def _rows(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            rows = json.loads(self._path.read_text("utf-8"))
            if isinstance(rows, dict):
                return rows
        return {}


class Pace:
    """The course of one job over its stages: the share that is done, the seconds left, and afterwards what it took."""

    def __init__(
        self, expected: Timing, parts: int, steps: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._expected, self._parts, self._steps, self._clock = expected, parts, steps, clock
        self._lock = threading.Lock()
        self._part, self._stage, self._since = 0, "", clock()
        self._done_steps, self._denoising = 0, 0.0
        self._spent = {"prompt": 0.0, "image": 0.0, "denoise": 0.0, "decode": 0.0}

    def begin_part(self, number: int) -> None:
        with self._lock:
            self._turn("")
            self._part, self._done_steps = number, 0

    def tell(self, stage: str, done: int, of: int) -> tuple[float, float]:
        """The share done of the whole job (0…1) and the seconds left."""
        with self._lock:
            if of:
                self._steps = of
            if stage != self._stage:
                self._turn(stage)
            if stage == "denoise":
                self._done_steps = done
            total = self._parts * self._part_seconds()
            behind = self._part * self._part_seconds() + self._in_part(stage)
            return min(1.0, behind / total), max(0.0, total - behind)

    def finish(self) -> Timing:
        """What the job took, per part and step."""
        with self._lock:
            self._turn("")
        steps = max(1, self._steps * self._parts)
        return Timing(
            (self._spent["prompt"] + self._spent["image"]) / self._parts,
            self._spent["denoise"] / steps,
            self._spent["decode"] / self._parts,
        )

    def _turn(self, stage: str) -> None:
        now = self._clock()
        if self._stage:
            self._spent[self._stage] += now - self._since
        self._stage, self._since = stage, now

    def _step(self) -> float:
        """Seconds per step: as it goes in this job, once two steps have shown it."""
        if self._stage == "denoise" and self._done_steps >= 2:
            return max(1e-6, (self._clock() - self._since) / self._done_steps)
        return self._expected.step

    def _part_seconds(self) -> float:
        return max(1e-3, self._expected.prompt + self._steps * self._step() + self._expected.decode)

    def _in_part(self, stage: str) -> float:
        if stage == "denoise":
            return self._expected.prompt + self._done_steps * self._step()
        if stage == "decode":
            return self._expected.prompt + self._steps * self._step()
        return 0.0
