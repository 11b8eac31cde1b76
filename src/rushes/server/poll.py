"""Nearly all calls are polls: a GET of one request. They take a short road, without routing and without a thread,
because both cost more than the answer.

It only ever gives the answer that the long road would give. Whatever is special about a call, a body, a wait, a key that
does not work, a request that is not there, a ledger that cannot be read, goes the long road, where each rule stands once.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from starlette.datastructures import QueryParams
from starlette.routing import Route as HttpRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from rushes.core.errors import RushesError
from rushes.dialects.base import Dialect, Get, WireReply
from rushes.server.bearer import token_of
from rushes.server.desk import Desk

log = structlog.get_logger(__name__)

ID = "/{id}"


class Poll:
    """Stands before the long road, `app`. `routes` are those of the long road, so that a call counts for the same one."""

    def __init__(
        self, app: ASGIApp, desk: Desk, dialects: Sequence[Dialect], routes: Sequence[HttpRoute]
    ) -> None:
        self._app = app
        self._desk = desk
        by_path = {route.path: route for route in routes if "GET" in (route.methods or ())}
        self._polls = {
            route.path: (dialect, by_path[route.path])
            for dialect in dialects
            for route in dialect.routes
            if route.kind is Get
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = self._answer(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if reply is None:
            await self._app(scope, receive, send)
            return
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        headers.append((b"content-length", b"%d" % len(reply.body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    def _answer(self, scope: Scope) -> WireReply | None:
        """None when it is not a plain poll, or not one that is answered at once."""
        path = scope["path"]
        home, _, last = path.rpartition("/")
        poll = self._polls.get(home + ID) or self._polls.get(path)
        if poll is None:
            return None
        key = None
        for name, value in scope["headers"]:
            if name == b"authorization" and key is None:
                key = value
            elif name in (b"content-length", b"transfer-encoding"):
                return None
        token = None if key is None else token_of(key.decode("latin-1"))
        query = QueryParams(scope["query_string"]) if scope["query_string"] else {}
        dialect, route = poll
        try:
            call = dialect.parse(Get, {"id": last}, query, b"")
            view = self._desk.poll(token, call)
            if view is None:
                return None
            reply = dialect.render(view)
        except RushesError:
            return None  # the long road meets it again, and knows how to say it
        except Exception:
            log.exception("poll broke")
            return None
        scope["route"] = route
        return reply
