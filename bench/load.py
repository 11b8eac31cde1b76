"""The load generator: a process of its own that keeps connections busy with one kind of call, for a bounded time, on
the loopback only. No pipelining: each connection sends, waits for the whole answer, and sends again.

    python -m bench.load < orders     one JSON object on standard input, one on standard output

uvloop and a protocol that looks for the answer's end only: about 20 µs of processor time for each call.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

ROOT = Path(__file__).parent.parent
_LENGTH = b"\r\ncontent-length: "


class Orders(msgspec.Struct, kw_only=True):
    """`clients` connections call the loopback's `port` for `seconds`, or together `calls` times. Each connection waits
    `pause` seconds between an answer and its next call. `fresh` headers get a number of their own at each call."""

    port: int
    head: str
    body: str = ""
    clients: int
    seconds: float = 0.0
    calls: int = 0
    pause: float = 0.0

    def message(self) -> bytes:
        body = self.body.encode()
        length = f"content-length: {len(body)}\r\n" if body else ""
        return f"{self.head}\r\nhost: 127.0.0.1\r\n{length}\r\n".encode() + body


class Figures(msgspec.Struct, kw_only=True):
    """`good` answers were 2xx. Times are in seconds; `p50` and `p99` are over all calls, `seconds` is from the first
    call to the last answer."""

    good: int
    bad: int
    seconds: float
    p50: float
    p99: float
    last: str = ""

    @property
    def rate(self) -> float:
        return self.good / self.seconds


class Client(asyncio.Protocol):
    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._transport: Any = None
        self._received = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def call(self) -> None:
        if not self._crowd.next():
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(self._crowd.message)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        at = self._received.find(_LENGTH, 0, head_end) + len(_LENGTH)
        length = int(self._received[at : self._received.find(b"\r\n", at)])
        if len(self._received) < head_end + 4 + length:
            return
        self._crowd.note(self._received, time.perf_counter() - self._sent)
        self._received = b""
        if self._crowd.pause:
            asyncio.get_running_loop().call_later(self._crowd.pause, self.call)
        else:
            self.call()

    def connection_lost(self, error: Exception | None) -> None:
        self._crowd.left()


class Crowd:
    def __init__(self, orders: Orders) -> None:
        self.message = orders.message()
        self.pause = orders.pause
        self._orders = orders
        self._left = orders.calls or sys.maxsize
        self._times: list[float] = []
        self._bad = 0
        self._last = b""
        self._present = orders.clients
        self._gone = asyncio.Event()
        self._end = 0.0

    def next(self) -> bool:
        """Whether one more call is to be made."""
        if self._left <= 0 or (self._orders.seconds and time.perf_counter() > self._end):
            return False
        self._left -= 1
        return True

    def note(self, answer: bytes, seconds: float) -> None:
        self._times.append(seconds)
        if answer[9:10] != b"2":
            self._bad += 1
            self._last = answer

    def left(self) -> None:
        self._present -= 1
        if self._present == 0:
            self._gone.set()

    async def run(self) -> Figures:
        loop = asyncio.get_running_loop()
        clients = []
        for _ in range(self._orders.clients):
            _, client = await loop.create_connection(
                lambda: Client(self), "127.0.0.1", self._orders.port, family=socket.AF_INET
            )
            clients.append(client)
        started = time.perf_counter()
        self._end = started + self._orders.seconds
        for number, client in enumerate(clients):
            # Clients that pause do not all call at once.
            loop.call_later(self.pause * number / len(clients), client.call)
        await self._gone.wait()
        took = time.perf_counter() - started
        self._times.sort()
        count = len(self._times)
        return Figures(
            good=count - self._bad,
            bad=self._bad,
            seconds=took,
            p50=self._times[count // 2],
            p99=self._times[min(count - 1, count * 99 // 100)],
            last=self._last.decode("latin-1")[-500:],
        )


def load(orders: Orders) -> Figures:
    """Run the generator in its own process. Raises `RuntimeError` when an answer was not 2xx."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=msgspec.json.encode(orders),
        stdout=subprocess.PIPE,
        timeout=orders.seconds + 120,
        cwd=ROOT,
        check=True,
    )
    figures = msgspec.json.decode(done.stdout, type=Figures)
    if figures.bad:
        raise RuntimeError(
            f"{figures.bad} of {figures.bad + figures.good} calls were refused: {figures.last}"
        )
    return figures


def main() -> None:
    orders = msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(Crowd(orders).run())
    sys.stdout.buffer.write(msgspec.json.encode(figures))


if __name__ == "__main__":
    main()
