"""Migrations of the database, from the first table on; ``upgrade`` is all that the store calls."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

# the newest revision; a test compares it with the scripts
HEAD = "0004"
# number of the advisory lock on PostgreSQL while a database is migrated
LOCK = 72_170_001


def current(connection: Connection) -> str | None:
    """The revision of a database, None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(engine: Engine) -> None:
    """Bring a database to the newest revision; of several processes at once, one does it and the others wait."""
    with engine.connect().execution_options(write=False) as connection:
        if current(connection) == HEAD:
            return
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        if current(connection) != HEAD:
            _run(connection)


def _run(connection: Connection) -> None:
    """Run Alembic inside the open transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
