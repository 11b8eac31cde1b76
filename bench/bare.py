"""A clip as diffusers' own pages make it: one call of the pipeline, then its own writer. What everything is held against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rushes.core.shot import Shot
from rushes.engines.diffusers import sizes
from rushes.engines.diffusers.families import FAMILIES
from rushes.engines.diffusers.recipe import Recipe


def pictures(pipe: Any, recipe: Recipe, shot: Shot) -> Any:
    """What the pipeline gives for the first part of `shot`, with frames as numpy arrays."""
    import torch

    made = sizes.schedule(recipe, sizes.plan_clip(recipe, shot, None))
    family = FAMILIES[recipe.family]
    return pipe(
        prompt=shot.prompt,
        negative_prompt=recipe.negative_prompt,
        width=made.width,
        height=made.height,
        num_frames=made.parts[0].frames,
        num_inference_steps=recipe.steps,
        generator=torch.Generator().manual_seed(shot.seed),
        output_type="np",
        **({"frame_rate": float(recipe.clip.fps)} if family.timed else {}),
        **family.guide(pipe, recipe, recipe.guidance.scale),
        **recipe.call,
    )


def clip(pipe: Any, recipe: Recipe, shot: Shot, path: Path) -> None:
    """The same as an MP4, with the sound that the model makes."""
    from diffusers.utils import encode_video

    made = pictures(pipe, recipe, shot)
    sound: dict[str, Any] = {}
    if (audio := getattr(made, "audio", None)) is not None:
        rate = pipe.vocoder.config.output_sampling_rate
        sound = {"audio": audio[0].float().cpu(), "audio_sample_rate": rate}
    encode_video(made.frames[0], fps=recipe.clip.fps, output_path=str(path), **sound)
