"""Makes the colour engine an installed one for one test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installed import install_plugins

HERE = Path(__file__).parent


def install_colour_engine(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this process and its children find the engine `colour` by entry point. `site` is an empty folder."""
    install_plugins(
        site,
        monkeypatch,
        home=HERE,
        name="rushes-colour-engine",
        groups={"rushes.engines": "colour = colour_engine:ColourEngine"},
    )
