"""What an owner's limits look like to his clients: the status, the sentence that they match, and when to come again."""

from __future__ import annotations

import re
from typing import Any

from rushes.dialects.aimlapi import PATHS
from rushes.ledger.rows import Owner
from tests.server.site import Account, Site

PROMPT = {"prompt": "a boat"}
AIMLAPI = {"model": "kling-v2-6", **PROMPT}


def limit(site: Site, account: Account, **limits: Any) -> None:
    site.house.ledger.put_owner(Owner(name=account.owner, **limits))


def test_a_full_queue_is_503_until_there_is_room(site: Site, ann: Account, bob: Account) -> None:
    limit(site, ann, queue_cap=1)
    waiting = ann.submitted()
    answer = ann.ask(PROMPT)
    assert answer.status_code == 503
    assert answer.json()["error"] == "Upstream capacity temporarily exhausted; please retry later"
    assert answer.json()["request_id"]
    assert int(answer.headers["retry-after"]) >= 1
    assert ann.post(PATHS[0], AIMLAPI).status_code == 503
    assert bob.ask(PROMPT).status_code == 200
    ann.call("DELETE", f"/api/v1/ie/requestqueue/apikey/requests/{waiting}")
    assert ann.ask(PROMPT).status_code == 200


def test_too_many_calls_are_429_with_all_that_clients_read(site: Site, ann: Account) -> None:
    limit(site, ann, per_minute=2)
    assert [ann.ask(PROMPT).status_code for _ in range(2)] == [200, 200]
    answer = ann.ask(PROMPT)
    assert answer.status_code == 429
    body = answer.json()
    told = re.fullmatch(
        r"Rate limit exceeded for model kling-v2-6: 2 requests per 60 seconds\. Retry in (\d+) ms\.",
        body["error"],
    )
    assert told, body["error"]
    rate = body["rate_limit"]
    assert (rate["limit_type"], rate["limit"], rate["interval_seconds"]) == ("RPM", 2, 60)
    assert rate["retry_after_ms"] == int(told[1])
    assert 50_000 < rate["retry_after_ms"] <= 60_000
    assert int(answer.headers["retry-after"]) * 1000 >= rate["retry_after_ms"]
    other = ann.post(PATHS[0], AIMLAPI)
    assert (other.status_code, other.json()["message"]) == (429, "Too Many Requests")
    assert int(other.headers["retry-after"]) > 50


def test_a_spent_budget_is_402_here_and_403_there(site: Site, ann: Account) -> None:
    limit(site, ann, day_budget=0.0)
    answer = ann.ask(PROMPT)
    assert answer.status_code == 402
    assert answer.json() == {"error": "Insufficient credits. Please add more credits to your account."}
    other = ann.post(PATHS[0], AIMLAPI)
    assert other.status_code == 403
    assert other.json()["message"].startswith("You've run out of credits")


def test_polls_are_never_limited(site: Site, ann: Account) -> None:
    request_id = ann.submitted()
    limit(site, ann, per_minute=0, queue_cap=0, day_budget=0.0)
    for _ in range(20):
        assert ann.record(request_id)["status"] == "queued"
