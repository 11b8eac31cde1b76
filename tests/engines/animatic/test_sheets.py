"""Contact sheets: complete, labelled, and picked up where a broken run stopped."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tools import sheets


class Interrupted(Exception):
    """Stands for Ctrl-C."""


def run(monkeypatch: pytest.MonkeyPatch, out: Path, most: int = 10_000) -> list[sheets.Cell]:
    """The cells that a run draws, without rendering; it breaks when it should draw more than `most`."""
    drawn: list[sheets.Cell] = []

    def draw(cell: sheets.Cell, height: int) -> sheets.Image:
        if len(drawn) == most:
            raise Interrupted
        drawn.append(cell)
        return np.full((height, 16 * len(cell.at), 3), 90, np.uint8)

    monkeypatch.setattr(sheets, "draw", draw)
    monkeypatch.setattr(
        "sys.argv",
        ["sheets", "light", "moves", "--only", "sea", "stage", "--height", "24", "--out", str(out)],
    )
    sheets.main()
    return drawn


def test_a_broken_run_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(monkeypatch, tmp_path, most=60)
    first = (tmp_path / "index.html").read_text()
    assert "2 of 4 sheets" in first
    rest = run(monkeypatch, tmp_path)
    whole = [
        cell
        for s in sheets.sheets(["light", "moves"], ["sea", "stage"], [], None)
        for row in s.rows
        for cell in row
    ]
    assert len(rest) == len(whole) - 60
    index = (tmp_path / "index.html").read_text()
    assert "4 of 4 sheets" in index
    for name in ("sea-light", "sea-moves", "stage-light", "stage-moves"):
        assert f'src="{name}.png"' in index
        assert cv2.imread(str(tmp_path / f"{name}.png")) is not None
    assert run(monkeypatch, tmp_path) == []


def test_every_place_time_and_weather_is_on_a_sheet() -> None:
    every = list(sheets.sheets(["light"], list(sheets.places()), [], None))
    assert len(every) == len(sheets.places())
    for sheet in every:
        labels = [cell.label for row in sheet.rows for cell in row]
        assert len(set(labels)) == len(labels) >= 6 * 8


def test_a_wrong_kind_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["sheets", "lihgt"])
    with pytest.raises(SystemExit):
        sheets.main()
    assert "lihgt not known; of light, shapes" in capsys.readouterr().err
