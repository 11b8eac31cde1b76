"""Time and ids are passed in, so that tests decide what the hour is and nobody sleeps to find out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field


def new_uuid() -> str:
    """A random request id, in the form both vendors use."""
    return str(uuid.uuid4())


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
