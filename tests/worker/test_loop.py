"""The worker's loop in a thread, over a real ledger, store and studios: how every kind of attempt ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rushes.core.errors import DiskFull, LedgerUnavailable, SetupError
from rushes.core.request import Lease, Outcome, Phase, Request, Status
from rushes.ledger.queue import Ledger
from rushes.store.base import StoredObject
from rushes.store.objects import FolderStore
from rushes.worker.loop import Worker
from tests.worker.house import CARD, House, eventually, gone, make_worker


@contextmanager
def working(house: House, ledger: Ledger | None = None, **config: Any) -> Iterator[Worker]:
    worker = make_worker(house.data, ledger or house.ledger, **config)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        worker.stop()
        thread.join()


class Diary(Ledger):
    """A ledger that can be made unreachable, and remembers the beats that it took."""

    def __init__(self, house: House) -> None:
        super().__init__(
            f"sqlite:///{house.data / 'ledger.sqlite3'}",
            lease_seconds=house.lease_seconds,
            backoff=lambda failures: 0.05,
        )
        self.beats: list[tuple[Phase, float]] = []
        self.claims: list[tuple[str | None, float]] = []
        self.away = threading.Event()
        self.missed = 0

    def claim(self, worker: str, cards: Any, resident: str | None = None, load_seconds: float = 0.0) -> Any:
        self._here()
        self.claims.append((resident, load_seconds))
        return super().claim(worker, cards, resident, load_seconds)

    def beat(
        self, lease: Lease, phase: Phase, progress: float, note: str = "", live_preview: str | None = None
    ) -> None:
        self._here()
        self.beats.append((phase, progress))
        super().beat(lease, phase, progress, note, live_preview)

    def finish(self, lease: Lease, outcome: Outcome, tags: Sequence[str] = ()) -> None:
        self._here()
        super().finish(lease, outcome, tags)

    def _here(self) -> None:
        if self.away.is_set():
            self.missed += 1
            raise LedgerUnavailable("the database is away")


@pytest.fixture
def diary(house: House) -> Iterator[Diary]:
    diary = Diary(house)
    yield diary
    diary.close()


def test_an_idle_worker_is_woken_by_a_submit(house: House, diary: Diary) -> None:
    with working(house, diary, warm=[CARD]):
        eventually(lambda: diary.claims, "first look")
        house.assert_one_result(house.submit())
        assert len(diary.claims) <= 4, "it polls"
    assert not list((house.data / "work").iterdir())


def test_a_worker_stands_in_the_roster_while_it_runs(house: House) -> None:
    with working(house):
        (entry,) = eventually(house.ledger.workers, "entry")
        assert entry.cards == (CARD,)
    assert house.ledger.workers() == ()


def test_progress_only_rises_and_ends_with_success(house: House, diary: Diary) -> None:
    with working(house, diary, beat_seconds=0.02):
        request = house.assert_one_result(house.submit())
    assert request.progress == 1.0
    told = [progress for _, progress in diary.beats]
    assert told == sorted(told)
    assert all(0 <= progress <= 1 for progress in told)


def test_one_studio_serves_one_request_after_the_other(house: House) -> None:
    with working(house):
        for request_id in [house.submit(), house.submit(), house.submit()]:
            house.assert_one_result(request_id)
    assert len(set(house.told("rendering", 3))) == 1


def test_the_staged_image_reaches_the_engine(house: House) -> None:
    from PIL import Image

    path = house.data / "grey.png"
    Image.new("RGB", (32, 32), "grey").save(path)
    house.store.put("inputs/request-1.png", path)
    with working(house):
        with_image = house.assert_one_result(house.submit(image_key="inputs/request-1.png"))
        without = house.assert_one_result(house.submit())
    assert _sha256(with_image) != _sha256(without)


@pytest.mark.parametrize("image", [b"no picture", None])
def test_a_bad_image_ends_the_request_and_harms_no_studio(house: House, image: bytes | None) -> None:
    if image is not None:
        house.store.put("inputs/bad.png", image)
    with working(house):
        house.assert_one_result(house.submit())
        request = house.ended(house.submit(image_key="inputs/bad.png"))
        assert (request.status, request.error_name) == (Status.FAILED, "BadImage")
        house.assert_one_result(house.submit())
    assert len(set(house.told("rendering", 2))) == 1


def test_an_obedient_engine_is_cancelled_and_used_again(house: House) -> None:
    with working(house):
        request_id = house.submit("wait")
        house.told("waiting")
        house.ledger.cancel(request_id)
        house.assert_one_result(house.submit())
    assert house.ledger.get(request_id).status is Status.CANCELLED
    assert len(set(house.told("rendering", 2))) == 1


def test_a_disobedient_engine_is_killed(house: House) -> None:
    with working(house, grace=0.1):
        request_id = house.submit("hang")
        (pid,) = house.told("hanging")
        house.ledger.cancel(request_id)
        eventually(lambda: gone(pid), "end of the studio")
        house.assert_one_result(house.submit())
    assert house.ledger.get(request_id).status is Status.CANCELLED
    assert house.files(request_id) == []


@pytest.mark.parametrize(
    ("mood", "tries", "name", "sentence"),
    [
        ("give up", 3, "EngineError", "the engine gave up"),
        ("crash", 3, "WorkerLost", "worker lost: the studio was killed by SIGKILL"),
        ("oom", 1, "OutOfMemory", "out of memory at decode: 5 s at 720p would fit"),
        ("short", 1, "BadOutput", "the engine gave 19 frames: it must give exactly 20"),
    ],
)
def test_failures_are_tried_again_where_that_may_help_but_never_for_ever(
    house: House, mood: str, tries: int, name: str, sentence: str
) -> None:
    with working(house):
        request_id = house.submit(mood)
        request = house.ended(request_id)
        house.assert_one_result(house.submit())
    assert (request.status, request.error_name, request.error) == (Status.FAILED, name, sentence)
    assert [attempt.error_name for attempt in house.ledger.attempts(request_id)] == [name] * tries
    assert house.files(request_id) == []


def test_a_hung_engine_is_worker_lost(house: House) -> None:
    with working(house, stall=0.5, engines={CARD: {"load_seconds": 5.0}}):
        request_id = house.submit("hang")
        house.told("hanging")
        eventually(lambda: house.ledger.get(request_id).failures == 1, "first failure")
        house.ledger.cancel(request_id)
    (first, *_) = house.ledger.attempts(request_id)
    assert (first.error_name, first.phase) == ("WorkerLost", Phase.RENDER)


def test_one_crash_costs_one_failure(house: House) -> None:
    with working(house):
        request = house.assert_one_result(house.submit("crash once"))
    assert (request.fence, request.failures) == (2, 1)


def test_a_drain_lets_the_attempt_end(house: House) -> None:
    with working(house) as worker:
        request_id, later = house.submit("hold"), house.submit()
        house.told("half")
        worker.stop()
        house.signal("go on")
        house.assert_one_result(request_id)
    assert house.ledger.get(later).status is Status.QUEUED
    assert house.ledger.get(later).fence == 0


@pytest.mark.parametrize("patient", [True, False])
def test_what_the_drain_does_not_end_is_given_back_unharmed(house: House, patient: bool) -> None:
    with working(house, drain_seconds=20.0 if patient else 0.1) as worker:
        request_id = house.submit("hang")
        house.told("hanging")
        worker.stop()
        if patient:
            worker.stop()
        eventually(lambda: house.ledger.get(request_id).status is Status.QUEUED, "release")
    request = house.ledger.get(request_id)
    assert (request.fence, request.failures) == (1, 0)
    assert [attempt.ended_by for attempt in house.ledger.attempts(request_id)] == ["release"]


class FullStore(FolderStore):
    """Refuses the first `times` files."""

    def __init__(self, root: Path, times: int) -> None:
        super().__init__(root)
        self.times = times

    def put(self, key: str, data: bytes | Path) -> StoredObject:
        if self.times:
            self.times -= 1
            raise DiskFull(f"no space left for {key}")
        return super().put(key, data)


def test_a_full_disk_costs_time_and_no_request(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rushes.worker.pause.FIRST", 0.01)
    with working(house, store=FullStore(house.data / "files", times=4)):
        request_id = house.submit()
        request = house.assert_one_result(request_id)
    assert (request.fence, request.failures) == (5, 0)
    assert house.ledger.attempts(request_id)[0].error == f"no space left for {request_id}/1.mp4"


def test_a_worker_that_cannot_reach_the_ledger_stops_when_its_lease_must_have_lapsed(hasty: House) -> None:
    diary = Diary(hasty)
    with working(hasty, diary):
        request_id = hasty.submit("hang")
        (pid,) = hasty.told("hanging")
        diary.away.set()
        eventually(lambda: gone(pid), "end of the studio")
        assert diary.missed > 3
        diary.away.clear()
        eventually(lambda: len(hasty.told("hanging")) == 2, "second try")
        hasty.ledger.cancel(request_id)
    verbs = [attempt.ended_by for attempt in hasty.ledger.attempts(request_id)]
    assert verbs == ["take over", "cancel"]
    diary.close()


def test_a_short_absence_of_the_ledger_at_the_end_loses_nothing(
    house: House, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushes.worker.pause.FIRST", 0.01)
    with working(house, diary):
        request_id = house.submit("hold")
        house.told("half")
        diary.away.set()
        house.signal("go on")
        eventually(lambda: house.files(request_id), "uploaded files")
        seen = diary.missed
        eventually(lambda: diary.missed > seen + 2, "refused writes")
        diary.away.clear()
        request = house.assert_one_result(request_id)
    assert (request.fence, request.failures) == (1, 0)


def test_engines_are_loaded_at_the_start_where_told_so(house: House) -> None:
    with working(house, engines={CARD: {"load": "mark"}}, warm=[CARD]):
        house.told("loaded")
        assert not (house.signals / "rendering").exists()


def test_a_worker_is_stopped_while_it_loads_at_the_start(house: House) -> None:
    with working(house, engines={CARD: {"load": "hang"}}, warm=[CARD], grace=0.1) as worker:
        (pid,) = house.told("hanging")
        worker.stop()
        eventually(lambda: gone(pid), "end of the studio")


def test_two_engines_that_fit_stay_loaded_and_the_third_replaces_the_oldest(
    house: House, diary: Diary
) -> None:
    engines = {name: {"memory": 40, "fps": fps} for name, fps in [("a", 2), ("b", 3), ("c", 4)]}
    with working(house, diary, engines=engines, memory={"cpu": 100}):
        for card in ("a", "b", "a", "c", "a", "b"):
            house.assert_one_result(house.submit(card=card))
    a, b, a_again, c, a_still, b_anew = house.told("rendering", 6)
    assert a == a_again == a_still
    assert len({a, b, c, b_anew}) == 4
    assert ("a", 0.1) in diary.claims


def test_a_card_with_wrong_options_is_refused_at_the_start(house: House) -> None:
    with pytest.raises(SetupError, match="unknown options \\['paint'\\]"):
        make_worker(house.data, house.ledger, engines={CARD: {"paint": 1}})


def _sha256(request: Request) -> str:
    assert request.outcome is not None
    return request.outcome.sha256
