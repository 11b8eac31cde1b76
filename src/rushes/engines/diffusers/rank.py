"""One rank of a studio: the process of a device that follows the studio's own.

It holds the transformers alone, does with them what `ranks.py` says, and throws its results away: the exchange inside
the blocks was all that they were for. It ends with its line, whatever it is doing.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from rushes.core.errors import Cancelled
from rushes.engines.base import Unheard
from rushes.engines.diffusers import levers, loading
from rushes.engines.diffusers.ranks import (
    ASKS,
    MESSAGE_BYTES,
    Ask,
    Fallen,
    Forward,
    Join,
    Move,
    Ready,
    Word,
    meet,
    unpacked,
)


class Follower(Unheard):
    """A follower's side, and the `Control` of its forwards: it may go on when it is told so."""

    def __init__(self, line: Connection) -> None:
        self._line = line
        self._asks: queue.SimpleQueue[Ask] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def check(self) -> None:
        word = self._asks.get()
        if not (isinstance(word, Word) and word.on):
            raise Cancelled

    def serve(self) -> None:
        """Until the line closes. What fails is told, and ends this process."""
        try:
            self._serve()
        except BaseException as error:  # noqa: BLE001 - whatever it is ends as a message
            traceback.print_exc()
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            self._tell(Fallen(reason, loading.is_out_of_memory(error)))
            os._exit(1)

    def _serve(self) -> None:
        join = self._asks.get()
        assert isinstance(join, Join), join
        loading.require_libraries()
        folders = {name: Path(folder) for name, folder in join.folders.items()}
        loaded = loading.load(
            join.recipe, folders, [join.device], join.placement, Unheard(), transformers_alone=True
        )
        models = levers.all_transformers(loaded.pipelines)
        self._tell(Ready())
        configs = meet(models, join.device, join.rank, join.world, join.store)
        while True:
            ask = self._asks.get()
            if isinstance(ask, Move):
                loaded.replace(ask.placement)
            elif isinstance(ask, Forward):
                configs[ask.number].ulysses_anything = not ask.even
                self._forward(loaded, models[ask.number], ask.call, join.device)

    def _forward(self, loaded: Any, model: Any, packed: Any, device: str) -> None:
        import torch

        with suppress(Cancelled), torch.inference_mode(), loaded.guard.during(self, lambda *_: None):
            call = unpacked(packed, device)
            model(*call["args"], **call["kwargs"])
        loaded.clean()

    def _tell(self, answer: Ready | Fallen) -> None:
        self._line.send_bytes(msgspec.msgpack.encode(answer))

    def _listen(self) -> None:
        try:
            while True:
                self._asks.put(ASKS.decode(self._line.recv_bytes(MESSAGE_BYTES)))
        finally:  # the leader is gone: nobody could stop this process any more
            os._exit(1)


def main() -> None:
    """`python -m rushes.engines.diffusers.rank FD`: follow the leader at the other end of FD."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)
    Follower(Connection(descriptor)).serve()


if __name__ == "__main__":
    main()
