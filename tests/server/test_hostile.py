"""Bodies and headers that mean harm: always a 4xx in the dialect's own form, never a row, never a 5xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes.dialects.aimlapi import PATHS
from tests.server.site import GMI, Account, Site, open_site

SUBMIT = f"{GMI}/requests"
BODIES = {
    "empty": b"",
    "blank": b"  \n",
    "text": b"hello",
    "list": b"[]",
    "string": b'"kling-v2-6"',
    "number": b"1",
    "null": b"null",
    "half": b'{"model": "kling-v2-6", "payload": {"prompt"',
    "two": b'{"model": "kling-v2-6"} {"model": "kling-v2-6"}',
    "single quotes": b"{'model': 'kling-v2-6'}",
    "nan": b'{"model": "kling-v2-6", "payload": {"prompt": "x", "cfg_scale": NaN}}',
    "infinity": b'{"model": "kling-v2-6", "payload": {"prompt": "x", "cfg_scale": 1e999}}',
    "huge integer": b'{"model": "kling-v2-6", "payload": {"prompt": "x", "seed": ' + b"9" * 5000 + b"}}",
    "latin-1": '{"model": "kling-v2-6", "payload": {"prompt": "é"}}'.encode("latin-1"),
    "utf-16": '{"model": "kling-v2-6", "payload": {"prompt": "x"}}'.encode("utf-16"),
    "bytes": bytes(range(256)),
    "lone surrogate": b'{"model": "kling-v2-6", "payload": {"prompt": "\\ud800"}}',
    "nul": b'{"model": "kling-v2-6", "payload": {"prompt": "x\\u0000"}}',
    "deep lists": b'{"model": "kling-v2-6", "payload": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "33 levels": b'{"model": "kling-v2-6", "payload": {"prompt": "x", "a": ' + b"[" * 33 + b"]" * 33 + b"}}",
    "many values": b'{"model": "kling-v2-6", "payload": {"prompt": "x", "a": [' + b"1," * 50_000 + b"1]}}",
    "many keys": json.dumps({"model": "kling-v2-6", **{str(n): n for n in range(30_000)}}).encode(),
    "payload text": b'{"model": "kling-v2-6", "payload": "a boat"}',
    "payload list": b'{"model": "kling-v2-6", "payload": [{"prompt": "x"}]}',
    "model object": b'{"model": {"$ne": 1}, "payload": {"prompt": "x"}}',
    "long model": json.dumps({"model": "x" * 1_000_000, "payload": {"prompt": "x"}}).encode(),
    "long prompt": json.dumps({"model": "kling-v2-6", "payload": {"prompt": "x" * 5_000_000}}).encode(),
    "long image": json.dumps({"model": "kling-v2-6", "payload": {"prompt": "x", "image": "A" * 20_000_000}}).encode(),
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_bad_body_is_a_clients_error(ann: Account, body: bytes) -> None:
    for path in (SUBMIT, *PATHS, f"{GMI}/upload-url"):
        answer = ann.call("POST", path, content=body)
        assert 400 <= answer.status_code < 500
        assert answer.headers["content-type"] == "application/json"
        message = answer.json().get("error") or answer.json()["message"]
        assert 0 < len(message) < 1000
    assert ann.get(SUBMIT).json()["total"] == 0


def test_of_a_key_said_twice_the_last_counts(site: Site, ann: Account) -> None:
    body = b'{"model": "x", "model": "kling-v2-6", "payload": {}, "payload": {"prompt": "a", "prompt": "b"}}'
    answer = ann.call("POST", SUBMIT, content=body)
    assert answer.status_code == 200
    assert site.start(answer.json()["request_id"]).shot.prompt == "b"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "x", ""])
def test_the_content_type_does_not_matter(ann: Account, content_type: str) -> None:
    body = b'{"model": "kling-v2-6", "payload": {"prompt": "x"}}'
    headers = {"content-type": content_type}
    assert ann.call("POST", SUBMIT, content=body, headers=headers).status_code == 200


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("narrow") / "data", max_body_bytes="1MB") as site:
        yield site


@pytest.mark.parametrize("path", [SUBMIT, *PATHS])
def test_a_body_beyond_the_limit_is_413(narrow: Site, path: str) -> None:
    account = narrow.account("ann")

    def chunks() -> Iterator[bytes]:
        for _ in range(50):
            yield b" " * 50_000

    for content in (b" " * 1_000_001, chunks()):
        answer = account.call("POST", path, content=content)
        assert answer.status_code == 413
        assert "1,000,000 bytes" in (answer.json().get("error") or answer.json()["message"])
    assert account.call("POST", path, content=b" " * 1_000_000).status_code == 400


def test_a_body_of_a_call_that_has_none_is_bounded_too(narrow: Site) -> None:
    account = narrow.account("ann")
    answer = account.call("GET", SUBMIT, content=b" " * 1_000_001)
    assert answer.status_code == 413


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    (
        "prompt",
        "negative_prompt",
        "image",
        "sound",
        "duration",
        "mode",
        "cfg_scale",
        "cfg.scale",
        "seed",
        "ratio",
    )
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.dictionaries(KEYS | st.text(max_size=8), VALUES, max_size=5), aimlapi=st.booleans())
def test_no_payload_breaks_the_server(ann: Account, payload: dict[str, object], aimlapi: bool) -> None:
    model = {"model": "kling-v2-6"}
    body = {**payload, **model} if aimlapi else {"payload": payload, **model}
    answer = ann.call("POST", PATHS[0] if aimlapi else SUBMIT, content=json.dumps(body).encode())
    assert answer.status_code in (200, 400)
    if answer.status_code == 200 and not aimlapi:
        assert ann.record(answer.json()["request_id"])["payload"] == payload


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
def test_no_bytes_break_the_server(ann: Account, body: bytes) -> None:
    answer = ann.call("POST", SUBMIT, content=body)
    assert answer.status_code == 400
    assert "error" in answer.json()


def test_a_stranger_cannot_write_our_log_ids(ann: Account) -> None:
    for given_id, kept in (
        ("abc-1.2:3", True),
        ("x" * 65, False),
        ("a b", False),
        ("é", False),
        ("{}", False),
    ):
        answer = ann.call("GET", f"{GMI}/models", headers={"x-request-id": given_id.encode()})
        assert (answer.headers["x-request-id"] == given_id) is kept


def test_prompts_and_keys_are_not_logged(
    site: Site, ann: Account, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ann.submitted({"prompt": "a very private wish"})
    ann.ask({"prompt": "a very private wish", "duration": 7})
    told = "".join(capfd.readouterr())
    assert "answered" in told
    assert "private" not in told
    assert ann.key not in told
