"""A photograph moves and never tears."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushes.core.shot import Shot
from rushes.engines.animatic import AnimaticEngine
from rushes.engines.animatic.film import film
from rushes.engines.animatic.photo.depth import analyse
from rushes.engines.animatic.photo.fill import fill
from rushes.engines.animatic.photo.film import drifts, reach
from rushes.engines.animatic.photo.flow import CYCLE, Clouds, Fall, Flow, Lapse, Ripples
from rushes.engines.animatic.photo.grade import PLAIN, asked, graded
from rushes.engines.animatic.photo.mask import confidence
from rushes.engines.animatic.photo.moves import shift_at
from rushes.engines.animatic.photo.sky import SURE_WHEN_NAMED, Sky
from rushes.engines.animatic.photo.warp import LEAST, Shift, grid_map
from rushes.engines.animatic.photo.water import Water, find_fall, find_water
from rushes.engines.animatic.prompt.parse import parse
from rushes.engines.animatic.scene.path import Move, Path
from rushes.engines.animatic.tables import table
from rushes.engines.animatic.world.view import Pose

from .conftest import Recorder, mean, render

Image = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def photograph() -> Image:
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


def test_own_aspect_and_size(engine: AnimaticEngine, photograph: Image) -> None:
    clip = render(engine, Shot(prompt="push in", has_image=True), photograph)
    frames = list(clip.frames)
    assert len(frames) == clip.plan.frames
    assert clip.plan.width / clip.plan.height == pytest.approx(4 / 3, rel=0.03)
    assert clip.report.details["camera"] == ["dolly in"]
    assert clip.report.details["depth"]


def test_the_first_frame_is_the_photograph(first: Callable[..., Any], photograph: Image) -> None:
    frame = first("static shot", image=photograph).astype(float)
    shown = cv2.resize(photograph, (frame.shape[1], frame.shape[0]), interpolation=cv2.INTER_AREA).astype(
        float
    )
    assert abs(frame - shown).mean() < 14


def test_snow_and_fog_fall_on_a_photograph_only_when_asked(
    first: Callable[..., Any], photograph: Image
) -> None:
    plain = first("static shot", image=photograph).astype(int)
    snowy = first("static shot, heavy snow", image=photograph).astype(int)
    assert np.abs(snowy[60:] - plain[60:]).mean() > 8


def figure(head: tuple[int, int, int]) -> Image:
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
        for aspect, close in ((16 / 9, 0.0), (9 / 16, 0.0), (16 / 9, 1.0)):
            u, v = grid_map(near, shift_at(path, float(t), 1.0, aspect, close), aspect)
            assert u.min() > -0.005
            assert u.max() < 1.005
            assert v.min() > -0.005
            assert v.max() < 1.005


@pytest.mark.parametrize("name", list(table("camera")))
def test_a_clip_begins_or_ends_as_the_whole_photograph(name: str) -> None:
    path = Path(Pose(0, 0, 0), (Move.named(name, table("camera")[name]),), 5.0, 1.0, 3.0, 1)
    ends = [shift_at(path, t, 1.0, 1.5) for t in (0.0, 5.0)]
    if path.total("cant"):
        assert abs(ends[0].roll) > 0.1
        return
    # What is far is all there at one end, and but for a dolly zoom what is near as well.
    assert min(shift.zoom for shift in ends) == pytest.approx(1)
    if name != "dolly zoom":
        assert min(shift.zoom * (1 + shift.dolly) for shift in ends) == pytest.approx(1)
    if path.total("forward") >= 0 and table("camera")[name].get("zoom", 1.0) >= 1:
        assert ends[0] == Shift()


def test_the_sky_drifts_and_drags_nothing_along(photograph: Image) -> None:
    depth = analyse(photograph)
    far = reach(depth.sky.mask)
    rows, columns = far.shape
    post = far[int(0.22 * rows) : int(0.6 * rows), int(0.46 * columns) : int(0.54 * columns)]
    assert post.max() == 0
    assert far[: int(0.15 * rows), : int(0.3 * columns)].max() == 1
    # Nowhere does it drift so much less than beside it that it would fold.
    for seconds in (5.0, 10.0):
        most = Clouds(2.5, seconds).step(far, far, seconds, 0).across.min() * columns
        assert abs(np.diff(far, axis=1)).max() * abs(most) < 1


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


SHORE = 0.5


def waves(rows: int, columns: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Noise drawn out sideways, the finer the higher up."""
    fine = cv2.GaussianBlur(rng.standard_normal((rows, columns)).astype(np.float32), (0, 0), 9, sigmaY=0.8)
    broad = cv2.GaussianBlur(rng.standard_normal((rows, columns)).astype(np.float32), (0, 0), 22, sigmaY=2)
    near = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    return np.asarray(fine / fine.std() * (1 - near) + broad / broad.std() * near, np.float32)


