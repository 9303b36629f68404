"""Voters, battles and votes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "settings", sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
    )
    op.create_table("voters", sa.Column("id", sa.Text, primary_key=True), sa.Column("joined", sa.Float, nullable=False))
    op.create_table(
        "battles",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("voter", sa.Text, sa.ForeignKey("voters.id", ondelete="CASCADE"), nullable=False),
        sa.Column("item", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("model_a", sa.Text, nullable=False),
        sa.Column("model_b", sa.Text, nullable=False),
        sa.Column("turns", sa.Text, nullable=False),
        sa.Column("drawn", sa.Float, nullable=False),
    )
    op.create_index("battles_of_voter", "battles", ["voter", "item"])
    op.create_table(
        "votes",
        sa.Column("battle", sa.Text, sa.ForeignKey("battles.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("choice", sa.Text, nullable=False),
        sa.Column("void", sa.Text, nullable=False),
        sa.Column("style", sa.Text, nullable=False),
        sa.Column("voted", sa.Float, nullable=False),
    )


def downgrade() -> None:
    for table in ("votes", "battles", "voters", "settings"):
        op.drop_table(table)
