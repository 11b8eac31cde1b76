"""Reads the data of the engine: vocabularies, places, times, weathers, looks, moves."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "data"


@cache
def table(name: str) -> dict[str, Any]:
    """The parsed `data/{name}.toml`. Shared: do not change it."""
    with (FOLDER / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def places() -> dict[str, Any]:
    """The places, each completed by the rows of its `base`."""
    rows = table("places")
    return {name: _completed(row, rows) for name, row in rows.items()}


def open_air(name: str) -> bool:
    """Whether the place has a sky with weather above it: it is under no roof, nor in space or under water."""
    return not places()[name].keys() & {"boundless", "sheltered", "indoors"}


def _completed(row: dict[str, Any], rows: dict[str, Any]) -> dict[str, Any]:
    if "base" not in row:
        return row
    base = _completed(rows[row["base"]], rows)
    merged = {**base, **row}
    for key, value in row.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict) and key != "sounds":
            merged[key] = {**base[key], **value}
    return merged


@cache
def colour(text: str) -> tuple[float, float, float]:
    """`"#rrggbb 1.5"`: an sRGB colour and an optional strength, as linear light."""
    code, _, strength = text.partition(" ")
    gain = float(strength or 1)
    red, green, blue = ((int(code[i : i + 2], 16) / 255) ** 2.2 * gain for i in (1, 3, 5))
    return red, green, blue
