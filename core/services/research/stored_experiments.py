"""Experiments as they are stored: in lists, with their folds, and with their data again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import NotFound, Refused
from core.evaluation.splits import LEAKY
from core.services.clinic.stored import unpack
from core.services.research.prepared import Prepared, name_of, options
from core.storage import research as rows
from core.storage.records import ExperimentRecord, FoldRecord
from core.storage.store import Store

if TYPE_CHECKING:
    from core.evaluation.dataset import Dataset
    from core.evaluation.experiment import FoldResult, Spec


@dataclass(frozen=True)
class Line:
    """An experiment in the list. ``state``: running, partial (folds failed), done; ``summary`` only when done.

    ``leaky`` marks a split that has a person on both sides; ``config`` is everything beside the key that it hangs on.
    """

    id: str
    study: str
    target: str
    inputs: str
    model: str
    fusion: str
    split: str
    seed: int
    task: str
    state: str
    leaky: bool
    created_at: datetime
    n_folds: int
    n_done: int
    n_failed: int
    seconds: float
    code_version: str
    data_hash: str
    summary: Mapping[str, Any] | None
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[str, ...]:
        """Scores of subjects that the model is given beside its inputs, such as ei."""
        return tuple(self.config.get("groups", ()))

    @property
    def options(self) -> dict[str, Any]:
        """What ``evaluate`` is given to go on with this one."""
        return options(self.config)


@dataclass(frozen=True)
class FoldLine:
    """A fold as stored; ``error`` where it failed."""

    number: int
    name: str
    seconds: float
    result: Mapping[str, Any]
    error: Mapping[str, str] | None
    finished_at: datetime


@dataclass(frozen=True)
class Experiment:
    """Everything that is stored of one experiment; ``details`` are computed from the stored predictions."""

    line: Line
    folds: tuple[FoldLine, ...]
    details: Mapping[str, Any] | None

    @property
    def config(self) -> Mapping[str, Any]:
        """That of its line."""
        return self.line.config


def all_experiments(store: Store) -> list[Line]:
    """Every experiment, newest first."""
    with store.read() as tx:
        counts = rows.fold_counts(tx)
        return [_line(record, counts) for record in rows.all_experiments(tx)]


def get(store: Store, name: str) -> Experiment:
    """An experiment with its folds, or NotFound (E-EXPERIMENT)."""
    record = record_of(store, name)
    with store.read() as tx:
        folds = rows.folds(tx, record.id)
        line = _line(record, rows.fold_counts(tx))
    lines = tuple(FoldLine(f.number, f.name, f.seconds, f.result, f.error, f.finished_at) for f in folds)
    return Experiment(line, lines, (record.summary or {}).get("details"))


def answer(record: ExperimentRecord) -> dict:
    """The object of ``evaluate --json`` of an experiment that is done; ``leaky`` is there where the split is."""
    assert record.summary is not None
    return {"experiment": name_of(record.id), **marked(record.split), **record.summary["scores"]}


def marked(split: str) -> dict[str, bool]:
    """The watermark of an object whose numbers come from a leaky split; nothing for another."""
    return {"leaky": True} if split in LEAKY else {}


def as_json(store: Store, name: str) -> dict:
    """The object of ``evaluate --json``, or NotFound; Refused while it is not done."""
    record = record_of(store, name)
    if record.summary is None:
        raise Refused("E-EXPERIMENT-OPEN", "this experiment is not finished.", name, "Run it to its end first.")
    return answer(record)


def opened(store: Store, name: str) -> tuple[Spec, Dataset, list[FoldResult]]:
    """An experiment that is done, with its data and what every fold predicted: for statistics and explanation."""
    from core.evaluation.experiment import Spec

    record = record_of(store, name)
    if record.state != "done":
        raise Refused("E-EXPERIMENT-OPEN", "this experiment is not finished.", name, "Run it to its end first.")
    spec = Spec.from_dict({**record.config, **{key: getattr(record, key) for key in rows.KEY}})
    prepared = Prepared.of(store, spec)
    if prepared.config_hash != record.config_hash:
        raise Refused(
            "E-EXPERIMENT-CHANGED", "the study or the pipeline is another one than when this was run.", name,
            "Run the experiment again; it is stored beside this one.",
        )  # fmt: skip
    with store.read() as tx:
        folds = rows.folds(tx, record.id)
    return spec, prepared.dataset(store), [fold_result(f) for f in folds]


def fold_result(record: FoldRecord) -> FoldResult:
    """A stored fold as the evaluation gave it."""
    from core.evaluation.experiment import FoldResult
    from core.models.bundle import Calibrator

    assert record.rows is not None and record.raw is not None and record.p is not None
    told = record.result
    return FoldResult(
        record.number, record.name, unpack(record.rows), unpack(record.raw), unpack(record.p), told["threshold"],
        told["flipped"], Calibrator(**told["calibrator"]), tuple(told["history"]), record.seconds, told["selected"],
    )  # fmt: skip


def results_table(store: Store) -> list[dict[str, Any]]:
    """A row per finished experiment and subject with MOABB's columns; score is the subject's balanced accuracy."""
    with store.read() as tx:
        records = [r for r in rows.all_experiments(tx) if r.summary is not None]
    return [
        {
            **row, "session": "0", "n_sessions": 1, "dataset": r.study, "experiment": name_of(r.id),
            "pipeline": f"{r.model} {r.inputs} {r.fusion} {r.split} {r.target} seed {r.seed}",
            "leaky": r.split in LEAKY,
        }
        for r in reversed(records)
        for row in (r.summary or {})["results"]
        if row["score"] is not None
    ]  # fmt: skip


def curves(store: Store, experiment_id: int) -> Path:
    """The TensorBoard folder of an experiment: learning curves, one folder per fold."""
    return store.data_dir / "experiments" / name_of(experiment_id) / "tensorboard"


def curves_of(store: Store, name: str) -> Path | None:
    """The TensorBoard folder of an experiment by its name, None where no net left curves."""
    place = curves(store, number_of(name))
    return place if place.is_dir() else None


def number_of(name: str) -> int:
    """The number in the name of an experiment, or NotFound."""
    lead, _, number = name.partition("-")
    if lead != "E" or not (number.isascii() and number.isdecimal()) or len(number) > 9:
        raise NotFound("E-EXPERIMENT", "there is no such experiment.", name[:40], "See the page Experiments.")
    return int(number)


def record_of(store: Store, name: str) -> ExperimentRecord:
    """The row of an experiment by its name, or NotFound (E-EXPERIMENT)."""
    with store.read() as tx:
        record = rows.get(tx, number_of(name))
    if record is None:
        raise NotFound("E-EXPERIMENT", "there is no such experiment.", name, "See the page Experiments.")
    return record


def _line(record: ExperimentRecord, counts: Mapping[int, tuple[int, int, float]]) -> Line:
    stored, failed, seconds = counts.get(record.id, (0, 0, 0.0))
    return Line(
        name_of(record.id), record.study, record.target, record.inputs, record.model, record.fusion, record.split,
        record.seed, record.config.get("task", "binary"), record.state, record.split in LEAKY, record.created_at,
        record.n_folds, stored - failed, failed, seconds, record.code_version,
        str(record.config.get("study_sha256", ""))[:16], (record.summary or {}).get("scores"),
        record.config,
    )  # fmt: skip
