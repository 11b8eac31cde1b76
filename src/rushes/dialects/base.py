"""What every dialect speaks of, and the seam between a wire format and the house.

A dialect is a codec without I/O, in both directions: what a client writes is what a server parses, and what a server
renders is what a client reads. So the server, the client and an engine that calls another server share one codec per
vendor. The words in between are the calls and replies below; no vendor's key stands in them. A request accepted in
one dialect can be shown in any other.

    server:  bytes → parse → Call → service → Reply → render → bytes
    client:  Call → write → bytes … bytes → read → Reply
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec

from rushes.core.catalogue import Card, Parameter
from rushes.core.errors import RushesError
from rushes.core.request import Forecast, Outcome, Request, Status

if TYPE_CHECKING:
    from rushes.dialects.shapes import Shapes

MAX_WAIT = 60
"""The most seconds that an answer may wait for a request's end: proxies cut what is silent for longer."""

# -- calls ---------------------------------------------------------------------------------------------------------


class Submit(msgspec.Struct, frozen=True):
    """`fields` are named as cards name or alias them and are what is checked and written; `payload` is what stood on
    the wire, kept to be echoed."""

    model: str
    fields: dict[str, Any]
    payload: dict[str, Any]

    @classmethod
    def of(cls, model: str, fields: dict[str, Any]) -> Submit:
        """The call of a client, who has nothing to echo."""
        return cls(model, fields, fields)


class Get(msgspec.Struct, frozen=True):
    """`wait`: the seconds that the answer may wait for the request's end."""

    id: str
    wait: int = 0


class Events(msgspec.Struct, frozen=True):
    """A stream of the request's states until its end, each as the reply to `Get`."""

    id: str


class List(msgspec.Struct, frozen=True):
    """`cursor` is the previous page's `next_cursor`; `limit` is 1 … 100."""

    model: str | None = None
    limit: int = 50
    cursor: str | None = None
    status: Status | None = None


class Cancel(msgspec.Struct, frozen=True):
    id: str


class Retry(msgspec.Struct, frozen=True):
    """Make a failed or cancelled request anew: the same shot under an id of its own."""

    id: str


class Attempts(msgspec.Struct, frozen=True):
    """Every try at a request, and what came of it."""

    id: str


class Models(msgspec.Struct, frozen=True):
    pass


class ModelDetail(msgspec.Struct, frozen=True):
    id: str


class UploadUrl(msgspec.Struct, frozen=True):
    """`file_type` as the client wrote it, such as `png`."""

    file_type: str


Call: TypeAlias = Submit | Get | Events | List | Cancel | Retry | Attempts | Models | ModelDetail | UploadUrl
Kind: TypeAlias = type[Call]

# -- replies -------------------------------------------------------------------------------------------------------


class OutcomeView(msgspec.Struct, frozen=True, kw_only=True):
    """A finished clip as a client sees it: URLs instead of keys. `size` in bytes; `understood` and `ignored` are words
    of the prompt; `details` whatever else the engine reported."""

    video_url: str
    thumbnail_url: str | None = None
    preview_url: str | None = None
    width: int = 0
    height: int = 0
    fps: float = 0.0
    seconds: float = 0.0
    size: int = 0
    sound: bool = False
    seed: int = 0
    engine: str = ""
    understood: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    details: dict[str, Any] = {}

    @classmethod
    def of(cls, outcome: Outcome, link: Callable[[str], str]) -> OutcomeView:
        """`link` makes a URL of a store's key."""
        report = dict(outcome.report)
        understood, ignored = report.pop("understood", ()), report.pop("ignored", ())
        warnings = dict.fromkeys([*outcome.warnings, *report.pop("warnings", ())])
        return cls(
            video_url=link(outcome.video),
            thumbnail_url=link(outcome.thumbnail),
            preview_url=None if outcome.preview is None else link(outcome.preview),
            width=outcome.width,
            height=outcome.height,
            fps=outcome.fps,
            seconds=outcome.seconds,
            size=outcome.size,
            sound=outcome.sound,
            seed=outcome.seed,
            engine=outcome.engine,
            understood=tuple(understood),
            ignored=tuple(ignored),
            warnings=tuple(warnings),
            details=report,
        )


NO_FORECAST = Forecast()


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """A request as a client sees it. Times are seconds since the epoch, `progress` is 0 … 1 of the whole attempt, `note`
    the engine's word on its phase, such as what it waits for;
    `position` counts the requests before it in the line, `eta` is the seconds to its end by what such requests took
    lately, give or take `eta_error`; `live_preview_url` is a picture of what is being made, as long as it is;
    `warnings` are sentences about the call itself, such as keys that the model does not know. `expired` says that the
    files were kept for their time and are gone, `retry_of` which request this one repeats."""

    id: str
    status: Status
    model: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0
    queued_at: float = 0.0
    org_id: str = ""
    user_id: str = ""
    is_public: bool = False
    payload: dict[str, Any] | None = None
    phase: str | None = None
    note: str | None = None
    progress: float | None = None
    position: int | None = None
    eta: float | None = None
    eta_error: float | None = None
    live_preview_url: str | None = None
    outcome: OutcomeView | None = None
    error: str | None = None
    error_name: str | None = None
    warnings: tuple[str, ...] = ()
    expired: bool = False
    retry_of: str | None = None

    @classmethod
    def of(
        cls,
        request: Request,
        link: Callable[[str], str],
        *,
        payload: dict[str, Any] | None = None,
        org_id: str = "",
        warnings: tuple[str, ...] = (),
        forecast: Forecast = NO_FORECAST,
    ) -> RequestView:
        """`payload` replaces the stored one where that names keys of the store instead of URLs."""
        running = request.status is Status.PROCESSING
        return cls(
            id=request.id,
            status=request.status,
            model=request.model,
            created_at=request.created_at,
            updated_at=request.updated_at,
            queued_at=request.queued_at,
            org_id=org_id,
            user_id=request.owner,
            payload=request.payload if payload is None else payload,
            phase=str(request.phase) if running and request.phase else None,
            note=request.note if running and request.note else None,
            progress=request.progress if running else None,
            position=forecast.position,
            eta=forecast.eta,
            eta_error=forecast.error,
            live_preview_url=link(request.live_preview) if running and request.live_preview else None,
            outcome=None if request.outcome is None else OutcomeView.of(request.outcome, link),
            error=request.error or request.cancel_reason or None,
            error_name=request.error_name,
            warnings=warnings,
            expired=request.expired_at is not None,
            retry_of=request.retry_of,
        )


