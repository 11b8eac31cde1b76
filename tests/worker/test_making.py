"""What the operator chose for every file: the encoder's settings and the frame hook, from the message to the frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import pytest

from rushes.core.card import EngineChoice
from rushes.core.encoding import Encoding
from rushes.core.errors import BadOutput, EngineError, SetupError
from rushes.core.request import Outcome
from rushes.core.shot import Shot
from rushes.engines.base import FileClip, FrameClip, Plan
from rushes.engines.contract import Recorder
from rushes.settings import Settings
from rushes.wiring.work import make_making
from rushes.worker.handle import StudioHandle
from rushes.worker.job import VIDEO, frames_of, look
from rushes.worker.messages import Job, Making, Render
from tests.contracts.frames import FrameHookContract
from tests.installed import install_plugins
from tests.media.clips import HEIGHT, WIDTH, write_clip
from tests.plugins import hooks

HOOKS = "stamp = hooks:stamp\nwayward = hooks:wayward"


@pytest.fixture(autouse=True)
def _hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(hooks.__file__).parent
    install_plugins(
        tmp_path / "hooks", monkeypatch, home=home, name="rushes-test-hooks", groups={"rushes.frames": HOOKS}
    )


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[StudioHandle]:
    studio = StudioHandle(EngineChoice("colour"), tmp_path / "logs")
    yield studio
    studio.bury()


def make(studio: StudioHandle, folder: Path, making: Making, **shot: Any) -> Outcome:
    folder.mkdir()
    job = Job(name="request-7.1", shot=Shot(**shot), folder=str(folder), making=making)
    return studio.run(job, lambda *_: None)


def decoded(path: Path) -> list[np.ndarray[Any, Any]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


class TestStamp(FrameHookContract):
    hook = "stamp"


def test_the_settings_reach_the_encoder(studio: StudioHandle, tmp_path: Path) -> None:
    settings = Settings.load(
        {"x264_preset": "superfast", "x264_crf": "33.5", "x264_threads": "3"}, environ={}
    )
    made = make(studio, tmp_path / "job", make_making(settings))
    told = (tmp_path / "job" / made.video).read_bytes()
    assert b"crf=33.5" in told
    assert b" threads=3 " in told
    assert make_making(Settings.load(environ={})) == Making(), "one default, wherever one looks"


def test_the_choices_survive_the_way_to_the_studio() -> None:
    making = Making(encoding=Encoding(crf=30.0), frame_hook="stamp")
    render = Render(3, Job(name="a.1", shot=Shot(), folder="/x", making=making))
    assert msgspec.json.decode(msgspec.json.encode(render), type=Render) == render
    assert render.job.request_id == "a"


def test_every_frame_is_stamped_and_none_is_lost(studio: StudioHandle, tmp_path: Path) -> None:
    made = make(studio, tmp_path / "job", Making(frame_hook="stamp"), sound=True)
    seen = decoded(tmp_path / "job" / made.video)
    assert (len(seen), made.frames) == (20, 20)
    wanted = [hooks.LIGHT if bit else hooks.DARK for bit in hooks.bits("request-7")]
    middle = hooks.SIDE // 2
    for frame in seen:
        read = [int(frame[middle, place * hooks.SIDE + middle]) for place in range(4)]
        assert np.abs(np.subtract(read, wanted)).max() < 60, read


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("no ink", "frame hook 'wayward' failed at frame 10: ValueError: no more ink"),
        ("shrink", r"frame hook 'wayward' returned uint8 \(52, 96, 3\) for frame 10: it must be uint8 \(54"),
        ("float", r"returned float32 \(54, 96, 3\) for frame 10"),
    ],
)
def test_a_wayward_hook_is_named(studio: StudioHandle, tmp_path: Path, prompt: str, told: str) -> None:
    with pytest.raises(EngineError, match=told):
        make(studio, tmp_path / "job", Making(frame_hook="wayward"), prompt=prompt)


def test_without_a_hook_the_encoder_draws_from_the_engine_itself() -> None:
    frames = iter([np.zeros((2, 2, 3), np.uint8)])
    clip = FrameClip(Plan(2, 2, 1, 1), frames)
    assert frames_of(clip, Job(name="a.1", shot=Shot(), folder="/x")) is frames


def test_a_hook_that_is_not_installed_stops_the_start() -> None:
    with pytest.raises(SetupError, match="frame hook 'stmp' is not installed; installed: stamp, wayward"):
        make_making(Settings.load({"frame_hook": "stmp"}, environ={}))


@pytest.mark.parametrize("frames", [19, 21])
def test_only_an_upstreams_file_may_be_a_frame_off(tmp_path: Path, frames: int) -> None:
    write_clip(tmp_path / VIDEO, frames, fps=4)
    plan = Plan(WIDTH, HEIGHT, 4, 20)
    assert look(FileClip(plan, tmp_path / VIDEO), tmp_path, Recorder()).measured["frames"] == frames
    with pytest.raises(BadOutput, match="frames"):
        look(FrameClip(plan, iter([])), tmp_path, Recorder())
