"""Marks of a person on the signals of a session, and each analysis with the reading it was made of."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

from core.storage.tables import UtcTime, canonical

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of marks, and the reading of each analysis where its hash says that the session's is it."""
    op.create_table(
        "mark",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("onset_s", sa.Double(), nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("undone_by", sa.String(length=64), nullable=True),
        sa.Column("undone_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_mark_session_id_session", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_mark"),
    )
    op.create_index("ix_mark_session_id", "mark", ["session_id"], unique=False)
    op.add_column("analysis", sa.Column("reading", sa.JSON(none_as_null=True), nullable=True))
    analysis = sa.table(
        "analysis",
        sa.column("session_id", sa.Integer),
        sa.column("reading_hash", sa.String),
        sa.column("reading", sa.JSON(none_as_null=True)),
    )
    session = sa.table("session", sa.column("id", sa.Integer), sa.column("reading", sa.JSON))
    connection = op.get_bind()
    for session_id, reading in connection.execute(sa.select(session.c.id, session.c.reading)).all():
        digest = hashlib.sha256(canonical(reading).encode()).hexdigest()[:16]
        own = sa.and_(analysis.c.session_id == session_id, analysis.c.reading_hash == digest)
        connection.execute(analysis.update().where(own).values(reading=reading))


def downgrade() -> None:
    """Forget the marks and the readings of the analyses."""
    op.drop_table("mark")
    op.drop_column("analysis", "reading")
