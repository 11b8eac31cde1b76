"""Pictures drawn several at once come in order, no more of them than are wanted, and none after the end."""

from __future__ import annotations

import threading
from contextlib import closing

import numpy as np
import pytest

from rushes.engines.animatic.ahead import ahead, in_parts, threads
from rushes.engines.base import Picture

LIMIT = 20.0
"""Seconds after which a test that waits for an event gives up."""


def picture(number: int) -> Picture:
    return np.full((3, 2), number, np.uint8)


def test_pictures_come_in_order_whichever_is_done_first() -> None:
    later = threading.Event()

    def draw(number: int) -> Picture:
        if number == 0:
            assert later.wait(LIMIT)
        else:
            later.set()
        return picture(number)

    assert [int(one[0, 0]) for one in ahead(draw, 7, 2)] == list(range(7))


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_clip_shorter_than_what_is_drawn_ahead(count: int) -> None:
    assert [int(one[0, 0]) for one in ahead(picture, count, 3)] == list(range(count))


def test_several_are_drawn_at_once() -> None:
    together = threading.Barrier(3)

    def draw(number: int) -> Picture:
        together.wait(LIMIT)
        return picture(number)

    assert len(list(ahead(draw, 6, 3))) == 6


def test_no_more_are_begun_than_are_taken_and_those_drawn_ahead() -> None:
    begun: list[int] = []

    def draw(number: int) -> Picture:
        begun.append(number)
        return picture(number)

    with closing(ahead(draw, 100, 2)) as drawn:
        for _ in range(5):
            next(drawn)
    assert len(begun) <= 5 + 4


def test_closing_waits_for_what_is_drawn_and_begins_no_other() -> None:
    begun: list[int] = []
    second, go, ended = threading.Event(), threading.Event(), threading.Event()

    def draw(number: int) -> Picture:
        begun.append(number)
        if number > 0:
            second.set()
            assert go.wait(LIMIT)
            ended.set()
        return picture(number)

    drawn = ahead(draw, 100, 1)
    next(drawn)
    assert second.wait(LIMIT)
    closer = threading.Thread(target=drawn.close)
    closer.start()
    assert not ended.is_set()
    go.set()
    closer.join(LIMIT)
    assert ended.is_set()
    assert begun == [0, 1]


def test_an_error_reaches_the_taker() -> None:
    def draw(number: int) -> Picture:
        if number == 2:
            raise ValueError("the third")
        return picture(number)

    drawn = ahead(draw, 9, 2)
    assert [int(next(drawn)[0, 0]) for _ in range(2)] == [0, 1]
    with pytest.raises(ValueError, match="the third"):
        next(drawn)


def test_there_is_a_thread_for_each_core_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(3)), raising=False)
    assert threads() == 3
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert threads() == 8


@pytest.mark.parametrize(("count", "many"), [(10, 3), (2, 4), (0, 2), (7, 1)])
def test_parts_are_the_whole_each_once(count: int, many: int) -> None:
    seen = np.zeros(count, int)

    def work(first: int, end: int) -> None:
        seen[first:end] += 1

    in_parts(work, count, many)
    assert (seen == 1).all()


def test_an_error_in_a_part_reaches_the_caller() -> None:
    def work(first: int, end: int) -> None:
        if end == 10:
            raise ValueError("the last part")

    with pytest.raises(ValueError, match="the last part"):
        in_parts(work, 10, 2)
