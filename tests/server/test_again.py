"""Requests made anew, their attempts, lists by status, operators' keys, and what is left when the time of files is
over."""

from __future__ import annotations

import base64

import pytest

from rushes.core.errors import BadOutput, EngineError
from rushes.dialects.aimlapi import PATHS
from rushes.worker.sweep import Sweeper
from tests.server.site import GMI, Account, Site, picture


def fail(site: Site, account: Account, payload: dict[str, object] | None = None) -> str:
    request_id = account.submitted(payload)
    site.fail(site.start(request_id), BadOutput("the clip is black"))
    return request_id


def expire(site: Site) -> None:
    """Let the time of everything that has ended be over, and sweep."""
    ledger = site.house.ledger
    ledger.db.write(
        lambda c: c.exec_driver_sql("UPDATE requests SET keep_until = 0 WHERE finished_at > 0").rowcount
    )
    Sweeper(ledger, site.house.store, work=site.house.folder.work).sweep_requests()


def test_a_failed_request_is_made_anew_as_the_same_shot(site: Site, ann: Account) -> None:
    image = base64.b64encode(picture(noise=True)).decode()
    old = fail(site, ann, {"prompt": "a boat", "image": image, "duration": 10})
    answer = ann.post(f"{GMI}/requests/{old}/retry", None)
    assert answer.status_code == 200, answer.text
    receipt = answer.json()
    assert (receipt["status"], receipt["retry_of"]) == ("queued", old)
    new = receipt["request_id"]
    ledger = site.house.ledger
    assert ledger.get(new).shot == ledger.get(old).shot
    assert ledger.get(new).image_key == ledger.get(old).image_key is not None
    record = ann.record(new)
    assert record["retry_of"] == old
    assert record["payload"].keys() == {"prompt", "image", "duration"}
    assert site.client.get(record["payload"]["image"]).status_code == 200
    assert site.start(new).image_key == ledger.get(old).image_key
    assert "retry_of" not in ann.record(old)


def test_a_retry_is_safe_to_repeat(site: Site, ann: Account) -> None:
    old = fail(site, ann)
    twice = [ann.post(f"{GMI}/requests/{old}/retry", None, idempotency_key="k").json() for _ in range(2)]
    assert twice[0] == twice[1]
    assert ann.get(f"{GMI}/requests").json()["total"] == 2


def test_a_retry_counts_as_one_more_submission(site: Site, ann: Account) -> None:
    old = fail(site, ann)
    site.house.ledger.change_owner(ann.owner, per_minute=1)
    assert ann.post(f"{GMI}/requests/{old}/retry", None).status_code == 429


@pytest.mark.parametrize("status", ["queued", "processing", "success"])
def test_only_what_failed_or_was_cancelled_is_made_anew(site: Site, ann: Account, status: str) -> None:
    request_id = ann.submitted()
    if status != "queued":
        lease = site.start(request_id)
        if status == "success":
            site.finish(lease)
    answer = ann.post(f"{GMI}/requests/{request_id}/retry", None)
    assert answer.status_code == 409
    assert answer.json()["error"] == f"request is {status}: only a failed or cancelled one can be made anew"


def test_a_cancelled_one_may_be_made_anew_but_not_by_others(site: Site, ann: Account, bob: Account) -> None:
    request_id = ann.submitted()
    ann.call("DELETE", f"{GMI}/requests/{request_id}")
    assert bob.post(f"{GMI}/requests/{request_id}/retry", None).status_code == 404
    assert bob.get(f"{GMI}/requests/{request_id}/attempts").status_code == 404
    assert ann.post(f"{GMI}/requests/{request_id}/retry", None).status_code == 200


def test_a_repeated_submit_gets_the_first_answer_whatever_became_of_it(site: Site, ann: Account) -> None:
    first = ann.ask({"prompt": "a boat"}, idempotency_key="one")
    lease = site.start(first.json()["request_id"])
    assert ann.ask({"prompt": "a boat"}, idempotency_key="one").json() == first.json()
    site.finish(lease)
    assert ann.ask({"prompt": "a boat"}, idempotency_key="one").json() == first.json()
    assert first.json()["status"] == "queued"
    assert first.json()["updated_at"] == first.json()["queued_at"]


