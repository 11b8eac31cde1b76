"""How a clip becomes a file, as far as more than one room must know it: what engines draw for, what the operator sets
and what the encoder does."""

from __future__ import annotations

import msgspec

SAMPLE_RATE = 48_000
"""Samples a second of every sound track."""


class Encoding(msgspec.Struct, frozen=True, kw_only=True):
    """x264's settings: `preset` is its effort, `crf` its quality (0…51, lower is better and larger). Its bytes depend
    on the number of `threads`, so that is one number on every machine unless the operator says otherwise."""

    preset: str = "veryfast"
    crf: float = 20.0
    threads: int = 2
