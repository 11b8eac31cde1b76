"""The composer: place × time × weather × subjects × camera → a scene, with variation drawn from the seed.

What the prompt states always appears. What it leaves open is drawn from the place's own lists: at cfg 1 the first of
each and nothing added; the lower cfg is, the wider the choice, the jitter of light and lens, and the extras. The
negative prompt goes through the same parser and takes its names away.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from rushes.core.shot import Shot
from rushes.engines.animatic.post.tone import Grade
from rushes.engines.animatic.prompt.brief import Brief
from rushes.engines.animatic.prompt.parse import parse
from rushes.engines.animatic.scene.cast import cast_subjects
from rushes.engines.animatic.scene.grade import styled
from rushes.engines.animatic.scene.graph import Scene, Weather
from rushes.engines.animatic.scene.light import air_later, lit_air
from rushes.engines.animatic.scene.path import Move, Path
from rushes.engines.animatic.scene.setting import laid_out, setting, shows_season
from rushes.engines.animatic.tables import open_air, table
from rushes.engines.animatic.world.view import Pose

PACES = {"time lapse": (3.0, 16.0), "slow motion": (0.35, 0.35)}
"""Effects and how fast, beside life, things and clouds move under them."""


class Dice:
    """Seeded choice that widens as `cfg` falls: at cfg 1 every choice is the first and every jitter is 0."""

    def __init__(self, seed: int, cfg: float) -> None:
        self._rng = np.random.default_rng(seed)
        self.width = 1.0 - min(max(cfg, 0.0), 1.0)

    def choose(self, options: list[str]) -> str:
        draw = self._rng.random()
        if not options or draw > self.width * 1.5:
            return options[0] if options else ""
        return options[int(self._rng.integers(len(options)))]

    def jitter(self, amount: float) -> float:
        """Around 0, within ±`amount` × width."""
        return float(self._rng.uniform(-1, 1)) * amount * self.width

    def happens(self, chance: float) -> bool:
        return bool(self._rng.random() < chance * self.width)


def compose(shot: Shot, width: int, height: int) -> tuple[Scene, Brief]:
    """The scene of a shot for a picture of this shape, and the brief that its prompt was read as, with what the negative
    prompt takes away."""
    brief = parse(shot.prompt)
    against = parse(shot.negative_prompt)
    unwanted = brief.without | against.names | {*against.archetypes} | ({against.season} - {""})
    dice = Dice(shot.seed, shot.cfg_scale)
    season = table("seasons").get(brief.season, {})
    place = setting(brief, unwanted, dice)
    ground = laid_out(place, brief, unwanted)
    time = (
        next(iter(brief.times), "")
        or ("night" if "aurora" in brief.effects else "")
        or dice.choose([t for t in ground["times"] if t not in unwanted] or ["day"])
    )
    weather = _weather(brief, ground, unwanted, dice)
    weather = _seasoned(weather, season, brief, ground, unwanted)
    air, exposure = lit_air(time, weather, ground, brief, unwanted, dice, width / height)
    shape = 0 if width > 1.2 * height else 2 if width < 0.8 * height else 1
    path = _path(brief, ground, unwanted, dice, width / height, shape, shot.seconds, shot.seed, time)
    subjects = cast_subjects(brief, ground, unwanted, dice, width / height)
    grade = _grade(brief, unwanted, exposure, float(table("times")[time].get("saturation", 1.0)))
    pace, sky_pace = next((PACES[name] for name in brief.effects if name in PACES), (1.0, 1.0))
    later, dims = air, 1.0
    if open_air(place):
        hurry = shot.seconds / 10 * math.sqrt(max(sky_pace, 1.0))
        still = Dice(0, 1.0)
        later, dims = air_later(air, time, weather, ground, brief, unwanted, still, width / height, hurry)
    scene = Scene(
        place=place, ground=ground, time=time, weather=weather, air=air, path=path, grade=grade, subjects=subjects,
        seed=shot.seed, seconds=float(shot.seconds), season=brief.season, shape=shape, sounds=_sounds(ground, weather),
        bloom=1.5 if "dreamy" in brief.moods else 1.0, pace=pace, sky_pace=sky_pace,
        later=later, dims=dims,
        # A moon has weak rays, and none where the sun has none.
        rays=0.0 if "sun" in unwanted else min(float(ground.get("rays", 0.35)), 0.1 if time == "night" else 1.0),
        details={
            "kind": "animatic preview", "place": place, "time": time, "weather": weather.name,
            "camera": list(path.names), "seed": shot.seed,
            "subjects": [subject.kind for subject in subjects],
        },
    )  # fmt: skip
    return scene, replace(brief, without=unwanted)


def _weather(brief: Brief, ground: dict[str, Any], unwanted: frozenset[str], dice: Dice) -> Weather:
    rows = table("weathers")
    stated = [name for name in brief.weathers if name not in unwanted]
    # Of several the strongest: "clouds and rain" rains, a "clear stormy sky" storms.
    order = ["storm", "snow", "rain", "fog", "overcast", "windy", "cloudy", "forest light", "clear"]
    stated.sort(key=order.index)
    name = (
        stated[0]
        if stated
        else dice.choose([w for w in ground["weathers"] if w not in unwanted] or ["clear"])
    )
    row = rows[name]
    falling = {key: float(row.get(key, 0.0)) for key in ("rain", "snow", "lightning")}
    if ground.get("indoors") or ground.get("sheltered"):
        # The weather is outside; at most it greys the window.
        falling = dict.fromkeys(falling, 0.0)
    falling |= ground.get("drifting", {})
    if "rain" in stated and "snow" in stated:
        falling["rain"] = 0.4
    wind = max(float(rows[w]["wind"]) for w in [name, *stated])
    if "calm" in brief.moods:
        wind *= 0.4
    if "rough" in brief.moods:
        wind *= 2.0
    return Weather(
        name=name,
        wind=wind * (1 + dice.jitter(0.3)),
        **{k: 0.0 if k in unwanted else v for k, v in falling.items()},
    )


def _seasoned(
    weather: Weather, row: dict[str, Any], brief: Brief, ground: dict[str, Any], unwanted: frozenset[str]
) -> Weather:
    """The weather with what the season of this row lets fall where it grows or was named, and with the snow that lies:
    what falls now, and a winter's."""
    named = {*row.get("named", ())} & brief.english
    falls = brief.season not in unwanted and (named or shows_season(row, ground))
    if brief.season and not weather.snow and falls:
        weather = replace(weather, **{k: v for k, v in row["falling"].items() if k not in unwanted})
    mild = ground.get("warm") or ground.get("sheltered") or weather.rain or "snow" in unwanted
    return replace(weather, lying=1.0 if weather.snow else 0.0 if mild else float(row.get("lying", 0.0)))


