"""How the ledger reaches its database: one file, short transactions, and a plain sentence when the disk fails."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import deque, namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import psutil
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import ReturnsRows

from rushes.core.errors import LedgerUnavailable, RushesError, SetupError
from rushes.ledger.commits import GroupCommit
from rushes.ledger.rows import encode_json

T = TypeVar("T")

BUSY_SECONDS = 30.0

CHECKED_AT_START = 32 * 1024 * 1024
"""Bytes of a ledger that is read through at every start (half a second); of a larger one only the head is, and `check`
reads the rest when asked to."""

# fmt: off
NETWORK_FILE_SYSTEMS = frozenset({
    "nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afpfs", "webdav", "davfs", "ncpfs", "afs", "ceph", "lustre",
    "glusterfs", "gpfs", "beegfs", "macfuse", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone",
    "fuse.davfs2", "fuse.juicefs",
})
# fmt: on
_PRAGMAS = (
    f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
)


class Mount(NamedTuple):
    mountpoint: str
    fstype: str


_DIALECT = sqlite.dialect(paramstyle="qmark", json_serializer=encode_json)


class Prepared:
    """A statement in the driver's own words, compiled once, for the few that run at every poll and every submit: they
    take a tenth of the time of the road through SQLAlchemy. `columns` are those that an INSERT is given besides the
    statement's own parameters. Rows come as the driver gives them, JSON still as text."""

    def __init__(self, statement: ReturnsRows, columns: Iterable[str] = ()) -> None:
        self._row: Any = namedtuple("Row", statement.exported_columns.keys())  # type: ignore[misc]
        compiled = statement.compile(dialect=_DIALECT, column_keys=list(columns) or None)
        assert isinstance(compiled, SQLCompiler)
        self._text = str(compiled)
        binds = [compiled.binds[name] for name in compiled.positiontup or ()]
        self._places = [
            (bind.key, bind.value, bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT))
            for bind in binds
        ]

    def run(self, connection: sqlite3.Connection, values: Mapping[str, Any]) -> sqlite3.Cursor:
        given = [
            values.get(name, fixed) if convert is None else convert(values.get(name, fixed))
            for name, fixed, convert in self._places
        ]
        return connection.execute(self._text, given)

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The first row, its values by name and by place, or None; inside a transaction that SQLAlchemy has begun."""
        row = self._within(connection, values).fetchone()
        return None if row is None else self._row._make(row)

    def all(self, connection: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Every row, its values by place; inside such a transaction too."""
        return self._within(connection, values).fetchall()

    def _within(self, connection: Connection, values: Mapping[str, Any]) -> sqlite3.Cursor:
        return self.run(cast(sqlite3.Connection, connection.connection.dbapi_connection), values)


