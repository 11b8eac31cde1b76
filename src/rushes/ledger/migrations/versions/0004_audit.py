"""Decisions of policies, and the tags that they leave on requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "requests", sa.Column("tags", sa.JSON(none_as_null=True), server_default="[]", nullable=False)
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("policy", sa.String(length=255), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
        sa.CheckConstraint("decision IN ('allow', 'refuse')", name="decision_known"),
        sa.CheckConstraint("stage IN ('image', 'result', 'submit')", name="stage_known"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_by_request", "audit", ["request_id", "id"])
