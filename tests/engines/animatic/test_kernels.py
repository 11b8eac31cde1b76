"""Small parts of the kernels, each against what it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.engines.animatic.post.tone import finish, planes
from rushes.engines.animatic.world.march import BLOCK
from rushes.engines.animatic.world.mathx import turn, wave
from rushes.engines.animatic.world.nebula import SIDE, _shine
from rushes.engines.animatic.world.planet import AIR, _sphere
from rushes.engines.animatic.world.sky import FAR
from rushes.engines.animatic.world.strip import STRIP, lay, lift
from rushes.engines.animatic.world.terrain import _ceiling


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
    for number in range(-(-columns // STRIP)):
        strip = np.zeros((STRIP, 5, 4), np.float32)
        lift(light, number * STRIP, strip)
        wide = min(STRIP, columns - number * STRIP)
        assert (strip[:wide] == before[:, number * STRIP :][:, :STRIP].transpose(1, 0, 2)).all()
        strip[:wide] += 1
        lay(strip, number * STRIP, light)
    assert (light == before + 1).all()


def test_no_land_between_texels_is_above_its_block_s_ceiling() -> None:
    rng = np.random.default_rng(2)
    n = BLOCK * 4
    heights = rng.random((n, n)).astype(np.float32)
    ceiling = _ceiling(heights)
    assert ceiling.shape == (4, 4)
    x, y = rng.random((2, 3000)) * (n - 1)
    i, j = x.astype(int), y.astype(int)
    u, v = x - i, y - j
    near = np.minimum(i + 1, n - 1), np.minimum(j + 1, n - 1)
    land = (heights[j, i] * (1 - u) + heights[j, near[0]] * u) * (1 - v)
    land += (heights[near[1], i] * (1 - u) + heights[near[1], near[0]] * u) * v
    assert (land <= ceiling[j // BLOCK, i // BLOCK] + 1e-6).all()
