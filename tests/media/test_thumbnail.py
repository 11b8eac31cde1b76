from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from rushes.core.errors import BadOutput
from rushes.media.frames import fit
from rushes.media.inspect import inspect
from rushes.media.thumbnail import Preview, Thumbnail, telling
from tests.media.clips import FPS, HEIGHT, WIDTH, flat, moving, tone, write_clip


def stills(path: Path, frames: int, **more: Any) -> tuple[Path, Path]:
    asked: dict[str, Any] = {"width": WIDTH, "height": HEIGHT, "fps": FPS, "sound": False} | more
    thumbnail, preview = path.with_suffix(".jpg"), path.with_suffix(".preview.mp4")
    size = {name: asked[name] for name in ("width", "height", "fps")}
    sinks = [Thumbnail(thumbnail, frames=frames), Preview(preview, frames=frames, **size)]
    inspect(path, frames=frames, sinks=sinks, **asked)
    return thumbnail, preview


def test_the_thumbnail_has_the_clips_colours_and_size(tmp_path: Path) -> None:
    for name, colour in (("r", (255, 0, 0)), ("b", (0, 0, 255)), ("o", (200, 120, 40))):
        thumbnail, _ = stills(write_clip(tmp_path / f"{name}.mp4", 12, frames=flat(colour, 12)), 12)
        with Image.open(thumbnail) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (WIDTH, HEIGHT), "RGB")
            assert np.abs(np.asarray(image).astype(int) - colour).max() <= 2


def test_the_thumbnail_shows_the_telling_frame(tmp_path: Path) -> None:
    """Darkness with one good frame a third of the way in."""
    frames = list(flat((10, 10, 10), 40))
    frames[int(40 * (0.2 + 0.3 * 4 / 8))] = next(moving(1))
    thumbnail, _ = stills(write_clip(tmp_path / "a.mp4", 40, frames=iter(frames)), 40)
    with Image.open(thumbnail) as image:
        assert np.asarray(image.convert("L")).std() > 15


def test_a_clip_of_one_frame_has_a_thumbnail(tmp_path: Path) -> None:
    thumbnail, preview = stills(write_clip(tmp_path / "a.mp4", 1), 1)
    assert thumbnail.exists()
    assert preview.exists()


def test_large_pictures_are_scaled_down() -> None:
    assert fit(1920, 1080, 1280) == (1280, 720)
    assert fit(1080, 1920, 320) == (180, 320)
    assert fit(64, 48, 320) == (64, 48)
    assert fit(3000, 2, 320) == (320, 2)


def test_detail_and_contrast_tell() -> None:
    ramp = np.tile(np.linspace(0, 255, 96, dtype=np.uint8), (64, 1))
    edges = np.random.default_rng(1).integers(0, 2, (64, 96)).astype(np.uint8) * 255
    assert telling(edges) > telling(edges // 8 + 100) > telling(np.zeros_like(ramp))
    assert telling(edges) > telling(ramp)


def test_the_preview_is_small_muted_and_as_long(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "a.mp4", 48, width=640, height=360, frames=moving(48, 640, 360), audio=tone(2.0)
    )
    _, preview = stills(path, 48, width=640, height=360, sound=True)
    found = inspect(preview, width=320, height=180, fps=12, frames=24, sound=False)
    assert found.measured["seconds"] == 2.0
    assert preview.stat().st_size < path.stat().st_size


@pytest.mark.parametrize(("fps", "count", "shown"), [(30, 45, 18), (8, 8, 8), (25, 25, 12)])
def test_the_preview_keeps_time_at_any_rate(tmp_path: Path, fps: int, count: int, shown: int) -> None:
    _, preview = stills(write_clip(tmp_path / "a.mp4", count, fps=fps), count, fps=fps)
    found = inspect(preview, width=WIDTH, height=HEIGHT, fps=min(12, fps), frames=shown, sound=False)
    assert abs(found.measured["seconds"] - count / fps) <= 1 / 12


def test_the_preview_keeps_the_colours(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 12, frames=flat((200, 120, 40), 12))
    _, preview = stills(path, 12)
    with av.open(str(preview)) as container:
        assert container.streams.video[0].codec_context.colorspace == 1
        frame = next(container.decode(video=0))
    with av.open(str(path)) as container:
        original = next(container.decode(video=0))
    assert np.abs(frame.to_ndarray().astype(int) - original.to_ndarray()).max() <= 3


def test_a_refused_clip_leaves_no_stills(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 24)
    with pytest.raises(BadOutput):
        stills(path, 20)
    assert list(tmp_path.iterdir()) == [path]
