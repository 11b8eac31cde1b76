"""The outer edge: which host names are served, which web pages may call, and the headers that every answer carries."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import msgspec
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

YEAR = 365 * 86_400
_DEFAULTS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    # Answers are somebody's own: kept by nobody on the way, unless the route says otherwise.
    (b"cache-control", b"no-store"),
)
_TLS_ONLY = (b"strict-transport-security", f"max-age={YEAR}".encode())


@dataclass(frozen=True)
class Door:
    """`hosts` are the names served (`*.example.org` for all below, empty for any), `origins` the web pages that may
    call (`*` for all)."""

    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


def edge(door: Door, open_paths: Collection[str]) -> list[Middleware]:
    """`open_paths` are answered under any host name: health checks come by address."""
    guards = [Middleware(Edge, hosts=door.hosts, open_paths=frozenset(open_paths))]
    if door.origins:
        guards.append(
            Middleware(
                CORSMiddleware,
                allow_origins=door.origins,
                allow_methods=("GET", "HEAD", "POST", "PUT", "DELETE"),
                allow_headers=(
                    "authorization",
                    "content-type",
                    "idempotency-key",
                    "x-priority",
                    "last-event-id",
                ),
                expose_headers=("x-request-id", "retry-after"),
            )
        )
    return guards


class Edge:
    def __init__(self, app: ASGIApp, hosts: tuple[str, ...], open_paths: frozenset[str]) -> None:
        self._app = app
        self._hosts = tuple(host.lower() for host in hosts)
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                given = {name for name, _ in headers}
                added = [header for header in _DEFAULTS if header[0] not in given]
                if scope["scheme"] == "https":
                    added.append(_TLS_ONLY)
                message = {**message, "headers": [*headers, *added]}
            await send(message)

        served = not self._hosts or scope["path"] in self._open_paths or self._serves(Headers(scope=scope))
        answer = self._app if served else _refusal()
        await answer(scope, receive, marked)

    def _serves(self, headers: Headers) -> bool:
        host = host_name(headers.get("host", ""))
        return any(
            host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
            for allowed in self._hosts
        )


def host_name(header: str) -> str:
    """The name in a Host header, without its port: `[::1]:8000` is `::1`."""
    host = header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _refusal() -> Response:
    text = "this host name is not served here: call the server by the name in its links"
    return Response(msgspec.json.encode({"error": text}), 421, media_type="application/json")
