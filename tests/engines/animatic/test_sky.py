"""The sky: clouds that are heaps and not a sheet, and light that goes on while a clip lasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rushes.core.shot import Shot
from rushes.engines.animatic.film import SceneFilm
from rushes.engines.animatic.prompt.brief import Brief
from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.scene.compose import compose
from rushes.engines.animatic.scene.graph import Scene
from rushes.engines.animatic.world.sky import Sky
from rushes.engines.animatic.world.view import Canvas
from rushes.engines.base import Plan, Unheard


def composed(prompt: str, **more: Any) -> Scene:
    return compose(Shot(prompt=prompt, cfg_scale=1.0, **more), 320, 180)[0]


def luma(scene: Scene, *numbers: int) -> list[Plane]:
    """The luma of frames of a film of this scene, 6 a second."""
    plan = Plan(width=160, height=90, fps=6, frames=int(scene.seconds) * 6, sound=False)
    film = SceneFilm(scene, Brief(), plan, (160, 90), Unheard())
    return [film.frame(number)[:90].astype(float) for number in numbers]


def test_clouds_have_grey_bases_and_bright_heads() -> None:
    ratios = []
    for seed in range(1, 5):
        scene = composed("the sea by day, cloudy, static shot", seed=seed)
        canvas = Canvas.of(640, 360)
        Sky(scene.air, seed).draw(canvas, scene.path.pose(0), 0.0)
        sky = canvas.sky[:150]
        cloud, red = sky[4:-4, :, 3] < 0.5, sky[4:-4, :, 0]
        # Where it ends upwards and where it ends downwards.
        heads, bases = cloud & (sky[:-8, :, 3] > 0.8), cloud & (sky[8:, :, 3] > 0.8)
        ratios.append(red[heads].mean() / red[bases].mean())
    assert min(ratios) > 1
    assert np.mean(ratios) > 1.08


def test_below_the_horizon_is_the_colour_of_its_lowest_row() -> None:
    scene = composed("the sea by day, cloudy, static shot")
    canvas, pose = Canvas.of(320, 180), scene.path.pose(0)
    Sky(scene.air, 1).draw(canvas, pose, 0.0)
    row = int(90 + pose.rise * pose.zoom * 180) + 6
    assert np.ptp(canvas.light[row:, :, :3], axis=0).max() < 1e-5


@pytest.mark.parametrize(
    ("hour", "rises"), [("at dawn", 1), ("at golden hour", -1), ("at sunset", -1), ("at dusk", -1)]
)
def test_an_hour_draws_on(hour: str, rises: int) -> None:
    for place in ("the sea", "hills in fog", "a city"):
        short, long = (composed(f"{place} {hour}", seconds=seconds) for seconds in (5, 10))
        assert short.later is not None
        assert long.later is not None
        steps = [scene.later.sun[1] - scene.air.sun[1] for scene in (short, long) if scene.later]
        assert 0 < rises * steps[0] < rises * steps[1]
        assert 0 < rises * (short.dims - 1) < rises * (long.dims - 1)
        assert np.linalg.norm(long.later.sun) == pytest.approx(1)


def test_noon_night_and_rooms_keep_their_light() -> None:
    for prompt in ("the sea by day", "the sea at night", "a room at sunset", "a coral reef", "space"):
        scene = composed(prompt, seconds=10)
        assert scene.later == scene.air
        assert scene.dims == 1


def test_a_time_lapse_of_a_sunset_grows_dark_without_a_jump() -> None:
    scene = composed("time lapse of a sunset over hills, static shot", seconds=10)
    first, *_, last = frames = luma(scene, *range(0, 60, 6), 59)
    assert last.mean() < 0.85 * first.mean()
    means = [frame.mean() for frame in frames]
    assert max(np.abs(np.diff(means))) < 0.2 * np.ptp(means) + 1
