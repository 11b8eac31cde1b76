"""What the diffusers engine adds to a call of the pipeline that it drives: planning, watching, previews, checking and
cutting, on a model so small that none of it can hide. CPU seconds, so that a busy machine does not decide."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.figures import Figure, in_turns, middle
from rushes.core.shot import Shot

STEPS, ROUNDS = 8, 5
SIZE = (208, 112)


def overhead() -> list[Figure]:
    import torch

    from bench.gpu import TINY, Silent, build, small
    from rushes.engines.diffusers import DiffusersEngine, sizes

    torch.set_num_threads(1)
    bare, own = build(TINY["tiny"], "cpu"), build(TINY["tiny"], "cpu")
    bare.set_progress_bar_config(disable=True)
    shot = Shot(prompt="waves on a beach", aspect_ratio="16:9", seed=1)
    with TemporaryDirectory(prefix="rushes-bench-") as folder:
        engine = DiffusersEngine({"recipe": TINY["tiny"].recipe, "models": folder, "device": "cpu"})
        recipe = small(engine.recipe)
        clip = msgspec.structs.replace(recipe.clip, sizes={"16:9": SIZE}, fps=8)
        engine.recipe = msgspec.structs.replace(recipe, steps=STEPS, clip=clip)
        engine.adopt(own)
        plan = engine.plan(shot, None)
        made = sizes.schedule(engine.recipe, plan)

        def called() -> float:
            started = time.process_time()
            output = bare(
                prompt=shot.prompt,
                negative_prompt=engine.recipe.negative_prompt,
                width=made.width,
                height=made.height,
                num_frames=made.parts[0].frames,
                num_inference_steps=STEPS,
                guidance_scale=engine.recipe.guidance.scale,
                generator=torch.Generator().manual_seed(shot.seed),
                output_type="np",
            )
            (output.frames[0] * 255).round().astype("uint8")
            return time.process_time() - started

        def rendered() -> float:
            started = time.process_time()
            for _ in engine.render(shot, plan, None, Silent(), Path(folder)).frames:
                pass
            return time.process_time() - started

        in_turns(1, called, rendered)
        pairs = in_turns(ROUNDS, called, rendered)
    ratio = middle(b / a for a, b in pairs)
    more = middle(b - a for a, b in pairs)
    told = f"{ROUNDS} pairs on the CPU; {more:+.2f} s of {middle(a for a, _ in pairs):.1f} s"
    return [
        Figure(
            what="diffusers engine, a clip as pictures",
            against="the bare pipeline, as pictures",
            value=ratio,
            unit=" ×",
            at_most=1.02,
            told=told,
        )
    ]
