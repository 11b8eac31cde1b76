"""`rushes keys`: who may call. Works on the data folder, with or without a server running on it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from rushes.cli.flags import with_settings
from rushes.cli.screen import AsJson, out, print_json, table
from rushes.core.errors import SetupError
from rushes.settings import Settings

LEDGER_SETTINGS = ("data", "ledger")

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys. Works on the data folder.")

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The account: keys of one name see the same requests.")
]
Kid = Annotated[str, typer.Argument(metavar="KID", help="The key's id, as `rushes keys list` shows it.")]


@app.command()
@with_settings(LEDGER_SETTINGS)
def create(settings: Settings, name: Name, as_json: AsJson = False) -> None:
    """Make a key. It is shown this once; only its hash is kept."""
    from rushes.wiring.house import open_ledger

    with open_ledger(settings) as ledger:
        key = ledger.create_key(name, name)
    if as_json:
        print_json({"key": str(key), "kid": key.kid, "owner": name})
    else:
        typer.echo(str(key))


@app.command("list")
@with_settings(LEDGER_SETTINGS)
def list_keys(settings: Settings, as_json: AsJson = False) -> None:
    """List the keys, the oldest first. The keys themselves are not kept and cannot be shown."""
    from rushes.wiring.house import open_ledger

    with open_ledger(settings) as ledger:
        records = ledger.list_keys()
    if as_json:
        print_json(
            [
                {
                    "kid": record.kid,
                    "owner": record.owner,
                    "name": record.name,
                    "created_at": record.created_at,
                    "revoked": record.revoked,
                }
                for record in records
            ]
        )
        return
    rows = table("kid", "owner", "name", "made", "")
    for record in records:
        made = f"{datetime.fromtimestamp(record.created_at):%Y-%m-%d %H:%M}"
        rows.add_row(record.kid, record.owner, record.name, made, "revoked" if record.revoked else "")
    out().print(rows)


@app.command()
@with_settings(LEDGER_SETTINGS)
def revoke(settings: Settings, kid: Kid) -> None:
    """End a key for good. Its requests and results stay."""
    from rushes.wiring.house import open_ledger

    with open_ledger(settings) as ledger:
        revoked = ledger.revoke_key(kid)
    if not revoked:
        raise SetupError(
            f"there is no key '{kid}' that could be revoked", advice="`rushes keys list` shows the keys."
        )
    typer.echo(f"revoked {kid}")