@pytest.fixture(scope="module")
def lake() -> Image:
    """Clouds in a blue sky, a dark wooded shore, and a blue lake with waves below it."""
    rng = np.random.default_rng(4)
    image = np.zeros((320, 480, 3), np.float32)
    clouds = cv2.GaussianBlur(rng.standard_normal((320, 480)).astype(np.float32), (0, 0), 25)
    image[:] = (150, 185, 225)
    image += 400 * np.clip(clouds, 0, None)[..., None]
    wood = cv2.GaussianBlur(rng.standard_normal((320, 480)).astype(np.float32), (0, 0), 2)[..., None]
    image[130:160] = (np.array((45, 75, 40)) + 60 * wood)[130:160]
    image[160:] = np.linspace((95, 135, 190), (35, 70, 130), 160)[:, None]
    image[160:] += 16 * waves(160, 480, rng)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def found(image: Image, named: bool = False) -> Water:
    depth = analyse(image)
    return find_water(depth.small, depth.sky, depth.horizon, named)


def test_water_is_found_below_its_shore(lake: Image) -> None:
    water = found(lake)
    assert water.sure
    rows = len(water.mask)
    assert water.mask[int((SHORE + 0.06) * rows) :].mean() > 0.8
    assert water.mask[: int((SHORE - 0.06) * rows)].max() < 0.05
    assert abs(water.horizon - SHORE) < 0.05


def test_water_moves_and_land_does_not(engine: AnimaticEngine, lake: Image) -> None:
    clip = render(engine, Shot(prompt="static shot of a lake", has_image=True), lake)
    assert clip.report.details["water"] == "moving"
    rows = clip.plan.height
    frames = [frame[:rows].astype(int) for frame in clip.frames]
    bands = {"wood": slice(int(0.42 * rows), int(0.48 * rows)), "water": slice(int(0.62 * rows), rows)}
    steps = {
        name: np.array([abs(a[b] - c[b]).mean() for a, c in pairwise(frames)]) for name, b in bands.items()
    }
    # What is left on land is the dither.
    assert np.median(steps["water"]) > 1.6 * np.median(steps["wood"])
    assert steps["wood"].max() < 1.3 * np.median(steps["wood"])
    # From where the first breath has passed, it moves without jumps.
    assert steps["water"][6:].max() < 2 * np.median(steps["water"])


