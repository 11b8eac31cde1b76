"""The ledger at size: what a claim and a page of a list cost when the queue or the history is long."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bench.figures import Figure, in_turns, middle
from rushes.core.shot import Shot
from rushes.ledger.queue import Ledger, NewRequest

SHORT, LONG, HISTORY = 100, 100_000, 1_000_000
CLAIMS, PAGES = 25, 25
CARD, RARE, ABSENT = "kling-v2-6", "rare", "absent"


def a_request(name: str, owner: str = "ann", card: str = CARD) -> NewRequest:
    return NewRequest(
        id=name,
        owner=owner,
        model=card,
        card=card,
        dialect="gmi",
        payload={"prompt": "a boat"},
        shot=Shot(prompt="a boat", seed=1),
        cost=5.0,
    )


def multiply(path: Path, count: int) -> None:
    """Make `count` rows of the one that stands there, each with a turn and a time of its own. Indexes are made anew
    at the end, because that is quicker."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        parts = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'requests' AND sql IS NOT NULL "
            "AND type IN ('index', 'trigger')"
        ).fetchall()
        for kind, name, _ in parts:
            connection.execute(f"DROP {kind} {name}")
        cursor = connection.execute("SELECT * FROM requests LIMIT 0")
        names = [column[0] for column in cursor.description]
        changed = {"id": "id || '-' || n", "turn": "turn + n * 5.0", "created_at": "created_at + n * 0.001"}
        values = ", ".join(changed.get(name, name) for name in names)
        connection.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?) "
            f"INSERT INTO requests ({', '.join(names)}) SELECT {values} FROM requests, numbers",
            (count - 1,),
        )
        for _, _, sql in parts:
            connection.execute(sql)
        connection.execute("UPDATE tallies SET count = count * ? WHERE count > 0", (count,))
        connection.execute("ANALYZE")
        connection.execute("DELETE FROM sqlite_stat1")  # as in a ledger that grew by itself
        connection.execute("COMMIT")


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql)
        connection.commit()


def ledger_of(folder: Path, count: int) -> Ledger:
    """`count` requests of one owner and card that wait."""
    folder.mkdir()
    ledger = Ledger(f"sqlite:///{folder}/ledger.sqlite3")
    ledger.migrate()
    ledger.submit(a_request("first"))
    multiply(ledger.db.path, count)
    return ledger


def seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def claim_once(ledger: Ledger, card: str, found: bool) -> float:
    """Seconds of one claim; what was claimed is given back, which is not counted."""
    started = time.perf_counter()
    lease = ledger.claim("bench", [card]).lease
    took = time.perf_counter() - started
    if (lease is not None) is not found:
        raise RuntimeError(f"the claim of {card} gave {lease}")
    if lease is not None:
        ledger.release(lease)
    return took


def compare(case: str, short: Ledger, long: Ledger, card: str, found: bool = True) -> Figure:
    for ledger in (short, long):
        claim_once(ledger, card, found)
    rounds = in_turns(CLAIMS, lambda: claim_once(long, card, found), lambda: claim_once(short, card, found))
    many, few = (middle(side) * 1000 for side in zip(*rounds, strict=True))
    return Figure(
        what=f"claim at {LONG:,} queued: {case}",
        against=f"at {SHORT}",
        value=many / few,
        at_most=3.0,
        told=f"{many:.2f} ms beside {few:.2f} ms",
    )


def claim() -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory() as name:
        short, long = (ledger_of(Path(name) / str(count), count) for count in (SHORT, LONG))
        figures.append(compare("a served model", short, long, CARD))
        figures.append(compare("an absent model", short, long, ABSENT, found=False))
        for ledger in (short, long):
            ledger.submit(a_request("rare", card=RARE))
        figures.append(compare("a rare model", short, long, RARE))
        for ledger in (short, long):
            ledger.change_owner("ann", running_cap=1)
            ledger.claim("other", [CARD])
            ledger.submit(a_request("of-bob", owner="bob"))
        figures.append(compare("one owner at his running cap", short, long, CARD))
        for ledger in (short, long):
            ledger.change_owner("ann", running_cap=None)
            change(
                ledger.db.path,
                "UPDATE requests SET held = 'backoff', ready_at = created_at + 1e6 "
                "WHERE status = 'queued' AND owner = 'ann'",
            )
        figures.append(compare("all others in back-off", short, long, CARD))
        for ledger in (short, long):
            ledger.close()
    return figures


def listing() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        short, long = (ledger_of(Path(name) / str(count), count) for count in (SHORT, HISTORY))
        cursors = {ledger: ledger.list("ann", limit=50).next_cursor for ledger in (short, long)}

        def pages(ledger: Ledger) -> float:
            return seconds(lambda: ledger.list("ann", limit=20)) + seconds(
                lambda: ledger.list("ann", limit=20, cursor=cursors[ledger])
            )

        rounds = in_turns(PAGES, lambda: pages(long), lambda: pages(short))
        for ledger in (short, long):
            ledger.close()
    many, few = (middle(side) * 1000 for side in zip(*rounds, strict=True))
    return [
        Figure(
            what=f"list page at {HISTORY:,} rows",
            against=f"at {SHORT}",
            value=many / few,
            at_most=2.0,
            told=f"a first and a later page of 20 with the total: {many:.2f} ms beside {few:.2f} ms",
        )
    ]
