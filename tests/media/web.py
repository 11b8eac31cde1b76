"""A real web server on the loopback, whose pages misbehave as told, and an account of who came."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

Page: TypeAlias = Callable[[BaseHTTPRequestHandler], None]


class Web:
    """`pages` maps paths to functions of the handler; `visits` are the paths that were asked for."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.server = server
        self.pages: dict[str, Page] = {}
        self.visits: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.port = int(server.server_address[1])
        self.base = f"http://127.0.0.1:{self.port}"

    def answer(self, path: str, body: bytes = b"", status: int = 200, **headers: str) -> str:
        """Add a plain page; its URL."""

        def page(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in ({"content-length": str(len(body))} | headers).items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            handler.wfile.write(body)

        return self.page(path, page)

    def page(self, path: str, page: Page) -> str:
        self.pages[path] = page
        return self.base + path


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what these tests are about."""


@contextmanager
def serve(prepare: Callable[[ThreadingHTTPServer], None] = lambda server: None) -> Iterator[Web]:
    """`prepare` may wrap the server's socket, in TLS for one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.visits.append(self.path)
            web.headers.append({name.lower(): value for name, value in self.headers.items()})
            web.pages[self.path](self)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: `visits` tells."""

    with _Quiet(("127.0.0.1", 0), Handler) as server:
        web = Web(server)
        prepare(server)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()
