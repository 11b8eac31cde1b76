from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.core.card import CheckedShot
from rushes.core.errors import InvalidShot
from rushes.core.parameter import Parameter
from rushes.core.shot import MAX_SEED, Shot
from tests.cards import ALL, IMAGE, NEEDED, catalogue
from tests.core.test_parameter import ANYTHING


def check(model: str, fields: dict[str, Any]) -> CheckedShot:
    return catalogue().find(model).check(fields, draw_seed=lambda: 7)


def test_the_fields_of_a_page_become_a_shot() -> None:
    checked = check(
        "kling-v2-6",
        {
            "prompt": "an eagle",
            "sound": "on",
            "image": IMAGE,
            "duration": "10",
            "mode": "pro",
            "cfg_scale": 0.7,
        },
    )
    assert checked == CheckedShot(
        shot=Shot(prompt="an eagle", has_image=True, seconds=10, cfg_scale=0.7, sound=True, seed=7),
        image=IMAGE,
        ignored=(),
    )


@pytest.mark.parametrize("model", ALL)
def test_what_is_needed_is_enough_and_the_rest_has_defaults(model: str) -> None:
    shot = check(model, NEEDED[model]).shot
    assert (shot.seconds, shot.cfg_scale, shot.sound, shot.mode, shot.seed) == (5, 0.5, False, "pro", 7)
    text_only = catalogue().find(model).parameter("image") is None
    assert shot.aspect_ratio == ("16:9" if text_only else None)


@pytest.mark.parametrize("model", ALL)
def test_an_empty_payload_is_refused(model: str) -> None:
    with pytest.raises(InvalidShot, match="missing") as refusal:
        check(model, {})
    assert refusal.value.field in NEEDED[model]


@pytest.mark.parametrize("model", ALL)
def test_every_model_takes_a_negative_prompt_a_shape_and_a_seed(model: str) -> None:
    sent = {"negative_prompt": "blur", "aspect_ratio": "9:16", "seed": "11"}
    shot = check(model, NEEDED[model] | sent).shot
    assert (shot.negative_prompt, shot.aspect_ratio, shot.seed) == ("blur", "9:16", 11)
    assert check(model, NEEDED[model] | {"ratio": "1:1"}).shot.aspect_ratio == "1:1"
    assert check(model, NEEDED[model] | {"cfg.scale": "0.3"}).shot.cfg_scale == 0.3


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
def test_prompts_end_at_2500_characters(name: str) -> None:
    fields = {"prompt": "x", name: "é" * 2500}
    assert len(getattr(check("kling-v2-6", fields).shot, name)) == 2500
    with pytest.raises(InvalidShot, match="has 2501 characters"):
        check("kling-v2-6", {"prompt": "x", name: "é" * 2501})


def test_an_image_keeps_the_form_it_was_sent_in() -> None:
    uri = "data:image/png;base64," + "A" * 10_000_000
    checked = check("kling-v2-5-turbo", {"prompt": "x", "image_url": uri})
    assert checked.image == uri
    assert checked.shot.has_image


def test_keys_that_change_nothing_are_told() -> None:
    fields = {"prompt": "x", "img": IMAGE, "cfg_scale": 0.1, "cfg.scale": 0.9, "sound": "on", "ratio": None}
    checked = check("kling-v2-5-turbo", fields)
    assert checked.ignored == ("img", "cfg.scale", "sound")
    assert checked.shot.cfg_scale == 0.1
    assert catalogue().find("kling-v2-5-turbo").ignored(fields) == checked.ignored


@settings(deadline=None, max_examples=60)
@given(
    fields=st.dictionaries(
        st.sampled_from(["prompt", "image", "duration", "cfg_scale", "seed", "sound", "mode", "ratio", "x"]),
        ANYTHING,
        max_size=5,
    )
)
def test_any_fields_make_a_valid_shot_or_are_refused(fields: dict[str, object]) -> None:
    for card in catalogue():
        with contextlib.suppress(InvalidShot):
            shot = card.check(fields, draw_seed=lambda: 0).shot
            assert shot.seconds in {5, 10}
            assert 0 <= shot.cfg_scale <= 1
            assert 0 <= shot.seed <= MAX_SEED
            assert shot.aspect_ratio in {None, "16:9", "9:16", "1:1"}
            assert (shot.mode, type(shot.sound)) == ("pro", bool)


@dataclass(frozen=True)
class Weak:
    """An engine that can do little."""

    text_to_video: bool = True
    image_to_video: bool = True
    sound: bool = False
    aspect_ratios: tuple[str, ...] = ("16:9", "9:16", "1:1")
    max_seconds: int = 10


def test_a_card_tells_what_its_engine_must_be_able_to_do() -> None:
    demands = {card.id: card.demands() for card in catalogue()}
    assert demands["kling-v2-6"].beyond(Weak()) == ["sound"]
    assert demands["kling-v2-5-turbo"].beyond(Weak()) == []
    assert demands["Kling-Image2Video-V2-Master"].beyond(Weak(text_to_video=False)) == []
    assert demands["Kling-Text2Video-V2.1-Master"].beyond(Weak(image_to_video=False)) == []
    assert demands["kling-v2-5-turbo"].beyond(
        Weak(text_to_video=False, image_to_video=False, aspect_ratios=("16:9",), max_seconds=5)
    ) == [
        "video from text alone",
        "video from an image",
        "aspect ratio 9:16, 1:1",
        "10 seconds (its most is 5)",
    ]


@pytest.mark.parametrize("model", ALL)
def test_the_rows_are_for_people(model: str) -> None:
    card = catalogue().find(model)
    rows = {row.name: row for row in card.parameter_rows()}
    assert list(rows) == [parameter.name for parameter in card.parameters]
    assert (rows["duration"].default, rows["duration"].limits) == ("5", "5 | 10")
    assert (rows["cfg_scale"].default, rows["cfg_scale"].limits) == ("0.5", "0 … 1")
    assert all(row.description.endswith(".") for row in rows.values())


def test_sound_is_shown_in_the_words_that_are_sent() -> None:
    sound = catalogue().find("kling-v2-6").parameter("sound")
    assert isinstance(sound, Parameter)
    row = next(row for row in catalogue().find("kling-v2-6").parameter_rows() if row.name == "sound")
    assert (row.default, row.limits) == ("off", "on | off")
