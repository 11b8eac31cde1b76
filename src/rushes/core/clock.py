"""Time and ids are passed in, so that tests decide what the hour is and nobody sleeps to find out."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

_drawn: deque[bytes] = deque()
"""Random bytes of ids to come: the system is asked for many at once, since each asking lets another thread have the
interpreter first."""
_AT_ONCE = 64

os.register_at_fork(after_in_child=_drawn.clear)


def new_uuid() -> str:
    """A random id (a UUID of version 4), in the form both vendors use. Every call draws one, and `uuid` takes three times
    as long."""
    try:
        digits = _drawn.pop().hex()
    except IndexError:
        much = os.urandom(16 * _AT_ONCE)
        _drawn.extend(much[k : k + 16] for k in range(16, len(much), 16))
        digits = much[:16].hex()
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


@dataclass(frozen=True)
class Clock:
    """The server's and the worker's sense of time. The ledger has the database's own.

    `now` gives seconds since the epoch (for signatures and logs); `monotonic` gives seconds that never step
    back (for deadlines); `new_id` draws ids.
    """

    now: Callable[[], float] = field(default=time.time)
    monotonic: Callable[[], float] = field(default=time.monotonic)
    new_id: Callable[[], str] = field(default=new_uuid)


SYSTEM_CLOCK = Clock()
