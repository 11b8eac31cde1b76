"""The panel: all policies of an installation, asked one after the other until one refuses.

A policy is a stranger's code. It is asked in a thread of its own and left behind when its time is up; one that never
answers is left behind sixteen times at most and then counts as failed at once, so that it cannot fill the process
with threads. What a failed policy would have said is for the operator to choose. Every decision, also a failed one, is
written to the audit before it has any effect.
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec
import structlog

from rushes.core.audit import Decision
from rushes.core.errors import Refused
from rushes.policies.base import Case, Policy, Verdict

Failure: TypeAlias = Literal["refuse", "allow"]
Record: TypeAlias = Callable[[Sequence[Decision]], object]

AT_ONCE = 16
LONGEST_REASON = 500
LONGEST_TAG = 64
MOST_TAGS = 16
FAILED = "it could not be checked"
"""What a client reads when a policy failed: how it failed is for the operator."""

log = structlog.get_logger(__name__)


class Panel:
    """`policies` by name, asked in this order; `record` writes decisions to the audit. A policy has `seconds` for an
    answer, and `on_failure` stands for one that it did not give. Thread-safe."""

    def __init__(
        self,
        policies: Mapping[str, Policy],
        record: Record,
        *,
        on_failure: Failure = "refuse",
        seconds: float = 10.0,
    ) -> None:
        self._seats = [_Seat(name, policy, seconds) for name, policy in policies.items()]
        self._record = record
        self._on_failure = on_failure

    @property
    def empty(self) -> bool:
        """True when there is nobody to ask: what a case is made of need not be gathered."""
        return not self._seats

    def judge(self, case: Case) -> tuple[str, ...]:
        """The tags that the policies gave, each once. Raises `Refused`, and what `record` raises: then nothing was
        decided."""
        decisions: list[Decision] = []
        refusal = None
        for seat in self._seats:
            decision, told = self._decide(seat, case)
            decisions.append(decision)
            if decision.decision == "refuse":
                refusal = Refused(f"refused by policy: {told}")
                break
        if decisions:
            self._record(decisions)
        for decision in decisions:
            log.info("policy decided", **_shown(decision))
        if refusal is not None:
            raise refusal
        return tuple(dict.fromkeys(tag for decision in decisions for tag in decision.tags))

    def _decide(self, seat: _Seat, case: Case) -> tuple[Decision, str]:
        """The decision, and what the client reads of it."""
        answer: Failure
        try:
            verdict = seat.ask(case)
            answer = "allow" if verdict.refusal is None else "refuse"
            reason = told = verdict.refusal or ""
            tags = verdict.tags
        except Exception as error:  # noqa: BLE001  whatever a stranger's code raises: it gave no answer
            reason = f"policy failed: {type(error).__name__}: {error}"
            answer, told, tags = self._on_failure, FAILED, ()
            log.error("policy failed", policy=seat.name, stage=case.stage, error=reason, instead=answer)
        decision = Decision(
            request_id=case.request_id,
            owner=case.owner,
            policy=seat.name,
            stage=case.stage,
            decision=answer,
            reason=reason[:LONGEST_REASON],
            tags=tags,
        )
        return decision, told[:LONGEST_REASON]


class _Seat:
    """One policy, with its threads."""

    def __init__(self, name: str, policy: Policy, seconds: float) -> None:
        self.name = name
        self._policy = policy
        self._seconds = seconds
        self._free = threading.BoundedSemaphore(AT_ONCE)

    def ask(self, case: Case) -> Verdict:
        """Raises what the policy raises, `TimeoutError`, or `TypeError` for an answer that is none."""
        deadline = time.monotonic() + self._seconds
        if not self._free.acquire(timeout=self._seconds):
            raise TimeoutError(f"{AT_ONCE} earlier questions are still without an answer")
        answers: queue.SimpleQueue[Verdict | BaseException] = queue.SimpleQueue()

        def answer() -> None:
            try:
                answers.put(_checked(self._policy.judge(case)))
            except BaseException as error:  # noqa: BLE001  raised in the asker's thread
                answers.put(error)
            finally:
                self._free.release()

        logged = contextvars.copy_context()  # the request's id stands on the policy's own log lines too
        threading.Thread(target=logged.run, args=[answer], name=f"policy-{self.name}", daemon=True).start()
        try:
            answered = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise TimeoutError(f"no answer within {self._seconds:g} s") from None
        if isinstance(answered, Exception):
            raise answered
        if isinstance(answered, BaseException):
            raise RuntimeError(f"it tried to end the process: {answered!r}")
        return answered


def _checked(verdict: object) -> Verdict:
    """A policy's tags end up in rows and logs: they are words, and few."""
    if not isinstance(verdict, Verdict):
        raise TypeError(f"judge returned {type(verdict).__name__}, not a Verdict")
    told = msgspec.convert(msgspec.to_builtins(verdict), Verdict)
    long = [tag for tag in told.tags if not 0 < len(tag) <= LONGEST_TAG or not tag.isprintable()]
    if long or len(told.tags) > MOST_TAGS:
        raise TypeError(f"tags must be at most {MOST_TAGS} words of 1…{LONGEST_TAG} printable characters")
    return told


def _shown(decision: Decision) -> dict[str, object]:
    """As fields of a log line, where `request` is the word for the id."""
    shown = msgspec.structs.asdict(decision)
    return {"request": shown.pop("request_id"), **{name: value for name, value in shown.items() if value}}
