"""What every dialect must do. Subclass and give the class attributes.

A dialect carries less than the house knows, so `read(render(x))` is compared with `carried(x)`: the projection that
the subclass documents. Calls are carried whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import compile_path

from rushes.core.errors import (
    AlreadyEnded,
    BadImage,
    BadReply,
    BodyTooLarge,
    EngineError,
    InvalidCall,
    InvalidQuery,
    InvalidShot,
    KeyInUse,
    KeyReused,
    NotRepeatable,
    OutOfCredits,
    QueueFull,
    RateLimited,
    RushesError,
    Unauthorised,
    UnknownModel,
    UnknownRequest,
)
from rushes.dialects.base import (
    Call,
    Dialect,
    Get,
    Kind,
    Reply,
    Route,
    Submit,
    WireReply,
    WireRequest,
)
from tests.cards import ALL, catalogue

QUICK = settings(deadline=None, max_examples=60)

ERRORS: list[RushesError] = [
    Unauthorised(),
    OutOfCredits("the budget of the day is spent"),
    UnknownModel("kling-v9"),
    UnknownRequest("1"),
    AlreadyEnded("success"),
    NotRepeatable("success"),
    KeyInUse("wait"),
    KeyReused(),
    BodyTooLarge("the body is too large"),
    InvalidCall("the body is not JSON"),
    InvalidQuery("limit: is 'x'"),
    InvalidShot("duration", "option", "is '7'", value="7", allowed=("5", "10")),
    RateLimited("Rate limit exceeded for model M", limit=2, interval=60.0, retry_after=29.97),
    QueueFull("the queue is full", retry_after=0.2),
    BadImage("image is 299×400: each side must be at least 300 px"),
    EngineError("secret trouble"),
]

HOSTILE = [
    b"",
    b" \n",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"{}",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"{'model': 'x'}",
    b'{"model": NaN}',
    b'{"model": 1e999}',
    b'{"model": ' + b"9" * 5000 + b"}",
    b'{"model": "\\ud800"}',
    b'{"model": "\xed\xa0\x80"}',
    b'{"model": "\\u0000", "payload": {}}',
    b'{"model": 5, "payload": {}}',
    b'{"model": ["kling-v2-6"], "payload": {}}',
    b'{"model": "kling-v2-6", "payload": [], "prompt": {}}',
    b'{"model": "kling-v2-6", "payload": "x", "prompt": 1}',
    b'{"model": "kling-v2-6", "payload": {"prompt": NaN}, "prompt": NaN}',
    b'{"model": "kling-v2-6", "payload": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}",
    b'{"model": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"model": "x", "payload": {"a": [' + b"1," * 50_000 + b"1]}}",
    b'{"model": "a", "model": "kling-v2-6", "payload": {}, "payload": {"prompt": "x", "prompt": ""}, "prompt": ""}',
]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def route_of(dialect: Dialect, method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route that a server would take, with its decoded parameters."""
    for route in dialect.routes:
        match = compile_path(route.path)[0].match(unquote(path))
        if match and route.method == method:
            return route, match.groupdict()
    raise LookupError(f"no route for {method} {path}")


def arrive(dialect: Dialect, request: WireRequest) -> Call:
    """What a server makes of what a client wrote."""
    route, parameters = route_of(dialect, request.method, request.path)
    return dialect.parse(route.kind, parameters, request.query, request.body, request.content_type)


