"""Which jobs run an experiment: those that are at it now, and those that made it, whose log is its log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from core.errors import Refused
from core.services import jobs
from core.services.jobs import Job
from core.services.research import grids
from core.services.research.experiments import DEMO_STUDY, Experiment, Line, narrowed, spec_of
from core.storage.store import Store

# how far back the jobs that made a run are looked for
N_JOBS = 1000
_KEY = ("study", "target", "model", "inputs", "fusion", "split", "seed")
_USUAL: Mapping[str, Any] = {"fusion": "early", "split": "loso", "seed": 0, "options": {}}
_EVER = datetime.max.replace(tzinfo=UTC)


def params_of(line: Line) -> dict[str, Any]:
    """What ``experiments.evaluate`` is given to run, or to go on with, an experiment."""
    return {**{name: getattr(line, name) for name in _KEY}, "options": line.options}


def under_way(store: Store) -> list[Job]:
    """Jobs that run experiments and are queued or at work, newest first."""
    return [j for j in jobs.recent(store) if j.state in jobs.LIVE and j.kind in _ASKS]


def of_study(store: Store, study: str) -> list[Job]:
    """Those under way that run experiments on a study, newest first."""
    return [j for j in under_way(store) if _ASKS[j.kind](j.params).get("study") == study]


def computes(job: Job, run: Mapping[str, Any]) -> bool:
    """Whether a job runs an experiment, alone or among others; ``run`` as ``params_of`` gives it.

    Where a job names several of a key, or leaves one to the study, each of them is its own.
    """
    if job.kind not in _ASKS:
        return False
    asked = {**_USUAL, **_ASKS[job.kind](job.params)}
    if not all(name in asked and _among(asked[name], run[name]) for name in _KEY):
        return False
    key = {name: run[name] for name in _KEY}
    try:
        own = narrowed(asked["options"], str(run["inputs"]))
        return spec_of(**key, options=own).config == spec_of(**key, options=run["options"]).config
    except Refused:  # the job named an option that there is not, and ran nothing
        return False


def made(store: Store, found: Experiment) -> list[Job]:
    """Jobs that stored folds of an experiment, the first one first; none of those that came after its last fold."""
    run = params_of(found.line)

    def at_it(job: Job) -> bool:
        began, ended = job.started_at or _EVER, job.finished_at or _EVER
        return any(began <= fold.finished_at <= ended for fold in found.folds)

    return [j for j in reversed(jobs.recent(store, N_JOBS)) if at_it(j) and computes(j, run)]


def _among(asked: Any, own: Any) -> bool:
    """Whether what a job names, one or several, or None for all there are, holds this."""
    return asked is None or own in ([asked] if isinstance(asked, str | int) else asked)


# --- what each kind of job is asked to run: by name of a key one value, several, or None for all that the study has


def _ablate(params: Mapping) -> dict[str, Any]:
    return {**params, "inputs": params.get("inputs") or None}


def _grid(params: Mapping) -> dict[str, Any]:
    several: Sequence[tuple[str, str, Any]] = (
        ("target", "targets", None), ("inputs", "inputs", None), ("model", "models", grids.MODELS),
    )  # fmt: skip
    return _of_features({**params, **{name: params.get(named) or usual for name, named, usual in several}})


def _train(params: Mapping) -> dict[str, Any]:
    return _of_features({**params, "target": params.get("targets", ())})


def _of_features(params: Mapping) -> dict[str, Any]:
    """The set of features that a job names beside its key, as the option of a run that it is."""
    return {**params, "options": {"features": params.get("features", "")}}


def _leak_audit(params: Mapping) -> dict[str, Any]:
    from core.evaluation.validity.leak_audit import COMPARED

    return {**params, "split": COMPARED}


def _demo_run(_params: Mapping) -> dict[str, Any]:
    return {"study": DEMO_STUDY, "target": "valence", "model": "logistic", "inputs": "eeg+ecg"}


_ASKS: Mapping[str, Callable[[Mapping], dict[str, Any]]] = {
    "evaluate": dict,
    "ablate": _ablate,
    "grid": _grid,
    "leak_audit": _leak_audit,
    "train": _train,
    "demo_run": _demo_run,
}
