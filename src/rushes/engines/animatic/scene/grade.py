"""Looks by name: what the rows of `data/looks.toml` make of a grade."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rushes.engines.animatic.post.tone import Grade
from rushes.engines.animatic.tables import table


def styled(grade: Grade, names: Iterable[str]) -> Grade:
    """`grade` with every look of that name upon it; names without a look change nothing."""
    looks = table("looks")
    for name in names:
        if name in looks:
            row: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in looks[name].items()}
            row["exposure"] = grade.exposure * row.pop("light", 1.0)
            grade = replace(grade, **row)
    return grade
