"""Casting: which bodies stand where in the picture.

Composition is done in the picture, not in the world: a subject gets a place by thirds, lead room in the direction it
moves, and a size in short sides, so that tall and square pictures are composed and not cropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rushes.engines.animatic.prompt.brief import Brief
from rushes.engines.animatic.scene.graph import Subject
from rushes.engines.animatic.scene.setting import has_water
from rushes.engines.animatic.tables import table

if TYPE_CHECKING:
    from rushes.engines.animatic.scene.compose import Dice

MOST = 6


def cast_subjects(
    brief: Brief, ground: Mapping[str, Any], unwanted: frozenset[str], dice: Dice, aspect: float
) -> tuple[Subject, ...]:
    """The bodies of the scene, hero first: everything stated that can be there, then seeded extras of the place."""
    rows = table("subjects")
    wet = has_water(ground)
    wanted = [
        wish
        for wish in brief.subjects
        if wish.kind not in unwanted and (wet or not rows[wish.kind].get("afloat"))
    ]
    action = next(iter(brief.actions), "")
    side = 1 if dice.jitter(1.0) >= 0 else -1
    cast: list[Subject] = []
    for number, wish in enumerate(wanted):
        row = rows[wish.kind]
        for one in range(min(wish.count, MOST)):
            if len(cast) >= MOST:
                break
            hero = not cast
            # A third off the middle on wide pictures, nearer to it on narrow ones.
            off = (0.0 if aspect < 0.8 else 0.1 if aspect < 1.2 else 0.14) * -side
            spread = (one + number) * 0.61803 % 1 - 0.5
            cast.append(
                Subject(
                    kind=wish.kind,
                    across=0.5 + off + (0 if hero else spread * 0.7) + dice.jitter(0.05),
                    height=float(row["height"]) + (0 if hero else spread * 0.16) + dice.jitter(0.04),
                    size=float(row["size"]) * (1 if hero else 0.5) * (1 + dice.jitter(0.2)),
                    heading=0.0 if side > 0 else 3.14159265,
                    action=action,
                    colour=wish.colour,
                    rank=len(cast),
                )
            )
    for kind, chance in ground.get("extras", {}).items():
        if not cast and kind not in unwanted and dice.happens(float(chance)):
            row = rows[kind]
            cast.append(
                Subject(
                    kind=kind, across=0.5 - 0.17 * side, height=float(row["height"]) + dice.jitter(0.05),
                    size=float(row["size"]) * 0.5, heading=0.0 if side > 0 else 3.14159265, rank=1,
                )
            )  # fmt: skip
    return tuple(cast)
