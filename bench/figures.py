"""A figure, and the table of them."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median
from typing import TypeVar

import msgspec
from rich.console import Console
from rich.table import Table

T = TypeVar("T")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """`value` is what the aim is about: `at_least` or `at_most` of it is wanted. `told` is how it was found."""

    what: str
    against: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    told: str = ""

    @property
    def met(self) -> bool:
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def aim(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g}{self.unit}"
        return f"≤ {self.at_most:g}{self.unit}"

    @property
    def found(self) -> str:
        return f"{self.value:.3g}{self.unit}" if self.value < 100 else f"{self.value:.0f}{self.unit}"

    def cells(self) -> tuple[str, ...]:
        return self.what, self.against, self.found, self.aim, "yes" if self.met else "no", self.told


HEADS = ("what", "against", "found", "aim", "met", "how")


def in_turns(rounds: int, *sides: Callable[[], T]) -> list[tuple[T, ...]]:
    """What the sides give, one after the other, `rounds` times: what disturbs the machine disturbs all of them. The
    order is turned each time, so that nobody always comes first."""
    found = []
    for number in range(rounds):
        order = list(enumerate(sides))
        if number % 2:
            order.reverse()
        given = {place: side() for place, side in order}
        found.append(tuple(given[place] for place in range(len(sides))))
    return found


def middle(values: Iterable[float]) -> float:
    return median(values)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def show(figures: Sequence[Figure]) -> None:
    table = Table(*HEADS, title=circumstances(), title_justify="left")
    for figure in figures:
        what, against, found, aim, met, told = figure.cells()
        table.add_row(what, against, found, aim, f"[{'green' if figure.met else 'red'}]{met}", told)
    Console().print(table)


def page(figures: Sequence[Figure], remarks: str, before: str = "") -> str:
    """The table as Markdown. Rows of the page `before` that were not measured again stay as they are."""
    lines = [_line(HEADS), _line(("---",) * len(HEADS))]
    rows = {
        line.split(" | ")[0]: line for line in before.split("\n## ")[0].splitlines() if line.startswith("| ")
    }
    rows = {start: line for start, line in rows.items() if line not in lines and start != "| ---"}
    rows |= {f"| {figure.what}": _line(figure.cells()) for figure in figures}
    lines += rows.values()
    return "\n".join(
        ["# Performance", "", INTRODUCTION, "", circumstances(), "", *lines, "", remarks.strip(), ""]
    )


INTRODUCTION = """\
Written by `make bench`. Each row is measured beside its peer or its limit in the same run, in short turns, and the
middle of the turns is told; so the ratios carry over to other machines, the bare numbers do not."""


def circumstances() -> str:
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    packages = ("uvicorn", "uvloop", "starlette", "sqlalchemy", "msgspec", "av", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {os.cpu_count()} cores, {platform.machine()}, load {load} · "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}"
    )
