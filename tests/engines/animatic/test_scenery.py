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
from rushes.engines.animatic.world.room import Room
from rushes.engines.animatic.world.sky import FAR, cloud_tile
from rushes.engines.animatic.world.view import Canvas, Pose

from .conftest import mean, render

First = Callable[..., Any]
SHAPES = ["16:9", "1:1", "9:16"]


def still(first: First, prompt: str, **more: object) -> Any:
    return first(f"{prompt}, static shot", cfg_scale=1.0, **more).astype(int)


@pytest.mark.parametrize("place", ["hills", "sea", "forest"])
def test_fog_is_grey_at_golden_hour(first: First, place: str) -> None:
    clear = mean(still(first, f"{place}, golden hour, clear sky"))
    fog = mean(still(first, f"{place}, golden hour, fog"))
    assert fog[0] / fog[2] < 0.65 * clear[0] / clear[2] or fog[0] / fog[2] < 1.2


@pytest.mark.parametrize("place", ["hills", "mountains", "coast", "snowfield", "forest"])
def test_night_can_be_read(first: First, place: str) -> None:
    """Away from lamps a night is blue, and dark beside the day but not black; the moon models what lies in it."""
    night, day = (still(first, f"{place} {time}, clear sky") for time in ("at night", "by day"))
    assert 0.28 < night.mean() / day.mean() < 0.6
    assert mean(night)[2] / mean(night)[0] > 1.4 * mean(day)[2] / mean(day)[0]
    assert (night.max(axis=2) < 8).mean() < 0.06
    assert night[len(night) // 2 :].mean(axis=2).std() > 8
    assert np.percentile(night.max(axis=2), 95) - np.percentile(night.max(axis=2), 10) > 55


def test_flowers_stand_at_the_feet(first: First) -> None:
    low = np.stack([still(first, "meadow by day", seed=seed)[50:] for seed in (1, 2)])
    poppies = low[..., 0] > 1.25 * low[..., 1:].max(axis=3)
    white = low.min(axis=3) > 150
    assert 0.01 < poppies.mean() < 0.15
    assert 0.005 < white.mean() < 0.1


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
    day, night = (still(first, f"living room {time}", aspect_ratio=aspect) for time in ("by day", "at night"))
    # The rug lies in the middle of the floor.
    half = day[len(day) // 2 :]
    rug = np.argwhere(half[..., 0] > 3 * half[..., 1])
    assert len(rug) > 0.1 * half[..., 0].size
    assert 0.45 < rug[:, 1].mean() / half.shape[1] < 0.6
    # In the window is a sky: by day a bright one, by night a dark one.
    brightness = [sky_in_the_window(image).mean() for image in (day, night)]
    assert brightness[0] > 1.6 * brightness[1]
    # The white ceiling shows what lights the room: by day the blue of the sky, by night warm lamps, as bright.
    (red, _, blue), (warm, _, cold) = (mean(image[: len(image) // 5]) for image in (day, night))
    assert blue / red > 1.02
    assert 0.8 < cold / warm < 0.95
    assert 0.9 < warm / red < 1.35


def sky_in_the_window(room: Any) -> Any:
    """The blue pixels of the panes, which are a good part of the picture's middle."""
    rows, columns, _ = room.shape
    middle = room[rows // 4 : rows * 5 // 8, columns * 3 // 10 : columns * 5 // 8]
    blue = middle[..., 2] > middle[..., 0] + 15
    assert blue.mean() > 0.15
    return middle[blue]


@pytest.mark.parametrize("place", ["room", "stage"])
def test_no_row_and_no_column_of_a_room_is_looked_along(place: str) -> None:
    """A ray that just misses going straight ahead meets the wall behind the furniture like its neighbours."""
    scene = compose(Shot(prompt=f"a {place}", cfg_scale=1.0), 160, 90)[0]
    box = Room(scene.ground["room"], scene.air, 1.0, 1)
    canvas = Canvas.of(160, 90)
    canvas.light[..., 3] = FAR
    haze = np.zeros((160, 3), np.float32)
    focal = 90 * 1.1
    for yaw, rise in ((0.0, 0.5 / focal - 1e-7), (0.0, 0.5 / focal + 1e-7), (0.5 / focal - 1e-6, 0.1)):
        box.draw(canvas, Pose(0.0, 1.5, 0.5, yaw, rise, 1.1), 0.0, haze)
        assert np.isfinite(canvas.light).all()
        assert canvas.light[..., 3].min() > 0
        assert canvas.light[..., :3].max() < 60


def test_a_stage_has_beams_in_colours(first: First) -> None:
    image = still(first, "stage")
    red, green, blue = np.moveaxis(image, 2, 0)
    in_pink = (red > 170) & (green < 0.4 * red) & (blue > 0.5 * red) & (blue < 0.9 * red)
    in_blue = (blue > 120) & (blue > red)
    in_white = image.min(axis=2) > 140
    assert in_pink.mean() > 0.008
    assert in_blue.mean() > 0.005
    assert in_white.mean() > 0.03
    # The curtain behind them is red and the hall dark.
    assert (red > 3 * np.maximum(green, blue)).mean() > 0.3
    assert (image.max(axis=2) < 30).mean() > 0.25


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
