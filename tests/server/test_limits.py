"""What a client hears at a limit, in both dialects; each is checked inside the transaction that would accept."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from rushes.dialects.aimlapi import PATHS
from tests.server.site import GMI, Account, Site

BODY = {"model": "Kling-V2-6", "prompt": "a boat"}


def aiml(account: Account, **headers: str) -> httpx2.Response:
    return account.post(PATHS[0], BODY, **headers)


def limit(site: Site, account: Account, **changes: Any) -> None:
    site.house.ledger.change_owner(account.owner, **changes)


def waits(answer: httpx2.Response) -> int:
    return int(answer.headers["retry-after"])


@pytest.mark.parametrize("by_model", [False, True])
def test_a_rate_limit_is_429_in_the_vendors_words(site: Site, ann: Account, by_model: bool) -> None:
    if by_model:
        site.house.ledger.change_card_limits(ann.owner, "kling-v2-6", per_minute=2)
    else:
        limit(site, ann, per_minute=2)
    for _ in range(2):
        ann.submitted()
    answer = ann.ask({"prompt": "a boat"}, "Kling-V2-6")
    assert answer.status_code == 429
    told = answer.json()
    rate = told["rate_limit"]
    assert told["error"] == (
        "Rate limit exceeded for model Kling-V2-6: 2 requests per 60 seconds. "
        f"Retry in {rate['retry_after_ms']} ms."
    )
    assert (rate["limit_type"], rate["limit"], rate["interval_seconds"]) == ("RPM", 2, 60)
    assert 50_000 < rate["retry_after_ms"] <= 60_000
    assert waits(answer) * 1000 >= rate["retry_after_ms"]
    again = aiml(ann)
    assert (again.status_code, again.json()["message"]) == (429, "Too Many Requests")
    assert 50 < waits(again) <= 60
    other = ann.ask({"prompt": "a boat"}, "kling-v2-5-turbo")
    assert other.status_code == (200 if by_model else 429)


def test_a_full_queue_is_503(site: Site, ann: Account, bob: Account) -> None:
    limit(site, ann, queue_cap=1)
    ann.submitted()
    answer = ann.ask({"prompt": "a boat"})
    assert answer.status_code == 503
    assert answer.json()["error"] == "Upstream capacity temporarily exhausted; please retry later"
    assert answer.json()["request_id"]
    assert waits(answer) >= 1
    again = aiml(ann)
    assert again.status_code == 503
    assert waits(again) >= 1
    assert aiml(bob).status_code == 200


def test_a_spent_budget_is_402_or_the_other_vendors_403(site: Site, ann: Account) -> None:
    request_id = ann.submitted()
    site.finish(site.start(request_id))
    limit(site, ann, day_budget=0.0)
    answer = ann.ask({"prompt": "a boat"})
    assert answer.status_code == 402
    assert answer.json() == {"error": "Insufficient credits. Please add more credits to your account."}
    again = aiml(ann)
    assert again.status_code == 403
    assert again.json()["message"].startswith("You've run out of credits.")


def test_priority_is_bounded_by_the_owners_limit(site: Site, ann: Account) -> None:
    answer = ann.ask({"prompt": "a boat"}, x_priority="1")
    assert answer.status_code == 400
    assert "priority: 1 is above the 0 allowed to this key's owner" in answer.json()["error"]
    limit(site, ann, priority_cap=5)
    first, urgent = ann.submitted(), ann.ask({"prompt": "a boat"}, x_priority="5").json()["request_id"]
    patient = aiml(ann, x_priority="-3").json()["id"]
    assert [ann.record(name)["position"] for name in (urgent, first, patient)] == [0, 1, 2]
    assert aiml(ann, x_priority="6").status_code == 400


@pytest.mark.parametrize("word", ["high", "1.5", "101", "-101", "٣", ""])
def test_a_priority_that_is_none_is_400(ann: Account, word: str) -> None:
    answer = ann.call("POST", f"{GMI}/requests", BODY, headers={"x-priority": word.encode()})
    assert answer.status_code == 400
    assert "X-Priority: must be a whole number from -100 to 100" in answer.json()["error"]
