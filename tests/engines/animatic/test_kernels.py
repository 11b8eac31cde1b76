"""Small parts of the kernels, each against what it stands for."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from rushes.engines.animatic.post.tone import finish, planes
from rushes.engines.animatic.runtime import Plane, f4, i4, kernel, scratch, u4
from rushes.engines.animatic.world.march import (
    BLOCK,
    LEVEL,
    OPEN,
    RISE,
    ROW,
    light_land,
    raise_land,
    walk_land,
)
from rushes.engines.animatic.world.mathx import among, corners, spot, turn, wave
from rushes.engines.animatic.world.nebula import SIDE, _shine
from rushes.engines.animatic.world.noise import seamless
from rushes.engines.animatic.world.ocean import Waves
from rushes.engines.animatic.world.planet import AIR, _sphere
from rushes.engines.animatic.world.plants import OPAQUE, _draw
from rushes.engines.animatic.world.sky import FAR
from rushes.engines.animatic.world.sprites import SIDE as SPRITE
from rushes.engines.animatic.world.sprites import _Sheet, spans
from rushes.engines.animatic.world.strip import STRIP, lay, lift
from rushes.engines.animatic.world.terrain import _ceiling, _quarter
from rushes.engines.animatic.world.view import Pose


def test_the_wave_is_a_sine() -> None:
    x = np.linspace(-300, 300, 4001, dtype=np.float32)
    assert np.abs(np.array([wave(value) for value in x]) - np.sin(x)).max() < 2e-3


def test_a_turn_is_an_arc_tangent() -> None:
    angle = np.linspace(-np.pi / 2, np.pi / 2, 2001)
    found = [turn(x, max(z, 0.0)) for x, z in zip(np.sin(angle) * 0.7, np.cos(angle) * 0.7, strict=True)]
    assert np.abs(np.array(found) - angle / (2 * np.pi)).max() < 2e-5


def test_a_nebula_has_no_seam() -> None:
    sheet = np.random.default_rng(4).random((SIDE, SIDE, 3)).astype(np.float32)
    light = np.ones((6, 9, 4), np.float32)
    _shine(light, sheet, np.float32(SIDE - 4.5), np.float32(SIDE - 2), np.float32(1))
    wrapped = np.roll(sheet, (2, 5), axis=(0, 1))[:6, :10]
    assert np.allclose(light[..., :3] - 1, (wrapped[:, :-1] + wrapped[:, 1:]) / 2, atol=1e-6)
    assert (light[..., 3] == 1).all()


def test_a_planet_is_round_and_has_air_on_its_bright_side() -> None:
    light = np.zeros((60, 80, 4), np.float32)
    light[..., 3] = FAR
    skin = np.ones((16, 16, 4), np.float32)
    sun, day, air = (np.array(v, np.float32) for v in ((1, 0, 0), (1, 1, 1), (0, 0, 1)))
    _sphere(light, skin, np.array([40, 30, 20], np.float32), sun, day, air, np.float32(3))
    j, i = np.mgrid[:60, :80] + 0.5
    r = np.hypot(i - 40, j - 30) / 20
    assert ((light[..., 3] < FAR) == (r < 1)).mean() > 0.995
    assert not light[r > AIR + 0.1, :3].any()
    rim = (r > 1.05) & (r < 1.1)
    assert light[rim & (i > 50), 2].min() > 0.02
    assert not light[rim & (i < 20), 2].any()
    # Day to the right, lights of towns to the left.
    assert light[30, 50, 2] > light[30, 50, 0] * 0.9
    assert light[30, 30, 0] > 2 * light[30, 30, 2]


def test_grain_is_the_dither_of_its_row_and_no_two_rows_share_it() -> None:
    rows, columns = 64, 96
    flat = (
        np.full((rows, columns), 100.3, np.float32),
        *np.full((2, rows // 2, columns // 2), 0.3, np.float32),
    )
    out = np.empty(rows * columns * 3 // 2, np.uint8)
    finish(*flat, out, 2 / 219, 5)
    luma, cb, cr = planes(out, columns, rows)
    # Two even numbers added, of two levels each: a variance of a sixth of four, and a twelfth for rounding.
    assert luma.mean() == pytest.approx(100.3, abs=0.05)
    assert luma.var() == pytest.approx(4 / 6 + 1 / 12, rel=0.1)
    assert len({row.tobytes() for row in luma}) == rows
    assert cb.mean() == cr.mean() == pytest.approx(128.3, abs=0.05)
    again = np.empty_like(out)
    finish(*flat, again, 2 / 219, 6)
    assert (again != out).mean() > 0.3


@pytest.mark.parametrize("columns", [STRIP, STRIP * 3 - 1, STRIP * 2 + 1])
def test_strips_cover_the_picture_once_and_bring_it_back(columns: int) -> None:
    light = np.random.default_rng(1).random((5, columns, 4)).astype(np.float32)
    before = light.copy()
    for first in range(0, columns, STRIP):
        strip = np.zeros((STRIP, 5, 4), np.float32)
        lift(light, first, strip)
        wide = min(STRIP, columns - first)
        assert (strip[:wide] == before[:, first:][:, :STRIP].transpose(1, 0, 2)).all()
        strip[:wide] += 1
        lay(strip, first, light)
    assert (light == before + 1).all()


def test_no_land_within_a_block_s_length_is_above_the_ceiling() -> None:
    rng = np.random.default_rng(2)
    n = BLOCK * 5
    heights = rng.random((n, n)).astype(np.float32) ** 6
    ceiling = _ceiling(heights)
    assert ceiling.shape == (5, 5)
    x, y = rng.random((2, 3000)) * (n - 1)
    i, j = x.astype(int), y.astype(int)
    u, v = x - i, y - j
    near = np.minimum(i + 1, n - 1), np.minimum(j + 1, n - 1)
    land = (heights[j, i] * (1 - u) + heights[j, near[0]] * u) * (1 - v)
    land += (heights[near[1], i] * (1 - u) + heights[near[1], near[0]] * u) * v
    for asked_x, asked_y in ((0, 0), (BLOCK, 0), (0, -BLOCK), (-BLOCK, BLOCK)):
        a, b = (np.clip(at, 0, n - 1).astype(int) // BLOCK for at in (x + asked_x, y + asked_y))
        assert (land <= ceiling[b, a] + 1e-6).all()
    assert ceiling.min() < heights.max() - 1e-3


def test_a_walk_that_goes_on_behind_what_is_hidden_draws_what_one_that_sees_it_all_does() -> None:
    rng = np.random.default_rng(7)
    n, rows, columns = 256, 72, 2 * STRIP + 3
    wide = np.linspace(0, 9, n, dtype=np.float32)
    heights = (
        30 + 25 * np.sin(wide)[None] * np.cos(1.3 * wide)[:, None] + rng.random((n, n)).astype(np.float32)
    )
    heights = heights.astype(np.float32)
    lit = np.stack([204 + 0 * heights, OPEN + 0 * heights, RISE * (heights / 20 - 2) + LEVEL,
                    RISE * (2 - heights / 20) + LEVEL], axis=2)  # fmt: skip
    words = np.clip(lit, 0, 255).astype(np.uint8).view(np.uint32)[..., 0]
    view = Pose(600, 75, 300, yaw=0.4, rise=-0.1).packed(columns * 8, rows)
    paint = np.linspace(0.2, 1, 21, dtype=np.float32)
    numbers = np.array([8, 1600, 5, 1, 1e-4, 0, 0.01, 0.96, 0.5, 0.5, 1, 1, 0], np.float32)
    haze = np.full((columns, 3), 0.5, np.float32)
    grain = corners(rng.random((64, 64)))
    drawn = []
    for ceiling in (_ceiling(heights), np.full((n // BLOCK, n // BLOCK), 1e4, np.float32)):
        light = np.zeros((rows, columns, 4), np.float32)
        walk_land(
            light, heights, ceiling, words, _quarter(words), grain,
            haze, view, paint, numbers,
        )  # fmt: skip
        drawn.append(light)
    # They differ only in crests that begin behind a nearer one.
    assert 0.3 < (drawn[0][..., 3] > 0).mean() < 0.95
    assert (np.abs(drawn[0] - drawn[1]).max(axis=2) < 0.02).mean() > 0.98


def _raised(n: int, cells: float, edges: tuple[int, ...]) -> Plane:
    heights = np.full((n, n), np.nan, np.float32)
    for first, end in pairwise(edges):
        raise_land(heights, first, end, f4(cells / n), 6, f4(0.3), i4(77))
    return heights


def _lit(heights: Plane, sun: tuple[float, float, float], edges: tuple[int, ...]) -> Plane:
    """Direct light, open sky, and how far above the thresholds of snow and of green, as they are kept."""
    words = np.zeros(heights.shape, np.uint32)
    lines = np.array([100, 0.5, 0.4, 4, 1, 0.5, 0.4], np.float32)
    around = cv2.GaussianBlur(heights, (0, 0), 9)
    for first, end in pairwise(edges):
        light_land(words, first, end, heights, around, np.array(sun, np.float32), lines)
    kept = words.view(np.uint8).reshape(*words.shape, 4).astype(np.float32)
    return np.asarray((kept - [0, 0, LEVEL, LEVEL]) / [255, OPEN, RISE, RISE])


def test_land_is_the_same_however_it_is_shared_out() -> None:
    n = ROW + 44
    whole, parts = (_raised(n, 5, edges) for edges in ((0, n), (0, 1, 90, 91, n)))
    assert (whole == parts).all()
    sun = (0.6, 0.4, -0.69)
    assert (_lit(100 * whole, sun, (0, n)) == _lit(100 * whole, sun, (0, 1, 90, 91, n))).all()


def test_land_is_raised_piece_by_piece_without_a_seam() -> None:
    n = 2 * ROW + 10
    heights = _raised(n, 5, (0, n))
    assert heights.std() > 0.05
    steps = np.abs(np.diff(heights, n=2, axis=1)).mean(axis=0)
    assert steps[ROW - 2 : ROW + 1].max() < 1.5 * steps.mean()
    # Half as fine a map has every other texel of it.
    assert np.allclose(heights[::2, ::2], _raised(n // 2, 5, (0, n // 2)), atol=1e-4)


def test_a_wall_throws_its_shade_as_far_as_the_sun_lets_it_and_what_is_flat_has_none() -> None:
    n, cell, high = ROW + 20, 4.0, 40.0
    flat = np.full((n, n), 45, np.float32)
    sun = np.array([0.0, 1.0, 2.0]) / np.sqrt(5)
    open_ground = _lit(flat, tuple(sun), (0, n))
    assert np.ptp(open_ground, axis=(0, 1)).max() == 0
    direct, sky, snow, green = open_ground[0, 0]
    assert abs(direct - (sun[1] + 0.1) / 1.1) < 0.01
    assert abs(sky - 1) < 0.01
    # 45 of 100 metres: below the line of snow by 0.05 and above that of trees.
    assert abs(snow - -0.05 * 9) < 0.02
    assert abs(green - -0.05 * 7) < 0.02
    walled = flat.copy()
    walled[100:102] += high
    lit = _lit(walled, tuple(sun), (0, n))
    reach = int(high / (sun[1] / sun[2]) / cell)
    assert lit[100 - reach + 4 : 97, 3:-3, 0].max() < 0.02
    assert np.abs(lit[: 100 - reach - 4, :, 0] - direct).max() < 0.01
    assert np.abs(lit[106:, :, 0] - direct).max() < 0.01
    assert lit[98, n // 2, 1] < 0.9


def test_a_map_at_a_quarter_is_the_mean_of_each_byte() -> None:
    words = np.random.default_rng(3).integers(2**32, size=(8, 12), dtype=np.uint32)[:, :8].copy()
    parts = words.view(np.uint8).reshape(2, 4, 2, 4, 4).mean(axis=(1, 3))
    assert np.abs(_quarter(words).view(np.uint8).reshape(2, 2, 4) - parts).max() <= 0.5


def test_noise_has_no_seam_and_no_waves_longer_than_it_is_told() -> None:
    field = seamless(np.random.default_rng(8), 128, 5, 1.5)
    assert abs(field.mean()) < 1e-4
    assert abs(field.std() - 1) < 1e-4
    spectrum = np.abs(np.fft.fft2(field))
    k = np.hypot(*np.meshgrid(*[np.fft.fftfreq(128, 1 / 128)] * 2))
    assert spectrum[k < 5].max() < 1e-3 * spectrum.max()
    near, far = (np.square(spectrum[(k > low) & (k < 1.2 * low)]).mean() for low in (8, 32))
    assert abs(np.log(near / far) / np.log(4) - 3) < 0.3
    for axis in (0, 1):
        seam = np.take(field, 0, axis) - np.take(field, -1, axis)
        assert np.abs(seam).mean() < 1.3 * np.abs(np.diff(field, axis=axis)).mean()
    upright = seamless(np.random.default_rng(8), 128, 5, 1.5, tall=4)
    assert np.abs(np.diff(upright, axis=1)).mean() > 2 * np.abs(np.diff(upright, axis=0)).mean()


def test_slopes_of_the_sea_are_those_of_one_surface_with_the_height_it_is_told() -> None:
    slopes = Waves(64, 30.0, 8.0, 0.4, 0.1, seed=5).slopes(2.5)
    assert abs(np.sqrt(2 * (slopes**2).mean()) - 0.1) < 0.03
    across, away = (np.fft.fft2(slopes[..., c]) for c in range(2))
    k = np.fft.fftfreq(64, 1 / 64)
    # The shortest waves have no opposite.
    curl = (k[:, None] * across - k * away)[np.ix_(k > -32, k > -32)]
    assert np.abs(curl).max() < 1e-3 * np.abs(k[:, None] * across).max()


@kernel("u4[:, ::1], i8, f4[::1], f4[::1], f4[::1]")
def _read(tile: Plane, size: int, x: Plane, y: Plane, out: Plane) -> None:
    flat = tile.reshape(-1)
    where, fx, fy = scratch(16, i4), scratch(16, f4), scratch(16, f4)
    for q in range(16):
        spot(q, x[q], y[q], size, where, fx, fy)
    for q in range(16):
        out[q] = among(flat[u4(where[q])], fx[q], fy[q])


def test_a_packed_tile_is_read_between_its_texels_and_repeats() -> None:
    rng = np.random.default_rng(5)
    tile = np.round(rng.random((32, 32)) * 255) / 255
    x, y = (rng.random((2, 16)) * 200 - 100).astype(np.float32)
    out = np.zeros(16, np.float32)
    _read(corners(tile), 32, x, y, out)
    i, j = np.floor(x).astype(int), np.floor(y).astype(int)
    u, v = x - i, y - j
    a, b, c, d = (tile[(j + down) % 32, (i + right) % 32] for down in (0, 1) for right in (0, 1))
    assert np.allclose(out, (a + (b - a) * u) * (1 - v) + (c + (d - c) * u) * v, atol=1e-5)


def test_a_sheet_has_what_was_drawn_last_on_top_and_smooth_edges() -> None:
    sheet = _Sheet()
    sheet.polygon([(0.25, 0.0), (0.25, 0.5), (0.75, 0.5), (0.75, 0.0)], 0.4)
    sheet.polygon([(0.5, 0.25), (0.5, 0.5), (0.75, 0.5), (0.75, 0.25)], 0.8)
    cover, shade = np.moveaxis(sheet.done(), 2, 0)
    half, quarter = SPRITE // 2, SPRITE // 4
    assert cover[half + 4 :, quarter + 4 : 3 * quarter - 4].min() == 1
    assert cover[: half - 4].max() == cover[:, : quarter - 4].max() == cover[:, 3 * quarter + 4 :].max() == 0
    assert np.allclose(shade[half + 8 : 3 * quarter - 8, half + 8 : 3 * quarter - 8], 0.8, atol=0.01)
    assert np.allclose(shade[3 * quarter + 8 :, quarter + 8 : 3 * quarter - 8], 0.4, atol=0.01)
    slanted = _Sheet()
    slanted.polygon([(0.1, 0.1), (0.5, 0.9), (0.9, 0.13)], 1.0)
    part = slanted.done()[..., 0]
    assert 1.5 * SPRITE < ((part > 0.02) & (part < 0.98)).sum() < 8 * SPRITE


def test_leaves_and_limbs_are_polygons_turned() -> None:
    sheet, told = _Sheet(), _Sheet()
    sheet.polygon([(0.1, 0.0), (0.2, 0.4), (0.3, 0.0)], 0.3)
    sheet.leaf(0.5, 0.2, np.pi / 2, 0.6, 0.1, 0.9)
    assert sheet.limb(0.2, 0.6, 0.0, 0.5, 0.04, 0.02, 0.6) == (0.7, 0.6)
    told.polygon([(0.1, 0.0), (0.2, 0.4), (0.3, 0.0)], 0.3)
    blade = (
        (0.0, 0.0),
        (0.7, 0.25),
        (1.0, 0.5),
        (0.55, 0.8),
        (0.0, 1.0),
        (-0.55, 0.8),
        (-1.0, 0.5),
        (-0.7, 0.25),
    )
    told.polygon([(0.5 - 0.1 * across, 0.2 + 0.6 * along) for across, along in blade], 0.9)
    told.polygon([(0.2, 0.56), (0.7, 0.58), (0.7, 0.62), (0.2, 0.64)], 0.6)
    assert np.abs(sheet.done() - told.done()).max() < 0.02


def test_plants_drawn_near_to_far_lie_over_one_another_as_if_painted_far_to_near() -> None:
    rng = np.random.default_rng(11)
    rows, columns, many = 40, 50, 60
    cover = np.clip(rng.random((2, 1, SPRITE, SPRITE)) * 1.6, 0, 1)
    cover = np.stack([cv2.GaussianBlur(each[0], (0, 0), 9) for each in cover])[:, None]
    cover = np.clip((cover - cover.mean()) * 40 + 0.6, 0, 1)
    sprites = np.round(np.stack([cover, rng.random(cover.shape)], axis=4) * 255).astype(np.uint8)
    items = np.zeros((many, 15), np.float32)
    items[:, 0] = np.arange(many) % 2
    items[:, 2] = rng.uniform(-20, 45, many)
    items[:, 3] = rng.uniform(-20, 35, many)
    items[:, 4] = items[:, 5] = rng.uniform(1.3, 45, many)
    items[:, 6:9] = rng.random((many, 3))
    items[:, 9] = 0.8
    items[:, 10] = rng.uniform(-4, 4, many)
    items[:, 11] = np.sort(rng.uniform(1, 30, many))
    items[:, 12:15] = 0.3
    light = rng.random((rows, columns, 4)).astype(np.float32)
    light[..., 3] = np.where(rng.random((rows, columns)) < 0.2, 10, 100)
    expected = light.copy()
    for item in items[::-1]:
        _paint(expected, sprites[int(item[0]), 0] / 255, item)
    _draw(light, sprites.view(np.uint16)[..., 0], spans(sprites), items)
    assert np.abs(light[..., :3] - expected[..., :3]).max() < 4 * OPAQUE
    assert (light[..., 3] == expected[..., 3]).mean() > 0.99


def _paint(light: Plane, sprite: Plane, item: Plane) -> None:
    """One plant over what is drawn, pixel by pixel."""
    rows, columns, _ = light.shape
    _, _, left, top, width, height, r, g, b, clear, shear, depth, *fog = item
    for j in range(rows):
        v = (j + 0.5 - top) / height
        if not 0 <= v < 1:
            continue
        for i in range(columns):
            u = (i + 0.5 - left - shear * (1 - v) ** 2) / width
            if not 0 <= u < 1 or light[j, i, 3] < depth:
                continue
            x, y = u * (SPRITE - 1), v * (SPRITE - 1)
            a, b_ = min(int(x), SPRITE - 2), min(int(y), SPRITE - 2)
            four = sprite[b_ : b_ + 2, a : a + 2]
            cover, shade = ((1 - (y - b_), y - b_) @ four.transpose(2, 0, 1)) @ (1 - (x - a), x - a)
            if cover < 0.01:
                continue
            shade *= 0.45 + 0.55 * min((1 - v) * 3, 1)
            paint = np.array([r, g, b]) * shade * clear + np.array(fog) * (1 - clear)
            light[j, i, :3] += (paint - light[j, i, :3]) * cover
            if cover > 0.6:
                light[j, i, 3] = depth
