"""Every place can be drawn, in every time, weather and shape, and looks like itself."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from rushes.core.shot import Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.animatic.scene.compose import compose
from rushes.engines.animatic.tables import colour, places, table
from rushes.engines.animatic.world.land import Land
from rushes.engines.animatic.world.sprites import DRAWN
from rushes.engines.animatic.world.terrain import Terrain

from .conftest import mean, render

First = Callable[..., Any]
PLACES = list(places())


@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_drawn_and_moves_evenly(engine: AnimaticEngine, place: str) -> None:
    """No frame jumps or flickers: the step between two frames is like the steps around it."""
    clip = render(engine, Shot(prompt=f"{place}, orbit", aspect_ratio="1:1", seed=3, cfg_scale=1.0))
    assert clip.report.details["place"] == place
    frames = [next(clip.frames)[:90].astype(int) for _ in range(15)]
    assert frames[0].std() > 6
    assert 18 < frames[0].mean() < 225
    steps = np.array([np.abs(a - b).mean() for a, b in pairwise(frames)])
    assert steps.min() > 0.1
    around = np.array([np.median(steps[max(0, k - 3) : k + 4]) for k in range(len(steps))])
    assert (steps / (around + 0.3)).max() < 1.8


def test_the_tables_fit_together() -> None:
    """Names in one table that point into another exist there, and colours are colours."""
    subjects, weathers, times = table("subjects"), table("weathers"), table("times")
    for name, row in places().items():
        assert set(row["times"]) <= set(times), name
        assert set(row["weathers"]) <= set(weathers), name
        assert len(row["horizon"]) == 3
        assert {*row.get("shows", ())} <= {*PLACES} - {name}, name
        for plant in row.get("plants", []):
            assert plant["sprite"] in DRAWN
            assert len(colour(plant["paint"])) == 3
    for name, row in table("archetypes").items():
        assert row.get("place", "sea") in places(), name
        assert row.get("subject", "bird") in subjects, name
    for kind, rows in (("place", places()), ("time", times), ("weather", weathers), ("subject", subjects)):
        assert set(table("lexicon")[kind]) <= set(rows), kind
    for row in subjects.values():
        assert set(row["homes"]) <= set(places())


@pytest.mark.parametrize("place", ["sea", "lake", "river", "coast", "beach"])
@pytest.mark.parametrize("seed", [2, 5])
def test_a_boat_is_seen_wherever_there_is_water(first: First, place: str, seed: int) -> None:
    """And nothing else of the picture changes with it but its reflection and its glow."""
    there, gone = (
        first(f"a sailing boat, {place} by day, static shot", seed=seed, negative_prompt=without)[:90].astype(
            int
        )
        for without in ("", "boat")
    )
    changed = (np.abs(there - gone) > 12).mean()
    assert 0.0005 < changed < 0.2


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_lake_is_seen_from_its_water(seed: int) -> None:
    scene, _ = compose(Shot(prompt="a lake", seed=seed), 160, 90)
    land = Terrain(Land.from_row(scene.ground["terrain"], 0.0, 4), scene.air, scene.path.base.y, scene.seed)
    x, z = (np.array([middle + side for side in (-40, 0, 40)]) for middle in land.start)
    assert (land.ground(x, np.full(3, land.start[1])) < 0).all()
    assert (land.ground(np.full(3, land.start[0]), z) < 0).all()


def test_places_look_like_themselves(first: First) -> None:
    def at(place: str) -> Any:
        return mean(first(f"{place} by day, clear sky, static shot", cfg_scale=1.0)[50:])

    assert at("meadow")[1] > at("meadow")[2] + 15
    assert at("desert")[0] > at("desert")[2] + 20
    assert at("snowfield").mean() > at("forest").mean() + 25
    assert at("underwater")[2] > at("underwater")[0] + 15


def test_a_city_is_lit_by_night(first: First) -> None:
    night = first("city street at night", cfg_scale=1.0).astype(int)
    dark = first("forest at night", cfg_scale=1.0).astype(int)
    assert np.percentile(night.max(axis=2), 97) > np.percentile(dark.max(axis=2), 97) + 40


def test_a_wet_street_mirrors(first: First) -> None:
    dry = first("city street at night, clear sky", cfg_scale=1.0)[60:].astype(int)
    wet = first("city street at night, rain", cfg_scale=1.0)[60:].astype(int)
    assert wet.std() > 1.15 * dry.std()


def test_autumn_turns_leaves(first: First) -> None:
    summer = mean(first("forest by day, static shot", cfg_scale=1.0))
    autumn = mean(first("autumn forest by day, static shot", cfg_scale=1.0))
    assert autumn[0] - autumn[1] > summer[0] - summer[1] + 8


def test_aurora_is_green_and_only_when_asked(first: First) -> None:
    plain = mean(first("snowfield at night", cfg_scale=1.0)[:35])
    lights = mean(first("snowfield at night, northern lights", cfg_scale=1.0)[:35])
    assert lights[1] - plain[1] > 4
    assert lights[1] - plain[1] > lights[0] - plain[0]


def test_macro_softens_the_distance(first: First) -> None:
    sharp = first("city street by day, close up", cfg_scale=1.0).astype(float)
    soft = first("city street by day, close up, macro shot", cfg_scale=1.0).astype(float)
    far = slice(10, 50)
    assert np.abs(np.diff(soft[far], axis=1)).mean() < 0.7 * np.abs(np.diff(sharp[far], axis=1)).mean()


def test_looks_change_the_print(first: First) -> None:
    shot = {"seed": 2, "cfg_scale": 1.0}
    plain = first("hills by day", **shot).astype(int)
    grey = first("hills by day, black and white", **shot).astype(int)
    assert (grey.max(axis=2) - grey.min(axis=2)).mean() < 6 < (plain.max(axis=2) - plain.min(axis=2)).mean()
    pastel = first("hills by day, pastel colours", **shot).astype(int)
    assert pastel.std() < plain.std()
    assert pastel.mean() > plain.mean()
