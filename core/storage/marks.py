"""Queries on marks: what people marked on the signals of a session. None is deleted; one is taken back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from core.storage import tables as t
from core.storage.records import MarkRecord, columns
from core.storage.store import Transaction


def of_session(tx: Transaction, session_id: int) -> list[MarkRecord]:
    """All marks of a session, those taken back too, oldest first."""
    query = select(*columns(t.mark, MarkRecord)).where(t.mark.c.session_id == session_id)
    return tx.records(MarkRecord, query.order_by(t.mark.c.id))


def add(tx: Transaction, session_id: int, *, now: datetime, **values: Any) -> int:
    """Add a mark; its id."""
    return tx.insert(
        t.mark, session_id=session_id, who=tx.actor, created_at=now, undone_by=None, undone_at=None, **values
    )


def undo(tx: Transaction, mark_id: int, now: datetime) -> None:
    """Take a mark back."""
    tx.change(t.mark, mark_id, undone_by=tx.actor, undone_at=now)
