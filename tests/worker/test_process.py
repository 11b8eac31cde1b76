"""Real worker processes, killed, stopped and orphaned: every request ends once, with one result."""

from __future__ import annotations

from tests.worker.house import House


def test_a_request_becomes_files_in_the_store(house: House) -> None:
    request_id = house.submit(shot={"sound": True, "seed": 3})
    with house.worker():
        request = house.assert_one_result(request_id)
    assert request.outcome is not None
    assert (request.outcome.frames, request.outcome.seconds, request.outcome.sound) == (20, 5.0, True)
    assert request.outcome.report["understood"] == ["colour"]
    assert not list((house.data / "work").iterdir())
