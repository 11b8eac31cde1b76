"""What SQLite brings besides the contract: one file, its disk, and many processes on it."""

from __future__ import annotations

import itertools
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from sqlalchemy import Executable, event
from sqlalchemy.dialects import postgresql

from rushes.core.errors import BadOutput, EngineError, LeaseLost, LedgerUnavailable, QueueFull, SetupError
from rushes.core.request import Phase, Status
from rushes.ledger import database
from rushes.ledger.database import Mount, Prepared, refuse_network_disk
from rushes.ledger.queue import Ledger
from rushes.ledger.rows import Owner
from rushes.ledger.statements import Changes, Statements
from rushes.ledger.table import now, requests
from tests.contracts.ledger import (
    CARD,
    OTHER,
    LedgerContract,
    OpenLedger,
    a_request,
    an_outcome,
    pass_time,
    place,
    take,
)


class TestSqliteLedger(LedgerContract):
    pass


# -- the connection ------------------------------------------------------------------------------------------------------


def test_writes_are_durable_and_never_upgraded(ledger: Ledger) -> None:
    begun: list[str] = []
    event.listen(ledger.db.engine, "before_cursor_execute", lambda *a: begun.append(a[2]))
    ledger.submit(a_request("r"))
    assert begun[0] == "BEGIN IMMEDIATE"
    with ledger.db.reading() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30_000}


def test_the_file_is_private(ledger: Ledger) -> None:
    assert ledger.db.path.stat().st_mode & 0o777 == 0o600


def test_the_databases_clock_is_the_time(url: str) -> None:
    ledger = Ledger(url)
    ledger.migrate()
    first = sqlite3.connect(":memory:").execute("SELECT CAST(strftime('%s', 'now') AS REAL)").fetchone()[0]
    request = ledger.submit(a_request("r"))
    assert 0 <= request.created_at - first < 60
    ledger.close()


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg://rushes@localhost/rushes"],
)
def test_only_a_sqlite_file_is_accepted(url: str) -> None:
    with pytest.raises(SetupError, match="ledger: ") as refused:
        Ledger(url)
    assert "sqlite:////" in refused.value.advice


def test_a_password_in_the_url_is_not_told() -> None:
    with pytest.raises(SetupError) as refused:
        Ledger("mysql://rushes:hunter2@db/rushes")
    assert "hunter2" not in str(refused.value)


# -- the disk ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "NFS"])
def test_a_network_disk_is_refused(tmp_path: Path, kind: str) -> None:
    mounts = [Mount("/", "ext4"), Mount(str(tmp_path), kind)]
    with pytest.raises(SetupError, match="network file system"):
        refuse_network_disk(tmp_path / "data" / "ledger.sqlite3", mounts)
    refuse_network_disk(tmp_path / "x", [Mount("/", kind), Mount(str(tmp_path), "ext4")])
    refuse_network_disk(tmp_path / "x", [*mounts, Mount(str(tmp_path), "ext4")])


def test_migrate_looks_at_the_disk(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.psutil, "disk_partitions", lambda **_: [Mount("/", "nfs4")])
    with pytest.raises(SetupError, match="nfs4 at /"):
        Ledger(url).migrate()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be opened: No such file or directory"):
        Ledger(f"sqlite:///{tmp_path / 'nowhere' / 'ledger.sqlite3'}").migrate()


