"""Jobs: long work as rows that a worker claims; safe against refresh, tab close and restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.storage.store import Store

STATES = ("queued", "running", "done", "failed", "cancelled")


@dataclass(frozen=True)
class Job:
    """A piece of long work. ``progress`` is 0-1; ``error`` is the refusal {code, what, where, what_to_do}."""

    id: str
    kind: str
    label: str
    state: str
    progress: float
    message: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int
    params: Mapping
    result: Mapping | None
    error: Mapping | None
    log: tuple[str, ...]


def submit(store: Store, kind: str, params: Mapping, *, label: str = "", now: datetime) -> Job:
    """Queue work. Kinds: "analyse" {draft, patient, model, started_at, sfreq, mapping}, "demo" {}, "train" {...}, "simulate" {...}."""
    raise NotImplementedError


def get(store: Store, job_id: str) -> Job:
    """A job, or NotFound (E-JOB)."""
    raise NotImplementedError


def recent(store: Store, limit: int = 100) -> list[Job]:
    """Jobs, newest first."""
    raise NotImplementedError


def cancel(store: Store, job_id: str, *, now: datetime) -> Job:
    """Cancel a queued or running job."""
    raise NotImplementedError


def retry(store: Store, job_id: str, *, now: datetime) -> Job:
    """Queue a failed or cancelled job again."""
    raise NotImplementedError


def claim(store: Store, worker: str, *, now: datetime) -> Job | None:
    """Take the oldest queued job for a worker, or None."""
    raise NotImplementedError


def recover(store: Store, *, now: datetime) -> int:
    """Queue jobs again whose worker is gone (no heartbeat for 30 s); after 3 attempts they fail and say why."""
    raise NotImplementedError


def execute(database_url: str, job_id: str) -> None:
    """Do the work of a claimed job, in a process of the executor; writes progress, result or error to its row."""
    raise NotImplementedError
