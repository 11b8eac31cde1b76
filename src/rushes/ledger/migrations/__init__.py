"""The schema's history, one file per change in `versions/`, run by Alembic.

A migration is frozen once released: it says in its own words what it did, and never imports today's schema. A test
holds that all of them together give exactly the schema of `table.py`.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from rushes.core.errors import SetupError
from rushes.ledger.database import Database

HEAD = "0005"
"""The newest revision; known here so that a start on a current schema loads no Alembic."""


def revision(connection: Connection) -> str | None:
    """The revision of the schema that the database has; None for an empty one."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return version
    if tables:
        raise SetupError(
            f"the database holds other tables ({', '.join(sorted(tables)[:5])}) and no ledger",
            advice="Give the ledger a file of its own.",
        )
    return None


def upgrade(database: Database, target: str = HEAD) -> None:
    """Bring the schema to `target` in one transaction. Raises `SetupError` when it is newer than this version knows."""
    with database.reading() as connection:
        if revision(connection) == target:
            return
    database.write(lambda connection: _run(connection, target))


def _run(connection: Connection, target: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    has = revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if has is not None and has not in known:
        raise SetupError(
            f"the ledger has schema {has}, which is newer than {HEAD}, the newest this version knows",
            advice="Install the version of Rushes that wrote it, or a later one.",
        )
    command.upgrade(config, target)
