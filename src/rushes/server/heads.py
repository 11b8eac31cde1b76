"""Heads are counted as bodies are: the parser has no limit of its own, and a stranger without any key could fill the
memory with headers that never end."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD = 64 * 1024
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
    b'{"error":"the headers are larger than 65,536 bytes, which is the limit here"}'
)


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's protocol, closed once so many bytes have come that were neither a whole head nor part of a body: heads,
    trailers and what else a parser keeps back."""

    _kept_back = 0

    def data_received(self, data: bytes) -> None:
        self._kept_back += len(data)
        super().data_received(data)
        if self._kept_back > LONGEST_HEAD and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_REFUSAL)
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._kept_back = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._kept_back = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._kept_back = 0
        super().on_message_complete()
