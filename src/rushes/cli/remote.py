"""A client of the server that the flags, the settings or the data folder point to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rushes.core.errors import SetupError
from rushes.settings import Settings

if TYPE_CHECKING:
    from rushes.client import Client

SERVER_SETTINGS = ("data", "ca_file")
"""The settings of a command that calls a server, as flags."""

Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="The server. Default: public_url of the settings.")
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="KEY", help="The API key. Default: RUSHES_API_KEY, else the key in the data folder."
    ),
]
RequestId = Annotated[str, typer.Argument(metavar="ID", help="A request's id.")]


def connect(settings: Settings, url: str | None, key: str | None) -> Client:
    """Raises `SetupError` when no key is to be found; nothing is sent yet."""
    from rushes.client import Client

    address = url or settings.public_url
    return Client(address, key or _kept_key(settings, address), ca_file=settings.ca_file)


def _kept_key(settings: Settings, address: str) -> str:
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    try:
        return (settings.data / "key").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(
            f"there is no API key for {address}",
            advice="Give --key, set RUSHES_API_KEY, or name the server's data folder with --data.",
        ) from error
