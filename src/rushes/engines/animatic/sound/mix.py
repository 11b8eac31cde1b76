"""Noise, shaped: 48 kHz stereo from named voices and their levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import scipy.fft

from rushes.engines.base import SAMPLE_RATE, Samples

Random = np.random.Generator
LOUDNESS = 0.09
"""Root mean square of the mix: quiet enough never to clip."""


def noise(n: int, rng: Random, colour: float = 0.0) -> Samples:
    """White noise tilted by `colour`: its power falls with frequency to that exponent."""
    wave = rng.standard_normal((2, n)).astype(np.float32)
    if colour:
        size = scipy.fft.next_fast_len(n)
        spectrum = scipy.fft.rfft(wave, size)
        frequency = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 20).astype(np.float32)
        wave = scipy.fft.irfft(spectrum * frequency ** (-colour / 2), size)[:, :n]
        wave /= wave.std()
    return wave.astype(np.float32)


def band(wave: Samples, low: float, high: float, order: int = 2) -> Samples:
    # Slow to import, and only a clip with sound needs it.
    from scipy import signal

    filters = signal.butter(order, [low, high], "band", fs=SAMPLE_RATE, output="sos")
    out: Samples = np.asarray(signal.sosfilt(filters, wave), np.float32)
    return out


def unrest(n: int, rng: Random, hertz: float) -> Samples:
    """A smooth random level in 0…1, new about `hertz` times a second."""
    points = int(n / SAMPLE_RATE * hertz) + 4
    values = rng.random((2, points))
    at = np.linspace(0, points - 3, n)
    index = at.astype(int)
    f = at - index
    f = f * f * (3 - 2 * f)
    out: Samples = np.asarray(values[:, index] * (1 - f) + values[:, index + 1] * f, np.float32)
    return out


def wind(n: int, rng: Random) -> Samples:
    air = noise(n, rng, 1.2)
    gust = unrest(n, rng, 0.7)
    out: Samples = band(air, 120, 420) * gust * 1.4 + band(air, 420, 1100, 1) * gust**3 * 0.9
    out += band(air, 60, 140) * 0.5
    return out


def waves(n: int, rng: Random) -> Samples:
    """Swells every six seconds: a slow rise, a break with spray, a long hiss."""
    at = (np.arange(n) / SAMPLE_RATE / 6 + rng.random()) % 1
    swell = np.where(at < 0.35, (at / 0.35) ** 2, np.exp(-(at - 0.35) * 4.5)).astype(np.float32)
    water = noise(n, rng, 1.0)
    spray = band(noise(n, rng), 900, 6500, 1) * swell**2.2 * 0.5
    return band(water, 90, 700) * (0.25 + swell) + spray + band(water, 40, 120) * 0.5


def waterfall(n: int, rng: Random) -> Samples:
    """A steady roar, a hiss of spray over it."""
    roar = band(noise(n, rng, 1.1), 50, 900, 1) * (0.9 + 0.2 * unrest(n, rng, 1.5))
    return roar + band(noise(n, rng), 1000, 7000, 1) * 0.3 * (0.8 + 0.4 * unrest(n, rng, 4.0))


def rain(n: int, rng: Random) -> Samples:
    hiss = band(noise(n, rng), 1200, 9000, 1) * 0.22
    length = min(800, n)
    t = np.arange(length) / SAMPLE_RATE
    for side in range(2):
        for _ in range(int(220 * n / SAMPLE_RATE)):
            start = int(rng.integers(0, max(n - length, 1)))
            drop = (
                np.sin(2 * np.pi * rng.uniform(1500, 6500) * t) * np.exp(-t * 260) * rng.random() ** 3 * 0.5
            )
            hiss[side, start : start + length] += drop.astype(np.float32)
    return hiss


def thunder(n: int, rng: Random) -> Samples:
    """One roll, somewhere in the first half."""
    out = np.zeros((2, n), np.float32)
    start = int(rng.uniform(0.1, 0.4) * n)
    t = np.arange(n - start) / SAMPLE_RATE
    roll = np.exp(-t * 0.9) * (0.4 + unrest(n - start, rng, 5.0)) * np.minimum(t * 12, 1)
    out[:, start:] = band(noise(n - start, rng, 1.6), 30, 260) * roll * 3
    return out


def birds(n: int, rng: Random) -> Samples:
    """Short songs from here and there, about one a second."""
    out = np.zeros((2, n), np.float32)
    for _ in range(int(1.2 * n / SAMPLE_RATE) + 1):
        start = int(rng.integers(0, max(1, n - SAMPLE_RATE)))
        pitch, pan, loud = rng.uniform(2400, 5200), rng.random(), rng.uniform(0.05, 0.25)
        for note in range(int(rng.integers(2, 7))):
            length = int(SAMPLE_RATE * rng.uniform(0.05, 0.13))
            at = start + int(note * SAMPLE_RATE * 0.14)
            if at + length >= n:
                break
            t = np.arange(length) / SAMPLE_RATE
            f = pitch * (
                1 + 0.25 * np.sin(2 * np.pi * rng.uniform(6, 18) * t) + rng.uniform(-0.3, 0.3) * t / t[-1]
            )
            song = np.sin(2 * np.pi * np.cumsum(f) / SAMPLE_RATE) * np.hanning(length) * loud
            out[0, at : at + length] += (song * (1 - pan)).astype(np.float32)
            out[1, at : at + length] += (song * pan).astype(np.float32)
    return out


def city(n: int, rng: Random) -> Samples:
    """The hum of traffic, and cars that pass."""
    air = noise(n, rng, 1.6)
    out = band(air, 40, 220) * 0.9 + band(air, 300, 900, 1) * 0.12 * unrest(n, rng, 0.5)
    t = np.arange(n)
    for _ in range(max(2, n // (2 * SAMPLE_RATE))):
        passing = np.exp(-(((t - rng.integers(0, n)) / (SAMPLE_RATE * 1.2)) ** 2)).astype(np.float32)
        out += band(noise(n, rng, 0.6), 200, 1800, 1) * passing * 0.5
    return out


def underwater(n: int, rng: Random) -> Samples:
    """A low murmur, and bubbles that rise in runs."""
    out = band(noise(n, rng, 1.8), 40, 260) * (0.6 + 0.4 * unrest(n, rng, 0.4))
    for _ in range(int(2.2 * n / SAMPLE_RATE)):
        length = int(SAMPLE_RATE * rng.uniform(0.03, 0.08))
        at = int(rng.integers(0, max(n - length, 1)))
        t = np.arange(length) / SAMPLE_RATE
        f = rng.uniform(300, 900) * (1 + 5 * t)
        bubble = np.sin(2 * np.pi * np.cumsum(f) / SAMPLE_RATE) * np.hanning(length) * rng.uniform(0.05, 0.3)
        out[int(rng.integers(2)), at : at + length] += bubble.astype(np.float32)[: n - at]
    return out


def hush(n: int, rng: Random) -> Samples:
    """The tone of a quiet room."""
    return band(noise(n, rng, 1.4), 60, 400) * (0.7 + 0.3 * unrest(n, rng, 0.3))


def drone(n: int, rng: Random) -> Samples:
    """A slow chord of low tones, for where there is no air."""
    t = np.arange(n) / SAMPLE_RATE
    out = np.zeros((2, n), np.float32)
    for ratio in (1.0, 1.5, 2.0, 2.52):
        wobble = 1 + 0.002 * np.sin(2 * np.pi * rng.uniform(0.1, 0.3) * t + rng.uniform(0, 6))
        tone = np.sin(2 * np.pi * 55 * ratio * t * wobble + rng.uniform(0, 6)).astype(np.float32)
        out += tone * unrest(n, rng, 0.25) / ratio
    return out


VOICES: dict[str, Callable[[int, Random], Samples]] = {
    "wind": wind, "waves": waves, "waterfall": waterfall, "rain": rain, "thunder": thunder, "birds": birds, "city": city, "underwater": underwater,
    "indoors": hush, "hall": hush, "space": drone,
}  # fmt: skip


def reverb(wave: Samples, rng: Random, seconds: float = 1.6, wet: float = 0.22) -> Samples:
    from scipy import signal

    n = int(SAMPLE_RATE * seconds)
    tail: npt.NDArray[np.float64] = rng.standard_normal((2, n)) * np.exp(
        -np.arange(n) / SAMPLE_RATE * 6.9 / seconds
    )
    tail /= np.sqrt((tail**2).sum(axis=1, keepdims=True))
    echo = signal.fftconvolve(wave, tail, axes=1)[:, : wave.shape[1]]
    return np.asarray(wave * (1 - wet) + wet * echo, np.float32)


def mix(levels: Mapping[str, float], seconds: float, seed: int) -> Samples:
    """(2, seconds × 48000) of the voices in `levels`, faded in and out."""
    n = round(seconds * SAMPLE_RATE)
    rng = np.random.default_rng(seed ^ 0x50D)
    out = np.zeros((2, n), np.float32)
    for name, level in levels.items():
        if level > 0:
            out += np.float32(level) * VOICES[name](n, rng)
    out = reverb(out, rng)
    out *= LOUDNESS / max(float(np.sqrt((out**2).mean())), 1e-6)
    out = np.tanh(out * 1.2)
    fade = min(int(0.25 * SAMPLE_RATE), n // 2)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    out[:, :fade] *= ramp
    out[:, n - fade :] *= ramp[::-1]
    return np.ascontiguousarray(out, dtype=np.float32)
