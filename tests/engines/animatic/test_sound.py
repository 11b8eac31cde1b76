"""Sound: noise in bands, an echo, and a mix that is the seed's."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.engines.animatic.sound.mix import LOUDNESS, Noise, mix, quick, reverb
from rushes.engines.base import SAMPLE_RATE, Samples


def power(wave: Samples, low: float, high: float) -> float:
    """Mean power of the frequencies between two."""
    spectrum = np.square(np.abs(np.fft.rfft(wave))).mean(axis=0)
    hertz = np.fft.rfftfreq(wave.shape[1], 1 / SAMPLE_RATE)
    return float(spectrum[(hertz >= low) & (hertz < high)].mean())


def test_lengths_of_transforms_have_small_factors() -> None:
    for n in (1, 7, 1023, 1025, 48_000, 240_000, 316_799):
        size = quick(n)
        assert n <= size <= 1.13 * n + 1
        while size % 2 == 0:
            size //= 2
        assert size <= 16


def test_noise_falls_with_frequency_as_told() -> None:
    wave = Noise(SAMPLE_RATE * 2, np.random.default_rng(3), 1.5).band(1, SAMPLE_RATE)
    assert abs(wave.std() - 1) < 0.05
    assert power(wave, 0, 15) < 1e-2 * power(wave, 30, 60)
    fall = np.log(power(wave, 100, 200) / power(wave, 1600, 3200)) / np.log(16)
    assert abs(fall - 1.5) < 0.15


def test_a_band_is_heard_and_what_is_beside_it_is_not() -> None:
    noise = Noise(SAMPLE_RATE * 2, np.random.default_rng(4))
    whole, wave = noise.band(1, SAMPLE_RATE), noise.band(500, 2000)
    shares = {
        hertz: power(wave, 0.98 * hertz, 1.02 * hertz) / power(whole, 0.98 * hertz, 1.02 * hertz)
        for hertz in (100, 500, 1000, 2000, 10_000)
    }
    assert shares[1000] == pytest.approx(1, abs=0.1)
    assert [shares[500], shares[2000]] == pytest.approx([0.5, 0.5], abs=0.1)
    assert max(shares[100], shares[10_000]) < 2e-3


def test_an_echo_comes_after_the_sound_and_dies_away() -> None:
    click = np.zeros((2, SAMPLE_RATE), np.float32)
    click[:, 12_000] = 1
    heard = np.abs(reverb(click, np.random.default_rng(5), seconds=0.5, wet=0.4))
    assert heard[:, :12_000].max() < 1e-5
    assert heard[:, 12_000].min() > 0.55
    early, late, over = (heard[:, first : first + 2000].mean() for first in (12_100, 30_000, 40_000))
    assert early > 10 * late > 0
    assert over < 1e-5


def test_a_mix_is_its_seeds_and_as_loud_as_any() -> None:
    levels = {"wind": 1.0, "birds": 0.6, "waves": 0.0}
    one, again, other = (mix(levels, 1.5, seed) for seed in (8, 8, 9))
    assert one.shape == (2, SAMPLE_RATE * 3 // 2)
    assert (one == again).all()
    assert np.abs(one - other).max() > 0.05
    for wave in (one, other):
        assert LOUDNESS * 0.8 < np.sqrt((wave**2).mean()) < LOUDNESS * 1.2
        assert not wave[:, 0].any()
