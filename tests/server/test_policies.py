"""Policies at the door: a refused call is a 400 in its dialect's words, and nothing of it is kept."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rushes.core.audit import Stage
from tests.installed import install_plugins
from tests.plugins import judges
from tests.server.site import Account, Site, open_site, picture

IMAGE = base64.b64encode(picture()).decode()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    install_plugins(
        tmp_path / "site",
        monkeypatch,
        home=Path(judges.__file__).parent,
        name="rushes-test-judges",
        groups={"rushes.policies": "judge = judges:Judge"},
    )
    with open_site(tmp_path / "data", policies="judge", policy_seconds="0.2") as site:
        yield site


@pytest.fixture
def anna(site: Site) -> Account:
    return site.account("anna")


def audited(site: Site) -> list[tuple[str, str, str, str]]:
    return [(e.owner, e.stage, e.decision, e.reason) for e in site.house.ledger.audit()]


def test_a_refusal_is_a_400_in_each_dialect(site: Site, anna: Account) -> None:
    answer = anna.ask({"prompt": "refused"})
    assert answer.status_code == 400
    assert answer.json() == {"error": "refused by policy: not this"}
    other = anna.post("/v2/video/generations", {"model": "kling-v2-6", "prompt": "refused"})
    assert other.status_code == 400
    assert "refused by policy: not this" in other.json()["message"]
    assert site.house.ledger.list().total == 0
    assert audited(site) == [("anna", "submit", "refuse", "not this")] * 2


def test_tags_stand_on_the_record_and_in_the_audit_but_not_in_the_answer(site: Site, anna: Account) -> None:
    request_id = anna.submitted({"prompt": "tagged"})
    assert site.house.ledger.get(request_id).tags == ("sea", "night")
    (entry,) = site.house.ledger.audit(request_id)
    assert (entry.policy, entry.stage, entry.tags) == ("judge", Stage.SUBMIT, ("sea", "night"))
    assert "night" not in anna.get(f"/api/v1/ie/requestqueue/apikey/requests/{request_id}").text


def test_the_decoded_image_of_the_call_is_seen(site: Site, anna: Account) -> None:
    request_id = anna.submitted({"prompt": "bright", "image": IMAGE})
    assert site.house.ledger.get(request_id).tags == ("dark",)


def test_a_refused_image_is_not_kept(site: Site, anna: Account) -> None:
    assert anna.ask({"prompt": "refused", "image": IMAGE}).status_code == 400
    assert list(site.house.store.list()) == []


@pytest.mark.parametrize("mood", ["broken", "hang"])
def test_a_failed_policy_refuses_unless_it_may_not(
    site: Site, anna: Account, tmp_path: Path, mood: str
) -> None:
    answer = anna.ask({"prompt": mood})
    assert answer.status_code == 400
    assert answer.json() == {"error": "refused by policy: it could not be checked"}
    lenient: dict[str, Any] = {"policies": "judge", "policy_seconds": "0.2", "policy_failure": "allow"}
    with open_site(tmp_path / "other", **lenient) as other:
        request_id = other.account("bob").submitted({"prompt": mood})
        assert other.house.ledger.get(request_id).tags == ()
        assert [entry.decision for entry in other.house.ledger.audit(request_id)] == ["allow"]


def test_a_call_that_is_wrong_by_itself_is_no_matter_for_policies(site: Site, anna: Account) -> None:
    assert anna.ask({"prompt": "refused", "duration": "7"}).status_code == 400
    assert audited(site) == []


def test_a_call_that_comes_again_is_not_judged_again(site: Site, anna: Account) -> None:
    first, second = (anna.ask({"prompt": "tagged"}, idempotency_key="k") for _ in range(2))
    assert first.json()["request_id"] == second.json()["request_id"]
    assert len(audited(site)) == 1
    assert anna.ask({"prompt": "refused"}, idempotency_key="k").status_code == 422
    assert len(audited(site)) == 1
