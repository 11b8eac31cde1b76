"""From a studio's files to the store's: judged before anybody sees them, signed by the worker, and logged."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog
from structlog.typing import EventDict

from rushes.core.audit import Stage
from rushes.core.errors import LedgerUnavailable
from rushes.core.request import Status
from rushes.logs import _discreet
from rushes.media.certificates import make_test_certificate
from rushes.media.credentials import Sealer
from rushes.media.provenance import file_sha256, is_signed, read_mark
from rushes.policies.panel import Panel
from tests.plugins.judges import Judge
from tests.worker.house import House, eventually
from tests.worker.test_loop import working


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    made = make_test_certificate(tmp_path / "certificate")
    return Sealer(made.chain, made.key, "es256", version="1")


def stored(house: House, key: str | None) -> Path:
    path = house.store.local_path(str(key))
    assert path is not None
    return path


def test_a_refused_result_fails_at_once_and_is_never_stored(house: House) -> None:
    judge = Judge({"stage": "result", "mood": "refused"})
    with working(house, panel=Panel({"judge": judge}, house.ledger.record)):
        ended = house.ended(house.submit())
    assert (ended.status, ended.error, ended.error_name) == (
        Status.FAILED,
        "refused by policy: not this",
        "Refused",
    )
    assert house.files(ended.id) == []
    assert [(a.ended_by, a.error_name) for a in house.ledger.attempts(ended.id)] == [("fail", "Refused")]
    (entry,) = house.ledger.audit(ended.id)
    assert (entry.policy, entry.stage, entry.decision, entry.reason) == (
        "judge",
        Stage.RESULT,
        "refuse",
        "not this",
    )


def test_the_thumbnail_and_the_outcome_are_seen_before_success(house: House) -> None:
    judge = Judge({"stage": "result", "mood": "bright"})
    with working(house, panel=Panel({"judge": judge}, house.ledger.record)):
        ended = house.assert_one_result(house.submit("tagged"))
    assert ended.tags in (("bright",), ("dark",))
    (case,) = judge.seen
    assert (case.request_id, case.owner, case.shot.prompt) == (ended.id, "ann", "tagged")
    pixels = case.pixels()
    assert pixels is not None
    assert pixels.shape == (54, 96, 3)
    assert case.outcome is not None
    assert case.outcome.frames == 20


def test_the_worker_beats_while_a_policy_ponders(hasty: House) -> None:
    """The lease lasts a second; the policy takes until the request has been renewed far beyond it."""
    judge = Judge({"stage": "result", "mood": "hang"})
    with working(hasty, panel=Panel({"judge": judge}, hasty.ledger.record, seconds=30.0)):
        request_id = hasty.submit()
        eventually(lambda: judge.seen, "question")
        asked = hasty.ledger.get(request_id).revision
        eventually(lambda: hasty.ledger.get(request_id).revision > asked + 12, "beats")
        judge.go.set()
        assert hasty.assert_one_result(request_id).fence == 1


def test_a_result_waits_until_the_audit_can_be_written(house: House) -> None:
    away = [True]

    def record(decisions: object) -> None:
        if away:
            away.clear()
            raise LedgerUnavailable("the database is away")

    with working(house, panel=Panel({"judge": Judge()}, record)):
        ended = house.assert_one_result(house.submit())
    assert [a.error_name for a in house.ledger.attempts(ended.id)] == ["SetupError", None]
    assert ended.failures == 0


def test_video_and_thumbnail_are_signed_and_the_record_says_so(house: House, sealer: Sealer) -> None:
    import c2pa

    with working(house, sealer=sealer):
        ended = house.assert_one_result(house.submit())
    outcome = ended.outcome
    assert outcome is not None
    assert (outcome.credentials, outcome.source) == ("rushes", "algorithmicMedia")
    video = stored(house, outcome.video)
    assert is_signed(video)
    assert (outcome.sha256, outcome.size) == (file_sha256(video), video.stat().st_size)
    for path in (video, stored(house, outcome.thumbnail)):
        with c2pa.Reader(str(path)) as reader:
            assert reader.get_validation_state() == "Valid"
    assert read_mark(stored(house, outcome.preview)) is not None


def test_an_upstreams_signed_video_stays_as_it_came(house: House, sealer: Sealer) -> None:
    with working(house, sealer=sealer):
        ended = house.assert_one_result(house.submit("file"))
    outcome = ended.outcome
    assert outcome is not None
    assert outcome.credentials == "upstream"
    video = stored(house, outcome.video)
    assert not is_signed(video)
    assert read_mark(video) is None
    assert outcome.sha256 == file_sha256(video)


def test_every_published_file_is_logged_with_its_hash(house: House) -> None:
    lines: list[EventDict] = []

    def keep(_logger: object, method: str, line: EventDict) -> EventDict:
        lines.append({**line, "level": method})
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, _discreet, keep])
    try:
        with working(house):
            ended = house.assert_one_result(house.submit())
    finally:
        structlog.configure(**before)
    told = {line["file"]: line for line in lines if line["event"] == "published"}
    assert sorted(told) == house.files(ended.id)
    for key, line in told.items():
        path = stored(house, key)
        assert (line["sha256"], line["size"]) == (file_sha256(path), path.stat().st_size)
        assert (line["request"], line["level"]) == (ended.id, "info")
