"""What a clip costs: 5 s of 1080p24 drawn and encoded, of every place and of a photograph, and the wait for the first
picture. Each is measured in a process of its own, since memory is told by its peak.

    python -m bench.animatic [PLACE …]     one line for each place, or for those named

Beside each clip stands the encoder alone on frames already drawn: no renderer could be faster.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from bench.figures import Figure, middle
from rushes.core.shot import Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.animatic.tables import places
from rushes.engines.base import FrameClip, Picture, Unheard
from rushes.media.encode import write_video

ROOT = Path(__file__).parent.parent
MB = 1_000_000
SAMPLE = 24
"""Frames that the encoder alone is measured on."""
STARTS = 5
"""New processes whose wait for the first picture is measured, for each prompt."""
FIRST = ("a sailing boat on a lake at dawn", "a city street at night in the rain", "a forest")
PHOTOGRAPHED = "a coast by day, cloudy, static shot"


class Took(msgspec.Struct, frozen=True):
    """Seconds by the clock and of all cores for the clip, by the clock for the encoder alone on as many frames, and
    bytes resident at most."""

    clip: float
    cpu: float
    encoder: float
    memory: int


def written(frames: Iterable[Picture], clip: FrameClip, count: int, path: Path) -> None:
    plan = clip.plan
    write_video(frames, path, width=plan.width, height=plan.height, fps=plan.fps, count=count)


def make(shot: Shot, image: Picture | None = None) -> Took:
    """The clip of `shot` by an engine that has all its kernels in memory."""
    engine = AnimaticEngine({})
    engine.load(Unheard())
    plan = engine.plan(shot, None if image is None else (image.shape[1], image.shape[0]))
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name) / "clip.mp4"

        def rendered() -> FrameClip:
            return engine.render(shot, plan, image, Unheard(), folder)

        next(rendered().frames)
        started, cpu = time.perf_counter(), time.process_time()
        clip = rendered()
        written(clip.frames, clip, plan.frames, path)
        took = time.perf_counter() - started, time.process_time() - cpu
        unit = 1 if sys.platform == "darwin" else 1024
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        with closing(rendered()) as clip:
            sample = [next(clip.frames) for _ in range(SAMPLE)]
        started = time.perf_counter()
        written(sample, clip, SAMPLE, path)
        encoder = (time.perf_counter() - started) * plan.frames / SAMPLE
    return Took(*took, encoder, memory)


def first(prompt: str) -> float:
    """Seconds from now to the first picture of a process in which nothing is loaded."""
    # The engine does not need scipy, and without extras it is not there; numba would load it where it finds it.
    sys.modules["scipy"] = None  # type: ignore[assignment]
    started = time.perf_counter()
    engine = AnimaticEngine({})
    engine.load(Unheard())
    shot = Shot(prompt=prompt)
    next(engine.render(shot, engine.plan(shot, None), None, Unheard(), Path()).frames)
    return time.perf_counter() - started


def photograph() -> Picture:
    """A picture with sky, water and ground, as a camera would give it."""
    import cv2
    import numpy as np

    engine = AnimaticEngine({})
    engine.load(Unheard())
    shot = Shot(prompt=PHOTOGRAPHED, cfg_scale=1.0)
    frame = next(engine.render(shot, engine.plan(shot, None), None, Unheard(), Path()).frames)
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420), np.uint8)


def apart(what: str, argument: str = "", **environment: str) -> bytes:
    """What `act` answers in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.animatic", "--act", what, argument],
        env=os.environ | environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return done.stdout


def act(what: str, argument: str) -> object:
    match what:
        case "place":
            return make(Shot(prompt=f"{argument}, slow dolly in", cfg_scale=1.0))
        case "photo":
            shot = Shot(prompt="slow dolly in, light rain, wind", has_image=True, aspect_ratio="16:9")
            return make(shot, photograph())
        case _:
            return first(argument)


def place(name: str) -> Took:
    return msgspec.json.decode(apart("place", name), type=Took)


