"""Flags that are not written by hand: those of the settings and those of the model cards' parameters.

A command says which settings it reads, and gets checked `Settings`; typer sees one option per setting, with the help
that the setting's field carries. The values pass as they were typed: checking them is the business of `Settings`,
which names the flag in its refusal.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from rushes.cards import read_catalogue
from rushes.core.card import CANONICAL
from rushes.core.parameter import Parameter, ParameterType
from rushes.settings import Settings
from rushes.settings.kinds import default_text, group
from rushes.settings.sources import CONFIG_FILE, flag, variable

Command: TypeAlias = Callable[..., None]

TYPES: dict[ParameterType, type] = {"integer": int, "float": float}
METAVARS: dict[ParameterType, str] = {"integer": "N", "float": "X", "string": "TEXT", "image": "FILE"}
EVERY_SETTING = tuple(Settings.model_fields)


def option(name: str, annotation: Any, default: Any, info: Any) -> inspect.Parameter:
    """A typer option called `name` in the function that gets it."""
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, info]
    )


def replace_parameter(command: Command, name: str, options: list[inspect.Parameter], run: Command) -> Command:
    """`run`, which typer sees as `command` with its parameter `name` replaced by `options`."""
    functools.update_wrapper(run, command)
    kept = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != name]
    parameters = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in kept), *options]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def with_settings(names: Collection[str] = EVERY_SETTING) -> Callable[[Command], Command]:
    """The command's parameter `settings` becomes flags for the settings called `names`, and `--config`."""

    def decorate(command: Command) -> Command:
        chosen = [name for name in EVERY_SETTING if name in names]

        def run(*, config: Path | None, **given: Any) -> None:
            flags = {name: given.pop(name) for name in chosen}
            command(settings=Settings.load(flags, config), **given)

        return replace_parameter(command, "settings", [*map(_setting_option, chosen), _CONFIG], run)

    return decorate


_CONFIG = option(
    "config",
    Path | None,
    None,
    typer.Option(
        "--config",
        metavar="FILE",
        help=f"The settings file to read instead of {CONFIG_FILE} in this folder.",
        rich_help_panel="Settings",
    ),
)


def _setting_option(name: str) -> inspect.Parameter:
    field = Settings.model_fields[name]
    info = typer.Option(
        f"--{flag(name)}",
        metavar=name.rsplit("_", 1)[-1].upper(),
        help=f"{field.description} Default: {default_text(field)}. Variable: {variable(name)}.",
        rich_help_panel=group(field),
        show_default=False,
    )
    return option(name, str | None, None, info)


def with_parameters(command: Command) -> Command:
    """The command's parameter `fields` becomes one flag for each parameter that a built-in model card has; it gets
    those that were given, by name. Limits stand in the help only: the card of the chosen model decides."""
    parameters = _parameters()

    def run(**given: Any) -> None:
        fields = {p.name: given.pop(p.name) for p in parameters}
        command(fields={name: value for name, value in fields.items() if value is not None}, **given)

    return replace_parameter(command, "fields", [_parameter_option(p) for p in parameters], run)


def _parameters() -> list[Parameter]:
    """Each parameter once, as the first card with it describes it, but for the prompt, which is an argument."""
    found: dict[str, Parameter] = {}
    for card in read_catalogue():
        for parameter in card.parameters:
            found.setdefault(parameter.name, parameter)
    return [found[name] for name in CANONICAL if name in found and name != "prompt"]


def _parameter_option(parameter: Parameter) -> inspect.Parameter:
    name, limits = f"--{flag(parameter.name)}", parameter.limits()
    if parameter.type == "boolean":
        info = typer.Option(f"{name}/--no-{flag(parameter.name)}", help=parameter.description)
        return option(parameter.name, bool | None, None, info)
    info = typer.Option(
        name,
        metavar=METAVARS.get(parameter.type, parameter.name.upper()),
        help=f"{parameter.description} ({limits})"
        if limits
        else parameter.description + " A file's path will do." * (parameter.type == "image"),
        autocompletion=lambda: list(parameter.options),
    )
    return option(parameter.name, TYPES.get(parameter.type, str) | None, None, info)
