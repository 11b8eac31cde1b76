"""What the diffusers engine and the whole product add to a call of the pipeline that they drive, and how soon a cancel
is obeyed."""

from __future__ import annotations

import math
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import bare
from bench.figures import Figure, in_turns, middle
from rushes.core.errors import Cancelled
from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.base import Unheard

STEPS, ROUNDS = 8, 5
SIZE, FPS = (208, 112), 8
PRODUCT_SIZE, PRODUCT_FPS, PRODUCT_STEPS = (96, 64), 4, 150
PRODUCT_ROUNDS, QUEUE = 4, 3
BLOCKS, CANCELS = 40, 8


def diffusing() -> list[Figure]:
    return [overhead(), whole(), cancel()]


def overhead() -> Figure:
    """The engine alone: planning, watching, previews, checking and cutting, on a model so small that none of it can hide.
    CPU seconds, so that a busy machine does not decide."""
    import torch

    from bench.models import PROMPT, TINY
    from rushes.engines.diffusers import DiffusersEngine

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = TINY["tiny"]
    pipe, own = model.make("cpu"), model.make("cpu")
    shot = Shot(prompt=PROMPT, aspect_ratio="16:9", seed=1)
    with TemporaryDirectory(prefix="rushes-bench-") as folder:
        engine = DiffusersEngine({"recipe": model.recipe, "models": folder, "device": "cpu"})
        engine.recipe = model.adjusted(SIZE, FPS, STEPS)
        engine.adopt(own)
        plan = engine.plan(shot, None)

        def called() -> float:
            started = time.process_time()
            (bare.pictures(pipe, engine.recipe, shot).frames[0] * 255).round().astype("uint8")
            return time.process_time() - started

        def rendered() -> float:
            started = time.process_time()
            for _ in engine.render(shot, plan, None, Unheard(), Path(folder)).frames:
                pass
            return time.process_time() - started

        in_turns(1, called, rendered)
        pairs = in_turns(ROUNDS, called, rendered)
    torch.set_num_threads(threads)
    more = middle(b - a for a, b in pairs)
    return Figure(
        what="diffusers engine, a clip as pictures",
        against="the bare pipeline, as pictures",
        value=middle(b / a for a, b in pairs),
        unit=" ×",
        at_most=1.02,
        told=f"processor time of {ROUNDS} pairs; {more:+.2f} s of {middle(a for a, _ in pairs):.1f} s",
    )


def whole() -> Figure:
    """From the POST to the finished MP4, over HTTP and through worker and studio. By the clock: the product's processes
    are what is measured."""
    from bench.models import TINY
    from bench.product import measure

    made = measure(
        "tiny",
        TINY["tiny"],
        "cpu",
        PRODUCT_SIZE,
        PRODUCT_FPS,
        PRODUCT_STEPS,
        rounds=PRODUCT_ROUNDS,
        queue=QUEUE,
    )
    by_hand = middle(a.wall for a, _ in made.pairs)
    more = middle(b.wall - a.wall for a, b in made.pairs)
    cpu = middle(b.cpu - a.cpu for a, b in made.pairs)
    return Figure(
        what="diffusers engine, POST to the finished MP4",
        against="the bare pipeline and its export",
        value=middle(b.wall / a.wall for a, b in made.pairs),
        unit=" ×",
        at_most=round(max(1.02, 1 + 0.3 / by_hand), 3),
        told=f"by the clock, {len(made.pairs)} pairs in turns; {more:+.2f} s of {by_hand:.1f} s, where 0.3 s or 2 % more"
        f" are aimed at; processor time of all processes {cpu:+.2f} s; between two clips that wait the device has no"
        f" work for {middle(made.gaps):.2f} s",
    )


class Stops(Unheard):
    """Cancelled `after` seconds of the second step."""

    def __init__(self, after: float) -> None:
        self._after = after
        self.at = math.inf

    @property
    def cancelled(self) -> bool:  # type: ignore[override]
        return time.monotonic() >= self.at

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled

    def progress(self, phase: Phase, fraction: float, note: str = "") -> None:
        if note.startswith("denoising 1/") and math.isinf(self.at):
            self.at = time.monotonic() + self._after


def cancel() -> Figure:
    """Stopped at moments all over a step of as many blocks as the large models have: the longest wait until the engine
    is free, with everything of the job let go."""
    import torch

    from bench.models import PROMPT, SMALL_VAE, Model, wan
    from rushes.engines.diffusers import DiffusersEngine

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    make = wan(heads=4, head=64, ffn=1024, layers=BLOCKS, text=(32, 2), vae=SMALL_VAE)
    model = Model("wan2.1-1.3b", make, BLOCKS, 256, tiny=True)
    shot = Shot(prompt=PROMPT, aspect_ratio="16:9", seed=1)
    with TemporaryDirectory(prefix="rushes-bench-") as folder:
        engine = DiffusersEngine({"recipe": model.recipe, "models": folder, "device": "cpu"})
        engine.recipe = model.adjusted((64, 32), 2, 2)
        engine.adopt(model.make("cpu"))
        plan = engine.plan(shot, None)
        details = engine.render(shot, plan, None, Unheard(), Path(folder)).report.details
        step, waits = float(details["seconds_per_step"]), []
        for number in range(CANCELS):
            control = Stops(step * number / CANCELS)
            try:
                engine.render(shot, plan, None, control, Path(folder))
            except Cancelled:
                waits.append(time.monotonic() - control.at)
    torch.set_num_threads(threads)
    return Figure(
        what="diffusers engine, cancel inside a step until it is free",
        against="the end of the step",
        value=max(waits, default=math.inf),
        unit=" s",
        at_most=0.1,
        told=f"by the clock, the longest of {len(waits)} waits, at moments all over a step of {step:.1f} s and {BLOCKS}"
        f" blocks; {middle(waits):.3f} s in the middle",
    )
