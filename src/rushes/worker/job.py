"""One job, from its staged picture to files that may be shown: the order of things, and nothing else.

It runs inside the studio, because frames never cross a process. Everything it writes lies in the job's own folder,
which the worker made and removes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Literal

import av
import msgspec

from rushes.core.errors import BadOutput
from rushes.core.request import Outcome, Phase
from rushes.engines.base import Clip, Control, Engine, FileClip, FrameClip, Picture, Plan
from rushes.engines.hook import hooked, load_hook
from rushes.media import provenance
from rushes.media.encode import write_video
from rushes.media.inputs import load_picture
from rushes.media.inspect import Inspection, inspect
from rushes.media.thumbnail import Preview, Thumbnail
from rushes.worker.messages import Job

VIDEO, THUMBNAIL, PREVIEW = "video.mp4", "thumbnail.jpg", "preview.mp4"


def make(job: Job, engine: Engine, control: Control) -> Outcome:
    """Picture in → render → encode → thumbnail, preview and inspection in one pass → mark.

    The outcome names files of the job's folder. Raises what the engine raises, `BadImage` and `BadOutput`.
    """
    folder = Path(job.folder)
    control.progress(Phase.RENDER, 0.0)
    image = load_picture((folder / job.image).read_bytes()) if job.image else None
    plan = engine.plan(job.shot, None if image is None else (image.shape[1], image.shape[0]))
    clip = engine.render(job.shot, plan, image, control, folder)
    encode(clip, plan, job, control)
    found = look(clip, folder, control)
    mark(clip, folder, engine)
    return account(job, engine, clip, found, folder / VIDEO)


def encode(clip: Clip, plan: Plan, job: Job, control: Control) -> None:
    """Bring the clip to the job's MP4: a finished file as it is, frames through the operator's hook and the encoder."""
    path = Path(job.folder) / VIDEO
    if isinstance(clip, FileClip):
        _require(clip, plan)
        clip.path.replace(path)
        return
    with closing(clip):
        _require(clip, plan)
        phase = Phase.RENDER if clip.lazy else Phase.ENCODE
        write_video(
            frames_of(clip, job),
            path,
            width=plan.width,
            height=plan.height,
            fps=plan.fps,
            count=plan.frames,
            audio=clip.audio,
            encoding=job.making.encoding,
            on_frame=lambda drawn: control.progress(phase, drawn / plan.frames),
        )


def frames_of(clip: FrameClip, job: Job) -> Iterator[Picture]:
    """The clip's own frames, or what the operator's hook makes of them."""
    name = job.making.frame_hook
    if name is None:
        return clip.frames
    return hooked(clip.frames, load_hook(name)(job.request_id, job.shot, clip.plan), name)


def look(clip: Clip, folder: Path, control: Control) -> Inspection:
    """Decode the video once: verify it, and make thumbnail and preview from what is seen. An upstream's file may be
    one frame off; what we encode ourselves may not."""
    plan = clip.plan
    size = {"width": plan.width, "height": plan.height, "fps": plan.fps, "frames": plan.frames}
    sinks = (
        Thumbnail(folder / THUMBNAIL, frames=plan.frames),
        Preview(folder / PREVIEW, **size),
        Onlooker(plan, control),
    )
    return inspect(
        folder / VIDEO, **size, sound=plan.sound, sinks=sinks, slack=int(isinstance(clip, FileClip))
    )


def mark(clip: Clip, folder: Path, engine: Engine) -> None:
    """Say in the files that a machine made them. A signed file says so already, and would lose its signature."""
    source = engine.capabilities().source
    for name in (PREVIEW,) if signed_by(clip, folder) else (VIDEO, PREVIEW):
        provenance.mark_video(folder / name, source=source)
    provenance.mark_image(folder / THUMBNAIL, source=source)


def signed_by(clip: Clip, folder: Path) -> Literal["", "upstream"]:
    """Who has signed the video before us: the engine says so, or the file."""
    if isinstance(clip, FileClip) and (clip.signed or provenance.is_signed(folder / VIDEO)):
        return "upstream"
    return ""


def account(job: Job, engine: Engine, clip: Clip, found: Inspection, video: Path) -> Outcome:
    """What was made and measured, under the names of the job's files."""
    said = clip.report
    report = {**said.details, "understood": said.understood, "ignored": said.ignored}
    return Outcome(
        video=VIDEO,
        thumbnail=THUMBNAIL,
        preview=PREVIEW,
        width=clip.plan.width,
        height=clip.plan.height,
        fps=clip.plan.fps,
        frames=clip.plan.frames,
        seconds=clip.plan.seconds,
        size=video.stat().st_size,
        sound=clip.plan.sound,
        seed=job.shot.seed,
        engine=engine.name,
        sha256=provenance.file_sha256(video),
        source=engine.capabilities().source,
        credentials=signed_by(clip, video.parent),
        report=msgspec.to_builtins(report),
        measured=found.measured,
        warnings=[*said.warnings, *found.warnings],
    )


class Onlooker(nullcontext[Any]):
    """A sink that only reports how far the inspection has come, and lets a cancel through."""

    def __init__(self, plan: Plan, control: Control) -> None:
        super().__init__(self)
        self._frames = plan.frames
        self._control = control

    def see(self, index: int, frame: av.VideoFrame) -> None:
        self._control.progress(Phase.INSPECT, index / self._frames)


def _require(clip: Clip, plan: Plan) -> None:
    """An upstream may choose size and frame rate; nobody may change the length or the sound."""
    kept = (clip.plan.seconds, clip.plan.sound) == (plan.seconds, plan.sound)
    if not kept or (isinstance(clip, FrameClip) and clip.plan != plan):
        raise BadOutput(f"the engine delivered {clip.plan} where it had planned {plan}")
