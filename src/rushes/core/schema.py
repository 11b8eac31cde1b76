"""The tolerant reading of `core.parameter`, said in JSON Schema: for the OpenAPI page, a form, and tests that draw calls.

A value is valid exactly when a submission with it is accepted, as far as JSON Schema has words. It has none for three
things: that a number written as text lies within the limits, that Base64 is an image within the card's rules (told by
`x-image`), and that another spelling of a key counts when the canonical one is absent (told by `x-aliases`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from rushes.core.card import Card
from rushes.core.images import DATA_URI, URL
from rushes.core.parameter import DECIMAL, INTEGER, SOUND_WORDS, Parameter
from rushes.core.patterns import any_case, whole

Schema: TypeAlias = dict[str, Any]

TEXT = r"[^\u0000]*"
SAYING = rf"{TEXT}[^\s\u0000]{TEXT}"
"""Text, and text that is more than blanks."""

ABSENT: Schema = {
    "description": "As if it were not there.",
    "type": ["string", "null"],
    "pattern": whole(r"\s*"),
}


def card_schema(card: Card, key: Callable[[str], str] = str) -> Schema:
    """Of the card's payload; `key` is what a dialect calls a parameter."""
    properties = {key(p.name): parameter_schema(p, key(p.name)) for p in card.parameters}
    if card.parameter("image") is not None:
        properties[key("image")]["x-image"] = msgspec.structs.asdict(card.image)
    return {
        "type": "object",
        "title": card.name,
        "description": card.brief,
        "properties": properties,
        "required": [key(parameter.name) for parameter in card.parameters if parameter.required],
        "additionalProperties": True,
    }


def parameter_schema(parameter: Parameter, key: str) -> Schema:
    """The documented form first, then what else is understood."""
    schema: Schema = {"title": parameter.display_name, "description": parameter.description}
    if parameter.default is not None:
        schema["default"] = parameter.default
    if aliases := [name for name in parameter.keys if name != key]:
        schema["x-aliases"] = aliases
    forms = _forms(parameter) + ([] if parameter.required else [ABSENT])
    return schema | (forms[0] if len(forms) == 1 else {"anyOf": forms})


def _forms(parameter: Parameter) -> list[Schema]:
    limits = {"minimum": parameter.min_value, "maximum": parameter.max_value}
    within = {name: limit for name, limit in limits.items() if limit is not None}
    match parameter.type:
        case "string":
            return [_text(parameter, SAYING if parameter.required else TEXT)]
        case "image":
            base64 = rf"(?:{DATA_URI})?[A-Za-z0-9+/]+={{0,2}}"
            return [
                _text(parameter, URL + TEXT, description="A URL."),
                _text(parameter, base64, description="A data URI or Base64.", contentEncoding="base64"),
            ]
        case "enum":
            return [{"enum": [*parameter.options, *map(int, filter(_whole, parameter.options))]}]
        case "boolean":
            words = "|".join(map(any_case, SOUND_WORDS))
            return [{"type": "boolean"}, {"type": "string", "pattern": whole(rf"\s*(?:{words})\s*")}]
        case "integer":
            return [{"type": "integer", **within}, _number_as_text(INTEGER)]
        case "float":
            return [{"type": "number", **within}, _number_as_text(DECIMAL)]


def _text(parameter: Parameter, pattern: str, **more: str) -> Schema:
    longest = {} if parameter.max_length is None else {"maxLength": parameter.max_length}
    return {"type": "string", **more, "pattern": whole(pattern), **longest}


def _number_as_text(pattern: str) -> Schema:
    return {
        "type": "string",
        "description": "The same as text, within the same limits.",
        "pattern": whole(rf"\s*(?:{pattern})\s*"),
    }


def _whole(option: str) -> bool:
    return option.isascii() and option.isdecimal()
