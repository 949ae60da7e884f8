"""Jobs: long work as rows that a worker claims; safe against refresh, tab close and restart."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.errors import Conflict, NotFound, Refused
from core.storage import jobs as rows
from core.storage.blobs import alive
from core.storage.records import JobRecord
from core.storage.store import Store

KINDS = (
    "analyse", "recompute", "demo", "train", "simulate", "plan", "import", "export", "evaluate", "ablate", "grid",
    "demo_run", "leak_audit", "validity", "explain", "what_would_change",
)  # fmt: skip
STATES = ("queued", "running", "done", "failed", "cancelled")
LIVE = ("queued", "running")
MAX_ATTEMPTS = 3
# without a sign of life for so long a worker is taken for dead, s
STALE_S = 30.0
LOG_LINES = 200


class Cancelled(Exception):
    """Raised inside the work when its job was cancelled, or handed to another worker."""


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
    """Queue work.

    ``params`` of the kinds: "analyse" {draft, patient, model, started_at, reading}, "recompute" {session, reading,
    model}, "plan" and "import" {kind, name, mapping, and path, at or draft}, "export" {study}, "explain" {session} or
    {experiment}, "what_would_change" {name}; others as the function takes them that ``handlers`` hands them to.
    """
    if kind not in KINDS:
        raise Refused("E-JOB-KIND", f"there is no kind of job {kind!r}.", "kind", f"Use one of {', '.join(KINDS)}.")
    job_id = secrets.token_hex(8)
    with store.write() as tx:
        rows.add(tx, id=job_id, kind=kind, label=label or kind, params=dict(params), created_at=now)
    return get(store, job_id)


def _job(record: JobRecord) -> Job:
    return Job(
        record.id, record.kind, record.label, record.state, record.progress, record.message, record.created_at,
        record.started_at, record.finished_at, record.attempts, record.params, record.result, record.error,
        tuple(record.log),
    )  # fmt: skip


def get(store: Store, job_id: str) -> Job:
    """A job, or NotFound (E-JOB)."""
    with store.read() as tx:
        record = rows.get(tx, job_id)
    if record is None:
        raise NotFound("E-JOB", "there is no such job.", job_id)
    return _job(record)


def recent(store: Store, limit: int = 100) -> list[Job]:
    """Jobs, newest first."""
    with store.read() as tx:
        return [_job(r) for r in rows.recent(tx, limit)]


def waiting(store: Store) -> bool:
    """Whether a job is queued; asked often, so it only reads."""
    with store.read() as tx:
        return rows.any_queued(tx)


def cancel(store: Store, job_id: str, *, now: datetime) -> Job:
    """Cancel a queued or running job."""
    get(store, job_id)
    with store.write() as tx:
        if not rows.change(tx, job_id, only_in=LIVE, state="cancelled", finished_at=now, message="Cancelled"):
            raise Conflict("E-JOB-STATE", "the job has ended already.", job_id, "Reload to see how.")
    return get(store, job_id)


def retry(store: Store, job_id: str, *, now: datetime) -> Job:
    """Queue a failed or cancelled job again."""
    get(store, job_id)
    with store.write() as tx:
        queued = rows.change(
            tx, job_id, only_in=("failed", "cancelled"), state="queued", created_at=now, progress=0.0, message="",
            finished_at=None, error=None, attempts=0,
        )  # fmt: skip
        if not queued:
            raise Conflict("E-JOB-STATE", "only a failed or cancelled job can be run again.", job_id)
    return get(store, job_id)


# --- for the worker


def claim(store: Store, worker: str, *, now: datetime) -> Job | None:
    """Take the oldest queued job for a worker, or None."""
    with store.write() as tx:
        record = rows.claim(tx, worker, now)
    return _job(record) if record else None


def beat(store: Store, worker: str, job_ids: list[str], *, now: datetime) -> None:
    """Say that a worker is still at its jobs."""
    with store.write() as tx:
        rows.beat(tx, worker, job_ids, now)


def give_back(store: Store, worker: str, *, now: datetime) -> int:
    """Queue the running jobs of a worker that ends again; being stopped costs no attempt."""
    n = 0
    with store.write() as tx:
        for job in rows.in_state(tx, "running"):
            if job.worker == worker:
                message = "Waits for the worker to start again"
                attempts = max(job.attempts - 1, 0)
                n += rows.change(
                    tx, job.id, state="queued", progress=0.0, message=message, attempts=attempts, worker=""
                )
    return n


def recover(store: Store, *, now: datetime) -> int:
    """Queue jobs again whose worker is gone; after 3 attempts they fail and say why.

    Gone is a worker without a heartbeat for 30 s, or one of this machine whose process has ended.
    """
    with store.read() as tx:
        if not any(_abandoned(job, now) for job in rows.in_state(tx, "running")):
            return 0
    n = 0
    with store.write() as tx:
        for job in rows.in_state(tx, "running"):
            if _abandoned(job, now):
                _again(tx, job, "its worker ended without a word", now)
                n += 1
    return n


def worker_name() -> str:
    """A name for this process as a worker, by which others can tell whether it lives."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


def _abandoned(job: JobRecord, now: datetime) -> bool:
    last = job.heartbeat_at or job.started_at or job.created_at
    if now - last > timedelta(seconds=STALE_S):
        return True
    host, _, rest = job.worker.rpartition(":")[0].rpartition(":")
    return host == socket.gethostname() and rest.isdecimal() and not alive(int(rest))


def crashed(store: Store, job_id: str, *, now: datetime) -> None:
    """The process that did the work was killed: queue the job again, or fail it after 3 attempts."""
    with store.write() as tx:
        job = rows.get(tx, job_id)
        if job is not None and job.state == "running":
            _again(tx, job, "the process that did the work was killed", now)


def _again(tx, job: JobRecord, why: str, now: datetime) -> None:
    if job.attempts < MAX_ATTEMPTS:
        log = [*job.log, f"{clock(now)} {why}; tried again"][-LOG_LINES:]
        rows.change(tx, job.id, state="queued", progress=0.0, message="Tried again", worker="", log=log)
        return
    error = {
        "code": "E-JOB-CRASHED",
        "what": f"{why}, {job.attempts} times.",
        "where": job.label,
        "what_to_do": "Look at the file; it may need more memory than there is. Then try again.",
    }
    rows.change(tx, job.id, state="failed", finished_at=now, message="Failed", error=error)


def fail(store: Store, job_id: str, error: Mapping[str, str], *, now: datetime) -> None:
    """Note why a running job failed."""
    with store.write() as tx:
        rows.change(
            tx, job_id, only_in=("running",), state="failed", finished_at=now, message="Failed", error=dict(error)
        )


def clock(now: datetime) -> str:
    """The time of day in UTC, as a log says it."""
    return now.astimezone(UTC).strftime("%H:%M:%S")
