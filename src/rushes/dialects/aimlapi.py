"""The video generations of the AI/ML API. Four status words, and an object per end: `video` or `error`. Keys that have
nothing to say are left out, never null, and no key but the video's is named `url`: the vendor's SDK takes the first it
finds. Whatever a body holds besides the model's own parameters is accepted.

A video whose time is over stays `completed`, with `expired` beside a URL that answers 410: clients take any `error` for
a generation that failed, and fall over a completed one without `video`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, UnsetType

from rushes.core.card import Card
from rushes.core.errors import (
    BadReply,
    InvalidCall,
    InvalidQuery,
    InvalidShot,
    OutOfCredits,
    QueueFull,
    RateLimited,
    RushesError,
    UnknownModel,
)
from rushes.core.parameter import Parameter, shown
from rushes.core.request import ID, Status
from rushes.core.schema import Schema, card_schema
from rushes.core.shot import MAX_SEED
from rushes.dialects import wire
from rushes.dialects.base import (
    MAX_WAIT,
    Accepted,
    Call,
    Get,
    Kind,
    ModelInfo,
    ModelList,
    Models,
    OutcomeView,
    Reply,
    RequestView,
    Route,
    Submit,
    WireReply,
    WireRequest,
)
from rushes.dialects.shapes import WAIT, Shapes, ids_of, query, shapes_of

PATHS = ("/v2/generate/video/kling/generation", "/v2/video/generations")
"""The page's, and today's for all models, which we write."""

WORDS = {
    Status.QUEUED: "queued",
    Status.PROCESSING: "generating",
    Status.SUCCESS: "completed",
    Status.FAILED: "error",
    Status.CANCELLED: "error",
}
STATUS = {
    "queued": Status.QUEUED,
    "waiting": Status.QUEUED,
    "active": Status.PROCESSING,
    "generating": Status.PROCESSING,
    "completed": Status.SUCCESS,
    "error": Status.FAILED,
}
CANCELLED = "Cancelled"
VIDEO_TYPE = "internal/video-generations/submit"
SEED = Parameter(
    name="seed", type="integer", display_name="Seed", description="", min_value=0, max_value=MAX_SEED
)


class _Video(msgspec.Struct, kw_only=True):
    url: str
    content_type: str = "video/mp4"
    file_name: str = ""
    file_size: int = 0
    duration: float = 0.0
    expired: bool | UnsetType = UNSET


class _Failure(msgspec.Struct):
    name: str = ""
    message: str = ""


class _Generation(msgspec.Struct, kw_only=True):
    id: str
    status: str
    video: _Video | UnsetType = UNSET
    error: _Failure | UnsetType = UNSET


class _Info(msgspec.Struct):
    name: str = ""
    developer: str = ""
    description: str = ""


class _Model(msgspec.Struct):
    id: str
    type: str = VIDEO_TYPE
    info: _Info = msgspec.field(default_factory=_Info)


class _Models(msgspec.Struct):
    object: str
    data: list[_Model]


class _Error(msgspec.Struct, kw_only=True):
    requestId: str = ""  # noqa: N815 - the vendor's key
    statusCode: int = 0  # noqa: N815 - the vendor's key
    timestamp: str = ""
    path: str = ""
    message: str


class Aimlapi:
    name = "aimlapi"
    routes = (
        *(Route(method, path, kind) for path in PATHS for method, kind in (("POST", Submit), ("GET", Get))),
        *(Route("GET", path, Models, needs_key=False) for path in ("/v1/models", "/models")),
    )

    # -- calls -------------------------------------------------------------------------------------------------

    def parse(
        self,
        kind: Kind,
        path: Mapping[str, str],
        query: Mapping[str, str],
        body: bytes,
        content_type: str = "",
    ) -> Call:
        if kind is Submit:
            return _submission(wire.read_object(body))
        if kind is Get:
            return Get(_generation_id(query), wire.number_of(query, "wait", 0, 0, MAX_WAIT))
        return Models()

    def write(self, call: Call) -> WireRequest:
        match call:
            case Submit(model, fields):
                return wire.send("POST", PATHS[1], {"model": model, **fields})
            case Get(id, wait):
                asked = {"generation_id": id} | ({"wait": str(wait)} if wait else {})
                return wire.send("GET", PATHS[1], query=asked)
            case Models():
                return wire.send("GET", "/v1/models")
        raise TypeError(f"the aimlapi dialect has no call {type(call).__name__}")

    # -- replies -----------------------------------------------------------------------------------------------

    def render(self, reply: Reply) -> WireReply:
        match reply:
            case Accepted(view):
                return wire.answer(_Generation(id=view.id, status=WORDS[view.status]))
            case RequestView():
                return wire.answer(_generation(reply))
            case ModelList(models):
                return wire.answer(_Models("list", [_model(info) for info in models]))
        raise TypeError(f"the aimlapi dialect has no reply {type(reply).__name__}")

    def read(self, kind: Kind, reply: WireReply) -> Reply:
        if not 200 <= reply.status < 300:
            raise self.read_error(reply)
        if kind is Models:
            return ModelList(tuple(_model_info(model) for model in wire.read_as(_Models, reply).data))
        generation = wire.read_as(_Generation, reply)
        return Accepted(_receipt(generation)) if kind is Submit else _view(generation)

    # -- errors ------------------------------------------------------------------------------------------------

    def render_error(self, error: RushesError, *, path: str, request_id: str, now: float) -> WireReply:
        status, message = _refusal(error)
        headers = wire.retry_after(error.retry_after) if isinstance(error, RateLimited | QueueFull) else {}
        moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = _Error(requestId=request_id, statusCode=status, timestamp=moment, path=path, message=message)
        return wire.answer(body, status, headers)

    def read_error(self, reply: WireReply) -> RushesError:
        try:
            text = wire.read_as(_Error, reply).message
        except BadReply as bad:
            return bad
        if reply.status == 403:
            return OutOfCredits(text)
        if reply.status == 400 and text.startswith("Query"):
            return InvalidQuery(text)
        return wire.refusal(reply, text)

    # -- the page ----------------------------------------------------------------------------------------------

    def shapes(self, cards: Sequence[Card]) -> Shapes:
        identity = {"type": "string", "pattern": rf"^{ID}(?::.*)?$"}
        return shapes_of(
            self.name,
            bodies={Submit: {"anyOf": [_submission_of(card) for card in cards]}},
            queries={
                Get: [query("generation_id", "The id that the POST answered.", identity, required=True), WAIT]
            },
            replies={Submit: _Generation, Get: _Generation, Models: _Models},
            error=_Error,
        )


def _submission_of(card: Card) -> Schema:
    schema = card_schema(card, _key)
    if "seed" in schema["properties"]:
        told = ("title", "description")
        schema["properties"]["seed"] = {name: schema["properties"]["seed"][name] for name in told}
    schema["properties"] = {"model": ids_of([card]), **schema["properties"]}
    schema["required"] = ["model", *schema["required"]]
    return schema


def _key(parameter: str) -> str:
    """What the vendor calls a parameter."""
    return "image_url" if parameter == "image" else parameter


def _submission(body: dict[str, Any]) -> Submit:
    """A seed that cannot be one is left out like any key of another provider: this vendor refuses no extra key."""
    model = wire.text_of(body, "model")
    payload = {key: value for key, value in body.items() if key != "model"}
    fields = payload
    if "seed" in payload and not _is_seed(payload["seed"]):
        fields = {key: value for key, value in payload.items() if key != "seed"}
    return Submit(model, fields, payload)


def _is_seed(value: object) -> bool:
    try:
        SEED.read(value)
    except InvalidShot:
        return False
    return True


def _generation_id(query: Mapping[str, str]) -> str:
    """The bare id out of `id`, `id:model` and percent-encoded forms of either. Raises `InvalidQuery`."""
    identity = unquote(query.get("generation_id", "")).partition(":")[0].strip()
    if not identity:
        raise InvalidQuery("generation_id: Required")
    return identity


def _generation(view: RequestView) -> _Generation:
    generation = _Generation(id=view.id, status=WORDS[view.status])
    if view.status is Status.SUCCESS and view.outcome is not None:
        generation.video = _Video(
            url=view.outcome.video_url,
            file_name=f"{view.id}.mp4",
            file_size=view.outcome.size,
            duration=view.outcome.seconds,
            expired=view.expired or UNSET,
        )
    elif view.status.terminal:
        name = CANCELLED if view.status is Status.CANCELLED else view.error_name or "GenerationError"
        generation.error = _Failure(name, view.error or f"the request was {view.status}")
    return generation


def _receipt(generation: _Generation) -> RequestView:
    status = STATUS.get(generation.status)
    if status is None:
        raise BadReply(f"the server answered with the unknown status {shown(generation.status)}")
    return RequestView(id=generation.id, status=status)


def _view(generation: _Generation) -> RequestView:
    view, video, error = _receipt(generation), generation.video, generation.error
    if view.status is Status.SUCCESS:
        if not video:
            raise BadReply("the server answered completed without a video")
        outcome = OutcomeView(video_url=video.url, size=video.file_size, seconds=video.duration)
        return msgspec.structs.replace(view, outcome=outcome, expired=video.expired or False)
    if view.status is Status.FAILED and error:
        status = Status.CANCELLED if error.name == CANCELLED else Status.FAILED
        return msgspec.structs.replace(view, status=status, error=error.message, error_name=error.name)
    return view


def _model(info: ModelInfo) -> _Model:
    return _Model(info.id, info=_Info(info.name, info.developer, info.brief))


def _model_info(model: _Model) -> ModelInfo:
    return ModelInfo(
        id=model.id, name=model.info.name, developer=model.info.developer, brief=model.info.description
    )


def _refusal(error: RushesError) -> tuple[int, str]:
    """Status and message; the vendor knows no 404 for models and says 403 when the credits are spent."""
    match error:
        case InvalidShot():
            return 400, f"Body validation error! {_key(error.field)}: {_complaint(error)}"
        case UnknownModel():
            expected = "one of the ids that GET /v1/models lists"
            return 400, f"Body validation error! model: {_bad_enum(expected, error.model)}"
        case InvalidQuery():
            return 400, f"Query validation error! {error}"
        case InvalidCall():
            return 400, f"Body validation error! {error}"
        case OutOfCredits():
            return 403, f"You've run out of credits. {error.advice}".strip()
        case RateLimited():
            return 429, "Too Many Requests"
    return error.status_hint, wire.sentence(error)


def _complaint(error: InvalidShot) -> str:
    if error.problem == "missing":
        return "Required"
    if error.problem == "option":
        return _bad_enum(" | ".join(f"'{option}'" for option in error.allowed), error.value)
    return str(error).removeprefix(f"{error.field}: ")


def _bad_enum(expected: str, value: object) -> str:
    return f"Invalid enum value. Expected {expected}, received {shown(value)}"
