"""`rushes keys`: who may call, and how much. Works on the data folder, with or without a server running on it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from rushes.cli.flags import with_settings
from rushes.cli.limits import Limits, shown, with_limits
from rushes.cli.screen import AsJson, out, print_json, table
from rushes.core.errors import SetupError
from rushes.settings import Settings

LEDGER_SETTINGS = ("data", "ledger")
LIMIT_SETTINGS = (*LEDGER_SETTINGS, "cards")
HOUR = 3600.0

app = typer.Typer(
    no_args_is_help=True, help="Make, limit, list, rotate and revoke API keys. Works on the data folder."
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The account: keys of one name see the same requests.")
]
Kid = Annotated[str, typer.Argument(metavar="KID", help="The key's id, as `rushes keys list` shows it.")]


@app.command()
@with_settings(LIMIT_SETTINGS)
@with_limits
def create(
    settings: Settings,
    limits: Limits,
    name: Name,
    admin: Annotated[bool, typer.Option("--admin", help="It sees everybody's requests.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a key, and set limits of its account. It is shown this once; only its hash is kept."""
    from rushes.wiring.house import open_ledger

    with open_ledger(settings) as ledger:
        limits.set(ledger, name, settings)
        key = ledger.create_key(name, name, admin=admin)
    if as_json:
        print_json({"key": str(key), "kid": key.kid, "owner": name, "admin": admin})
    else:
        typer.echo(str(key))


@app.command("limits")
@with_settings(LIMIT_SETTINGS)
@with_limits
def set_limits(settings: Settings, limits: Limits, name: Name, as_json: AsJson = False) -> None:
    """Change limits of an account, and show them. They hold from the next request on."""
    from rushes.wiring.house import open_ledger

    with open_ledger(settings) as ledger:
        if ledger.get_owner(name) is None:
            raise SetupError(
                f"there is no account '{name}'", advice="`rushes keys create NAME` makes one with its key."
            )
        limits.set(ledger, name, settings)
        owner, models = ledger.get_owner(name), ledger.card_limits(name)
    if as_json:
        by_model = {record.card: dict(shown(record)) for record in models}
        print_json({"owner": name, **dict(shown(owner)), "models": by_model})
        return
    rows = table("limit", "all models", *(record.card for record in models))
    columns = [dict(shown(record)) for record in (owner, *models)]
    for flag in columns[0]:
        rows.add_row(flag, *(_limit(column, flag) for column in columns))
    out().print(rows)


def _limit(column: dict[str, Any], flag: str) -> str:
    if flag not in column:
        return ""
    value = column[flag]
    return "-" if value is None else value if isinstance(value, str) else f"{value:g}"


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
                    "admin": record.admin,
                    "created_at": record.created_at,
                    "ends_at": record.revoked_at,
                    "revoked": record.revoked,
                }
                for record in records
            ]
        )
        return
    rows = table("kid", "owner", "name", "made", "")
    for record in records:
        ends = "" if record.revoked_at is None else f"works until {_moment(record.revoked_at)}"
        notes = ["admin" * record.admin, "revoked" if record.revoked else ends]
        rows.add_row(
            record.kid, record.owner, record.name, _moment(record.created_at), ", ".join(filter(None, notes))
        )
    out().print(rows)


def _moment(time: float) -> str:
    return f"{datetime.fromtimestamp(time):%Y-%m-%d %H:%M}"


@app.command()
@with_settings(LEDGER_SETTINGS)
def rotate(
    settings: Settings,
    kid: Kid,
    grace: Annotated[
        float, typer.Option("--grace", min=0.0, metavar="HOURS", help="How long the old key still works.")
    ] = 24.0,
    as_json: AsJson = False,
) -> None:
    """Make a new key in place of one, which still works for a while. The new one is shown this once."""
    from rushes.wiring.house import open_ledger

    with open_ledger(settings) as ledger:
        key = ledger.rotate_key(kid, grace * HOUR)
    if key is None:
        raise _no_such_key(kid)
    if as_json:
        print_json({"key": str(key), "kid": key.kid, "replaces": kid, "grace_hours": grace})
    else:
        typer.echo(str(key))


@app.command()
@with_settings(LEDGER_SETTINGS)
def usage(
    settings: Settings,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this account.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what each account was charged, in seconds of work, and how its requests ended."""
    from rushes.wiring.house import open_ledger

    with open_ledger(settings) as ledger:
        used = ledger.usage(name)
    if as_json:
        print_json(msgspec.to_builtins(used))
        return
    rows = table("owner", "today", "this month", "queued", "processing", "success", "failed", "cancelled")
    for one in used:
        counts = (str(count) for count in one.requests.values())
        rows.add_row(one.owner, f"{one.day_seconds:.1f} s", f"{one.month_seconds:.1f} s", *counts)
    out().print(rows)


@app.command()
@with_settings(LEDGER_SETTINGS)
def revoke(settings: Settings, kid: Kid, as_json: AsJson = False) -> None:
    """End a key for good, now. Its requests and results stay."""
    from rushes.wiring.house import open_ledger

    with open_ledger(settings) as ledger:
        revoked = ledger.revoke_key(kid)
    if not revoked:
        raise _no_such_key(kid)
    if as_json:
        print_json({"revoked": kid})
    else:
        typer.echo(f"revoked {kid}")


def _no_such_key(kid: str) -> SetupError:
    return SetupError(f"there is no key '{kid}' that works", advice="`rushes keys list` shows the keys.")
