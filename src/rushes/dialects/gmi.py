"""The request queue of GMI Cloud. Statuses are the house's own words, every error is one plain string under
`error`, and clients know some of those strings by heart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType

from rushes.core.card import Card
from rushes.core.errors import (
    AlreadyEnded,
    BadReply,
    InvalidCall,
    InvalidQuery,
    InvalidShot,
    NotRepeatable,
    OutOfCredits,
    QueueFull,
    RateLimited,
    RushesError,
    UnknownModel,
    UnknownRequest,
)
from rushes.core.images import UPLOAD_TYPE, UPLOAD_TYPES
from rushes.core.parameter import shown
from rushes.core.patterns import whole
from rushes.core.request import Status
from rushes.core.schema import Schema, card_schema
from rushes.dialects import gmi_records as records
from rushes.dialects import wire
from rushes.dialects.base import (
    MAX_WAIT,
    Accepted,
    AttemptList,
    Attempts,
    Call,
    Cancel,
    Events,
    Get,
    Kind,
    List,
    ModelDetail,
    ModelInfo,
    ModelList,
    Models,
    Page,
    Reply,
    RequestView,
    Retry,
    Route,
    Submit,
    UploadTarget,
    UploadUrl,
    WireReply,
    WireRequest,
)
from rushes.dialects.shapes import WAIT, Shapes, ids_of, query, shapes_of

PREFIXES = ("/api/v1/ie/requestqueue/apikey", "/api/v1/apikey", "/api/v1/ie/requestqueue")
"""The documented one, which we write, then what one page and the vendor's SDK use."""

MAX_LIMIT = 100
LIMIT_TYPES = {1: "RPS", 60: "RPM", 3600: "RPH", 86400: "RPD"}


class _RateLimit(msgspec.Struct):
    limit_type: str = ""
    limit: int = 0
    interval_seconds: float = 0
    retry_after_ms: float = 0


class _Error(msgspec.Struct):
    error: str
    rate_limit: _RateLimit | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


