"""JSON on the wire, read with suspicion: what comes in is at most an object of bounded depth and count, and whatever
else it is becomes one error of the tree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from rushes.core.errors import (
    BadReply,
    BodyTooLarge,
    CallError,
    FileGone,
    InputError,
    InvalidCall,
    InvalidQuery,
    InvalidShot,
    KeyInUse,
    KeyReused,
    OutOfCredits,
    QueueFull,
    RateLimited,
    RushesError,
    Unauthorised,
    UnknownRequest,
)
from rushes.core.parameter import absent, shown, whole_number
from rushes.dialects.base import WireReply, WireRequest

MAX_DEPTH = 32
MAX_ITEMS = 20_000
"""Values in one body. A payload has about ten; each costs a client one byte and us a hundred."""

LONGEST_WORD = 255
"""Characters of a model id or a file type."""

JSON = "application/json"

_TOLD_BY_STATUS = {
    kind.status_hint: kind for kind in (Unauthorised, OutOfCredits, KeyInUse, FileGone, BodyTooLarge)
}

T = TypeVar("T")


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a request's body. Raises `InvalidCall`."""
    if not body or body.isspace():
        raise InvalidCall("the body is empty: a JSON object is needed")
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_ITEMS:
        raise InvalidCall(f"the body has more than {MAX_ITEMS} values")
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidCall(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidCall(f"the body must be a JSON object, not {shown(value)}")
    if _deeper_than(value, MAX_DEPTH):
        raise InvalidCall(f"the body is nested deeper than {MAX_DEPTH} levels")
    return value


def text_of(body: Mapping[str, Any], key: str) -> str:
    """A required word of a request's body, at most `LONGEST_WORD` characters. Raises `InvalidShot`."""
    value = body.get(key)
    if absent(value):
        raise InvalidShot(key, "missing", "missing")
    if not isinstance(value, str):
        raise InvalidShot(key, "type", f"must be text, not {shown(value)}", value=value)
    if len(value) > LONGEST_WORD:
        limit = f"at most {LONGEST_WORD} characters"
        raise InvalidShot(key, "length", f"has {len(value)} characters", value=value, allowed=(limit,))
    return value


def number_of(query: Mapping[str, str], key: str, default: int, low: int, high: int) -> int:
    """A whole number of a query, within `low` … `high`. Raises `InvalidQuery`."""
    text = query.get(key, "")
    if not text:
        return default
    number = whole_number(text, low, high)
    if number is None:
        raise InvalidQuery(f"{key}: is {shown(text)}; allowed options: {low} … {high}")
    return number


def send(method: str, path: str, body: object = None, query: dict[str, str] | None = None) -> WireRequest:
    """A request, with `body` as JSON unless it is None."""
    if body is None:
        return WireRequest(method, path, query or {})
    return WireRequest(method, path, query or {}, msgspec.json.encode(body), JSON)


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> WireReply:
    return WireReply(status, msgspec.json.encode(body), {"content-type": JSON, **(headers or {})})


def read_as(kind: type[T], reply: WireReply) -> T:
    """The body of an answer as a wire struct. Raises `BadReply`."""
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadReply(
            f"the server answered {reply.status} with a body that makes no sense: {error}"
        ) from None


def retry_after(seconds: float) -> dict[str, str]:
    """The header, in whole seconds and never 0, which clients read as "at once"."""
    return {"retry-after": str(max(1, math.ceil(seconds)))}


def seconds_to_wait(reply: WireReply) -> float:
    """What a `Retry-After` in seconds says, else 1."""
    text = reply.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 1.0


def refusal(reply: WireReply, text: str) -> RushesError:
    """The error that a status tells of where the vendor has no word of its own; `text` is what the body says."""
    wait = seconds_to_wait(reply)
    match reply.status:
        case 404:
            return UnknownRequest()
        case 422:
            return KeyReused()
        case 429:
            return RateLimited(text, limit=0, interval=0.0, retry_after=wait)
        case 503:
            return QueueFull(text, retry_after=wait)
        case status if status in _TOLD_BY_STATUS:
            return _TOLD_BY_STATUS[status](text)
        case status if 400 <= status < 500:
            return InvalidCall(text)
    return BadReply(f"the server answered {reply.status}: {text}")


def sentence(error: RushesError) -> str:
    """What a client may read of `error`: the caller's mistakes in full, of our own troubles nothing."""
    if not isinstance(error, CallError | InputError):
        return "internal error"
    return f"{str(error).rstrip('.')}. {error.advice}" if error.advice else str(error)


def _deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