class Database:
    """The SQLite file behind `url` (`sqlite:////var/lib/rushes/ledger.sqlite3`). Making one touches nothing."""

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise SetupError(f"ledger: {url!r} is not a database URL", advice=_URL_ADVICE) from error
        if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
            raise SetupError(
                f"ledger: {parsed.render_as_string()!r} is not a SQLite file", advice=_URL_ADVICE
            )
        self.path = Path(str(parsed.database)).absolute()
        self.engine: Engine = create_engine(
            parsed,
            pool_size=8,
            max_overflow=-1,
            json_serializer=encode_json,
            # JSON is decoded by `rows`, once, into structs.
            json_deserializer=lambda text: text,
            connect_args={"check_same_thread": False},
        )
        event.listen(self.engine, "connect", _prepare)
        event.listen(self.engine, "begin", _begin)
        self._readers = self.engine.execution_options(rushes_read_only=True)
        self._commits = GroupCommit(self._transaction)
        self._prepared: deque[sqlite3.Connection] = deque()

    def open(self) -> None:
        """Make the file if there is none, and refuse a place or a file that cannot keep the promise, untouched."""
        refuse_network_disk(self.path, psutil.disk_partitions(all=True))
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise SetupError(
                f"ledger {self.path} cannot be opened: {error.strerror}", advice=_FOLDER_ADVICE
            ) from error
        if self.path.stat().st_size <= CHECKED_AT_START:
            self.check()
        else:
            self._examine("PRAGMA schema_version")

    def check(self) -> None:
        """Read the whole file and raise `SetupError` if it is damaged."""
        if self.path.exists() and self.path.stat().st_size > 0:
            findings = self._examine("PRAGMA quick_check(3)")
            if findings != ["ok"]:
                raise SetupError(
                    f"ledger {self.path} is damaged: {'; '.join(findings)}", advice=_DAMAGE_ADVICE
                )

    def _examine(self, pragma: str) -> list[Any]:
        with self.telling(), contextlib.closing(self._connect()) as connection:
            return [row[0] for row in connection.execute(pragma)]

    def copy_to(self, path: Path) -> None:
        """Everything as it is at one moment, in a new file. Writers go on: a reader never blocks them here."""
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        with (
            self.telling(),
            contextlib.closing(sqlite3.connect(path)) as copy,
            contextlib.closing(self._connect()) as connection,
        ):
            connection.backup(copy)

    def write(self, body: Callable[[Connection], T], then: Callable[[], object] | None = None) -> T:
        """Run `body` in a transaction that is durable when this returns; whatever it raises undoes it. `then` is called
        after the commit, once for all that share it."""
        return self._commits.run(body, then)

    def post(
        self, bodies: Iterable[Callable[[Connection], T]], then: Callable[[], object] | None = None
    ) -> Sequence[Future[T]]:
        """`write` for a caller who may not wait: each answer is there when it is durable. They come in their order."""
        return self._commits.post(bodies, then)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent snapshot."""
        with self.telling(), self._readers.begin() as connection:
            yield connection

    def fetch_one(self, statement: Prepared, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """One row, outside of any transaction."""
        try:
            connection = self._prepared.pop()
        except IndexError:
            with self.telling():
                connection = self._connect()
        try:
            row: tuple[Any, ...] | None = statement.run(connection, values).fetchone()
        except sqlite3.Error as error:
            connection.close()
            raise (self._tell(error) or error) from error
        self._prepared.append(connection)
        return row

    def close(self) -> None:
        self._commits.close()
        while self._prepared:
            self._prepared.pop().close()
        self.engine.dispose()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self.telling(), self.engine.begin() as connection:
            yield connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """Turn what the driver says about disk and file into our errors."""
        try:
            yield
        except (sqlite3.Error, DBAPIError) as error:
            told = self._tell(error)
            if told is None:
                raise
            raise told from error

    def _tell(self, error: sqlite3.Error | DBAPIError) -> RushesError | None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        code = str(getattr(cause, "sqlite_errorname", ""))
        if code.startswith("SQLITE_FULL"):
            return LedgerUnavailable(
                f"ledger {self.path} cannot be written: the disk is full", advice="Free space on its volume."
            )
        if code.startswith("SQLITE_BUSY"):
            return LedgerUnavailable(
                f"ledger {self.path} was locked by another process for {BUSY_SECONDS:.0f} s",
                advice="Look for a tool that holds a transaction open on it.",
            )
        if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return SetupError(f"ledger {self.path} is damaged: {cause}", advice=_DAMAGE_ADVICE)
        if code.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
            return SetupError(f"ledger {self.path} cannot be written: {cause}", advice=_FOLDER_ADVICE)
        if code.startswith(("SQLITE_IOERR", "SQLITE_PROTOCOL", "SQLITE_LOCKED", "SQLITE_NOMEM")):
            return LedgerUnavailable(
                f"ledger {self.path} cannot be reached: {cause}",
                advice="Look at the disk, the memory and the system's log.",
            )
        return None


_URL_ADVICE = "Give the path of a file on a local disk: sqlite:////var/lib/rushes/ledger.sqlite3"
_FOLDER_ADVICE = "Give the user who runs Rushes the right to write this file and its folder."
_DAMAGE_ADVICE = "Nothing was changed. Move the file away or restore a backup of it, then start again."


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    # Transactions are begun by `_begin`, not guessed by the driver.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later could be refused in the middle: writers say so at once.
    read_only = connection.get_execution_options().get("rushes_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def refuse_network_disk(path: Path, mounts: Iterable[Any]) -> None:
    """Raise `SetupError` if `path` lies on a network file system: SQLite's locks and shared memory fail there.

    `mounts` have `mountpoint` and `fstype`.
    """
    place = path.resolve()
    holding = [mount for mount in mounts if place.is_relative_to(mount.mountpoint)]
    if not holding:
        return
    # Of mounts over mounts the last one listed is on top.
    nearest = max(enumerate(holding), key=lambda entry: (len(Path(entry[1].mountpoint).parts), entry[0]))[1]
    if nearest.fstype.lower() in NETWORK_FILE_SYSTEMS:
        raise SetupError(
            f"ledger {path} lies on a network file system ({nearest.fstype} at {nearest.mountpoint}), where SQLite "
            "cannot lock",
            advice="Choose a data folder on a local disk.",
        )
