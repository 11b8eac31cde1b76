"""How the commands talk: results to stdout, everything else to stderr, JSON where a program would read it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from rushes.core.errors import RushesError

if TYPE_CHECKING:
    from rich.table import Table

PIPE_WIDTH = 200
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


def out() -> Console:
    """Made anew for each use: a test or a pipe may have replaced stdout. What is no terminal gets long lines."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(file=sys.stdout, highlight=False, soft_wrap=True, width=width)


def err() -> Console:
    return Console(file=sys.stderr, highlight=False, soft_wrap=True)


def table(*head: str) -> Table:
    """A plain table whose first column, the one that is copied, is never broken."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold")
    for number, title in enumerate(head):
        made.add_column(title, no_wrap=number == 0, overflow="fold")
    return made


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_error(error: RushesError) -> None:
    """One red line, and the advice under it."""
    console = err()
    console.print(Text(f"Error: {error}", style="bold red"))
    if error.advice:
        console.print(Text(error.advice))
