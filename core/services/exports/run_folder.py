"""The folder of a run: what was asked, each fold, every prediction, scores and learning curves, with their hashes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from core.errors import Refused
from core.services.clinic.stored import unpack
from core.services.exports import exports
from core.services.exports.export_columns import RESULTS
from core.services.exports.exports import NO_DAYS, Columns, Export
from core.services.research import experiments
from core.services.research.experiments import Experiment, FoldLine
from core.storage import research as rows
from core.storage.store import Store
from core.types import Reason

FOLDS: Columns = {
    "fold": ("int64", "", "number of the fold"),
    "name": ("str", "", "who was left out"),
    "state": ("str", "", "done or failed"),
    "balanced_accuracy": ("float64", "0-1", "of the trials left out"),
    "n_trials": ("Int64", "trials", "trials left out"),
    "threshold": ("float64", "0-1", "probability from which High is said, from validation subjects"),
    "flipped": ("str", "", "whether High and Low were turned by validation subjects"),
    "slope": ("float64", "", "slope of the calibrator on the logit"),
    "intercept": ("float64", "", "intercept of the calibrator"),
    "selected": ("str", "", "options chosen inside the fold"),
    "seconds": ("float64", "s", "computing"),
    "finished_at": ("time", "", "when it ended, UTC"),
    "reason": ("str", "", "why it failed, or why numbers are missing"),
}
PREDICTIONS: Columns = {
    "fold": ("int64", "", "number of the fold that left this row out"),
    "row": ("int64", "", "row of the prepared study: a window"),
    "subject": ("str", "", "subject"),
    "trial": ("str", "", "trial"),
    "stimulus": ("str", "", "clip or task"),
    "onset_s": ("float64", "s", "start of the window in its recording"),
    "label": ("float64", "", "rating of the trial, on the scale of the study; that of the first target of a pair"),
}
CURVES: Columns = {
    "fold": ("int64", "", "number of the fold"),
    "epoch": ("int64", "", "epoch"),
    "measure": ("str", "", "what was measured, such as train_loss"),
    "value": ("float64", "", "its value at the end of the epoch"),
}


def run_folder(store: Store, name: str, *, fmt: str = "csv", now: datetime) -> Export:
    """Everything that is stored of an experiment, finished or not, as one folder; audited.

    Tables are csv or parquet. Where the study is another one than when it was run, predictions stand by the number of
    their row alone, and a note says so.
    """
    found = experiments.get(store, name)
    tables, notes = _tables(store, found)
    written = {
        f"{title}.{fmt}": exports.table_bytes(exports.typed(table, columns), fmt)
        for title, (table, columns) in tables.items()
    }
    objects = {"experiment.json": _asked(found), "scores.json": found.line.summary, "details.json": found.details}
    files = {
        **{title: exports.as_json(exports.said(value)) for title, value in objects.items() if value is not None},
        **written, **_events(store, name),
    }  # fmt: skip
    dictionary = [
        {"file": f"{title}.{fmt}", **entry} for title, (_, own) in tables.items() for entry in exports.described(own)
    ]
    n = len(tables["predictions"][0])
    return _finished(store, found, files, dictionary, notes, n, fmt, now)


def _asked(found: Experiment) -> dict[str, Any]:
    """What makes the run what it is, and how far it came."""
    line = found.line
    names = ("study", "target", "inputs", "model", "fusion", "split", "seed")
    return {
        "experiment": line.id, "key": {n: getattr(line, n) for n in names}, "config": dict(found.config),
        "state": line.state, "leaky": line.leaky, "n_folds": line.n_folds, "n_done": line.n_done,
        "n_failed": line.n_failed, "seconds": line.seconds, "created_at": line.created_at.isoformat(),
        "code_version": line.code_version,
    }  # fmt: skip


def _tables(store: Store, found: Experiment) -> tuple[dict[str, tuple[Sequence[Mapping], Columns]], list[str]]:
    """Rows and columns by title, and what must be said of them."""
    name = found.line.id
    predicted, columns, notes = _predictions(store, name)
    tables: dict[str, tuple[Sequence[Mapping], Columns]] = {
        "folds": ([_fold(f, found) for f in found.folds], FOLDS),
        "predictions": (predicted, columns),
        "results": ([r for r in experiments.results_table(store) if r["experiment"] == name], RESULTS),
    }
    curves = [
        {"fold": f.number, "epoch": int(epoch["epoch"]), "measure": measure, "value": value}
        for f in found.folds for epoch in f.result.get("history", ()) for measure, value in epoch.items()
        if measure != "epoch" and isinstance(value, int | float)
    ]  # fmt: skip
    return tables | ({"learning_curves": (curves, CURVES)} if curves else {}), notes


def _fold(fold: FoldLine, found: Experiment) -> dict[str, Any]:
    """A fold as stored, with its score where the run is finished."""
    told = fold.result
    own: Mapping[str, Any] = next(
        (f for f in (found.line.summary or {}).get("folds", ()) if f["subject"] == fold.name), {}
    )
    calibrator = told.get("calibrator") or {}
    error = fold.error
    missing = "" if "balanced_accuracy" in own else str(Reason.NOT_SUPPORTED)
    return {
        "fold": fold.number, "name": fold.name, "state": "failed" if error else "done",
        "balanced_accuracy": own.get("balanced_accuracy"), "n_trials": own.get("n_trials"),
        "threshold": told.get("threshold"),
        "flipped": "none" if error else "yes" if told["flipped"] else "no",
        "slope": calibrator.get("slope"), "intercept": calibrator.get("intercept"),
        "selected": ", ".join(f"{k} {v}" for k, v in told.get("selected", {}).items()) or "nothing",
        "seconds": fold.seconds, "finished_at": fold.finished_at,
        "reason": f"{error.get('code', '')} {error.get('what', '')}".strip() if error else missing,
    }  # fmt: skip


def _predictions(store: Store, name: str) -> tuple[list[dict[str, Any]], Columns, list[str]]:
    """A row for each window that was left out: who and when, its label, and what the model said of it."""
    with store.read() as tx:
        folds = rows.folds(tx, int(name.removeprefix("E-")))
    stored: list[tuple[int, list[np.ndarray]]] = [
        (f.number, [unpack(f.rows), unpack(f.raw), unpack(f.p)])
        for f in folds
        if f.rows is not None and f.raw is not None and f.p is not None
    ]
    try:
        told, classes = _windows(store, name)
        notes = []
    except Refused as error:
        told, classes = None, ()
        notes = [f"Predictions are told by row alone: {error.what}"]
    names = _names(stored[0][1][2].shape if stored else (0,), classes)
    lead = PREDICTIONS if told else {n: PREDICTIONS[n] for n in ("fold", "row")}
    columns = {**lead, **{n: ("float64", "", _meaning(n)) for n in names}}
    out = []
    for number, (at, *said) in stored:
        both = np.column_stack([np.reshape(values, (len(at), -1)) for values in said]).tolist()
        for row, values in zip(at.tolist(), both, strict=True):
            who = {c: own[row] for c, own in told.items()} if told else {}
            out.append({"fold": number, "row": row, **who, **dict(zip(names, values, strict=True))})
    return out, columns, notes


def _meaning(column: str) -> str:
    lead, _, of = column.partition("_")
    what = {"raw": "what the model itself said", "p": "the same after smoothing, flip and calibration"}[lead]
    return f"{what}: {f'probability of {of}' if of else 'probability of High, or the value'}"


def _names(shape: tuple[int, ...], classes: Sequence[str]) -> list[str]:
    """raw and p; of several classes one of each, by their names where they are known."""
    if len(shape) < 2:
        return ["raw", "p"]
    known = classes if len(classes) == shape[1] else [str(i) for i in range(shape[1])]
    return [f"{lead}_{c}" for lead in ("raw", "p") for c in known]


def _windows(store: Store, name: str) -> tuple[dict[str, list], Sequence[str]]:
    """Columns of every row of the prepared study, and the names of the classes."""
    from core.evaluation import tasks

    spec, dataset, _ = experiments.opened(store, name)
    label = dataset.labels[spec.target.split("+")[0]]
    return {
        "subject": [str(s) for s in dataset.subject], "trial": [str(t) for t in dataset.trial],
        "stimulus": [str(s) for s in dataset.stimulus], "onset_s": dataset.onset_s.tolist(), "label": label.tolist(),
    }, tasks.task(dataset, spec.task, spec.target).names  # fmt: skip


def _events(store: Store, name: str) -> dict[str, bytes]:
    """Learning curves as TensorBoard reads them; without the name of the machine that is part of theirs."""
    place = experiments.curves_of(store, name)
    found = sorted(place.glob("*/events.out.tfevents.*")) if place else []
    return {f"tensorboard/{p.parent.name}/events.out.tfevents.{i}": p.read_bytes() for i, p in enumerate(found)}


def _finished(
    store: Store, found: Experiment, files: dict[str, bytes], dictionary: list[dict], notes: list[str], n: int,
    fmt: str, now: datetime,
) -> Export:  # fmt: skip
    """The folder with dictionary and manifest, noted in the history and the audit."""
    name, now = found.line.id, now.astimezone(UTC)
    hashes = {file: {"sha256": hashlib.sha256(own).hexdigest(), "bytes": len(own)} for file, own in files.items()}
    digest = hashlib.sha256("".join(f"{k} {v['sha256']}\n" for k, v in hashes.items()).encode()).hexdigest()
    title, export_id = exports.stem("run", name, NO_DAYS, digest), secrets.token_hex(8)
    filters = {"experiment": name}
    with store.write() as tx:
        manifest = exports.manifest_of(tx, "run", name, filters, n, now, export_id, {"notes": notes, "files": hashes})
        whole = {
            **files, "data_dictionary.json": exports.as_json(dictionary), "manifest.json": exports.as_json(manifest),
        }  # fmt: skip
        exports.note(tx, export_id, "run", fmt, name, title, digest, n, filters, now)
    return Export(export_id, "run", {f"{title}/{file}": own for file, own in whole.items()}, n, now)
