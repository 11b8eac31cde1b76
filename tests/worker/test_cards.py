"""A worker is given other cards while it runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rushes.core.card import EngineChoice
from rushes.core.errors import SetupError
from rushes.worker import presence
from rushes.worker.loop import Worker
from rushes.worker.presence import Presence
from tests.worker.house import CARD, House, eventually, make_worker


@contextmanager
def running(worker: Worker) -> Iterator[None]:
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()


def colour(house: House, **options: object) -> EngineChoice:
    return EngineChoice("colour", {"signals": str(house.signals), **options})


def test_new_cards_count_from_the_next_claim_and_the_running_attempt_goes_on(house: House) -> None:
    worker = make_worker(house.data, house.ledger)
    with running(worker):
        held = house.submit("hold")
        house.told("half")
        worker.serve({"another": colour(house, fps=8)})
        waiting, new = house.submit("", card=CARD), house.submit("", card="another")
        house.signal("go on")
        house.assert_one_result(held)
        made = house.assert_one_result(new)
        assert made.outcome is not None
        assert made.outcome.fps == 8
        assert house.ledger.get(waiting).fence == 0, "nobody serves that card any more"
        worker.serve({CARD: colour(house)})
        house.assert_one_result(waiting)


def test_an_engine_that_refuses_leaves_all_as_it_was(house: House) -> None:
    worker = make_worker(house.data, house.ledger)
    with running(worker):
        with pytest.raises(SetupError):
            worker.serve({CARD: colour(house, fsp=8)})
        house.assert_one_result(house.submit(""))


def test_the_roster_follows_the_cards(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "SEEN_EVERY", 0.01)
    cards = [["a"]]

    def entered() -> list[tuple[str, ...]]:
        return [record.cards for record in house.ledger.workers()]

    with Presence(house.ledger, "w", lambda: cards[0]):
        eventually(lambda: entered() == [("a",)] or None, "the first entry")
        cards[0] = ["a", "b"]
        eventually(lambda: entered() == [("a", "b")] or None, "the second entry")
    assert entered() == []
