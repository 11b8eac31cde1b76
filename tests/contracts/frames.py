"""What every frame hook owes the house, as tests that any hook's package can run:

class TestMyHook(FrameHookContract):
    hook = "my-hook"              # the name of its entry point
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pytest

from rushes.core.shot import Shot
from rushes.engines.base import Picture, Plan
from rushes.engines.hook import hooked, load_hook, require_hook

PLAN = Plan(width=96, height=64, fps=4, frames=20)
FORMS = {"rgb": (64, 96, 3), "yuv420p": (96, 96)}


def pictures(form: str, count: int = PLAN.frames) -> Iterator[Picture]:
    noise = np.random.default_rng(3)
    for _ in range(count):
        picture = noise.integers(16, 236, FORMS[form], dtype=np.uint8)
        picture.flags.writeable = False  # an engine may keep what it yields
        yield picture


class FrameHookContract:
    hook: ClassVar[str]

    def through(self, form: str, request_id: str = "3f2b9c1e") -> list[Picture]:
        made = load_hook(self.hook)(request_id, Shot(prompt="a boat", seed=7), PLAN)
        return list(hooked(pictures(form), made, self.hook))

    def test_it_is_installed(self) -> None:
        require_hook(self.hook)

    @pytest.mark.parametrize("form", FORMS)
    def test_every_frame_comes_back_once_and_in_its_form(self, form: str) -> None:
        made = self.through(form)
        assert len(made) == PLAN.frames
        assert {(picture.shape, picture.dtype) for picture in made} == {(FORMS[form], np.dtype(np.uint8))}

    @pytest.mark.parametrize("form", FORMS)
    def test_the_same_clip_comes_out_the_same(self, form: str) -> None:
        one, two = self.through(form), self.through(form)
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))

    def test_the_picture_is_still_seen(self) -> None:
        for before, after in zip(pictures("rgb"), self.through("rgb"), strict=True):
            assert np.mean(before == after) > 0.5
