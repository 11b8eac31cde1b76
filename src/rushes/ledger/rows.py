"""What crosses the ledger's door, and the one place where a row becomes a `Request`.

JSON columns leave the database as text and are decoded here by msgspec, straight into their structs; so a row read by
SQLAlchemy and one read by the driver alone look the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from rushes.core.request import IntakeLease, Lease, Outcome, Phase, Request, Status
from rushes.core.shot import Shot
from rushes.ledger.table import requests


class NewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A checked call, ready to be written down.

    `model` is as sent, `card` the card's own id. A request with `image_url` and no `image_key` is claimable once its
    image was taken in. `cost` is the estimated work in seconds (the unit of fair share), `start_within` the seconds it
    may wait before it fails, `keep_for` the seconds its files are kept after its end (None: for ever) unless the owner's
    limits say otherwise. `fingerprint` is a hash of the body, compared when the same `idempotency_key` comes again;
    `retry_of` names the request that this one repeats. `trace` is the W3C traceparent under which the worker goes on,
    `tags` what policies said of it.
    """

    id: str
    owner: str
    model: str
    card: str
    dialect: str
    payload: dict[str, Any]
    shot: Shot
    image_key: str | None = None
    image_url: str | None = None
    priority: int = 0
    cost: float = 1.0
    start_within: float | None = None
    keep_for: float | None = None
    idempotency_key: str | None = None
    fingerprint: str | None = None
    retry_of: str | None = None
    trace: str | None = None
    tags: tuple[str, ...] = ()


class Claim(msgspec.Struct, frozen=True):
    """A lease, or None and the seconds after which time alone may have made one possible (None: only a bell will)."""

    lease: Lease | None
    look_again_in: float | None = None


class IntakeClaim(msgspec.Struct, frozen=True):
    """Like `Claim`, for an input image."""

    lease: IntakeLease | None
    look_again_in: float | None = None


class Page(msgspec.Struct, frozen=True):
    """Newest first. `total` counts all that the filter matches, on this page or not."""

    requests: tuple[Request, ...]
    next_cursor: str | None
    total: int


class Swept(msgspec.Struct, frozen=True):
    """How many requests time ended or freed: past `start_by`, out of failures or tries, back-off over."""

    expired: int
    lost: int
    ready: int


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Caps count requests, `per_minute` calls; None means unbounded. `keep_for` is how many seconds files are kept,
    infinity for ever, None as the next wider rule says."""

    queue_cap: int | None = None
    running_cap: int | None = None
    per_minute: int | None = None
    keep_for: float | None = None


class Owner(Bounds, frozen=True, kw_only=True):
    """An account and its limits. Budgets are seconds of visible successes per UTC day and month, None for unbounded;
    a `priority_cap` of None is 0."""

    name: str
    weight: float = 1.0
    priority_cap: int | None = None
    day_budget: float | None = None
    month_budget: float | None = None


class CardLimits(Bounds, frozen=True, kw_only=True):
    """What an owner may do with one card. His own caps and rate, which count all cards together, hold beside these; the
    card's `keep_for` stands before his."""

    owner: str
    card: str


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds charged to an owner in this UTC day and month, and his requests by status."""

    owner: str
    day_seconds: float
    month_seconds: float
    requests: dict[Status, int]


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an API key; the secret itself is not. `revoked_at` may lie ahead: until then it works."""

    kid: str
    owner: str
    name: str
    digest: str
    admin: bool
    created_at: float
    revoked_at: float | None = None
    revoked: bool = False


class WorkerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that was seen lately; `silent_for` is in seconds of the database's clock."""

    name: str
    host: str
    pid: int
    cards: tuple[str, ...]
    started_at: float
    seen_at: float
    silent_for: float


_FIELDS = Request.__struct_fields__

REQUEST_COLUMNS = tuple(requests.c[name] for name in _FIELDS)
"""What to select to get a `Request`."""

LEASE_COLUMNS = tuple(
    requests.c[name]
    for name in (
        "id",
        "fence",
        "owner",
        "model",
        "card",
        "worker",
        "shot",
        "image_key",
        "failures",
        "priority",
        "turn",
        "trace",
        "tags",
        "queued_at",
        "updated_at",
    )
)

decode_shot = msgspec.json.Decoder(Shot).decode
decode_tags = msgspec.json.Decoder(tuple[str, ...]).decode

_DECODERS: dict[str, Callable[[Any], Any]] = {
    # By a dict: asking the enum takes ten times as long, and every poll does.
    "status": {status.value: status for status in Status}.__getitem__,
    "phase": {phase.value: phase for phase in Phase}.__getitem__,
    "payload": msgspec.json.Decoder(dict[str, Any]).decode,
    "shot": decode_shot,
    "tags": decode_tags,
    "outcome": msgspec.json.Decoder(Outcome).decode,
    # SQLite's RETURNING gives a whole number where the column is real.
    "progress": float,
}
_DECODED = tuple((_FIELDS.index(name), decode) for name, decode in _DECODERS.items())


def request_from(row: Sequence[Any]) -> Request:
    """The request in `row`, which holds the values of REQUEST_COLUMNS, JSON still as text."""
    values = list(row)
    for place, decode in _DECODED:
        if values[place] is not None:
            values[place] = decode(values[place])
    return Request(**dict(zip(_FIELDS, values, strict=True)))


def joined(tags: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """Both, each tag once."""
    return tuple(dict.fromkeys([*tags, *more]))


def encode_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
