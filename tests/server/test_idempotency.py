"""`Idempotency-Key`: a client that repeats itself after a stall gets the first answer, and pays once."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest

from rushes.dialects.aimlapi import PATHS
from tests.server.site import GMI, Account, Site, picture

PROMPT = {"prompt": "a boat"}


def total(account: Account) -> int:
    return int(account.get(f"{GMI}/requests").json()["total"])


def test_the_same_call_again_is_the_first_request(site: Site, ann: Account) -> None:
    first = ann.ask(PROMPT, idempotency_key="one")
    site.finish(site.start(first.json()["request_id"]))
    spaced = b'{ "payload": {"prompt": "a boat"}, "model":"kling-v2-6" }'
    again = ann.call("POST", f"{GMI}/requests", content=spaced, headers={"idempotency-key": "one"})
    assert again.status_code == 200
    assert again.json()["request_id"] == first.json()["request_id"]
    assert total(ann) == 1


@pytest.mark.parametrize("other", [{"prompt": "a bird"}, {"prompt": "a boat", "duration": 10}])
def test_the_same_key_with_another_body_is_refused(ann: Account, other: dict[str, object]) -> None:
    ann.ask(PROMPT, idempotency_key="one")
    answer = ann.ask(other, idempotency_key="one")
    assert answer.status_code == 422
    assert "Idempotency-Key was used with another body" in answer.json()["error"]
    assert ann.ask(PROMPT, "kling-v2-5-turbo", idempotency_key="one").status_code == 422
    body = {"model": "kling-v2-6", **PROMPT}
    assert ann.post(PATHS[0], body, idempotency_key="one").status_code == 422
    assert total(ann) == 1


def test_keys_of_two_owners_do_not_meet(ann: Account, bob: Account) -> None:
    ids = {account.ask(PROMPT, idempotency_key="one").json()["request_id"] for account in (ann, bob)}
    assert len(ids) == 2


def test_a_refused_call_leaves_its_key_free(ann: Account) -> None:
    assert ann.ask({}, idempotency_key="one").status_code == 400
    assert ann.ask(PROMPT, idempotency_key="one").status_code == 200


def test_a_repeated_image_is_kept_once(site: Site, ann: Account) -> None:
    ask = {"image": base64.b64encode(picture(noise=True)).decode(), **PROMPT}
    before = set(site.house.store.list("inputs/"))
    first, again = (ann.ask(ask, idempotency_key="one").json() for _ in range(2))
    assert first["request_id"] == again["request_id"]
    (kept,) = set(site.house.store.list("inputs/")) - before
    assert site.house.ledger.get(first["request_id"]).image_key == kept.key
    assert site.client.get(ann.record(first["request_id"])["payload"]["image"]).status_code == 200


def test_calls_at_the_same_time_make_one_request(ann: Account) -> None:
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda _: ann.ask(PROMPT, idempotency_key="one"), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["request_id"] for answer in answers}) == 1
    assert total(ann) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
def test_a_key_that_is_none_is_400(ann: Account, key: str) -> None:
    answer = ann.ask(PROMPT, idempotency_key=key)
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["error"]
    assert total(ann) == 0
