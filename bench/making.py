"""The encoder beside bare x264 on the same frames, and the whole job beside its two necessary parts."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import ThreadType
from av.video.reformatter import VideoReformatter

from bench.figures import Figure, in_turns, middle
from rushes.core.encoding import Encoding
from rushes.core.shot import Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.base import FrameClip, Unheard
from rushes.media import frames as convert
from rushes.media.encode import write_video
from rushes.worker import job

WIDTH, HEIGHT, FPS, COUNT = 1920, 1080, 24, 48
ROUNDS = 5
JOBS, JOB_HEIGHT = 2, 480
Frames = list[npt.NDArray[np.uint8]]


def film() -> Frames:
    """RGB frames with structure and movement, as an engine draws them."""
    across, down = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    grain = np.random.default_rng(1).integers(0, 12, (HEIGHT, WIDTH), dtype=np.uint8)
    frames = []
    for number in range(COUNT):
        red = (across + 6 * number) // 8 % 200
        green = (down + 3 * number) // 5 % 200
        blue = (across + down + 9 * number) // 11 % 200
        picture = np.stack([red, green, blue], axis=2).astype(np.uint8)
        frames.append(picture + np.roll(grain, 7 * number, axis=1)[:, :, None])
    return frames


def planar(frames: Frames) -> Frames:
    """The same as yuv420p."""
    converter = VideoReformatter()
    return [
        convert.from_picture(picture, converter, index=0, width=WIDTH, height=HEIGHT).to_ndarray()
        for picture in frames
    ]


def encode_only(frames: Frames, path: Path) -> float:
    """Seconds of x264 alone, with the house's settings: frames ready as the codec takes them."""
    settings = Encoding()
    ready = [av.VideoFrame.from_ndarray(frame, format="yuv420p") for frame in frames]
    started = time.perf_counter()
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": settings.preset, "crf": f"{settings.crf:g}", "sc_threshold": "0"}
        stream.codec_context.gop_size = 2 * FPS
        stream.codec_context.thread_count = settings.threads
        stream.codec_context.thread_type = ThreadType.FRAME
        for number, frame in enumerate(ready):
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return time.perf_counter() - started


def ours(frames: Frames, path: Path) -> float:
    started = time.perf_counter()
    write_video(iter(frames), path, width=WIDTH, height=HEIGHT, fps=FPS, count=COUNT)
    return time.perf_counter() - started


def encode() -> list[Figure]:
    rgb = film()
    yuv = planar(rgb)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "video.mp4"
        rounds = in_turns(
            ROUNDS,
            lambda: ours(rgb, path),
            lambda: ours(yuv, path),
            lambda: encode_only(yuv, path),
        )
    of_rgb, of_yuv, alone = (COUNT / middle(side) for side in zip(*rounds, strict=True))
    told = f"{COUNT} frames, veryfast; {{:.0f}} frames/s beside {alone:.0f}"
    return [
        Figure(
            what="encode 1080p from RGB",
            against="x264 alone on the same frames",
            value=middle(bare / one for one, _, bare in rounds),
            at_least=0.75,
            told=told.format(of_rgb),
        ),
        Figure(
            what="encode 1080p from yuv420p",
            against="x264 alone on the same frames",
            value=middle(bare / one for _, one, bare in rounds),
            at_least=0.95,
            told=told.format(of_yuv),
        ),
    ]


SHOT = Shot(prompt="a boat on a lake at dawn, slow dolly in", seconds=5, seed=7)


class Took(NamedTuple):
    """Seconds by the clock on the wall, and of all cores together."""

    wall: float
    cpu: float


def timed(act: Callable[[], object]) -> Took:
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


def parts(engine: AnimaticEngine, folder: Path) -> None:
    """Render and encode, called directly."""
    plan = engine.plan(SHOT, None)
    clip = engine.render(SHOT, plan, None, Unheard(), folder)
    assert isinstance(clip, FrameClip)
    write_video(
        clip.frames,
        folder / "direct.mp4",
        width=plan.width,
        height=plan.height,
        fps=plan.fps,
        count=plan.frames,
        audio=clip.audio,
    )
    clip.close()


def whole(engine: AnimaticEngine, folder: Path) -> None:
    job.make(job.Job(name="bench.1", shot=SHOT, folder=str(folder)), engine, Unheard())


def whole_job() -> list[Figure]:
    engine = AnimaticEngine({"height": JOB_HEIGHT})
    engine.load(Unheard())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts(engine, folder)
        rounds = in_turns(
            JOBS, lambda: timed(lambda: whole(engine, folder)), lambda: timed(lambda: parts(engine, folder))
        )
    ours_took, parts_took = (middle(side.wall for side in sides) for sides in zip(*rounds, strict=True))
    return [
        Figure(
            what="whole job, 5 s clip",
            against="render and encode called directly",
            value=middle(one.cpu / other.cpu for one, other in rounds),
            at_most=1.03,
            told=f"processor time; by the clock {ours_took:.1f} s beside {parts_took:.1f} s at {JOB_HEIGHT} rows; "
            "besides them: inspection, stills, preview, marks",
        )
    ]
