"""An engine that writes down when it was first called, and draws next to nothing.

Made an installed distribution of one folder by `installed`, as any third party's engine is found.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.plugged import plugged
from rushes.core.shot import Shot
from rushes.engines.base import Capabilities, Control, Footprint, FrameClip, Picture, Plan

SIDES = {"16:9": (96, 54), "9:16": (54, 96), "1:1": (64, 64)}


class StampEngine:
    name = "stamp"

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._stamps = Path(options["stamps"])

    def capabilities(self) -> Capabilities:
        return Capabilities(sound=True)

    def plan(self, shot: Shot, image_size: tuple[int, int] | None) -> Plan:
        return Plan(*SIDES[shot.aspect_ratio or "16:9"], 4, shot.seconds * 4, shot.sound)

    def footprint(self) -> Footprint:
        return Footprint(memory=1_000_000, load_seconds=0.1)

    def load(self, control: Control) -> None:
        control.check()

    def render(
        self, shot: Shot, plan: Plan, image: Picture | None, control: Control, folder: Path
    ) -> FrameClip:
        (self._stamps / shot.prompt).write_text(repr(time.time()))
        return FrameClip(plan, self._frames(plan), lazy=True)

    def unload(self) -> None:
        return

    def _frames(self, plan: Plan) -> Iterator[Picture]:
        for number in range(plan.frames):
            yield np.full((plan.height, plan.width, 3), (number * 40) % 250, np.uint8)


@contextmanager
def installed(folder: Path) -> Iterator[Path]:
    """A cards folder that gives every request to this engine; `stamps` lies beside it."""
    (folder / "stamps").mkdir()
    (folder / "cards").mkdir()
    (folder / "cards" / "stamp.toml").write_text(
        f'id = "kling-v2-6"\n[engine]\nname = "stamp"\nstamps = "{folder / "stamps"}"\n'
    )
    with plugged(folder, "stamp", "bench.stamp_engine:StampEngine"):
        yield folder / "cards"
