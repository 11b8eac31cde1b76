"""The frame hook: one function between engine and encoder, where a watermark fits.

An entry point of the group `rushes.frames` makes a hook for each clip, in the studio, and the hook is then called once
for every frame, in order:

    def make_hook(request_id: str, shot: Shot, plan: Plan) -> FrameHook: ...

    def hook(picture: Picture, index: int) -> Picture: ...

It gets a picture of its own, in the form that the engine chose (RGB or yuv420p, see `Picture`), may draw into it, and
returns one of the same shape and type. It can therefore neither add nor drop a frame. Files that come encoded from an
upstream do not pass here. Without a hook the frames go to the encoder untouched and uncounted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from rushes.core.errors import EngineError, RushesError
from rushes.core.shot import Shot
from rushes.engines.base import Picture, Plan
from rushes.plugins import find, load

ENTRY_POINT_GROUP = "rushes.frames"

FrameHook: TypeAlias = Callable[[Picture, int], Picture]
HookMaker: TypeAlias = Callable[[str, Shot, Plan], FrameHook]


def require_hook(name: str) -> None:
    """Raises `SetupError` when no package offers the hook; loads nothing, for that is the studio's."""
    find(ENTRY_POINT_GROUP, "frame hook", name)


def load_hook(name: str) -> HookMaker:
    """Raises `SetupError`."""
    maker: HookMaker = load(ENTRY_POINT_GROUP, "frame hook", name)
    return maker


def hooked(frames: Iterator[Picture], hook: FrameHook, name: str) -> Iterator[Picture]:
    """`frames`, each after its pass through `hook`. Raises `EngineError` where the hook called `name` fails, or
    returns something of another shape or type."""
    for index, picture in enumerate(frames):
        # An engine may reuse one buffer or yield a read-only view of its tensor: the hook draws on a copy.
        own = np.array(picture)
        try:
            made = hook(own, index)
        except RushesError:
            raise
        except Exception as error:
            raise EngineError(
                f"frame hook '{name}' failed at frame {index}: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(made, np.ndarray) or (made.shape, made.dtype) != (own.shape, own.dtype):
            raise EngineError(
                f"frame hook '{name}' returned {_form(made)} for frame {index}: it must be {_form(picture)}"
            )
        yield made


def _form(thing: object) -> str:
    return f"{thing.dtype} {thing.shape}" if isinstance(thing, np.ndarray) else f"a {type(thing).__name__}"
