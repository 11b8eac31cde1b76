"""The flags that say what an owner may do, for `rushes keys create` and `rushes keys limits`, and how they are shown.

A flag that is not given changes nothing; `none` lifts a bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from rushes.cli.flags import Command, option, replace_parameter
from rushes.core.errors import SetupError
from rushes.settings import Settings

if TYPE_CHECKING:
    from rushes.ledger.queue import Ledger

DAY = 86_400.0
NONE, FOREVER = "none", "forever"
PANEL = "Limits"


def _count(text: str) -> float:
    """A whole number, infinity for `none`."""
    if text == NONE:
        return math.inf
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise typer.BadParameter(f"'{text}' is neither a whole number nor '{NONE}'")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = math.inf if text == NONE else float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise typer.BadParameter(f"'{text}' is neither a number of seconds nor '{NONE}'")
    return seconds


def _days(text: str) -> str:
    """Kept as text: `none` is the house's rule, and `forever` a rule of its own."""
    try:
        fine = text in (NONE, FOREVER) or 0 < float(text) < math.inf
    except ValueError:
        fine = False
    if not fine:
        raise typer.BadParameter(f"'{text}' is neither a number of days nor '{FOREVER}' nor '{NONE}'")
    return text


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not 0 < weight < math.inf:
        raise typer.BadParameter(f"'{text}' is no number above 0")
    return weight


@dataclass(frozen=True)
class Flag:
    """`field` of the ledger's `Owner`; `by_model` says that one model may have it too."""

    name: str
    field: str
    metavar: str
    read: Callable[[str], Any]
    help: str
    by_model: bool = False


FLAGS = (
    Flag("weight", "weight", "X", _weight, "Share of the fleet beside other owners; 1 unless set."),
    Flag("rpm", "per_minute", "N", _count, "Requests per minute.", by_model=True),
    Flag("queue", "queue_cap", "N", _count, "Requests that may wait at once.", by_model=True),
    Flag("running", "running_cap", "N", _count, "Requests that may run at once.", by_model=True),
    Flag("priority-max", "priority_cap", "N", _count, "The highest X-Priority; 0 unless set."),
    Flag("budget", "day_budget", "SECONDS", _seconds, "Seconds of work per UTC day."),
    Flag("budget-month", "month_budget", "SECONDS", _seconds, "Seconds of work per UTC month."),
    Flag("keep-days", "keep_for", "DAYS", _days, "How long results are kept; 'forever' too.", by_model=True),
)


@dataclass(frozen=True)
class Limits:
    """`changes` by field of the ledger's structs; None lifts a bound. `model` None: all models together."""

    model: str | None
    changes: dict[str, Any]

    def set(self, ledger: Ledger, owner: str, settings: Settings) -> None:
        """Raises `UnknownModel`."""
        if self.model is not None:
            from rushes.wiring.catalogue import load_catalogue

            card = load_catalogue(settings).find(self.model)
            ledger.change_card_limits(owner, card.id, **self.changes)
        elif self.changes:
            ledger.change_owner(owner, **self.changes)


def with_limits(command: Command) -> Command:
    """The command's parameter `limits` becomes the flags above and `--model`."""

    def run(*, model: str | None, **given: Any) -> None:
        values = {flag: given.pop(flag.name.replace("-", "_")) for flag in FLAGS}
        named = {flag: value for flag, value in values.items() if value is not None}
        for flag in named if model is not None else ():
            if not flag.by_model:
                raise SetupError(
                    f"--{flag.name} counts all models of an owner together",
                    advice="Leave out --model, or set this limit in a call of its own.",
                )
        if model is not None and not named:
            raise SetupError("--model needs a limit", advice="Such as --rpm 10.")
        command(limits=Limits(model, {f.field: _stored(value) for f, value in named.items()}), **given)

    flags = [
        option(
            flag.name.replace("-", "_"),
            Any,
            None,
            typer.Option(
                f"--{flag.name}",
                metavar=flag.metavar,
                parser=flag.read,
                help=flag.help + (" With --model: of this model." if flag.by_model else ""),
                rich_help_panel=PANEL,
            ),
        )
        for flag in FLAGS
    ]
    model = option(
        "model",
        str | None,
        None,
        typer.Option("--model", metavar="ID", help="Limit this model alone.", rich_help_panel=PANEL),
    )
    return replace_parameter(command, "limits", [*flags, model], run)


def _stored(value: Any) -> Any:
    if isinstance(value, str):
        return None if value == NONE else math.inf if value == FOREVER else float(value) * DAY
    return None if value == math.inf else value


def shown(record: Any) -> Iterator[tuple[str, str | float | None]]:
    """Each limit of an `Owner` or `CardLimits`, by flag."""
    for flag in FLAGS:
        value = getattr(record, flag.field, None)
        if hasattr(record, flag.field):
            if flag.field == "keep_for" and value is not None:
                value = FOREVER if value == math.inf else value / DAY
            yield flag.name, value
