"""Run by Alembic. The connection, already in its transaction, is passed in by `upgrade`."""

from __future__ import annotations

from alembic import context

from rushes.ledger.table import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
context.run_migrations()
