"""`rushes pull`: fetches a recipe's weights, after showing under which licence they come."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.cli.engines import RecipeName
from rushes.cli.flags import with_settings
from rushes.cli.screen import err, out
from rushes.core.errors import SetupError
from rushes.settings import Settings

if TYPE_CHECKING:
    from rushes.engines.diffusers.recipe import Recipe

Accept = Annotated[bool, typer.Option("--accept-licence", help="You have read the licence and accept it.")]
Verify = Annotated[
    bool, typer.Option("--verify", help="Read every byte that is there, and fetch what is wrong again.")
]
Update = Annotated[bool, typer.Option("--update", help="Move on to what the revision is now.")]


@with_settings(("data", "models"))
def pull(
    settings: Settings,
    recipe: Annotated[str, RecipeName],
    accept_licence: Accept = False,
    verify: Verify = False,
    update: Update = False,
) -> None:
    """Fetch the weights of RECIPE into the models folder. It goes on where it was broken off."""
    from rushes.engines.diffusers.hub import Hub
    from rushes.engines.diffusers.pull import pull as fetch
    from rushes.engines.diffusers.pull import repair
    from rushes.engines.diffusers.recipe import read_recipe

    chosen = read_recipe(recipe)
    with Bar() as bar, Hub(say=bar.say) as hub:
        if verify:
            bad = repair(chosen, settings.models / chosen.name, hub, bar.tell)
            bar.close()
            out().print(
                f"came again: {', '.join(file.local for file in bad)}"
                if bad
                else "every byte is as published"
            )
            return
        _show_licence(chosen, accept_licence)
        for folder in fetch(chosen, settings.models, hub, bar.tell, update=update):
            bar.close()
            out().print(str(folder))
    err().print(f"All of it is there. `rushes doctor --engine {recipe}` tries it on this machine.")


def _show_licence(recipe: Recipe, accepted: bool) -> None:
    """Raises `SetupError` for a licence with conditions that nobody has accepted."""
    licence, console = recipe.licence, err()
    console.print(f"{recipe.title} comes under {licence.name}: {licence.url}", markup=False)
    for clause in licence.clauses:
        console.print(f"  - {clause}", markup=False)
    if not licence.accept or accepted:
        return
    if sys.stdin.isatty() and typer.confirm("Have you read it, and do you accept it?", err=True):
        return
    raise SetupError(
        f"the licence of {recipe.name} was not accepted", advice="Read it, then say --accept-licence."
    )


class Bar:
    """The progress of a pull on one line; silent where nobody watches."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._bar = Progress(*columns, console=err(), transient=True, disable=not sys.stderr.isatty())
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tell(self, file: str, there: int, total: int) -> None:
        self._bar.start()
        self._bar.update(self._task, description=file, completed=there, total=total)

    def say(self, words: str) -> None:
        """A line above the progress, also where nobody watches it."""
        self._bar.console.print(words, markup=False)

    def close(self) -> None:
        self._bar.stop()
