"""What is written down of every question put to a policy: who decided what, when and why."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

MAX_ENTRIES = 1000
"""The most that one look at the audit gives."""


class Stage(StrEnum):
    """When a policy is asked: before the request is queued (with the image, when it came with the call), when an image
    behind a URL was taken in, and when the result is made but not published yet."""

    SUBMIT = "submit"
    IMAGE = "image"
    RESULT = "result"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of one policy. `reason` is why it refused, or how it failed when it gave no answer itself; `tags` are
    its words for the request."""

    request_id: str
    owner: str
    policy: str
    stage: Stage
    decision: Literal["allow", "refuse"]
    reason: str = ""
    tags: tuple[str, ...] = ()


class AuditEntry(Decision, frozen=True, kw_only=True):
    """A decision as the ledger keeps it; `at` is in seconds since the epoch."""

    id: int
    at: float
