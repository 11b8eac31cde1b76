"""An answer read while it is still being written: the app called directly, its chunks in a queue."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from typing import Any, NamedTuple

from tests.server.site import Account, Site

PATIENCE = 20.0


class Event(NamedTuple):
    revision: int
    name: str
    record: dict[str, Any]


class Live:
    """One call to the app from a thread of its own, from its making to the answer's end or `hang_up`."""

    def __init__(self, site: Site, account: Account, path: str, query: str = "") -> None:
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"testserver"), (b"authorization", f"Bearer {account.key}".encode())],
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
        }
        self._chunks: queue.Queue[bytes | None] = queue.Queue()
        self._gone = threading.Event()
        self.status: int | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._call(site.app)), daemon=True)
        self._thread.start()

    async def _call(self, app: Any) -> None:
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await asyncio.to_thread(self._gone.wait)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            elif message.get("body"):
                self._chunks.put(message["body"])

        try:
            await app(self._scope, receive, send)
        finally:
            self._gone.set()
            self._chunks.put(None)

    def event(self) -> Event | None:
        """The next event, or None at the stream's end."""
        while (chunk := self._chunks.get(timeout=PATIENCE)) is not None:
            lines = dict(line.split(": ", 1) for line in chunk.decode().strip().splitlines())
            if "data" in lines:
                return Event(int(lines["id"]), lines["event"], json.loads(lines["data"]))
        return None

    def body(self) -> Any:
        """The whole JSON answer, once it is there."""
        whole = b""
        while (chunk := self._chunks.get(timeout=PATIENCE)) is not None:
            whole += chunk
        return json.loads(whole)

    @property
    def answered(self) -> bool:
        return not self._thread.is_alive()

    def hang_up(self) -> None:
        self._gone.set()
        self._thread.join(PATIENCE)
