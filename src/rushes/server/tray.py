"""Submissions that one turn of the loop has read go to the ledger together, and their answers come back together.

The loop and the ledger's writing thread share one interpreter. Were each submission passed on by itself, the two would
take turns at it all the time, and most commits would hold one row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeAlias, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_Waiting: TypeAlias = list[tuple[Item, "asyncio.Future[Answer]"]]


class Tray(Generic[Item, Answer]):
    """`hand_in` takes any number of items and gives as many futures, which are done in their order; it does not
    block."""

    def __init__(self, hand_in: Callable[[Sequence[Item]], Sequence[Future[Answer]]]) -> None:
        self._hand_in = hand_in
        self._waiting: dict[asyncio.AbstractEventLoop, _Waiting[Item, Answer]] = {}

    async def put(self, item: Item) -> Answer:
        """What became of `item`. Raises its future's error."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        waiting = self._waiting.setdefault(loop, [])
        waiting.append((item, answer))
        if len(waiting) == 1:
            loop.call_soon(self._empty, loop)
        return await answer

    def _empty(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting = self._waiting.pop(loop)
        given = self._hand_in([item for item, _ in waiting])

        def tell() -> None:
            for (_, answer), done in zip(waiting, given, strict=True):
                if answer.done():
                    continue  # whoever asked has left
                error = done.exception()
                if error is None:
                    answer.set_result(done.result())
                else:
                    answer.set_exception(error)

        given[-1].add_done_callback(lambda _: loop.call_soon_threadsafe(tell))
