"""The shot: one checked, normalised ask, the same whichever dialect it came in."""

from __future__ import annotations

from typing import Literal

import msgspec

AspectRatio = Literal["16:9", "9:16", "1:1"]

MAX_SEED = 2**31 - 1


class Shot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to make. `aspect_ratio` None means the image's own, or 16:9 without an image.

    `has_image` says that a checked image stands in the store for this request; the ledger's row names its key,
    because it changes when a URL has been fetched while the shot never does.
    `prompt` and `negative_prompt` are at most 2500 characters, `seconds` is 5 or 10, `cfg_scale` 0…1,
    `seed` 0…2^31-1 and always present: a missing one is drawn at submit, so that a retry is the same shot.
    """

    prompt: str = ""
    negative_prompt: str = ""
    has_image: bool = False
    seconds: int = 5
    aspect_ratio: AspectRatio | None = None
    cfg_scale: float = 0.5
    sound: bool = False
    mode: str = "pro"
    seed: int = 0
