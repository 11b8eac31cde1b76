"""What makes a place worth looking at: furniture, lamps, surf, shafts of light, flowers, gas. Each shows in the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rushes.core.shot import Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.animatic.scene.compose import compose
from rushes.engines.animatic.tables import places
from rushes.engines.animatic.world.furniture import PIECES, Furniture
from rushes.engines.animatic.world.sky import cloud_tile

from .conftest import mean, render

First = Callable[..., Any]
SHAPES = ["16:9", "1:1", "9:16"]


def still(first: First, prompt: str, **more: object) -> Any:
    return first(f"{prompt}, static shot", cfg_scale=1.0, **more).astype(int)


@pytest.mark.parametrize("place", ["hills", "sea", "mountains", "forest"])
def test_fog_is_grey_at_golden_hour(first: First, place: str) -> None:
    clear = mean(still(first, f"{place}, golden hour, clear sky"))
    fog = mean(still(first, f"{place}, golden hour, fog"))
    assert fog[0] / fog[2] < 0.6 * clear[0] / clear[2] or fog[0] / fog[2] < 1.2


def test_night_can_be_read(first: First) -> None:
    """Away from lamps a night is dark but not black, and something stands out in it."""
    for place in ("hills", "mountains", "coast", "snowfield", "forest"):
        image = still(first, f"{place} at night, clear sky")
        assert 18 < image.mean() < 110, place
        assert np.percentile(image.max(axis=2), 95) - np.percentile(image.max(axis=2), 10) > 25, place


def test_flowers_stand_at_the_feet(first: First) -> None:
    low = still(first, "meadow by day")[50:]
    red = (low[..., 0] > 1.5 * low[..., 1]) & (low[..., 0] > 70)
    white = low.min(axis=2) > 150
    assert red.mean() > 0.001
    assert white.mean() > 0.003


def test_surf_runs_up_the_beach(engine: AnimaticEngine) -> None:
    clip = render(engine, Shot(prompt="beach by day, clear sky, static shot", cfg_scale=1.0))
    frames = [frame[40:90].astype(int) for frame in clip.frames]
    assert (frames[0] > 190).mean() > 0.01
    # It goes as well as comes: the foam's area neither stays nor only grows.
    foam = np.array([(frame > 190).sum() for frame in frames])
    assert np.ptp(foam) > 0.05 * foam.mean()
    assert np.diff(foam).min() < 0 < np.diff(foam).max()


def test_shops_and_lamps_light_the_street(first: First) -> None:
    """By night the ground floor and the street are brighter than by the moon alone, and warmer than the sky."""
    image = still(first, "city street at night, clear sky")
    floor, sky = image[54:70], image[:20]
    lit = np.argwhere((floor[..., 0] > 140) & (floor[..., 0] > floor[..., 2]))
    assert len(lit) > 0.01 * floor[..., 0].size
    assert mean(floor)[0] - mean(floor)[2] > mean(sky)[0] - mean(sky)[2] + 5


@pytest.mark.parametrize("aspect", SHAPES)
def test_a_room_is_lived_in(first: First, aspect: str) -> None:
    day = still(first, "living room by day", aspect_ratio=aspect)
    half = day[len(day) // 2 :]
    # The rug lies in the middle of the floor, and light comes in at the window.
    rug = np.argwhere(half[..., 0] > 1.6 * half[..., 1])
    assert len(rug) > 0.03 * half[..., 0].size
    assert 0.3 < rug[:, 1].mean() / half.shape[1] < 0.7
    assert (day[..., 2] > day[..., 0] + 15).mean() > 0.01
    night = still(first, "living room at night", aspect_ratio=aspect)
    # Daylight is whiter than lamplight.
    assert mean(day)[2] / mean(day)[0] > 1.02 * mean(night)[2] / mean(night)[0]


def test_a_stage_has_beams_in_colours(first: First) -> None:
    image = still(first, "stage")
    blue = image[..., 2] > image[..., 0] + 25
    pink = (image[..., 0] > image[..., 1] + 60) & (image[..., 2] > image[..., 1] + 40)
    white = image.min(axis=2) > 140
    assert min(blue.mean(), pink.mean(), white.mean()) > 0.002


def test_a_moon_has_rays_only_where_the_sun_has_them() -> None:
    rays = {
        prompt: compose(Shot(prompt=prompt), 160, 90)[0].rays
        for prompt in ("hills", "hills at night", "stage")
    }
    assert rays["hills"] > rays["hills at night"] > rays["stage"] == 0


def test_shafts_fall_from_above_the_reef(engine: AnimaticEngine) -> None:
    clip = render(engine, Shot(prompt="underwater, static shot", cfg_scale=1.0))
    frames = [frame[:90].astype(int) for frame, _ in zip(clip.frames, range(6), strict=False)]
    top, level = frames[0][:12], frames[0][44:50]
    assert top.mean() > level.mean() + 15
    assert top.mean(axis=0).std() > 3
    # The net of light wanders over the ground.
    assert np.abs(frames[5][60:] - frames[0][60:]).mean() > 2


@pytest.mark.parametrize("aspect", SHAPES)
def test_a_planet_hangs_before_coloured_gas(first: First, aspect: str) -> None:
    image = still(first, "space", aspect_ratio=aspect)
    planet = image.sum(axis=2) > 200
    assert 0.1 < planet.mean() < 0.6
    gas = image[~planet]
    assert gas.std(axis=0).min() > 4
    assert np.ptp(gas, axis=1).mean() > 3


@pytest.mark.parametrize("aspect", SHAPES)
def test_a_temple_is_whole(first: First, aspect: str) -> None:
    """Nothing of its red timber is cut off by the sides of the picture."""
    image = still(first, "a temple by day", aspect_ratio=aspect)
    red = np.flatnonzero(((image[..., 0] > 1.5 * image[..., 1] + 12).sum(axis=0)) > 1)
    assert red.min() > 2
    assert red.max() < image.shape[1] - 3


def test_every_piece_stands_where_it_is_told() -> None:
    lamps = [(np.array([0.0, 2.0, 6.0]), np.ones(3))]
    for piece in PIECES.keys() - {"truss", "picture", "curtain"}:
        row = {"piece": piece, "at": [1.0, 0.0, 4.0], "paint": "#808080", "extra": "#404040"}
        stood = Furniture([row], lamps, np.full(3, 0.2), np.ones(3), seed=1).footprints
        across, away, half, deep = stood[0]
        assert abs(across - 1.0) < 0.2, piece
        assert abs(away - 4.0) < 0.7, piece
        assert 0 < half < 1.2
        assert 0 < deep < 1.2
    assert len(Furniture([], lamps, np.full(3, 0.2), np.ones(3), seed=1).footprints) == 0


def test_furniture_of_the_tables_is_known() -> None:
    for name, row in places().items():
        for piece in row.get("room", {}).get("furniture", []):
            assert piece["piece"] in PIECES, name


def test_clouds_cover_what_they_are_told_and_have_no_seam() -> None:
    tile = cloud_tile(3, 256)
    assert abs((tile > 0.6).mean() - 0.4) < 0.01
    inside = np.abs(np.diff(tile, axis=1)).mean()
    assert np.abs(tile[:, 0] - tile[:, -1]).mean() < 2 * inside
    assert np.abs(tile[0] - tile[-1]).mean() < 2 * np.abs(np.diff(tile, axis=0)).mean()


def test_weather_stays_above_the_water(first: First) -> None:
    clear, storm = (still(first, f"underwater, {weather}") for weather in ("clear sky", "storm"))
    assert np.abs(clear - storm).mean() < 12
    assert mean(still(first, "underwater at night")).mean() < 0.7 * mean(clear).mean()


@pytest.mark.parametrize("place", ["meadow", "fields", "forest"])
def test_snow_lies_on_the_ground(first: First, place: str) -> None:
    bare, white = (still(first, f"{place} by day, {weather}")[55:] for weather in ("overcast", "snow"))
    assert np.ptp(mean(white)) < 0.7 * np.ptp(mean(bare))
