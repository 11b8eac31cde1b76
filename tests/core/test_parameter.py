from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.core.errors import InvalidShot
from rushes.core.parameter import Parameter, ParameterType, shown


def parameter(kind: ParameterType, **rest: Any) -> Parameter:
    return Parameter(name="it", type=kind, display_name="It", description="", **rest)


TEXT = parameter("string", max_length=5)
SECONDS = parameter("enum", options=("5", "10"), default="5")
SHAPE = parameter("enum", options=("16:9", "1:1"))
SCALE = parameter("float", min_value=0.0, max_value=1.0)
SEED = parameter("integer", min_value=0, max_value=2**31 - 1)
SOUND = parameter("boolean", default=False)
IMAGE = parameter("image")


@pytest.mark.parametrize(
    ("reader", "value", "meaning"),
    [
        (SECONDS, "5", "5"),
        (SECONDS, 10, "10"),
        (SECONDS, 10.0, "10"),
        (SHAPE, "16:9", "16:9"),
        (SCALE, "0.7", 0.7),
        (SCALE, " .5 ", 0.5),
        (SCALE, "5e-1", 0.5),
        (SCALE, 1, 1.0),
        (SCALE, 0.05, 0.05),
        (SEED, "42", 42),
        (SEED, 42.0, 42),
        (SEED, 2**31 - 1, 2**31 - 1),
        (SOUND, "ON", True),
        (SOUND, "Yes", True),
        (SOUND, "true", True),
        (SOUND, "no", False),
        (SOUND, " off ", False),
        (SOUND, "False", False),
        (SOUND, True, True),
        (TEXT, "héé✓🎬", "héé✓🎬"),
        (IMAGE, "https://example.com/cat.jpg", "https://example.com/cat.jpg"),
    ],
)
def test_one_wish_in_many_spellings(reader: Parameter, value: object, meaning: object) -> None:
    read = reader.read(value)
    assert read == meaning
    assert type(read) is type(meaning)


@pytest.mark.parametrize(
    ("reader", "value", "problem", "words"),
    [
        (SECONDS, "7", "option", "it: is '7'; allowed options: 5, 10"),
        (SECONDS, 5.5, "option", "is 5.5"),
        (SECONDS, "5.0", "option", "is '5.0'"),
        (SECONDS, True, "option", "is true"),
        (SECONDS, ["5"], "option", "is a list"),
        (SECONDS, 10**400, "option", "is a huge number"),
        (SHAPE, "4:3", "option", "allowed options: 16:9, 1:1"),
        (SCALE, 1.01, "range", "is 1.01; allowed options: 0 … 1"),
        (SCALE, "-1", "range", "is -1"),
        (SCALE, "half", "type", "must be a number, not 'half'"),
        (SCALE, math.nan, "type", "a number"),
        (SCALE, math.inf, "type", "a number"),
        (SCALE, "nan", "type", "a number"),
        (SCALE, 10**400, "type", "a huge number"),
        (SCALE, True, "type", "not true"),
        (SCALE, {"a": 1}, "type", "not an object"),
        (SEED, 2**31, "range", "0 … 2147483647"),
        (SEED, -1, "range", "is -1"),
        (SEED, 10**400, "range", "a huge number"),
        (SEED, 1.5, "type", "a whole number"),
        (SEED, "9" * 5000, "type", "a whole number"),
        (SEED, False, "type", "a whole number"),
        (SOUND, "loud", "option", "is 'loud'; allowed options: on, off"),
        (SOUND, 1, "option", "is 1"),
        (TEXT, "x" * 6, "length", "has 6 characters; allowed options: at most 5 characters"),
        (TEXT, "a\0b", "type", "not text"),
        (TEXT, "\ud800", "type", "not text"),
        (TEXT, 5, "type", "must be text, not 5"),
        (IMAGE, ["https://example.com/cat.jpg"], "image", "at most one image"),
        (IMAGE, {"url": "https://example.com/cat.jpg"}, "type", "not an object"),
    ],
)
def test_a_wrong_value_is_named_with_the_choice(
    reader: Parameter, value: object, problem: str, words: str
) -> None:
    with pytest.raises(InvalidShot) as refusal:
        reader.read(value)
    assert refusal.value.field == "it"
    assert refusal.value.problem == problem
    assert words in str(refusal.value)


def test_nothing_means_the_default_and_the_canonical_key_wins() -> None:
    reader = parameter("float", default=0.5, min_value=0.0, max_value=1.0, aliases=("cfg.scale",))
    assert reader.pick({}) == 0.5
    assert reader.pick({"it": None, "cfg.scale": ""}) == 0.5
    assert reader.pick({"cfg.scale": "0.2"}) == 0.2
    assert reader.pick({"it": "", "cfg.scale": 0.2}) == 0.2
    assert reader.pick({"it": 0, "cfg.scale": 0.2}) == 0.0


def test_blank_text_is_not_a_prompt() -> None:
    reader = parameter("string", required=True)
    with pytest.raises(InvalidShot, match="it: missing") as refusal:
        reader.pick({"it": " \n\t"})
    assert refusal.value.problem == "missing"


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**30)
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["5", "1e999", "٥", "+", ".", "1_000", "0x10", "\ud83d", "on", "16:9"])
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None, max_examples=150)
@given(value=ANYTHING)
def test_whatever_is_sent_is_read_or_refused(value: object) -> None:
    for reader in (TEXT, SECONDS, SHAPE, SCALE, SEED, SOUND, IMAGE):
        read: object
        try:
            read = reader.read(value)
        except InvalidShot as refusal:
            read = str(refusal)
        assert isinstance(read, str | int | float)
        assert not isinstance(read, float) or 0 <= read <= 1
        assert not isinstance(read, str) or len(read.encode()) < 300


@pytest.mark.parametrize(
    ("value", "words"),
    [("x" * 100, "'" + "x" * 60 + "…'"), ("\ud800", "'?'"), (None, "null"), (2.0, "2"), (b"", "a bytes")],
)
def test_values_in_messages_are_short_and_safe(value: object, words: str) -> None:
    assert shown(value) == words
