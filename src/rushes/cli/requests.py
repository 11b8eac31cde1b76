"""`rushes show | list | cancel | retry`: requests on a server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from rushes.cli.flags import with_settings
from rushes.cli.remote import SERVER_SETTINGS, Key, RequestId, Url, connect
from rushes.cli.screen import AsJson, out, print_json, table
from rushes.cli.watch import print_result, watch
from rushes.core.request import Status
from rushes.settings import Settings

if TYPE_CHECKING:
    from rushes.client import Client
    from rushes.dialects.base import AttemptView, RequestView

PAGE = 100


@with_settings(SERVER_SETTINGS)
def show(
    settings: Settings,
    request_id: RequestId,
    url: Url = None,
    key: Key = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it until it ends.")] = False,
    attempts: Annotated[
        bool, typer.Option("--attempts", help="Every try, with the reason of its end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one request: where it stands, or what came of it."""
    with connect(settings, url, key) as client:
        view = watch(client.watch(request_id)) if wait else client.get(request_id)
        tries = client.attempts(request_id).attempts if attempts else None
    if as_json:
        print_json(
            msgspec.to_builtins(view) | ({} if tries is None else {"attempts": msgspec.to_builtins(tries)})
        )
        return
    print_result(view)
    if tries is not None:
        _print_attempts(tries)


def _print_attempts(tries: Sequence[AttemptView]) -> None:
    from rich.markup import escape

    rows = table("attempt", "begun", "took", "phase", "end", "reason", "worker")
    for one in tries:
        rows.add_row(
            str(one.number),
            f"{datetime.fromtimestamp(one.started_at):%Y-%m-%d %H:%M:%S}",
            "" if one.seconds is None else f"{one.seconds:.1f} s",
            one.phase or "",
            one.ended_by or "runs",
            escape(" ".join((one.error or "").split())),
            escape(one.worker or ""),
        )
    out().print(rows)


@with_settings(SERVER_SETTINGS)
def list_requests(
    settings: Settings,
    url: Url = None,
    key: Key = None,
    model: Annotated[str | None, typer.Option("--model", metavar="ID", help="Only of this model.")] = None,
    status: Annotated[Status | None, typer.Option("--status", help="Only those that stand so.")] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only those that failed, with the reasons.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where a list ended.")] = None,
    as_json: AsJson = False,
) -> None:
    """List your requests, newest first."""
    wanted = Status.FAILED if failed else status
    with connect(settings, url, key) as client:
        found, following = _collect(client, model, wanted, limit, cursor)
    if as_json:
        print_json({"requests": msgspec.to_builtins(found), "next_cursor": following})
        return
    from rich.markup import escape

    # An operator's key lists everybody's.
    several = len({view.user_id for view in found}) > 1
    rows = table("id", "status", "made", *(["owner"] * several), "model", "prompt or error")
    for view in found:
        made = f"{datetime.fromtimestamp(view.created_at):%Y-%m-%d %H:%M}"
        words = str(view.error or (view.payload or {}).get("prompt") or "")
        whose = [escape(view.user_id)] * several
        text = escape(" ".join(words.split())[:80])
        rows.add_row(view.id, view.status.value, made, *whose, view.model, text)
    out().print(rows)
    if following:
        out().print(f"More: --cursor {following}", markup=False)


def _collect(
    client: Client, model: str | None, status: Status | None, limit: int, cursor: str | None
) -> tuple[list[RequestView], str | None]:
    """At most `limit` requests from `cursor` on, and the cursor after the last."""
    found: list[RequestView] = []
    while True:
        page = client.list(model, status=status, limit=min(limit - len(found), PAGE), cursor=cursor)
        found += page.requests
        cursor = page.next_cursor
        if cursor is None or len(found) == limit:
            return found, cursor


@with_settings(SERVER_SETTINGS)
def cancel(
    settings: Settings, request_id: RequestId, url: Url = None, key: Key = None, as_json: AsJson = False
) -> None:
    """Cancel a request. A running one stops within seconds."""
    with connect(settings, url, key) as client:
        view = client.cancel(request_id)
    if as_json:
        print_json(msgspec.to_builtins(view))
    else:
        typer.echo(f"{view.id} {view.status.value}")


@with_settings((*SERVER_SETTINGS, "cards"))
def retry(
    settings: Settings,
    request_id: RequestId,
    url: Url = None,
    key: Key = None,
    local: Annotated[
        bool, typer.Option("--local", help="On the data folder itself, with or without a server: anybody's.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a failed or cancelled request anew: the same shot and seed, under an id of its own."""
    view = _retry_here(settings, request_id) if local else _retry_there(settings, request_id, url, key)
    if as_json:
        print_json(msgspec.to_builtins(view))
    else:
        typer.echo(view.id)


def _retry_there(settings: Settings, request_id: str, url: str | None, key: str | None) -> RequestView:
    with connect(settings, url, key) as client:
        return client.retry(request_id)


def _retry_here(settings: Settings, request_id: str) -> RequestView:
    from rushes.cli.local import LocalClient
    from rushes.wiring.house import open_house

    with open_house(settings) as house:
        return LocalClient(house, admin=True).retry(request_id)
