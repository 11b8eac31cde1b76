from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from rushes.server.tray import Tray


class Clerk:
    """Takes what is handed in, and answers when he is told to."""

    def __init__(self) -> None:
        self.taken: list[list[int]] = []
        self.given: list[Future[int]] = []
        self.called = asyncio.Event()

    def hand_in(self, items: Sequence[int]) -> Sequence[Future[int]]:
        self.taken.append(list(items))
        new: list[Future[int]] = [Future() for _ in items]
        self.given += new
        self.called.set()
        return new

    async def answer(self) -> None:
        """Odd ones are refused; in a thread of its own, as the ledger does it."""
        await self.called.wait()

        def settle() -> None:
            for number, future in enumerate(self.given):
                if number % 2:
                    future.set_exception(ValueError(number))
                else:
                    future.set_result(number * 10)

        await asyncio.to_thread(settle)


def test_what_one_turn_brings_is_handed_in_together() -> None:
    async def act() -> tuple[list[object], Clerk]:
        clerk = Clerk()
        tray = Tray(clerk.hand_in)
        puts = asyncio.gather(*(tray.put(number) for number in range(4)), return_exceptions=True)
        await clerk.answer()
        return await puts, clerk

    answers, clerk = asyncio.run(act())
    assert clerk.taken == [[0, 1, 2, 3]]
    assert [answers[0], answers[2]] == [0, 20]
    assert [str(error) for error in (answers[1], answers[3])] == ["1", "3"]


def test_who_leaves_keeps_nobody_from_his_answer() -> None:
    async def act() -> int:
        clerk = Clerk()
        tray = Tray(clerk.hand_in)
        stays, leaves = asyncio.create_task(tray.put(1)), asyncio.create_task(tray.put(2))
        await clerk.called.wait()
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
        await clerk.answer()
        return await stays

    assert asyncio.run(act()) == 0
