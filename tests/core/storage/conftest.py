"""The store on both databases: SQLite in a file, and a real PostgreSQL server."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from core.storage.engine import driver_url
from core.storage.store import Store
from tests.conftest import missing


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own."""
    try:
        import pgserver
    except ImportError:
        missing("no PostgreSQL server to start (pgserver is not installed)")
    # not under pytest's own folder: another run of pytest takes the server's user the right to enter it
    with tempfile.TemporaryDirectory(prefix="affectline-postgres-") as folder:
        try:
            server = pgserver.get_server(folder)
        except (OSError, RuntimeError, AssertionError) as error:
            missing(f"PostgreSQL did not start: {error}")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def new_postgres(postgres) -> Iterator[str]:
    """The URL of an empty database on it."""
    name = f"t{uuid.uuid4().hex[:12]}"
    admin = create_engine(driver_url(postgres), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres.replace("/postgres?", f"/{name}?")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request, tmp_path: Path) -> str:
    """The URL of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'affectline.sqlite3'}"
    return request.getfixturevalue("new_postgres")


@pytest.fixture
def store(url, tmp_path: Path) -> Iterator[Store]:
    opened = Store(url, data_dir=tmp_path)
    yield opened
    opened.close()
