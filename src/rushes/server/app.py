"""The HTTP face: routes come from the dialects, answers from the desk.

Every call goes one way: key → body → dialect.parse → desk → dialect.render; whatever goes wrong comes back in the
dialect's own error form. Nothing a client sends may end in a 5xx of ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as HttpRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from rushes.core.clock import Clock
from rushes.core.errors import RushesError
from rushes.core.tracing import SILENCE, Tracer
from rushes.dialects.base import Dialect, Events, Get, Route, WireReply
from rushes.server.bearer import bearer
from rushes.server.body import read_body
from rushes.server.desk import Desk
from rushes.server.edge import Door, Edge, call_id, share_with_pages
from rushes.server.events import News
from rushes.server.files import file_routes
from rushes.server.hub import Hub
from rushes.server.openapi import Document
from rushes.server.operations import HEALTH_PATHS, Operations, operation_routes
from rushes.server.poll import Poll
from rushes.service import Caller, Service

log = structlog.get_logger(__name__)


class Endpoint:
    """An ASGI application that answers by `serve`, which raises nothing: for Starlette's own wrappers around a function,
    which catch what it raises, there is nothing left to do."""

    def __init__(self, serve: Callable[[Request], Awaitable[Response]]) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._serve(Request(scope, receive, send))
        await response(scope, receive, send)


OPEN_DOOR = Door()
NOBODY = Caller("")
"""Who asks on a route that needs no key."""


@dataclass(frozen=True)
class Limits:
    """`max_body_bytes` of one call; `max_streams` that one owner may hold open."""

    max_body_bytes: int
    max_streams: int = 20


def make_app(
    service: Service,
    dialects: Sequence[Dialect],
    hub: Hub,
    *,
    clock: Clock,
    limits: Limits,
    operations: Operations,
    door: Door = OPEN_DOOR,
    tracer: Tracer = SILENCE,
) -> ASGIApp:
    desk = Desk(service, tracer)
    news = News(desk, hub, clock, max_streams=limits.max_streams)
    routes = [
        HttpRoute(
            route.path,
            _endpoint(desk, news, service, dialect, route, clock, limits.max_body_bytes),
            methods=[route.method],
            name=f"{dialect.name} {route.method} {route.path}",
        )
        for dialect in dialects
        for route in dialect.routes
    ]
    document = Document(dialects, service.models)

    async def openapi(_: Request) -> Response:
        return Response(document.current(), media_type="application/json")

    app = Starlette(
        routes=[
            *routes,
            *file_routes(service.files),
            HttpRoute("/openapi.json", openapi),
            *operation_routes(operations),
        ],
        exception_handlers={HTTPException: _refused, Exception: _broken},
    )
    # A redirect names the address that this process sees: behind a proxy that ends TLS it would send keys in the clear.
    app.router.redirect_slashes = False
    return Edge(
        share_with_pages(Poll(app, desk, dialects, routes), door.origins),
        hosts=door.hosts,
        open_paths=HEALTH_PATHS,
        clock=clock,
        on_answer=operations.metrics.answered,
    )


def _endpoint(
    desk: Desk,
    news: News,
    service: Service,
    dialect: Dialect,
    route: Route,
    clock: Clock,
    max_body_bytes: int,
) -> Endpoint:
    async def serve(request: Request) -> Response:
        caller = NOBODY
        if route.needs_key:
            caller = service.authenticate(bearer(request))
        body = await read_body(request, max_body_bytes)
        call = dialect.parse(
            route.kind,
            request.path_params,
            request.query_params if request.scope["query_string"] else {},
            body,
            request.headers.get("content-type", ""),
        )
        if isinstance(call, Events):
            return await news.stream(dialect, caller, call.id)
        if isinstance(call, Get) and call.wait:
            return _response(dialect.render(await news.wait_for_end(caller, call.id, call.wait)))
        headers = map(request.headers.get, ("idempotency-key", "x-priority", "traceparent"))
        return _response(dialect.render(await desk.answer(dialect.name, caller, call, *headers)))

    async def endpoint(request: Request) -> Response:
        try:
            return await serve(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except RushesError as error:
            refusal = error
            if error.status_hint >= 500:
                log.warning("call not served", error=str(error), name=error.name)
        except Exception:
            log.exception("call broke")
            refusal = RushesError("internal error")
        return _response(
            dialect.render_error(
                refusal, path=request.url.path, request_id=call_id(request.scope), now=clock.now()
            )
        )

    return Endpoint(endpoint)


def _response(reply: WireReply) -> Response:
    return Response(reply.body, reply.status, reply.headers)


async def _refused(request: Request, error: Exception) -> Response:
    """Paths and methods that no dialect knows."""
    assert isinstance(error, HTTPException)
    text = f"{request.method} {request.url.path}: {error.detail}; /openapi.json lists what there is"
    return _json({"error": text}, error.status_code, dict(error.headers or {}))


async def _broken(_: Request, __: Exception) -> Response:
    return _json({"error": "internal error"}, 500, {})


def _json(body: dict[str, str], status: int, headers: dict[str, str]) -> Response:
    return Response(msgspec.json.encode(body), status, headers, "application/json")
