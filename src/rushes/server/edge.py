"""The outer edge, which every call passes once on its way in and every answer once on its way out.

A call gets an id, which stands on every log line that belongs to it and in its answer's `X-Request-Id`, and is turned
away when it comes under a host name that is not served. The answer gets the headers that all answers carry, and is
counted and logged. Polls are so short that each ring around them is felt: so this is one ring, outside of everything,
and what goes wrong further in is marked, counted and logged like any other answer.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

import msgspec
import structlog
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rushes.core.clock import Clock

log = structlog.get_logger(__name__)
_listener = logging.getLogger(__name__)

YEAR = 365 * 86_400
_ID = b"x-request-id"
_KEY = "rushes.call"
_ALLOWED = re.compile(rb"[\w.:-]{1,64}")
_DEFAULTS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    # Answers are somebody's own: kept by nobody on the way, unless the route says otherwise.
    (b"cache-control", b"no-store"),
)
_TLS_ONLY = (b"strict-transport-security", f"max-age={YEAR}".encode())


def call_id(scope: Scope) -> str:
    return str(scope[_KEY])


@dataclass(frozen=True)
class Door:
    """`hosts` are the names served (`*.example.org` for all below, empty for any), `origins` the web pages that may
    call (`*` for all)."""

    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


def share_with_pages(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    """`app` as web pages of these origins may call it."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST", "PUT", "DELETE"),
        allow_headers=("authorization", "content-type", "idempotency-key", "x-priority", "last-event-id"),
        expose_headers=("x-request-id", "retry-after"),
    )


class Edge:
    """A proxy's own id of a call is kept when it is a plain word; polls that went well are logged at debug level,
    everything else at info. `open_paths` are answered under any host name: health checks come by address. `on_answer`
    gets every call's scope, status (0: the client had gone before) and seconds."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: tuple[str, ...],
        open_paths: Collection[str],
        clock: Clock,
        on_answer: Callable[[Scope, int, float], None],
    ) -> None:
        self._app = app
        self._hosts = tuple(host.lower() for host in hosts)
        self._open_paths = frozenset(open_paths)
        self._clock = clock
        self._on_answer = on_answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._clock.monotonic()
        identity = scope[_KEY] = self._identity(scope)
        status = 0

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _marked(message["headers"], identity, scope["scheme"])
            await send(message)

        structlog.contextvars.bind_contextvars(call=identity)  # of this call's own task
        answer = self._app if self._serves(scope) else _refusal()
        try:
            await answer(scope, receive, marked)
        finally:
            seconds = self._clock.monotonic() - started
            self._on_answer(scope, status, seconds)
            quiet = status < 400 and scope["method"] in ("GET", "HEAD")
            # Even a line that is dropped costs something, and nearly all are.
            if not quiet or _listener.isEnabledFor(logging.DEBUG):
                tell = log.debug if quiet else log.info
                tell(
                    "answered",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    client=_client(scope),
                    seconds=round(seconds, 4),
                )

    def _identity(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == _ID:
                return value.decode() if _ALLOWED.fullmatch(value) else self._clock.new_id()
        return self._clock.new_id()

    def _serves(self, scope: Scope) -> bool:
        if not self._hosts or scope["path"] in self._open_paths:
            return True
        host = host_name(Headers(scope=scope).get("host", ""))
        return any(
            host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
            for allowed in self._hosts
        )


def _marked(
    headers: Collection[tuple[bytes, bytes]], identity: str, scheme: str
) -> list[tuple[bytes, bytes]]:
    given = {name for name, _ in headers}
    added = [*headers, (_ID, identity.encode())]
    added += [header for header in _DEFAULTS if header[0] not in given]
    if scheme == "https":
        added.append(_TLS_ONLY)
    return added


def _client(scope: Scope) -> str:
    """The caller's address; behind a trusted proxy the one that the proxy names."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def host_name(header: str) -> str:
    """The name in a Host header, without its port: `[::1]:8000` is `::1`."""
    host = header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _refusal() -> Response:
    text = "this host name is not served here: call the server by the name in its links"
    return Response(msgspec.json.encode({"error": text}), 421, media_type="application/json")
