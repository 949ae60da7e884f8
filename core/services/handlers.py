"""What each kind of job does: one function a kind, one line in HANDLERS and the name in ``jobs.KINDS``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from core.errors import AffectlineError
from core.services.clinic import drafts
from core.services.jobs import LOG_LINES, Cancelled, Job, clock, fail, get
from core.storage import jobs as rows
from core.storage.store import Store
from core.types import InputFile, Reading

# progress is written to the row at most so often, s
PROGRESS_S = 0.25


def execute(database_url: str, job_id: str) -> None:
    """Do the work of a claimed job, in a process of the executor; writes progress, result or error to its row."""
    store = Store(database_url)
    try:
        job = get(store, job_id)
        if job.state != "running":
            return
        try:
            result = HANDLERS[job.kind](store, job.params, _reporter(store, job))
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
            log.append(f"{clock(datetime.now(UTC))} {words}")
        with store.write() as tx:
            mine = rows.change(
                tx, job.id, only_in=("running",), attempt=job.attempts, progress=min(max(float(share), 0.0), 1.0),
                message=words, log=log[-LOG_LINES:],
            )  # fmt: skip
        if not mine:
            raise Cancelled

    return report


def _analyse(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.clinic import sessions

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
    from core.services.clinic import sessions

    answer = sessions.recompute(
        store, params["session"], Reading.from_dict(params["reading"]), now=datetime.now(UTC),
        model=params.get("model"), progress=report,
    )  # fmt: skip
    return {"session": answer["session"], "status": answer["status"]}


def _demo(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services import admin

    return {"sessions": admin.load_demo(store, now=datetime.now(UTC), progress=report)}


def _train(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.research import models

    return models.train(store, **dict(params), now=datetime.now(UTC), progress=report)


def _simulate(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.research import studies

    study = studies.simulate(store, **dict(params), now=datetime.now(UTC), progress=report)
    return {"study": study.name, "trials": len(study.trials)}


def _plan(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.research import studies

    report(0.1, "Reading the tables")
    where = studies.locate(store, params)
    return studies.plan(store, params["kind"], where, params["name"], mapping=params.get("mapping"))


def _import(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.research import studies

    study = studies.import_(
        store, params["kind"], studies.locate(store, params), params["name"], mapping=params.get("mapping"),
        now=datetime.now(UTC), progress=report,
    )  # fmt: skip
    return {"study": study.name, "trials": len(study.trials), "left_out": len(study.left_out)}


def _export(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.exports import export_files

    made = export_files.study_bids(store, params["study"], now=datetime.now(UTC), progress=report)
    return {"export": made.id, "name": made.name, "trials": made.trials, "notes": list(made.notes)}


def _evaluate(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.research import experiments

    made = experiments.evaluate(store, **dict(params), now=datetime.now(UTC), progress=report)
    return {"experiment": made["experiment"]}


def _ablate(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.research import experiments

    made = experiments.ablate(store, **dict(params), now=datetime.now(UTC), progress=report)
    return {"experiments": [row["experiment"] for row in made["sets"]]}


def _grid(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.research import grids

    made = grids.grid(store, **dict(params), now=datetime.now(UTC), progress=report)
    return {"experiments": [cell["experiment"] for cell in made["cells"]]}


def _demo_run(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.research import experiments

    return {"experiment": experiments.demo(store, now=datetime.now(UTC), progress=report)["experiment"]}


def _leak_audit(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.research import audits

    made = audits.leak_audit(store, **dict(params), now=datetime.now(UTC), progress=report)
    return {"premium": made["premium"], "experiments": made["experiments"]}


def _explain(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.research import explanations

    if "session" in params:
        explanations.of_session(store, params["session"], report)
    else:
        explanations.of_experiment(store, params["experiment"], report)
    return dict(params)


def _validity(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.research import validity

    given = dict(params)
    check = given.pop("check")
    validity.CHECKS[check](store, now=datetime.now(UTC), progress=report, **given)
    return {"check": check, "study": given["study"]}


def _what_would_change(store: Store, params: Mapping, report: Callable[[float, str], None]) -> dict:
    from core.services.research import models

    return models.what_would_change(store, **dict(params), progress=report)


HANDLERS: dict[str, Callable[[Store, Mapping, Callable[[float, str], None]], dict[str, Any]]] = {
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