def test_a_still_lake_is_calmer_than_a_rough_one_and_may_be_forbidden(
    engine: AnimaticEngine, lake: Image
) -> None:
    def unrest(prompt: str) -> float:
        frames = [
            f.astype(int) for f in list(render(engine, Shot(prompt=prompt, has_image=True), lake).frames)
        ]
        half = int(0.62 * len(frames[0]) * 2 / 3)
        return float(np.mean([abs(a - b)[half : len(a) * 2 // 3].mean() for a, b in pairwise(frames[8:20])]))

    calm, rough, none = (
        unrest(f"static shot, {words}") for words in ("a calm lake", "a rough lake in the wind", "no waves")
    )
    assert rough > 1.3 * calm
    assert calm > 1.15 * none


def test_no_water_is_found_where_there_is_none(photograph: Image) -> None:
    rng = np.random.default_rng(3)
    flat = np.full((240, 320, 3), (120, 140, 170), np.uint8)
    noise = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    slope = np.repeat(np.linspace(40, 220, 240).astype(np.uint8)[:, None, None], 320, axis=1).repeat(
        3, axis=2
    )
    road = street(rng)
    assert analyse(road).sky.confidence > 0.75
    for image in (flat, noise, slope, photograph, road, figure((225, 175, 145))):
        depth = analyse(image)
        for named in (False, True):
            assert not find_water(depth.small, depth.sky, depth.horizon, named).sure
        assert not find_fall(depth.small, depth.sky).sure


def street(rng: np.random.Generator) -> Image:
    """A grey street between walls under a blue sky: level below the walls, and grey as water under clouds."""
    image = np.full((320, 480, 3), (150, 185, 225), np.float32)
    image += 60 * cv2.GaussianBlur(rng.standard_normal((320, 480)).astype(np.float32), (0, 0), 25)[..., None]
    stones = cv2.GaussianBlur(rng.standard_normal((320, 480)).astype(np.float32), (0, 0), 2)[..., None]
    for left, right in ((0, 170), (330, 480)):
        image[60:200, left:right] = ((120, 75, 60) + 70 * stones)[60:200, left:right]
    road = cv2.GaussianBlur(rng.standard_normal((120, 480)).astype(np.float32), (0, 0), 6, sigmaY=1)
    image[200:] = (100, 98, 92) + 30 * (road / road.std())[..., None]
    image[200:, :60] = image[200:, 420:] = (130, 120, 100)
    return np.clip(image, 0, 255).astype(np.uint8)


def studio(ground: tuple[int, int, int]) -> Image:
    """A dark bottle before a lit paper that hangs from above the picture to below it."""
    rng = np.random.default_rng(6)
    down, across = np.mgrid[0:320, 0:480].astype(np.float32)
    light = 1 - 0.12 * np.hypot(across / 480 - 0.5, down / 320 - 0.4)
    image = light[..., None] * np.array(ground, np.float32) + rng.normal(0, 1, (320, 480, 1))
    cv2.rectangle(image, (215, 110), (265, 300), (40, 25, 20), -1)
    cv2.rectangle(image, (230, 60), (250, 110), (45, 30, 25), -1)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("ground", [(238, 236, 233), (205, 210, 216), (120, 190, 235)])
def test_a_studios_paper_is_no_sky(ground: tuple[int, int, int]) -> None:
    depth = analyse(studio(ground))
    assert depth.sky.mask[:20].mean() > 0.9
    assert depth.sky.confidence < SURE_WHEN_NAMED
    for prompt in ("", "windy", "time lapse of clouds", "beach"):
        assert not drifts(depth.sky, parse(prompt))


def test_skies_drift_unless_a_room_is_named(photograph: Image, lake: Image) -> None:
    for image in (photograph, lake):
        sky = analyse(image).sky
        assert drifts(sky, parse(""))
        assert not drifts(sky, parse("an office"))
        assert not drifts(sky, parse("no clouds"))
    doubtful = Sky(np.ones((4, 4), np.float32), 0.5)
    assert not drifts(doubtful, parse("a portrait"))
    assert drifts(doubtful, parse("clouds"))


def test_what_stands_before_a_backdrop_does_not_lean() -> None:
    """A ground plane below a horizon leans what stands on it; a bottle before paper has none."""
    near = analyse(studio((238, 236, 233))).near
    rows, columns = near.shape
    bottle = near[int(0.4 * rows) : int(0.9 * rows), columns // 2]
    assert np.ptp(bottle) < 0.12
    assert bottle.min() > near[: rows // 8, : columns // 8].mean() + 0.1


def test_a_head_without_its_shoulders_is_no_foreground(engine: AnimaticEngine) -> None:
    rng = np.random.default_rng(8)
    image = np.full((400, 400, 3), (60, 110, 120), np.float32)
    image += 12 * cv2.GaussianBlur(rng.standard_normal((400, 400)).astype(np.float32), (0, 0), 3)[..., None]
    cv2.ellipse(image, (200, 400), (160, 110), 0, 0, 360, (66, 118, 126), -1)
    cv2.ellipse(image, (200, 190), (70, 100), 0, 0, 360, (205, 150, 120), -1)
    clip = render(engine, Shot(prompt="truck left", has_image=True), np.clip(image, 0, 255).astype(np.uint8))
    assert clip.report.details["depth"] == "smooth"


def test_a_move_into_a_portrait_keeps_its_head() -> None:
    path = Path(Pose(0, 0, 0), (Move.named("zoom in", table("camera")["zoom in"]),), 5.0, 1.0, 3.0, 1)
    flat = np.full((24, 40), 0.5, np.float32)
    for aspect in (16 / 9, 9 / 16):
        tops = []
        for close in (0.0, 1.0):
            u, v = grid_map(flat, shift_at(path, 5.0, 1.0, aspect, close), aspect)
            assert -0.005 < v.min() < v.max() < 1.005
            assert -0.005 < u.min() < u.max() < 1.005
            tops.append(float(v.min()))
        assert tops[1] < 0.65 * tops[0]


def test_a_person_close_by_raises_the_bar(lake: Image) -> None:
    """A word for water is not enough where skin fills the picture: grey water behind a face stays still."""
    grey = np.repeat(lake.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    assert found(grey, named=True).sure
    cv2.ellipse(grey, (240, 190), (80, 110), 0, 0, 360, (215, 160, 130), -1)
    assert not found(grey, named=True).sure


def test_a_fall_comes_down(engine: AnimaticEngine) -> None:
    rng = np.random.default_rng(2)
    image = np.full((320, 400, 3), (45, 60, 35), np.float32)
    image += (
        14 * cv2.GaussianBlur(rng.standard_normal((320, 400)).astype(np.float32), (0, 0), 2)[..., None] * 4
    )
    streaks = cv2.GaussianBlur(rng.standard_normal((320, 90)).astype(np.float32), (0, 0), 1.2, sigmaY=14)
    image[:, 160:250] = (205 + 28 * streaks / streaks.std())[..., None]
    clip = render(
        engine,
        Shot(prompt="a waterfall, static shot", has_image=True),
        np.clip(image, 0, 255).astype(np.uint8),
    )
    assert clip.report.details["water"] == "moving"
    frames = [frame[: clip.plan.height].astype(int) for frame in clip.frames]
    w = clip.plan.width
    steps = np.array([abs(a - b).mean(axis=0) for a, b in pairwise(frames[6:])])
    fall, rock = steps[:, int(0.43 * w) : int(0.6 * w)].mean(axis=1), steps[:, : int(0.3 * w)].mean(axis=1)
    assert fall.min() > 2 * rock.max()
    assert fall.max() < 2.5 * fall.min()


def test_a_time_lapse_hurries_clouds_and_slow_motion_holds_them(engine: AnimaticEngine, lake: Image) -> None:
    # Clouds that stand out from what bytes are rounded by.
    image = lake.astype(np.float32)
    image[:130] = 170 + 4 * (image[:130] - image[:130].mean(axis=(0, 1))) + (0, 0, 40)
    bold = np.clip(image, 0, 255).astype(np.uint8)

    def travel(prompt: str) -> float:
        """How much the sky changes in a third of a second."""
        clip = render(engine, Shot(prompt=f"static shot, no grain, {prompt}", has_image=True), bold)
        assert clip.report.details["sky"] == "moving"
        frames = [frame[: clip.plan.height * 3 // 10].astype(int) for frame in clip.frames]
        return float(np.mean([abs(a - b).mean() for a, b in zip(frames[8:20], frames[10:22], strict=True)]))

    slow, usual, lapse = (travel(f"{words}clouds") for words in ("slow motion, ", "", "time lapse, "))
    assert lapse > 1.8 * usual
    assert usual > 1.3 * slow


def test_slow_motion_holds_waves_and_snow(engine: AnimaticEngine, lake: Image, photograph: Image) -> None:
    """Frames of a clip in slow motion are those of an earlier moment."""
    for prompt, image in (("a lake, static shot", lake), ("heavy snow, static shot", photograph)):
        usual, slow = (
            [f.astype(int) for f in render(engine, Shot(prompt=words, has_image=True), image).frames]
            for words in (prompt, f"{prompt}, slow motion")
        )
        steps = [
            np.mean([abs(a - b)[45:90].mean() for a, b in pairwise(clip[8:24])]) for clip in (slow, usual)
        ]
        assert steps[0] < 0.85 * steps[1]


def test_frames_do_not_depend_on_who_draws_them_or_when(engine: AnimaticEngine, lake: Image) -> None:
    """Several are drawn at once."""
    shot = Shot(prompt="time lapse of a lake in heavy rain, handheld, vintage", has_image=True)
    plan = engine.plan(shot, (lake.shape[1], lake.shape[0]))
    made = film(shot, plan, lake, engine.rendered(plan), Recorder())
    alone = [made.frame(number) for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(made.frame, reversed(range(12))))[::-1]
    assert all((a == b).all() for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("flow", [Clouds(1.0, 5.0), Ripples(0.4, 1.5, 1.0, 1.0, 3), Fall(3), Lapse(16.0, 3)])
def test_flows_begin_at_rest_and_do_not_jump(flow: Flow) -> None:
    u, v = np.meshgrid(np.linspace(0, 1, 60, dtype=np.float32), np.linspace(0, 1, 40, dtype=np.float32))
    for phase in (0, 1):
        first = flow.step(u, v, 0.0, phase)
        assert not first.across.any()
        assert not first.down.any()
        assert first.glint is None or not first.glint.any()
    times = np.arange(2.0, 2.0 + 2 * CYCLE, 1 / 48)
    before, after = ([flow.step(u, v, float(t + late), 0) for t in times] for late in (0.0, 1 / 480))
    for t, a, b in zip(times, before, after, strict=True):
        moved = np.hypot(b.across - a.across, b.down - a.down)
        weight = np.ones_like(u) if a.turn is None or b.turn is None else np.maximum(a.turn, b.turn)
        # Where a phase starts again it weighs next to nothing.
        assert (moved * weight).max() < 0.01
        if a.turn is not None:
            other = flow.step(u, v, float(t), 1).turn
            assert other is not None
            assert np.allclose(a.turn, other, atol=1e-5)


def test_words_for_light_are_curves_on_the_photograph(first: Callable[..., Any], photograph: Image) -> None:
    plain = first("static shot", image=photograph).astype(float)
    noir = first("static shot, film noir", image=photograph).astype(float)
    assert np.ptp(noir, axis=2).mean() < 3 < np.ptp(plain, axis=2).mean()
    sunset, night = (mean(first(f"static shot, {t}", image=photograph)) for t in ("sunset", "at night"))
    own = mean(plain)
    assert sunset[0] / sunset[2] > 1.08 * own[0] / own[2]
    assert night.sum() < 0.75 * own.sum()
    assert night[2] / night[0] > own[2] / own[0]


def test_what_a_photograph_already_has_is_not_put_on_twice() -> None:
    y = np.full((60, 80), 120, np.float32)
    cool, warm = (np.tile(np.array(cast, np.float32), (30, 40, 1)) for cast in ((8, -6), (-30, 34)))
    tints = [asked(parse("sunset"), y, cast).tint_light for cast in (cool, warm)]
    assert tints[0][0] > 2 * tints[1][0] > 0
    dark = np.full_like(y, 40)
    assert asked(parse("night"), dark, cool).exposure > asked(parse("night"), y, cool).exposure
    same, chroma = graded(y, cool, PLAIN)
    assert same is y
    assert chroma is cool


def test_the_report_adds_nothing_that_the_photograph_does_not_show(
    engine: AnimaticEngine, photograph: Image
) -> None:
    shot = Shot(prompt="a sailing boat at sunset, push in", has_image=True)
    report = render(engine, shot, photograph).report
    assert report.details["time"] == "sunset"
    assert "sailing boat" in report.details["not_drawn"]
    assert "sailing boat" in report.warnings[0]
    assert render(engine, Shot(has_image=True), photograph).report.warnings == (
        "Nothing in the prompt was understood; the move is the engine's own choice.",
    )


def test_the_report_names_what_was_to_flow_and_stands_still(
    engine: AnimaticEngine, photograph: Image, lake: Image
) -> None:
    def told(prompt: str, image: Image) -> Any:
        return render(engine, Shot(prompt=prompt, has_image=True), image).report.details

    still = told("waves on a lake, clouds drifting, static shot", figure((40, 90, 60)))
    assert (still["water"], still["sky"]) == ("still", "still")
    assert {"lake", "clouds"} <= {*still["not_drawn"]}
    assert not {"lake", "clouds"} & {*told("no clouds, no lake, static shot", photograph)["not_drawn"]}
    assert "lake" not in told("a lake, static shot", lake)["not_drawn"]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(1, 90), height=st.integers(1, 90), grey=st.booleans(), seed=st.integers(0, 9),
    aspect=st.sampled_from([None, "9:16"]),
    prompt=st.sampled_from(["", "lake, storm, drone shot", "waterfall in the snow, dolly out", "vintage, night, orbit"]),
)  # fmt: skip
def test_any_size_becomes_a_clip(
    engine: AnimaticEngine, width: int, height: int, grey: bool, seed: int, aspect: Any, prompt: str
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if grey:
        image = image[..., :1].repeat(3, axis=2)
    shot = Shot(prompt=prompt, has_image=True, aspect_ratio=aspect, seed=seed)
    clip = render(engine, shot, image)
    frames = [next(clip.frames) for _ in range(3)]
    assert all(frame.shape == (clip.plan.height * 3 // 2, clip.plan.width) for frame in frames)
    if aspect is None:
        ratio = min(max(width / height, 0.4), 2.5)
        assert clip.plan.width / clip.plan.height == pytest.approx(ratio, rel=0.05)


def test_same_photograph_same_bytes(engine: AnimaticEngine, lake: Image) -> None:
    shot = Shot(prompt="a lake at dusk in the rain, handheld", has_image=True, seed=5)
    once, again = ([f.copy() for f in list(render(engine, shot, lake).frames)[::7]] for _ in range(2))
    assert all((a == b).all() for a, b in zip(once, again, strict=True))
