from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from rushes.core.errors import QueueFull, SetupError
from rushes.core.request import Status
from rushes.ledger import migrations
from rushes.ledger.queue import Ledger
from rushes.ledger.table import TRIGGERS, metadata
from tests.contracts.ledger import a_request

SCRIPTS = Path(migrations.__file__).parent


def schema(path: Path) -> dict[str, list[str]]:
    """Everything that the database says of its schema; clauses sorted, since their order means nothing."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    found = {}
    for name, sql in rows:
        text = re.sub(r"\s+", " ", sql.replace('"', ""))
        clauses = (
            re.split(r", (?=\w+ [A-Z]|CONSTRAINT|CHECK|PRIMARY)", text) if "CREATE TABLE" in text else [text]
        )
        found[name] = sorted(clause.strip(" ()") for clause in clauses)
    found.pop("alembic_version", None)
    return found


def test_the_migrations_together_give_the_schema_of_the_code(url: str, tmp_path: Path) -> None:
    ledger = Ledger(url)
    ledger.migrate()
    ledger.close()
    engine = create_engine(f"sqlite:///{tmp_path / 'plain.sqlite3'}")
    with engine.begin() as connection:
        metadata.create_all(connection)
        for statement in TRIGGERS["sqlite"]:
            connection.exec_driver_sql(statement)
    engine.dispose()
    migrated = schema(tmp_path / "ledger.sqlite3")
    assert {"requests", "requests_queue", "requests_guard", "owners", "attempts", "spend"} <= set(migrated)
    assert migrated == schema(tmp_path / "plain.sqlite3")


def test_the_triggers_are_migrated_on_postgresql_too() -> None:
    sources = "".join(path.read_text() for path in (SCRIPTS / "versions").glob("0*.py"))
    said = re.sub(r"\"\s*\"", "", sources)
    for statement in TRIGGERS["postgresql"]:
        assert statement in said


def test_head_is_the_newest_of_one_line() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.HEAD]


def test_migrating_again_keeps_the_rows(url: str) -> None:
    for index in range(2):
        ledger = Ledger(url)
        ledger.migrate()
        ledger.migrate()
        ledger.submit(a_request(f"r{index}"))
        assert ledger.list().total == index + 1
        ledger.close()


def test_a_schema_newer_than_the_code_is_refused_and_untouched(url: str, tmp_path: Path) -> None:
    ledger = Ledger(url)
    ledger.migrate()
    ledger.submit(a_request("r"))
    ledger.close()
    path = tmp_path / "ledger.sqlite3"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = path.read_bytes()
    ledger = Ledger(url)
    with pytest.raises(SetupError, match="schema 9999, which is newer") as refused:
        ledger.migrate()
    assert "later" in refused.value.advice
    ledger.close()
    assert path.read_bytes() == before


def test_many_processes_may_migrate_an_empty_file_at_once(url: str) -> None:
    script = (
        "import sys; from rushes.ledger.queue import Ledger; l = Ledger(sys.argv[1]); l.migrate(); l.close()"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, url], stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    errors = [child.communicate(timeout=60)[1] for child in children]
    assert errors == ["", "", ""]
    assert [child.returncode for child in children] == [0, 0, 0]


def test_a_current_ledger_opens_without_alembic(url: str) -> None:
    ledger = Ledger(url)
    ledger.migrate()
    ledger.close()
    script = (
        "import sys; from rushes.ledger.queue import Ledger; l = Ledger(sys.argv[1]); l.migrate(); l.close();"
        "print('alembic' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_requests_from_before_the_audit_have_no_tags(url: str, tmp_path: Path) -> None:
    ledger = Ledger(url)
    ledger.db.open()
    migrations.upgrade(ledger.db, "0003")
    ledger.close()
    connection = sqlite3.connect(tmp_path / "ledger.sqlite3")
    with connection:
        connection.execute(
            "INSERT INTO requests (id, owner, model, card, dialect, payload, shot, status, priority, turn, cost, "
            "created_at, queued_at, updated_at) VALUES ('old', 'ann', 'm', 'm', 'gmi', '{}', '{}', 'queued', 0, 1, 1, "
            "1, 1, 1)"
        )
    connection.close()
    ledger = Ledger(url)
    ledger.migrate()
    assert ledger.get("old").tags == ()
    assert ledger.audit() == ()
    ledger.close()


def test_the_rows_of_the_first_schema_live_on(url: str, tmp_path: Path) -> None:
    first = Ledger(url)
    first.db.open()
    migrations.upgrade(first.db, "0001")
    first.close()
    connection = sqlite3.connect(tmp_path / "ledger.sqlite3")
    with connection:
        connection.execute("INSERT INTO owners (name, weight, queue_cap) VALUES ('ann', 2, 1)")
        connection.execute(
            "INSERT INTO keys (kid, owner, name, digest, admin, created_at, revoked_at) "
            "VALUES ('k1', 'ann', 'laptop', 'd', 0, 1, NULL), ('k2', 'ann', 'old', 'd', 1, 1, 2)"
        )
        connection.execute(
            "INSERT INTO requests (id, owner, model, card, dialect, payload, shot, status, priority, turn, cost, "
            "created_at, queued_at, updated_at) VALUES ('r', 'ann', 'Kling-V2-6', 'kling-v2-6', 'gmi', '{}', "
            """'{"prompt": "a boat", "seed": 7}', 'queued', 0, 1, 5, 1, 1, 1)"""
        )
    connection.close()
    ledger = Ledger(url)
    ledger.migrate()
    request = ledger.get("r")
    assert (request.status, request.shot.seed, request.retry_of) == (Status.QUEUED, 7, None)
    owner = ledger.get_owner("ann")
    assert owner is not None
    assert (owner.weight, owner.queue_cap, owner.keep_for) == (2.0, 1, None)
    assert [record.revoked for record in ledger.list_keys()] == [False, True]
    with pytest.raises(QueueFull):
        ledger.submit(a_request("r2"))
    assert ledger.claim("w", ["kling-v2-6"]).lease is not None
    ledger.close()
