"""`rushes backup` and `rushes restore`: a copy of everything, and everything from a copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.cli.flags import with_settings
from rushes.cli.screen import AsJson, err, print_json
from rushes.settings import Settings

if TYPE_CHECKING:
    from rushes.wiring.backup import Copied

Target = Annotated[
    Path, typer.Argument(metavar="TARGET", help="A new folder, or a new file that ends with .tar.")
]
Source = Annotated[Path, typer.Argument(metavar="BACKUP", help="What `rushes backup` has written.")]


@with_settings(("data", "ledger", "cards"))
def backup(settings: Settings, target: Target, as_json: AsJson = False) -> None:
    """Copy ledger, files, cards and keys, also while a server runs. On the same disk a folder takes hardly any room."""
    from rushes.wiring.backup import back_up

    copied = back_up(settings, target)
    _tell(copied, f"backed up to {target}", as_json)
    if copied.missing:
        err().print(f"{len(copied.missing)} files were missing already, such as {copied.missing[0]}")
        raise typer.Exit(1)


@with_settings(("data",))
def restore(settings: Settings, source: Source, as_json: AsJson = False) -> None:
    """Make an empty data folder from a backup, and verify every file of it. Run no server on it meanwhile."""
    from rushes.wiring.backup import bring_back

    _tell(bring_back(source, settings), f"restored to {settings.data}", as_json)


def _tell(copied: Copied, done: str, as_json: bool) -> None:
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(copied))
    else:
        typer.echo(
            f"{done}: {copied.requests:,} requests, {copied.files:,} files, {copied.bytes / 1e6:,.1f} MB"
        )
