"""The HTTP face: how many polls and submits one core answers, beside the least that anybody could do."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.figures import Figure, in_turns, middle
from bench.house import REQUESTS, Process, Served, serve, serve_raw
from bench.load import Figures, Orders, load
from rushes.core.request import Phase
from rushes.ledger.queue import Ledger

CLIENTS = 32
POLLERS = 500
ROUNDS = 5
BEATS = 10
SUBMIT = '{"model": "kling-v2-6", "payload": {"prompt": "a boat on a lake at dawn", "duration": 5}}'


class Load(NamedTuple):
    figures: Figures
    cpu: float

    @property
    def by_core(self) -> float:
        """Calls that one second of the server's processor time answers."""
        return self.figures.good / self.cpu


def under_load(server: Process, orders: Orders) -> Load:
    before = server.cpu()
    figures = load(orders)
    return Load(figures, server.cpu() - before)


def poll(server: Process, head: str, **orders: float) -> Callable[[], Load]:
    return lambda: under_load(server, Orders(port=server.port, head=head, **orders))  # type: ignore[arg-type]


class Work:
    """A request that a worker has in hand; the bench plays the worker."""

    def __init__(self, house: Served, ledger: Ledger) -> None:
        self.request_id = house.submit()
        self._ledger = ledger
        lease = ledger.claim("bench", ["kling-v2-6"]).lease
        assert lease is not None
        self._lease = lease

    def beat(self, progress: float) -> None:
        self._ledger.beat(self._lease, Phase.RENDER, progress)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Progress is committed BEATS times a second, through a connection of another process than the server's."""
        over = threading.Event()

        def run() -> None:
            beats = 0
            while not over.wait(1 / BEATS):
                beats += 1
                self.beat(beats % 100 / 100)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@contextmanager
def working(house: Served) -> Iterator[Work]:
    ledger = Ledger(f"sqlite:///{house.data}/ledger.sqlite3")
    try:
        yield Work(house, ledger)
    finally:
        ledger.close()


def status() -> list[Figure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder), workers=0, intake=0) as house,
        working(house) as work,
    ):
        work.beat(0.5)
        path = f"{REQUESTS}/{work.request_id}"
        head = house.head("GET", path)

        def busy(seconds: float, clients: int, pause: float = 0.0) -> Load:
            with work.going_on():
                return poll(house, head, clients=clients, seconds=seconds, pause=pause)()

        with serve_raw(house.http.get(path)) as raw:
            rounds = in_turns(
                ROUNDS,
                lambda: busy(1.0, CLIENTS),
                poll(house, head, clients=CLIENTS, seconds=1.0),
                poll(raw, head, clients=CLIENTS, seconds=1.0),
            )
            crowd = in_turns(
                3,
                lambda: busy(3.0, POLLERS, pause=1.0),
                poll(raw, head, clients=POLLERS, seconds=3.0, pause=1.0),
            )
    ours, _, bare = (middle(side.figures.rate for side in sides) for sides in zip(*rounds, strict=True))
    core, _, bare_core = (middle(side.by_core for side in sides) for sides in zip(*rounds, strict=True))
    p99, bare_p99 = (middle(side.figures.p99 for side in sides) * 1000 for sides in zip(*crowd, strict=True))
    at_rest = middle(still.by_core / other.by_core for _, still, other in rounds)
    return [
        Figure(
            what="status GET, key and row read",
            against="bare ASGI with the same bytes",
            value=middle(one.by_core / other.by_core for one, _, other in rounds),
            at_least=0.30,
            told=f"{core:.0f} beside {bare_core:.0f} for each second of processor time, while the row changes "
            f"{BEATS} times a second; {at_rest:.3g} while it rests. Each GET reads the key and the row's revision, "
            f"and the whole row after a change; by the clock {ours:.0f}/s beside {bare:.0f}/s",
        ),
        Figure(
            what="status GET, p99 with 500 pollers",
            against="bare ASGI",
            value=p99,
            unit=" ms",
            at_most=10.0,
            told=f"each polls once a second, while the row changes {BEATS} times a second; "
            f"bare ASGI {bare_p99:.2g} ms",
        ),
    ]


def insert_alone(path: Path, calls: int) -> float:
    """Rows a second: the INSERT of one row like those that stand there, one durable transaction at a time."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    cursor = connection.execute("SELECT * FROM requests WHERE status = 'queued' LIMIT 1")
    names = [column[0] for column in cursor.description]
    row = list(cursor.fetchone())
    insert = f"INSERT INTO requests ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    started = time.perf_counter()
    for _ in range(calls):
        row[names.index("id")] = str(uuid.uuid4())
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(insert, row)
        connection.execute("COMMIT")
    took = time.perf_counter() - started
    connection.close()
    return calls / took


def submit() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), workers=0, intake=0) as house:
        house.submit()
        orders = Orders(
            port=house.port, head=house.head("POST", REQUESTS), body=SUBMIT, clients=CLIENTS, calls=1500
        )
        load(orders)
        rounds = in_turns(
            ROUNDS,
            lambda: under_load(house, orders).figures.rate,
            lambda: insert_alone(house.data / "ledger.sqlite3", 1000),
        )
    ours, alone = (middle(side) for side in zip(*rounds, strict=True))
    return [
        Figure(
            what="submit over HTTP, 32 clients, durable",
            against="the INSERT alone, one at a time",
            value=middle(one / other for one, other in rounds),
            at_least=1.0,
            told=f"{ours:.0f}/s beside {alone:.0f}/s in the same file",
        )
    ]
