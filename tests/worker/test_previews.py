"""What an engine shows of a clip that is still being made lies in the job's folder, newest only, never half written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rushes.worker.studio import LIVE_PREVIEW, StudioControl


class QuietDesk:
    """A desk at which nobody cancels and nobody listens."""

    def cancelled(self, ticket: int) -> bool:
        return False

    def tell(self, answer: Any) -> None:
        """Nobody listens."""


def test_each_preview_replaces_the_last(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    control = StudioControl(QuietDesk(), 1, folder)  # type: ignore[arg-type]
    for level in (40, 200):
        control.preview(np.full((30, 50, 3), level, np.uint8))
    (shown,) = folder.iterdir()
    assert shown.name == LIVE_PREVIEW
    with Image.open(shown) as image:
        assert image.size == (50, 30)
        assert abs(np.asarray(image).mean() - 200) < 3


def test_while_loading_there_is_nowhere_to_show_anything() -> None:
    StudioControl(QuietDesk(), 1).preview(np.zeros((2, 2, 3), np.uint8))  # type: ignore[arg-type]
