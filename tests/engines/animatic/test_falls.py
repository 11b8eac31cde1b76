"""Falling water: where it stands, that it runs, how it sounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

from rushes.core.shot import Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.animatic.film import SceneFilm
from rushes.engines.animatic.prompt.brief import Brief
from rushes.engines.animatic.prompt.parse import parse
from rushes.engines.animatic.scene.compose import compose
from rushes.engines.animatic.sound.mix import waterfall
from rushes.engines.base import Plan, Unheard

from .conftest import render

First = Callable[..., Any]


@pytest.mark.parametrize("aspect", ["16:9", "9:16"])
def test_the_sheet_runs_and_the_cliff_stands(engine: AnimaticEngine, aspect: Literal["16:9", "9:16"]) -> None:
    shot = Shot(prompt="a waterfall by night, static shot", aspect_ratio=aspect, seed=3, cfg_scale=1.0)
    clip = render(engine, shot)
    frames = [f[: len(f) * 2 // 3].astype(int) for f, _ in zip(clip.frames, range(4), strict=False)]
    moved = np.abs(frames[3] - frames[1])
    lively = moved > 12
    columns = np.flatnonzero(lively.any(axis=0))
    assert lively.mean() > 0.002
    # What moves fastest stands near the middle, where the camera looks.
    assert 0.2 < np.median(np.nonzero(lively)[1]) / frames[0].shape[1] < 0.8
    assert len(columns) < 0.9 * frames[0].shape[1]


def test_a_cliff_is_rock_and_not_drawn_out_downwards() -> None:
    """What varies from column to column is another eight rows further down."""
    scene = compose(Shot(prompt="waterfall by day, clear sky, static shot", cfg_scale=1.0, seed=5), 640, 360)[
        0
    ]
    plan = Plan(width=640, height=360, fps=6, frames=30, sound=False)
    luma = SceneFilm(scene, Brief(), plan, (640, 360), Unheard()).frame(3)[60:120].astype(float)
    alike = []
    for wall in (luma[:, :200], luma[:, 300:500]):
        varied = wall - wall.mean(axis=1, keepdims=True)
        alike.append(np.corrcoef(varied[:-8].ravel(), varied[8:].ravel())[0, 1])
    assert np.mean(alike) < 0.68


def test_its_words() -> None:
    brief = parse("a tall waterfall in the jungle")
    assert set(brief.places) == {"waterfall", "jungle"}
    assert parse("Niagara falls at dawn").places == ("waterfall",)
    assert parse("snow falls on the mountains").places == ("mountains",)


def test_a_landmark_is_what_the_picture_is_of(engine: AnimaticEngine) -> None:
    assert render(engine, Shot(prompt="a jungle waterfall")).report.details["place"] == "waterfall"


def test_it_roars_without_pause() -> None:
    wave = waterfall(48000, np.random.default_rng(1))
    loud = np.sqrt((wave.reshape(2, 20, -1) ** 2).mean(axis=2))
    assert wave.shape == (2, 48000)
    assert loud.min() > 0.6 * loud.max()
