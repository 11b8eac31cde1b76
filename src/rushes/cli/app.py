"""The commands put together, and what holds for all of them: an error of ours is one line with advice and exit
status 1, never a traceback; a wrong use of a command is exit status 2."""

from __future__ import annotations

from importlib.metadata import version as package_version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rushes.cli import audit, backup, doctor, engines, keys, make, models, pull, requests, serve
from rushes.cli.screen import print_error
from rushes.core.errors import RushesError


class House(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except RushesError as error:
            print_error(error)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="rushes",
    cls=House,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rushes {package_version('rushes')}")
        raise typer.Exit


@app.callback()
def rushes(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Rushes: a self-hosted video-generation service. Send a prompt, get an MP4."""


app.command()(serve.serve)
app.command()(serve.worker)
app.command()(make.generate)
app.command()(make.submit)
app.command()(requests.show)
app.command("list")(requests.list_requests)
app.command()(requests.cancel)
app.command()(requests.retry)
app.command()(models.models)
app.command()(engines.engines)
app.command()(pull.pull)
app.add_typer(keys.app, name="keys")
app.command()(audit.audit)
app.command()(doctor.doctor)
app.command()(backup.backup)
app.command()(backup.restore)
