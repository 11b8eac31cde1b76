"""Plug-ins: what an installed package offers under an entry-point group, found by name.

Three groups exist: `rushes.engines`, `rushes.policies` and `rushes.frames`. Each seam says in its own module what its
entry points must make.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from rushes.core.errors import SetupError


def installed(group: str) -> dict[str, EntryPoint]:
    """Entry points by name, ours and third parties'; nothing is loaded."""
    return {point.name: point for point in entry_points(group=group)}


def find(group: str, kind: str, name: str) -> EntryPoint:
    """The entry point `name`, not loaded; `kind` is the word for such a thing. Raises `SetupError`."""
    known = installed(group)
    if name not in known:
        raise SetupError(
            f"{kind} '{name}' is not installed; installed: {', '.join(sorted(known)) or 'none'}",
            advice="Install the package that brings it, or choose another one.",
        )
    return known[name]


def load(group: str, kind: str, name: str) -> Any:
    """What the entry point `name` names. Raises `SetupError`."""
    point = find(group, kind, name)
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise SetupError(
            f"{kind} '{name}' ({point.value}) cannot be loaded: {error}",
            advice="Install its package again, with the extras that it needs.",
        ) from error