class DialectContract:
    dialect: ClassVar[Dialect]
    calls: ClassVar[st.SearchStrategy[Call]]
    """Every call the dialect has words for."""
    answers: ClassVar[st.SearchStrategy[tuple[Kind, Reply]]]
    """Every reply the dialect has words for, with a kind of call that it answers."""
    carried: ClassVar[Callable[[Reply], Reply]]
    """What of a reply survives the wire."""
    told: ClassVar[dict[type[RushesError], tuple[int, type[RushesError]]]]
    """Status of each error, and what a client learns of it."""

    def test_what_a_client_writes_is_what_a_server_parses(self) -> None:
        @QUICK
        @given(call=self.calls)
        def hold(call: Call) -> None:
            assert arrive(self.dialect, self.dialect.write(call)) == call

        hold()

    def test_what_a_server_renders_is_what_a_client_reads(self) -> None:
        @QUICK
        @given(answer=self.answers)
        def hold(answer: tuple[Kind, Reply]) -> None:
            kind, reply = answer
            rendered = self.dialect.render(reply)
            assert rendered.status == 200
            assert rendered.headers["content-type"] == "application/json"
            assert self.dialect.read(kind, rendered) == type(self).carried(reply)
            assert self.dialect.render(type(self).carried(reply)) == rendered

        hold()

    @pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:24]))
    def test_a_hostile_body_is_a_bad_call_or_a_call(self, body: bytes) -> None:
        self._survives(body)

    def test_any_bytes_are_a_bad_call_or_a_call(self) -> None:
        @QUICK
        @given(body=st.binary(max_size=40) | JSON.map(msgspec.json.encode))
        def hold(body: bytes) -> None:
            self._survives(body)

        hold()

    def test_any_payload_is_a_bad_shot_or_a_shot_that_can_be_echoed(self) -> None:
        @QUICK
        @given(
            model=st.sampled_from(ALL),
            fields=st.dictionaries(st.sampled_from(["prompt", "image", "seed"]), JSON),
        )
        def hold(model: str, fields: dict[str, Any]) -> None:
            self._survives(self.dialect.write(Submit.of(model, fields)).body)

        hold()

    def _survives(self, body: bytes) -> None:
        for kind in {route.kind for route in self.dialect.routes}:
            try:
                call = self.dialect.parse(kind, {"id": "1"}, {"generation_id": "1"}, body)
            except InvalidCall as refusal:
                answer = self.dialect.render_error(refusal, path="/", request_id="1", now=0.0)
                assert answer.status == 400
            else:
                assert isinstance(call, kind)
                if isinstance(call, Submit):
                    self._submit(call)

    def _submit(self, call: Submit) -> None:
        msgspec.json.encode(call.payload)
        try:
            catalogue().find(call.model).check(call.fields, draw_seed=lambda: 0)
        except (InvalidShot, UnknownModel) as refusal:
            answer = self.dialect.render_error(refusal, path="/", request_id="1", now=0.0)
            assert answer.status in {400, 404}
            assert len(answer.body) < 1000

    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.name)
    def test_an_error_is_told_and_learned(self, error: RushesError) -> None:
        answer = self.dialect.render_error(error, path="/here", request_id="42", now=1_750_442_925.5)
        status, learned = self.told[type(error)]
        assert answer.status == status
        assert answer.headers["content-type"] == "application/json"
        assert type(self.dialect.read_error(answer)) is learned
        assert b"secret" not in answer.body
        if isinstance(error, RateLimited | QueueFull):
            assert int(answer.headers["retry-after"]) >= max(1, error.retry_after)
        with pytest.raises(learned):
            self.dialect.read(Submit, answer)

    @pytest.mark.parametrize("kind", [Submit, Get])
    @pytest.mark.parametrize(
        "reply",
        [
            WireReply(200, b"<html>"),
            WireReply(200, b"[]"),
            WireReply(200, b'{"request_id": 5, "id": 5}'),
            WireReply(200, b'{"request_id": "1", "id": "1", "status": "levitating"}'),
            WireReply(200, b"\xff"),
            WireReply(502, b"Bad Gateway"),
            WireReply(500, b'{"error": "internal error", "message": "internal error"}'),
        ],
        ids=lambda reply: repr(reply.body[:24]),
    )
    def test_an_answer_that_makes_no_sense_is_a_bad_reply(self, kind: Kind, reply: WireReply) -> None:
        with pytest.raises(BadReply):
            self.dialect.read(kind, reply)
