"""What every engine owes the house, as tests that anybody can run on his own engine with pytest:

    from rushes.engines.contract import EngineContract

    class TestMyEngine(EngineContract):
        engine = "my-engine"          # the name of its entry point
        options = {"steps": 2}        # the card's [engine] table; choose what makes it quick

The engine is loaded once per class and given one job after the other, as in a studio. It is held to what its
capabilities claim, and to nothing else. `shot` is what it is asked to make; override it, `negative_prompt` or `seconds_to_stop`
where the defaults do not suit it. Needs pytest, which `rushes[test]` brings.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import islice, product
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest

from rushes.core.errors import Cancelled, SetupError
from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.base import (
    SAMPLE_RATE,
    Capabilities,
    Clip,
    Engine,
    FileClip,
    Footprint,
    FrameClip,
    Picture,
    Plan,
    Samples,
    make_engine,
)

HEAVY = frozenset({"av", "cv2", "diffusers", "numba", "scipy", "torch", "transformers"})
OPTIONAL = frozenset({"negative_prompt", "cfg_scale", "seed"})
RATIOS = {"16:9": 16 / 9, "9:16": 9 / 16, "1:1": 1.0}
FIRST = 8
"""Pictures by which two clips are compared."""

_QUICK = """
import json, sys
from rushes.core.shot import Shot
from rushes.engines.base import make_engine
engine = make_engine(sys.argv[1], json.loads(sys.argv[2]))
engine.capabilities(), engine.footprint(), engine.plan(Shot(), None)
print(json.dumps(sorted(module for module in sys.modules if "." not in module)))
"""


class Recorder:
    """A `Control` that writes down what it is told, and cancels itself after `patience` reports."""

    def __init__(self, patience: int | None = None) -> None:
        self.told: list[tuple[Phase, float, str]] = []
        self.previews: list[Picture] = []
        self.patience = patience
        self.cancelled_at: float | None = None

    @property
    def cancelled(self) -> bool:
        spent = self.patience is not None and len(self.told) >= self.patience
        if spent and self.cancelled_at is None:
            self.cancelled_at = time.monotonic()
        return spent

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled

    def progress(self, phase: Phase, fraction: float, note: str = "") -> None:
        self.check()
        self.told.append((phase, fraction, note))

    def preview(self, picture: Picture) -> None:
        self.previews.append(picture)


class EngineContract:
    engine: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    shot: ClassVar[Shot] = Shot(prompt="a sailing boat on the sea at dusk, clouds, birds", seed=7)
    negative_prompt: ClassVar[str] = "boat, clouds, birds"
    seconds_to_stop: ClassVar[float] = 5.0

    @pytest.fixture(scope="class")
    @classmethod
    def loaded(cls) -> Iterator[Engine]:
        engine = make_engine(cls.engine, cls.options)
        control = Recorder()
        engine.load(control)
        _check_progress(control)
        yield engine
        engine.unload()

    @pytest.fixture(scope="class")
    @classmethod
    def first(cls, loaded: Engine, tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
        """The first pictures of the shot. Whatever the engine makes in between, it makes them again."""
        suite = cls()
        return suite._first_pictures(loaded, suite._first_shot(loaded), tmp_path_factory.mktemp("first"))

    @pytest.fixture
    def unloaded(self) -> Engine:
        return make_engine(self.engine, self.options)

    # -- before it is loaded -----------------------------------------------------------------------------------------

    def test_it_has_the_name_of_its_entry_point(self, unloaded: Engine) -> None:
        assert unloaded.name == self.engine

    def test_unknown_options_are_refused(self) -> None:
        with pytest.raises(SetupError, match="no_such_option"):
            make_engine(self.engine, {**self.options, "no_such_option": 1})

    def test_asking_it_loads_nothing_heavy(self) -> None:
        answer = subprocess.run(
            [sys.executable, "-c", _QUICK, self.engine, json.dumps(dict(self.options))],
            check=True,
            capture_output=True,
            text=True,
        )
        assert HEAVY.isdisjoint(json.loads(answer.stdout))

    def test_capabilities_are_in_the_words_of_the_house(self, unloaded: Engine) -> None:
        able = unloaded.capabilities()
        assert isinstance(able, Capabilities)
        assert able.text_to_video or able.image_to_video
        assert able.aspect_ratios
        assert set(able.aspect_ratios) <= set(RATIOS)
        assert able.honours <= OPTIONAL
        assert able.max_seconds >= 5
        assert able.description

    def test_the_footprint_is_known(self, unloaded: Engine) -> None:
        footprint = unloaded.footprint()
        assert isinstance(footprint, Footprint)
        assert footprint.memory >= 0
        assert footprint.load_seconds >= 0
        assert footprint.device

    def test_the_plan_keeps_length_and_shape(self, unloaded: Engine) -> None:
        able = unloaded.capabilities()
        for aspect_ratio, seconds in product(able.aspect_ratios, {5, min(10, able.max_seconds)}):
            shot = self._shot(aspect_ratio=aspect_ratio, seconds=seconds)
            plan = unloaded.plan(shot, None)
            _check_plan(plan, shot)
            assert plan.width / plan.height == pytest.approx(RATIOS[aspect_ratio], rel=0.03)

    def test_a_clip_from_an_image_has_the_shape_of_the_image(self, unloaded: Engine) -> None:
        if not unloaded.capabilities().image_to_video:
            return  # nothing is promised
        shot = self._shot(has_image=True, aspect_ratio=None)
        for size in ((1200, 800), (800, 1200)):
            plan = unloaded.plan(shot, size)
            _check_plan(plan, shot)
            assert (plan.width > plan.height) == (size[0] > size[1])

    # -- loaded ------------------------------------------------------------------------------------------------------

    def test_a_clip_is_what_was_planned(self, loaded: Engine, tmp_path: Path) -> None:
        control = Recorder()
        plan, clip = self._render(loaded, self._first_shot(loaded), tmp_path, control)
        kinds, count, blank = set(), 0, True
        for picture in _pictures(clip, tmp_path):
            kinds.add((picture.shape, picture.dtype))
            count += 1
            blank = blank and picture.std() == 0
        assert count == clip.plan.frames
        assert not blank
        shapes = {(plan.height, plan.width, 3), (plan.height * 3 // 2, plan.width)}
        ((shape, dtype),) = kinds
        assert dtype == np.uint8
        if isinstance(clip, FrameClip):
            assert clip.plan == plan
            assert shape in shapes
        _check_progress(control)
        assert all(picture.dtype == np.uint8 for picture in control.previews)
        assert all(picture.ndim == 3 and picture.shape[2] == 3 for picture in control.previews)
        msgspec.json.encode(dict(clip.report.details))
        assert loaded.capabilities().source

    def test_sound_is_there_exactly_when_asked_for(self, loaded: Engine, tmp_path: Path) -> None:
        for sound in {False, loaded.capabilities().sound}:
            plan, clip = self._render(loaded, self._first_shot(loaded, sound=sound), tmp_path)
            assert plan.sound is clip.plan.sound is sound
            if isinstance(clip, FrameClip):
                with closing(clip):
                    assert (clip.audio is not None) is sound
                    if clip.audio is not None:
                        _check_sound(clip.audio, plan)

    def test_the_same_shot_is_the_same_clip_whatever_came_between(
        self, loaded: Engine, first: list[Picture], tmp_path: Path
    ) -> None:
        shot = self._first_shot(loaded)
        self._first_pictures(loaded, self._first_shot(loaded, seed=shot.seed + 1), tmp_path)
        _same(first, self._first_pictures(loaded, shot, tmp_path))

    @pytest.mark.parametrize("name", sorted(OPTIONAL))
    def test_exactly_what_it_says_it_honours_changes_the_clip(
        self, loaded: Engine, first: list[Picture], tmp_path: Path, name: str
    ) -> None:
        other = {"negative_prompt": self.negative_prompt, "cfg_scale": 1.0, "seed": self.shot.seed + 1}
        compare = _differ if name in loaded.capabilities().honours else _same
        changed = self._first_shot(loaded, **{name: other[name]})
        compare(first, self._first_pictures(loaded, changed, tmp_path))

    def test_the_image_changes_the_clip(self, loaded: Engine, tmp_path: Path) -> None:
        if not loaded.capabilities().image_to_video:
            return  # nothing is promised
        light, dark = (
            self._first_pictures(loaded, self._shot(has_image=True), tmp_path, _photo(level))
            for level in (200, 60)
        )
        _differ(light, dark)

    @pytest.mark.parametrize("reports", [0, 1, 2])
    def test_a_cancel_is_obeyed_soon_and_leaves_nothing_behind(
        self, loaded: Engine, first: list[Picture], tmp_path: Path, reports: int
    ) -> None:
        shot = self._first_shot(loaded)
        control = Recorder(patience=reports)
        with pytest.raises(Cancelled):
            self._as_the_house_does(loaded, shot, tmp_path, control)
        assert control.cancelled_at is not None
        assert time.monotonic() - control.cancelled_at < self.seconds_to_stop
        _same(first, self._first_pictures(loaded, shot, tmp_path))

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _shot(self, **changes: Any) -> Shot:
        return msgspec.structs.replace(self.shot, **changes)

    def _first_shot(self, engine: Engine, **changes: Any) -> Shot:
        """The shot, with an image where the engine needs one."""
        return self._shot(has_image=not engine.capabilities().text_to_video, **changes)

    def _render(
        self,
        engine: Engine,
        shot: Shot,
        folder: Path,
        control: Recorder | None = None,
        image: Picture | None = None,
    ) -> tuple[Plan, Clip]:
        if shot.has_image and image is None:
            image = _photo(128)
        plan = engine.plan(shot, None if image is None else (image.shape[1], image.shape[0]))
        return plan, engine.render(shot, plan, image, control or Recorder(), folder)

    def _as_the_house_does(self, engine: Engine, shot: Shot, folder: Path, control: Recorder) -> None:
        """Render and draw every picture, reporting each."""
        _, clip = self._render(engine, shot, folder, control)
        for number, _ in enumerate(_pictures(clip, folder), 1):
            control.progress(Phase.RENDER, number / clip.plan.frames)

    def _first_pictures(
        self, engine: Engine, shot: Shot, folder: Path, image: Picture | None = None
    ) -> list[Picture]:
        _, clip = self._render(engine, shot, folder, image=image)
        pictures = _pictures(clip, folder)
        with closing(pictures):
            return [picture.copy() for picture in islice(pictures, FIRST)]


def _pictures(clip: Clip, folder: Path) -> Any:
    """The clip's pictures as a generator, whichever kind of clip it is; closing it closes the clip."""
    if isinstance(clip, FileClip):
        assert clip.path.parent == folder, "a file clip lies in the job's own folder"
        yield from _decoded(clip)
        return
    with closing(clip):
        yield from clip.frames


