"""`rushes show | list | cancel` against a server on loopback, and how its address and key are found."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from rushes.core.request import Status
from tests.cli.conftest import Rushes
from tests.client.loopback import KEY, Loopback


def submit(rushes: Rushes, count: int = 1) -> list[str]:
    return [rushes("submit", f"sea number {n}").stdout.strip() for n in range(count)]


def test_show_tells_where_it_stands(rushes: Rushes, server: Loopback) -> None:
    submit(rushes)
    assert rushes("show", "r1").stdout.splitlines() == ["r1 rendering", "progress    50%"]
    assert rushes("show", "r1").stdout.splitlines()[0] == f"{server.url}/files/r1.mp4"


def test_show_tells_place_and_time(rushes: Rushes, server: Loopback) -> None:
    submit(rushes)
    server.script = ({"position": 3, "eta": 41.5, "eta_error": 6.2},)
    assert rushes("show", "r1").stdout.splitlines()[1:] == ["position    3", "ready in    42 s ± 6 s"]


def test_show_waits(rushes: Rushes, server: Loopback) -> None:
    submit(rushes)
    told = json.loads(rushes("show", "r1", "--wait", "--json").stdout)
    assert (told["id"], told["status"]) == ("r1", "success")


def test_list_is_newest_first_and_leads_on(rushes: Rushes, server: Loopback) -> None:
    submit(rushes, 3)
    head, *rows, more = rushes("list", "--limit", 2).stdout.splitlines()
    assert head.split()[:2] == ["id", "status"]
    assert [row.split()[:2] for row in rows] == [["r3", "queued"], ["r2", "queued"]]
    assert "sea number 2" in rows[0]
    assert more == "More: --cursor 2"
    rest = rushes("list", "--cursor", 2).stdout.splitlines()
    assert [row.split()[0] for row in rest[1:]] == ["r1"]


def test_list_for_programs(rushes: Rushes, server: Loopback) -> None:
    submit(rushes, 2)
    told = json.loads(rushes("list", "--limit", 1, "--json").stdout)
    assert [view["id"] for view in told["requests"]] == ["r2"]
    assert told["next_cursor"] == "1"


def test_failed_ones_are_found_beyond_the_first_page(rushes: Rushes, server: Loopback) -> None:
    submit(rushes, 5)
    for name in ("r1", "r2"):
        failed = msgspec.structs.replace(server.requests[name], status=Status.FAILED, error="out of [memory]")
        server.requests[name] = failed
    told = json.loads(rushes("list", "--failed", "--limit", 2, "--json").stdout)
    assert [view["id"] for view in told["requests"]] == ["r2", "r1"]
    assert "out of [memory]" in rushes("list", "--failed").stdout


def test_a_retry_is_a_request_of_its_own(rushes: Rushes, server: Loopback) -> None:
    submit(rushes)
    assert "only a failed or cancelled one" in rushes("retry", "r1", status=1).stderr
    rushes("cancel", "r1")
    assert rushes("retry", "r1").stdout == "r2\n"
    assert server.requests["r2"].retry_of == "r1"


def test_attempts_are_shown_with_their_reasons(rushes: Rushes, server: Loopback) -> None:
    submit(rushes)
    ended = {"status": Status.FAILED, "error": "out of [memory]"}
    server.requests["r1"] = msgspec.structs.replace(server.requests["r1"], **ended)
    *_, head, row = rushes("show", "r1", "--attempts").stdout.splitlines()
    assert head.split()[0] == "attempt"
    assert row.startswith("1 ")
    assert "2.5 s" in row
    assert "out of [memory]" in row
    told = json.loads(rushes("show", "r1", "--attempts", "--json").stdout)
    assert [one["ended_by"] for one in told["attempts"]] == ["fail"]


def test_cancel(rushes: Rushes, server: Loopback) -> None:
    submit(rushes)
    assert rushes("cancel", "r1").stdout == "r1 cancelled\n"
    result = rushes("cancel", "r1", status=1)
    assert result.stderr.startswith("Error: request is already cancelled")


def test_unknown_request(rushes: Rushes, server: Loopback) -> None:
    assert rushes("show", "nope", status=1).stderr.startswith("Error: request not found")


def test_the_key_may_lie_in_the_data_folder(
    rushes: Rushes, server: Loopback, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUSHES_API_KEY")
    result = rushes("list", status=1)
    assert "there is no API key" in result.stderr
    assert "--data" in result.stderr
    data.mkdir()
    (data / "key").write_text(KEY + "\n")
    rushes("list")
    assert rushes("list", "--key", "wrong", status=1).stderr.startswith("Error: ")


def test_nobody_there_is_one_line_and_no_traceback(rushes: Rushes) -> None:
    result = rushes("list", "--url", "http://127.0.0.1:9", "--key", KEY, status=1)
    assert result.stderr.startswith("Error: http://127.0.0.1:9 cannot be reached")
    assert "rushes serve" in result.stderr
    assert "Traceback" not in result.output
