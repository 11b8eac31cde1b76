"""The seam between the house and whatever makes the picture.

An engine turns a `Shot` into a `Clip`. It lives alone in a studio (a child process), is loaded once, renders one job
at a time and is killed to be unloaded; so it may hold global state, block, and use all the memory it declared.
It tells what it is doing, and learns that it should stop, through one `Control`.

Three kinds of engine fit the same seam:

- a CPU renderer returns a `FrameClip` whose frames are computed as they are drawn (`lazy=True`);
- a diffusers pipeline renders first, then returns a `FrameClip` over its finished tensor;
- a hosted upstream returns a `FileClip`: an encoded file that the house inspects but does not encode again.

`rushes.engines.contract` is the suite that every engine, ours or a third party's, must pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from rushes.core.encoding import SAMPLE_RATE as SAMPLE_RATE  # what engines draw sound for
from rushes.core.errors import SetupError
from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.plugins import load

if TYPE_CHECKING:
    import numpy as np  # named only: a server that draws nothing would wait for it
    import numpy.typing as npt

ENTRY_POINT_GROUP = "rushes.engines"

Picture: TypeAlias = "npt.NDArray[np.uint8]"
"""(height, width, 3) RGB, full range, sRGB; or (height * 3 / 2, width) planar yuv420p, BT.709, limited range."""

Samples: TypeAlias = "npt.NDArray[np.float32]"
"""(2, n) stereo at SAMPLE_RATE, in -1…1."""


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do, known before it is loaded. A card that promises more is refused when it is read.

    `honours` names the optional parameters that change its output (of `negative_prompt`, `cfg_scale`, `seed`);
    the model detail tells the client about the others. `max_seconds` bounds a clip. `source` is the IPTC digital source
    type that all files of its clips are marked with.
    """

    text_to_video: bool = True
    image_to_video: bool = True
    sound: bool = False
    aspect_ratios: tuple[str, ...] = ("16:9", "9:16", "1:1")
    max_seconds: int = 10
    honours: frozenset[str] = frozenset({"negative_prompt", "cfg_scale", "seed"})
    description: str = ""
    source: str = "trainedAlgorithmicMedia"


@dataclass(frozen=True)
class Plan:
    """The delivered clip, decided before rendering and asserted by inspection afterwards: exactly `frames` frames of
    `width` × `height` pixels (both even), `frames == seconds * fps`, sound or none."""

    width: int
    height: int
    fps: int
    frames: int
    sound: bool = False

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


@dataclass(frozen=True)
class Footprint:
    """What loading will take, known or estimated before it: `memory` bytes on `device` ("cpu", "cuda:0" …) and at most
    as much on each of the `others`, `load_seconds` until ready, and `exclusive` when nothing else fits beside it."""

    memory: int
    device: str = "cpu"
    load_seconds: float = 1.0
    exclusive: bool = False
    others: tuple[str, ...] = ()

    @property
    def devices(self) -> frozenset[str]:
        return frozenset((self.device, *self.others))


@dataclass(frozen=True)
class Report:
    """The engine's honest account of one clip. All of it reaches the client in the outcome.

    `understood` and `ignored` are words of the prompt; `warnings` are sentences; `details` are JSON values such as
    the camera move.
    """

    understood: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FrameClip:
    """Frames to be encoded. `frames` yields exactly `plan.frames` pictures; `lazy` says that drawing them is the
    rendering. `audio` is given exactly when `plan.sound`. `close` is called once, also after an error."""

    plan: Plan
    frames: Iterator[Picture]
    audio: Samples | None = None
    report: Report = field(default_factory=Report)
    lazy: bool = False
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class FileClip:
    """An already encoded MP4 in the job's own folder. `signed` files are never re-marked."""

    plan: Plan
    path: Path
    report: Report = field(default_factory=Report)
    signed: bool = False


Clip: TypeAlias = FrameClip | FileClip


class Control(Protocol):
    """What an engine tells while it works. Any thread of the engine may call it."""

    @property
    def cancelled(self) -> bool:
        """True once the job should stop. Cheap enough for an inner loop."""

    def check(self) -> None:
        """Raise `Cancelled` if the job should stop."""

    def progress(self, phase: Phase, fraction: float, note: str = "") -> None:
        """Report `fraction` (0…1) of `phase` done, with an optional word for a person (`compiling`, `step 3/40`);
        raises `Cancelled` like `check`. Calling it is also the sign of life that the progress deadline waits for."""

    def preview(self, picture: Picture) -> None:
        """Show what the clip looks like so far: a small (height, width, 3) RGB picture, of any size. An engine that
        has nothing to show before the end never calls it; each call replaces the last."""


class Unheard:
    """The `Control` of work that nobody watches or stops: compiling ahead of time, a benchmark, a contact sheet."""

    cancelled = False

    def check(self) -> None:
        """Nobody cancels it."""

    def progress(self, phase: Phase, fraction: float, note: str = "") -> None:
        """Nobody listens."""

    def preview(self, picture: Picture) -> None:
        """Nobody looks."""


@runtime_checkable
class Engine(Protocol):
    """One engine, made by its entry point with the card's `[engine]` options (TOML values).

    Making one, `capabilities`, `plan` and `footprint` must be instant and import nothing heavy: they run in the
    server and in the worker. `load`, `render` and `unload` run in the studio only. Wrong options raise `SetupError`.
    """

    name: str

    def capabilities(self) -> Capabilities: ...

    def plan(self, shot: Shot, image_size: tuple[int, int] | None) -> Plan:
        """The delivered size and length for this shot; `image_size` is (width, height) of the checked image."""

    def footprint(self) -> Footprint:
        """What it will take; in the studio, once it is loaded, what it took at most so far."""

    def load(self, control: Control) -> None:
        """Become ready to render. Called once. Raises `EngineError` or `OutOfMemory`."""

    def render(self, shot: Shot, plan: Plan, image: Picture | None, control: Control, folder: Path) -> Clip:
        """Make the clip. `image` is the checked RGB picture at its own size; `folder` is the job's scratch folder,
        removed afterwards. Raises `Cancelled`, `EngineError`, `OutOfMemory`."""

    def unload(self) -> None:
        """Give back what `load` took. The studio's process ends right after."""


@runtime_checkable
class Preparing(Protocol):
    """An engine that can be made ready on this machine ahead of its first load, such as by compiling."""

    def preparation(self) -> tuple[str, ...]:
        """Arguments for this Python that do it in a process of its own, or none when there is nothing to do; told at
        once and without importing anything heavy. The process is given the lowest priority and may be killed at any
        moment; it ends by itself when it is done, and when its standard input ends."""


def make_engine(name: str, options: Mapping[str, Any]) -> Engine:
    """The engine called `name`, told its options but not loaded."""
    engine = load(ENTRY_POINT_GROUP, "engine", name)(options)
    if not isinstance(engine, Engine):
        raise SetupError(f"the entry point of engine '{name}' does not make an Engine: {engine!r}")
    return engine
