"""Time of day × weather → the air of the scene."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rushes.engines.animatic.prompt.brief import Brief
from rushes.engines.animatic.scene.graph import Weather
from rushes.engines.animatic.tables import colour, table
from rushes.engines.animatic.world.air import Air, Colour

if TYPE_CHECKING:
    from rushes.engines.animatic.scene.compose import Dice


SHARE = 0.3
"""Of the way to the next hour that ten seconds go: long clips develop."""
CLEAR = {"cloud": 1.0, "exposure": 1.0, "even": 1.0}
"""What a row of the weathers has where it does not say."""


def lit_air(
    time: str,
    weather: Weather,
    ground: dict[str, Any],
    brief: Brief,
    unwanted: frozenset[str],
    dice: Dice,
    aspect: float,
) -> tuple[Air, float]:
    """The air, and the exposure that suits it."""
    row: dict[str, Any] = {**table("times")[time], **ground.get("air", {})}
    sheltered = bool(ground.get("sheltered"))
    sky: dict[str, Any] = table("weathers")["clear" if sheltered else weather.name]
    if "even" in sky and (above := float(ground.get("above", 0.0))):
        # From above a sea of fog the sky is clear.
        clear = table("weathers")["clear"]
        sky = {
            k: v + (float(clear.get(k, CLEAR.get(k, 0.0))) - v) * above if k != "fog" else v
            for k, v in sky.items()
        }
    grey = float(sky["grey"])
    dim = float(sky["sun"])
    if "sun" in unwanted:
        dim *= 0.45
    elevation = math.radians(float(row["elevation"]) * (1 + dice.jitter(0.3)))
    # In a narrow picture the sun comes nearer to the middle, or it would never be seen.
    azimuth = math.radians((float(row["azimuth"]) + dice.jitter(22)) * min(1.0, 0.25 + 0.42 * aspect))
    sun = (
        math.cos(elevation) * math.sin(azimuth),
        math.sin(elevation),
        math.cos(elevation) * math.cos(azimuth),
    )
    if "sun" in unwanted:
        # Behind the camera: the light stays, its source leaves the picture.
        sun = (sun[0], sun[1], -abs(sun[2]))
    cover = float(row.get("cover", sky["cover"])) + dice.jitter(0.16)
    if {"cloudy", "overcast"} & unwanted:
        cover = min(cover, 0.08)
    moon = bool(row.get("moon", False))

    dark = float(row.get("lamps", 0.0)) ** 2
    # A grey night is bluer than a grey day, and low clouds send down what light there is: it is never as much darker
    # than a clear one as a day is.
    tone = np.array([0.93, 1.0, 1.08]) + dark * np.array([-0.16, 0.0, 0.3])
    fill = 1 + float(sky.get("night", 0.0)) * dark

    def veiled(text: str, pull: float = 1.0, strength: float = 1.0) -> Colour:
        """A colour of the time, pulled to the grey of the weather."""
        c = np.asarray(colour(text))
        return _colour((c + (c.mean() * tone - c) * grey * pull) * strength * fill)

    ambient = float(sky["ambient"])
    light_through = 0.45 + 0.55 * dim
    shine, flat = float(sky.get("cloud", 1.0)), float(sky.get("flat", 0.0))
    lit = np.asarray(veiled(row["cloud_lit"], 0.9, light_through * shine))
    shade = np.asarray(veiled(row["cloud_shade"], 0.8, (0.6 + 0.4 * dim) * shine))
    even = 0.55 * lit + 0.45 * shade
    blow = (0.4 + 0.6 * weather.wind) * float(row.get("drift", 1.0))
    air = Air(
        sun=sun,
        zenith=veiled(row["zenith"], 0.95, (0.75 + 0.25 * dim) * (1 + 0.25 * grey)),
        horizon=veiled(row["horizon"], 0.95, light_through * (0.4 + 0.6 * shine)),
        glow_colour=veiled(row["glow"], 0.5),
        warm=veiled(row["warm"], 1.0, dim),
        sunlight=veiled(row["sunlight"], 0.75, dim),
        ambient=veiled(row["ambient"], 0.85, ambient),
        cloud_lit=_colour(lit + (even - lit) * flat),
        cloud_shade=_colour(shade + (even - shade) * flat),
        falloff=float(row["falloff"]),
        haze=float(row["haze"]),
        glow=float(row["glow_strength"]) * dim,
        halo=float(row["halo"]) * dim * dim,
        core=float(row["core"]) * dim * dim,
        disc=float(row["disc"]) * (0.0 if "sun" in unwanted else dim * dim * (1 - flat) ** 2),
        cover=min(max(cover, 0.0), 1.0),
        soft=float(sky["soft"]),
        cloud_scale=float(row.get("cloud_scale", 0.16)) * float(ground.get("clouds", 1.0)),
        drift=(0.003 * blow, 0.0016 * blow),
        fog=_haze(ground, sky, "fog" in unwanted) * (1 + dice.jitter(0.25)),
        stars=0.0 if {"stars", "night"} & unwanted else float(row.get("stars", 0.0)) * (1 - grey),
        moon=moon and grey < 0.5 and not {"moon", "night"} & unwanted,
        veil=0.0 if ground.get("boundless") else float(sky.get("veil", 0.0)),
        aurora=1.0 if "aurora" in brief.effects else 0.0,
    )
    # A dark sky needs the longer exposure the greyer it is.
    lift = 1 + (0.25 + 0.4 * float(row.get("lamps", 0.0))) * grey
    lift *= float(row["daylight"]) if sheltered else 1.0
    return air, float(row["exposure"]) * lift * float(sky.get("exposure", 1.0))


def air_later(
    now: Air, time: str, weather: Weather, ground: dict[str, Any], brief: Brief, unwanted: frozenset[str], still: Dice,
    aspect: float, hurry: float,
) -> tuple[Air, float]:  # fmt: skip
    """The air of an hour that draws on, `hurry` times ten seconds later, and how bright things are then beside now.
    `still` are dice that do not jitter."""
    row: dict[str, Any] = table("times")[time]
    if "next" not in row:
        return now, 1.0
    then, _ = lit_air(row["next"], weather, ground, brief, unwanted, still, aspect)
    share = min(SHARE * hurry, 0.85)

    def between(a: Colour, b: Colour, gain: float = 1.0) -> Colour:
        return _colour((np.asarray(a) * (1 - share) + np.asarray(b) * share) / gain)

    def bright(air: Air) -> float:
        return float(np.mean(air.ambient) + 0.3 * np.mean(air.sunlight))

    dims = 1 - share + share * bright(then) / bright(now)
    elevation = math.asin(now.sun[1]) + math.radians(float(row["turn"]) * hurry)
    level = math.cos(elevation) / math.hypot(now.sun[0], now.sun[2])
    painted = ("zenith", "horizon", "glow_colour", "warm", "cloud_lit", "cloud_shade")
    shaped = ("falloff", "haze", "glow", "halo", "core")
    # What is not the sky's is lit once for the clip and dims with the picture; the sky has its own colours then.
    changed: dict[str, Any] = {
        **{name: between(getattr(now, name), getattr(then, name), dims) for name in painted},
        **{name: getattr(now, name) * (1 - share) + getattr(then, name) * share for name in shaped},
    }
    return replace(now, sun=(now.sun[0] * level, math.sin(elevation), now.sun[2] * level), **changed), dims


def _haze(ground: dict[str, Any], sky: dict[str, Any], unwanted: bool) -> float:
    """The extinction per metre: the place's own, times what the weather adds; but fog is nearly as thick anywhere."""
    own = float(ground["fog"])
    if unwanted:
        return 0.15 * own
    thick = own * float(sky["fog"])
    if even := float(sky.get("even", 0.0)):
        return float(ground.get("fogged", math.sqrt(thick * even)))
    return thick


def _colour(values: Any) -> Colour:
    r, g, b = (float(v) for v in values)
    return r, g, b
