"""Jobs: long work as rows that a worker claims; safe against refresh, tab close and restart."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import AffectlineError, Conflict, NotFound, Refused
from core.services import drafts
from core.storage import jobs as rows
from core.storage.blobs import alive
from core.storage.records import JobRecord
from core.storage.store import Store
from core.types import InputFile, Reading

KINDS = (
    "analyse", "recompute", "demo", "train", "simulate", "plan", "import", "export", "evaluate", "ablate", "grid",
    "demo_run", "leak_audit", "validity", "explain", "what_would_change",
)  # fmt: skip
STATES = ("queued", "running", "done", "failed", "cancelled")


LIVE = ("queued", "running")
MAX_ATTEMPTS = 3
# without a sign of life for so long a worker is taken for dead, s
STALE_S = 30.0
# progress is written to the row at most so often, s
PROGRESS_S = 0.25
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

    Kinds: "analyse" {draft, patient, model, started_at, reading}, "recompute" {session, reading, model}, "demo" {},
    "train" {...}, "simulate" {...}, "plan" and "import" {kind, name, mapping, and path, at or draft},
    "export" {study}, "evaluate" and "ablate": as ``core.services.experiments`` takes them, "grid": as
    ``core.services.grids`` does, "demo_run" {},
    "leak_audit": as ``core.services.audits`` takes it, "explain" {session} or {experiment}, "what_would_change" {name}.
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
        log = [*job.log, f"{_clock(now)} {why}; tried again"][-LOG_LINES:]
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


def _clock(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%H:%M:%S")


# --- the work itself


def execute(database_url: str, job_id: str) -> None:
    """Do the work of a claimed job, in a process of the executor; writes progress, result or error to its row."""
    store = Store(database_url)
    try:
        job = get(store, job_id)
        if job.state != "running":
            return
        try:
            result = WORK[job.kind](store, job.params, _reporter(store, job))
        except Cancelled:
            return
        except AffectlineError as error:
            fail(store, job_id, error.as_dict(), now=datetime.now(UTC))
            return
        with store.write() as tx:
            rows.change(
                tx, job_id, only_in=("running",), attempt=job.attempts, state="done", progress=1.0, message="Done",
                finished_at=datetime.now(UTC), result=result,
            )  # fmt: skip
        if job.kind in ("analyse", "import") and isinstance(job.params.get("draft"), str):
            drafts.discard(store, job.params["draft"])
    finally:
        store.close()


def _reporter(store: Store, job: Job) -> Callable[[float, str], None]:
    """A function that writes progress to the row now and then, and stops work that nobody wants any more."""
    last, log = 0.0, list(job.log)

    def report(share: float, words: str) -> None:
        nonlocal last
        new = not log or not log[-1].endswith(f" {words}")
        if not new and time.monotonic() - last < PROGRESS_S:
            return
        last = time.monotonic()
        if new:
            log.append(f"{_clock(datetime.now(UTC))} {words}")
        with store.write() as tx:
            mine = rows.change(
                tx, job.id, only_in=("running",), attempt=job.attempts, progress=min(max(float(share), 0.0), 1.0),
                message=words, log=log[-LOG_LINES:],
            )  # fmt: skip
        if not mine:
            raise Cancelled

    return report


def _analyse(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import sessions

    started = params.get("started_at")
    files: list[InputFile] = list(drafts.draft(store, params["draft"]).files)
    answer = sessions.analyse(
        store,
        files,
        params["patient"],
        now=datetime.now(UTC),
        model=params.get("model"),
        started_at=datetime.fromisoformat(started) if started else None,
        reading=Reading.from_dict(params.get("reading") or {}),
        progress=report,
    )
    return {"session": answer["session"], "status": answer["status"]}


def _recompute(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import sessions

    answer = sessions.recompute(
        store, params["session"], Reading.from_dict(params["reading"]), now=datetime.now(UTC),
        model=params.get("model"), progress=report,
    )  # fmt: skip
    return {"session": answer["session"], "status": answer["status"]}


def _demo(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import admin

    return {"sessions": admin.load_demo(store, now=datetime.now(UTC), progress=report)}


def _train(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import models

    return models.train(store, **dict(params), now=datetime.now(UTC), progress=report)


def _simulate(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import studies

    study = studies.simulate(store, **dict(params), now=datetime.now(UTC), progress=report)
    return {"study": study.name, "trials": len(study.trials)}


def _plan(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import studies

    report(0.1, "Reading the tables")
    where = studies.locate(store, params)
    return studies.plan(store, params["kind"], where, params["name"], mapping=params.get("mapping"))


def _import(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import studies

    study = studies.import_(
        store, params["kind"], studies.locate(store, params), params["name"], mapping=params.get("mapping"),
        now=datetime.now(UTC), progress=report,
    )  # fmt: skip
    return {"study": study.name, "trials": len(study.trials), "left_out": len(study.left_out)}


def _export(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import export_files

    made = export_files.study_bids(store, params["study"], now=datetime.now(UTC), progress=report)
    return {"export": made.id, "name": made.name, "trials": made.trials, "notes": list(made.notes)}


def _evaluate(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import experiments

    made = experiments.evaluate(store, **dict(params), now=datetime.now(UTC), progress=report)
    return {"experiment": made["experiment"]}


def _ablate(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import experiments

    made = experiments.ablate(store, **dict(params), now=datetime.now(UTC), progress=report)
    return {"experiments": [row["experiment"] for row in made["sets"]]}


def _grid(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import grids

    made = grids.grid(store, **dict(params), now=datetime.now(UTC), progress=report)
    return {"experiments": [cell["experiment"] for cell in made["cells"]]}


def _demo_run(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import experiments

    return {"experiment": experiments.demo(store, now=datetime.now(UTC), progress=report)["experiment"]}


def _leak_audit(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import audits

    made = audits.leak_audit(store, **dict(params), now=datetime.now(UTC), progress=report)
    return {"premium": made["premium"], "experiments": made["experiments"]}


def _explain(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import explanations

    if "session" in params:
        explanations.of_session(store, params["session"], report)
    else:
        explanations.of_experiment(store, params["experiment"], report)
    return dict(params)


def _validity(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import validity

    given = dict(params)
    check = given.pop("check")
    validity.CHECKS[check](store, now=datetime.now(UTC), progress=report, **given)
    return {"check": check, "study": given["study"]}


def _what_would_change(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import models

    return models.what_would_change(store, **dict(params), progress=report)


WORK: dict[str, Callable[[Store, Mapping, Callable[[float, str], None]], dict[str, Any]]] = {
    "analyse": _analyse,
    "recompute": _recompute,
    "demo": _demo,
    "train": _train,
    "simulate": _simulate,
    "plan": _plan,
    "import": _import,
    "export": _export,
    "evaluate": _evaluate,
    "ablate": _ablate,
    "grid": _grid,
    "leak_audit": _leak_audit,
    "validity": _validity,
    "demo_run": _demo_run,
    "explain": _explain,
    "what_would_change": _what_would_change,
}
