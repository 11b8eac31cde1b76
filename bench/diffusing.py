"""What the diffusers engine and the whole product add to a call of the pipeline that they drive."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import bare
from bench.figures import Figure, in_turns, middle
from rushes.core.shot import Shot

STEPS, ROUNDS = 8, 5
SIZE, FPS = (208, 112), 8
PRODUCT_SIZE, PRODUCT_FPS, PRODUCT_STEPS = (96, 64), 4, 150
PRODUCT_ROUNDS, QUEUE = 4, 3


def diffusing() -> list[Figure]:
    return [overhead(), whole()]


def overhead() -> Figure:
    """The engine alone: planning, watching, previews, checking and cutting, on a model so small that none of it can hide.
    CPU seconds, so that a busy machine does not decide."""
    import torch

    from bench.models import PROMPT, TINY
    from rushes.engines.base import Unheard
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
