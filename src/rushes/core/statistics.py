"""What the whole house can tell in numbers, as the ledger knows it: one look serves the metrics page.

Maps go from (model, …) to a number; a model is named by its card's id.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Histogram(msgspec.Struct, frozen=True):
    """`counts` are the values by their bucket's upper bound in seconds, not added up; `total` is their sum."""

    counts: Mapping[float, float]
    total: float


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """`requests` by (model, status) as they stand now, `oldest` the age in seconds of the longest waiting one by model,
    `ended` by (model, reason), `attempts` and `attempt_seconds` by (model, verb that ended them), `beats` by model,
    `wait`, `run` and `overhead` by (model, engine). `workers` are the workers of each model that were seen lately,
    `silent_for` the seconds since each worker was seen, by its name."""

    requests: Mapping[tuple[str, str], int]
    oldest: Mapping[str, float]
    ended: Mapping[tuple[str, str], float]
    attempts: Mapping[tuple[str, str], float]
    attempt_seconds: Mapping[tuple[str, str], float]
    beats: Mapping[str, float]
    wait: Mapping[tuple[str, str], Histogram]
    run: Mapping[tuple[str, str], Histogram]
    overhead: Mapping[tuple[str, str], Histogram]
    workers: Mapping[str, int]
    silent_for: Mapping[str, float]


class Storage(msgspec.Struct, frozen=True):
    """The store: `used` bytes in `files` files, and the bytes still `free` on its volume."""

    used: int
    files: int
    free: int