def test_a_file_that_is_no_database_is_refused_and_untouched(url: str, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"these are my holiday notes, not a ledger\n" * 100)
    before = path.read_bytes()
    with pytest.raises(SetupError, match=r"ledger\.sqlite3 is damaged") as refused:
        Ledger(url).migrate()
    assert "Nothing was changed" in refused.value.advice
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_ledger_is_refused_and_untouched(url: str, tmp_path: Path) -> None:
    ledger = Ledger(url)
    ledger.migrate()
    for index in range(200):
        ledger.submit(a_request(f"r{index}", payload={"prompt": "x" * 500}))
    ledger.close()
    path = tmp_path / "ledger.sqlite3"
    damaged = bytearray(path.read_bytes())
    for page in range(8, len(damaged) // 4096, 3):
        damaged[page * 4096 : page * 4096 + 100] = b"\xff" * 100
    path.write_bytes(damaged)
    with pytest.raises(SetupError, match="is damaged"):
        Ledger(url).migrate()
    assert path.read_bytes() == damaged


def test_a_large_ledger_is_read_through_only_when_asked(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CHECKED_AT_START", 1000)
    ledger = Ledger(url)
    ledger.migrate()
    for index in range(100):
        ledger.submit(a_request(f"r{index}", payload={"prompt": "x" * 500}))
    ledger.close()
    path = tmp_path / "ledger.sqlite3"
    sound = path.read_bytes()
    path.write_bytes(sound[:-8192] + b"\xff" * 8192)
    ledger = Ledger(url)
    ledger.migrate()
    with pytest.raises(SetupError, match="is damaged"):
        ledger.check()
    ledger.close()
    path.write_bytes(b"\xff" * 100 + sound[100:])
    with pytest.raises(SetupError, match="is damaged"):
        Ledger(url).migrate()


def test_another_programs_database_is_refused(url: str, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "ledger.sqlite3")
    other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    ledger = Ledger(url)
    with pytest.raises(SetupError, match="bookmarks"):
        ledger.migrate()
    ledger.close()


def test_a_full_disk_loses_nothing(ledger: Ledger) -> None:
    ledger.submit(a_request("kept"))
    lease = take(ledger)
    with ledger.db.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    # A limit on the size of the file fails a write as a full disk does.
    limited: list[Any] = []

    def limit(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        limited.append(connection)

    event.listen(ledger.db.engine, "begin", limit)
    accepted = []

    def submit_for_ever() -> None:
        for index in itertools.count():
            accepted.append(ledger.submit(a_request(f"r{index}", payload={"prompt": "x" * 2000})).id)

    with pytest.raises(LedgerUnavailable, match="the disk is full") as full:
        submit_for_ever()
    assert full.value.status_hint == 503
    event.remove(ledger.db.engine, "begin", limit)
    event.listen(
        ledger.db.engine,
        "begin",
        lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1073741823"),
    )
    assert {request.id for request in ledger.list(limit=100).requests} == {"kept", *accepted}
    ledger.finish(lease, an_outcome(lease))
    ledger.submit(a_request("afterwards"))
    ledger.check()


@pytest.mark.parametrize("code", ["SQLITE_PROTOCOL", "SQLITE_LOCKED", "SQLITE_NOMEM", "SQLITE_IOERR_READ"])
def test_what_may_pass_is_worth_another_try(
    ledger: Ledger, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> sqlite3.Cursor:
        error = sqlite3.OperationalError("not now")
        error.sqlite_errorname = code
        raise error

    key = ledger.create_key("ann")
    with monkeypatch.context() as patched:
        patched.setattr(Prepared, "run", fails)
        with pytest.raises(LedgerUnavailable, match="cannot be reached: not now"):
            ledger.look(key.kid, "r")
    assert ledger.look(key.kid, "r")[0] is not None


def test_a_ledger_that_another_program_locks_is_told(
    open_ledger: OpenLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_PRAGMAS", ("PRAGMA busy_timeout=50", *database._PRAGMAS[1:]))
    ledger = open_ledger()
    intruder = sqlite3.connect(ledger.db.path, isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match="locked by another process"):
        ledger.submit(a_request("r"))
    intruder.execute("ROLLBACK")
    intruder.close()
    assert ledger.submit(a_request("r")).id == "r"


# -- shared commits ------------------------------------------------------------------------------------------------------


class Gate:
    """Holds the first commit open until so many others wait for the next one, so that these must share it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.commits = 0
        event.listen(ledger.db.engine, "commit", self._count)

    def _count(self, _: Any) -> None:
        self.commits += 1

    def run(self, *bodies: Any) -> list[Any]:
        inside, go_on = threading.Event(), threading.Event()

        def slow(_: Any) -> None:
            inside.set()
            assert go_on.wait(30)

        with ThreadPoolExecutor(len(bodies) + 1) as pool:
            first = pool.submit(self._ledger.db.write, slow)
            assert inside.wait(30)
            self.commits = 0
            answers = [pool.submit(body) for body in bodies]
            commits = self._ledger.db._commits
            while len(commits._waiting) < len(bodies):
                time.sleep(0.001)
            go_on.set()
            first.result()
        return [answer.exception() or answer.result() for answer in answers]


def test_concurrent_submits_share_one_commit(ledger: Ledger) -> None:
    gate = Gate(ledger)
    answers = gate.run(*(lambda i=i: ledger.submit(a_request(f"r{i}")) for i in range(10)))
    # The slow one's own commit, and one for all the others.
    assert gate.commits == 2
    assert {answer.id for answer in answers} == {f"r{i}" for i in range(10)}
    assert ledger.list().total == 10


def test_a_refusal_in_a_shared_commit_undoes_itself_alone(ledger: Ledger) -> None:
    ledger.put_owner(Owner(name="ann", queue_cap=3))
    ledger.submit(a_request("first"))
    lease = take(ledger)
    ledger.cancel("first")
    gate = Gate(ledger)
    answers = gate.run(
        *(lambda i=i: ledger.submit(a_request(f"r{i}")) for i in range(6)),
        lambda: ledger.beat(lease, Phase.RENDER, 0.5),
        lambda: ledger.submit(a_request("bobs", owner="bob")),
    )
    assert gate.commits == 2
    assert sum(isinstance(answer, QueueFull) for answer in answers) == 3
    assert isinstance(answers[6], LeaseLost)
    assert ledger.tally("ann")["queued"] == 3
    assert ledger.get("bobs").owner == "bob"


def test_a_failed_shared_commit_is_answered_one_by_one(ledger: Ledger) -> None:
    def broken(_: Any) -> None:
        raise ZeroDivisionError

    gate = Gate(ledger)
    answers = gate.run(
        lambda: ledger.submit(a_request("before")),
        lambda: ledger.db.write(broken),
        lambda: ledger.submit(a_request("after")),
    )
    assert isinstance(answers[1], ZeroDivisionError)
    assert {request.id for request in ledger.list().requests} == {"before", "after"}


def test_who_may_not_wait_shares_commits_with_who_does(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.put_owner(Owner(name="bob", queue_cap=0))
    seen: list[list[str]] = []
    three = ("posted", "waited", "last")
    monkeypatch.setattr(ledger._bell, "ring", lambda: seen.append([ledger.get(name).id for name in three]))
    gate = Gate(ledger)
    answers = gate.run(
        lambda: ledger.hand_in([a_request("posted")])[0].result(),
        lambda: ledger.submit(a_request("waited")),
        lambda: ledger.hand_in([a_request("bobs", owner="bob")])[0].result(),
        lambda: ledger.hand_in([a_request("last")])[0].result(),
    )
    assert gate.commits == 2
    assert [getattr(answer, "id", type(answer)) for answer in answers] == [
        "posted",
        "waited",
        QueueFull,
        "last",
    ]
    # The workers are woken once, when all of it is there to be seen.
    assert seen == [list(three)]


def test_nothing_is_answered_before_it_is_durable(ledger: Ledger) -> None:
    seen: list[int] = []
    (written,) = ledger.hand_in([a_request("r")])
    written.add_done_callback(lambda _: seen.append(ledger.list().total))
    assert written.result(30).id == "r"
    ledger.close()  # ends the writing thread, and with it the callback
    assert seen == [1]


def test_who_left_before_his_commit_is_not_written_down(ledger: Ledger) -> None:
    def leave() -> None:
        (left,) = ledger.hand_in([a_request("left")])
        assert left.cancel()

    Gate(ledger).run(leave, lambda: ledger.submit(a_request("stays")))
    assert [request.id for request in ledger.list().requests] == ["stays"]


def test_the_end_waits_for_what_was_handed_in(ledger: Ledger) -> None:
    written = ledger.hand_in([a_request(f"r{index}") for index in range(5)])
    ledger.close()
    assert [answer.result(0).id for answer in written] == [f"r{index}" for index in range(5)]


def test_an_interrupted_leader_leaves_nobody_waiting(ledger: Ledger) -> None:
    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    answers = Gate(ledger).run(lambda: ledger.db.write(interrupted), lambda: ledger.submit(a_request("r")))
    kinds = {type(answer) for answer in answers}
    assert KeyboardInterrupt in kinds or LedgerUnavailable in kinds
    assert ledger.submit(a_request("next")).id == "next"


# -- many processes ------------------------------------------------------------------------------------------------------

CLAIMER = """
import json, sys
from rushes.ledger.queue import Ledger
from tests.contracts.ledger import CARD, CLOCK, an_outcome
ledger = Ledger(sys.argv[1], clock=CLOCK)
sys.stdin.readline()
while True:
    lease = ledger.claim(sys.argv[2], [CARD]).lease
    if lease is None:
        break
    ledger.finish(lease, an_outcome(lease))
    print(json.dumps([lease.request_id, lease.fence]), flush=True)
ledger.close()
"""

SUBMITTER = """
import sys
from rushes.ledger.queue import Ledger
from tests.contracts.ledger import a_request
ledger = Ledger(sys.argv[1])
for index in range(100_000):
    print(ledger.submit(a_request(f"{sys.argv[2]}-{index}")).id, flush=True)
"""


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_processes_never_claim_the_same_request(ledger: Ledger, url: str) -> None:
    for index in range(120):
        ledger.submit(a_request(f"r{index}"))
    processes = [start(CLAIMER, url, f"w{index}") for index in range(3)]
    outputs = []
    with ThreadPoolExecutor(3) as pool:
        for output, _ in pool.map(lambda process: process.communicate("go\n", timeout=60), processes):
            outputs.append([json.loads(line) for line in output.splitlines()])
    assert [process.returncode for process in processes] == [0, 0, 0]
    done = [entry for output in outputs for entry in output]
    assert sorted(done) == sorted([f"r{index}", 1] for index in range(120))
    assert ledger.tally()["success"] == 120


def test_what_was_acknowledged_survives_sigkill(url: str) -> None:
    ledger = Ledger(url)
    ledger.migrate()
    acknowledged: set[str] = set()
    for generation in range(4):
        process = start(SUBMITTER, url, f"g{generation}")
        assert process.stdout is not None
        for _ in range(15 + 7 * generation):
            acknowledged.add(process.stdout.readline().strip())
        process.send_signal(signal.SIGKILL)
        acknowledged |= {line.strip() for line in process.stdout if line.endswith("\n")}
        process.communicate()
    for request_id in acknowledged:
        assert ledger.get(request_id).status == "queued"
    counted = ledger.list(limit=1).total
    assert len(acknowledged) <= counted <= len(acknowledged) + 4
    ledger.check()
    ledger.close()


# -- the statements ------------------------------------------------------------------------------------------------------


Said: TypeAlias = list[tuple[Any, list[str]]]
"""Statements, each with the names of its parameters."""


def listen_in(ledger: Ledger) -> Said:
    """Everything that the ledger says to its database from now on."""
    said: Said = []

    def hear(_: Any, element: Any, many: list[dict[str, Any]], one: dict[str, Any], __: Any) -> None:
        said.append((element, list(many[0] if many else one)))

    event.listen(ledger.db.engine, "before_execute", hear)
    return said


def test_every_statement_is_also_postgresqls(ledger: Ledger) -> None:
    """All that the verbs say to SQLite, said to PostgreSQL's compiler."""
    said = listen_in(ledger)
    exercise(ledger)
    built = {name: value for name, value in vars(ledger._sql).items() if isinstance(value, Executable)}
    unsaid = {name for name, value in built.items() if not any(value is element for element, _ in said)}
    assert len(built) > 15
    assert unsaid == set()
    statements = Statements(Changes(now()), 30.0, 3)
    texts = {
        str(element.compile(dialect=postgresql.dialect(), column_keys=keys))
        for element, keys in [*said, (statements.beat, ["phase"]), (statements.claim, ["worker"])]
    }
    assert len(texts) > 50
    everything = "\n".join(texts)
    assert "clock_timestamp()" in everything
    assert "julianday" not in everything
    assert all("SELECT" in text for text in texts if "FOR UPDATE" in text)
    (claim,) = (text for text in texts if "SKIP LOCKED" in text and "clock_timestamp" in text)
    assert "WHERE requests.id = (SELECT" in claim
    assert "status = 'queued'" in claim


def exercise(ledger: Ledger) -> None:
    """Every verb at least once."""
    ledger.put_owner(
        Owner(
            name="ann",
            queue_cap=100,
            running_cap=2,
            priority_cap=5,
            per_minute=100,
            day_budget=1e6,
            month_budget=1e6,
        )
    )
    ledger.change_card_limits("ann", CARD, queue_cap=100, running_cap=2, per_minute=100)
    ledger.card_limits("ann")
    for index in range(6):
        ledger.submit(a_request(f"r{index}", idempotency_key=f"k{index}", start_within=1000.0, keep_for=1.0))
    ledger.submit(a_request("bobs", owner="bob", cost=50.0, image_url="https://example.com/cat.png"))
    assert place(ledger, "r4") == 4
    intake = ledger.claim_intake("w").lease
    assert intake is not None
    ledger.finish_intake(intake, "inputs/bobs.png")
    lease = take(ledger, CARD, OTHER, resident=CARD, load_seconds=3.0)
    ledger.beat(lease, Phase.RENDER, 0.5)
    ledger.finish(lease, an_outcome(lease))
    ledger.release(take(ledger))
    for _ in range(ledger.max_failures):
        take(ledger)
        take(ledger)
        assert take(ledger).owner == "bob"
        pass_time(ledger, 31)
    ledger.fail(take(ledger), EngineError("hiccup"))
    ledger.fail(take(ledger), BadOutput("black"))
    ledger.cancel("r5", "ann")
    ledger.sweep()
    ledger.list("ann", CARD, limit=1, cursor=ledger.list("ann", limit=1).next_cursor)
    ledger.list()
    ledger.list("ann", status=Status.FAILED)
    ledger.outlook(ledger.paces())
    ledger.usage()
    ledger.overdue()
    ledger.garbage(["r0/1.mp4"])
    ledger.expire("r0")
    key = ledger.create_key("ann")
    ledger.find_key(key.kid)
    ledger.list_keys("ann")
    ledger.rotate_key(key.kid, grace=1.0)
    ledger.revoke_key(key.kid)
    ledger.register_worker("w", "h", 1, [CARD])
    ledger.worker_seen("w")
    ledger.workers()
    ledger.remove_worker("w")


def plans(ledger: Ledger, said: list[str]) -> list[str]:
    """How SQLite goes about each statement, one line per step."""
    found = []
    with ledger.db.reading() as connection:
        for sql in dict.fromkeys(said):
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?")).all()
            found.append(sql + "\n\n" + "".join(f"{row[-1]}\n" for row in rows))
    return found


def test_requests_are_found_by_index_alone(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows there are: no scan of the table, and no sort but of the few heads of the line."""
    said: list[str] = []
    run = Prepared.run

    def telling(self: Prepared, connection: sqlite3.Connection, values: Any) -> sqlite3.Cursor:
        said.append(self._text)
        return run(self, connection, values)

    monkeypatch.setattr(Prepared, "run", telling)
    event.listen(ledger.db.engine, "before_cursor_execute", lambda *a: said.append(a[2]))
    exercise(ledger)
    found = plans(ledger, [sql for sql in said if sql.startswith(("SELECT", "UPDATE", "WITH"))])
    assert len(found) > 40
    for text in found:
        assert "SCAN requests\n" not in text, text
        assert "USE TEMP B-TREE FOR ORDER BY" not in text or "AS lines" in text or "FROM keys" in text, text
    used = "".join(found)
    unused = {index.name for index in requests.indexes if not re.search(rf"INDEX {index.name}\b", used)}
    assert unused == set()


def test_the_fast_read_and_the_slow_one_agree(ledger: Ledger) -> None:
    ledger.submit(a_request("r", image_key="inputs/r.png"))
    lease = take(ledger)
    ledger.beat(lease, Phase.RENDER, 1.0, "nearly")
    assert ledger.get("r") == ledger.list().requests[0]
    ledger.finish(lease, an_outcome(lease))
    assert ledger.get("r") == ledger.list().requests[0]
