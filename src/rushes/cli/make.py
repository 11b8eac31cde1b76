"""`rushes generate` and `rushes submit`: ask for a clip, here or on a server."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec
import typer

from rushes.cli.flags import with_parameters, with_settings
from rushes.cli.models import model_ids
from rushes.cli.remote import SERVER_SETTINGS, Key, Url, connect
from rushes.cli.screen import AsJson, err, print_json
from rushes.cli.watch import print_result, watch
from rushes.core.errors import AlreadyEnded, RushesError, SetupError
from rushes.dialects.base import RequestView
from rushes.settings import Settings

DEFAULT_MODEL = "kling-v2-6"
SIGNALLED = 128
"""What shells add to a signal's number for the status of a command that it ended."""

Prompt = Annotated[str, typer.Argument(metavar="PROMPT", help="What to show.")]
Model = Annotated[
    str, typer.Option("--model", metavar="ID", help="The model.", autocompletion=model_ids, show_default=True)
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Where the MP4 goes. Default: the request's id."),
]


class Maker(Protocol):
    """What takes a request from prompt to file: a server's client, or a house of our own."""

    def submit(self, model: str, prompt: str, **fields: Any) -> RequestView: ...
    def watch(self, request_id: str) -> Iterator[RequestView]: ...
    def cancel(self, request_id: str) -> RequestView: ...
    def download(self, view: RequestView, path: Path) -> Path: ...


@with_settings((*SERVER_SETTINGS, "cards"))
@with_parameters
def generate(
    settings: Settings,
    fields: dict[str, Any],
    prompt: Prompt,
    model: Model = DEFAULT_MODEL,
    output: Output = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Make a clip in one go: here, with no server running, or with --url on a server. Ctrl-C or SIGTERM cancels it."""
    folder = (output or Path()).absolute().parent
    if not folder.is_dir():
        raise SetupError(f"the folder {folder} does not exist", advice="Make it, or choose another --output.")
    with _sigterm_like_ctrl_c(), _maker(settings, url, key) as maker:
        request = maker.submit(model, prompt, **_with_image_file(fields))
        view = _watch_or_cancel(maker, request.id)
        if view.outcome is None:
            raise RushesError(f"request {view.id} {view.status.value}: {view.error or 'no reason was given'}")
        path = maker.download(view, output or Path(f"{view.id}.mp4"))
    if as_json:
        print_json({"path": str(path), **msgspec.to_builtins(view)})
    else:
        print_result(view, path)


@with_settings(SERVER_SETTINGS)
@with_parameters
def submit(
    settings: Settings,
    fields: dict[str, Any],
    prompt: Prompt,
    model: Model = DEFAULT_MODEL,
    url: Url = None,
    key: Key = None,
    priority: Annotated[
        int | None,
        typer.Option("--priority", metavar="N", help="Before requests of a lower one; 0 unless given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a server for a clip and return at once; `rushes show ID --wait` follows it."""
    with connect(settings, url, key) as client:
        view = client.submit(model, prompt, priority=priority, **_with_image_file(fields))
    if as_json:
        print_json(msgspec.to_builtins(view))
    else:
        typer.echo(view.id)
        for warning in view.warnings:
            err().print(f"warning: {warning}", markup=False)


@contextmanager
def _maker(settings: Settings, url: str | None, key: str | None) -> Iterator[Maker]:
    if url is not None:
        with connect(settings, url, key) as client:
            yield client
        return
    from rushes import logs
    from rushes.cli.local import LocalClient
    from rushes.wiring.local import local_house

    if "log_level" not in settings.model_fields_set:
        settings = settings.model_copy(update={"log_level": "error"})
    logs.configure(settings.log_level, settings.log_format)
    with local_house(settings) as house:
        yield LocalClient(house)


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends the command as Ctrl-C does."""


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except _Terminated:
        raise typer.Exit(SIGNALLED + signal.SIGTERM) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch_or_cancel(maker: Maker, request_id: str) -> RequestView:
    try:
        return watch(maker.watch(request_id))
    except KeyboardInterrupt as stop:
        try:
            maker.cancel(request_id)
            err().print(f"cancelled request {request_id}")
        except AlreadyEnded as error:
            err().print(str(error))
        number = signal.SIGTERM if isinstance(stop, _Terminated) else signal.SIGINT
        raise typer.Exit(SIGNALLED + number) from None


def _with_image_file(fields: dict[str, Any]) -> dict[str, Any]:
    """An `image` that is no URL or data URI names a file."""
    image = fields.get("image")
    if image and not image.startswith(("http://", "https://", "data:")):
        return {**fields, "image": Path(image)}
    return fields
