"""Makes a module of the tests an installed distribution for one test: a dist-info folder on the path, as pip leaves
it. From then on this process and its children find its plug-ins by entry point."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest


def install_plugins(
    site: Path, monkeypatch: pytest.MonkeyPatch, *, home: Path, name: str, groups: Mapping[str, str]
) -> None:
    """`site` is an empty folder, `home` the one with the modules; `groups` gives the lines of each entry-point group,
    such as {"rushes.engines": "colour = colour_engine:ColourEngine"}."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("".join(f"[{group}]\n{text}\n" for group, text in groups.items()))
    paths = [str(site), str(home)]
    for path in reversed(paths):
        monkeypatch.syspath_prepend(path)
    inherited = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, *([inherited] if inherited else [])]))
