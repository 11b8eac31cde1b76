"""The limit of any Python web service here: a bare ASGI application that answers given bytes, under the same uvicorn
with the same parser and loop as the house.

    python -m bench.raw < answer      headers and body as JSON on standard input; prints its port
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import msgspec
import uvicorn


class Answer(msgspec.Struct):
    headers: list[tuple[str, str]]
    body: str


def raw_app(answer: Answer) -> Any:
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(name.encode(), value.encode()) for name, value in answer.headers],
    }
    end = {"type": "http.response.body", "body": answer.body.encode()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start)
        await send(end)

    return app


def main() -> None:
    answer = msgspec.json.decode(sys.stdin.buffer.readline(), type=Answer)
    config = uvicorn.Config(
        raw_app(answer),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(uvicorn.Server(config).serve([listener]))


if __name__ == "__main__":
    main()
