"""Calls to the service, and what the service says as replies: the one place where a dialect's call becomes a use case
and a ledger's request becomes what a client sees."""

from __future__ import annotations

import difflib
import re

from rushes.core.errors import InvalidCall, UnknownModel
from rushes.core.request import Attempt, Request
from rushes.core.tracing import SILENCE, Tracer
from rushes.dialects.base import (
    Accepted,
    AttemptList,
    Attempts,
    AttemptView,
    Call,
    Cancel,
    Events,
    Get,
    List,
    ModelDetail,
    ModelInfo,
    ModelList,
    Models,
    Page,
    Reply,
    RequestView,
    Retry,
    Submit,
    UploadTarget,
    UploadUrl,
)
from rushes.service import Ask, Caller, Service

LONGEST_IDEMPOTENCY_KEY = 255
PRIORITIES = (-100, 100)
"""The least and the most urgent; how urgent an owner may be at most is one of his limits."""


class Desk:
    def __init__(self, service: Service, tracer: Tracer = SILENCE) -> None:
        self._service = service
        self._tracer = tracer

    def answer_at_once(self, caller: Caller, call: Call) -> Reply | None:
        """The reply where it takes no more than one row, read by its key in microseconds: a thread would cost many
        times that. None for all other calls, which block. Raises the errors of the use case."""
        if isinstance(call, Get):
            request = self._service.get(caller, call.id)
            if request.status.terminal or self._service.outlook.fresh:
                return self.view(request)
        return None

    def answer(
        self,
        dialect: str,
        caller: Caller,
        call: Call,
        idempotency_key: str | None = None,
        priority: str | None = None,
        traceparent: str | None = None,
    ) -> Reply:
        """Serve one call; blocks. `idempotency_key`, `priority` and `traceparent` are the headers. Raises the errors of
        the use case."""
        service = self._service
        match call:
            case Submit(model, fields, payload):
                with self._tracer.span("submit", traceparent, {"rushes.dialect": dialect}) as span:
                    ask = Ask(
                        dialect=dialect,
                        model=model,
                        fields=fields,
                        payload=payload,
                        idempotency_key=_checked_key(idempotency_key),
                        priority=_checked_priority(priority),
                        trace=span.context,
                    )
                    return self._accepted(service.submit(caller, ask))
            case Retry(id):
                return self._accepted(service.retry(caller, id, _checked_key(idempotency_key)))
            case Get(id) | Events(id):
                return self.view(service.get(caller, id))
            case Attempts(id):
                return AttemptList(id, tuple(_attempt(one, caller) for one in service.attempts(caller, id)))
            case List(model, limit, cursor, status):
                page = service.list(caller, model=model, status=status, limit=limit, cursor=cursor)
                return Page(tuple(map(self.view, page.requests)), page.total, page.next_cursor)
            case Cancel(id):
                return self.view(service.cancel(caller, id))
            case Models():
                return ModelList(tuple(ModelInfo.of(card) for card in service.models()))
            case ModelDetail(id):
                return ModelInfo.of(service.model(id), org_id=caller.owner)
            case UploadUrl(file_type):
                links = service.files.upload_links(caller.owner, file_type)
                return UploadTarget(links.put, links.get)

    def look(self, caller: Caller, request_id: str) -> tuple[RequestView, int]:
        """The request, and the revision of it that this is. Raises `UnknownRequest`."""
        request = self._service.get(caller, request_id)
        return self.view(request), request.revision

    def _accepted(self, request: Request) -> Accepted:
        return Accepted.first(
            RequestView.of(request, self._service.files.link, warnings=self._warnings(request))
        )

    def view(self, request: Request) -> RequestView:
        return RequestView.of(
            request,
            self._service.files.link,
            payload=self._service.shown_payload(request),
            org_id=request.owner,
            warnings=self._warnings(request),
            forecast=self._service.forecast(request),
        )

    def _warnings(self, request: Request) -> tuple[str, ...]:
        """Keys that the model does not know are accepted, but not in silence."""
        try:
            card = self._service.model(request.card)
        except UnknownModel:  # the operator has taken the card away since
            return ()
        ignored = card.ignored(request.payload)
        if not ignored:
            return ()
        known = [key for parameter in card.parameters for key in parameter.keys]
        return tuple(_ignored(key, known) for key in ignored)


def _ignored(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, 1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"'{key[:80]}' was ignored: the model has no such parameter{hint}"


def _attempt(one: Attempt, caller: Caller) -> AttemptView:
    return AttemptView(
        number=one.fence,
        started_at=one.started_at,
        seconds=one.seconds,
        phase=one.phase,
        ended_by=one.ended_by,
        error=one.error,
        error_name=one.error_name,
        worker=one.worker if caller.admin else None,
    )


def _checked_priority(text: str | None) -> int:
    if text is None:
        return 0
    low, high = PRIORITIES
    if not (re.fullmatch(r"-?[0-9]{1,3}", text) and low <= int(text) <= high):
        raise InvalidCall(f"X-Priority: must be a whole number from {low} to {high}, not '{text[:20]}'")
    return int(text)


def _checked_key(key: str | None) -> str | None:
    if key is None:
        return None
    if not (0 < len(key) <= LONGEST_IDEMPOTENCY_KEY and key.isprintable()):
        raise InvalidCall(
            f"Idempotency-Key: must have 1 to {LONGEST_IDEMPOTENCY_KEY} printable characters, not {len(key)}"
        )
    return key
