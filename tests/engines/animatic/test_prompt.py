"""Golden readings of prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.core.shot import Shot
from rushes.engines.animatic.prompt.nouns import vocabulary
from rushes.engines.animatic.prompt.parse import parse
from rushes.engines.animatic.prompt.words import words
from rushes.engines.animatic.scene.compose import compose
from rushes.engines.animatic.tables import places
from tools.understanding import GOLD, REGISTERS, judge


@pytest.mark.parametrize(
    ("prompt", "places", "times", "weathers", "subjects", "moves", "ignored"),
    [
        (
            "A majestic eagle soaring through a mountain landscape at sunset",
            ["mountains"],
            ["sunset"],
            [],
            ["bird"],
            [],
            [],
        ),
        ("two sailing boats on a calm sea, drone shot", ["sea"], [], [], ["boat"], ["drone"], []),
        ("Push in: a stormy ocean at night", ["sea"], ["night"], ["storm"], [], ["dolly in"], []),
        (
            "aerial view of snowy peaks at golden hour",
            ["mountains"],
            ["golden hour"],
            ["snow"],
            [],
            ["drone"],
            [],
        ),
    ],
)
def test_readings(
    prompt: str, places: list[str], times: list[str], weathers: list[str], subjects: list[str], moves: list[str], ignored: list[str]
) -> None:  # fmt: skip
    brief = parse(prompt)
    assert list(brief.places) == places
    assert list(brief.times) == times
    assert list(brief.weathers) == weathers
    assert [wish.kind for wish in brief.subjects] == subjects
    assert list(brief.moves) == moves
    assert list(brief.ignored) == ignored


def test_camera_words_are_not_subjects() -> None:
    assert parse("drone shot, pan left, crane up").subjects == ()
    assert parse("drone shot, pan left, crane up").moves == ("drone", "pan left", "crane up")


def test_counts_and_colours() -> None:
    (wish,) = parse("three red boats").subjects
    assert (wish.kind, wish.count, wish.colour) == ("boat", 3, "#c2261d")


def test_no_and_without_leave_things_out() -> None:
    brief = parse("the sea at dawn, no boats, without clouds")
    assert {"boat", "cloudy"} <= brief.without
    assert brief.subjects == ()
    assert brief.weathers == ()


def test_undrawn_nouns_are_listed() -> None:
    brief = parse("A cheerful white raccoon riding a zeppelin over the sea")
    assert {"raccoon", "zeppelin"} == set(brief.undrawn) <= set(brief.understood)
    assert brief.ignored == ()
    assert "sea" in brief.understood


@pytest.mark.parametrize(
    ("prompt", "undrawn", "understood"),
    [
        (
            "A majestic dragon soaring through a mystical forest with glowing eyes and flowing scales",
            ("dragon", "eyes", "scales"),
            ("dragon", "soaring", "mystical", "forest", "eyes", "scales"),
        ),
        (
            "A cheerful white raccoon running through a sequoia forest",
            ("raccoon",),
            ("white", "raccoon", "sequoia", "forest"),
        ),
        ("a phoenix over a harbor, drone shot", (), ("phoenix", "harbor", "drone shot")),
        ("a fly on a wall", ("fly",), ("fly", "wall")),
        ("planes fly over the sea", ("planes",), ("planes", "fly", "sea")),
    ],
)
def test_nouns_find_their_archetype(
    prompt: str, undrawn: tuple[str, ...], understood: tuple[str, ...]
) -> None:
    brief = parse(prompt)
    assert brief.undrawn == undrawn
    assert brief.ignored == ()
    assert brief.understood == understood


@pytest.mark.parametrize(
    ("prompt", "places"),
    [
        ("Vulkan", ("mountains",)),
        ("🏔️", ("mountains",)),
        ("山", ("mountains",)),
        ("montaña", ("mountains",)),
        ("ภูเขา", ("mountains",)),
        ("🏖️", ("beach",)),
    ],
)
def test_nouns_in_other_languages_and_emoji(prompt: str, places: tuple[str, ...]) -> None:
    assert parse(prompt).places == places


@pytest.mark.parametrize(
    ("prompt", "archetypes"),
    [
        ("a great grey heron", ["bird"]),
        ("a snake near a small bowl of rice", ["snake", "tableware", "food"]),
        ("the child plays with a leopard", ["person", "quadruped"]),
        ("grilled tuna and a tuna", ["food", "fish"]),
        ("a couple in Berlin", ["person", "street"]),
        ("a couple of goats", ["quadruped"]),
        ("an office building", ["building"]),
        ("a gourmet dish", ["food"]),
        ("a woman painting a fence", ["person", "thing"]),
    ],
)
def test_nouns_are_told_from_names_verbs_and_adjectives(prompt: str, archetypes: list[str]) -> None:
    assert list(parse(prompt).archetypes) == archetypes


@pytest.mark.parametrize(
    ("prompt", "archetypes"),
    [
        ("steam rising from a forge", ["material", "room"]),
        ("the dog barks, tree bark", ["quadruped", "tree", "tree"]),
        ("people wave", ["person"]),
        ("a can of soup", ["tableware", "food"]),
        ("a tiger and a taco", ["quadruped", "food"]),
        ("blueberries", ["fruit"]),
        ("a leaf falls into a bowl", ["tree", "tableware"]),
        ("a burning house", ["building"]),
        ("a kayaker builds a sandcastle", ["person", "building"]),
        ("firemen, potatoes and knives", ["person", "fruit", "tableware"]),
        ("an orange, dressed in orange", ["fruit"]),
        ("a man with a camera, a photo of a man", ["person", "device", "person"]),
    ],
)
def test_nouns_are_told_by_their_neighbours(prompt: str, archetypes: list[str]) -> None:
    assert list(parse(prompt).archetypes) == archetypes


@pytest.mark.parametrize(
    ("prompt", "moves", "archetypes"),
    [
        ("a crane by the lake", [], ["bird"]),
        ("a red truck", [], ["car"]),
        ("a frying pan", [], ["tableware"]),
        ("a slow pan across the sea", ["pan right"], []),
        ("drone, orbit", ["drone", "orbit"], []),
        ("Dutch angle, whip pan, dolly zoom", ["dutch angle", "pan right", "dolly zoom"], []),
        ("slow push-in", ["dolly in"], []),
    ],
)
def test_words_of_the_camera_that_are_things_too(
    prompt: str, moves: list[str], archetypes: list[str]
) -> None:
    brief = parse(prompt)
    assert list(brief.moves) == moves
    assert list(brief.archetypes) == archetypes


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("a clear night", ["clear", "night"]),
        ("a dark forest", ["night", "forest"]),
        ("a stormy sea", ["rough", "sea", "storm"]),
        ("an autumn forest in the morning mist", ["forest", "dawn", "fog"]),
        ("a summer day", ["day"]),
    ],
)
def test_a_phrase_means_all_that_it_says(prompt: str, names: list[str]) -> None:
    assert parse(prompt).names == frozenset(names)


@pytest.mark.parametrize(
    ("prompt", "places", "weathers", "archetypes"),
    [
        ("a sea of clouds", [], ["cloudy"], []),
        ("a shower of bright sparks", [], [], ["fire"]),
        ("mountains of books", [], [], ["picture"]),
        ("the Sea of Japan, mountains of Norway", ["sea", "mountains"], [], ["location", "location"]),
        ("the wall of a house", [], [], ["room", "building"]),
        ("a cup of coffee", [], [], ["tableware", "food"]),
    ],
)
def test_words_of_shape_and_amount_are_no_things(
    prompt: str, places: list[str], weathers: list[str], archetypes: list[str]
) -> None:
    brief = parse(prompt)
    assert (list(brief.places), list(brief.weathers), list(brief.archetypes)) == (
        places,
        weathers,
        archetypes,
    )


@pytest.mark.parametrize(
    "prompt",
    [
        "snow falls", "confetti falls, fog drifts", "a crane unfolds and flies away", "a businesswoman steps out",
        "a tornado tears across a field", "a skateboarder kickflips", "a hedgehog crossing roads", "it lightly blows",
        "a pine that crosses", "pines bloom", "rain streaks down", "as they sail", "people stretch",
    ],
)  # fmt: skip
def test_what_is_done_is_no_thing(prompt: str) -> None:
    nouns = parse(prompt).archetypes
    assert set(nouns) <= {"material", "bird", "person", "quadruped", "plant", "tree"}
    assert len(nouns) <= 1
    assert parse(prompt).subjects == () or "bird" in nouns


@pytest.mark.parametrize(
    ("prompt", "archetypes"),
    [
        ("a small, round, shining creature", ["quadruped"]),
        ("a mother bear and a male nurse", ["quadruped", "person"]),
        ("a glass tower, a glass of water", ["material", "building", "tableware", "water"]),
        ("a gardener waters tomatoes", ["person", "fruit"]),
        ("a circus parade", ["stage", "event"]),
        ("a rooster shelters under a roof, a train tracks", ["penguin", "building", "train", "street"]),
        ("a girl blows dandelion seeds into a bowl", ["person", "flower", "fruit", "tableware"]),
        ("laser beams crossing, a crossing", ["fire", "street"]),
        ("a parasol to shield from the sun", ["device"]),
    ],
)
def test_words_in_front_say_what_a_thing_is_like(prompt: str, archetypes: list[str]) -> None:
    assert list(parse(prompt).archetypes) == archetypes


@pytest.mark.parametrize(
    ("prompt", "moves"),
    [
        ("satellites orbit the earth", ()),
        ("a toy train, tilt-shift", ()),
        ("gulls wheeling overhead", ()),
        ("overhead view of a city", ("high angle",)),
        ("a hawk circling over a field", ()),
        ("a train pulls away", ()),
        ("the camera pulls away from a train", ("dolly out",)),
        ("a train, orbiting shot", ("orbit",)),
        ("a boat on a lake, the camera circling over it", ("orbit",)),
    ],
)
def test_what_a_thing_does_moves_no_camera(prompt: str, moves: tuple[str, ...]) -> None:
    assert parse(prompt).moves == moves


def test_bullet_time_is_a_move_and_a_pace() -> None:
    brief = parse("bullet time")
    assert brief.moves == ("orbit",)
    assert brief.effects == ("slow motion",)


def test_a_dutch_angle_tips_the_horizon_all_along() -> None:
    level, _ = compose(Shot(prompt="the sea, static shot", seed=1), 320, 180)
    tipped, _ = compose(Shot(prompt="the sea, dutch angle", seed=1), 320, 180)
    rolls = [tipped.path.pose(t).roll - level.path.pose(t).roll for t in (0.0, 2.5, 5.0)]
    assert min(rolls) > 0.15


def test_slips_of_the_pen_are_mended() -> None:
    brief = parse("beautifull sunset over the montains, cinimatic")
    assert (brief.times, brief.places, brief.looks) == (("sunset",), ("mountains",), ("cinematic",))
    assert "montains" in brief.understood
    assert parse("a bottle of Fizzlo on Kodrax").ignored == ("fizzlo", "kodrax")
    assert parse("a skylnie in a cinmeatik look, a watterfal").places == ("skyline", "waterfall")
    assert parse("a watterfal").places == ("waterfall",)
    assert parse("the kinabatangan and the glenfinnan").places == ()


def test_names_are_no_slips_and_do_things() -> None:
    brief = parse("We see how Montey Darth watches the sea")
    assert brief.ignored == ("montey", "darth")
    assert (brief.places, brief.archetypes) == (("sea",), ())
    assert parse("Beautifull Sunset Over The Montains").places == ("mountains",)


@pytest.mark.parametrize(
    ("prompt", "archetypes"),
    [
        ("a big tree and a white horse", ["tree", "quadruped"]),
        ("a girl with long legs", ["person", "body"]),
        ("flying saucer, light bulb", ["aircraft", "fire"]),
        ("spicy chicken, a chicken", ["food", "penguin"]),
        ("a burning building", ["building"]),
        ("three buses", ["car"]),
        ("Kung Fu Panda, a petri dish", ["event", "quadruped", "tableware"]),
        ("dancers in Sri Lanka", ["person", "location"]),
        ("it has been in a stylish dress", ["clothing"]),
    ],
)
def test_two_words_are_one_thing_only_where_they_are_called_so(prompt: str, archetypes: list[str]) -> None:
    assert list(parse(prompt).archetypes) == archetypes


@pytest.mark.parametrize(
    ("prompt", "places", "archetypes"),
    [
        ("a woman in a café", [], ["person", "room"]),
        ("laughter fills the space, a room with space", ["room"], []),
        ("drifting through space", ["space"], []),
        ("space, stars", ["space"], []),
        ("two glasses of cider, a man with glasses", [], ["tableware", "food", "person", "device"]),
        ("a pointy hat", [], ["clothing"]),
        ("leaves of reds, oranges and yellows", [], ["tree"]),
        ("jack-o'-lanterns", [], ["fruit"]),
        ("one with big eyes marches in", [], ["body"]),
    ],
)
def test_words_of_prose(prompt: str, places: list[str], archetypes: list[str]) -> None:
    brief = parse(prompt)
    assert (list(brief.places), list(brief.archetypes)) == (places, archetypes)


def test_joined_words_come_apart() -> None:
    brief = parse("a rain-soaked street, a heart-shaped box")
    assert (brief.weathers, brief.places, brief.archetypes) == (("rain",), ("city",), ("tableware",))
    assert "rain-soaked" in brief.understood


def test_of_two_hours_the_first_is_drawn() -> None:
    brief = parse("night and noon on a beach")
    assert brief.times == ("night", "day")
    assert brief.undrawn == ("noon",)


@pytest.mark.parametrize(
    ("prompt", "count"), [("a dozen boats", 12), ("a flock of birds", 6), ("7 boats", 7)]
)
def test_counts(prompt: str, count: int) -> None:
    assert [wish.count for wish in parse(prompt).subjects] == [count]


def test_a_negation_ends_with_what_it_denies() -> None:
    brief = parse("no boats or birds on a sea with clouds")
    assert brief.without == {"boat", "bird"}
    assert (brief.places, brief.weathers) == (("sea",), ("cloudy",))


def test_the_table_says_nouns_as_a_prompt_does() -> None:
    known = vocabulary()
    assert [noun for noun in known.common if " ".join(words(noun)) != noun] == []
    marked = known.verbs | known.both | known.adverbs | known.either
    assert known.common < known.archetype.keys() > marked


def test_styles_are_understood_but_not_drawn() -> None:
    assert parse("anime, over-the-shoulder shot").undrawn == ("anime", "over-the-shoulder shot")


@pytest.mark.parametrize("path", [GOLD, REGISTERS], ids=lambda path: path.stem)
def test_real_prompts_are_understood(path: Path) -> None:
    nouns, how = judge(path.read_text(encoding="utf-8").splitlines())
    assert nouns.words > 400
    assert how.words > 40
    assert nouns.understood >= 0.95, nouns.faults
    assert nouns.wrong + len(nouns.seen) / nouns.words <= 0.03, (nouns.faults, nouns.seen)
    assert how.right / how.words >= 0.98, how.faults


def test_what_is_done_is_no_place() -> None:
    assert parse("a car parked at the sea").places == ("sea",)


def test_things_imply_their_place() -> None:
    assert parse("a red sofa").implied == ("room",)
    assert parse("people in traffic near a skyscraper").places == ("city",)
    assert parse("sofa on a beach").places == ("beach",)


@pytest.mark.parametrize(
    "prompt", ["", " ", "\x00\uffff", "a" * 2500, "no " * 800, "🌊" * 2000, "ﷺ بحر", "-- -- ''"]
)
def test_nothing_raises(prompt: str) -> None:
    parse(prompt)


@pytest.mark.parametrize("seed", range(40))
def test_a_prompt_without_a_place_is_set_outdoors(seed: int) -> None:
    scene, _ = compose(Shot(prompt="snow at dusk", seed=seed, cfg_scale=0.0), 320, 180)
    assert not {"boundless", "sheltered", "indoors"} & places()[scene.place].keys()


def test_one_may_ask_for_the_deep() -> None:
    scene, _ = compose(Shot(prompt="underwater in the deep sea", seed=1), 320, 180)
    assert scene.place == "underwater"


@pytest.mark.parametrize(
    ("prompt", "move"),
    [
        ("a boat on a lake, slow orbit, cinematic", "orbit"),
        ("a lake, slow pan left", "pan left"),
        ("a slow panning shot to the left over a city", "pan left"),
        ("a pan from left to right", "pan right"),
        ("a tracking shot from right to left", "truck left"),
        ("the camera tilts slowly down", "tilt down"),
        ("the camera moves slowly to the left", "truck left"),
        ("the camera moves slowly forward through a forest", "dolly in"),
        ("the camera zooms slowly out", "zoom out"),
        ("quick zoom on a face", "zoom in"),
    ],
)
def test_a_move_goes_where_the_words_behind_it_say(prompt: str, move: str) -> None:
    assert parse(prompt).moves == (move,)


@pytest.mark.parametrize(
    ("prompt", "weathers"),
    [
        ("the sea, sunset, clear", ("clear",)),
        ("a clear, cold night over the hills", ("clear",)),
        ("clear water in a lake", ()),
        ("a clear glass bottle", ()),
    ],
)
def test_clear_is_a_weather_where_it_speaks_of_no_thing(prompt: str, weathers: tuple[str, ...]) -> None:
    assert parse(prompt).weathers == weathers
