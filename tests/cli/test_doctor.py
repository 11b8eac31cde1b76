"""`rushes doctor`: each trouble is found, named and answered with what to do."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from rushes.cli import doctor
from tests.cli.conftest import Rushes


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def findings(rushes: Rushes, *words: object, status: int = 0) -> dict[str, list[dict[str, Any]]]:
    told: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(rushes("doctor", *words, "--json", status=status).stdout):
        told.setdefault(finding["name"], []).append(finding)
    return told


def levels(found: dict[str, list[dict[str, Any]]], name: str) -> list[str]:
    return [finding["level"] for finding in found[name]]


def test_a_sound_machine(rushes: Rushes, free_port: int, data: Path) -> None:
    found = findings(rushes, "--port", free_port)
    assert [finding["text"].split(" of ")[0] for finding in found["codecs"]] == [
        "libx264 encoder",
        "aac encoder",
        "h264 decoder",
    ]
    for name in ("codecs", "data", "engines", "cards", "ledger", "port"):
        assert set(levels(found, name)) == {"ok"}
    assert not data.exists(), "looking changes nothing"


def test_lines_for_people(rushes: Rushes, free_port: int) -> None:
    told = rushes("doctor", "--port", free_port).stdout
    assert "ok   port     127.0.0.1" in told


def test_a_taken_port_warns(rushes: Rushes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = findings(rushes, "--port", taken.getsockname()[1])
    assert levels(found, "port") == ["warn"]
    assert "--port" in found["port"][0]["advice"]


def test_an_address_of_another_machine(rushes: Rushes) -> None:
    found = findings(rushes, "--host", "192.0.2.1", status=1)
    assert levels(found, "port") == ["fail"]
    assert "rushes keys create" in found["address"][0]["advice"]


def test_a_data_folder_that_cannot_be(rushes: Rushes, tmp_path: Path, free_port: int) -> None:
    (tmp_path / "file").touch()
    found = findings(rushes, "--port", free_port, "--data", tmp_path / "file" / "x", status=1)
    assert levels(found, "data") == ["fail"]
    assert "--data" in found["data"][0]["advice"]


def test_a_full_disk(rushes: Rushes, free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1e8

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage)
    found = findings(rushes, "--port", free_port, status=1)
    assert levels(found, "disk") == ["fail"]


def test_a_damaged_ledger_and_a_bad_card(rushes: Rushes, data: Path, free_port: int) -> None:
    (data / "cards").mkdir(parents=True)
    (data / "cards" / "mine.toml").write_text('id = "x"\ncolour = 1\n')
    (data / "ledger.sqlite3").write_bytes(b"no database" * 1000)
    found = findings(rushes, "--port", free_port, status=1)
    assert levels(found, "ledger") == ["fail"]
    assert levels(found, "cards") == ["fail"]
    assert "colour" in found["cards"][0]["text"]


def test_a_sound_ledger(rushes: Rushes, free_port: int) -> None:
    rushes("keys", "create", "anna")
    assert "is sound" in findings(rushes, "--port", free_port)["ledger"][0]["text"]


def test_kernels_that_cannot_be_kept(rushes: Rushes, free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    found = findings(rushes, "--port", free_port)
    assert levels(found, "kernels") == ["warn"]
    assert "NUMBA_CACHE_DIR" in found["kernels"][0]["advice"]
