"""`rushes backup` and `rushes restore`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Rushes


def test_a_backup_comes_back_under_another_folder(
    rushes: Rushes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = rushes("keys", "create", "ann").stdout
    told = rushes("backup", tmp_path / "copy.tar").stdout
    assert told == f"backed up to {tmp_path / 'copy.tar'}: 0 requests, 0 files, 0.0 MB\n"
    again = tmp_path / "again"
    restored = json.loads(rushes("restore", tmp_path / "copy.tar", "--data", again, "--json").stdout)
    assert restored["requests"] == 0
    assert restored["missing"] == []
    monkeypatch.setenv("RUSHES_DATA", str(again))
    assert key.split("_")[1] in rushes("keys", "list").stdout


def test_refusals_are_one_line_with_advice(rushes: Rushes, tmp_path: Path, data: Path) -> None:
    nothing = rushes("backup", tmp_path / "copy", status=1)
    assert nothing.stderr.splitlines() == [
        f"Error: there is no ledger in {data}",
        "Name the data folder with --data.",
    ]
    rushes("keys", "create", "ann")
    full = rushes("restore", tmp_path / "here", status=1)
    assert full.stderr.splitlines()[0] == f"Error: {data} is not empty"
