"""A photograph moves and never tears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.core.shot import Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.animatic.photo.depth import analyse
from rushes.engines.animatic.photo.fill import fill
from rushes.engines.animatic.photo.film import sky_alone
from rushes.engines.animatic.photo.mask import confidence
from rushes.engines.animatic.photo.moves import shift_at
from rushes.engines.animatic.photo.warp import LEAST, Shift, grid_map
from rushes.engines.animatic.scene.path import Move, Path
from rushes.engines.animatic.tables import table
from rushes.engines.animatic.world.view import Pose

from .conftest import render


@pytest.fixture(scope="module")
def photograph() -> npt.NDArray[np.uint8]:
    """A bright sky over textured ground with a tall dark post in the middle."""
    rng = np.random.default_rng(0)
    image = np.zeros((300, 400, 3), np.float32)
    image[:140] = np.linspace(210, 235, 140)[:, None, None]
    image[:140, :, 2] += 15
    image[140:] = (
        90 + 40 * cv2.GaussianBlur(rng.standard_normal((160, 400)).astype(np.float32), (0, 0), 1.5)[..., None]
    )
    image[60:260, 180:220] = (60, 30, 30)
    return np.clip(image, 0, 255).astype(np.uint8)


def test_own_aspect_and_size(engine: AnimaticEngine, photograph: npt.NDArray[np.uint8]) -> None:
    clip = render(engine, Shot(prompt="push in", has_image=True), photograph)
    frames = list(clip.frames)
    assert len(frames) == clip.plan.frames
    assert clip.plan.width / clip.plan.height == pytest.approx(4 / 3, rel=0.03)
    assert clip.report.details["camera"] == ["dolly in"]
    assert clip.report.details["depth"]


def test_the_first_frame_is_the_photograph(
    first: Callable[..., Any], photograph: npt.NDArray[np.uint8]
) -> None:
    frame = first("static shot", image=photograph).astype(float)
    shown = cv2.resize(photograph, (frame.shape[1], frame.shape[0]), interpolation=cv2.INTER_AREA).astype(
        float
    )
    assert abs(frame - shown).mean() < 14


def test_snow_and_fog_fall_on_a_photograph_only_when_asked(
    first: Callable[..., Any], photograph: npt.NDArray[np.uint8]
) -> None:
    plain = first("static shot", image=photograph).astype(int)
    snowy = first("static shot, heavy snow", image=photograph).astype(int)
    assert np.abs(snowy[60:] - plain[60:]).mean() > 8


def figure(head: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """A red body with a head of the given colour before green foliage."""
    rng = np.random.default_rng(1)
    image = np.full((360, 480, 3), (40, 90, 60), np.float32)
    image += 10 * cv2.GaussianBlur(rng.standard_normal((360, 480)).astype(np.float32), (0, 0), 3)[..., None]
    cv2.ellipse(image, (240, 240), (70, 100), 0, 0, 360, (200, 40, 30), -1)
    cv2.circle(image, (240, 110), 45, head, -1)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.7), 0, 255).astype(np.uint8)


def test_a_whole_figure_moves_as_a_layer(engine: AnimaticEngine) -> None:
    clip = render(engine, Shot(prompt="truck right", has_image=True), figure((200, 40, 30)))
    assert clip.report.details["depth"] == "layers"
    assert clip.report.details["foreground confidence"] >= 0.8
    frames = [f.astype(int) for f in clip.frames]
    assert np.abs(frames[0] - frames[-1]).mean() > 0.5


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_doubtful_mask_is_not_used(share: float) -> None:
    image = figure((200, 40, 30))
    small = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    true = image[..., 0] > 120
    cut_off = true.copy()
    cut_off[: int(360 * share)] = False
    everywhere_else = image[..., 1] > 60
    assert confidence(true, small, everywhere_else) > 0.8
    assert confidence(cut_off, small, everywhere_else) < 0.8
    holed = true.copy()
    holed[220:260, 220:260] = False
    assert confidence(holed, small, everywhere_else) < 0.8


FIELD = st.floats(-1, 1, allow_nan=False, width=32)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(0, 1, width=32), min_size=12, max_size=12),
    x=FIELD, y=FIELD, dolly=st.floats(-0.9, 2), zoom=st.floats(0.7, 2), roll=st.floats(-0.02, 0.02),
)  # fmt: skip
def test_no_depth_and_no_move_folds_the_picture(
    values: list[float], x: float, y: float, dolly: float, zoom: float, roll: float
) -> None:
    near = cv2.resize(np.array(values, np.float32).reshape(3, 4), (40, 24), interpolation=cv2.INTER_LINEAR)
    u, v = grid_map(near, Shift(x=x * 0.3, y=y * 0.3, zoom=zoom, dolly=dolly, roll=roll), 1.6)
    assert np.isfinite(u).all()
    assert np.isfinite(v).all()
    assert np.diff(u, axis=1).min() > 0.9 * LEAST / 39
    assert np.diff(v, axis=0).min() > 0.9 * LEAST / 23


@pytest.mark.parametrize("name", list(table("camera")))
def test_moves_stay_inside_the_photograph(name: str) -> None:
    near = np.tile(np.linspace(0, 1, 24, dtype=np.float32)[:, None], (1, 40))
    path = Path(Pose(0, 0, 0), (Move.named(name, table("camera")[name]),), 5.0, 1.0, 3.0, 1)
    for t in np.linspace(0, 5, 11):
        u, v = grid_map(near, shift_at(path, float(t), 1.0), 16 / 9)
        assert u.min() > -0.02
        assert u.max() < 1.02
        assert v.min() > -0.02
        assert v.max() < 1.02


def test_the_sky_that_drifts_holds_nothing_that_stands_before_it(photograph: npt.NDArray[np.uint8]) -> None:
    luma = photograph.mean(axis=2).astype(np.float32)
    post = (slice(60, 120), slice(180, 220))
    assert luma[post].max() < 60
    assert sky_alone(luma, analyse(photograph).sky)[post].min() > 190


def test_a_gap_is_filled_with_its_surroundings() -> None:
    plane = np.full((40, 60), 100, np.float32)
    plane[:, 30:] = 200
    known = np.ones_like(plane)
    known[10:20, 5:15] = 0
    known[20:30, 40:50] = 0
    broken = np.where(known > 0, plane, 0).astype(np.float32)
    filled = fill(broken, known)
    assert np.abs(filled - plane)[known > 0].max() < 1e-3
    assert np.abs(filled - plane)[known == 0].max() < 25
