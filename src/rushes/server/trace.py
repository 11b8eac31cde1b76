"""One id for every call, on every log line that belongs to it and in the answer's `X-Request-Id`."""

from __future__ import annotations

import re
from collections.abc import Callable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rushes.core.clock import Clock

log = structlog.get_logger(__name__)

_HEADER = b"x-request-id"
_KEY = "rushes.call"
_ALLOWED = re.compile(rb"[\w.:-]{1,64}")


def call_id(scope: Scope) -> str:
    return str(scope[_KEY])


class Trace:
    """Outermost middleware. A proxy's own id is kept when it is a plain word; polls that went well are logged at
    debug level, everything else at info. `on_answer` gets every call's scope, status (0: the client had gone before)
    and seconds."""

    def __init__(self, app: ASGIApp, clock: Clock, on_answer: Callable[[Scope, int, float], None]) -> None:
        self._app = app
        self._clock = clock
        self._on_answer = on_answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        identity = given.decode() if _ALLOWED.fullmatch(given) else self._clock.new_id()
        scope[_KEY] = identity
        started = self._clock.monotonic()
        status = 0

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (_HEADER, identity.encode())]}
            await send(message)

        structlog.contextvars.bind_contextvars(call=identity)  # of this call's own task
        try:
            await self._app(scope, receive, marked)
        finally:
            seconds = self._clock.monotonic() - started
            self._on_answer(scope, status, seconds)
        tell = log.debug if status < 400 and scope["method"] in ("GET", "HEAD") else log.info
        tell(
            "answered",
            method=scope["method"],
            path=scope["path"],
            status=status,
            client=_client(scope),
            seconds=round(seconds, 4),
        )


def _client(scope: Scope) -> str:
    """The caller's address; behind a trusted proxy the one that the proxy names."""
    client = scope.get("client")
    return str(client[0]) if client else ""
