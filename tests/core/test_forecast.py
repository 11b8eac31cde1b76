from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.core.forecast import FIRST_GUESS, Glance, Outlook, Pace, Running, Waiting, work
from rushes.core.request import Forecast, Request, Status
from rushes.core.shot import Shot

CARD, OTHER = "a", "b"
PACES = {CARD: Pace(2.0, 0.2), OTHER: Pace(10.0, 1.0)}


def a_request(name: str, card: str = CARD, status: Status = Status.QUEUED, **more: object) -> Request:
    shot = Shot(prompt="x", seconds=5)
    return Request(
        id=name,
        owner="ann",
        model=card,
        card=card,
        dialect="gmi",
        status=status,
        payload={},
        shot=shot,
        **more,
    )


def waiting(*names: str, card: str = CARD) -> list[Waiting]:
    return [Waiting(0, float(turn), name, card, 5.0) for turn, name in enumerate(names)]


def outlook(
    line: Iterable[Waiting] = (),
    running: Iterable[Running] = (),
    workers: Iterable[Iterable[str]] = ((CARD, OTHER),),
    paces: dict[str, Pace] = PACES,
) -> Outlook:
    return Outlook(line=line, running=running, workers=workers, paces=paces)


def test_a_pace_is_mean_and_deviation() -> None:
    assert Pace.of([1.0, 2.0, 3.0]) == (2.0, 1.0)
    assert Pace.of([4.0]) == (4.0, 4.0)
    assert work({CARD: Pace(3.0, 1.0)}, CARD, 10) == 30.0
    assert work({}, CARD, 10) == 10 * FIRST_GUESS


def test_the_line_is_waited_out() -> None:
    seen = outlook(waiting("p", "q", "r"))
    assert [
        seen.forecast(a_request(name, turn=turn)).position for name, turn in (("p", 0.0), ("r", 2.0))
    ] == [0, 2]
    # Nobody before it and an idle worker: its own work alone. Then two works of 10 s before its own.
    assert seen.forecast(a_request("p", turn=0.0)) == Forecast(position=0, eta=10.0, error=1.0)
    assert seen.forecast(a_request("r", turn=2.0)) == Forecast(position=2, eta=30.0, error=1.7)


def test_workers_share_what_stands_before() -> None:
    seen = outlook(waiting("p", "q", "r"), workers=[(CARD,), (CARD,)])
    assert seen.forecast(a_request("q", turn=1.0)) == Forecast(position=1, eta=10.0, error=1.0)
    assert seen.forecast(a_request("r", turn=2.0)) == Forecast(position=2, eta=20.0, error=1.2)


def test_what_runs_is_waited_for_as_far_as_it_is_not_done() -> None:
    seen = outlook(waiting("p"), [Running("busy", CARD, 5.0, 4.0)])
    assert seen.forecast(a_request("p", turn=0.0), age=1.0) == Forecast(position=0, eta=15.0, error=1.4)
    late = outlook(waiting("p"), [Running("busy", CARD, 5.0, 400.0)])
    assert late.forecast(a_request("p", turn=0.0)).eta == 10.0


def test_cards_that_share_a_worker_wait_for_one_another_and_others_do_not() -> None:
    line = [Waiting(0, 0.0, "o", OTHER, 5.0), Waiting(0, 1.0, "p", CARD, 5.0)]
    mine = a_request("p", turn=1.0)
    assert outlook(line).forecast(mine) == Forecast(position=1, eta=60.0, error=5.1)
    apart = outlook(line, workers=[(CARD,), (OTHER,)])
    assert apart.forecast(mine) == Forecast(position=1, eta=10.0, error=1.0)
    by_way_of_a_third = outlook(line, workers=[(CARD, "c"), ("c", OTHER)])
    assert by_way_of_a_third.forecast(mine).eta == 10.0
    assert by_way_of_a_third.forecast(mine).position == 1


def test_what_is_not_known_is_not_told() -> None:
    queued = a_request("p", turn=0.0)
    assert outlook(waiting("p"), workers=[]).forecast(queued) == Forecast(position=0)
    assert outlook(waiting("p"), workers=[(OTHER,)]).forecast(queued) == Forecast(position=0)
    assert outlook(waiting("p"), paces={}).forecast(queued) == Forecast(position=0)
    running = a_request("r", status=Status.PROCESSING)
    assert outlook(paces={}).forecast(running) == Forecast()
    for status in (Status.SUCCESS, Status.FAILED, Status.CANCELLED):
        assert outlook(waiting("p")).forecast(a_request("p", status=status)) == Forecast()


