"""Weather and seasons: what falls, what lies, what flashes. Each shows in the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rushes.core.shot import Shot
from rushes.engines.animatic.runtime import Plane
from rushes.engines.animatic.scene.compose import compose
from rushes.engines.animatic.scene.graph import Weather
from rushes.engines.animatic.tables import colour, places, table
from rushes.engines.animatic.world.lightning import Lightning
from rushes.engines.animatic.world.plants import kinds_of
from rushes.engines.animatic.world.sky import FAR
from rushes.engines.animatic.world.sprites import DRAWN, VARIANTS, sprite
from rushes.engines.animatic.world.view import Canvas

from .conftest import mean

First = Callable[..., Any]


def still(first: First, prompt: str, **more: object) -> Plane:
    return np.asarray(first(f"{prompt}, static shot", cfg_scale=1.0, **more), np.float64)


def weather(prompt: str, **more: Any) -> Weather:
    return compose(Shot(prompt=prompt, cfg_scale=1.0, **more), 160, 90)[0].weather


def sky(distance: float) -> Canvas:
    """A dim canvas of which everything is `distance` away."""
    canvas = Canvas.of(160, 90)
    canvas.light[..., :3] = 0.05
    canvas.light[..., 3] = distance
    return canvas


@pytest.mark.parametrize("place", ["sea", "hills", "mountains", "coast", "forest"])
def test_a_storm_at_night_can_be_read(first: First, place: str) -> None:
    """Before any stroke: dark, but with clouds and land to be told apart."""
    night = still(first, f"storm at night, {place}")
    luma = night.mean(axis=2)
    assert 32 < luma.mean() < 90
    assert np.percentile(luma, 95) - np.percentile(luma, 5) > 36
    assert mean(night)[2] > mean(night)[0]
    assert luma.mean() < 0.9 * still(first, f"storm by day, {place}").mean()


def test_lightning_strikes_within_the_clip_and_goes_out() -> None:
    strokes = Lightning(1.0, 5.0, seed=1)
    light = np.array([strokes.flash(t) for t in np.arange(0, 5, 1 / 24)])
    assert light.max() > 0.5
    assert (light > 0).mean() < 0.3
    assert len(Lightning(0.0, 5.0, seed=1).items(sky(FAR), 1.0, 160, 90, 0.6)) == 0


def test_a_stroke_lights_most_where_it_strikes() -> None:
    strokes = Lightning(1.0, 5.0, seed=1, sky=0.05)
    at = next(t for t in np.arange(0, 5, 1 / 24) if len(strokes.items(sky(FAR), t, 160, 90, 0.6)))
    canvas = sky(FAR)
    before = canvas.light.copy()
    strokes.light(canvas, at)
    columns = (canvas.light - before)[..., :3].mean(axis=(0, 2))
    assert columns.min() > 0.2 * before[..., :3].mean()
    bolt = strokes.items(canvas, at, 160, 90, 0.6)
    assert abs(columns.argmax() - np.median(bolt[:, 0])) < 40
    assert columns.max() > 1.5 * columns.min()
    # A lamp is no brighter for it than what is pale.
    canvas.light[:] = 40
    strokes.light(canvas, at)
    assert canvas.light[..., :3].max() < 42


def test_a_bolt_stays_behind_what_stands_before_the_sky() -> None:
    strokes = Lightning(1.0, 5.0, seed=1)
    times = np.arange(0, 5, 1 / 24)
    assert sum(len(strokes.items(sky(FAR), t, 160, 90, 0.6)) for t in times) > 20
    assert sum(len(strokes.items(sky(30.0), t, 160, 90, 0.6)) for t in times) == 0


@pytest.mark.parametrize("seed", range(4))
def test_no_second_has_more_than_three_flashes(seed: int) -> None:
    """The bound of WCAG 2.3.1, counted in rises of a tenth."""
    strokes = Lightning(1.0, 10.0, seed)
    light = np.array([strokes.flash(n / 24) for n in range(240)])
    rises = [
        n
        for n in range(1, 239)
        if light[n] >= max(light[n - 1], light[n + 1]) and light[n] > light[max(n - 4, 0) : n].min() + 0.1
    ]
    assert len(rises) >= 3
    assert max(sum(a <= n < a + 24 for n in rises) for a in rises) <= 3


def test_snow_lies_on_street_and_pavement(first: First) -> None:
    bare, white = (still(first, f"city by day, {w}")[66:] for w in ("overcast", "snow"))
    assert white.mean() > 1.5 * bare.mean()
    # Wheels have drawn tracks into it.
    assert white[8:].mean(axis=2).std() > 6


def test_a_winter_is_white_without_falling_snow(first: First) -> None:
    clear = weather("hills in winter, clear sky")
    assert (clear.snow, clear.lying) == (0, 1)
    summer, winter = (still(first, f"hills by day in {s}, clear sky")[60:] for s in ("summer", "winter"))
    assert winter.mean() > 1.4 * summer.mean()
    assert np.ptp(mean(winter)) < 0.6 * np.ptp(mean(summer))


@pytest.mark.parametrize(
    ("prompt", "negative", "lying"),
    [
        ("hills in summer", "", 0),
        ("hills in winter", "snow", 0),
        ("hills in winter rain", "", 0),
        ("a beach in winter", "", 0),
        ("a beach in heavy snow", "", 1),
        ("a meadow, snowfall", "", 1),
    ],
)
def test_snow_lies_where_it_would(prompt: str, negative: str, lying: float) -> None:
    assert weather(prompt, negative_prompt=negative).lying == lying


def test_a_season_paints_the_plants_it_names() -> None:
    rows = places()["temple"]["plants"]
    autumn = table("seasons")["autumn"]
    paints = autumn["paints"]
    plain, turned = kinds_of(rows, {}, 0.0), kinds_of(rows, autumn, 0.0)
    for name in {row["sprite"] for row in rows}:
        before, after = ([k for k in kinds if k.sprite == name] for kinds in (plain, turned))
        assert sum(k.count for k in before) == sum(k.count for k in after)
        assert len({k.paint for k in after}) == len(paints.get(name, "x"))
    conifer = next(k for k in turned if k.sprite == "conifer")
    assert conifer.paint == colour(next(r["paint"] for r in rows if r["sprite"] == "conifer"))


def test_seasons_name_sprites_that_exist() -> None:
    for name, row in table("seasons").items():
        worn = row.get("worn", {})
        named = {
            *row.get("paints", {}),
            *worn,
            *(s for pair in worn.values() for s in pair),
            *row.get("shows", ()),
        }
        assert named <= DRAWN.keys(), name


@pytest.mark.parametrize(("lying", "tree"), [(0.0, "bare"), (1.0, "snowy bare")])
def test_a_winter_strips_the_trees_that_shed_and_no_others(lying: float, tree: str) -> None:
    rows = places()["temple"]["plants"]
    kinds = kinds_of(rows, table("seasons")["winter"], lying)
    count = {s: sum(k.count for k in kinds if k.sprite == s) for s in ("broadleaf", tree, "conifer")}
    grown = {s: sum(row["count"] for row in rows if row["sprite"] == s) for s in ("broadleaf", "conifer")}
    assert count == {"broadleaf": 0, tree: grown["broadleaf"], "conifer": grown["conifer"]}


@pytest.mark.parametrize("variant", range(VARIANTS))
def test_a_bare_tree_can_be_seen_through_and_holds_a_little_snow(variant: int) -> None:
    leafy, bare, snowy = (sprite(kind, variant)[0] / 255 for kind in ("broadleaf", "bare", "snowy bare"))
    crown = np.s_[20:110, 50:160]
    assert bare[crown][..., 0].mean() < 0.75 * leafy[crown][..., 0].mean()
    for drawn in (bare, snowy):
        # It stands on the ground, by its trunk alone, and has room at the top.
        foot = np.flatnonzero(drawn[-1, :, 0] > 0.5)
        assert 4 <= len(foot) < 16
        assert drawn[0, :, 0].max() == 0
    assert 0.05 < (snowy[..., 1] > 0.5)[snowy[..., 0] > 0.5].mean() < 0.3


def test_winter_trees_are_grey_not_mauve(first: First) -> None:
    """In winter without snow, under a grey sky: no tree has a colour of its own."""
    image = still(first, "hills in winter, overcast day", negative_prompt="snow")[40:]
    mauve = (image[..., 0] > image[..., 1] + 14) & (image[..., 2] > image[..., 1] + 8)
    assert mauve.mean() < 0.0005


@pytest.mark.parametrize("place", ["sea", "coast", "desert", "underwater", "space", "room"])
@pytest.mark.parametrize(("season", "what"), [("spring", "petals"), ("autumn", "leaves")])
def test_nothing_falls_where_nothing_sheds_unless_it_is_named(place: str, season: str, what: str) -> None:
    assert getattr(weather(f"{place} in {season}"), what) == 0
    assert getattr(weather(f"{place} in {season}, {what} in the air"), what) > 0
    assert getattr(weather(f"hills in {season}"), what) > 0


def test_what_falls_may_be_named_in_any_language() -> None:
    assert weather("Herbst am Meer").leaves == 0
    assert weather("Herbst am Meer, Blätter im Wind").leaves > 0


@pytest.mark.parametrize(
    ("prompt", "negative"),
    [("hills in autumn without falling leaves", ""), ("hills in autumn", "falling leaves")],
)
def test_nothing_falls_that_is_not_wanted(prompt: str, negative: str) -> None:
    assert weather(prompt, negative_prompt=negative).leaves == 0


@pytest.mark.parametrize("season", ["spring", "autumn", "winter"])
def test_a_season_without_a_place_is_set_where_it_shows(season: str) -> None:
    for seed in range(12):
        scene = compose(Shot(prompt=f"a day in {season}", cfg_scale=0.0, seed=seed), 160, 90)[0]
        assert {"broadleaf", "conifer", "foliage"} & {row["sprite"] for row in scene.ground["plants"]}, (
            scene.place
        )


def test_an_open_prompt_may_go_anywhere_under_the_sky() -> None:
    drawn = {
        compose(Shot(prompt="something", cfg_scale=0.0, seed=seed), 160, 90)[0].place for seed in range(300)
    }
    assert drawn == places().keys() - {"space", "underwater", "room", "stage"}


def test_blossoms_do_not_glow_when_the_sun_is_low(first: First) -> None:
    image = still(first, "hills in spring at sunset, clear sky", negative_prompt="falling petals", seed=7)[
        50:
    ]
    red, green, blue = np.moveaxis(image, 2, 0)
    blossoms = (red > 110) & (red > 1.2 * green) & (blue > 0.85 * green)
    assert blossoms.mean() > 0.02
    assert np.median(red[blossoms]) < 205


def test_autumn_and_spring_show(first: First) -> None:
    ground = {s: mean(still(first, f"village by day in {s}, clear sky")[50:]) for s in ("summer", "autumn")}
    assert ground["autumn"][0] / ground["autumn"][1] > 1.06 * ground["summer"][0] / ground["summer"][1]
    spring = still(first, "hills by day in spring, clear sky", seed=3)
    pink = (spring[..., 0] > spring[..., 1] + 25) & (spring[..., 2] > spring[..., 1] + 5)
    assert pink.mean() > 0.0015


def test_places_have_skies_of_their_own(first: First) -> None:
    """Hills and a village in hills look into the same direction; not at the same clouds."""
    skies = [still(first, f"{p} by day, cloudy", seed=3)[:30].mean(axis=2) for p in ("hills", "village")]
    # Glow and gradient are the same; the edges of the clouds are not.
    a, b = (np.diff(image, axis=1).ravel() for image in skies)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.2


@pytest.mark.parametrize("place", ["sea", "hills", "skyline"])
def test_dusk_is_blue_above_and_warm_below_but_not_magenta(first: First, place: str) -> None:
    image = still(first, f"{place} at dusk, clear sky")
    red, green, blue = mean(image[:12])
    assert blue > 1.15 * red
    assert green > 0.385 * (red + blue)


def test_open_ground_is_evenly_lit(first: First) -> None:
    """No stains on a field in the sun, as under a canopy; no glowing tufts on hills when it is low."""
    field = still(first, "fields by day", seed=1)[50:].mean(axis=2)
    blocks = field[:40, :160].reshape(4, 10, 16, 10).mean(axis=(1, 3))
    assert (blocks / blocks.mean(axis=1, keepdims=True)).std() < 0.075
    hills = still(first, "hills at sunset", seed=1)[50:].mean(axis=2)
    assert np.percentile(hills, 99) < 1.95 * hills.mean()
