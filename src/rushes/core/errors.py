"""Every error of the house is one of this tree; each says what happened and what to do about it.

RushesError
├── CallError                 the call cannot be served as asked; a dialect renders it
│   ├── Unauthorised          401  no or bad key
│   ├── OutOfCredits          402  the owner's budget is spent
│   ├── UnknownModel          404
│   ├── UnknownRequest        404  also another owner's
│   ├── FileGone              410  expired by retention
│   ├── AlreadyEnded          409  cancel after the end
│   ├── NotRepeatable         409  only what failed or was cancelled is made anew
│   ├── KeyInUse              409  the same Idempotency-Key is being written
│   ├── KeyReused             422  the same Idempotency-Key with another body
│   ├── BodyTooLarge          413
│   ├── InvalidCall           400  unreadable body, query or header
│   │   ├── InvalidQuery      400  a query parameter is missing or wrong
│   │   └── InvalidShot       400  one parameter of the payload is wrong
│   ├── RateLimited           429
│   ├── TooManyStreams        429  event streams of one owner
│   └── QueueFull             503
├── InputError                what the client sent cannot be used: ends the request, never blames a worker
│   ├── Refused               a policy did not let it pass, or did not let its result
│   ├── BadImage
│   └── FetchError            the image's URL could not or may not be fetched
│       └── FetchHiccup       the network's fault for now                  retryable
├── AttemptError              the attempt failed
│   ├── EngineError           the engine gave up                       retryable
│   ├── OutOfMemory           says what would fit
│   ├── BadOutput             inspection refused the file              not with the same seed
│   └── WorkerLost            studio or worker died or hung            retryable
├── Cancelled                 raised inside an engine to unwind; not a failure
├── BadReply                  another server's answer is not what its dialect promises    retryable
├── LeaseLost                 the request is no longer ours: stop, nothing we write is kept
├── LedgerUnavailable   503  nothing was written; the same call may succeed later
└── SetupError                the operator must act: settings, cards, data folder, disk
    └── DiskFull              the attempt waits for space, no failure is counted
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

Problem = Literal["missing", "option", "range", "type", "length", "image", "unsupported"]


class RushesError(Exception):
    """`str(error)` is the sentence for a person; `advice` says what to do; `name` is for logs and metrics."""

    retryable: ClassVar[bool] = False
    status_hint: ClassVar[int] = 500
    advice: str = ""

    def __init__(self, message: str, *, advice: str | None = None) -> None:
        super().__init__(message)
        if advice is not None:
            self.advice = advice

    @property
    def name(self) -> str:
        return type(self).__name__


class CallError(RushesError):
    status_hint = 400


class Unauthorised(CallError):
    status_hint = 401
    advice = "Send 'Authorization: Bearer <key>'; 'rushes keys create NAME' makes a key."

    def __init__(self, message: str = "This request requires a valid API key.") -> None:
        super().__init__(message)


class OutOfCredits(CallError):
    status_hint = 402
    advice = "Wait for the budget's next day or month, or ask the operator for a larger one."


class UnknownModel(CallError):
    status_hint = 404
    advice = "GET /models, or `rushes models`, lists the model ids."

    def __init__(self, model: str) -> None:
        super().__init__(f"model {model} does not exist")
        self.model = model


class UnknownRequest(CallError):
    status_hint = 404

    def __init__(self, request_id: str = "") -> None:
        super().__init__("request not found")
        self.request_id = request_id


class FileGone(CallError):
    status_hint = 410


class AlreadyEnded(CallError):
    status_hint = 409

    def __init__(self, status: str) -> None:
        super().__init__(f"request is already {status}: it cannot be cancelled")
        self.status = status


class NotRepeatable(CallError):
    status_hint = 409

    def __init__(self, status: str) -> None:
        super().__init__(f"request is {status}: only a failed or cancelled one can be made anew")
        self.status = status


class KeyInUse(CallError):
    status_hint = 409
    advice = "Another call with this Idempotency-Key is being answered: repeat the call in a second."


class KeyReused(CallError):
    status_hint = 422
    advice = "Use a new Idempotency-Key for a new request."

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used with another body")


class BodyTooLarge(CallError):
    status_hint = 413


class InvalidCall(CallError):
    status_hint = 400


class InvalidQuery(InvalidCall):
    pass


class InvalidShot(InvalidCall):
    """One parameter is wrong. The message says all; dialects with words of their own build them from the parts.

    `field` is the canonical parameter name of the card, `value` what was sent, `allowed` the choices as text.
    """

    def __init__(
        self, field: str, problem: Problem, detail: str, *, value: object = None, allowed: Sequence[str] = ()
    ) -> None:
        choice = f"; allowed options: {', '.join(allowed)}" if allowed else ""
        super().__init__(f"{field}: {detail}{choice}")
        self.field = field
        self.problem: Problem = problem
        self.detail = detail
        self.value = value
        self.allowed = tuple(allowed)


class RateLimited(CallError):
    """`limit` requests per `interval` seconds are allowed; the next one after `retry_after` seconds."""

    status_hint = 429

    def __init__(self, message: str, *, limit: int, interval: float, retry_after: float) -> None:
        super().__init__(message)
        self.limit = limit
        self.interval = interval
        self.retry_after = retry_after


class TooManyStreams(CallError):
    status_hint = 429
    advice = "Close one, or poll."


class QueueFull(CallError):
    status_hint = 503

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InputError(RushesError):
    status_hint = 400


class Refused(InputError):
    """The message is the policy's reason, meant for the client."""


class BadImage(InputError):
    advice = "Send a JPEG or PNG within the limits of the model."


class FetchError(InputError):
    advice = "Give a public http or https URL that answers with the image itself, or upload it first."


class FetchHiccup(FetchError):
    retryable = True


class AttemptError(RushesError):
    pass


class EngineError(AttemptError):
    retryable = True


class OutOfMemory(AttemptError):
    pass


class BadOutput(AttemptError):
    pass


class WorkerLost(AttemptError):
    retryable = True


class Cancelled(RushesError):
    def __init__(self) -> None:
        super().__init__("cancelled")


class BadReply(RushesError):
    retryable = True
    advice = "Check the address, and what the other server's log says."


class LeaseLost(RushesError):
    def __init__(self, request_id: str) -> None:
        super().__init__(f"request {request_id} is no longer ours")
        self.request_id = request_id


class LedgerUnavailable(RushesError):
    """The database could not write or read now (full disk, lost connection). Nothing of the call was kept."""

    retryable = True
    status_hint = 503


class SetupError(RushesError):
    pass


class DiskFull(SetupError):
    advice = "Free space on the volume of the data folder; the request is tried again."
