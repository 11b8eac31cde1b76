"""From a pipeline's last tensor to pictures: checked, cut and turned into bytes where the tensor lies.

A clip of 5 s at 720p is 1.3 GB as floats and 0.3 GB as bytes, so the floats are converted eight frames at a time and
let go; the bytes then come to the encoder in the same small pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rushes.core.errors import BadOutput
from rushes.engines.base import SAMPLE_RATE, Picture, Plan, Samples

CHUNK = 8
SEAM_LIMIT = 12.0
"""Levels (of 255) by which an extension's first frame may differ on average from the frame it continues."""


def to_bytes(video: Any, plan: Plan) -> Any:
    """`video` is (frames, 3, height, width) in 0…1, at least as large as the plan; the middle of it is kept, as uint8
    (frames, height, width, 3) on the same device. Raises `BadOutput` for values that are not finite."""
    import torch

    frames, _, height, width = video.shape
    top, left = (height - plan.height) // 2, (width - plan.width) // 2
    if top < 0 or left < 0:
        raise BadOutput(
            f"the model made {width}×{height} where at least {plan.width}×{plan.height} was asked"
        )
    made = torch.empty((frames, plan.height, plan.width, 3), dtype=torch.uint8, device=video.device)
    for start in range(0, frames, CHUNK):
        piece = video[start : start + CHUNK, :, top : top + plan.height, left : left + plan.width]
        if not torch.isfinite(piece.sum(dtype=torch.float64)):
            raise BadOutput(
                f"frames {start} to {start + len(piece) - 1} hold values that are not finite: the output is broken",
                advice="If it happens again, check the weights with `rushes pull RECIPE --verify`.",
            )
        scaled = piece.clamp(0, 1).mul(255).round_()
        made[start : start + CHUNK] = scaled.permute(0, 2, 3, 1).to(torch.uint8)
    return made


def stream(parts: list[tuple[Any, int]], count: int) -> Iterator[Picture]:
    """The first `count` frames of the parts (bytes, frames to drop), one by one, in the machine's memory."""
    left = count
    for made, drop in parts:
        end = min(len(made), drop + left)
        for start in range(drop, end, CHUNK):
            yield from made[start : min(start + CHUNK, end)].cpu().numpy()
        left -= end - drop
    if left:
        raise BadOutput(f"the model made {count - left} frames where {count} were asked")


def seam(before: Any, after: Any) -> float:
    """The mean difference, in levels, between the frame that was continued and what it became."""
    return float((before.float() - after.float()).abs().mean())


def sound(audio: Any, rate: int, plan: Plan) -> Samples:
    """`audio` is (channels, samples) or (samples,) at `rate`; as (2, n) at 48 kHz, exactly as long as the picture.
    Raises `BadOutput` for values that are not finite or a track that ends too early."""
    track = audio.detach().float().cpu().numpy()
    if not np.isfinite(track).all():
        raise BadOutput("the sound holds values that are not finite: the output is broken")
    track = np.atleast_2d(track)[:2]
    if len(track) == 1:
        track = np.repeat(track, 2, axis=0)
    if rate != SAMPLE_RATE:
        from math import gcd

        from scipy.signal import resample_poly

        common = gcd(SAMPLE_RATE, rate)
        track = resample_poly(track, SAMPLE_RATE // common, rate // common, axis=1)
    wanted = plan.frames * SAMPLE_RATE // plan.fps
    short = wanted - track.shape[1]
    if short > SAMPLE_RATE // 2:
        raise BadOutput(f"the sound ends {short / SAMPLE_RATE:.2f} s before the picture")
    fitted = np.pad(track[:, :wanted], ((0, 0), (0, max(0, short))))
    clipped: Samples = np.clip(fitted, -1.0, 1.0).astype(np.float32)
    return clipped
