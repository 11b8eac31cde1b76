"""What a worker and its studio say to each other: small JSON messages over one socket pair.

The worker asks (`Load`, `Render`, `Quit`), one thing at a time, and may interrupt with `Cancel`; the studio tells
`Progress` and answers each ask with `Loaded`, `Done` or `Failed`. Every ask has a `ticket`, a number that only rises,
so that a late cancel never hits the next job. Frames never cross: a job's files stay in its folder.
"""

from __future__ import annotations

import threading
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

import msgspec

from rushes.core.encoding import Encoding
from rushes.core.errors import (
    BadImage,
    BadOutput,
    DiskFull,
    EngineError,
    FetchError,
    OutOfMemory,
    RushesError,
    SetupError,
    WorkerLost,
)
from rushes.core.request import Outcome, Phase
from rushes.core.shot import Shot

MESSAGE_BYTES = 4 * 1024 * 1024

LIVE_PREVIEW = "live.jpg"
"""The newest look at a clip that is still being made; a file of the job's folder, whole or not there."""


class Load(msgspec.Struct, frozen=True, tag=True):
    """Make the engine with these options (they may hold secrets, so they never stand on a command line) and load it."""

    ticket: int
    options: dict[str, Any]


class Making(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator chose for every file: how it is encoded, and the name of the frame hook, if any."""

    encoding: Encoding = Encoding()
    frame_hook: str | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt as the studio sees it: `name` is `{request id}.{fence}`, `folder` the job's own, `image` the name of
    the staged picture in it."""

    name: str
    shot: Shot
    folder: str
    image: str | None = None
    making: Making = Making()

    @property
    def request_id(self) -> str:
        return self.name.rpartition(".")[0]


class Render(msgspec.Struct, frozen=True, tag=True):
    ticket: int
    job: Job


class Cancel(msgspec.Struct, frozen=True, tag=True):
    ticket: int


class Quit(msgspec.Struct, frozen=True, tag=True):
    pass


class Progress(msgspec.Struct, frozen=True, tag=True):
    ticket: int
    phase: Phase
    fraction: float
    note: str = ""


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """`memory` is what the engine takes now that it is loaded, in bytes on its device."""

    ticket: int
    seconds: float
    memory: int = 0


class Done(msgspec.Struct, frozen=True, tag=True):
    """`made` names files of the job's folder where the ledger's outcome will name keys of the store; `memory` is what
    the engine has taken at most so far."""

    ticket: int
    made: Outcome
    memory: int = 0


class Failed(msgspec.Struct, frozen=True, tag=True):
    """`broken` says that the engine fell in a way it did not foresee: its studio is not to be used again."""

    ticket: int
    error: str
    message: str
    advice: str = ""
    broken: bool = False

    def as_error(self) -> RushesError:
        return _KINDS.get(self.error, EngineError)(self.message, advice=self.advice or None)


_KINDS: dict[str, type[RushesError]] = {
    kind.__name__: kind
    for kind in (BadImage, BadOutput, DiskFull, EngineError, FetchError, OutOfMemory, SetupError, WorkerLost)
}

Ask: TypeAlias = Load | Render | Cancel | Quit
Answer: TypeAlias = Progress | Loaded | Done | Failed

_asks: msgspec.json.Decoder[Ask] = msgspec.json.Decoder(Load | Render | Cancel | Quit)
_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Progress | Loaded | Done | Failed)


class Line:
    """One end of the socket pair. Any thread may send; one thread receives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, message: Ask | Answer) -> None:
        """Raises `OSError` when the other end is gone."""
        data = msgspec.json.encode(message)
        with self._sending:
            self._connection.send_bytes(data)

    def waiting(self, seconds: float) -> bool:
        """Whether a message, or the other's end, is there within `seconds`."""
        return self._connection.poll(max(0.0, seconds))

    def receive_ask(self) -> Ask:
        """Raises `EOFError` or `OSError` when the worker is gone."""
        return _asks.decode(self._connection.recv_bytes(MESSAGE_BYTES))

    def receive_answer(self) -> Answer:
        """Raises `EOFError` or `OSError` when the studio is gone."""
        return _answers.decode(self._connection.recv_bytes(MESSAGE_BYTES))

    def close(self) -> None:
        self._connection.close()