def test_a_running_one_is_foretold_by_history_then_by_its_own_speed() -> None:
    seen = outlook(running=[Running("r", CARD, 5.0, 4.0)])

    def at(progress: float, age: float = 0.0) -> Forecast:
        return seen.forecast(a_request("r", status=Status.PROCESSING, progress=progress), age)

    assert at(0.0) == Forecast(eta=6.0, error=1.0)
    # Half done after 4 s: 4 s by its own speed, 6 s by history, each half believed.
    assert at(0.5) == Forecast(eta=5.0, error=0.5)
    assert at(1.0) == Forecast(eta=0.0, error=0.0)
    assert at(0.0, age=2.0).eta == 4.0
    unmeasured = outlook(running=[Running("r", CARD, 5.0, 4.0)], paces={})
    assert unmeasured.forecast(a_request("r", status=Status.PROCESSING, progress=0.5)) == Forecast(eta=4.0)


@given(
    st.lists(
        st.tuples(st.integers(-2, 2), st.floats(0, 9), st.uuids().map(str)), unique_by=lambda row: row[2]
    )
)
def test_a_place_is_exact_and_a_later_place_is_never_sooner(rows: list[tuple[int, float, str]]) -> None:
    line = sorted(
        (Waiting(*row, CARD, 5.0) for row in rows), key=lambda one: (-one.priority, one.turn, one.id)
    )
    seen = outlook(line)
    told = [seen.forecast(a_request(one.id, turn=one.turn, priority=one.priority)) for one in line]
    assert [one.position for one in told] == list(range(len(line)))
    etas = [one.eta for one in told]
    assert etas == sorted(etas)


def test_a_newcomer_has_its_place_in_an_older_look() -> None:
    seen = outlook(waiting("p", "q"))
    assert seen.forecast(a_request("new", turn=0.5)).position == 1
    assert seen.forecast(a_request("urgent", turn=9.0, priority=1)).position == 0


class Hours:
    """A clock that stands still until told, and a drawing that takes `takes` seconds."""

    def __init__(self, takes: float = 0.0) -> None:
        self.now, self.drawn, self.takes = 100.0, 0, takes

    def monotonic(self) -> float:
        return self.now

    def draw(self) -> int:
        self.drawn += 1
        self.now += self.takes
        return self.drawn


def test_a_glance_is_drawn_once_a_second() -> None:
    hours = Hours()
    glance = Glance(hours.draw, hours.monotonic, max_age=1.0)
    assert not glance.fresh
    assert [glance.look() for _ in range(500)] == [(1, 0.0)] * 500
    hours.now += 0.75
    assert glance.look() == (1, 0.75)
    assert glance.fresh
    hours.now += 0.25
    assert not glance.fresh
    assert glance.look() == (2, 0.0)


@pytest.mark.parametrize(("takes", "after"), [(0.0, 0.0), (0.001, 0.02), (0.5, 2.0)])
def test_own_changes_are_seen_at_once_if_drawing_is_cheap(takes: float, after: float) -> None:
    hours = Hours(takes)
    glance = Glance(hours.draw, hours.monotonic, max_age=1.0)
    glance.look()
    glance.changed()
    done = hours.now
    if after:
        hours.now = done + 0.9 * after
        assert glance.look()[0] == 1
    hours.now = done + 1.1 * after
    assert glance.look()[0] == 2


def test_one_of_those_who_ask_is_sent_to_draw() -> None:
    hours = Hours()
    glance = Glance(hours.draw, hours.monotonic, max_age=1.0)
    glance.look()
    hours.now += 5
    assert [glance.at_hand() for _ in range(3)] == [None, (1, 5.0), (1, 5.0)]
    assert glance.look() == (2, 0.0)
    hours.now += 5
    assert glance.at_hand() is None
    # He who was sent did not come: after a while another is.
    hours.now += 0.2
    assert glance.at_hand() is None


def test_while_one_draws_the_others_get_the_last_one() -> None:
    hours = Hours()
    begun, go_on = threading.Event(), threading.Event()

    def draw() -> int:
        if hours.draw() > 1:
            begun.set()
            assert go_on.wait(10)
        return hours.drawn

    glance = Glance(draw, hours.monotonic, max_age=1.0)
    glance.look()
    hours.now += 5
    with ThreadPoolExecutor(1) as pool:
        drawing = pool.submit(glance.look)
        assert begun.wait(10)
        assert glance.look() == (1, 5.0)
        go_on.set()
        assert drawing.result() == (2, 0.0)
