"""Queries on jobs, device profiles and exports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from core.storage import tables as t
from core.storage.records import ExportRecord, JobRecord, columns
from core.storage.store import Transaction

_COLUMNS = columns(t.job, JobRecord)
_FINISHED = ("done", "failed", "cancelled")


def add(tx: Transaction, **values: Any) -> None:
    """Queue a job."""
    tx.insert(
        t.job, state="queued", progress=0.0, message="", started_at=None, finished_at=None, attempts=0, worker="",
        heartbeat_at=None, result=None, error=None, log=[], **values,
    )  # fmt: skip


def get(tx: Transaction, job_id: str) -> JobRecord | None:
    """A job, or None."""
    return tx.record(JobRecord, select(*_COLUMNS).where(t.job.c.id == job_id))


def recent(tx: Transaction, limit: int) -> list[JobRecord]:
    """Jobs, newest first."""
    return tx.records(JobRecord, select(*_COLUMNS).order_by(t.job.c.created_at.desc(), t.job.c.id.desc()).limit(limit))


def in_state(tx: Transaction, *states: str) -> list[JobRecord]:
    """Jobs in some states, oldest first."""
    query = select(*_COLUMNS).where(t.job.c.state.in_(states))
    return tx.records(JobRecord, query.order_by(t.job.c.created_at, t.job.c.id))


def any_queued(tx: Transaction) -> bool:
    """Whether a job waits."""
    return tx.first(select(t.job.c.id).where(t.job.c.state == "queued").limit(1)) is not None


def claim(tx: Transaction, worker: str, now: datetime) -> JobRecord | None:
    """Take the oldest queued job; of several workers one gets it."""
    j = t.job
    oldest = select(j.c.id).where(j.c.state == "queued").order_by(j.c.created_at, j.c.id).limit(1)
    if tx.postgres:
        oldest = oldest.with_for_update(skip_locked=True)
    statement = (
        update(j)
        .where(j.c.id == oldest.scalar_subquery(), j.c.state == "queued")
        .values(
            state="running", worker=worker, started_at=now, heartbeat_at=now, attempts=j.c.attempts + 1,
            finished_at=None, error=None, progress=0.0,
        )
        .returning(*_COLUMNS)
    )  # fmt: skip
    return tx.record(JobRecord, statement)


def beat(tx: Transaction, worker: str, job_ids: Sequence[str], now: datetime) -> None:
    """Say that a worker is still at its jobs."""
    j = t.job
    tx.execute(
        update(j).where(j.c.id.in_(job_ids), j.c.worker == worker, j.c.state == "running").values(heartbeat_at=now)
    )


def change(
    tx: Transaction, job_id: str, *, only_in: Sequence[str] = (), attempt: int | None = None, **values: Any
) -> bool:
    """Change a job if it is in one of some states (and at an attempt); whether it was."""
    j = t.job
    statement = update(j).where(j.c.id == job_id)
    if only_in:
        statement = statement.where(j.c.state.in_(only_in))
    if attempt is not None:
        statement = statement.where(j.c.attempts == attempt)
    return tx.execute(statement.values(**values)).rowcount == 1


def failed(tx: Transaction) -> int:
    """How many jobs failed."""
    return tx.value(select(func.count()).select_from(t.job).where(t.job.c.state == "failed"))


# --- device profiles


def profiles(tx: Transaction) -> dict[str, dict]:
    """Channel maps by name."""
    d = t.device_profile
    return {row[0]: row[1] for row in tx.execute(select(d.c.name, d.c.mapping).order_by(d.c.name))}


def save_profile(tx: Transaction, name: str, mapping: dict) -> None:
    """Keep a channel map under a name; an older one of that name is replaced."""
    if tx.change(t.device_profile, name, mapping=mapping) == 0:
        tx.execute(t.device_profile.insert(), {"name": name, "mapping": mapping})


# --- exports


def add_export(tx: Transaction, **values: Any) -> None:
    """Note an export."""
    tx.insert(t.export, who=tx.actor, **values)


def recent_exports(tx: Transaction, limit: int) -> list[ExportRecord]:
    """Exports, newest first."""
    e = t.export
    query = select(*columns(e, ExportRecord)).order_by(e.c.created_at.desc(), e.c.id.desc()).limit(limit)
    return tx.records(ExportRecord, query)