def clips() -> list[Figure]:
    took = {name: place(name) for name in places()}
    slowest = max(took, key=lambda name: took[name].clip)
    largest = max(took, key=lambda name: took[name].memory)
    cores = f"{os.cpu_count()} cores"

    def told(one: Took) -> str:
        return f"{one.cpu:.1f} s of processor time on {cores}; the encoder alone {one.encoder:.1f} s"

    usual = sorted(took.values(), key=lambda one: one.clip)[len(took) // 2]
    return [
        Figure(
            what="animatic, 5 s of 1080p24: the slowest place",
            against="–",
            value=took[slowest].clip,
            unit=" s",
            at_most=15.0,
            told=f"{slowest}; {told(took[slowest])}",
        ),
        Figure(
            what="animatic, 5 s of 1080p24: the middle of all places",
            against="–",
            value=middle(one.clip for one in took.values()),
            unit=" s",
            at_most=10.0,
            told=f"{len(took)} places; {told(usual)}",
        ),
        Figure(
            what="animatic, resident memory of the largest place",
            against="–",
            value=took[largest].memory / MB,
            unit=" MB",
            at_most=1000.0,
            told=f"{largest}, at its peak, with the encoder",
        ),
    ]


def photo() -> list[Figure]:
    took = msgspec.json.decode(apart("photo"), type=Took)
    return [
        Figure(
            what="animatic, 5 s of 1080p24 from a photograph",
            against="–",
            value=took.clip,
            unit=" s",
            at_most=12.0,
            told=f"{took.cpu:.1f} s of processor time; the encoder alone {took.encoder:.1f} s; {took.memory / MB:.0f} MB",
        )
    ]


@contextmanager
def ahead_of_time(folder: str) -> Iterator[None]:
    """The process that a worker starts with itself, compiling into `folder`."""
    process = subprocess.Popen(
        ["nice", "-n", "19", sys.executable, "-m", "rushes.engines.animatic.warm"],
        env=os.environ | {"NUMBA_CACHE_DIR": folder},
        stdin=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def opening() -> list[Figure]:
    """The wait of the first clip: without any compiled kernel, and with them, each in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        with ahead_of_time(folder):
            cold = float(apart("first", FIRST[0], NUMBA_CACHE_DIR=folder))
        for prompt in FIRST[1:]:
            apart("first", prompt, NUMBA_CACHE_DIR=folder)
        warm = {
            prompt: middle([float(apart("first", prompt, NUMBA_CACHE_DIR=folder)) for _ in range(STARTS)])
            for prompt in FIRST
        }
    slowest = max(warm, key=lambda prompt: warm[prompt])
    return [
        Figure(
            what="animatic, first picture after a cold install",
            against="–",
            value=cold,
            unit=" s",
            at_most=20.0,
            told=f'"{FIRST[0]}"; beside the process that compiles ahead of time, as when a server first starts',
        ),
        Figure(
            what="animatic, first picture once compiled",
            against="–",
            value=warm[slowest],
            unit=" s",
            at_most=2.0,
            told=f'"{slowest}", the slowest of {len(FIRST)}; loading and building in a new process, middle of {STARTS}',
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.animatic", description="What a clip of each place costs."
    )
    parser.add_argument("places", nargs="*", metavar="PLACE", help=", ".join(places()))
    parser.add_argument("--act", choices=("place", "photo", "first"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.act:
        sys.stdout.buffer.write(msgspec.json.encode(act(chosen.act, chosen.places[0])))
        return
    if unknown := set(chosen.places) - set(places()):
        parser.error(f"no such place: {', '.join(sorted(unknown))}; there are {', '.join(places())}")
    print(f"{'place':12} {'clip':>7} {'CPU':>7} {'encoder':>8} {'memory':>8}")
    for name in chosen.places or places():
        took = place(name)
        print(
            f"{name:12} {took.clip:5.1f} s {took.cpu:5.1f} s {took.encoder:6.1f} s {took.memory / MB:5.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
