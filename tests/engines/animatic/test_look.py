"""What is asked for shows: signals measured in the picture rather than golden pixels."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes.core.shot import Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.animatic.tables import table

from .conftest import mean, render

First = Callable[..., Any]


def test_palette_follows_the_time_of_day(first: First) -> None:
    for place in ("the sea", "mountains"):
        day, sunset, night = (
            mean(first(f"{place}, {time}, cloudy", cfg_scale=1.0)) for time in ("day", "sunset", "night")
        )
        assert sunset[0] / sunset[2] > 1.3 * day[0] / day[2], place
        assert night.sum() < 0.55 * day.sum(), place
        assert night[2] > night[0], place


def test_weather_shows(first: First) -> None:
    calm = first("mountains by day, clear sky", cfg_scale=1.0).astype(int)
    fog = first("mountains by day in thick fog", cfg_scale=1.0).astype(int)
    assert fog[45:].std() < 0.75 * calm[45:].std()
    snow = first("mountains by day, heavy snow", cfg_scale=1.0).astype(int)
    assert snow[60:].mean() > calm[60:].mean() * 1.05
    storm = first("a storm over the sea by day", cfg_scale=1.0).astype(int)
    assert storm.mean() < 0.75 * first("the sea by day, clear sky", cfg_scale=1.0).mean()


def test_fog_veils_the_sky(first: First) -> None:
    """Under fog the sky is even: no clouds, no holes of blue, and at the horizon the colour of what is lost in it."""
    top = slice(0, 24)
    for place in ("the sea", "hills"):
        cloudy = first(f"{place} by day, cloudy, static shot", cfg_scale=1.0)[top].astype(int)
        fog = first(f"{place} by day in fog, static shot", cfg_scale=1.0)[top].astype(int)
        assert np.ptp(fog, axis=2).mean() < 0.8 * np.ptp(cloudy, axis=2).mean(), place
        assert fog.std(axis=1).mean() < 0.5 * cloudy.std(axis=1).mean(), place


def test_negative_prompt_changes_the_picture_where_the_element_was(first: First) -> None:
    with_boat = first("a sailing boat on the sea", seed=5, cfg_scale=1.0).astype(int)
    without = first("a sailing boat on the sea", negative_prompt="boat", seed=5, cfg_scale=1.0).astype(int)
    changed = np.abs(with_boat - without).max(axis=2) > 12
    assert 0.002 < changed.mean() < 0.35
    columns = np.flatnonzero(changed.any(axis=0))
    assert columns.max() - columns.min() < 0.6 * changed.shape[1]


def test_negative_prompt_takes_clouds_away(first: First) -> None:
    sky = slice(0, 30)
    cloudy = first("clouds over the sea by day", seed=2)[sky].astype(int)
    clear = first("clouds over the sea by day", negative_prompt="clouds", seed=2)[sky].astype(int)
    assert clear.std(axis=(0, 1)).mean() < 0.8 * cloudy.std(axis=(0, 1)).mean()


def test_cfg_widens_variation(first: First) -> None:
    def spread(cfg: float) -> float:
        means = [mean(first("the sea", seed=seed, cfg_scale=cfg)) for seed in range(10)]
        return float(np.std(means, axis=0).mean())

    assert spread(0.0) > 2 * spread(1.0)


@pytest.mark.parametrize("aspect", ["16:9", "9:16", "1:1"])
def test_every_aspect_is_composed(first: First, aspect: str) -> None:
    image = first(
        "an eagle in the mountains at golden hour", aspect_ratio=aspect, seed=4, cfg_scale=1.0
    ).astype(int)
    empty = first(
        "an eagle in the mountains at golden hour",
        negative_prompt="eagle",
        aspect_ratio=aspect,
        seed=4,
        cfg_scale=1.0,
    )
    rows, columns = image.shape[:2]
    assert (columns > rows) == (aspect == "16:9")
    where = np.argwhere(np.abs(image - empty).max(axis=2) > 15)
    # The hero is inside the frame and neither tiny nor all of it.
    assert 0.003 < len(where) / (rows * columns) < 0.4
    assert 0.2 * columns < where[:, 1].mean() < 0.8 * columns


def test_frames_move_without_jumps(engine: AnimaticEngine) -> None:
    for prompt in (
        "the sea, static shot",
        "an eagle over mountains, drone shot",
        "snow in the mountains, pan left",
    ):
        frames = [f[:90].astype(int) for f in render(engine, Shot(prompt=prompt, seed=2)).frames]
        steps = np.array([np.abs(a - b).mean() for a, b in pairwise(frames)])
        assert steps.min() > 0.1, prompt
        assert steps.max() < 3 * np.median(steps) + 1, prompt


def test_every_move_moves_or_holds(engine: AnimaticEngine) -> None:
    for move, row in table("camera").items():
        clip = render(engine, Shot(prompt=f"the sea by day, {row['words'][0]}", cfg_scale=1.0))
        assert move in clip.report.details["camera"]


SCRIPTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=400)
WORDS = st.lists(
    st.sampled_from(
        [
            "sea",
            "mountain",
            "night",
            "day",
            "rain",
            "snow",
            "no",
            "without",
            "not",
            "eagle",
            "boats",
            "pan",
            "left",
            "zoom",
            "🌊",
            "🦅",
            "山",
            "море",
            "dark",
            "bright",
        ]
    ),
    max_size=60,
).map(" ".join)


@settings(max_examples=16, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prompt=SCRIPTS | WORDS | st.just("noir " * 500),
    negative=WORDS | SCRIPTS,
    cfg=st.floats(0, 1),
    seed=st.integers(0, 2**31 - 1),
    aspect=st.sampled_from(["16:9", "9:16", "1:1"]),
)
def test_no_prompt_breaks_it(
    first: First, prompt: str, negative: str, cfg: float, seed: int, aspect: str
) -> None:
    image = first(prompt, negative_prompt=negative, cfg_scale=cfg, seed=seed, aspect_ratio=aspect)
    assert image.std() > 2


def test_nothing_understood_is_said_and_still_composed(engine: AnimaticEngine) -> None:
    for prompt in ("", "🜁🜂🜃", "qwrtz blfgn"):
        clip = render(engine, Shot(prompt=prompt))
        assert clip.report.understood == ()
        assert "Nothing in the prompt was understood" in clip.report.warnings[0]
        assert next(clip.frames)[:90].std() > 8


def test_time_lapse_and_slow_motion_change_the_pace_of_the_clouds(engine: AnimaticEngine) -> None:
    def drift(pace: str) -> float:
        prompt = f"{pace} clouds over the sea at noon, static camera"
        frames = [f.astype(np.int16) for f in render(engine, Shot(prompt=prompt, seed=4, seconds=5)).frames]
        sky = slice(0, 30)
        return float(np.mean([np.abs(b[sky] - a[sky]).mean() for a, b in pairwise(frames)]))

    assert drift("slow motion,") < drift("") < drift("time lapse,")


def test_a_mere_framing_leaves_the_camera_breathing(engine: AnimaticEngine) -> None:
    details = render(engine, Shot(prompt="close up of leaves", seed=4)).report.details
    assert details["camera"][0] == "close up"
    assert len(details["camera"]) == 2
    assert render(engine, Shot(prompt="static close up", seed=4)).report.details["camera"] == [
        "static",
        "close up",
    ]
