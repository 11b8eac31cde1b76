"""The scene graph: everything that is decided before the first frame is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rushes.engines.animatic.post.tone import Grade
from rushes.engines.animatic.scene.path import Path
from rushes.engines.animatic.world.air import Air


@dataclass(frozen=True)
class Weather:
    """`wind` 1 is a breeze; `rain`, `snow`, `petals`, `leaves` and `lightning` are 0 (none) to about 1; `lying` 0…1 is
    the snow on the ground."""

    name: str
    wind: float = 1.0
    rain: float = 0.0
    snow: float = 0.0
    lying: float = 0.0
    lightning: float = 0.0
    petals: float = 0.0
    leaves: float = 0.0
    motes: float = 0.0
    bubbles: float = 0.0


@dataclass(frozen=True)
class Subject:
    """Something with a body: which kind, where its place in the picture is, how large and how it moves.

    `across` and `height` are its place in the picture (0…1 from the left, from the bottom) half-way through the clip,
    `size` its length in short sides of the picture, `heading` radians from the camera's right, `colour` an sRGB code
    that replaces its own, `rank` 0 for the hero.
    """

    kind: str
    across: float = 0.5
    height: float = 0.55
    size: float = 0.3
    heading: float = 0.0
    action: str = ""
    colour: str | None = None
    rank: int = 0


@dataclass(frozen=True)
class Scene:
    """One composed shot. `ground` is the place's table, `details` what the report tells of the composition, `shape` the
    picture's: 0 wide, 1 square, 2 tall, which is also where a row of three in the tables holds its value. `pace` is how
    fast moves what moves by itself, `sky_pace` the same for clouds; the camera keeps its own time. `later` is the air at the
    end of the clip, and `dims` how bright the picture is then beside its beginning."""

    place: str
    ground: Mapping[str, Any]
    time: str
    weather: Weather
    air: Air
    path: Path
    grade: Grade
    subjects: tuple[Subject, ...]
    seed: int
    seconds: float
    sounds: Mapping[str, float]
    bloom: float = 1.0
    rays: float = 0.0
    season: str = ""
    pace: float = 1.0
    sky_pace: float = 1.0
    shape: int = 0
    later: Air | None = None
    dims: float = 1.0
    details: Mapping[str, Any] = field(default_factory=dict)
