"""Judgements say how they came about, so that re-scoring need not repeat what has not changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; empty for what was judged before."""
    op.add_column("rulebooks", sa.Column("meanings", sa.JSON(), nullable=True))
    op.add_column("verdict_sets", sa.Column("phrases_sha256", sa.String(length=64), nullable=True))
    op.add_column(
        "verdict_sets", sa.Column("knowledge_sha256", sa.String(length=64), nullable=True)
    )
