"""Where a picture is taken: the place that the prompt names, or else one that suits the things it names; and how that
place is laid out for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rushes.engines.animatic.prompt.brief import Brief
from rushes.engines.animatic.tables import open_air, places, table

if TYPE_CHECKING:
    from rushes.engines.animatic.scene.compose import Dice


def setting(brief: Brief, unwanted: frozenset[str], dice: Dice) -> str:
    """The name of the place."""
    rows, subjects = places(), table("subjects")
    named = [place for place in brief.places if place in rows and place not in unwanted]
    # A landmark, or the place that shows most of the others: of a jungle and a river the river in it.
    shown = {place: len({*named} & {*rows[place].get("shows", ())}) for place in named}
    named.sort(key=lambda place: (not rows[place].get("landmark", False), -shown[place]))
    implied = [place for place in brief.implied if place in rows and place not in unwanted]
    bodies = [subjects[wish.kind] for wish in brief.subjects if wish.kind not in unwanted]
    homes = [home for body in bodies for home in body.get("homes", []) if home in rows]
    found = named or homes or implied
    if any(body.get("afloat") for body in bodies):
        # What floats takes the picture to the water, or to a place by the water that shows the one named.
        near = [
            place for place in rows if place not in unwanted and {*found} & {*rows[place].get("shows", ())}
        ]
        found = [place for place in (*found, *near) if has_water(rows[place])] or found
    if found:
        # Over a city there is its skyline.
        return str(rows[found[0]].get("flown", found[0])) if flight(brief, unwanted) == 1 else found[0]
    # Under a roof, in space or under water one finds oneself only when it was asked for.
    season = table("seasons").get(brief.season, {})
    outdoors = [place for place in rows if open_air(place) and shows_season(season, rows[place])]
    return dice.choose([place for place in outdoors if place not in unwanted] or outdoors)


def flight(brief: Brief, unwanted: frozenset[str]) -> float:
    """How high (0…1) the camera is between where it stands and where drones fly."""
    camera = table("camera")
    return max(
        (float(camera[name].get("aloft", 0.0)) for name in brief.moves if name not in unwanted), default=0.0
    )


def has_water(ground: Mapping[str, Any]) -> bool:
    """Whether something can float in this place."""
    return "ocean" in ground["layers"]


def shows_season(season: Mapping[str, Any], ground: Mapping[str, Any]) -> bool:
    """Whether this row of the seasons can be told by what grows here."""
    grown = {kind["sprite"] for kind in ground.get("plants", ()) if "plants" in ground["layers"]}
    return "shows" not in season or bool(grown & {*season["shows"]} and not ground.get("warm"))


def laid_out(place: str, brief: Brief, unwanted: frozenset[str]) -> dict[str, Any]:
    """The place's table as this prompt has it: seen from the air where the camera flies, without the layers that are
    not there for the words by which it was named, and without what grows but is unwanted."""
    ground = dict(places()[place])
    height = flight(brief, unwanted)
    if height and "aloft" in ground:
        ground = _from_above(ground, height)
    bare = ground.get("bare", {})
    words = {said for said, kind in brief.readings if kind == f"place:{place}"}
    if words and words <= {*bare.get("words", ())}:
        ground["layers"] = [name for name in ground["layers"] if name not in bare["layers"]]
    grown = table("growth")
    gone = {sprite for name in unwanted & grown.keys() for sprite in grown[name]}
    if gone and "plants" in ground:
        ground["plants"] = [kind for kind in ground["plants"] if kind["sprite"] not in gone]
        if not ground["plants"]:
            ground["layers"] = [name for name in ground["layers"] if name != "plants"]
    return ground


def _from_above(ground: dict[str, Any], height: float) -> dict[str, Any]:
    """The place as it looks from `height` (0…1) of where drones fly there."""
    aloft = ground["aloft"]
    if "layers" in aloft:
        # There is no half-way between being in it and above it.
        height = 1.0
    eye = float(ground["eye"])
    # Half-way up between two metres and two hundred are twenty.
    eye *= (float(aloft["eye"]) / eye) ** height
    above = aloft.get("horizon", (0.2, 0.24, 0.28))
    horizon = [low + (high - low) * height for low, high in zip(ground["horizon"], above, strict=True)]
    return {
        **ground, **aloft, "eye": eye, "horizon": horizon, "travel": max(float(ground["travel"]), 0.6 * eye),
    }  # fmt: skip
