"""The schema of a card's payload says yes where the card does."""

from __future__ import annotations

import base64
from typing import Any

import jsonschema_rs
import pytest

from rushes.core.card import Card
from rushes.core.errors import InvalidShot
from rushes.core.images import UPLOAD_TYPE, image_type, upload_extension
from rushes.core.patterns import whole
from rushes.core.schema import card_schema
from tests.cards import ALL, NEEDED, catalogue

VALUES = (
    None, "", " \t", "x", " x\n", "x" * 2500, "x" * 2501, "a\0b", "\0", "5", "10", "7", " 5", 5, 10, 5.0, 7, 5.5, 0, 1, -1, 0.3,
    1.5, 1e300, 2**31 - 1, 2**31, True, False, "on", " OFF ", "Yes", "nO", "maybe", "pro", "Pro", "16:9", "4:3", [], ["x"], {},
    {"x": 1}, "http://x", "HTTPS://x/y z", "httpx://y", "ftp://x", "data:image/gif;base64,AAAA", "not base64!",
)  # fmt: skip


def accepted(card: Card, fields: dict[str, Any]) -> bool:
    try:
        card.check(fields, draw_seed=lambda: 0)
    except InvalidShot:
        return False
    return True


@pytest.mark.parametrize("model", ALL)
def test_it_says_what_the_check_says(model: str) -> None:
    card = catalogue().find(model)
    schema = jsonschema_rs.validator_for(card_schema(card))
    for parameter in card.parameters:
        for value in VALUES:
            fields = NEEDED[model] | {parameter.name: value}
            if parameter.type in ("integer", "float") and isinstance(value, str) and value.strip().isdigit():
                assert schema.is_valid(fields)  # whether it lies within the limits is beyond a schema
            elif parameter.type == "image" and isinstance(value, str) and not value.isspace() and value:
                assert schema.is_valid(fields) is (
                    value.lower().startswith(("http://", "https://")) or value.isalnum()
                )
            else:
                assert schema.is_valid(fields) is accepted(card, fields), (parameter.name, value)
    for name in NEEDED[model]:
        assert not schema.is_valid({key: value for key, value in NEEDED[model].items() if key != name})
    assert schema.is_valid(NEEDED[model] | {"unknown": [1]})


@pytest.mark.parametrize("value", ["0.5", " .5", "+1.", "5e-1", "1e"])
def test_numbers_as_text(value: str) -> None:
    card = catalogue().find("kling-v2-6")
    fields = {"prompt": "x", "cfg_scale": value}
    assert jsonschema_rs.is_valid(card_schema(card), fields) is accepted(card, fields)


def test_images_as_text() -> None:
    schema = jsonschema_rs.validator_for(card_schema(catalogue().find("Kling-Image2Video-V2-Master")))
    text = base64.b64encode(bytes(range(100))).decode()
    for image in (text, f"data:image/png;base64,{text}", f"DATA:IMAGE/JPG;BASE64,{text}"):
        assert schema.is_valid({"image": image})
    assert not schema.is_valid({"image": f"data:text/html;base64,{text}"})


def test_it_tells_what_an_image_must_be_and_other_names() -> None:
    properties = card_schema(catalogue().find("kling-v2-6"))["properties"]
    rules = {"max_bytes": 10_485_760, "min_side": 300, "min_ratio": 0.4, "max_ratio": 2.5}
    assert properties["image"]["x-image"] == rules
    assert properties["image"]["x-aliases"] == ["image_url"]
    assert "image" not in card_schema(catalogue().find("Kling-Text2Video-V2.1-Master"))["properties"]


@pytest.mark.parametrize(
    "text", ["png", "JPG", ".jpeg", "image/png", "Image/.JPG", "gif", "", "image/", "..png", "../png", "png "]
)
def test_file_types_of_uploads(text: str) -> None:
    schema = {"type": "string", "pattern": whole(UPLOAD_TYPE)}
    assert jsonschema_rs.is_valid(schema, text) is (upload_extension(text) is not None)


def test_the_type_of_an_image_is_in_its_first_bytes() -> None:
    assert image_type(b"\x89PNG\r\n\x1a\n") == "image/png"
    assert image_type(b"\xff\xd8\xff\xe0") == "image/jpeg"
    assert image_type(b"\xff\xd8") is image_type(b"GIF89a") is image_type(b"") is None
