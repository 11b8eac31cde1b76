"""A loopback stand-in for the model hub: its listing and its files, with every way in which a line goes wrong."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

EMPTY: Mapping[str, str] = MappingProxyType({})
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class TinyHub:
    """Serves `files` of one repository. `cut_after` bytes each answer breaks off; `wrong` paths come with other bytes;
    `closed` answers 403; `busy` times it answers 503 and asks for 7 seconds; `portal` answers with a page; `asked` records
    (path, range)."""

    def __init__(self, repo: str, files: dict[str, bytes]) -> None:
        self.repo, self.files, self.commit = repo, files, COMMIT
        self.cut_after: int | None = None
        self.wrong: dict[str, int] = {}
        self.closed = self.portal = False
        self.busy = 0
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""

    def listing(self) -> bytes:
        rows = []
        for path, data in self.files.items():
            row: dict[str, Any] = {"rfilename": path, "size": len(data)}
            row["blobId"] = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
            if path.endswith(".safetensors"):
                row["lfs"] = {
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "size": len(data),
                    "pointerSize": 100,
                }
            rows.append(row)
        return json.dumps({"sha": self.commit, "siblings": rows}).encode()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.split("?")[0]
        if self.closed:
            request.send_error(403)
        elif self.busy:
            self.busy -= 1
            self._send(request, 503, b"", {"retry-after": "7"})
        elif self.portal:
            self._send(request, 200, b"<html>Welcome to our Wi-Fi</html>")
        elif path.startswith(f"/api/models/{self.repo}/revision/"):
            self._send(request, 200, self.listing())
        else:
            self._file(request, path.removeprefix(f"/{self.repo}/resolve/{self.commit}/"))

    def _file(self, request: BaseHTTPRequestHandler, path: str) -> None:
        wanted = request.headers.get("range")
        self.asked.append((path, wanted))
        data = self.files.get(path)
        if data is None:
            request.send_error(404)
            return
        if self.wrong.get(path, 0) > 0:
            self.wrong[path] -= 1
            data = bytes(255 - byte for byte in data)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        self._send(request, 206 if wanted else 200, data[start:])

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, data: bytes, headers: Mapping[str, str] = EMPTY
    ) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("content-length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[: self.cut_after])
        if self.cut_after is not None and len(data) > self.cut_after:
            request.close_connection = True

    @contextmanager
    def served(self, tls: tuple[Path, Path] | None = None) -> Iterator[TinyHub]:
        """On loopback; with `tls`, its certificate and key, under https."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self)

            def log_message(self, *_: Any) -> None:
                """The test looks at `asked` instead."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
