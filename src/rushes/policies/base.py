"""The seam between the house and whatever decides what may be made here.

A policy is asked up to three times about a request: before it is queued, when an image behind a URL has been decoded,
and when the result is made but nobody has seen it. It answers with a `Verdict`: let it pass, with tags that stay on
the request's record, or refuse it with a reason that the client reads. A refusal is final; nothing is tried again.

    class NoCats:
        def judge(self, case: Case) -> Verdict:
            return Verdict(refusal="no cats here") if "cat" in case.shot.prompt else PASS

    def no_cats(options: Mapping[str, Any]) -> Policy: ...

The entry point (group `rushes.policies`) makes the policy from its options, once in the server and once in every
worker. `judge` runs in threads of theirs, several at once, and must answer within `policy_seconds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

from rushes.core.audit import Stage
from rushes.core.errors import SetupError
from rushes.core.request import Outcome
from rushes.core.shot import Shot
from rushes.plugins import load

if TYPE_CHECKING:
    import numpy as np  # named only: every command and the server would wait for it
    import numpy.typing as npt

ENTRY_POINT_GROUP = "rushes.policies"


@dataclass(frozen=True)
class Case:
    """What is to be judged. `model` is the id as the client wrote it.

    `picture` is a JPEG or PNG, upright sRGB and decoded before, so harmless: the input image at SUBMIT (None for a shot
    without one, and for one given by URL) and at IMAGE, the thumbnail at RESULT. `outcome` is what was made, at RESULT.
    """

    stage: Stage
    request_id: str
    owner: str
    model: str
    shot: Shot
    picture: bytes | None = None
    outcome: Outcome | None = None

    def pixels(self) -> npt.NDArray[np.uint8] | None:
        """The picture as a (height, width, 3) RGB array."""
        from rushes.media.inputs import load_picture  # Pillow loads for policies that look, and for no other

        return None if self.picture is None else load_picture(self.picture)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`refusal` is the reason that the client reads, or None to let the case pass; `tags` stay on the request."""

    refusal: str | None = None
    tags: tuple[str, ...] = ()


PASS = Verdict()


@runtime_checkable
class Policy(Protocol):
    def judge(self, case: Case) -> Verdict:
        """What is raised here counts as no answer: the setting `policy_failure` then decides."""


def make_policy(name: str, options: Mapping[str, Any]) -> Policy:
    """The policy called `name`, told its options. Raises `SetupError`."""
    policy = load(ENTRY_POINT_GROUP, "policy", name)(options)
    if not isinstance(policy, Policy):
        raise SetupError(f"the entry point of policy '{name}' does not make a Policy: {policy!r}")
    return policy
