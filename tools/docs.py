"""The pages of docs/ that are written by the code they describe: settings, models, command line.

`make docs` writes them; a test refuses a page that no longer says what the code does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from rushes.cards import read_catalogue
from rushes.cli.app import app
from rushes.cli.models import image_limits
from rushes.core.card import Card
from rushes.core.request import TERMINAL, TRANSITIONS, Status
from rushes.settings import Settings
from rushes.settings.kinds import allowed, default_text, group
from rushes.settings.sources import CONFIG_FILE, ENV_PREFIX, flag, variable

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MARK = "<!-- Written by `make docs`: change the code, not this page. -->\n"


def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    return {
        DOCS / "settings.md": settings_page(),
        DOCS / "models.md": models_page(read_catalogue()),
        DOCS / "cli.md": cli_page(get_command(app)),
        ROOT / "ARCHITECTURE.md": with_transitions((ROOT / "ARCHITECTURE.md").read_text("utf-8")),
    }


def with_transitions(page: str) -> str:
    """The page with the state table drawn anew between its marks: a picture, and a line for each way."""
    start, end = "<!-- transitions -->\n", "<!-- /transitions -->"
    before, rest = page.split(start)
    arrows = "\n".join(f"    {t.source} --> {t.target}: {t.verb}" for t in TRANSITIONS)
    ends = "\n".join(f"    {status} --> [*]" for status in sorted(TERMINAL))
    picture = f"```mermaid\nstateDiagram-v2\n    [*] --> {Status.QUEUED}: submit\n{arrows}\n{ends}\n```"
    ways = table(("from", "verb", "to", ""), ((t.source, t.verb, t.target, t.note) for t in TRANSITIONS))
    return f"{before}{start}\n{picture}\n\n{ways}\n\n{end}{rest.split(end)[1]}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; bars and line ends inside cells are made harmless."""
    lines = [list(head), ["---"] * len(list(head))] + [list(row) for row in rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    return f"`{text}`" if text else ""


# -- settings ------------------------------------------------------------------------------------------------------


def settings_page() -> str:
    groups: dict[str, list[str]] = {}
    for name, field in Settings.model_fields.items():
        groups.setdefault(group(field), []).append(name)
    return (
        "\n\n".join(
            [
                "# Settings",
                MARK.strip(),
                f"A setting comes from a flag of the command, else from a `{ENV_PREFIX}*` variable, else from "
                f"`{CONFIG_FILE}` in the working folder (or the file after `--config`), else it is the default. A value "
                "that is not allowed, and a name that is not known, stop the start with a sentence that says where they "
                "came from.",
                f'```toml\n# {CONFIG_FILE}\nport = 8080\ndata = "/var/lib/rushes"\n'
                'fetch_allow = ["10.0.0.0/8", "192.168.1.5:8080"]\n```',
                *(
                    part
                    for heading, names in groups.items()
                    for part in (f"## {heading}", _settings_table(names))
                ),
            ]
        )
        + "\n"
    )


def _settings_table(names: Iterable[str]) -> str:
    rows = []
    for name in names:
        field = Settings.model_fields[name]
        (example,) = field.examples or ("",)
        spelt = f"`{name}`<br>`--{flag(name)}`<br>`{variable(name)}`"
        rows.append((spelt, str(field.description), allowed(field), default_text(field), code(str(example))))
    return table(("name, flag, variable", "what it does", "allowed", "default", "example"), rows)


# -- models --------------------------------------------------------------------------------------------------------


def models_page(cards: Iterable[Card]) -> str:
    return (
        "\n\n".join(
            [
                "# Models",
                MARK.strip(),
                "What each model id accepts. The same comes from `rushes models ID` and from the model detail of the API. "
                "Ids match without regard to case; a file in the `cards` folder adds a model, replaces one, or picks "
                "another engine for one.",
                *(part for card in cards for part in _model(card)),
            ]
        )
        + "\n"
    )


def _model(card: Card) -> Iterator[str]:
    yield f"## {card.id}"
    yield card.brief
    if card.aliases:
        yield "Also known as " + ", ".join(code(alias) for alias in card.aliases) + "."
    rows = (
        (
            code(row.name),
            row.type,
            "yes" if row.required else "",
            code(row.default),
            row.limits,
            row.description,
        )
        for row in card.parameter_rows()
    )
    yield table(("parameter", "type", "required", "default", "limits", "what it does"), rows)
    if card.parameter("image"):
        yield f"Image: {image_limits(card.image)}."
    if card.errata:
        yield "Where the vendor's page is unclear:"
        yield "\n".join(f"- The page: {erratum.page}. Here: {erratum.here}." for erratum in card.errata)


# -- command line --------------------------------------------------------------------------------------------------


def cli_page(command: Any) -> str:
    return (
        "\n\n".join(
            [
                "# Command line",
                MARK.strip(),
                str(command.help),
                "Flags of [settings](settings.md) are named here and explained there. `rushes --install-completion` "
                "teaches your shell to complete commands, flags and their values.",
                *_commands(command, "rushes"),
            ]
        )
        + "\n"
    )


def _commands(group: Any, name: str) -> Iterator[str]:
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield f"## {name} {word}"
            yield str(command.help)
            yield from _commands(command, f"{name} {word}")
        else:
            yield from _command(command, f"{name} {word}")


def _command(command: Any, name: str) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [
        p for p in command.params if p.param_type_name == "option" and p.name not in Settings.model_fields
    ]
    settings = [p for p in command.params if p.name in Settings.model_fields]
    usage = " ".join([name, *(str(p.metavar) for p in arguments), "[OPTIONS]"])
    yield f"{'#' * len(name.split())} {name}"
    yield str(command.help)
    yield f"```\n{usage}\n```"
    rows = [(code(str(p.metavar)), str(p.help or "")) for p in arguments]
    rows += [
        (code(", ".join([*p.opts, *p.secondary_opts])), str(p.help or "")) for p in options if not p.hidden
    ]
    if rows:
        yield table(("argument or option", "what it does"), rows)
    if len(settings) == len(Settings.model_fields):
        yield "And a flag for every [setting](settings.md)."
    elif settings:
        yield "Settings: " + ", ".join(code(p.opts[0]) for p in settings) + "."


def main() -> None:
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
