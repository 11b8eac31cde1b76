"""What a person sees while a clip is made: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rushes.cli import watch as watching
from rushes.core.request import Status
from rushes.dialects.base import OutcomeView, RequestView

STORY = [
    RequestView(id="r1", status=Status.QUEUED),
    RequestView(id="r1", status=Status.PROCESSING, phase="load", progress=0.01),
    RequestView(id="r1", status=Status.PROCESSING, phase="render", note="compiling 2 of 7", progress=0.3),
    RequestView(id="r1", status=Status.PROCESSING, phase="render", progress=0.4),
    RequestView(id="r1", status=Status.PROCESSING, phase="render", progress=0.6),
    RequestView(id="r1", status=Status.SUCCESS, outcome=OutcomeView(video_url="v")),
]


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert watching.watch(STORY) is STORY[-1]
    assert capsys.readouterr().err.splitlines() == [
        "r1 queued",
        "r1 loading the engine",
        "r1 rendering, 25 %",
        "r1 rendering, 50 %",
        "r1 success",
    ]


def test_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(watching, "err", lambda: Console(file=screen, force_terminal=True, width=80))
    bar = watching.Bar()
    frames = []
    for view in STORY:
        bar.show(view)
        bar.progress.print(bar.progress.get_renderable())
        frames.append(screen.getvalue())
        screen.truncate(0)
    assert ["queued" in frames[0], "loading the engine" in frames[1], "rendering" in frames[2]] == [True] * 3
    assert "rendering: compiling 2 of 7" in frames[2]
    assert "compiling" not in frames[3]
    assert "30%" in frames[2]
    assert "60%" in frames[4]
    assert "100%" in frames[5]
