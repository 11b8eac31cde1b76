"""Real worker processes, killed, stopped and orphaned: every request ends once, with one visible result."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from rushes.core.request import Status
from tests.worker.house import House, children, eventually, gone, kill

PHASES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "load": ({"engines": {"colour-card": {"load": "wait"}}}, "", "waiting", "go"),
    "render": ({}, "hold", "half", "go on"),
    "upload": ({"hold_put": True}, "", "putting", "put"),
}
"""How workers are set up, the shot's mood, the mark of a process in that phase, and the signal that lets it go on."""


def holder(house: House, request_id: str) -> int:
    """The worker process that has the request."""
    return int(house.ledger.attempts(request_id)[-1].worker.removeprefix("worker-"))


@pytest.mark.parametrize("phase", PHASES)
def test_a_killed_worker_is_followed_by_another(hasty: House, phase: str) -> None:
    config, mood, mark, go = PHASES[phase]
    with hasty.worker(**config), hasty.worker(**config):
        request_id = hasty.submit(mood)
        hasty.told(mark)
        victim = holder(hasty, request_id)
        studios = children(victim)
        kill(victim)
        hasty.signal(go)
        request = hasty.assert_one_result(request_id)
        assert holder(hasty, request_id) != victim
        assert studios
        for studio in studios:
            eventually(lambda pid=studio.pid: gone(pid), "end of the orphan")
    assert (request.fence, request.failures) == (2, 1)
    assert [attempt.ended_by for attempt in hasty.ledger.attempts(request_id)] == ["take over", "finish"]


@pytest.mark.parametrize("phase", ["load", "render"])
def test_a_killed_studio_is_followed_by_another(hasty: House, phase: str) -> None:
    config, mood, mark, go = PHASES[phase]
    with hasty.worker(**config):
        request_id = hasty.submit(mood)
        kill(hasty.told(mark)[0])
        hasty.signal(go)
        request = hasty.assert_one_result(request_id)
    assert (request.fence, request.failures) == (2, 1)
    (lost, _) = hasty.ledger.attempts(request_id)
    assert (lost.ended_by, lost.error) == ("retry", "worker lost: the studio was killed by SIGKILL")


def test_all_killed_at_once_lose_nothing(hasty: House) -> None:
    with hasty.worker() as worker:
        request_ids = [hasty.submit("hold"), hasty.submit()]
        studio = hasty.told("half")[0]
        kill(worker.pid)
        kill(studio)
    hasty.signal("go on")
    with hasty.worker():
        for request_id in request_ids:
            hasty.assert_one_result(request_id)


def test_the_late_write_of_a_zombie_is_refused(hasty: House) -> None:
    with hasty.worker() as one, hasty.worker() as two:
        request_id = hasty.submit("hold")
        hasty.told("half")
        zombie = one if holder(hasty, request_id) == one.pid else two
        zombie.send_signal(signal.SIGSTOP)
        hasty.signal("go on")
        request = hasty.assert_one_result(request_id)
        zombie.send_signal(signal.SIGCONT)
        eventually(lambda: "verb=lost" in (hasty.data / "worker.log").read_text(), "refusal")
        other = two if zombie is one else one
        other.terminate()
        assert other.wait(20) == 0
        later = hasty.assert_one_result(hasty.submit())  # the zombie works again
        assert holder(hasty, later.id) == zombie.pid
    assert hasty.assert_one_result(request_id) == request
    assert request.fence == 2


def test_sigterm_drains_and_the_exit_is_clean(house: House) -> None:
    with house.worker() as worker:
        request_id = house.submit("hold")
        studio = house.told("half")[0]
        worker.terminate()
        eventually(lambda: "stopping" in (house.data / "worker.log").read_text(), "signal heard")
        house.signal("go on")
        assert worker.wait(20) == 0
    house.assert_one_result(request_id)
    assert gone(studio)
    assert house.ledger.workers() == ()


def test_a_second_sigterm_gives_the_request_back_at_once(house: House) -> None:
    with house.worker() as worker:
        request_id = house.submit("hang")
        studio = house.told("hanging")[0]
        worker.terminate()
        worker.send_signal(signal.SIGINT)
        assert worker.wait(20) == 0
    request = house.ledger.get(request_id)
    assert (request.status, request.fence, request.failures) == (Status.QUEUED, 1, 0)
    assert gone(studio)


def test_a_worker_ends_with_its_parent(house: House) -> None:
    with house.worker(follow_parent=True) as worker:
        request_id = house.submit("hang")
        studio = house.told("hanging")[0]
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(20) == 0
    assert house.ledger.get(request_id).status is Status.QUEUED
    assert gone(studio)


def test_a_worker_that_is_stopped_and_killed_takes_its_hanging_studio_along(house: House) -> None:
    with house.worker() as worker:
        house.submit("hang")
        studio = house.told("hanging")[0]
        worker.send_signal(signal.SIGSTOP)
        assert os.getpgid(studio) == studio
        kill(worker.pid)
        eventually(lambda: gone(studio), "end of the orphan")
