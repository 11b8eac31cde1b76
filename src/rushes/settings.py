"""Every choice an operator has, in one frozen table, checked once.

A value comes from a flag, else from a `RUSHES_*` variable, else from `rushes.toml`, else it is the default. The field
says everything about its setting: the name (`lease_seconds` is the flag `--lease-seconds`, the variable
`RUSHES_LEASE_SECONDS` and the key `lease_seconds` of the file), the type and limits, the default, an example and what
it does. The command line's help and the settings page are generated from here, and a wrong value is answered with
where it came from and what is allowed. A misspelt variable or key is refused too: a setting that silently does
nothing is worse than no start.

The sources are merged here, and pydantic checks the result. pydantic-settings would do the merging, but cannot say
which source a wrong value came from, and takes 0.1 s to import, which every `rushes models` would pay.
"""

from __future__ import annotations

import difflib
import os
import re
import socket
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self
from urllib.parse import urlsplit

import platformdirs
from annotated_types import Ge, Gt, Le
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from rushes.core.errors import SetupError
from rushes.media.addresses import AllowList

ENV_PREFIX: Final = "RUSHES_"
TESTS_PREFIX: Final = "RUSHES_TEST_"
CONFIG_FILE: Final = "rushes.toml"
FOREVER: Final = "forever"


class Says(NamedTuple):
    """What a type allows, in words, where its limits alone do not say it."""

    text: str


