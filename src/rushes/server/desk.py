"""Calls to the service, and what the service says as replies: the one place where a dialect's call becomes a use case
and a ledger's request becomes what a client sees."""

from __future__ import annotations

import difflib
import re
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool

from rushes.core.errors import InvalidCall, UnknownModel
from rushes.core.parameter import whole_number
from rushes.core.request import Attempt, Forecast, Request
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
from rushes.server.tray import Tray
from rushes.service import Ask, Caller, Service

LONGEST_IDEMPOTENCY_KEY = 255
IDEMPOTENCY_KEY = rf"[!-~](?:[ -~]{{0,{LONGEST_IDEMPOTENCY_KEY - 2}}}[!-~])?"
PRIORITIES = (-100, 100)
"""The least and the most urgent; how urgent an owner may be at most is one of his limits."""

Other: TypeAlias = Get | Events | Attempts | List | Cancel | Retry | Models | ModelDetail | UploadUrl
"""All calls but a submission."""


class Desk:
    def __init__(self, service: Service, tracer: Tracer = SILENCE) -> None:
        self._service = service
        self._tracer = tracer
        self._tray = Tray(service.hand_in)

    def poll(self, token: str | None, call: Call) -> RequestView | None:
        """The reply to a `Get` of whoever has the key `token`, where it takes no more than one look by key, which is a
        matter of microseconds: a thread would cost many times that. None for all that blocks. Raises the errors of the
        use case."""
        if not isinstance(call, Get) or call.wait:
            return None
        request = self._service.poll(token, call.id)
        forecast = self._service.forecast_at_hand(request)
        return None if forecast is None else self._view(request, forecast)

    async def answer(
        self,
        dialect: str,
        caller: Caller,
        call: Call,
        idempotency_key: str | None = None,
        priority: str | None = None,
        traceparent: str | None = None,
    ) -> Reply:
        """Serve one call. `idempotency_key`, `priority` and `traceparent` are the headers. Raises the errors of the use
        case."""
        if isinstance(call, Submit):
            return await self._take_in(dialect, caller, call, idempotency_key, priority, traceparent)
        return await run_in_threadpool(self._serve, caller, call, idempotency_key)

    async def _take_in(
        self,
        dialect: str,
        caller: Caller,
        call: Submit,
        idempotency_key: str | None,
        priority: str | None,
        traceparent: str | None,
    ) -> Reply:
        """Durable when this returns. A thread is only for what waits for more than its commit."""
        with self._tracer.span("submit", traceparent, {"rushes.dialect": dialect}) as span:
            ask = Ask(
                dialect=dialect,
                model=call.model,
                fields=call.fields,
                payload=call.payload,
                idempotency_key=_checked_key(idempotency_key),
                priority=_checked_priority(priority),
                trace=span.context,
            )
            draft = self._service.draft(caller, ask)
            if draft is None:
                return self._accepted(await run_in_threadpool(self._service.submit, caller, ask))
            return self._accepted(await self._tray.put(draft))

    def _serve(self, caller: Caller, call: Other, idempotency_key: str | None) -> Reply:
        """Blocks."""
        service = self._service
        match call:
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
        """Blocks."""
        return self._view(request, self._service.forecast(request))

    def _view(self, request: Request, forecast: Forecast) -> RequestView:
        return RequestView.of(
            request,
            self._service.files.link,
            payload=self._service.shown_payload(request),
            org_id=request.owner,
            warnings=self._warnings(request),
            forecast=forecast,
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
    number = whole_number(text, low, high)
    if number is None:
        raise InvalidCall(f"X-Priority: must be a whole number from {low} to {high}, not '{text[:20]}'")
    return number


def _checked_key(key: str | None) -> str | None:
    if key is None:
        return None
    if not re.fullmatch(IDEMPOTENCY_KEY, key):
        raise InvalidCall(
            f"Idempotency-Key: must have 1 to {LONGEST_IDEMPOTENCY_KEY} printable ASCII characters, "
            f"not {len(key)} or others"
        )
    return key
