"""One studio, held by its handle: what it answers, how it is stopped, and that nothing of it outlives its use."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from rushes.core.card import EngineChoice
from rushes.core.errors import (
    BadImage,
    BadOutput,
    Cancelled,
    DiskFull,
    EngineError,
    OutOfMemory,
    RushesError,
    WorkerLost,
)
from rushes.core.request import Outcome, Phase
from rushes.core.shot import Shot
from rushes.media import provenance
from rushes.worker.handle import Patience, StudioHandle
from rushes.worker.messages import Job
from tests.worker.house import eventually, gone

PATIENCE = Patience(stall=20.0, grace=0.3, quit=5.0)


class Stage:
    """A studio with the colour engine, and jobs for it."""

    def __init__(self, data: Path, patience: Patience = PATIENCE, **options: Any) -> None:
        self.data = data
        self.signals = data / "signals"
        self.told: list[tuple[Phase, float, str]] = []
        choice = EngineChoice("colour", {"signals": str(self.signals), **options})
        self.studio = StudioHandle(choice, data / "logs", patience=patience)

    def run(
        self,
        mood: str = "",
        image: bytes | None = None,
        stopped: Callable[[], bool] = lambda: False,
        **shot: Any,
    ) -> Outcome:
        self.folder = Path(tempfile.mkdtemp(dir=self.data))
        if image is not None:
            (self.folder / "input.png").write_bytes(image)
        job = Job(
            name=self.folder.name,
            shot=Shot(prompt=mood, **shot),
            folder=str(self.folder),
            image=None if image is None else "input.png",
        )
        return self.studio.run(job, self._tell, 0.0, stopped)

    def when(self, mark: str, act: Callable[[], object]) -> None:
        """Do `act` in another thread once the engine has made its mark."""

        def wait() -> None:
            eventually((self.signals / mark).exists, mark)
            act()

        threading.Thread(target=wait, daemon=True).start()

    def marked(self, mark: str) -> int:
        return int(
            eventually(lambda: (self.signals / mark).exists() and (self.signals / mark).read_text(), mark)
        )

    def _tell(self, phase: Phase, fraction: float, note: str) -> None:
        self.told.append((phase, fraction, note))


@pytest.fixture
def make_stage(tmp_path: Path, signals: Path) -> Iterator[Callable[..., Stage]]:
    with ExitStack() as stack:

        def make(patience: Patience = PATIENCE, **options: Any) -> Stage:
            stage = Stage(tmp_path / "data", patience, **options)
            stack.callback(stage.studio.bury)
            return stage

        yield make


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    return make_stage()


def test_a_job_becomes_files_and_figures(stage: Stage) -> None:
    made = stage.run(sound=True, seed=5, aspect_ratio="9:16")
    assert {path.name for path in stage.folder.iterdir()} == {made.video, made.thumbnail, made.preview}
    assert (made.width, made.height, made.fps, made.frames, made.seconds) == (54, 96, 4, 20, 5.0)
    assert (made.sound, made.seed, made.engine) == (True, 5, "colour")
    assert made.sha256 == provenance.file_sha256(stage.folder / made.video)
    assert made.size == (stage.folder / made.video).stat().st_size
    assert made.report == {"hue": 0.5, "understood": ["colour"], "ignored": []}
    assert made.measured["frames"] == 20
    for name in (made.video, made.thumbnail, made.preview):
        mark = provenance.read_mark(stage.folder / str(name))
        assert mark is not None
        assert mark["source"] == "algorithmicMedia"
    phases = [phase for phase, _, _ in stage.told]
    assert list(dict.fromkeys(phases)) == [Phase.LOAD, Phase.RENDER, Phase.INSPECT]
    assert stage.marked("closed") == stage.studio.pid


def test_frames_drawn_before_are_encoded_in_a_phase_of_their_own(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(lazy=False)
    stage.run()
    phases = list(dict.fromkeys(phase for phase, _, _ in stage.told))
    assert phases == [Phase.LOAD, Phase.RENDER, Phase.ENCODE, Phase.INSPECT]


def test_a_signed_file_is_taken_as_it_is(stage: Stage) -> None:
    made = stage.run("file")
    assert provenance.read_mark(stage.folder / made.video) is None
    assert provenance.read_mark(stage.folder / made.thumbnail) is not None


def test_the_picture_reaches_the_engine(stage: Stage) -> None:
    black, white = (_png(shade) for shade in (0, 200))
    assert stage.run(image=black).sha256 != stage.run(image=white).sha256


def test_one_studio_serves_many_jobs_and_the_same_shot_is_the_same_file(stage: Stage) -> None:
    first, other, again = (stage.run(seed=seed).sha256 for seed in (1, 2, 1))
    assert first == again != other
    assert (stage.signals / "rendering").read_text().split() == [str(stage.studio.pid)] * 3


def test_it_lives_in_a_session_of_its_own_and_ignores_the_signals_of_others(stage: Stage) -> None:
    stage.run()
    assert os.getsid(stage.studio.pid) == stage.studio.pid
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(stage.studio.pid, number)
    stage.run()
    assert stage.studio.alive


def test_options_do_not_stand_on_the_command_line(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(mood="a secret of the operator")
    stage.studio.load(lambda *_: None)
    command = " ".join(psutil.Process(stage.studio.pid).cmdline())
    assert "rushes.worker.studio colour" in command
    assert "secret" not in command


@pytest.mark.parametrize(
    ("mood", "kind", "sentence", "lives"),
    [
        ("give up", EngineError, "the engine gave up", True),
        ("raise", EngineError, "the engine failed: ValueError: a bug in the engine", False),
        ("exit", EngineError, "the engine failed: SystemExit: 0", False),
        ("setup", EngineError, "the weights are missing", False),
        ("oom", OutOfMemory, "out of memory at decode: 5 s at 720p would fit", True),
        ("memory error", OutOfMemory, "out of memory: MemoryError", False),
        ("short", BadOutput, "the engine gave 19 frames: it must give exactly 20", True),
        ("wrong size", BadOutput, "frame 0 is uint8 (52, 96, 3)", True),
        ("bad report", EngineError, "float32", False),
        ("disk full", DiskFull, "the disk of the jobs' scratch folder is full", True),
        ("crash", WorkerLost, "worker lost: the studio was killed by SIGKILL", False),
        ("crash half", WorkerLost, "worker lost: the studio was killed by SIGKILL", False),
        ("lose a rank", WorkerLost, "worker lost: rank 1 of 2 of the studio was killed", False),
        ("stop itself", EngineError, "the engine failed: Cancelled", False),
    ],
)
def test_what_goes_wrong_is_told_and_a_broken_studio_is_not_used_again(
    stage: Stage, mood: str, kind: type[RushesError], sentence: str, lives: bool
) -> None:
    with pytest.raises(kind) as caught:
        stage.run(mood)
    assert type(caught.value) is kind
    assert sentence in str(caught.value)
    if lives:
        assert stage.studio.alive
        assert stage.run().frames == 20
    else:
        eventually(lambda: not stage.studio.alive, "end of the studio")


def test_advice_survives_the_way(stage: Stage) -> None:
    with pytest.raises(EngineError) as caught:
        stage.run("give up")
    assert caught.value.advice == "Try another prompt."


def test_a_failure_pins_no_memory(stage: Stage) -> None:
    stage.run()
    before = stage.studio.memory
    with pytest.raises(EngineError, match="300000000 bytes in hand"):
        stage.run("heavy failure")
    eventually(lambda: stage.studio.memory < before + 100_000_000, "memory given back")
    assert stage.studio.alive


def test_a_bad_picture_is_the_clients_and_harms_nobody(stage: Stage) -> None:
    with pytest.raises(BadImage):
        stage.run(image=b"no picture")
    assert stage.studio.alive


def test_an_engine_obeys_a_cancel_and_its_studio_goes_on(stage: Stage) -> None:
    fresh = stage.run(seed=1).sha256
    stage.when("waiting", stage.studio.cancel)
    with pytest.raises(Cancelled):
        stage.run("wait")
    assert stage.studio.alive
    assert stage.run(seed=1).sha256 == fresh


def test_an_engine_that_does_not_obey_is_killed(stage: Stage) -> None:
    stage.when("hanging", stage.studio.cancel)
    with pytest.raises(Cancelled):
        stage.run("hang")
    eventually(lambda: gone(stage.studio.pid), "end of the studio")


def test_a_cancel_while_loading_ends_the_studio(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(load="wait")
    stage.when("waiting", stage.studio.cancel)
    with pytest.raises(Cancelled):
        stage.run()
    eventually(lambda: gone(stage.studio.pid), "end of the studio")


def test_a_cancel_that_came_before_the_job_stops_it_and_no_later_one(stage: Stage) -> None:
    with pytest.raises(Cancelled):
        stage.run("hang", stopped=lambda: True)
    stage.studio.cancel()  # nothing runs: nothing to cancel
    assert stage.run().frames == 20


def test_no_sign_of_life_is_the_end(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(Patience(stall=0.6, grace=0.3, quit=5.0))
    stage.studio.load(lambda *_: None, load_seconds=5.0)
    with pytest.raises(WorkerLost, match=r"no sign of life for 0\.6 s in phase render"):
        stage.run("hang")
    eventually(lambda: gone(stage.studio.pid), "end of the studio")


def test_an_engine_that_cannot_load_is_no_studio(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(load="setup")
    with pytest.raises(EngineError, match="the weights are missing") as caught:
        stage.run()
    assert caught.value.advice == "Pull them."
    eventually(lambda: gone(stage.studio.pid), "end of the studio")


def test_wrong_options_name_the_option(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(colours=3)
    with pytest.raises(EngineError, match="unknown options \\['colours'\\]"):
        stage.run()


def test_quitting_unloads(stage: Stage) -> None:
    stage.run()
    stage.studio.quit()
    assert stage.marked("unloaded") == stage.studio.pid
    assert gone(stage.studio.pid)
    assert stage.studio.memory == 0


def test_what_the_engine_started_dies_with_it(stage: Stage) -> None:
    stage.when("rendering helper", stage.studio.kill)
    with pytest.raises(Cancelled):
        stage.run("spawn")
    helper = stage.marked("rendering helper")
    eventually(lambda: gone(helper), "end of the engine's helper")


def test_its_output_lies_in_a_log_that_does_not_grow_for_ever(
    make_stage: Callable[..., Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushes.worker.handle.LOG_BYTES", 10)
    for _ in range(2):
        stage = make_stage()
        with pytest.raises(EngineError):
            stage.run("raise")
    for name in ("studio-colour.log", "studio-colour.log.1"):
        assert (tmp_path / "data" / "logs" / name).read_text().count("ValueError: a bug") == 1


def test_memory_is_that_of_the_child(stage: Stage) -> None:
    stage.run()
    assert stage.studio.memory > 20_000_000


def _png(shade: int) -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (32, 32), (shade, shade, shade)).save(file, "PNG")
    return file.getvalue()
