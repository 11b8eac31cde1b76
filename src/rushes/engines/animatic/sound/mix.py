"""Noise, shaped: 48 kHz stereo from named voices and their levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from rushes.engines.base import SAMPLE_RATE, Samples

Random = np.random.Generator
LOUDNESS = 0.09
"""Root mean square of the mix: quiet enough never to clip."""


def quick(n: int) -> int:
    """The next length that a transform is quick at: at most sixteen times a power of two."""
    step = 1 << max(n.bit_length() - 4, 0)
    return -(-n // step) * step


class Noise:
    """`n` samples of noise in two channels, with deviation 1, whose power falls with frequency to the exponent `colour`;
    heard band by band."""

    def __init__(self, n: int, rng: Random, colour: float = 0.0) -> None:
        self._n, self._size = n, quick(n)
        hertz = np.fft.rfftfreq(self._size, 1 / SAMPLE_RATE)
        self._hertz = np.maximum(hertz, 20).astype(np.float32)
        # Lower than that nobody hears.
        level = self._hertz ** np.float32(-colour / 2) * (hertz >= 20)
        level *= self._size / np.sqrt((level**2).sum() / 3)
        # Evenly spread numbers do: of the sum of so many waves nobody can tell.
        parts = rng.random((2, len(hertz), 2), np.float32) - np.float32(0.5)
        self._spectrum = parts.view(np.complex64)[..., 0] * level

    def band(self, low: float, high: float, order: int = 2) -> Samples:
        """What lies between two frequencies (hertz), by Butterworth's curve."""
        off = (self._hertz**2 - np.float32(low * high)) / (self._hertz * np.float32(high - low))
        response = 1 / np.sqrt(1 + off ** (2 * order))
        return np.asarray(np.fft.irfft(self._spectrum * response, self._size)[:, : self._n], np.float32)


def unrest(n: int, rng: Random, hertz: float) -> Samples:
    """A smooth random level in 0…1, new about `hertz` times a second."""
    points = int(n / SAMPLE_RATE * hertz) + 4
    values = rng.random((2, points), np.float32)
    at = np.linspace(0, points - 3, n)
    index = at.astype(int)
    f = (at - index).astype(np.float32)
    f = f * f * (3 - 2 * f)
    out: Samples = values[:, index] + np.diff(values)[:, index] * f
    return out


def wind(n: int, rng: Random) -> Samples:
    air = Noise(n, rng, 1.2)
    gust = unrest(n, rng, 0.7)
    out: Samples = air.band(120, 420) * gust * 1.4 + air.band(420, 1100, 1) * gust**3 * 0.9
    out += air.band(60, 140) * 0.5
    return out


def waves(n: int, rng: Random) -> Samples:
    """Swells every six seconds: a slow rise, a break with spray, a long hiss."""
    at = (np.arange(n) / SAMPLE_RATE / 6 + rng.random()) % 1
    swell = np.where(at < 0.35, (at / 0.35) ** 2, np.exp(-(at - 0.35) * 4.5)).astype(np.float32)
    water = Noise(n, rng, 1.0)
    spray = Noise(n, rng).band(900, 6500, 1) * swell**2.2 * 0.5
    return water.band(90, 700) * (0.25 + swell) + spray + water.band(40, 120) * 0.5


def waterfall(n: int, rng: Random) -> Samples:
    """A steady roar, a hiss of spray over it."""
    roar = Noise(n, rng, 1.1).band(50, 900, 1) * (0.9 + 0.2 * unrest(n, rng, 1.5))
    return roar + Noise(n, rng).band(1000, 7000, 1) * 0.3 * (0.8 + 0.4 * unrest(n, rng, 4.0))


def rain(n: int, rng: Random) -> Samples:
    hiss = Noise(n, rng).band(1200, 9000, 1) * 0.22
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
    out[:, start:] = Noise(n - start, rng, 1.6).band(30, 260) * roll * 3
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
    air = Noise(n, rng, 1.6)
    out = air.band(40, 220) * 0.9 + air.band(300, 900, 1) * 0.12 * unrest(n, rng, 0.5)
    t = np.arange(n)
    for _ in range(max(2, n // (2 * SAMPLE_RATE))):
        passing = np.exp(-(((t - rng.integers(0, n)) / (SAMPLE_RATE * 1.2)) ** 2)).astype(np.float32)
        out += Noise(n, rng, 0.6).band(200, 1800, 1) * passing * 0.5
    return out


def underwater(n: int, rng: Random) -> Samples:
    """A low murmur, and bubbles that rise in runs."""
    out = Noise(n, rng, 1.8).band(40, 260) * (0.6 + 0.4 * unrest(n, rng, 0.4))
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
    return Noise(n, rng, 1.4).band(60, 400) * (0.7 + 0.3 * unrest(n, rng, 0.3))


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
    n = int(SAMPLE_RATE * seconds)
    fade = np.exp(-np.arange(n, dtype=np.float32) / np.float32(SAMPLE_RATE * seconds / 6.9))
    tail = rng.standard_normal((2, n), np.float32) * fade
    tail /= np.sqrt((tail**2).sum(axis=1, keepdims=True))
    size = quick(wave.shape[1] + n - 1)
    echo = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(tail, size), size)[:, : wave.shape[1]]
    return np.asarray(wave * np.float32(1 - wet) + np.float32(wet) * echo)


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
