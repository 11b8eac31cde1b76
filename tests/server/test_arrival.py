"""A call arrives in bounded time: the protocol by a clock of the test's own, and once through a real socket."""

from __future__ import annotations

import asyncio
import heapq
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from rushes.server.arrival import LONGEST_HEAD, MOST_HELD, SLOWEST, BoundedArrival
from rushes.settings import Settings
from rushes.wiring.serve import _config

SECONDS = 10.0
HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


@dataclass(order=True)
class Timer:
    at: float
    call: Callable[[], None] = field(compare=False)
    over: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.over = True


class Loop:
    """As much of an event loop as the protocol asks for; tasks never run, so no call is ever answered."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[[], None]) -> Timer:
        timer = Timer(at, call)
        heapq.heappush(self._timers, timer)
        return timer

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        return self.call_at(self.now + delay, call)

    def call_soon(self, call: Callable[[], None]) -> Timer:
        return self.call_at(self.now, call)

    def create_task(self, coroutine: Coroutine[Any, Any, None], **_: Any) -> Any:
        coroutine.close()
        return type("Task", (), {"add_done_callback": lambda *_: None})()

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self._timers and self._timers[0].at <= end:
            timer = heapq.heappop(self._timers)
            self.now = max(self.now, timer.at)
            if not timer.over:
                timer.call()
        self.now = end


class Line:
    """The transport: what was written, and whether it was closed."""

    def __init__(self) -> None:
        self.said = b""
        self.writes = 0
        self.closed = False
        self.reading = True

    def write(self, data: bytes) -> None:
        self.writes += 1
        self.said += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, _: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


async def silent(scope: Any, receive: Any, send: Any) -> None:
    """An app that reads and never answers."""
    while (await receive())["type"] == "http.request":
        continue


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


class Caller:
    def __init__(self) -> None:
        self.loop, self.line = Loop(), Line()
        config = uvicorn.Config(silent, log_config=None, loop="none", lifespan="off")
        self.protocol = BoundedArrival(config, ServerState(), {}, self.loop, seconds=SECONDS)  # type: ignore[arg-type]
        self.protocol.connection_made(self.line)  # type: ignore[arg-type]

    def sends(self, data: bytes, then: float = 0.0) -> None:
        self.protocol.data_received(data)
        self.loop.pass_time(then)

    @property
    def told(self) -> int:
        """The status of the answer; 0 for none."""
        return int(self.line.said.split()[1]) if self.line.said else 0


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "])
def test_a_head_that_does_not_come_is_408(caller: Caller, begun: bytes) -> None:
    caller.loop.pass_time(SECONDS / 2)
    if begun:
        caller.sends(begun)
    caller.loop.pass_time(SECONDS * 0.49)
    assert not caller.line.closed
    caller.loop.pass_time(SECONDS)
    assert (caller.line.closed, caller.told) == (True, 408)
    assert b"in time" in caller.line.said


def test_drops_of_a_head_win_no_time(caller: Caller) -> None:
    caller.sends(b"GET / HTTP/1.1\r\nHost: x\r\n")
    for number in range(20):
        if not caller.line.closed:
            caller.sends(b"X-%d: y\r\n" % number, then=SECONDS / 15)
    assert (caller.line.closed, caller.told) == (True, 408)


def test_a_body_that_stalls_is_408(caller: Caller) -> None:
    caller.sends(HEAD % 100 + b"{", then=SECONDS * 0.9)
    assert not caller.line.closed
    caller.loop.pass_time(SECONDS * 0.2)
    assert (caller.line.closed, caller.told) == (True, 408)


def test_a_slow_body_that_keeps_coming_is_let_in(caller: Caller) -> None:
    parts = 40
    caller.sends(HEAD % (parts * SLOWEST))
    for _ in range(parts):
        caller.protocol.cycle.body.clear()  # the app reads
        caller.sends(b"x" * SLOWEST, then=0.99)
    assert not caller.line.closed
    caller.loop.pass_time(SECONDS * 100)
    assert not caller.line.closed  # it is all there: the answer is ours to give


def test_a_body_slower_than_that_is_cut_off(caller: Caller) -> None:
    caller.sends(HEAD % (40 * SLOWEST))
    for _ in range(40):
        if not caller.line.closed:
            caller.protocol.cycle.body.clear()
            caller.sends(b"x" * (SLOWEST // 2), then=1.0)
    assert (caller.line.closed, caller.told) == (True, 408)


def test_a_body_that_stalls_after_its_answer_gets_no_second_one(caller: Caller) -> None:
    caller.sends(HEAD % 100 + b"{")
    caller.protocol.cycle.response_started = caller.protocol.cycle.response_complete = True
    caller.loop.pass_time(SECONDS * 1.1)
    assert (caller.line.closed, caller.told) == (True, 0)


def test_time_in_which_we_do_not_read_does_not_count(caller: Caller) -> None:
    caller.sends(HEAD % 10_000_000 + b"x" * (HIGH_WATER_LIMIT + 1))
    assert not caller.line.reading
    caller.loop.pass_time(SECONDS * 10)
    assert not caller.line.closed
    caller.protocol.flow.resume_reading()
    caller.loop.pass_time(SECONDS * 2)
    assert caller.line.closed


def test_the_answer_to_a_whole_call_is_not_cut_short(caller: Caller) -> None:
    """Old clients send an empty line behind a body."""
    caller.sends(HEAD % 2 + b"{}")
    caller.sends(b"\r\n", then=SECONDS * 10)
    assert not caller.line.closed


def test_every_call_of_a_connection_has_its_own_time(caller: Caller) -> None:
    for _ in range(3):
        caller.sends(HEAD % 2, then=SECONDS * 0.9)
        caller.sends(b"{}", then=SECONDS * 0.9)
        cycle = caller.protocol.cycle
        cycle.response_started = cycle.response_complete = True
        assert not caller.line.closed
    caller.sends(b"GET / ", then=SECONDS * 1.1)
    assert caller.line.closed


def test_a_head_without_end_is_431(caller: Caller) -> None:
    caller.sends(b"GET / HTTP/1.1\r\nX: " + b"y" * LONGEST_HEAD)
    assert (caller.line.closed, caller.told) == (True, 431)


def test_what_is_written_in_one_turn_leaves_in_one_write(caller: Caller) -> None:
    out = caller.protocol.transport
    out.write(b"head ")
    out.write(b"body ")
    assert not caller.line.said
    caller.loop.pass_time(0)
    out.write(b"next")
    out.close()
    assert (caller.line.said, caller.line.writes) == (b"head body next", 2)
    assert caller.line.closed


def test_no_more_is_held_than_a_turn_should(caller: Caller) -> None:
    out = caller.protocol.transport
    out.write(bytes(MOST_HELD + 1))
    assert caller.line.writes == 1
    caller.loop.pass_time(0)
    assert caller.line.writes == 1


def test_nothing_is_written_to_a_line_that_is_closing(caller: Caller) -> None:
    caller.protocol.transport.write(b"late")
    caller.line.close()
    caller.loop.pass_time(0)
    assert not caller.line.said


def test_nothing_is_left_of_a_line_that_is_gone(caller: Caller) -> None:
    caller.sends(b"GET / HT")
    caller.protocol.connection_lost(None)
    caller.loop.pass_time(SECONDS * 10)
    assert caller.told == 0


def test_through_a_socket_as_the_settings_say(tmp_path: Path) -> None:
    async def ask() -> list[bytes]:
        settings = Settings.load(flags={"data": str(tmp_path), "arrive_seconds": "0.05"}, environ={})
        server = Server(_config(settings, silent))  # type: ignore[arg-type]
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            serving = asyncio.create_task(server.serve([listener]))
            await server.up.wait()
            told = []
            for said in (b"GET / HT", HEAD % 5 + b"{"):
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                writer.write(said)
                told.append(await reader.read())
                writer.close()
                await writer.wait_closed()
            server.should_exit = True
            await serving
        return told

    with asyncio.Runner() as runner:
        for answer in runner.run(asyncio.wait_for(ask(), 20)):
            assert answer.startswith(b"HTTP/1.1 408 ")
