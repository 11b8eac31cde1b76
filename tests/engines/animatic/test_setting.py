"""Where a picture is taken and from where: the place that suits what is in it, views from the air, fog in every place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from rushes.core.shot import Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.animatic.scene.compose import compose
from rushes.engines.animatic.scene.graph import Scene
from rushes.engines.animatic.tables import places, table
from rushes.engines.animatic.world.land import Land, raised
from rushes.engines.animatic.world.plants import Plants, kinds_of
from rushes.engines.animatic.world.sprites import DRAWN
from rushes.engines.animatic.world.terrain import Terrain

from .conftest import render

First = Callable[..., Any]
FLOWN = [name for name, row in places().items() if "aloft" in row]


def composed(prompt: str, **more: Any) -> Scene:
    return compose(Shot(prompt=prompt, cfg_scale=1.0, **more), 160, 90)[0]


@pytest.mark.parametrize(
    ("prompt", "place"),
    [
        ("a boat in the city", "skyline"),
        ("boats below the mountains", "lake"),
        ("a sailing boat, a village and a river", "river"),
        ("a boat", "sea"),
        ("a city", "city"),
    ],
)
def test_what_floats_takes_the_picture_to_the_water(prompt: str, place: str) -> None:
    assert composed(prompt).place == place


@pytest.mark.parametrize(
    ("prompt", "place"),
    [("a jungle with a river", "river"), ("a forest and a lake", "lake"), ("the sea and a coast", "sea")],
)
def test_the_place_that_shows_the_others_is_the_picture(prompt: str, place: str) -> None:
    assert composed(prompt).place == place


@pytest.mark.parametrize("where", ["a forest", "the sea"])
def test_a_bird_is_not_lost_in_fog(first: First, where: str) -> None:
    there, gone = (
        first(f"a bird over {where} in fog, static shot", cfg_scale=1.0, negative_prompt=without).astype(int)
        for without in ("", "bird")
    )
    changed = np.abs(there - gone).max(axis=2)
    assert (changed > 40).mean() > 0.003


def test_what_cannot_float_here_is_not_drawn_and_said(engine: AnimaticEngine) -> None:
    report = render(engine, Shot(prompt="a red boat in the desert")).report
    assert report.details["subjects"] == []
    assert report.details["not_drawn"] == ["boat"]
    unwanted = render(engine, Shot(prompt="a red boat in the desert", negative_prompt="boats")).report
    assert unwanted.details["not_drawn"] == []


@pytest.mark.parametrize("place", FLOWN)
def test_from_the_air_more_is_seen(place: str) -> None:
    ground, air = composed(f"{place}, static shot"), composed(f"drone shot, {place}")
    between = composed(f"{place} from above")
    assert ground.path.base.y < between.path.base.y <= air.path.base.y
    assert air.path.base.y > 3 * ground.path.base.y
    assert air.path.base.rise < ground.path.base.rise


def test_a_wood_is_seen_from_above_its_trees(first: First) -> None:
    assert "trunks" not in composed("aerial view of a forest").ground["layers"]
    picture = first("aerial view of a jungle by day, clear sky", cfg_scale=1.0)[30:].astype(int)
    assert (picture[..., 1] > picture[..., [0, 2]].max(axis=2)).mean() > 0.9


def test_a_camera_that_rises_keeps_a_boat_in_the_picture() -> None:
    for prompt in ("a boat on a lake, crane up", "a boat at sea, crane up"):
        path = composed(prompt).path
        boat = np.array([[0.0, 0.0, path.held]], np.float32)
        rows = [path.pose(t).project(boat, 160, 90)[0, 1] for t in np.linspace(0, path.seconds, 9)]
        assert min(rows) > 0
        assert max(rows) < 90


@pytest.mark.parametrize(
    ("prompt", "negative", "gone"),
    [
        ("beach by day", "palm trees", "palm"),
        ("meadow by day without flowers", "", "flower"),
        ("hills", "trees", "broadleaf"),
    ],
)
def test_what_grows_can_be_left_out(prompt: str, negative: str, gone: str) -> None:
    def sprites(scene: Scene) -> set[str]:
        return {plant["sprite"] for plant in scene.ground["plants"] if "plants" in scene.ground["layers"]}

    assert gone in sprites(composed(prompt.partition(" without")[0]))
    assert gone not in sprites(composed(prompt, negative_prompt=negative))


def test_growth_names_sprites_that_exist() -> None:
    assert {sprite for row in table("growth").values() for sprite in row} <= {*DRAWN}


def test_a_nebula_is_far_from_any_planet() -> None:
    assert composed("a nebula in deep space").ground["layers"] == ["nebula"]
    assert "planet" in composed("a planet before a nebula").ground["layers"]
    assert "planet" in composed("outer space").ground["layers"]


@pytest.mark.parametrize("place", ["forest", "bamboo", "meadow", "river", "lake", "city", "coast", "temple"])
def test_fog_is_nearly_as_thick_anywhere(place: str) -> None:
    """What is near is seen through it, and what is far is not."""
    fog = composed(f"{place} in fog").air.fog
    assert 15 < 1 / fog < 700


def test_peaks_stand_above_the_fog(first: First) -> None:
    assert composed("mountains in fog").air.veil < 0.5 < composed("hills in fog").air.veil
    clear, fog = (
        first(f"mountains at sunset, {weather}, static shot", cfg_scale=1.0)[:30].astype(int)
        for weather in ("clear sky", "fog")
    )
    assert fog[..., 0].mean() / fog[..., 2].mean() > 0.7 * clear[..., 0].mean() / clear[..., 2].mean()


def test_over_a_city_there_is_its_skyline() -> None:
    assert composed("aerial view of a city").place == "skyline"
    assert composed("a city from above").place == "city"


@pytest.mark.parametrize("seed", [64, 14])
def test_a_shore_has_no_hollows_that_waves_wash_in(seed: int) -> None:
    scene = composed("a beach", seed=seed)
    heights = raised(Land.from_row(scene.ground["terrain"], 0.0, 4), scene.seed)
    _, bodies = cv2.connectedComponents((heights < 0.5).astype(np.uint8))
    sizes = np.bincount(bodies.ravel())[1:]
    assert sizes.max() > 0.98 * sizes.sum()


def test_a_tall_picture_of_a_shore_looks_towards_the_water() -> None:
    wide, tall = (compose(Shot(prompt="a beach", cfg_scale=1.0), *size)[0] for size in ((160, 90), (90, 160)))
    assert tall.path.base.yaw > wide.path.base.yaw


def test_trees_stand_in_the_haze_of_their_ground() -> None:
    scene = composed("aerial view of a forest in fog")
    land = Land.from_row(scene.ground["terrain"], 0.0, 4)
    terrain = Terrain(land, scene.air, scene.path.base.y, scene.seed)
    valley, peak = terrain.haze(np.array([0.0, land.height], np.float32))
    assert 2 * peak < valley
    trees = Plants(kinds_of(scene.ground["plants"], {}, 0.0), terrain, terrain.start, scene.air, 1.0, 1)
    assert np.allclose(trees.haze, terrain.haze(trees.feet))
    assert np.ptp(trees.haze) > 0.1
