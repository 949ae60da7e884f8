"""The audit chain: append-only rows, each with the hash of the one before it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, func, select, text

from core.storage.tables import audit, canonical

if TYPE_CHECKING:
    from core.storage.store import Transaction

FIRST = "0" * 64
# number of the advisory lock on PostgreSQL that keeps the chain one chain until the writer commits
LOCK = 72_170_002
FIELDS = ("at", "actor", "role", "action", "object", "patient", "outcome", "reason", "model", "source", "request")


def append(
    tx: Transaction,
    action: str,
    object_: str = "",
    *,
    at: datetime | None = None,
    patient: str = "",
    outcome: str = "ok",
    reason: str = "",
    model: str = "",
    source: str = "",
    request: str = "",
) -> None:
    """Write one row: who (the store's actor) did what to which object, and how it came out."""
    if tx.postgres:
        tx.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    row = {
        "at": (at or datetime.now(UTC)).astimezone(UTC),
        "actor": tx.actor,
        "role": tx.role,
        "action": action,
        "object": object_,
        "patient": patient,
        "outcome": outcome,
        "reason": reason,
        "model": model,
        "source": source,
        "request": request,
    }
    before = head(tx)
    tx.insert(audit, **row, prev_hash=before, hash=_digest(before, row))


def head(tx: Transaction) -> str:
    """The newest hash of the chain; it stands for everything before it."""
    return tx.value(select(audit.c.hash).order_by(audit.c.id.desc()).limit(1)) or FIRST


def newest(tx: Transaction, limit: int) -> Sequence[Row]:
    """The newest rows."""
    return tx.all(select(audit).order_by(audit.c.id.desc()).limit(limit))


def verify(tx: Transaction) -> tuple[bool, str]:
    """Recompute the chain from its first row: how many rows, or the row that breaks it."""
    before, n = FIRST, 0
    for row in tx.execute(select(audit).order_by(audit.c.id)):
        fields = row._mapping
        if fields["prev_hash"] != before:
            return False, f"row {row.id}: the row before it is missing or was changed"
        if fields["hash"] != _digest(before, fields):
            return False, f"row {row.id}: its content was changed"
        before, n = fields["hash"], n + 1
    return True, f"{n} rows"


def count(tx: Transaction) -> int:
    """How many rows there are."""
    return tx.value(select(func.count()).select_from(audit))


def _digest(before: str, row: Any) -> str:
    content = {name: row[name] for name in FIELDS}
    content["at"] = row["at"].astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256((before + canonical(content)).encode()).hexdigest()
