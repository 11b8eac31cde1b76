"""`/openapi.json`: the routes of the dialects and the schemas of the cards, written down in OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from rushes import __version__
from rushes.core.card import Card
from rushes.core.patterns import whole
from rushes.dialects.base import (
    Attempts,
    Cancel,
    Dialect,
    Events,
    Get,
    Kind,
    List,
    ModelDetail,
    Models,
    Retry,
    Route,
    Submit,
    UploadUrl,
)
from rushes.dialects.shapes import REQUEST_ID, ids_of
from rushes.server.desk import IDEMPOTENCY_KEY, PRIORITIES

SUMMARIES: dict[Kind, str] = {
    Submit: "Ask for a video",
    Get: "One request's state and result",
    Events: "One request's states until its end, as server-sent events",
    List: "Your requests, newest first",
    Cancel: "Cancel a request",
    Retry: "Make a failed or cancelled request anew, under an id of its own",
    Attempts: "Every try at a request, and what came of it",
    Models: "The model ids",
    ModelDetail: "What one model accepts",
    UploadUrl: "A link to upload an image by",
}


class Document:
    """The document's bytes, written anew when `cards` gives others than before."""

    def __init__(self, dialects: Sequence[Dialect], cards: Callable[[], tuple[Card, ...]]) -> None:
        self._dialects = dialects
        self._cards = cards
        self._written: tuple[tuple[Card, ...], bytes] = ((), b"")
        self.current()  # what cannot be described should stop the start, not a call

    def current(self) -> bytes:
        cards = self._cards()
        if cards is not self._written[0]:
            self._written = (cards, msgspec.json.encode(describe(self._dialects, cards)))
        return self._written[1]


def describe(dialects: Sequence[Dialect], cards: Iterable[Card]) -> dict[str, Any]:
    """The document as JSON values."""
    cards = tuple(cards)
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {}
    for dialect in dialects:
        shapes = dialect.shapes(cards)
        schemas |= shapes.components
        for route in dialect.routes:
            operation = _operation(
                dialect, route, cards, shapes.bodies.get(route.kind), shapes.queries.get(route.kind, [])
            )
            operation["responses"] = {
                "200": _stream(shapes.replies[route.kind])
                if route.kind is Events
                else _answer("Done", shapes.replies[route.kind]),
                "default": _answer("Refused", shapes.error),
            }
            paths.setdefault(route.path.replace(":path}", "}"), {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rushes",
            "version": __version__,
            "description": "Video generation: submit a prompt, poll, fetch an MP4.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(
    dialect: Dialect,
    route: Route,
    cards: Sequence[Card],
    body: dict[str, Any] | None,
    query: list[dict[str, Any]],
) -> dict[str, Any]:
    named = ids_of(cards) if route.kind is ModelDetail else REQUEST_ID
    parameters = [
        {"name": "id", "in": "path", "required": True, "schema": named} for _ in range("{id" in route.path)
    ]
    if route.kind in (Submit, Retry):
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "The same key with the same body gives the first answer again.",
                "schema": {"type": "string", "pattern": whole(IDEMPOTENCY_KEY)},
            }
        )
    if route.kind is Submit:
        parameters.append(
            {
                "name": "X-Priority",
                "in": "header",
                "description": "Before all requests of a lower number; 0 unless given. The owner's limits bound it.",
                "schema": {"type": "integer", "minimum": PRIORITIES[0], "maximum": PRIORITIES[1]},
            }
        )
    operation: dict[str, Any] = {
        "summary": SUMMARIES[route.kind],
        "tags": [dialect.name],
        "operationId": f"{dialect.name} {route.method} {route.path}",
        "security": [{"key": []}] if route.needs_key else [],
        "parameters": [*parameters, *query],
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _answer(description: str, schema: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": schema}}}


def _stream(state: dict[str, Any]) -> dict[str, Any]:
    """Server-sent events, the schema being that of one."""
    event = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "The request's revision."},
            "event": {"enum": ["state", "end"]},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": state},
        },
        "required": ["id", "event", "data"],
    }
    return _answer("The state at once, and at every change until the end", event, "text/event-stream")
