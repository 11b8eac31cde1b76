"""A small real engine for tests: flat colours that move over the rainbow, and every way in which an engine goes wrong.

The options say what it does; a shot's prompt may override them, as `hang` or `crash once`, so that one loaded studio
can be told per job. It is found as any engine is: by the entry point of an installed distribution.
"""

from __future__ import annotations

import colorsys
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rushes.core.errors import Cancelled, EngineError, OutOfMemory, SetupError, WorkerLost
from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.base import (
    SAMPLE_RATE,
    Capabilities,
    Clip,
    Control,
    FileClip,
    Footprint,
    FrameClip,
    Picture,
    Plan,
    Report,
)

HEAVY = 300_000_000
SIZES = {"16:9": (96, 54), "9:16": (54, 96), "1:1": (64, 64)}


@dataclass
class Waits:
    """Named pipes and marks in one folder, by which a test and an engine in another process wait for each other."""

    folder: Path | None

    def mark(self, name: str, pid: int | None = None) -> None:
        if self.folder is not None:
            with (self.folder / name).open("a") as file:
                file.write(f"{pid or os.getpid()}\n")

    def hold(self, name: str, control: Control | None) -> None:
        """Until the file `name` exists; obeys a cancel when given the control."""
        assert self.folder is not None
        while not (self.folder / name).exists():
            if control is not None:
                control.check()
            time.sleep(0.005)


class ColourEngine:
    name = "colour"

    def __init__(self, options: Mapping[str, Any]) -> None:
        known = {"fps", "load", "signals", "memory", "device", "exclusive", "mood", "lazy", "load_seconds"}
        if unknown := set(options) - known:
            raise SetupError(f"colour engine: unknown options {sorted(unknown)}; allowed: {sorted(known)}")
        self._options = dict(options)
        self._fps = int(options.get("fps", 4))
        signals = options.get("signals")
        self._waits = Waits(Path(signals) if signals else None)
        self._jobs = 0

    def capabilities(self) -> Capabilities:
        return Capabilities(
            sound=True,
            honours=frozenset({"seed"}),
            description="Flat moving colours.",
            source="algorithmicMedia",
        )

    def plan(self, shot: Shot, image_size: tuple[int, int] | None) -> Plan:
        upright = image_size is not None and image_size[1] > image_size[0]
        width, height = SIZES[shot.aspect_ratio or ("9:16" if upright else "16:9")]
        return Plan(width, height, self._fps, shot.seconds * self._fps, shot.sound)

    def footprint(self) -> Footprint:
        return Footprint(
            memory=int(self._options.get("memory", 1_000_000)),
            device=str(self._options.get("device", "cpu")),
            load_seconds=float(self._options.get("load_seconds", 0.1)),
            exclusive=bool(self._options.get("exclusive", False)),
        )

    def load(self, control: Control) -> None:
        control.progress(Phase.LOAD, 0.5)
        self._act(str(self._options.get("load", "")), control)

    def render(self, shot: Shot, plan: Plan, image: Picture | None, control: Control, folder: Path) -> Clip:
        self._waits.mark("rendering")
        mood = shot.prompt or str(self._options.get("mood", ""))
        self._act(mood, control)
        lazy = bool(self._options.get("lazy", True))
        frames = self._frames(shot, plan, image, control, mood)
        if not lazy:
            drawn = []
            for number, frame in enumerate(frames, 1):
                control.progress(Phase.RENDER, number / plan.frames, f"frame {number}/{plan.frames}")
                drawn.append(frame)
            frames = iter(drawn)
        report = Report(
            understood=("colour",),
            details={"hue": np.float32(0.5) if mood == "bad report" else 0.5},
        )
        if mood == "file":
            return self._file(frames, plan, shot, folder, report)
        return FrameClip(
            plan,
            frames,
            _tone(plan) if plan.sound else None,
            report,
            lazy=lazy,
            close=lambda: self._waits.mark("closed"),
        )

    def unload(self) -> None:
        self._waits.mark("unloaded")

    def _frames(
        self, shot: Shot, plan: Plan, image: Picture | None, control: Control, mood: str
    ) -> Iterator[Picture]:
        self._jobs += 1 if mood == "restless" else 0
        start = shot.seed / 97 + self._jobs / 10 + (0.0 if image is None else float(image.mean()) / 255)
        count = plan.frames - 1 if mood == "short" else plan.frames
        for number in range(count):
            if mood == "show":
                control.preview(np.full((18, 32, 3), 10 * number, np.uint8))
            if mood in ("hold", "show") and number == plan.frames // 2:
                self._waits.mark("half")
                self._waits.hold("go on", control)
            if mood == "crash half" and number == plan.frames // 2:
                os.kill(os.getpid(), signal.SIGKILL)
            control.check()
            colour = colorsys.hsv_to_rgb(start + number / plan.frames, 0.8, 0.9)
            picture = np.empty((plan.height, plan.width, 3), np.uint8)
            picture[:] = [round(255 * channel) for channel in colour]
            picture[:, : plan.width * number // plan.frames] //= 2
            yield picture if mood != "wrong size" else picture[:-2]

    def _file(
        self, frames: Iterator[Picture], plan: Plan, shot: Shot, folder: Path, report: Report
    ) -> FileClip:
        from rushes.media import encode

        path = folder / "upstream.mp4"
        encode.write_video(
            frames,
            path,
            width=plan.width,
            height=plan.height,
            fps=plan.fps,
            count=plan.frames,
            audio=_tone(plan) if plan.sound else None,
        )
        return FileClip(plan, path, report, signed=True)

    def _act(self, mood: str, control: Control) -> None:
        match mood:
            case "raise":
                raise ValueError("a bug in the engine")
            case "give up":
                raise EngineError("the engine gave up", advice="Try another prompt.")
            case "lose a rank":
                raise WorkerLost("worker lost: rank 1 of 2 of the studio was killed by SIGKILL")
            case "oom":
                raise OutOfMemory("out of memory at decode: 5 s at 720p would fit", advice="Ask for 5 s.")
            case "memory error":
                raise MemoryError
            case "exit":
                raise SystemExit(0)
            case "disk full":
                with open("/dev/full", "w") as full:  # noqa: PTH123 - a device, not a path of ours
                    full.write("x")
            case "spawn":
                helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
                self._waits.mark("rendering helper", helper.pid)
                self._waits.hold("go", control)
            case "mark":
                self._waits.mark("loaded")
            case "stop itself":
                raise Cancelled
            case "setup":
                raise SetupError("the weights are missing", advice="Pull them.")
            case "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            case "crash once":
                first = self._waits.folder is not None and not (self._waits.folder / "crashed").exists()
                if first:
                    self._waits.mark("crashed")
                    os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                self._waits.mark("hanging")
                while True:
                    time.sleep(60)
            case "wait":
                self._waits.mark("waiting")
                self._waits.hold("go", control)
            case "heavy failure":
                tensor = np.ones(HEAVY, np.uint8)
                try:
                    raise EngineError(f"gave up with {tensor.nbytes} bytes in hand")
                except EngineError as error:
                    kept = error  # a cycle of frame and exception, as careless code makes them
                    raise kept from None


def _tone(plan: Plan) -> np.ndarray[Any, np.dtype[np.float32]]:
    time_axis = np.arange(plan.frames * SAMPLE_RATE // plan.fps) / SAMPLE_RATE
    return np.tile(0.2 * np.sin(2 * np.pi * 440 * time_axis), (2, 1)).astype(np.float32)