def _split(value: object) -> object:
    """Lists come as `a, b` from flags and variables, and as lists from the file."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _forever(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() == FOREVER else value


def _network(entry: str) -> str:
    try:
        AllowList.parse([entry])
    except SetupError as error:
        raise ValueError(str(error)) from error
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
Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_network)], ...],
    BeforeValidator(_split),
    Says("networks or addresses, each with an optional port: CIDR[:port], separated by commas"),
]
Key = Annotated[
    Annotated[SecretStr, AfterValidator(_strong)] | None,
    Says("at least 8 printable ASCII characters without spaces"),
]
Size = Annotated[ByteSize, Ge(1_000_000), Says("a size of at least 1 MB, such as 32MB")]
Seconds = Annotated[float, Gt(0)]
Forever = Annotated[
    Annotated[float, Gt(0)] | None, BeforeValidator(_forever), Says(f"more than 0, or '{FOREVER}'")
]


def _setting(group: str, description: str, *, example: str, default: Any = ..., shown: str = "") -> Any:
    """One field: `shown` is the default in words where it is computed."""
    computed = {"default_factory": default} if callable(default) else {"default": default}
    return Field(
        description=description,
        examples=[example],
        json_schema_extra={"group": group, "shown": shown},
        **computed,
    )


class Settings(BaseModel):
    """See the module. Times are in seconds unless the name says days; `None` in a `Forever` field means no end."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    host: Annotated[str, Says("an address or a name of this machine")] = _setting(
        "Listening",
        "The address to listen on. Beyond loopback a key must have been chosen.",
        default="127.0.0.1",
        example="0.0.0.0",
    )
    port: Annotated[int, Ge(0), Le(65535)] = _setting(
        "Listening", "The port to listen on; 0 takes a free one.", default=8000, example="8080"
    )
    tls_cert: ReadableFile = _setting(
        "Listening",
        "Certificate chain: serve HTTPS. Needs tls_key.",
        default=None,
        example="/etc/rushes/cert.pem",
    )
    tls_key: ReadableFile = _setting(
        "Listening", "Private key of tls_cert.", default=None, example="/etc/rushes/key.pem"
    )
    public_url: WebAddress = _setting(
        "Listening",
        "The address clients see: every link in an answer starts with it.",
        default=lambda given: public_address(given),
        shown="http(s)://host:port",
        example="https://video.example.org",
    )
    max_body_bytes: Size = _setting(
        "Listening",
        "The largest body of a call. A 10 MB image is 14 MB as Base64.",
        default=ByteSize(32_000_000),
        shown="32MB",
        example="64MB",
    )
    api_key: Key = _setting(
        "Keys",
        "A fixed key that is accepted as bearer, besides those of `rushes keys`.",
        default=None,
        example="my-long-secret",
    )
    data: Folder = _setting(
        "Data",
        "The folder of all state: ledger, files, keys, scratch and logs.",
        default=lambda: platformdirs.user_data_path("rushes"),
        shown="the user's data folder",
        example="./rushes-data",
    )
    ledger: Annotated[str, Says("a database URL, such as sqlite:////absolute/path")] = _setting(
        "Data",
        "The ledger's database, as an SQLAlchemy URL.",
        default=lambda given: f"sqlite:///{given['data'] / 'ledger.sqlite3'}",
        shown="SQLite in the data folder",
        example="sqlite:////var/lib/rushes/ledger.sqlite3",
    )
    cards: Folder = _setting(
        "Data",
        "Your own model cards, one TOML file each: they add to the built-in ones or replace them by id.",
        default=lambda given: given["data"] / "cards",
        shown="cards/ in the data folder",
        example="/etc/rushes/cards",
    )
    workers: Annotated[int, Ge(0), Le(64)] = _setting(
        "Working",
        "Worker processes that `rushes serve` starts; 0 starts none, for `rushes worker` elsewhere.",
        default=1,
        example="2",
    )
    intake: Annotated[int, Ge(0), Le(64)] = _setting(
        "Working", "Threads of `rushes serve` that fetch and check input images.", default=2, example="4"
    )
    lease_seconds: Seconds = _setting(
        "Working",
        "A worker that is silent for so long loses its attempt to another.",
        default=30.0,
        example="60",
    )
    beat_seconds: Seconds = _setting(
        "Working",
        "How often a worker renews its lease, tells its progress and learns of a cancel.",
        default=2.0,
        example="1",
    )
    max_failures: Annotated[int, Ge(1), Le(100)] = _setting(
        "Working", "Failed attempts after which a request fails.", default=3, example="5"
    )
    drain_seconds: Annotated[float, Ge(0)] = _setting(
        "Working",
        "At SIGTERM a worker may go on so long with its attempt, then gives it back to the queue.",
        default=10.0,
        example="120",
    )
    cancel_grace: Seconds = _setting(
        "Working", "A cancelled engine that has not stopped by then is killed.", default=5.0, example="10"
    )
    progress_deadline: Seconds = _setting(
        "Working", "An engine without a sign of life for so long is killed.", default=300.0, example="900"
    )
    start_within: Forever = _setting(
        "Keeping",
        "A request that nobody has started by then fails, in seconds.",
        default=None,
        shown=FOREVER,
        example="3600",
    )
    keep_days: Forever = _setting(
        "Keeping", "How long results are kept, in days.", default=30.0, example=FOREVER
    )
    link_seconds: Forever = _setting(
        "Keeping",
        "How long a result's link works. By default as long as the file exists; each poll gives a fresh link.",
        default=None,
        shown=FOREVER,
        example="86400",
    )
    fetch_allow: Networks = _setting(
        "Images",
        "Networks that an input image may be fetched from, besides public addresses.",
        default=(),
        shown="none",
        example="10.0.0.0/8, 192.168.1.5:8080",
    )
    fetch_seconds: Seconds = _setting(
        "Images", "An input image that has not arrived by then fails its request.", default=20.0, example="60"
    )
    x264_preset: Literal[
        "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"
    ] = _setting(
        "Encoding", "x264's effort: slower presets make smaller files.", default="veryfast", example="medium"
    )
    x264_crf: Annotated[float, Ge(0), Le(51)] = _setting(
        "Encoding", "x264's quality: lower is better and larger.", default=20.0, example="18"
    )
    x264_threads: Annotated[int, Ge(1), Le(64)] = _setting(
        "Encoding", "x264's threads. The bytes of a file depend on it.", default=2, example="8"
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "Logs",
        "The least grave line that is logged. Prompts appear at debug only.",
        default="info",
        example="debug",
    )
    log_format: Literal["auto", "json", "console"] = _setting(
        "Logs", "How lines look; auto is console on a terminal, else json.", default="auto", example="json"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            given, missing = ("tls_cert", "tls_key") if self.tls_cert else ("tls_key", "tls_cert")
            raise SetupError(
                f"{given} is set but {missing} is not", advice="Set both to serve HTTPS, or none."
            )
        if self.beat_seconds * 3 > self.lease_seconds:
            raise SetupError(
                f"beat_seconds {self.beat_seconds:g} is too long for lease_seconds {self.lease_seconds:g}",
                advice="Let a lease last at least three beats, so that one late beat does not lose an attempt.",
            )
        return self

    @classmethod
    def load(
        cls,
        flags: Mapping[str, object] | None = None,
        config: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """The settings in force. `flags` maps field names to what the command line gave (None: not given);
        `config` is the file to read instead of `rushes.toml` in the working folder; `environ` is `os.environ`
        unless given. Raises `SetupError`."""
        given: dict[str, _Given] = {}
        given |= _from_file(config)
        given |= _from_environment(os.environ if environ is None else environ)
        given |= {
            name: _Given(value, f"--{flag(name)}")
            for name, value in (flags or {}).items()
            if value is not None
        }
        try:
            return cls.model_validate({name: entry.value for name, entry in given.items()})
        except ValidationError as error:
            raise _refusal(error, given) from error

    @property
    def listens_beyond_loopback(self) -> bool:
        """True when another machine could reach the server."""
        return not _is_loopback(self.host)

    def require_chosen_key(self, keys_exist: bool) -> None:
        """Refuse to open the service to others while nobody has chosen a key; `keys_exist` says that the operator
        made some in the ledger. Raises `SetupError`."""
        if self.listens_beyond_loopback and self.api_key is None and not keys_exist:
            raise SetupError(
                f"host {self.host} can be reached by other machines, but no key was chosen",
                advice="Run `rushes keys create NAME`, or set RUSHES_API_KEY, or listen on 127.0.0.1.",
            )


class _Given(NamedTuple):
    """A value as written, and where."""

    value: object
    source: str


def flag(name: str) -> str:
    return name.replace("_", "-")


def variable(name: str) -> str:
    return ENV_PREFIX + name.upper()


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
    shown: str = field.json_schema_extra["shown"] if isinstance(field.json_schema_extra, dict) else ""  # type: ignore[assignment]
    if shown or field.default is None:
        return shown or "none"
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


def public_address(given: Mapping[str, Any]) -> str:
    """The address of a server that listens as `given` (validated host, port, tls_cert). A wildcard host is known to
    others by this machine's name."""
    host = given["host"]
    if host in ("0.0.0.0", "::", ""):
        host = socket.gethostname()
    return (
        f"{'https' if given['tls_cert'] else 'http'}://{f'[{host}]' if ':' in host else host}:{given['port']}"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _from_file(config: Path | None) -> dict[str, _Given]:
    path = config or Path(CONFIG_FILE)
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        if config is None:
            return {}
        raise SetupError(
            f"the settings file {path} does not exist", advice="Check the path after --config."
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SetupError(
            f"the settings file {path} cannot be read: {error}", advice="Write `name = value` lines in TOML."
        ) from error
    for name in table:
        _known(name, f"the key '{name}' in {path}")
    return {name: _Given(value, f"{name} in {path}") for name, value in table.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Given]:
    """Empty variables count as not set, as container files often pass them. What steers the test suite is no
    setting, and a server that it starts inherits it."""
    given = {}
    for key, value in environ.items():
        if key.startswith(ENV_PREFIX) and not key.startswith(TESTS_PREFIX) and value != "":
            name = key.removeprefix(ENV_PREFIX).lower()
            _known(name, f"the variable {key}", variable)
            given[name] = _Given(value, key)
    return given


def _known(name: str, where: str, spelt: Any = str) -> None:
    if name in Settings.model_fields:
        return
    near = difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=0.5)
    advice = f"Did you mean {spelt(near[0])}?" if near else "docs/settings.md lists the settings."
    raise SetupError(f"{where} names no setting", advice=advice)


def _refusal(error: ValidationError, given: Mapping[str, _Given]) -> SetupError:
    """The first wrong value, as a sentence for the person who wrote it. Secrets are not repeated."""
    problem = next(p for p in error.errors() if p["type"] != "default_factory_not_called")
    name = str(problem["loc"][0])
    entry, field = given[name], Settings.model_fields[name]
    value = "the value" if "SecretStr" in repr(field.annotation) else repr(entry.value)
    reason = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else ""
    sentence = f"{name} (from {entry.source}): {value} is not allowed" + (f": {reason}" if reason else "")
    return SetupError(sentence, advice=f"Allowed: {allowed(field)}. Example: {(field.examples or [''])[0]}.")
