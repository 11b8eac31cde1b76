from __future__ import annotations

import tomllib
from typing import Any

import pytest

from rushes.core.catalogue import Catalogue, parse_card
from rushes.core.errors import SetupError, UnknownModel
from tests.cards import ALL, catalogue, texts

OWN = """
id = "my-model"
name = "Mine"
developer = "Me"
brief = "Short."
description = "Long."
[modalities]
input = ["text"]
output = ["video"]
[engine]
name = "diffusers"
recipe = "wan-1.3b"
steps = 30
[[parameters]]
name = "prompt"
type = "string"
display_name = "Prompt"
description = "What to show."
required = true
"""


def test_the_built_in_cards_are_the_five_models() -> None:
    assert {card.id for card in catalogue()} == set(ALL)
    assert len(catalogue()) == 5
    assert all(card.errata and card.engine.name == "animatic" for card in catalogue())


@pytest.mark.parametrize("model", ALL)
def test_ids_match_without_regard_to_case(model: str) -> None:
    assert catalogue().find(model.upper()) is catalogue().find(model.lower()) is catalogue().find(model)


@pytest.mark.parametrize(
    "model",
    [
        "",
        "Kling-Image2Video-V2.1-Master",
        "kling",
        "\ud800",
        "\0",
        pytest.param("x" * 10_000_000, id="huge"),
        "v2 ",
    ],
)
def test_an_unknown_id_is_refused_in_few_words(model: str) -> None:
    with pytest.raises(UnknownModel, match=r"^model .* does not exist$") as refusal:
        catalogue().find(model)
    assert len(str(refusal.value).encode()) < 300


def test_an_operators_card_joins_with_its_engine_and_options() -> None:
    card = Catalogue.parse(texts(), {"mine.toml": OWN}).find("MY-MODEL")
    assert (card.engine.name, card.engine.options) == ("diffusers", {"recipe": "wan-1.3b", "steps": 30})
    assert card.check({"prompt": "x"}, draw_seed=lambda: 1).shot.seconds == 5


def test_an_operators_card_replaces_the_built_in_one() -> None:
    own = OWN.replace("my-model", "KLING-V2-6")
    replaced = Catalogue.parse(texts(), {"mine.toml": own})
    assert len(replaced) == 5
    assert replaced.find("kling-v2-6").name == "Mine"


def test_a_file_of_id_and_engine_only_changes_what_serves_the_card() -> None:
    overlay = 'id = "kling-v2-6"\n[engine]\nname = "upstream"\nurl = "https://example.com"\n'
    card = Catalogue.parse(texts(), {"overlay.toml": overlay}).find("kling-v2-6")
    assert (card.engine.name, card.engine.options) == ("upstream", {"url": "https://example.com"})
    assert card.parameters == catalogue().find("kling-v2-6").parameters


def test_an_overlay_of_nothing_is_a_mistake() -> None:
    with pytest.raises(SetupError, match=r"overlay\.toml: there is no card 'kling-v9'") as refusal:
        Catalogue.parse(texts(), {"overlay.toml": 'id = "kling-v9"\n[engine]\nname = "animatic"\n'})
    assert "kling-v2-6" in refusal.value.advice


def test_an_alias_finds_its_card_and_can_be_claimed_once() -> None:
    own = OWN.replace('name = "Mine"', 'name = "Mine"\naliases = ["mine", "vendor/mine"]')
    assert Catalogue.parse({}, {"mine.toml": own}).find("Vendor/Mine").id == "my-model"
    with pytest.raises(SetupError, match="two cards claim the model id 'mine'"):
        Catalogue.parse({"a.toml": own, "b.toml": OWN.replace("my-model", "mine")})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("id =", "ids ="), r"unknown key 'ids'; allowed: id, aliases, name"),
        (("display_name", "displayname"), r"unknown key 'parameters\[0\].displayname'; allowed: name, type"),
        (
            ("[engine]", "[image]\nmax_side = 3\n[engine]"),
            r"unknown key 'image.max_side'; allowed: max_bytes",
        ),
        (("[engine]", "[image]\nmin_side = 0\n[engine]"), r"Expected `int` >= 1 - at `\$.image.min_side`"),
        (("[engine]\n", "[[errata]]\npage = 'x'\nours = 'y'\n[engine]\n"), r"unknown key 'errata\[0\].ours'"),
        (('input = ["text"]\n', 'in = ["text"]\n'), "unknown key 'modalities.in'"),
        (('id = "my-model"\n', ""), "missing required field `id`"),
        (('id = "my-model"', 'id = ""'), "id must have 1 … 200 characters"),
        (('name = "diffusers"\n', ""), r"an \[engine\] table with a name is needed"),
        (
            ('name = "prompt"', 'name = "steps"'),
            "parameter 'steps' is unknown; allowed: prompt, negative_prompt",
        ),
        (('type = "string"', 'type = "text"'), r"\$.parameters\[0\].type"),
        (('type = "string"', 'type = "float"'), "parameter 'prompt' is of type float; allowed: string"),
        (('type = "string"', 'type = "string"\noptions = ["a"]'), "options belong to enums"),
        (('type = "string"', 'type = "string"\naliases = ["prompt"]'), "the key 'prompt' is claimed twice"),
        (
            ('type = "string"', 'type = "string"\nmax_length = 2\ndefault = "abc"'),
            "its default is not allowed",
        ),
        (('id = "my-model"', "id = "), r"mine\.toml: not TOML"),
    ],
)
def test_a_mistake_names_file_and_key(change: tuple[str, str], words: str) -> None:
    text = OWN.replace(*change, 1)
    assert text != OWN
    with pytest.raises(SetupError, match=words) as refusal:
        Catalogue.parse({}, {"mine.toml": text})
    assert "mine.toml" in str(refusal.value)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ({"name": "seed", "type": "integer"}, "needs min_value and max_value within 0 … 2147483647"),
        (
            {"name": "seed", "type": "integer", "min_value": -1, "max_value": 5},
            "needs min_value and max_value within",
        ),
        ({"name": "cfg_scale", "type": "float", "min_value": 0, "max_value": 20}, "within 0 … 1"),
        ({"name": "duration", "type": "enum", "options": ["5s"]}, "option '5s' is not possible"),
        ({"name": "duration", "type": "enum"}, "options belong to enums"),
        ({"name": "aspect_ratio", "type": "enum", "options": ["4:3"]}, "allowed: 16:9 | 9:16 | 1:1"),
    ],
)
def test_a_parameter_must_read_into_a_valid_shot(parameter: dict[str, Any], words: str) -> None:
    table = tomllib.loads(OWN)
    table["parameters"].append({"display_name": "It", "description": "It.", **parameter})
    with pytest.raises(SetupError) as refusal:
        parse_card("mine.toml", table)
    assert words in str(refusal.value)


def test_a_card_of_whole_seconds_may_offer_a_span() -> None:
    table = tomllib.loads(OWN)
    span = {"name": "duration", "type": "integer", "min_value": 2, "max_value": 8, "default": 4}
    table["parameters"].append({"display_name": "It", "description": "It.", **span})
    card = parse_card("mine.toml", table)
    assert card.demands().max_seconds == 8
    assert card.check({"prompt": "x", "duration": "3"}, draw_seed=lambda: 0).shot.seconds == 3
