"""Limits by owner and model, retention by owner, and requests submitted anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "limits",
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("card", sa.String(length=255), nullable=False),
        sa.Column("queue_cap", sa.Integer(), nullable=True),
        sa.Column("running_cap", sa.Integer(), nullable=True),
        sa.Column("per_minute", sa.Integer(), nullable=True),
        sa.Column("keep_for", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("owner", "card"),
    )
    op.add_column("owners", sa.Column("keep_for", sa.Double(), nullable=True))
    op.add_column("requests", sa.Column("retry_of", sa.String(length=64), nullable=True))
    for name, columns, status in (
        ("requests_failed", ["owner", "created_at", "id"], "failed"),
        ("requests_made", ["card", "finished_at"], "success"),
    ):
        where = sa.text(f"status = '{status}'")
        op.create_index(name, "requests", columns, sqlite_where=where, postgresql_where=where)
