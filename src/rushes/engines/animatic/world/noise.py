"""Seamless noise: white noise whose waves are weakened the more, the shorter they are."""

from __future__ import annotations

import cv2
import numpy as np

from rushes.engines.animatic.runtime import Plane


def seamless(rng: np.random.Generator, size: int, least: float, fall: float, tall: float = 1.0) -> Plane:
    """(size, size), with mean 0 and deviation 1, that goes on as it begins: waves of which at least `least` fit into it,
    as strong as their number to the power of -`fall`; what they make is `tall` times as high as wide."""
    down, across = np.fft.fftfreq(size, 1 / size) * tall, np.fft.rfftfreq(size, 1 / size)
    square = np.asarray(np.square(down)[:, None] + np.square(across), np.float32)
    strength = np.where(square < least * least, 0, cv2.pow(np.maximum(square, 1), -fall / 2))
    # Evenly spread numbers do: of the sum of so many waves nobody can tell.
    parts = rng.random((size, size // 2 + 1, 2), np.float32) - np.float32(0.5)
    # Real waves come in pairs, of which each column but the first, and the last, stands for both.
    parts[:, 0] *= np.float32(np.sqrt(2))
    field = np.fft.irfft2(parts.view(np.complex64)[..., 0] * strength.astype(np.float32))
    return np.asarray(field / field.std(), np.float32)
