"""The store: transactions over the database, and the files beside it. Queries lie in the other modules of this room.

with store.write() as tx:        # BEGIN IMMEDIATE; all or nothing
    patients.add(tx, "P-0001", now=now)
    tx.audit("patient.create", "P-0001", patient="P-0001")
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Executable, Row, Table, insert, text, update

from core.settings import settings
from core.storage import audit, engine, migrations
from core.storage.blobs import Blobs

R = TypeVar("R")


class Transaction:
    """One transaction: what the modules of this room read and write through."""

    def __init__(self, connection: Connection, actor: str, role: str, writes: bool):
        self.connection, self.actor, self.role, self.writes = connection, actor, role, writes

    @property
    def postgres(self) -> bool:
        """Whether the database is PostgreSQL, where rows must be locked to wait for another writer."""
        return self.connection.dialect.name == "postgresql"

    def execute(self, statement: Executable, values: Any = None) -> CursorResult:
        """Run a statement."""
        return self.connection.execute(statement, values)

    def all(self, statement: Executable) -> Sequence[Row]:
        """All rows of a query."""
        return self.connection.execute(statement).all()

    def first(self, statement: Executable) -> Row | None:
        """The first row of a query, or None."""
        return self.connection.execute(statement).first()

    def value(self, statement: Executable) -> Any:
        """The first column of the first row, or None."""
        return self.connection.execute(statement).scalar()

    def records(self, cls: type[R], statement: Executable) -> list[R]:
        """Rows as dataclasses; the query selects ``records.columns(table, cls)``."""
        return [cls(*row) for row in self.connection.execute(statement)]

    def record(self, cls: type[R], statement: Executable) -> R | None:
        """The first row as a dataclass, or None."""
        row = self.connection.execute(statement).first()
        return cls(*row) if row else None

    def insert(self, table: Table, **values: Any) -> int:
        """Add one row and return its id."""
        key = self.connection.execute(insert(table), values).inserted_primary_key
        return key[0] if key else 0

    def insert_many(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows in one go."""
        rows = list(rows)
        if rows:
            self.connection.execute(insert(table), rows)

    def change(self, table: Table, key: Any, **values: Any) -> int:
        """Change the row with a primary key; returns how many there were."""
        column = next(iter(table.primary_key.columns))
        return self.connection.execute(update(table).where(column == key).values(values)).rowcount

    def audit(self, action: str, object_: str = "", *, at: datetime | None = None, **more: str) -> None:
        """Append to the audit chain; see ``core.storage.audit.append``."""
        audit.append(self, action, object_, at=at, **more)


class Store:
    """A migrated database and the recordings beside it; safe to share between threads.

    Parameters
    ----------
    url
        Database URL; ``sqlite://`` is in memory. By default that of the settings.
    data_dir
        Where recordings, drafts and caches lie, by default that of the settings.
    actor, role
        Who is at work, for the audit.
    """

    def __init__(
        self, url: str | None = None, *, data_dir: Path | None = None, actor: str = "local", role: str = "all"
    ):
        self.url = url or settings().database
        self.data_dir = Path(data_dir or settings().data_dir)
        self.actor, self.role = actor, role
        self.blobs = Blobs(self.data_dir, settings().recordings_url if data_dir is None else "")
        self._engine = engine.make(self.url)
        # one connection serves all threads of a database in memory, so they take turns
        self._turn: threading.RLock | None = threading.RLock() if engine.in_memory(self.url) else None
        self._open = threading.local()
        migrations.upgrade(self._engine)

    @property
    def in_memory(self) -> bool:
        """Whether the database lives in this process only."""
        return self._turn is not None

    @classmethod
    def open(cls, url: str | None = None) -> Store:
        """Open a database, bring it to the newest revision and sweep away what a crash left half written."""
        store = cls(url)
        store.blobs.sweep()
        return store

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that may write; whole at the end of the block, or not at all. Nested blocks join it."""
        with self._transaction(writes=True) as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that reads one consistent state; inside ``write`` it sees what that has written."""
        with self._transaction(writes=False) as tx:
            yield tx

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Transaction]:
        outer: Transaction | None = getattr(self._open, "tx", None)
        if outer is not None:
            if writes and not outer.writes:
                raise RuntimeError("a write inside a read: begin with store.write()")
            yield outer
            return
        if self._turn:
            self._turn.acquire()
        try:
            with self._engine.connect() as connection:
                connection = self._prepared(connection, writes)
                with connection.begin():
                    self._open.tx = Transaction(connection, self.actor, self.role, writes)
                    try:
                        yield self._open.tx
                    finally:
                        self._open.tx = None
        finally:
            if self._turn:
                self._turn.release()

    def _prepared(self, connection: Connection, writes: bool) -> Connection:
        if writes:
            return connection
        if connection.dialect.name == "postgresql":
            return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return connection.execution_options(write=False)

    def answers(self) -> bool:
        """Whether the database answers a question."""
        with self.read() as tx:
            return tx.value(text("SELECT 1")) == 1

    def damage(self) -> str:
        """What SQLite finds wrong with its own file, "" when nothing; reads all of it."""
        with self.read() as tx:
            found = "ok" if tx.postgres else str(tx.value(text("PRAGMA quick_check")))
        return "" if found == "ok" else found

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
