"""Nearly all calls are polls: `GET …/{id}` of a request that has not changed. They take a short road, without routing
and without a thread, because both cost more than the answer.

It only ever gives the answer that the long road would give. Whatever is special about a call, a query, a body, a key
that does not work, a request that is not there, goes the long road, where each rule stands once.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import Route as HttpRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from rushes.core.errors import RushesError
from rushes.dialects.base import Dialect, Get, WireReply
from rushes.server.bearer import token_of
from rushes.server.desk import Desk
from rushes.service import Service

ID = "/{id}"


class Poll:
    """Innermost middleware. `routes` are those of the long road, so that a call counts for the same one."""

    def __init__(
        self,
        app: ASGIApp,
        service: Service,
        desk: Desk,
        dialects: Sequence[Dialect],
        routes: Sequence[HttpRoute],
    ) -> None:
        self._app = app
        self._service = service
        self._desk = desk
        by_path = {route.path: route for route in routes if "GET" in (route.methods or ())}
        self._polls = {
            route.path.removesuffix(ID): (dialect, by_path[route.path])
            for dialect in dialects
            for route in dialect.routes
            if route.kind is Get and route.path.endswith(ID)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = self._answer(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if reply is None:
            await self._app(scope, receive, send)
            return
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        headers.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    def _answer(self, scope: Scope) -> WireReply | None:
        """None when it is not a plain poll, or not one that is answered at once."""
        home, _, request_id = scope["path"].rpartition("/")
        poll = self._polls.get(home)
        if poll is None or scope["query_string"]:
            return None
        token = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                token = token_of(value.decode("latin-1"))
            elif name in (b"content-length", b"transfer-encoding"):
                return None
        dialect, route = poll
        try:
            caller = self._service.authenticate(token)
            reply = self._desk.answer_at_once(caller, Get(request_id))
        except RushesError:
            return None
        if reply is None:
            return None
        scope["route"] = route
        return dialect.render(reply)
