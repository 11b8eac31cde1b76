"""One shot through the loaded pipelines: part after part, told of, stoppable, and cleaned up after."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rushes.core.errors import BadOutput
from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.base import Control, Picture, Samples
from rushes.engines.diffusers import pictures
from rushes.engines.diffusers.eta import Pace
from rushes.engines.diffusers.families import FAMILIES
from rushes.engines.diffusers.loading import Loaded
from rushes.engines.diffusers.preview import Preview
from rushes.engines.diffusers.sizes import Part, Schedule

PREVIEW_EVERY = 2.0
"""Seconds between two previews."""
WORDS = {
    "": "",
    "prompt": "reading the prompt",
    "image": "reading the image",
    "denoise": "denoising",
    "decode": "decoding",
}


@dataclass
class Made:
    """The parts as bytes on the device with the frames to drop, the sound, and what is to be told of them."""

    parts: list[tuple[Any, int]] = field(default_factory=list)
    audio: Samples | None = None
    warnings: list[str] = field(default_factory=list)
    seams: list[float] = field(default_factory=list)


class Teller:
    """Turns the guard's stages into the job's progress: a share of the whole, and a word with the seconds left."""

    def __init__(self, control: Control, pace: Pace, parts: int) -> None:
        self._control, self._pace, self._parts = control, pace, parts
        self._share = 0.0
        self.part = 0
        self.stage = "prompt"

    def __call__(self, stage: str, done: int, of: int) -> None:
        self.stage = stage
        share, left = self._pace.tell(stage, done, of)
        self._share = max(self._share, share)
        words = WORDS[stage]
        if stage == "denoise" and of:
            words += f" {done}/{of}"
        if self._parts > 1:
            words += f", part {self.part + 1} of {self._parts}"
        if left >= 1:
            words += f", about {_span(left)} left"
        self._control.progress(Phase.RENDER, self._share, words)


def run(
    loaded: Loaded,
    shot: Shot,
    schedule: Schedule,
    image: Picture | None,
    control: Control,
    teller: Teller,
    pace: Pace,
    preview: Preview | None,
) -> Made:
    """Raises `Cancelled`, `BadOutput` and whatever the pipeline raises. `Loaded.clean` is owed afterwards."""
    import torch

    made = Made(warnings=_cut_prompts(loaded, shot, image is not None))
    generator = torch.Generator().manual_seed(shot.seed)
    start = None if image is None else fit(image, schedule.width, schedule.height)
    with loaded.guard.during(control, teller), torch.inference_mode():
        for number, part in enumerate(schedule.parts):
            teller.part = number
            pace.begin_part(number)
            loaded.guard.begin_part()
            video, audio, rate = _run_part(loaded, shot, schedule, part, start, generator, control, preview)
            made_part = pictures.to_bytes(video, schedule.plan)
            if part.drop:
                _check_seam(made, made_part)
            if schedule.plan.sound:
                made.audio = _sound(audio, rate, schedule)
            if number + 1 < len(schedule.parts):
                start = _last_frame(video)
            made.parts.append((made_part, part.drop))
    return made


def fit(image: Picture, width: int, height: int) -> Any:
    """A PIL image of exactly `width` × `height`: scaled until it covers them, and cut in the middle. Left to
    themselves, the pipelines would stretch it."""
    from PIL import Image, ImageOps

    return ImageOps.fit(Image.fromarray(image), (width, height), Image.Resampling.LANCZOS)


def _run_part(
    loaded: Loaded,
    shot: Shot,
    schedule: Schedule,
    part: Part,
    image: Any,
    generator: Any,
    control: Control,
    preview: Preview | None,
) -> tuple[Any, Any, int]:
    """(frames, 3, height, width) in 0…1, the sound if the model makes some, and its sampling rate."""
    recipe = loaded.recipe
    family, pipe = FAMILIES[recipe.family], loaded.pick(with_image=image is not None)
    takes = inspect.signature(pipe.__call__).parameters
    scale = recipe.guidance_at(shot.cfg_scale)
    arguments: dict[str, Any] = {
        "prompt": shot.prompt,
        "negative_prompt": shot.negative_prompt or recipe.negative_prompt,
        "width": schedule.width,
        "height": schedule.height,
        "num_frames": part.frames,
        "num_inference_steps": recipe.steps,
        "generator": generator,
        "output_type": "pt",
        **family.guide(pipe, recipe, scale),
        **recipe.call,
    }
    if family.timed:
        arguments["frame_rate"] = float(recipe.clip.fps)
    if "sample_audio" in takes:
        arguments["sample_audio"] = shot.sound
    if image is not None:
        arguments["image"] = image
    if preview is not None and "callback_on_step_end" in takes:
        preview.begin()
        arguments["callback_on_step_end"] = _showing(preview, _grid(pipe, schedule, part), control)
    output = pipe(**arguments)
    video = output.frames[0]
    if tuple(video.shape) != (part.frames, 3, schedule.height, schedule.width):
        raise BadOutput(
            f"the model made a tensor {tuple(video.shape)} where ({part.frames}, 3, {schedule.height},"
            f" {schedule.width}) was asked"
        )
    audio = getattr(output, "audio", None)
    return video, (None if audio is None else audio[0]), _rate(pipe)


def _showing(
    preview: Preview, grid: tuple[int, int, int], control: Control
) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    """The callback that shows a picture now and then."""
    shown_at = -PREVIEW_EVERY

    def show(pipe: Any, step: int, moment: Any, kept: dict[str, Any]) -> dict[str, Any]:
        nonlocal shown_at
        picture = preview.picture(kept["latents"], grid, wanted=time.monotonic() - shown_at >= PREVIEW_EVERY)
        if picture is not None:
            shown_at = time.monotonic()
            control.preview(picture)
        return kept

    return show


def _grid(pipe: Any, schedule: Schedule, part: Part) -> tuple[int, int, int]:
    """(frames, height, width) of the latents."""
    across = next(
        int(getattr(pipe, name))
        for name in ("vae_scale_factor_spatial", "vae_spatial_compression_ratio")
        if hasattr(pipe, name)
    )
    along = next(
        int(getattr(pipe, name))
        for name in ("vae_scale_factor_temporal", "vae_temporal_compression_ratio")
        if hasattr(pipe, name)
    )
    return (part.frames - 1) // along + 1, schedule.height // across, schedule.width // across


def _rate(pipe: Any) -> Any:
    config = getattr(getattr(pipe, "vocoder", None), "config", None)
    return getattr(pipe, "audio_sample_rate", 0) or getattr(config, "output_sampling_rate", 0)


def _sound(audio: Any, rate: int, schedule: Schedule) -> Samples:
    if audio is None:
        raise BadOutput("sound was asked of a model that made none")
    return pictures.sound(audio, rate, schedule.plan)


def _last_frame(video: Any) -> Any:
    """The last whole generated frame, uncut, as the next part's image."""
    from PIL import Image

    frame = (video[-1].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(frame))


def _check_seam(made: Made, after: Any) -> None:
    """The extension begins with a copy of the frame that it continues: how true it is, is the seam."""
    before = made.parts[-1][0][-1]
    made.seams.append(pictures.seam(before, after[0]))
    if made.seams[-1] > pictures.SEAM_LIMIT:
        made.warnings.append(
            f"the clip was extended, and the seam may show: {made.seams[-1]:.1f} of 255 levels on average"
        )


def _cut_prompts(loaded: Loaded, shot: Shot, with_image: bool) -> list[str]:
    """Prompts are cut without a word at the encoder's length; the client is told."""
    from transformers import PreTrainedTokenizerBase

    tokenizer = loaded.pick(with_image).tokenizer
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)  # a processor of pictures and text has one inside
    limit = int(loaded.recipe.call.get("max_sequence_length", loaded.recipe.prompt_tokens))
    told = []
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        for name in ("prompt", "negative_prompt"):
            count = len(tokenizer(getattr(shot, name), truncation=False, verbose=False)["input_ids"])
            if count > limit:
                told.append(f"the {name} has {count} tokens: the model read the first {limit}")
    return told


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
