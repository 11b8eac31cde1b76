"""`rushes keys`: accounts with limits, on the data folder. And `rushes retry --local`, which needs no server either."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rushes.cli.limits import FLAGS
from rushes.core.errors import BadOutput
from rushes.core.keys import parse_key
from rushes.service import Ask
from rushes.settings import Settings
from rushes.wiring.house import open_house, open_ledger
from tests.cli.conftest import Rushes


def told(rushes: Rushes, *words: object) -> Any:
    return json.loads(rushes(*words, "--json").stdout)


def test_an_account_is_made_with_its_limits(rushes: Rushes) -> None:
    flags = "--weight 2 --rpm 60 --queue 100 --running 2 --priority-max 5 --budget 3600 --keep-days forever"
    key = parse_key(rushes("keys", "create", "ann", *flags.split()).stdout.strip())
    assert key is not None
    rushes("keys", "limits", "ann", "--model", "Kling-V2-6", "--rpm", 2, "--keep-days", 3)
    assert told(rushes, "keys", "limits", "ann", "--queue", "none", "--budget-month", 1e5) == {
        "owner": "ann",
        "weight": 2.0,
        "rpm": 60,
        "queue": None,
        "running": 2,
        "priority-max": 5,
        "budget": 3600.0,
        "budget-month": 1e5,
        "keep-days": "forever",
        "models": {"kling-v2-6": {"rpm": 2, "queue": None, "running": None, "keep-days": 3.0}},
    }
    head, *rows = rushes("keys", "limits", "ann").stdout.splitlines()
    assert head.split() == ["limit", "all", "models", "kling-v2-6"]
    assert ["rpm", "60", "2"] in [row.split() for row in rows]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--rpm", "-1"], 2, "'-1' is neither a whole number nor 'none'"),
        (["--weight", "0"], 2, "'0' is no number above 0"),
        (["--budget", "nan"], 2, "'nan' is neither a number of seconds nor 'none'"),
        (["--keep-days", "ever"], 2, "neither a number of days"),
        (["--weight", "2", "--model", "kling-v2-6"], 1, "--weight counts all models"),
        (["--model", "kling-v2-6"], 1, "--model needs a limit"),
        (["--rpm", "2", "--model", "kling-v9"], 1, "model kling-v9 does not exist"),
    ],
)
def test_what_is_no_limit_is_refused(rushes: Rushes, words: list[str], status: int, says: str) -> None:
    rushes("keys", "create", "ann")
    refused = rushes("keys", "limits", "ann", *words, status=status, env={"COLUMNS": "200"})
    assert says in " ".join(refused.stderr.split())


def test_limits_of_nobody(rushes: Rushes) -> None:
    assert "there is no account 'nobody'" in rushes("keys", "limits", "nobody", status=1).stderr


def test_rotate_gives_a_new_key_and_the_old_one_a_day(rushes: Rushes) -> None:
    old = told(rushes, "keys", "create", "ann", "--admin")
    new = told(rushes, "keys", "rotate", old["kid"])
    assert (new["replaces"], new["grace_hours"]) == (old["kid"], 24.0)
    records = {record["kid"]: record for record in told(rushes, "keys", "list")}
    assert records[new["kid"]]["admin"] is True
    before, after = records[old["kid"]], records[new["kid"]]
    assert before["ends_at"] - after["created_at"] == pytest.approx(86_400, abs=1)
    assert "works until" in rushes("keys", "list").stdout
    rushes("keys", "rotate", new["kid"], "--grace", 0)
    assert "there is no key" in rushes("keys", "rotate", new["kid"], status=1).stderr
    assert told(rushes, "keys", "revoke", old["kid"]) == {"revoked": old["kid"]}


def test_usage_and_a_retry_without_a_server(rushes: Rushes, data: Path) -> None:
    made = rushes("keys", "create", "ann").stdout.strip()
    with open_house(Settings.load()) as house:
        caller = house.service.authenticate(made)
        payload = {"prompt": "a boat"}
        ask = Ask(dialect="gmi", model="kling-v2-6", fields=payload, payload=payload)
        request = house.service.submit(caller, ask)
        lease = house.ledger.claim("w", ["kling-v2-6"]).lease
        assert lease is not None
        house.ledger.fail(lease, BadOutput("black"))
    assert told(rushes, "keys", "usage")[0]["requests"]["failed"] == 1
    again = rushes("retry", request.id, "--local").stdout.strip()
    with open_ledger(Settings.load()) as ledger:
        new = ledger.get(again)
        assert (new.owner, new.retry_of, new.shot) == ("ann", request.id, request.shot)
    (row,) = rushes("keys", "usage", "ann").stdout.splitlines()[1:]
    assert row.split() == ["ann", "0.0", "s", "0.0", "s", "1", "0", "0", "1", "0"]


def test_the_page_names_every_flag() -> None:
    page = (Path(__file__).parents[2] / "docs" / "limits.md").read_text()
    assert [flag.name for flag in FLAGS if f"--{flag.name} " not in page] == []
