"""Warnings of each analysis by itself: what a model says of a recording is not another model's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what older analyses said stays among the warnings of their session."""
    op.add_column("analysis", sa.Column("notices", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Forget the warnings of analyses."""
    op.drop_column("analysis", "notices")
