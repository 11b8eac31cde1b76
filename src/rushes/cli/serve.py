"""`rushes serve` and `rushes worker`: the two halves of the house."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from rushes.cli.flags import with_settings
from rushes.cli.make import DEFAULT_MODEL
from rushes.settings import Settings
from rushes.settings.kinds import group

if TYPE_CHECKING:
    from rushes.wiring.serve import Ready

SERVER_ONLY = {
    "workers",
    "intake",
    "start_within",
    "keep_days",
    "link_seconds",
    "min_free",
    "metrics",
    "metrics_key",
}
WORKER_GROUPS = {"Data", "Working", "Encoding", "Policies", "Provenance", "Logs", "Watching"}
WORKER_SETTINGS = tuple(
    name
    for name, field in Settings.model_fields.items()
    if group(field) in WORKER_GROUPS and name not in SERVER_ONLY
)
WELCOME = """\
Rushes listens on {url} and keeps all it knows in {data}
Its key is {key}

Ask for a video:

  curl -s {url}/api/v1/ie/requestqueue/apikey/requests \\
    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
    -d '{{"model": "{model}", "payload": {{"prompt": "a sailing boat on a stormy sea at dusk"}}}}'

and follow it, with the request_id of the answer:

  curl -s {url}/api/v1/ie/requestqueue/apikey/requests/REQUEST_ID -H 'Authorization: Bearer {key}'

Ctrl-C stops it, and loses nothing.
"""


@with_settings()
def serve(settings: Settings) -> None:
    """Serve the API, with workers beside it, until Ctrl-C or SIGTERM."""
    from rushes.wiring.serve import run_server

    run_server(settings, lambda ready: welcome(settings, ready))


@with_settings(WORKER_SETTINGS)
def worker(settings: Settings) -> None:
    """Work on the requests of a data folder, beside a server or without one."""
    from rushes.wiring.work import run_worker

    raise typer.Exit(run_worker(settings))


def welcome(settings: Settings, ready: Ready) -> None:
    """Tell the operator where and how; whoever reads a pipe gets it at once."""
    key = ready.key or "$KEY"
    told = WELCOME.format(url=ready.url, data=settings.data, key=key, model=DEFAULT_MODEL)
    if ready.key is None:
        told = told.replace("Its key is $KEY", "KEY stands for one of your keys: `rushes keys list`")
    sys.stdout.write(told)
    sys.stdout.flush()
