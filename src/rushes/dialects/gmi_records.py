"""The records of the GMI dialect: JSON shapes as structs, and the two ways between them and the house's views.

Fields stand in the order of the vendor's pages; what is UNSET is left out. Times are whole seconds, since strict
clients read unsigned integers. A failure stands both beside and inside the outcome, because readers look in either
place. Keys of ours (`seed`, `understood`, `preview_url` …) come after the vendor's.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from rushes.core.catalogue import Parameter
from rushes.core.errors import BadReply
from rushes.core.parameter import shown
from rushes.core.request import Status
from rushes.dialects.base import AttemptList, AttemptView, ModelInfo, OutcomeView, RequestView

T = TypeVar("T")

STATUS = {**{str(status): status for status in Status}, "created": Status.QUEUED, "dispatched": Status.QUEUED}


class Media(msgspec.Struct):
    id: str
    url: str


class Outcome(msgspec.Struct, kw_only=True):
    video_url: str | UnsetType = UNSET
    thumbnail_image_url: str | UnsetType | None = UNSET
    media_urls: list[Media] | UnsetType = UNSET
    preview_url: str | UnsetType = UNSET
    duration: float | UnsetType = UNSET
    width: int | UnsetType = UNSET
    height: int | UnsetType = UNSET
    fps: float | UnsetType = UNSET
    file_size: int | UnsetType = UNSET
    sound: bool | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    engine: str | UnsetType = UNSET
    understood: tuple[str, ...] | UnsetType = UNSET
    ignored: tuple[str, ...] | UnsetType = UNSET
    warnings: tuple[str, ...] | UnsetType = UNSET
    details: dict[str, Any] | UnsetType = UNSET
    error: str | UnsetType = UNSET
    error_name: str | UnsetType = UNSET
    expired: bool | UnsetType = UNSET


class Record(msgspec.Struct, kw_only=True):
    request_id: str
    org_id: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET
    model: str = ""
    status: str
    is_public: bool | UnsetType = UNSET
    payload: dict[str, Any] | UnsetType | None = UNSET
    outcome: Outcome | UnsetType | None = UNSET
    created_at: int | float = 0
    updated_at: int | float = 0
    queued_at: int | float = 0
    phase: str | UnsetType = UNSET
    note: str | UnsetType = UNSET
    progress: float | UnsetType = UNSET
    position: int | UnsetType = UNSET
    eta_seconds: float | UnsetType = UNSET
    eta_error_seconds: float | UnsetType = UNSET
    live_preview_url: str | UnsetType = UNSET
    error: str | UnsetType = UNSET
    warnings: tuple[str, ...] | UnsetType = UNSET
    retry_of: str | UnsetType = UNSET


class Records(msgspec.Struct):
    requests: list[Record]
    total: int = 0
    next_cursor: str | None = None


class Try(msgspec.Struct, kw_only=True):
    number: int
    started_at: int | float = 0
    seconds: float | None = None
    phase: str | None = None
    ended_by: str | None = None
    error: str | None = None
    error_name: str | None = None
    worker: str | UnsetType = UNSET


class Tries(msgspec.Struct):
    request_id: str
    attempts: list[Try]


class ModelIds(msgspec.Struct):
    model_ids: list[str]


class Price(msgspec.Struct):
    price: int
    pricing_type: str = "per_request"
    unit: str = "credit"


class Row(msgspec.Struct, kw_only=True):
    name: str
    display_name: str = ""
    description: str = ""
    type: str
    required: bool = False
    default: str | int | float | bool | None = None
    options: tuple[str, ...] | UnsetType = UNSET
    min_value: int | float | UnsetType = UNSET
    max_value: int | float | UnsetType = UNSET
    max_length: int | UnsetType = UNSET
    aliases: tuple[str, ...] | UnsetType = UNSET
    page: str | UnsetType = UNSET
    erratum: str | UnsetType = UNSET


class Model(msgspec.Struct, kw_only=True):
    model: str
    org_id: str = ""
    name: str = ""
    developer: str = ""
    brief_description: str = ""
    detailed_description: str = ""
    modalities: dict[str, tuple[str, ...]] = {}
    parameters: list[Row] = []
    price_info: Price | None = None
    errata: tuple[dict[str, str], ...] = ()


def receipt(view: RequestView) -> Record:
    return Record(
        request_id=view.id,
        model=view.model,
        status=str(view.status),
        created_at=int(view.created_at),
        updated_at=int(view.updated_at),
        queued_at=int(view.queued_at),
        warnings=view.warnings or UNSET,
        retry_of=_given(view.retry_of),
    )


def record_of(view: RequestView) -> Record:
    record = receipt(view)
    record.org_id, record.user_id, record.is_public = view.org_id, view.user_id, view.is_public
    record.payload = view.payload
    record.outcome = None
    if view.status is Status.SUCCESS and view.outcome is not None:
        record.outcome = _outcome(view.outcome)
        record.outcome.expired = view.expired or UNSET
    elif view.status.terminal:
        record.error = view.error or f"the request was {view.status}"
        record.outcome = Outcome(error=record.error, error_name=view.error_name or UNSET)
        record.outcome.expired = view.expired or UNSET
    else:
        record.phase = view.phase or UNSET
        record.note = view.note or UNSET
        record.progress = _given(view.progress)
        record.position = _given(view.position)
        record.eta_seconds = _given(view.eta)
        record.eta_error_seconds = _given(view.eta_error)
        record.live_preview_url = _given(view.live_preview_url)
    return record


def _given(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value


def _taken(value: T | UnsetType) -> T | None:
    return None if value is UNSET else value


def _outcome(view: OutcomeView) -> Outcome:
    return Outcome(
        video_url=view.video_url,
        thumbnail_image_url=view.thumbnail_url,
        media_urls=[Media("0", view.video_url)],
        preview_url=view.preview_url or UNSET,
        duration=view.seconds,
        width=view.width,
        height=view.height,
        fps=view.fps,
        file_size=view.size,
        sound=view.sound,
        seed=view.seed,
        engine=view.engine,
        understood=view.understood,
        ignored=view.ignored,
        warnings=view.warnings,
        details=view.details,
    )


def view_of(record: Record) -> RequestView:
    status = STATUS.get(record.status)
    if status is None:
        raise BadReply(f"the server answered with the unknown status {shown(record.status)}")
    outcome = record.outcome or Outcome()
    told = (
        status is Status.SUCCESS and record.outcome is not UNSET
    )  # a receipt of a repeated submit tells no outcome
    return RequestView(
        id=record.request_id,
        status=status,
        model=record.model,
        created_at=record.created_at,
        updated_at=record.updated_at,
        queued_at=record.queued_at,
        org_id=record.org_id or "",
        user_id=record.user_id or "",
        is_public=record.is_public or False,
        payload=None if record.payload is UNSET else record.payload,
        phase=record.phase or None,
        note=record.note or None,
        progress=_taken(record.progress),
        position=_taken(record.position),
        eta=_taken(record.eta_seconds),
        eta_error=_taken(record.eta_error_seconds),
        live_preview_url=_taken(record.live_preview_url),
        outcome=_outcome_view(outcome) if told else None,
        error=record.error or outcome.error or None,
        error_name=outcome.error_name or None,
        warnings=record.warnings or (),
        expired=outcome.expired or False,
        retry_of=_taken(record.retry_of),
    )


def tries_of(reply: AttemptList) -> Tries:
    return Tries(
        reply.request_id,
        [
            Try(
                number=one.number,
                started_at=int(one.started_at),
                seconds=one.seconds,
                phase=one.phase,
                ended_by=one.ended_by,
                error=one.error,
                error_name=one.error_name,
                worker=_given(one.worker),
            )
            for one in reply.attempts
        ],
    )


def attempts_of(tries: Tries) -> AttemptList:
    views = (
        AttemptView(**{**msgspec.structs.asdict(one), "worker": _taken(one.worker)}) for one in tries.attempts
    )
    return AttemptList(tries.request_id, tuple(views))


def _outcome_view(outcome: Outcome) -> OutcomeView:
    others = outcome.media_urls or []
    video = outcome.video_url or next((media.url for media in others), None)
    if not video:
        raise BadReply("the server answered success without a video URL")
    return OutcomeView(
        video_url=video,
        thumbnail_url=outcome.thumbnail_image_url or None,
        preview_url=outcome.preview_url or None,
        width=outcome.width or 0,
        height=outcome.height or 0,
        fps=outcome.fps or 0.0,
        seconds=outcome.duration or 0.0,
        size=outcome.file_size or 0,
        sound=outcome.sound or False,
        seed=outcome.seed or 0,
        engine=outcome.engine or "",
        understood=outcome.understood or (),
        ignored=outcome.ignored or (),
        warnings=outcome.warnings or (),
        details=outcome.details or {},
    )


def model_of(info: ModelInfo) -> Model:
    return Model(
        model=info.id,
        org_id=info.org_id,
        name=info.name,
        developer=info.developer,
        brief_description=info.brief,
        detailed_description=info.description,
        modalities=info.modalities,
        parameters=[_parameter(parameter) for parameter in info.parameters],
        price_info=None if info.price is None else Price(info.price),
        errata=info.errata,
    )


def _parameter(parameter: Parameter) -> Row:
    """The vendor knows neither images nor booleans: an image is a string, a boolean an enum of on and off."""
    boolean = parameter.type == "boolean"
    return Row(
        name=parameter.name,
        display_name=parameter.display_name,
        description=parameter.description,
        type={"boolean": "enum", "image": "string"}.get(parameter.type, parameter.type),
        required=parameter.required,
        default=("on" if parameter.default else "off") if boolean else parameter.default,
        options=("on", "off") if boolean else parameter.options or UNSET,
        min_value=UNSET if parameter.min_value is None else parameter.min_value,
        max_value=UNSET if parameter.max_value is None else parameter.max_value,
        max_length=parameter.max_length or UNSET,
        aliases=parameter.aliases or UNSET,
        page=parameter.page or UNSET,
        erratum=parameter.erratum or UNSET,
    )


def info_of(model: Model) -> ModelInfo:
    rows = [
        {key: value for key, value in msgspec.structs.asdict(row).items() if value is not UNSET}
        for row in model.parameters
    ]
    try:
        parameters = msgspec.convert(rows, tuple[Parameter, ...])
    except msgspec.ValidationError as error:
        raise BadReply(f"the server's model detail makes no sense: {error}") from None
    return ModelInfo(
        id=model.model,
        name=model.name,
        developer=model.developer,
        brief=model.brief_description,
        description=model.detailed_description,
        org_id=model.org_id,
        modalities=model.modalities,
        parameters=parameters,
        price=None if model.price_info is None else model.price_info.price,
        errata=model.errata,
    )
