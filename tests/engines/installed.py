"""Makes the colour engine an installed distribution for one test: a dist-info folder on the path, as pip leaves it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def install_colour_engine(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this process and its children find the engine `colour` by entry point. `site` is an empty folder."""
    info = site / "rushes_colour_engine-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rushes-colour-engine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rushes.engines]\ncolour = colour_engine:ColourEngine\n")
    paths = [str(site), str(HERE)]
    for path in reversed(paths):
        monkeypatch.syspath_prepend(path)
    inherited = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, *([inherited] if inherited else [])]))
