"""The life of a request: one table says what may happen, and everything else asks it.

The ledger's statements are these rows written as SQL, its CHECK constraints repeat them, and the picture in the docs
is drawn from them. No other file assigns a status.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, NamedTuple

import msgspec

from rushes.core.shot import Shot

ID = r"[0-9a-fA-F-]{36}"
"""What every request id matches."""


class Status(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({Status.SUCCESS, Status.FAILED, Status.CANCELLED})
LIVE = frozenset({Status.QUEUED, Status.PROCESSING})


class Transition(NamedTuple):
    source: Status
    verb: str
    target: Status
    note: str


TRANSITIONS: tuple[Transition, ...] = (
    Transition(Status.QUEUED, "claim", Status.PROCESSING, "fence += 1, lease set"),
    Transition(Status.QUEUED, "cancel", Status.CANCELLED, "never started"),
    Transition(Status.QUEUED, "expire", Status.FAILED, "start_by passed"),
    Transition(Status.QUEUED, "refuse", Status.FAILED, "the input image is bad or refused by a policy"),
    Transition(Status.PROCESSING, "finish", Status.SUCCESS, "guarded by the fence"),
    Transition(Status.PROCESSING, "fail", Status.FAILED, "not retryable, or failures ran out"),
    Transition(Status.PROCESSING, "retry", Status.QUEUED, "failures += 1, back-off"),
    Transition(Status.PROCESSING, "cancel", Status.CANCELLED, "the worker learns it at its next beat"),
    Transition(Status.PROCESSING, "take over", Status.PROCESSING, "lease lapsed: fence += 1, failures += 1"),
    Transition(Status.PROCESSING, "lose", Status.FAILED, "lease lapsed and failures ran out: worker lost"),
    Transition(Status.PROCESSING, "release", Status.QUEUED, "drain: no failure counted"),
)


def targets(source: Status, verb: str) -> frozenset[Status]:
    """The statuses that `verb` may lead to from `source`; empty when it is not allowed there."""
    return frozenset(t.target for t in TRANSITIONS if t.source is source and t.verb == verb)


class Phase(StrEnum):
    """What an attempt is doing, in the order it happens."""

    INTAKE = "intake"
    LOAD = "load"
    RENDER = "render"
    ENCODE = "encode"
    INSPECT = "inspect"
    UPLOAD = "upload"


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Keys of the files in the store, and what was measured of them. URLs are made when read.

    `seconds` is the clip's length; `engine` names what made it; `report` is the engine's own account (understood,
    ignored, warnings, camera …); `measured` the inspection's figures; `sha256` the hash of the video file. `timings` are
    the seconds that the attempt spent in each phase. `source` is the IPTC digital source type that the files are marked
    with, `credentials` who signed the video (C2PA): "rushes", "upstream" or nobody.
    """

    video: str
    thumbnail: str
    preview: str | None = None
    width: int = 0
    height: int = 0
    fps: float = 0.0
    frames: int = 0
    seconds: float = 0.0
    size: int = 0
    sound: bool = False
    seed: int = 0
    engine: str = ""
    sha256: str = ""
    source: str = ""
    credentials: Literal["", "rushes", "upstream"] = ""
    report: dict[str, Any] = {}
    measured: dict[str, Any] = {}
    timings: dict[str, float] = {}
    warnings: list[str] = []


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's expiring right to one attempt. `fence` only ever rises; every write names it.

    `model` is the id as the client wrote it, `card` the card's own. `queued_at` is when the request began to wait, in
    seconds since the epoch, and `trace` the W3C traceparent that the attempt goes on under; `tags` are what policies
    have said so far.
    """

    request_id: str
    fence: int
    owner: str
    model: str
    card: str = ""
    worker: str
    shot: Shot
    image_key: str | None
    failures: int
    lease_seconds: float
    queued_at: float = 0.0
    trace: str | None = None
    tags: tuple[str, ...] = ()


class IntakeLease(msgspec.Struct, frozen=True, kw_only=True):
    """The right to fetch and check one request's input image, fenced like an attempt's."""

    request_id: str
    fence: int
    owner: str
    model: str
    card: str = ""
    shot: Shot = Shot()
    tags: tuple[str, ...] = ()
    image_url: str
    tries: int


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """When a live request may end. `position` counts the queued requests before it (None once it runs), `eta` the
    seconds to its end by what such requests took lately, and `error` one standard deviation of it; None while nothing
    was measured."""

    position: int | None = None
    eta: float | None = None
    error: float | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted shot with its life, as the ledger tells it. Times are seconds since the epoch.

    `model` is the id as the client wrote it, `card` the card's own. `payload` is the body's payload as sent, with
    inline images replaced by `store:` keys. `revision` rises with every visible change. `keep_until` is when the files
    of an ended request may go, `expired_at` when they went. `note` is the engine's word on its phase, `live_preview` the
    key of the newest picture of a clip that is being made. `turn` is the place in the fair share, `retry_of` the request
    that this one repeats, `tags` what policies said of it.
    """

    id: str
    owner: str
    model: str
    card: str
    dialect: str
    status: Status
    payload: dict[str, Any]
    shot: Shot
    image_key: str | None = None
    image_url: str | None = None
    phase: Phase | None = None
    progress: float = 0.0
    note: str = ""
    failures: int = 0
    fence: int = 0
    priority: int = 0
    turn: float = 0.0
    outcome: Outcome | None = None
    error: str | None = None
    error_name: str | None = None
    cancel_reason: str | None = None
    revision: int = 0
    created_at: float = 0.0
    updated_at: float = 0.0
    queued_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    keep_until: float | None = None
    expired_at: float | None = None
    retry_of: str | None = None
    tags: tuple[str, ...] = ()
    live_preview: str | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try. `ended_by` is the verb of TRANSITIONS that ended it, None while it runs; `phase` the last one told."""

    request_id: str
    fence: int
    worker: str
    phase: Phase | None
    ended_by: str | None
    error: str | None
    error_name: str | None
    started_at: float
    seconds: float | None
