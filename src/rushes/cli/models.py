"""`rushes models`: which ids there are, and what each accepts."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from rushes.cards import read_catalogue
from rushes.cli.flags import with_settings
from rushes.cli.screen import AsJson, out, print_json, table
from rushes.core.card import Card, ImageRules
from rushes.core.catalogue import Catalogue
from rushes.settings import Settings


def model_ids() -> list[str]:
    """For shell completion."""
    return [card.id for card in read_catalogue()]


ModelId = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="A model id, in any case.", autocompletion=model_ids)
]


@with_settings(("data", "cards"))
def models(settings: Settings, model: ModelId = None, as_json: AsJson = False) -> None:
    """Show the model ids, or what one of them accepts."""
    catalogue = read_catalogue(settings.cards)
    if model is None:
        _all(catalogue, as_json)
    elif as_json:
        print_json(msgspec.to_builtins(catalogue.find(model)))
    else:
        _one(catalogue.find(model))


def _all(catalogue: Catalogue, as_json: bool) -> None:
    if as_json:
        print_json([{"id": card.id, "brief": card.brief, "engine": card.engine.name} for card in catalogue])
        return
    rows = table("model", "engine", "what it does")
    for card in catalogue:
        rows.add_row(card.id, card.engine.name, card.brief)
    out().print(rows)


def _one(card: Card) -> None:
    from rich.markup import escape

    console = out()
    console.print(f"[bold]{escape(card.id)}[/] served by {escape(card.engine.name)}")
    console.print(escape(card.brief))
    rows = table("parameter", "type", "default", "limits", "what it does")
    for row in card.parameter_rows():
        cells = (row.name + " (required)" * row.required, row.type, row.default, row.limits, row.description)
        rows.add_row(*map(escape, cells))
    console.print()
    out().print(rows)
    if card.parameter("image"):
        console.print(f"\nimage: {image_limits(card.image)}")


def image_limits(rules: ImageRules) -> str:
    return (
        f"JPEG or PNG, at most {rules.max_bytes / 2**20:g} MB, each side at least {rules.min_side} px, "
        f"width to height from {rules.min_ratio:g} to {rules.max_ratio:g}"
    )
