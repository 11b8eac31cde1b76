"""A small server on loopback that speaks the GMI dialect through the house's own codec, with requests in a dict."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rushes.core.errors import (
    AlreadyEnded,
    InvalidShot,
    NotRepeatable,
    RushesError,
    Unauthorised,
    UnknownModel,
    UnknownRequest,
)
from rushes.core.request import Status
from rushes.dialects.base import (
    Accepted,
    AttemptList,
    Attempts,
    AttemptView,
    Call,
    Cancel,
    Get,
    List,
    ModelInfo,
    ModelList,
    Models,
    OutcomeView,
    Page,
    Reply,
    RequestView,
    Retry,
    Submit,
    UploadTarget,
    UploadUrl,
    WireReply,
)
from rushes.dialects.gmi import Gmi

GMI = Gmi()
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 4000
KEY = "a-test-key"


@dataclass
class Loopback:
    """`script` is what each poll of a new request answers next; the last entry stays."""

    url: str = ""
    script: tuple[dict[str, Any], ...] = (
        {"status": Status.PROCESSING, "phase": "render", "progress": 0.5},
        {"status": Status.SUCCESS},
    )
    requests: dict[str, RequestView] = field(default_factory=dict)
    polls: dict[str, int] = field(default_factory=dict)
    submits: list[Submit] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    authorized_files: int = 0

    def reset(self) -> Loopback:
        """As new, at the same address: starting a server takes longer than most tests."""
        self.__dict__.update(Loopback(self.url).__dict__)
        return self

    def answer(self, call: Call) -> Reply:
        match call:
            case Submit(model, fields):
                if model != "kling-v2-6":
                    raise UnknownModel(model)
                if not fields.get("prompt"):
                    raise InvalidShot("prompt", "missing", "missing")
                self.submits.append(call)
                made = RequestView(
                    id=f"r{len(self.requests) + 1}", status=Status.QUEUED, model=model, payload=fields
                )
                self.requests[made.id] = made
                return Accepted(made)
            case Get(id):
                return self._poll(id)
            case Cancel(id):
                now = self._find(id)
                if now.status.terminal:
                    raise AlreadyEnded(now.status)
                self.requests[id] = msgspec.structs.replace(now, status=Status.CANCELLED)
                return self.requests[id]
            case Retry(id):
                old = self._find(id)
                if old.status not in (Status.FAILED, Status.CANCELLED):
                    raise NotRepeatable(old.status)
                made = msgspec.structs.replace(
                    old, id=f"r{len(self.requests) + 1}", status=Status.QUEUED, error=None, retry_of=id
                )
                self.requests[made.id] = made
                return Accepted(made)
            case Attempts(id):
                error = self._find(id).error
                first = AttemptView(number=1, seconds=2.5, phase="render", ended_by="fail", error=error)
                return AttemptList(id, (first,))
            case List(_, limit, cursor, status):
                newest = [one for one in self.requests.values() if status in (None, one.status)][::-1]
                first = int(cursor or 0)
                rest = first + limit
                following = str(rest) if rest < len(newest) else None
                return Page(tuple(newest[first:rest]), len(newest), following)
            case Models():
                return ModelList((ModelInfo(id="kling-v2-6"),))
            case UploadUrl(file_type):
                return UploadTarget(
                    f"{self.url}/files/up.{file_type}", f"{self.url}/files/up.{file_type}?sig=1"
                )
        return ModelInfo(id=call.id, brief="A model.")

    def _find(self, id: str) -> RequestView:
        if id not in self.requests:
            raise UnknownRequest(id)
        return self.requests[id]

    def _poll(self, id: str) -> RequestView:
        now = self._find(id)
        if not now.status.terminal:
            step = self.script[min(self.polls.get(id, 0), len(self.script) - 1)]
            self.polls[id] = self.polls.get(id, 0) + 1
            now = msgspec.structs.replace(now, **step)
            if now.status is Status.SUCCESS:
                outcome = OutcomeView(
                    video_url=f"{self.url}/files/{id}.mp4",
                    seed=7,
                    width=1920,
                    height=1080,
                    fps=24.0,
                    seconds=5.0,
                    engine="animatic",
                    understood=("sea", "dawn"),
                    ignored=("unicorn",),
                    warnings=("the picture hardly moves",),
                )
                now = msgspec.structs.replace(now, outcome=outcome, phase=None, progress=None)
            self.requests[id] = now
        return now

    def app(self) -> Starlette:
        async def call(request: Request) -> Response:
            route = next(
                r for r in GMI.routes if r.path == request.scope["route"].path and r.method == request.method
            )
            try:
                if request.headers.get("authorization") != f"Bearer {KEY}":
                    raise Unauthorised
                self.keys.append(request.headers.get("idempotency-key", ""))
                body, query = await request.body(), dict(request.query_params)
                reply = GMI.render(self.answer(GMI.parse(route.kind, request.path_params, query, body)))
            except RushesError as error:
                reply = GMI.render_error(error, path=request.url.path, request_id="c1", now=0.0)
            return plain(reply)

        async def file(request: Request) -> Response:
            self.authorized_files += "authorization" in request.headers
            if request.method == "PUT":
                self.uploads[request.path_params["name"]] = await request.body()
                return Response()
            gone = request.path_params["name"] == "gone.mp4"
            return Response(status_code=410) if gone else Response(VIDEO, media_type="video/mp4")

        routes = [Route(route.path, call, methods=[route.method]) for route in GMI.routes]
        return Starlette(routes=[*routes, Route("/files/{name}", file, methods=["GET", "PUT"])])


def plain(reply: WireReply) -> Response:
    return Response(reply.body, reply.status, dict(reply.headers))


@contextmanager
def serving(loopback: Loopback, tls: tuple[Path, Path] | None = None) -> Iterator[Loopback]:
    """`loopback` on a free port, until the block ends; over HTTPS with the certificate and key `tls`. The socket listens
    before the server runs, so no call can come too early."""
    cert, key = tls or (None, None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loopback.url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(
                loopback.app(),
                log_level="critical",
                loop="asyncio",
                ws="none",
                lifespan="off",
                ssl_certfile=cert,
                ssl_keyfile=key,
            )
        )
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield loopback
        finally:
            server.should_exit = True
            thread.join(10)
