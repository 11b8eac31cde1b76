"""The sweep removes what nobody needs, and nothing else."""

from __future__ import annotations

import time
from typing import Any

from rushes.core.audit import Decision, Stage
from rushes.core.clock import Clock
from rushes.core.errors import BadOutput
from rushes.core.request import Lease, Outcome, Status
from rushes.worker.sweep import HOUR, Sweeper
from tests.worker.house import CARD, House, eventually


def claim(house: House) -> Lease:
    lease = house.ledger.claim("worker", [CARD]).lease
    assert lease is not None
    return lease


def put(house: House, *keys: str) -> None:
    for key in keys:
        house.store.put(key, b"bytes")


def finish(house: House, lease: Lease) -> None:
    base = f"{lease.request_id}/{lease.fence}"
    put(house, f"{base}.mp4", f"{base}.jpg")
    house.ledger.finish(lease, Outcome(video=f"{base}.mp4", thumbnail=f"{base}.jpg"))


def keys(house: House) -> set[str]:
    return {stored.key for stored in house.store.list()}


def sweeper(house: House, later: float = 0.0, **config: Any) -> Sweeper:
    clock = Clock(now=lambda: time.time() + later)
    return Sweeper(house.ledger, house.store, work=house.data / "work", clock=clock, **config)


def test_results_stay_while_their_fence_or_their_outcome_names_them(house: House) -> None:
    house.submit()
    zombie = claim(house)
    house.ledger.release(zombie)
    running = claim(house)
    put(house, "request-1/1.mp4", "request-1/2.mp4", "request-1/2.jpg")
    sweeper(house, later=2 * HOUR).sweep_files()
    assert keys(house) == {"request-1/2.mp4", "request-1/2.jpg"}

    finish(house, running)
    put(house, "request-1/3.mp4")
    sweeper(house, later=2 * HOUR).sweep_files()
    assert keys(house) == {"request-1/2.mp4", "request-1/2.jpg"}


def test_nothing_stays_of_a_failed_request_or_of_nobodys(house: House) -> None:
    house.submit()
    lease = claim(house)
    put(house, "request-1/1.mp4", "nobody/1.mp4", "inputs/nobody.jpg")
    house.ledger.fail(lease, BadOutput("no"))
    sweeper(house, later=2 * HOUR).sweep_files()
    assert keys(house) == set()


def test_young_files_are_left_alone(house: House) -> None:
    put(house, "nobody/1.mp4", "uploads/ann/1")
    sweeper(house).sweep_files()
    assert keys(house) == {"nobody/1.mp4", "uploads/ann/1"}
    sweeper(house, later=2 * HOUR).sweep_files()
    assert keys(house) == {"uploads/ann/1"}
    sweeper(house, later=25 * HOUR).sweep_files()
    assert keys(house) == set()


def test_images_of_live_requests_are_pinned(house: House) -> None:
    put(house, "inputs/request-1.png", "uploads/ann/1")
    house.submit(image_key="inputs/request-1.png")
    house.submit(image_key="uploads/ann/1")
    sweeper(house, later=1000 * HOUR).sweep_files()
    assert keys(house) == {"inputs/request-1.png", "uploads/ann/1"}


def test_files_go_when_their_time_has_passed_and_the_record_stays(house: House) -> None:
    put(house, "inputs/request-1.png")
    for request_id in (house.submit(keep_for=0.0, image_key="inputs/request-1.png"), house.submit()):
        lease = claim(house)
        assert lease.request_id == request_id
        finish(house, lease)
    sweep = sweeper(house, later=2 * HOUR)
    sweep.sweep_requests()
    sweep.sweep_files()
    assert keys(house) == {"request-2/1.mp4", "request-2/1.jpg"}
    record = house.ledger.get("request-1")
    assert record.status is Status.SUCCESS
    assert record.expired_at is not None


def test_scratch_folders_stay_while_their_attempt_runs(house: House) -> None:
    house.submit()
    house.ledger.release(claim(house))
    claim(house)
    work = house.data / "work"
    for name in ("request-1.1", "request-1.2", "nobody.1", "not ours"):
        (work / name).mkdir(parents=True)
        (work / name / "video.mp4").write_bytes(b"half")
    sweeper(house).sweep_files()
    assert {path.name for path in work.iterdir()} == {"request-1.2", "not ours"}


def test_decisions_of_policies_go_when_the_operator_says_so(house: House) -> None:
    decided = Decision(request_id="r", owner="ann", policy="words", stage=Stage.SUBMIT, decision="allow")
    house.ledger.record([decided])
    for kept in (None, HOUR):
        sweeper(house, audit_age=kept).sweep_audit()
        assert len(house.ledger.audit()) == 1
    sweeper(house, audit_age=-1.0).sweep_audit()
    assert house.ledger.audit() == ()


def test_what_waited_too_long_ends_in_the_background(house: House) -> None:
    (house.data / "work" / "nobody.1").mkdir(parents=True)
    request_id = house.submit(start_within=0.0)
    sweep = sweeper(house, every=0.01)
    sweep.start()
    assert house.ended(request_id).status is Status.FAILED
    eventually(lambda: not (house.data / "work" / "nobody.1").exists(), "removal")
    sweep.stop()
