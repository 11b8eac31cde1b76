"""The catalogue: card texts become `Card`s, and a model id, however it is spelled, finds its card.

An operator's file replaces the built-in card with the same id; a file of `id` and `[engine]` alone keeps the
built-in card and only changes what serves it. A mistake in a card file is a `SetupError` that names file and key:
a card half understood would promise clients what nobody checked.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_args

import msgspec

from rushes.core.card import (
    CANONICAL,
    Capable,
    Card,
    CheckedShot,
    Demands,
    EngineChoice,
    Erratum,
    ImageRules,
    Modalities,
    ParameterRow,
)
from rushes.core.errors import InvalidShot, SetupError, UnknownModel
from rushes.core.parameter import Parameter
from rushes.core.shot import MAX_SEED, AspectRatio

__all__ = [
    "Capable",
    "Card",
    "Catalogue",
    "CheckedShot",
    "Demands",
    "ImageRules",
    "Parameter",
    "ParameterRow",
    "parse_card",
]

_LONGEST_ID = 200


class Catalogue:
    """All cards by id and alias, without regard to case; iterates in the order of the ids. Whoever keeps it sees what
    `replace` brings at once, and never half of it."""

    def __init__(self, cards: Collection[Card]) -> None:
        """Raises `SetupError` when two cards claim the same id or alias."""
        ordered = tuple(sorted(cards, key=lambda card: card.id.casefold()))
        by_name: dict[str, Card] = {}
        for card in ordered:
            for name in (card.id, *card.aliases):
                other = by_name.setdefault(name.casefold(), card)
                if other is not card:
                    raise SetupError(
                        f"two cards claim the model id '{name}': {other.id} and {card.id}",
                        advice="Rename one, or drop the alias from one of the card files.",
                    )
        self._shelf = (ordered, by_name)

    @classmethod
    def parse(cls, built_in: Mapping[str, str], own: Mapping[str, str] | None = None) -> Catalogue:
        """From file names and TOML texts: the built-in cards, then the operator's own over them."""
        cards = {}
        for source, text in built_in.items():
            card = parse_card(source, _table(source, text))
            cards[card.id.casefold()] = card
        for source, text in (own or {}).items():
            table = _table(source, text)
            card = (
                _overlay(source, table, cards)
                if table.keys() == {"id", "engine"}
                else parse_card(source, table)
            )
            cards[card.id.casefold()] = card
        return cls(cards.values())

    @property
    def cards(self) -> tuple[Card, ...]:
        """The same tuple until it is replaced."""
        return self._shelf[0]

    def replace(self, other: Catalogue) -> None:
        """Hold what `other` holds from now on. Any thread may, at any time."""
        self._shelf = other._shelf

    def __iter__(self) -> Iterator[Card]:
        return iter(self.cards)

    def __len__(self) -> int:
        return len(self.cards)

    def find(self, model: str) -> Card:
        """Raises `UnknownModel`."""
        card = self._shelf[1].get(model.casefold()) if len(model) <= _LONGEST_ID else None
        if card is None:
            raise UnknownModel(model[:_LONGEST_ID].encode("utf-8", "replace").decode())
        return card


def parse_card(source: str, table: Mapping[str, Any]) -> Card:
    """The card in `table`; `source` is the file's name for errors. Raises `SetupError`."""
    _check_keys(source, "", table, Card)
    for key, kind in (("image", ImageRules), ("modalities", Modalities)):
        if isinstance(table.get(key), dict):
            _check_keys(source, f"{key}.", table[key], kind)
    for key, item in (("parameters", Parameter), ("errata", Erratum)):
        for number, row in enumerate(table[key] if isinstance(table.get(key), list) else ()):
            if isinstance(row, dict):
                _check_keys(source, f"{key}[{number}].", row, item)
    try:
        card = msgspec.convert({**table, "engine": _engine(source, table.get("engine"))}, Card)
    except msgspec.ValidationError as error:
        raise SetupError(f"card {source}: {error}") from None
    if not card.id or len(card.id) > _LONGEST_ID:
        raise SetupError(f"card {source}: id must have 1 … {_LONGEST_ID} characters")
    seen: dict[str, str] = {}
    for parameter in card.parameters:
        _check_parameter(source, parameter)
        for key in parameter.keys:
            if seen.setdefault(key, parameter.name) != parameter.name or parameter.keys.count(key) > 1:
                raise SetupError(f"card {source}: the key '{key}' is claimed twice")
    return card


def _table(source: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"card {source}: not TOML: {error}") from None


def _overlay(source: str, table: Mapping[str, Any], cards: Mapping[str, Card]) -> Card:
    card = cards.get(table["id"].casefold()) if isinstance(table["id"], str) else None
    if card is None:
        raise SetupError(
            f"card {source}: there is no card '{table['id']}' whose engine it could choose",
            advice=f"Known ids: {', '.join(card.id for card in cards.values())}. A new model needs a whole card.",
        )
    return msgspec.structs.replace(card, engine=_engine(source, table["engine"]))


def _engine(source: str, table: object) -> EngineChoice:
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        raise SetupError(f'card {source}: an [engine] table with a name is needed, such as name = "animatic"')
    return EngineChoice(table["name"], {key: value for key, value in table.items() if key != "name"})


def _check_keys(source: str, where: str, table: Mapping[str, Any], kind: type[msgspec.Struct]) -> None:
    for key in table:
        if key not in kind.__struct_fields__:
            close = difflib.get_close_matches(key, kind.__struct_fields__, 1)
            raise SetupError(
                f"card {source}: unknown key '{where}{key}'; allowed: {', '.join(kind.__struct_fields__)}",
                advice=f"Did you mean '{close[0]}'?" if close else None,
            )


def _check_parameter(source: str, parameter: Parameter) -> None:
    """What a parameter's name demands, so that whatever it reads makes a valid shot."""
    where = f"card {source}: parameter '{parameter.name}'"
    types = CANONICAL.get(parameter.name)
    if types is None:
        raise SetupError(f"{where} is unknown; allowed: {', '.join(CANONICAL)}")
    if parameter.type not in types:
        raise SetupError(f"{where} is of type {parameter.type}; allowed: {', '.join(sorted(types))}")
    if (parameter.type == "enum") != bool(parameter.options):
        raise SetupError(f"{where}: options belong to enums, and an enum needs them")
    bounds = {"seed": (0, MAX_SEED), "cfg_scale": (0, 1), "duration": (1, 3600)}.get(parameter.name)
    if bounds and parameter.type != "enum":
        low, high = parameter.min_value, parameter.max_value
        if low is None or high is None or not bounds[0] <= low <= high <= bounds[1]:
            raise SetupError(f"{where} needs min_value and max_value within {bounds[0]} … {bounds[1]}")
    choices = {"aspect_ratio": get_args(AspectRatio)}.get(parameter.name, ())
    for option in parameter.options:
        if (choices and option not in choices) or (parameter.name == "duration" and not option.isdecimal()):
            allowed = " | ".join(choices) or "whole seconds"
            raise SetupError(f"{where}: option '{option}' is not possible; allowed: {allowed}")
    if parameter.default is not None and parameter.default != "":
        try:
            parameter.read(parameter.default)
        except InvalidShot as error:
            raise SetupError(f"{where}: its default is not allowed: {error}") from None