def _decoded(clip: FileClip) -> Iterator[Picture]:
    import av

    from rushes.media.frames import to_picture

    with av.open(str(clip.path)) as container:
        for frame in container.decode(video=0):
            yield to_picture(frame, clip.plan.width, clip.plan.height)


def _photo(level: int) -> Picture:
    """A smooth 480×360 picture around `level` with a brighter disc."""
    rows, columns = np.mgrid[0:360, 0:480]
    disc = np.where((rows - 180) ** 2 + (columns - 240) ** 2 < 80**2, 40, 0)
    return np.stack([level + rows // 12, level + disc, level + columns // 16], axis=-1).astype(np.uint8)


def _check_plan(plan: Plan, shot: Shot) -> None:
    assert plan.width % 2 == plan.height % 2 == 0
    assert min(plan.width, plan.height, plan.fps) > 0
    assert plan.frames == shot.seconds * plan.fps
    assert plan.sound is shot.sound


def _check_sound(audio: Samples, plan: Plan) -> None:
    channels, samples = audio.shape
    assert channels == 2
    assert samples == pytest.approx(plan.seconds * SAMPLE_RATE, abs=0.05 * SAMPLE_RATE)
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() <= 1.0


def _check_progress(control: Recorder) -> None:
    """Phases in their order, fractions that only rise within one."""
    order = list(Phase)
    for (phase, fraction, _), (after, higher, _) in zip(control.told, control.told[1:], strict=False):
        assert order.index(phase) <= order.index(after)
        assert phase is not after or fraction <= higher
    assert all(0 <= fraction <= 1 for _, fraction, _ in control.told)


def _same(one: list[Picture], other: list[Picture]) -> None:
    assert len(one) == len(other)
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True)), "the clips differ"


def _differ(one: list[Picture], other: list[Picture]) -> None:
    assert any(a.shape != b.shape or not np.array_equal(a, b) for a, b in zip(one, other, strict=True)), (
        "the clips are the same"
    )
