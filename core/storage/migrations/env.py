"""Alembic's environment: the store hands in an open connection; a developer's ``alembic -x url=...`` makes one."""

from __future__ import annotations

from alembic import context

from core.storage import engine, tables


def run(connection) -> None:
    """Run the migrations on a connection, in its transaction."""
    context.configure(connection=connection, target_metadata=tables.Base.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with engine.make(context.get_x_argument(as_dictionary=True)["url"]).begin() as opened:
        run(opened)