def _path(
    brief: Brief, ground: dict[str, Any], unwanted: frozenset[str], dice: Dice, aspect: float, shape: int, seconds: int, seed: int, time: str
) -> Path:  # fmt: skip
    rows = table("camera")
    names = [name for name in brief.moves if name not in unwanted]
    # Where only the framing was asked for, the camera still breathes.
    if not any(Move.named(name, rows[name]).travels or name == "static" for name in names):
        names += [
            dice.choose(
                [
                    n
                    for n in ("drift", "dolly in", "truck right", "truck left", "crane up")
                    if n not in unwanted
                ]
            )
        ]
    moves = tuple(Move.named(name, rows[name]) for name in names)
    # Where the place is laid out for it, a view from above has its height and horizon already.
    framings = [move for move in moves if not (move.aloft and "aloft" in ground)]
    zoom = (
        float(ground["zoom"]) * (1 + dice.jitter(0.12)) * (1.2 if shape == 2 else 1.1 if shape == 1 else 1.0)
    )
    zoom *= math.prod(min(move.closer, 1.3) for move in moves)
    # The horizon row is chosen for the shape; the tangent that puts it there depends on the focal length.
    row = ground["horizon"][shape] + dice.jitter(0.05)
    tall = 1 / aspect if aspect < 1 else 1.0
    rise = (row - 0.5) * tall / zoom + sum(move.tilt for move in framings)
    if time == "night" and shape != 0:
        rise += 0.08
    eye = float(ground["eye"]) * math.prod(move.height for move in framings) * (1 + dice.jitter(0.25))
    yaw = float(ground.get("turn", (0.0, 0.0, 0.0))[shape]) + dice.jitter(0.14)
    base = Pose(x=0.0, y=eye, z=0.0, yaw=yaw, rise=rise, zoom=zoom)
    travel = float(ground["travel"])
    bodies = (table("subjects")[wish.kind] for wish in brief.subjects)
    held = min((float(body.get("held", math.inf)) for body in bodies), default=math.inf)
    if len(framings) < len(moves):
        # A flight would soon have passed it.
        travel = min(travel, held / 4)
    if ground.get("boundless"):
        # One does not get round a planet, but a little to its side.
        moves = tuple(replace(move, orbit=move.orbit * 0.35) for move in moves)
    return Path(
        base, moves, float(seconds), travel, float(ground.get("pivot", travel * 3)), seed, floor=eye * 0.25,
        held=held,
    )  # fmt: skip


def _grade(brief: Brief, unwanted: frozenset[str], exposure: float, saturation: float) -> Grade:
    grade = Grade(exposure=exposure)
    grade = replace(grade, saturation=grade.saturation * saturation)
    grade = styled(grade, (name for name in (*brief.moods, *brief.looks) if name not in unwanted))
    return replace(grade, grain=0.0) if "grain" in unwanted else grade


def _sounds(ground: dict[str, Any], weather: Weather) -> dict[str, float]:
    sounds = {name: float(level) for name, level in ground["sounds"].items()}
    sounds["wind"] = sounds.get("wind", 0.0) * (0.5 + 0.5 * weather.wind)
    if weather.rain:
        sounds["rain"] = 0.9 * weather.rain
    if weather.lightning:
        sounds["thunder"] = 0.9
    return sounds
