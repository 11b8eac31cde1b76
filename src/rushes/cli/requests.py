"""`rushes show | list | cancel`: requests on a server."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from rushes.cli.flags import with_settings
from rushes.cli.remote import Key, RequestId, Url, connect
from rushes.cli.screen import AsJson, out, print_json, table
from rushes.cli.watch import print_result, watch
from rushes.core.request import Status
from rushes.settings import Settings

if TYPE_CHECKING:
    from rushes.client import Client
    from rushes.dialects.base import RequestView

PAGE = 100


@with_settings(("data",))
def show(
    settings: Settings,
    request_id: RequestId,
    url: Url = None,
    key: Key = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it until it ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one request: where it stands, or what came of it."""
    with connect(settings, url, key) as client:
        view = watch(client.watch(request_id)) if wait else client.get(request_id)
    if as_json:
        print_json(msgspec.to_builtins(view))
    else:
        print_result(view)


@with_settings(("data",))
def list_requests(
    settings: Settings,
    url: Url = None,
    key: Key = None,
    model: Annotated[str | None, typer.Option("--model", metavar="ID", help="Only of this model.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where a list ended.")] = None,
    as_json: AsJson = False,
) -> None:
    """List your requests, newest first."""
    with connect(settings, url, key) as client:
        found, following = _collect(client, model, failed, limit, cursor)
    if as_json:
        print_json({"requests": msgspec.to_builtins(found), "next_cursor": following})
        return
    from rich.markup import escape

    rows = table("id", "status", "made", "model", "prompt or error")
    for view in found:
        made = f"{datetime.fromtimestamp(view.created_at):%Y-%m-%d %H:%M}"
        words = str(view.error or (view.payload or {}).get("prompt") or "")
        rows.add_row(view.id, view.status.value, made, view.model, escape(" ".join(words.split())[:80]))
    out().print(rows)
    if following:
        out().print(f"More: --cursor {following}", markup=False)


def _collect(
    client: Client, model: str | None, failed: bool, limit: int, cursor: str | None
) -> tuple[list[RequestView], str | None]:
    """At most `limit` requests from `cursor` on, and the cursor after the last. Failed ones are picked out here; no
    page is larger than what is still wanted, so that the cursor never skips any."""
    found: list[RequestView] = []
    while True:
        page = client.list(model, limit=min(limit - len(found), PAGE), cursor=cursor)
        found += [view for view in page.requests if not failed or view.status is Status.FAILED]
        cursor = page.next_cursor
        if cursor is None or len(found) == limit:
            return found, cursor


@with_settings(("data",))
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
