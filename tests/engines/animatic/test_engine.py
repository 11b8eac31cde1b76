"""The engine keeps the promises of the protocol."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rushes.core.errors import Cancelled, SetupError
from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.animatic.ahead import ahead
from rushes.engines.animatic.film import film

from .conftest import Recorder, render


def test_planning_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from rushes.engines.base import make_engine\n"
        "from rushes.core.shot import Shot\n"
        "e = make_engine('animatic', {})\n"
        "e.capabilities(); e.footprint(); e.plan(Shot(), None)\n"
        "print(sorted({'numba', 'cv2', 'scipy', 'llvmlite'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("shot", "image", "size"),
    [
        (Shot(aspect_ratio="16:9"), None, (1920, 1080)),
        (Shot(aspect_ratio="9:16"), None, (1080, 1920)),
        (Shot(aspect_ratio="1:1"), None, (1080, 1080)),
        (Shot(), None, (1920, 1080)),
        (Shot(mode="std"), None, (1280, 720)),
        (Shot(has_image=True), (400, 400), (1440, 1440)),
        (Shot(has_image=True), (1000, 500), (2036, 1018)),
        (Shot(has_image=True, aspect_ratio="9:16"), (1000, 500), (1080, 1920)),
    ],
)
def test_plan_gives_even_sizes(shot: Shot, image: tuple[int, int] | None, size: tuple[int, int]) -> None:
    plan = AnimaticEngine({}).plan(shot, image)
    assert (plan.width, plan.height) == size
    assert plan.frames == shot.seconds * plan.fps == 120
    assert AnimaticEngine({}).plan(Shot(sound=True), None).sound


@pytest.mark.parametrize("options", [{"colour": 1}, {"height": 10}, {"fps": "24"}, {"quality": True}])
def test_wrong_options_name_the_option(options: dict[str, object]) -> None:
    with pytest.raises(SetupError, match=next(iter(options))):
        AnimaticEngine(options)


def test_nothing_is_rendered_below_720_rows_of_a_clip_that_has_them() -> None:
    engine = AnimaticEngine({"quality": 0.25})
    assert engine.rendered(engine.plan(Shot(), None)) == (1280, 720)
    assert engine.rendered(engine.plan(Shot(aspect_ratio="9:16"), None)) == (720, 1280)


def test_clip_has_all_frames_and_sound(engine: AnimaticEngine) -> None:
    shot = Shot(prompt="waves", seconds=5, sound=True)
    clip = render(engine, shot)
    frames = list(clip.frames)
    assert len(frames) == clip.plan.frames == 30
    assert all(f.shape == (135, 160) and f.dtype == np.uint8 for f in frames)
    assert clip.audio is not None
    assert clip.audio.shape == (2, 5 * 48000)
    assert np.abs(clip.audio).max() < 1
    assert clip.audio.std() > 0.02
    assert engine.capabilities().source == "algorithmicMedia"
    assert clip.report.details["kind"] == "animatic preview"
    assert render(engine, Shot(prompt="waves")).audio is None


def test_a_preview_looks_like_its_frame(engine: AnimaticEngine) -> None:
    shot, control = Shot(prompt="a sunset over the sea"), Recorder()
    clip = engine.render(shot, engine.plan(shot, None), None, control, Path())
    frame = next(clip.frames)
    (small,) = control.previews
    assert small.shape == (45, 80, 3)
    luma = small @ np.array([0.2126, 0.7152, 0.0722])
    assert luma.mean() == pytest.approx((frame[:90].astype(float).mean() - 16) * 255 / 219, abs=2)
    assert small[..., 0].mean() > small[..., 2].mean()


def test_luma_and_chroma_stay_in_limited_range(engine: AnimaticEngine) -> None:
    for prompt in ("the sun over the sea at noon", "mountains at night"):
        frame = next(render(engine, Shot(prompt=prompt)).frames)
        assert frame[:90].min() >= 16
        assert frame[:90].max() <= 235
        assert frame[90:].min() >= 16
        assert frame[90:].max() <= 240


def test_cancelling_stops_before_the_next_frame(engine: AnimaticEngine) -> None:
    shot, control = Shot(prompt="the sea"), Recorder()
    clip = engine.render(shot, engine.plan(shot, None), None, control, Path())
    next(clip.frames)
    control.stop.set()
    with pytest.raises(Cancelled):
        next(clip.frames)
    with pytest.raises(Cancelled):
        engine.render(shot, engine.plan(shot, None), None, control, Path())


def test_loading_tells_of_nothing_but_loading() -> None:
    control = Recorder()
    AnimaticEngine({}).load(control)
    assert control.notes[-1] == "ready"
    assert set(control.phases) == {Phase.LOAD}


def test_same_shot_same_bytes(engine: AnimaticEngine) -> None:
    shot = Shot(prompt="an eagle over mountains in the snow at sunset, handheld", seed=7, cfg_scale=0.2)
    once = [f.copy() for f in list(render(engine, shot).frames)[::9]]
    again = [f.copy() for f in list(render(engine, shot).frames)[::9]]
    assert all((a == b).all() for a, b in zip(once, again, strict=True))
    other = next(render(engine, Shot(prompt=shot.prompt, seed=8, cfg_scale=0.2)).frames)
    assert (other != once[0]).mean() > 0.5


def test_bytes_do_not_depend_on_the_number_of_threads(engine: AnimaticEngine) -> None:
    shot = Shot(prompt="a sailing boat on the sea in the rain", seed=3)
    made = film(shot, engine.plan(shot, None), None, (64, 48), Recorder())
    one, many = (list(ahead(made.frame, 9, threads)) for threads in (1, 4))
    assert all((a == b).all() for a, b in zip(one, many, strict=True))
    assert (one[0] != one[8]).any()


@pytest.mark.parametrize(
    ("prompt", "place", "elsewhere"),
    [
        ("a beach with a village behind", "village", ["beach"]),
        ("a lake below mountains, and a city", "lake", ["city"]),
        ("a river through a forest", "river", []),
        ("a city skyline over the sea", "skyline", []),
    ],
)
def test_a_picture_is_of_one_place_and_says_so(
    engine: AnimaticEngine, prompt: str, place: str, elsewhere: list[str]
) -> None:
    report = render(engine, Shot(prompt=prompt)).report
    assert report.details["place"] == place
    assert report.details["not_drawn"] == elsewhere
    assert set(elsewhere) <= set(report.understood)
    assert any("cannot draw it yet" in warning for warning in report.warnings) == bool(elsewhere)
