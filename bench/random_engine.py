"""The diffusers engine over random weights, as an engine of its own, so that the whole product can be measured on models
that nobody has downloaded. It writes down when the device got its first work of each clip and when its last was done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bench.models import MODELS, TINY
from rushes.core.shot import Shot
from rushes.engines.base import Control, FrameClip, Picture, Plan
from rushes.engines.diffusers import DiffusersEngine


class RandomEngine(DiffusersEngine):
    """`model` is one of `bench.models`, `stamps` the file of the times; `size` and `fps` as in `Model.adjusted`."""

    name = "random"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        given = dict(options or {})
        self._model = (MODELS | TINY)[given.pop("model")]
        self._stamps = Path(given.pop("stamps"))
        width, height = given.pop("size")
        fps = given.pop("fps")
        super().__init__({"recipe": self._model.recipe, **given})
        self.recipe = self._model.adjusted((width, height), fps, self.recipe.steps)

    def load(self, control: Control) -> None:
        device = self.footprint().device
        if device == "cpu":
            torch.set_num_threads(1)  # as on the other side
        self.adopt(self._model.make(device))

    def render(
        self, shot: Shot, plan: Plan, image: Picture | None, control: Control, folder: Path
    ) -> FrameClip:
        began: list[float] = []

        def first(*_: Any) -> None:
            if not began:
                began.append(time.monotonic())

        hook = self.pipelines[0].text_encoder.register_forward_pre_hook(first)
        try:
            clip = super().render(shot, plan, image, control, folder)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
        finally:
            hook.remove()
        with self._stamps.open("a") as file:
            file.write(f"{began[0]} {time.monotonic()}\n")
        return clip
