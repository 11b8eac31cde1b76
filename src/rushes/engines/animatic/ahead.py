"""Sharing work out over the cores: several pictures of a clip at once, each in a thread of its own; or parts of a map.

Kernels and OpenCV let go of Python's lock, and a picture depends on its number alone: so threads share nothing but what
they read, and the bytes do not depend on how many there are.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

from rushes.engines.base import Picture

MOST = 8
"""Threads at most: each keeps a canvas, 30 MB of it at 1280×720."""


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """One for each core, at most `MOST`."""
    return min(cores(), MOST)


def ahead(draw: Callable[[int], Picture], count: int, many: int | None = None) -> Generator[Picture]:
    """`draw(0)` … `draw(count - 1)` in order, drawn in `many` threads (default: `threads()`).

    As many again wait finished or to be begun, so that a slow taker holds up the drawing, and memory stays bounded. What
    `draw` raises is raised here. Closed early, it waits for the pictures that are being drawn and begins no other.
    """
    many = many or threads()
    waiting: deque[Future[Picture]] = deque()
    with ThreadPoolExecutor(many, thread_name_prefix="rushes-draw") as pool:
        try:
            for number in range(count + 2 * many - 1):
                if number < count:
                    waiting.append(pool.submit(draw, number))
                if number >= 2 * many - 1:
                    yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def in_parts(work: Callable[[int, int], None], count: int, many: int | None = None) -> None:
    """`work(first, end)` for parts that together are 0 … `count`, each in one of `many` threads (default: `threads()`).
    What `work` raises is raised here."""
    many = many or threads()
    edges = [count * part // many for part in range(many + 1)]
    with ThreadPoolExecutor(many, thread_name_prefix="rushes-draw") as pool:
        for done in [pool.submit(work, first, end) for first, end in pairwise(edges)]:
            done.result()
