"""Watching one request come to its end, and saying what came of it: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rushes.cli.screen import err, out
from rushes.core.request import Phase, Status

if TYPE_CHECKING:
    from rushes.dialects.base import RequestView

WORDS = {
    Phase.INTAKE: "fetching the image",
    Phase.LOAD: "loading the engine",
    Phase.RENDER: "rendering",
    Phase.ENCODE: "encoding",
    Phase.INSPECT: "inspecting",
    Phase.UPLOAD: "storing",
}


class Display(Protocol):
    def show(self, view: RequestView) -> None: ...


class Lines:
    """One line per change of status or phase, and one per quarter of the work."""

    def __init__(self) -> None:
        self._told = ""
        self._quarter = 0

    def show(self, view: RequestView) -> None:
        what, quarter = doing(view), int((view.progress or 0) * 4)
        if what == self._told and quarter <= self._quarter:
            return
        self._told, self._quarter = what, quarter
        err().print(f"{view.id} {what}" + (f", {quarter * 25} %" if quarter else ""))


class Bar:
    """The phase, how far the whole attempt is, and how long it will still take."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self.progress = Progress(
            TextColumn("{task.description:18}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=err(),
        )
        self._task = self.progress.add_task("queued", total=None)

    def show(self, view: RequestView) -> None:
        if view.status is Status.PROCESSING:
            what = f"{doing(view)}: {view.note}" if view.note else doing(view)
            self.progress.update(self._task, description=what, total=1.0, completed=view.progress or 0.0)
        elif view.status is Status.SUCCESS:
            self.progress.update(self._task, description="done", total=1.0, completed=1.0)
        else:
            self.progress.update(self._task, description=doing(view))


def doing(view: RequestView) -> str:
    """What happens to the request now, in words."""
    if view.status is Status.PROCESSING and view.phase in WORDS:
        return WORDS[Phase(view.phase)]
    return view.status.value


@contextmanager
def _display() -> Iterator[Display]:
    if not sys.stderr.isatty():
        yield Lines()
        return
    bar = Bar()
    with bar.progress:
        yield bar


def watch(views: Iterable[RequestView]) -> RequestView:
    """Show every view (there is at least one); the last, which is terminal, is the answer."""
    with _display() as display:
        for view in views:
            display.show(view)
    return view


def print_result(view: RequestView, path: Path | None = None) -> None:
    """What came of a request: the file, and what the engine made of the prompt."""
    console = out()
    outcome = view.outcome
    if outcome is None:
        console.print(f"{view.id} {doing(view)}", markup=False)
        if view.position is not None:
            console.print(f"position    {view.position}")
        if view.eta is not None:
            error = "" if view.eta_error is None else f" ± {view.eta_error:.0f} s"
            console.print(f"ready in    {view.eta:.0f} s{error}")
        if view.progress is not None:
            console.print(f"progress    {view.progress:.0%}")
        if view.note:
            console.print(f"note        {view.note}", markup=False)
        if view.error:
            console.print(f"error       {view.error}", markup=False)
        return
    sound = "with sound" if outcome.sound else "silent"
    console.print(str(path) if path else outcome.video_url, markup=False)
    console.print(
        f"            {outcome.width}×{outcome.height}, {outcome.fps:g} fps, {outcome.seconds:g} s, {sound}, "
        f"seed {outcome.seed}, by {outcome.engine}",
        markup=False,
    )
    console.print(f"understood  {', '.join(outcome.understood) or 'nothing'}", markup=False)
    if outcome.ignored:
        console.print(f"ignored     {', '.join(outcome.ignored)}", markup=False)
    for warning in (*view.warnings, *outcome.warnings):
        console.print(f"warning     {warning}", markup=False)