class Gmi:
    name = "gmi"
    routes = tuple(
        Route(method, prefix + path, kind)
        for prefix in PREFIXES
        for method, path, kind in (
            ("POST", "/requests", Submit),
            ("GET", "/requests/{id}", Get),
            ("GET", "/requests/{id}/events", Events),
            ("GET", "/requests", List),
            ("DELETE", "/requests/{id}", Cancel),
            ("POST", "/requests/{id}/retry", Retry),
            ("GET", "/requests/{id}/attempts", Attempts),
            ("GET", "/models", Models),
            ("GET", "/models/{id:path}", ModelDetail),
            ("POST", "/upload-url", UploadUrl),
        )
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
        if kind is UploadUrl:
            return UploadUrl(wire.text_of(wire.read_object(body), "file_type"))
        if kind is List:
            limit = wire.number_of(query, "limit", List().limit, 1, MAX_LIMIT)
            status = _status(query.get("status", ""))
            return List(query.get("model_id") or None, limit, query.get("cursor") or None, status)
        if kind is Get:
            return Get(path["id"], wire.number_of(query, "wait", 0, 0, MAX_WAIT))
        for named in (Events, Cancel, Retry, Attempts):
            if kind is named:
                return named(path["id"])
        return ModelDetail(path["id"]) if kind is ModelDetail else Models()

    def write(self, call: Call) -> WireRequest:
        home = PREFIXES[0]
        match call:
            case Submit(model, fields):
                return wire.send("POST", f"{home}/requests", {"model": model, "payload": fields})
            case Get(id, wait):
                longer = {"wait": str(wait)} if wait else {}
                return wire.send("GET", f"{home}/requests/{quote(id, safe='')}", query=longer)
            case Events(id):
                return wire.send("GET", f"{home}/requests/{quote(id, safe='')}/events")
            case List(model, limit, cursor, status):
                asked = {"model_id": model, "status": status, "limit": str(limit), "cursor": cursor}
                return wire.send(
                    "GET", f"{home}/requests", query={key: text for key, text in asked.items() if text}
                )
            case Cancel(id):
                return wire.send("DELETE", f"{home}/requests/{quote(id, safe='')}")
            case Retry(id):
                return wire.send("POST", f"{home}/requests/{quote(id, safe='')}/retry")
            case Attempts(id):
                return wire.send("GET", f"{home}/requests/{quote(id, safe='')}/attempts")
            case Models():
                return wire.send("GET", f"{home}/models")
            case ModelDetail(id):
                return wire.send("GET", f"{home}/models/{quote(id)}")
            case UploadUrl(file_type):
                return wire.send("POST", f"{home}/upload-url", {"file_type": file_type})

    # -- replies -----------------------------------------------------------------------------------------------

    def render(self, reply: Reply) -> WireReply:
        match reply:
            case Accepted(view):
                return wire.answer(records.receipt(view))
            case RequestView():
                return wire.answer(records.record_of(reply))
            case Page(requests, total, next_cursor):
                return wire.answer(
                    records.Records([records.record_of(view) for view in requests], total, next_cursor)
                )
            case AttemptList():
                return wire.answer(records.tries_of(reply))
            case ModelList(models):
                return wire.answer(records.ModelIds([model.id for model in models]))
            case ModelInfo():
                return wire.answer(records.model_of(reply))
            case UploadTarget():
                return wire.answer(reply)

    def read(self, kind: Kind, reply: WireReply) -> Reply:
        if not 200 <= reply.status < 300:
            raise self.read_error(reply)
        if kind in (Submit, Retry):
            return Accepted(records.view_of(wire.read_as(records.Record, reply)))
        if kind is List:
            page = wire.read_as(records.Records, reply)
            return Page(
                tuple(records.view_of(record) for record in page.requests), page.total, page.next_cursor
            )
        if kind is Attempts:
            return records.attempts_of(wire.read_as(records.Tries, reply))
        if kind is Models:
            return ModelList(
                tuple(ModelInfo(id=model) for model in wire.read_as(records.ModelIds, reply).model_ids)
            )
        if kind is ModelDetail:
            return records.info_of(wire.read_as(records.Model, reply))
        if kind is UploadUrl:
            return wire.read_as(UploadTarget, reply)
        return records.view_of(wire.read_as(records.Record, reply))

    # -- errors ------------------------------------------------------------------------------------------------

    def render_error(self, error: RushesError, *, path: str, request_id: str, now: float) -> WireReply:
        status = error.status_hint
        match error:
            case InvalidCall() if not isinstance(error, InvalidQuery):
                return wire.answer(_Error(f"invalid payload parameters: {error}"), status)
            case UnknownModel() | UnknownRequest():
                return wire.answer(_Error(str(error)), status)
            case OutOfCredits():
                text = "Insufficient credits. Please add more credits to your account."
                return wire.answer(_Error(text), status)
            case RateLimited(limit=limit, interval=interval, retry_after=wait):
                wait_ms = round(wait * 1000)
                kind = LIMIT_TYPES.get(int(interval), "custom")
                text = f"{error}: {limit} requests per {shown(interval)} seconds. Retry in {wait_ms} ms."
                body = _Error(text, _RateLimit(kind, limit, _whole(interval), wait_ms))
                return wire.answer(body, status, wire.retry_after(wait))
            case QueueFull(retry_after=wait):
                text = "Upstream capacity temporarily exhausted; please retry later"
                return wire.answer(_Error(text, request_id=request_id), status, wire.retry_after(wait))
        return wire.answer(_Error(wire.sentence(error)), status)

    def read_error(self, reply: WireReply) -> RushesError:
        try:
            body = wire.read_as(_Error, reply)
        except BadReply as bad:
            return bad
        text, rate = body.error, body.rate_limit
        match reply.status:
            case 404 if model := re.fullmatch(r"model (.*) does not exist", text, re.DOTALL):
                return UnknownModel(model[1])
            case 409 if ended := re.match(r"request is already (\w+)", text):
                return AlreadyEnded(ended[1])
            case 409 if status := re.match(r"request is (\w+): only", text):
                return NotRepeatable(status[1])
            case 429 if rate:
                subject, wait = text.split(": ", 1)[0], rate.retry_after_ms / 1000
                return RateLimited(
                    subject, limit=rate.limit, interval=rate.interval_seconds, retry_after=wait
                )
        return wire.refusal(reply, text)

    # -- the page ----------------------------------------------------------------------------------------------

    def shapes(self, cards: Sequence[Card]) -> Shapes:
        text = {"type": "string"}
        file_type = {"type": "string", "pattern": whole(UPLOAD_TYPE), "examples": list(UPLOAD_TYPES)}
        statuses = {"type": "string", "enum": [str(status) for status in Status]}
        upload = {"type": "object", "properties": {"file_type": file_type}, "required": ["file_type"]}
        return shapes_of(
            self.name,
            bodies={Submit: {"anyOf": [_submission_of(card) for card in cards]}, UploadUrl: upload},
            queries={
                Get: [WAIT],
                List: [
                    query("model_id", "Only requests of this model.", ids_of(cards)),
                    query("status", "Only requests that stand so.", statuses),
                    query(
                        "limit",
                        "Requests on one page.",
                        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
                    ),
                    query("cursor", "The previous page's `next_cursor`.", text),
                ],
            },
            replies={
                Submit: records.Record,
                Get: records.Record,
                Events: records.Record,
                Cancel: records.Record,
                Retry: records.Record,
                Attempts: records.Tries,
                List: records.Records,
                Models: records.ModelIds,
                ModelDetail: records.Model,
                UploadUrl: UploadTarget,
            },
            error=_Error,
        )


def _submission_of(card: Card) -> Schema:
    payload = card_schema(card)
    return {
        "type": "object",
        "title": card.name,
        "properties": {"model": ids_of([card]), "payload": payload},
        "required": ["model", *(["payload"] if payload["required"] else [])],
    }


def _submission(body: dict[str, Any]) -> Submit:
    model, payload = wire.text_of(body, "model"), body.get("payload")
    if payload is None:
        payload = {}
    if not isinstance(payload, dict):
        raise InvalidShot("payload", "type", f"must be an object, not {shown(payload)}", value=payload)
    return Submit(model, payload, payload)


def _status(word: str) -> Status | None:
    """Raises `InvalidQuery`."""
    if not word:
        return None
    try:
        return Status(word)
    except ValueError:
        raise InvalidQuery(f"status: is {shown(word)}; allowed options: {', '.join(Status)}") from None


def _whole(number: float) -> int | float:
    return int(number) if number == int(number) else number
