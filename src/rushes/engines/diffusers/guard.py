"""The guard: how a running pipeline tells where it is, and how it is stopped inside a step.

A pipeline's own way to stop waits for the end of the step, then decodes the half-made latents and returns them. So the
guard raises instead: before every block of every component it looks whether the job should stop, and the exception
unwinds the whole call. The same look tells which component is at work. Compiled blocks are watched from outside, so
that the look is never compiled away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rushes.engines.base import Control

STAGES = {
    "text_encoder": "prompt",
    "image_encoder": "prompt",
    "connectors": "prompt",
    "transformer": "denoise",
    "vae": "decode",
    "audio_vae": "decode",
    "vocoder": "decode",
}
"""The stage that a component's work belongs to; numbered twins (`transformer_2`) go with the first. A VAE that works
before the first step encodes an image."""

ALIVE = 5.0
"""Seconds after which a long step says again that it is at work: whoever hears nothing takes it for hung."""

Tell = Callable[[str, int, int], None]


class Guard:
    """Watches the components of the pipelines it is given, once each. `during` a job it obeys the job's control."""

    def __init__(self) -> None:
        self._control: Control | None = None
        self._tell: Tell | None = None
        self._stage = ""
        self._steps_done = 0
        self._steps = 0
        self._told_at = 0.0
        self._armed: set[int] = set()
        self.word: Callable[[bool], None] = lambda _: None
        """Told at each look whether the work goes on: other ranks may wait for that."""

    @contextmanager
    def during(self, control: Control, tell: Tell) -> Iterator[None]:
        """`tell(stage, k, n)` hears of each new stage and each step."""
        self._control, self._tell = control, tell
        self.begin_part()
        try:
            yield
        finally:
            self._control = self._tell = None

    def watch(self, components: Mapping[str, Any]) -> None:
        """Arm every block of every component that is a torch module."""
        import torch

        for name, component in components.items():
            if isinstance(component, torch.nn.Module):
                stage = STAGES.get(name.rstrip("_0123456789"), "prompt")
                self._arm(component, stage)

    def begin_part(self) -> None:
        """The pipeline is called anew."""
        self._stage, self._steps_done, self._steps, self._told_at = "", 0, 0, time.monotonic()

    def steps(self, total: int) -> Steps:
        """What stands in for a pipeline's progress bar."""
        self._steps_done, self._steps = 0, total
        self._enter("denoise")
        return Steps(self)

    def step_done(self) -> None:
        self._steps_done, self._told_at = self._steps_done + 1, time.monotonic()
        if self._tell is not None:
            self._tell("denoise", self._steps_done, self._steps)

    def _look(self, stage: str) -> None:
        if self._control is None:
            return
        try:
            self._heed(self._control, stage)
        except BaseException:
            self.word(False)
            raise
        self.word(True)

    def _heed(self, control: Control, stage: str) -> None:
        control.check()
        if stage == "decode" and self._steps_done < max(1, self._steps):
            stage = "image"
        if stage != self._stage and not (stage == "denoise" and self._steps == 0):
            self._enter(stage)
        elif time.monotonic() - self._told_at > ALIVE:
            self._enter(self._stage)

    def _enter(self, stage: str) -> None:
        self._stage, self._told_at = stage, time.monotonic()
        if self._tell is not None:
            self._tell(stage, self._steps_done, self._steps)

    def _arm(self, module: Any, stage: str) -> None:
        """The module itself, its children, and every block in a list below it."""
        import torch

        if id(module) in self._armed:
            return
        self._armed.add(id(module))
        compiled = getattr(module, "_compiled_call_impl", None)
        if compiled is not None:

            def watched(*args: Any, **kwargs: Any) -> Any:
                self._look(stage)
                return compiled(*args, **kwargs)

            module._compiled_call_impl = watched
            return
        module.register_forward_pre_hook(lambda *_: self._look(stage))
        for child in module.children():
            if isinstance(child, torch.nn.ModuleList):
                for block in child:
                    self._arm(block, stage)
            elif any(isinstance(below, torch.nn.ModuleList) for below in child.modules()):
                self._arm(child, stage)


class Steps:
    """Enough of a progress bar for any pipeline: a context that is told of each step."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def update(self, count: int = 1) -> None:
        for _ in range(count):
            self._guard.step_done()

    def set_description(self, text: str = "") -> None:
        """Pipelines may name what they do; the stages say it already."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""
