"""`rushes audit`: what policies decided. Works on the data folder, with or without a server running on it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
import typer

from rushes.cli.flags import with_settings
from rushes.cli.keys import LEDGER_SETTINGS
from rushes.cli.screen import AsJson, out, print_json, table
from rushes.core.audit import MAX_ENTRIES
from rushes.settings import Settings

RequestId = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="A request's id, also of one that was refused.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=MAX_ENTRIES, help="At most so many.")]


@with_settings(LEDGER_SETTINGS)
def audit(settings: Settings, id: RequestId = None, limit: Limit = 20, as_json: AsJson = False) -> None:
    """Show what policies decided, about one request or all, the newest first."""
    from rushes.wiring.house import open_ledger

    with open_ledger(settings) as ledger:
        entries = ledger.audit(id, limit=limit)
    if as_json:
        print_json(msgspec.to_builtins(entries))
        return
    rows = table("when", "request", "owner", "stage", "policy", "", "reason, tags")
    for entry in entries:
        when = f"{datetime.fromtimestamp(entry.at):%Y-%m-%d %H:%M:%S}"
        why = ", ".join(part for part in (entry.reason, *entry.tags) if part)
        rows.add_row(when, entry.request_id, entry.owner, entry.stage, entry.policy, entry.decision, why)
    out().print(rows)