class Accepted(msgspec.Struct, frozen=True):
    """The answer to `Submit` and `Retry`: the request as it then stood."""

    request: RequestView

    @classmethod
    def first(cls, view: RequestView) -> Accepted:
        """The same answer whenever it is given, also to a call that is repeated after the request's end."""
        return cls(
            RequestView(
                id=view.id,
                status=Status.QUEUED,
                model=view.model,
                created_at=view.created_at,
                updated_at=view.queued_at,
                queued_at=view.queued_at,
                warnings=view.warnings,
                retry_of=view.retry_of,
            )
        )


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One try: the `number`-th, begun at `started_at`. `ended_by` is the verb that ended it, None while it runs; `phase`
    the last one it told of, `seconds` how long it took, `worker` only for those who run the house."""

    number: int
    started_at: float = 0.0
    seconds: float | None = None
    phase: str | None = None
    ended_by: str | None = None
    error: str | None = None
    error_name: str | None = None
    worker: str | None = None


class AttemptList(msgspec.Struct, frozen=True):
    """The first one first."""

    request_id: str
    attempts: tuple[AttemptView, ...]


class Page(msgspec.Struct, frozen=True):
    """Newest first. `total` counts all that match, `next_cursor` is None on the last page."""

    requests: tuple[RequestView, ...]
    total: int
    next_cursor: str | None = None


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A card as a client sees it: all but its engine."""

    id: str
    name: str = ""
    developer: str = ""
    brief: str = ""
    description: str = ""
    org_id: str = ""
    modalities: dict[str, tuple[str, ...]] = {}
    parameters: tuple[Parameter, ...] = ()
    price: int | None = None
    errata: tuple[dict[str, str], ...] = ()

    @classmethod
    def of(cls, card: Card, *, org_id: str = "") -> ModelInfo:
        return cls(
            id=card.id,
            name=card.name,
            developer=card.developer,
            brief=card.brief,
            description=card.description,
            org_id=org_id,
            modalities={"input": card.modalities.input, "output": card.modalities.output},
            parameters=card.parameters,
            price=card.price,
            errata=tuple({"page": erratum.page, "here": erratum.here} for erratum in card.errata),
        )


class ModelList(msgspec.Struct, frozen=True):
    models: tuple[ModelInfo, ...]


class UploadTarget(msgspec.Struct, frozen=True):
    """PUT the bytes to `upload_url`; `public_url` is what an `image` parameter then names."""

    upload_url: str
    public_url: str


Reply: TypeAlias = Accepted | RequestView | Page | AttemptList | ModelList | ModelInfo | UploadTarget

# -- the wire ------------------------------------------------------------------------------------------------------


class Route(msgspec.Struct, frozen=True):
    """`path` has Starlette's parameters, such as `{id}` or `{id:path}` for ids with slashes."""

    method: str
    path: str
    kind: Kind
    needs_key: bool = True


class WireRequest(msgspec.Struct, frozen=True):
    """`path` is percent-encoded, `query` is not. An empty body has no content type."""

    method: str
    path: str
    query: dict[str, str] = {}
    body: bytes = b""
    content_type: str = ""


class WireReply(msgspec.Struct, frozen=True):
    """`headers` with lower-case names."""

    status: int
    body: bytes
    headers: dict[str, str] = {}


class Dialect(Protocol):
    """One vendor's wire format. Without state, so one instance serves all threads."""

    name: str
    routes: tuple[Route, ...]

    def parse(
        self,
        kind: Kind,
        path: Mapping[str, str],
        query: Mapping[str, str],
        body: bytes,
        content_type: str = "",
    ) -> Call:
        """The call that arrived on a route of `kind`; `path` and `query` are decoded. Raises `InvalidCall` (often its
        leaf `InvalidShot`) for whatever cannot be read, and nothing else."""

    def write(self, call: Call) -> WireRequest:
        """What a client sends. `TypeError` for a call that the dialect has no words for."""

    def render(self, reply: Reply) -> WireReply:
        """What a server answers. `TypeError` for a reply that the dialect has no words for."""

    def read(self, kind: Kind, reply: WireReply) -> Reply:
        """The answer to a call of `kind`, as far as the dialect carries it. A refusal is raised as the error it
        tells of, an answer that makes no sense as `BadReply`."""

    def render_error(self, error: RushesError, *, path: str, request_id: str, now: float) -> WireReply:
        """`path` is the call's, `request_id` the call's own id (not a video request's), `now` in seconds."""

    def read_error(self, reply: WireReply) -> RushesError:
        """The error that a refusal tells of."""

    def shapes(self, cards: Sequence[Card]) -> Shapes:
        """The schemas of bodies, queries and answers."""
