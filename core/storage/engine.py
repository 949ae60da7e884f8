"""One engine factory: SQLite with the settings that keep data whole, or PostgreSQL by URL."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event, make_url

from core.storage.tables import canonical

# how long a writer waits for another one, ms
BUSY_MS = 30_000
PRAGMAS = (
    f"busy_timeout={BUSY_MS}",  # first: the change to WAL may have to wait as well
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "trusted_schema=OFF",
    "cell_size_check=ON",
)


def driver_url(url: str) -> str:
    """The URL with the driver we ship: psycopg 3 for PostgreSQL."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


def in_memory(url: str) -> bool:
    """Whether a URL names a SQLite database in memory."""
    parsed = make_url(url)
    return parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:")


def make(url: str) -> Engine:
    """The engine of a database URL; the folder of a SQLite file is made when it is not there."""
    url = driver_url(url)
    options: dict[str, Any] = {
        "json_serializer": canonical,
        "pool_pre_ping": not url.startswith("sqlite"),
    }
    if url.startswith("sqlite"):
        options["connect_args"] = {"check_same_thread": False, "timeout": BUSY_MS / 1000}
        database = make_url(url).database
        if in_memory(url):
            options["poolclass"] = StaticPool
        elif database and not database.startswith("file:"):
            Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, **options)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy begins transactions, not the driver
    for pragma in PRAGMAS:
        _insist(connection, f"PRAGMA {pragma}")


def _insist(connection: sqlite3.Connection, statement: str) -> None:
    """Run a statement; two processes that make a new file WAL at once may be told "locked" without a wait."""
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute(statement).close()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _on_begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
