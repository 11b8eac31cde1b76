"""The time of an attempt, split into its phases."""

from __future__ import annotations

from rushes.core.clock import Clock
from rushes.core.request import Lease, Phase
from rushes.core.shot import Shot
from rushes.core.tracing import Attributes, Silence
from rushes.worker.phases import Phases, Stretch, traced

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Times:
    """Two clocks that a test moves; the one for people may jump."""

    def __init__(self) -> None:
        self.now, self.monotonic = 1000.0, 5.0

    def clock(self) -> Clock:
        return Clock(now=lambda: self.now, monotonic=lambda: self.monotonic)

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.monotonic += seconds


class Listener(Silence):
    def __init__(self) -> None:
        self.noted: list[tuple[str, float, float, str | None]] = []

    def note(self, name: str, start: float, end: float, parent: str | None, attributes: Attributes) -> None:
        self.noted.append((name, start, end, parent))


def lease(fence: int) -> Lease:
    return Lease(
        request_id="r",
        fence=fence,
        owner="ann",
        model="m",
        worker="w",
        shot=Shot(prompt="a boat"),
        image_key=None,
        failures=0,
        lease_seconds=30.0,
        queued_at=990.0,
        trace=TRACE,
    )


def test_phases_follow_each_other_without_a_gap() -> None:
    times = Times()
    phases = Phases(times.clock())
    times.pass_(2)
    phases.enter(Phase.RENDER)
    times.pass_(3)
    phases.enter(Phase.RENDER)
    times.now += 3600  # somebody sets the clock
    times.pass_(1)
    phases.enter(Phase.UPLOAD)
    times.pass_(0.5)
    assert phases.stretches() == (
        Stretch(Phase.LOAD, 1000, 1002),
        Stretch(Phase.RENDER, 1002, 1006),
        Stretch(Phase.UPLOAD, 1006, 1006.5),
    )
    assert phases.seconds() == {"load": 2, "render": 4, "upload": 0.5}


def test_a_phase_that_comes_again_adds_up() -> None:
    times = Times()
    phases = Phases(times.clock())
    for phase in (Phase.RENDER, Phase.LOAD, Phase.RENDER):
        phases.enter(phase)
        times.pass_(1)
    assert phases.seconds() == {"load": 1, "render": 2}


def test_the_wait_is_told_before_the_first_attempt_only() -> None:
    for fence, names in ((1, ["wait", "load"]), (2, ["load"])):
        listener = Listener()
        with traced(listener, lease(fence), Phases(Times().clock())):
            assert [name for name, *_ in listener.noted] == names[:-1]
        assert [name for name, *_ in listener.noted] == names
        if fence == 1:
            assert listener.noted[0] == ("wait", 990.0, 1000.0, TRACE)
