"""The kinds of value that settings have: how each is read, what it allows, and how that is said in words."""

from __future__ import annotations

import json
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr
from pydantic.fields import FieldInfo

from rushes.core.errors import SetupError
from rushes.media.addresses import AllowList

FOREVER: Final = "forever"


class Says(NamedTuple):
    """What a type allows, in words, where its limits alone do not say it."""

    text: str


def _split(value: object) -> object:
    """Lists come as `a, b` from flags and variables, and as lists from the file."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _forever(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() == FOREVER else value


def _json(value: object) -> object:
    """Tables come as tables from the file, and as JSON from flags and variables."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from error


def _network(entry: str) -> str:
    try:
        AllowList.parse([entry])
    except SetupError as error:
        raise ValueError(str(error)) from error
    return entry


def _proxy(entry: str) -> str:
    try:
        ip_network(entry, strict=False)
    except ValueError as error:
        raise ValueError(f"'{entry}' is no address or network") from error
    return entry


def _host_name(entry: str) -> str:
    if not re.fullmatch(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|[0-9a-fA-F:]+", entry):
        raise ValueError(f"'{entry}' is no host name (give it without scheme and port)")
    return entry


def _origin(entry: str) -> str:
    parts = urlsplit(entry)
    plain = parts.scheme in ("http", "https") and parts.netloc and entry == f"{parts.scheme}://{parts.netloc}"
    if entry != "*" and not plain:
        raise ValueError(f"'{entry}' is no origin, which is a scheme and a host and nothing after it")
    return entry


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("it is not an http or https address")
    return url.rstrip("/")


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _readable(path: Path) -> Path:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"the file cannot be read ({error.strerror})") from error
    return path


def _strong(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]{8,}", key.get_secret_value()):
        raise ValueError("it is too short or has other characters")
    return key


Folder = Annotated[Path, AfterValidator(_absolute), Says("a folder")]
ReadableFile = Annotated[
    Annotated[Path, AfterValidator(_absolute), AfterValidator(_readable)] | None, Says("a readable PEM file")
]
WebAddress = Annotated[str, AfterValidator(_web_address), Says("an http:// or https:// address")]
NoWebAddress = Annotated[
    Annotated[str, AfterValidator(_web_address)] | None, Says("an http:// or https:// address")
]
Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_network)], ...],
    BeforeValidator(_split),
    Says("networks or addresses, each with an optional port: CIDR[:port], separated by commas"),
]
Proxies = Annotated[
    tuple[Annotated[str, AfterValidator(_proxy)], ...],
    BeforeValidator(_split),
    Says("networks or addresses in CIDR form, separated by commas"),
]
HostNames = Annotated[
    tuple[Annotated[str, AfterValidator(_host_name)], ...],
    BeforeValidator(_split),
    Says(
        "host names without port, separated by commas; *.example.org stands for all names below example.org"
    ),
]
Origins = Annotated[
    tuple[Annotated[str, AfterValidator(_origin)], ...],
    BeforeValidator(_split),
    Says("origins such as https://app.example.org, separated by commas, or * for any"),
]
Key = Annotated[
    Annotated[SecretStr, AfterValidator(_strong)] | None,
    Says("at least 8 printable ASCII characters without spaces"),
]
Size = Annotated[ByteSize, Ge(1_000_000), Says("a size of at least 1 MB, such as 32MB")]
Seconds = Annotated[float, Gt(0)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split), Says("names, separated by commas")]
Tables = Annotated[
    dict[str, dict[str, Any]],
    BeforeValidator(_json),
    Says("a table of options for each name; as a flag or variable, JSON"),
]
Forever = Annotated[
    Annotated[float, Gt(0)] | None, BeforeValidator(_forever), Says(f"more than 0, or '{FOREVER}'")
]


def setting(group: str, description: str, *, example: str, default: Any = ..., shown: str = "") -> Any:
    """One field: `shown` is the default in words where it is computed."""
    computed = {"default_factory": default} if callable(default) else {"default": default}
    return Field(
        description=description,
        examples=[example],
        json_schema_extra={"group": group, "shown": shown},
        **computed,
    )


def group(field: FieldInfo) -> str:
    """The heading under which the setting stands in help and docs."""
    return _extra(field, "group")


def allowed(field: FieldInfo) -> str:
    """What a setting may be, in words, from its type and limits."""
    told = [mark.text for mark in field.metadata if isinstance(mark, Says)]
    if told:
        return told[0]
    choices = getattr(field.annotation, "__args__", ())
    if choices:
        return ", ".join(map(str, choices))
    low = next(
        (f"from {m.ge:g}" for m in field.metadata if isinstance(m, Ge) and isinstance(m.ge, int | float)), ""
    )
    low = next(
        (
            f"more than {m.gt:g}"
            for m in field.metadata
            if isinstance(m, Gt) and isinstance(m.gt, int | float)
        ),
        low,
    )
    high = next(
        (f"to {m.le:g}" for m in field.metadata if isinstance(m, Le) and isinstance(m.le, int | float)), ""
    )
    noun = (
        "a whole number" if field.annotation is int else "a number" if field.annotation is float else "text"
    )
    return " ".join(part for part in (noun, low, high) if part)


def default_text(field: FieldInfo) -> str:
    """The default as one would write it, or in words where it is computed."""
    shown = _extra(field, "shown")
    if shown or field.default is None:
        return shown or "none"
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


def _extra(field: FieldInfo, name: str) -> str:
    assert isinstance(field.json_schema_extra, dict)
    return str(field.json_schema_extra[name])
