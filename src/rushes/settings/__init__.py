"""Every choice an operator has, in one frozen table, checked once.

A value comes from a flag, else from a `RUSHES_*` variable, else from `rushes.toml`, else it is the default. The field
says everything about its setting: the name (`lease_seconds` is the flag `--lease-seconds`, the variable
`RUSHES_LEASE_SECONDS` and the key `lease_seconds` of the file), the type and limits, the default, an example and what
it does. The command line's help and the settings page are generated from here, and a wrong value is answered with
where it came from and what is allowed. A misspelt variable or key is refused too: a setting that silently does
nothing is worse than no start.

`kinds` says what values there are, `sources` where they come from; here stands the table. pydantic checks it.
pydantic-settings would do the merging, but cannot say which source a wrong value came from, and takes 0.1 s to import,
which every `rushes models` would pay.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from annotated_types import Ge, Le
from pydantic import BaseModel, ByteSize, ConfigDict, ValidationError, model_validator

from rushes.core.encoding import Encoding
from rushes.core.errors import SetupError
from rushes.media.credentials import Algorithm
from rushes.settings.kinds import (
    FOREVER,
    Folder,
    Forever,
    HostNames,
    Key,
    Names,
    Networks,
    NoWebAddress,
    Origins,
    Proxies,
    ReadableFile,
    Says,
    Seconds,
    Size,
    Tables,
    WebAddress,
    setting,
)
from rushes.settings.sources import from_environment, from_file, from_flags, refusal


class Settings(BaseModel):
    """See the module. Times are in seconds unless the name says days; `None` in a `Forever` field means no end."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    host: Annotated[str, Says("an address or a name of this machine")] = setting(
        "Listening",
        "The address to listen on. Beyond loopback a key must have been chosen.",
        default="127.0.0.1",
        example="0.0.0.0",
    )
    port: Annotated[int, Ge(0), Le(65535)] = setting(
        "Listening", "The port to listen on; 0 takes a free one.", default=8000, example="8080"
    )
    tls_cert: ReadableFile = setting(
        "Listening",
        "Certificate chain: serve HTTPS. Needs tls_key.",
        default=None,
        example="/etc/rushes/cert.pem",
    )
    tls_key: ReadableFile = setting(
        "Listening", "Private key of tls_cert.", default=None, example="/etc/rushes/key.pem"
    )
    public_url: WebAddress = setting(
        "Listening",
        "The address clients see: every link in an answer starts with it.",
        default=lambda given: public_address(given),
        shown="http(s)://host:port",
        example="https://video.example.org",
    )
    max_body_bytes: Size = setting(
        "Listening",
        "The largest body of a call. A 10 MB image is 14 MB as Base64.",
        default=ByteSize(32_000_000),
        shown="32MB",
        example="64MB",
    )
    arrive_seconds: Seconds = setting(
        "Listening",
        "A call's head that has not arrived by then is answered with 408, and so is its body, which has a second more "
        "for every 16 kB of it.",
        default=30.0,
        example="10",
    )
    max_streams: Annotated[int, Ge(1), Le(10_000)] = setting(
        "Listening",
        "Event streams and waiting answers that one owner may hold open.",
        default=20,
        example="100",
    )
    trusted_proxies: Proxies = setting(
        "Listening",
        "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; from others these headers are ignored.",
        default=(),
        shown="none",
        example="10.0.0.0/8",
    )
    allowed_hosts: HostNames = setting(
        "Listening",
        "Host names that are answered; calls by any other name are refused.",
        default=(),
        shown="any",
        example="video.example.org",
    )
    cors_origins: Origins = setting(
        "Listening",
        "Web pages that may call the API from a browser. Links to files work from any page.",
        default=(),
        shown="none",
        example="https://app.example.org",
    )
    api_key: Key = setting(
        "Keys",
        "A fixed key that is accepted as bearer, besides those of `rushes keys`.",
        default=None,
        example="my-long-secret",
    )
    ca_file: ReadableFile = setting(
        "Keys",
        "Certificates that commands which call a server trust besides the public ones: that of a server of your own.",
        default=None,
        example="/etc/rushes/ca.pem",
    )
    data: Folder = setting(
        "Data",
        "The folder of all state: ledger, files, keys, scratch and logs.",
        default=lambda: platformdirs.user_data_path("rushes"),
        shown="the user's data folder",
        example="./rushes-data",
    )
    ledger: Annotated[str, Says("a database URL, such as sqlite:////absolute/path")] = setting(
        "Data",
        "The ledger's database, as an SQLAlchemy URL.",
        default=lambda given: f"sqlite:///{given['data'] / 'ledger.sqlite3'}",
        shown="SQLite in the data folder",
        example="sqlite:////var/lib/rushes/ledger.sqlite3",
    )
    cards: Folder = setting(
        "Data",
        "Your own model cards, one TOML file each: they add to the built-in ones or replace them by id.",
        default=lambda given: given["data"] / "cards",
        shown="cards/ in the data folder",
        example="/etc/rushes/cards",
    )
    models: Folder = setting(
        "Data",
        "The folder of open-weight models, which `rushes pull` fills.",
        default=lambda given: given["data"] / "models",
        shown="models/ in the data folder",
        example="/srv/models",
    )
    min_free: Size = setting(
        "Data",
        "The server reports itself not ready while less is free on the volume of the data folder.",
        default=ByteSize(500_000_000),
        shown="500MB",
        example="5GB",
    )
    workers: Annotated[int, Ge(0), Le(64)] = setting(
        "Working",
        "Worker processes that `rushes serve` starts; 0 starts none, for `rushes worker` elsewhere.",
        default=1,
        example="2",
    )
    warm: Names = setting(
        "Working",
        "Model ids whose engines every worker loads at its start, before the first request asks for them.",
        default=(),
        shown="none",
        example="kling-v2-6",
    )
    keep_loaded: Names = setting(
        "Working",
        "Model ids whose engines, once loaded, never make room for others.",
        default=(),
        shown="none",
        example="kling-v2-6",
    )
    intake: Annotated[int, Ge(0), Le(64)] = setting(
        "Working", "Threads of `rushes serve` that fetch and check input images.", default=2, example="4"
    )
    lease_seconds: Seconds = setting(
        "Working",
        "A worker that is silent for so long loses its attempt to another.",
        default=30.0,
        example="60",
    )
    beat_seconds: Seconds = setting(
        "Working",
        "How often a worker renews its lease, tells its progress and learns of a cancel.",
        default=2.0,
        example="1",
    )
    max_failures: Annotated[int, Ge(1), Le(100)] = setting(
        "Working", "Failed attempts after which a request fails.", default=3, example="5"
    )
    drain_seconds: Annotated[float, Ge(0)] = setting(
        "Working",
        "At SIGTERM a worker may go on so long with its attempt, then gives it back to the queue.",
        default=10.0,
        example="120",
    )
    cancel_grace: Seconds = setting(
        "Working", "A cancelled engine that has not stopped by then is killed.", default=5.0, example="10"
    )
    progress_deadline: Seconds = setting(
        "Working", "An engine without a sign of life for so long is killed.", default=300.0, example="900"
    )
    start_within: Forever = setting(
        "Keeping",
        "A request that nobody has started by then fails, in seconds.",
        default=None,
        shown=FOREVER,
        example="3600",
    )
    keep_days: Forever = setting(
        "Keeping", "How long results are kept, in days.", default=30.0, example=FOREVER
    )
    audit_days: Forever = setting(
        "Keeping", "How long the decisions of policies are kept, in days.", default=365.0, example=FOREVER
    )
    link_seconds: Forever = setting(
        "Keeping",
        "How long a result's link works. By default as long as the file exists; each poll gives a fresh link.",
        default=None,
        shown=FOREVER,
        example="86400",
    )
    fetch_allow: Networks = setting(
        "Images",
        "Networks that an input image may be fetched from, besides public addresses.",
        default=(),
        shown="none",
        example="10.0.0.0/8, 192.168.1.5:8080",
    )
    fetch_seconds: Seconds = setting(
        "Images", "An input image that has not arrived by then fails its request.", default=20.0, example="60"
    )
    x264_preset: Literal[
        "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"
    ] = setting(
        "Encoding",
        "x264's effort: slower presets make smaller files.",
        default=Encoding().preset,
        example="medium",
    )
    x264_crf: Annotated[float, Ge(0), Le(51)] = setting(
        "Encoding", "x264's quality: lower is better and larger.", default=Encoding().crf, example="18"
    )
    x264_threads: Annotated[int, Ge(1), Le(64)] = setting(
        "Encoding",
        "x264's threads. The bytes of a file depend on it.",
        default=Encoding().threads,
        example="8",
    )
    frame_hook: str | None = setting(
        "Encoding",
        "A plug-in of the group `rushes.frames` that every frame passes before it is encoded, such as a watermark.",
        default=None,
        example="watermark",
    )
    policies: Names = setting(
        "Policies",
        "Plug-ins of the group `rushes.policies` that judge every request and result, in this order.",
        default=(),
        shown="none",
        example="blocklist",
    )
    policy_options: Tables = setting(
        "Policies",
        "The options of each policy, a table by its name.",
        default={},
        shown="none",
        example='{"blocklist": {"file": "/etc/rushes/blocklist.txt"}}',
    )
    policy_failure: Literal["refuse", "allow"] = setting(
        "Policies",
        "What a policy counts as that raised an error or gave no answer in time.",
        default="refuse",
        example="allow",
    )
    policy_seconds: Seconds = setting(
        "Policies", "How long one policy may take for one answer.", default=10.0, example="30"
    )
    c2pa_cert: ReadableFile = setting(
        "Provenance",
        "Certificate chain: sign videos and thumbnails with content credentials (C2PA). Needs c2pa_key and the extra "
        "`c2pa`.",
        default=None,
        example="/etc/rushes/c2pa-chain.pem",
    )
    c2pa_key: ReadableFile = setting(
        "Provenance", "Private key of c2pa_cert, PKCS#8.", default=None, example="/etc/rushes/c2pa-key.pem"
    )
    c2pa_alg: Algorithm = setting(
        "Provenance", "How c2pa_key signs; it must fit the key.", default="es256", example="ps256"
    )
    c2pa_tsa: NoWebAddress = setting(
        "Provenance",
        "A time-stamp authority (RFC 3161) that confirms when a file was signed; asked for every file.",
        default=None,
        example="http://timestamp.example.org",
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "Logs",
        "The least grave line that is logged. Prompts appear at debug only.",
        default="info",
        example="debug",
    )
    log_format: Literal["auto", "json", "console"] = setting(
        "Logs", "How lines look; auto is console on a terminal, else json.", default="auto", example="json"
    )
    metrics: Literal["off", "open", "key"] = setting(
        "Watching",
        "Who may read /metrics: nobody, anybody, or who sends an admin key or metrics_key as bearer.",
        default="key",
        example="open",
    )
    metrics_key: Key = setting(
        "Watching", "A key that opens /metrics and nothing else.", default=None, example="my-scrape-secret"
    )
    otel_endpoint: NoWebAddress = setting(
        "Watching",
        "An OpenTelemetry collector that takes traces over HTTP. Needs the extra `otel`.",
        default=None,
        example="http://127.0.0.1:4318",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        for certificate, key, purpose in (
            ("tls_cert", "tls_key", "to serve HTTPS"),
            ("c2pa_cert", "c2pa_key", "to sign results"),
        ):
            given = [name for name in (certificate, key) if getattr(self, name) is not None]
            if len(given) == 1:
                missing = key if given == [certificate] else certificate
                raise SetupError(
                    f"{given[0]} is set but {missing} is not", advice=f"Set both {purpose}, or none."
                )
        if strangers := sorted(set(self.policy_options) - set(self.policies)):
            raise SetupError(
                f"policy_options has a table for {', '.join(strangers)}, which policies does not name",
                advice="Name them in policies, or take their options away.",
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
        fields = cls.model_fields
        given = (
            from_file(config, fields)
            | from_environment(os.environ if environ is None else environ, fields)
            | from_flags(flags or {})
        )
        try:
            return cls.model_validate({name: entry.value for name, entry in given.items()})
        except ValidationError as error:
            raise refusal(error, given, fields) from error

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