def test_attempts_are_told_with_their_reasons(site: Site, ann: Account) -> None:
    request_id = ann.submitted()
    lease = site.start(request_id)
    site.beat(lease, 0.5)
    site.fail(lease, EngineError("no memory left"))
    told = ann.get(f"{GMI}/requests/{request_id}/attempts").json()
    assert told["request_id"] == request_id
    (attempt,) = told["attempts"]
    assert attempt["seconds"] >= 0
    del attempt["seconds"], attempt["started_at"]
    assert attempt == {
        "number": 1,
        "phase": "render",
        "ended_by": "retry",
        "error": "no memory left",
        "error_name": "EngineError",
    }


def test_lists_by_status(site: Site, ann: Account) -> None:
    failed = [fail(site, ann) for _ in range(3)]
    ann.submitted()
    page = ann.get(f"{GMI}/requests", status="failed", limit="2").json()
    assert ([r["request_id"] for r in page["requests"]], page["total"]) == (failed[:0:-1], 3)
    rest = ann.get(f"{GMI}/requests", status="failed", cursor=page["next_cursor"]).json()
    assert [r["request_id"] for r in rest["requests"]] == failed[:1]
    assert ann.get(f"{GMI}/requests", status="lost").status_code == 400


def test_an_operators_key_sees_everybodys_requests(site: Site, ann: Account, bob: Account) -> None:
    chief = Account(site, "chief", str(site.house.ledger.create_key("chief", admin=True)))
    request_id = ann.submitted()
    record = chief.record(request_id)
    assert record["user_id"] == ann.owner
    assert ann.owner in {r["user_id"] for r in chief.get(f"{GMI}/requests").json()["requests"]}
    assert bob.get(f"{GMI}/requests/{request_id}").status_code == 404
    lease = site.start(request_id)
    tries = chief.get(f"{GMI}/requests/{request_id}/attempts").json()["attempts"]
    assert tries[0]["worker"] == lease.worker
    assert "worker" not in ann.get(f"{GMI}/requests/{request_id}/attempts").json()["attempts"][0]
    assert chief.call("DELETE", f"{GMI}/requests/{request_id}").json()["status"] == "cancelled"
    again = chief.post(f"{GMI}/requests/{request_id}/retry", None).json()["request_id"]
    assert ann.record(again)["user_id"] == ann.owner


def test_the_record_outlives_its_files(site: Site, ann: Account) -> None:
    image = base64.b64encode(picture(noise=True)).decode()
    done = ann.submitted({"prompt": "a boat", "image": image})
    site.finish(site.start(done))
    failed = fail(site, ann, {"prompt": "a boat", "image": image})
    before = ann.record(done)
    expire(site)
    after = ann.record(done)
    assert after["status"] == "success"
    assert after["outcome"]["expired"] is True
    assert "expired" not in before["outcome"]
    gone = [
        after["outcome"]["video_url"],
        before["outcome"]["thumbnail_image_url"],
        after["payload"]["image"],
    ]
    for url in gone:
        answer = site.client.get(url)
        assert answer.status_code == 410
        assert "kept for its time" in answer.json()["error"]
    assert list(site.house.store.list(f"{done}/")) == []
    assert ann.record(failed)["outcome"]["expired"] is True
    again = ann.post(f"{GMI}/requests/{failed}/retry", None)
    assert (again.status_code, "input image" in again.json()["error"]) == (410, True)
    video = ann.get(PATHS[0], generation_id=done).json()["video"]
    assert video["expired"] is True
    assert site.client.get(video["url"]).status_code == 410


def test_an_image_that_another_request_needs_stays(site: Site, ann: Account) -> None:
    image = base64.b64encode(picture(noise=True)).decode()
    old = fail(site, ann, {"prompt": "a boat", "image": image})
    new = ann.post(f"{GMI}/requests/{old}/retry", None).json()["request_id"]
    expire(site)
    assert site.client.get(ann.record(new)["payload"]["image"]).status_code == 200
    site.fail(site.start(new), BadOutput("black"))
    expire(site)
    assert site.client.get(ann.record(new)["payload"]["image"]).status_code == 410
