"""Experiments: run fold by fold, stored as each fold ends, so that one that was stopped goes on where it was.

The seven of the key and the hash of everything else (study, pipeline, options) make an experiment unique: the same
call again returns what is stored, and nothing is ever overwritten.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.dsp.montage import reduced
from core.errors import AffectlineError, NotFound, Refused
from core.services import studies
from core.services.stored import pack, unpack
from core.settings import EPOC_14, VERSION
from core.storage import research as rows
from core.storage.records import ExperimentRecord, FoldRecord
from core.storage.store import Store
from core.storage.tables import canonical

if TYPE_CHECKING:
    from core.evaluation.dataset import Dataset
    from core.evaluation.experiment import FoldResult, Spec
    from core.types import Pipeline

Progress = Callable[[float, str], None]
FUSIONS = ("early", "intermediate", "late")
# fields of ``Spec`` beside the key
OPTIONS = ("task", "oversample", "smoothing", "flip", "aggregate", "options", "choices", "groups")
DEMO_STUDY = "demo"
# a fold of an experiment that may still be running is asked for so often, s
_POLL_S = 1.0


@dataclass(frozen=True)
class Line:
    """An experiment in the list. ``state``: running, partial (folds failed), done; ``summary`` only when done.

    ``leaky`` marks a split that has a person on both sides; ``worst_quarter`` is of trials, None where none is scored.
    ``config`` is everything beside the key that it hangs on.
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
    worst_quarter: Mapping[str, Any] | None = None
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


def options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options among everything that an experiment, or a check of one, hangs on."""
    return {name: config[name] for name in OPTIONS if name in config}


# --- run


def evaluate(
    store: Store,
    study: str,
    target: str,
    model: str,
    inputs: str,
    *,
    fusion: str = "early",
    split: str = "loso",
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    now: datetime,
    progress: Progress | None = None,
) -> dict:
    """Run an experiment, or go on with it where it was stopped, and return the object of ``evaluate --json``.

    Parameters
    ----------
    options
        Fields of ``core.evaluation.experiment.Spec`` beside the key: task, oversample, smoothing, flip, ...

    Raises
    ------
    Refused
        For what the study or the doors do not have, and E-EXPERIMENT-PARTIAL when folds failed: a score over the
        others would be another experiment. The same call again tries those folds again.
    """
    spec = _spec(study, target, model, inputs, fusion, split, seed, options)
    prepared = Prepared.of(store, spec)
    record = prepared.record(store, now)
    if record.state == "done" and record.summary is not None:
        return answer(record)
    say = progress or (lambda share, words: None)
    dataset = prepared.dataset(store, lambda share, words: say(0.3 * share, words))
    _run_folds(store, record.id, spec, dataset, lambda share, words: say(0.3 + 0.7 * share, words), now)
    return _finish(store, record.id, spec, dataset, now)


def demo(store: Store, *, now: datetime, progress: Progress | None = None) -> dict:
    """A first experiment to look at: a small simulated study, and logistic regression on it."""
    say = progress or (lambda share, words: None)
    studies.simulate(
        store, DEMO_STUDY, subjects=6, trials=8, trial_s=20.0, effect=1.5, now=now,
        progress=lambda share, words: say(0.1 * share, words),
    )  # fmt: skip
    return evaluate(
        store, DEMO_STUDY, "valence", "logistic", "eeg+ecg", now=now,
        progress=lambda share, words: say(0.1 + 0.9 * share, words),
    )  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """An experiment with what it hangs on: its study, pipeline and configuration."""

    spec: Spec
    pipeline: Pipeline
    config: Mapping[str, Any]

    @classmethod
    def of(cls, store: Store, spec: Spec) -> Prepared:
        """Check the specification against the study and the doors."""
        from core.evaluation.sessions import pipeline_of
        from core.models.bundle import pipeline_dict
        from core.pipeline import site_pipeline
        from core.studies import folder

        check(store, spec)
        pipeline = pipeline_of(studies.get(store, spec.study), spec.types, site_pipeline(), spec.model)
        scores = _scores(store, spec)
        config = {
            **spec.config,
            "study_sha256": folder.manifest(studies.root(store), spec.study)["sha256"],
            "pipeline": pipeline_dict(pipeline),
            "pipeline_hash": pipeline.hash,
            **({"scores": scores} if scores else {}),
        }
        return cls(spec, pipeline, config)

    @property
    def config_hash(self) -> str:
        """Of everything beside the key; the first 16 hex digits."""
        return hashlib.sha256(canonical(self.config).encode()).hexdigest()[:16]

    def key(self) -> dict[str, Any]:
        """The seven by name."""
        return dict(zip(rows.KEY, self.spec.key, strict=True))

    def record(self, store: Store, now: datetime) -> ExperimentRecord:
        """Its row, made where there is none."""
        with store.write() as tx:
            found = rows.by_key(tx, self.key(), self.config_hash)
            if found is None:
                new = rows.add(
                    tx, self.key(), now=now, config=dict(self.config), config_hash=self.config_hash,
                    code_version=VERSION, n_folds=0,
                )  # fmt: skip
                tx.audit("experiment.start", name_of(new), at=now, model=self.spec.model)
                found = rows.get(tx, new)
            assert found is not None
            return found

    def dataset(self, store: Store, progress: Progress | None = None) -> Dataset:
        """The study's windows, prepared once and kept beside the database."""
        from core.evaluation import dataset
        from core.models import MODELS

        return dataset.prepare(
            studies.get(store, self.spec.study), self.pipeline, self.spec.types,
            signals=MODELS[self.spec.model].takes == "signals", scores=self.config.get("scores"), cache=cache(store),
            progress=progress,
        )  # fmt: skip


def _scores(store: Store, spec: Spec) -> dict[str, dict[str, float]]:
    """Scores of the subjects by each group that an experiment names."""
    from core.evaluation import groups

    found = groups.scores(studies.get(store, spec.study)) if spec.groups else {}
    lacking = [g for g in spec.groups if g not in found]
    if lacking:
        raise Refused(
            "E-GROUP", f"the study has no scores {lacking[0]}.", spec.study, "Add them in Import (participants table)."
        )
    return {g: dict(sorted(found[g].items())) for g in spec.groups}


def cache(store: Store) -> Path:
    """Where prepared studies are kept; it may be removed at any time."""
    return store.data_dir / "cache" / "datasets"


def selection(model: str, split: str) -> tuple[Mapping[str, Any], ...]:
    """What an experiment is given as its option ``choices`` so that it selects among those that its model declares.

    None for a model that selects unasked.
    """
    from core.evaluation.experiment import SELECTED
    from core.models import MODELS

    if split != "nested_loso":
        raise Refused("E-SELECT", f"{split} has no inner folds to select on.", "select", "Use the split nested_loso.")
    if model not in MODELS or model in SELECTED:
        return ()
    if not MODELS[model].choices:
        has = ", ".join(name for name, m in MODELS.items() if m.choices)
        raise Refused("E-SELECT", f"{model} has no options to select among.", "select", f"Use one of {has}.")
    return MODELS[model].choices


def _spec(
    study: str, target: str, model: str, inputs: str, fusion: str, split: str, seed: int, options: Mapping | None
) -> Spec:
    from core.evaluation.experiment import Spec

    said = {"study": study, "target": target, "model": model, "inputs": inputs, "fusion": fusion, "split": split}
    unknown = set(options or {}) - set(Spec.__dataclass_fields__)
    if unknown:
        raise Refused("E-OPTION", f"there is no option {', '.join(sorted(unknown))}", "options")
    return Spec.from_dict({**(options or {}), **said, "seed": seed})


def check(store: Store, spec: Spec) -> None:
    """Refuse what the study or the doors do not have, before anything is computed."""
    from core.evaluation.dataset import inputs_of
    from core.evaluation.splits import SPLITS
    from core.models import MODELS

    found = studies.get(store, spec.study)
    for word, doors, code in (
        (spec.model, MODELS, "E-MODEL-KIND"), (spec.split, SPLITS, "E-SPLIT"), (spec.fusion, FUSIONS, "E-FUSION"),
    ):  # fmt: skip
        if word not in doors:
            raise NotFound(code, f"there is no {word}", code.split("-")[1].lower(), f"Use one of {', '.join(doors)}.")
    unknown = [t for t in spec.target.split("+") if t not in found.targets]
    if unknown:
        has = ", ".join(found.targets)
        raise Refused("E-TARGET", f"the study has no target {', '.join(unknown)}", spec.study, f"It has {has}.")
    offered = inputs_of(found)
    missing = [t for t in spec.types if t not in offered]
    if missing or spec.inputs != "+".join(t for t in offered if t in spec.types):
        raise Refused(
            "E-INPUTS", f"{spec.inputs} are no inputs of this study", spec.study,
            f"Join with + what it has, in this order: {'+'.join(offered)}.",
        )  # fmt: skip
    usable = MODELS[spec.model].inputs
    wrong = [t for t in spec.types if usable and t not in usable]
    if wrong:
        raise Refused(
            "E-INPUTS", f"{spec.model} does not learn from {'+'.join(wrong)}", spec.inputs,
            f"It learns from {'+'.join(usable)}.",
        )  # fmt: skip


def _run_folds(
    store: Store, experiment_id: int, spec: Spec, dataset: Dataset, progress: Progress, now: datetime
) -> None:
    """Run the folds that are not stored yet on the executor, and store each as it ends."""
    from core import compute
    from core.evaluation import experiment

    names = [fold.name for fold in experiment.folds(dataset, spec)]
    with store.write() as tx:
        rows.change(tx, experiment_id, n_folds=len(names), state="running", updated_at=now)
        done = rows.folds_done(tx, experiment_id)
    left = [i for i in range(len(names)) if not done.get(i)]
    if not left:
        return
    started = time.monotonic()
    with compute.executor() as executor:
        running: dict[Future, int] = {
            executor.submit(experiment.fold_task, str(dataset.path), spec, i): i for i in left
        }
        try:
            while running:
                ended, _ = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                for future in ended:
                    ended_at = now + timedelta(seconds=time.monotonic() - started)
                    _store_fold(store, experiment_id, running.pop(future), names, future, ended_at)
                n = len(left) - len(running)
                progress(
                    (len(names) - len(running)) / len(names),
                    _words(len(names) - len(running), len(names), n, time.monotonic() - started, len(running)),
                )
        finally:
            for future in running:
                future.cancel()


def _words(done: int, total: int, n: int, seconds: float, left: int) -> str:
    """How far it is, and about how long it takes still."""
    text = f"fold {done} of {total}"
    if not n or not left:
        return text
    rest = seconds / n * left
    return f"{text}, about {rest / 60:.0f} min left" if rest >= 90 else f"{text}, about {rest:.0f} s left"


def _store_fold(
    store: Store, experiment_id: int, number: int, names: Sequence[str], future: Future, now: datetime
) -> None:
    """Store what a fold predicted, or why it could not; a fault of ours is raised."""
    error = future.exception()
    if error is not None and not isinstance(error, AffectlineError):
        raise error
    with store.write() as tx:
        if isinstance(error, AffectlineError):
            rows.add_fold(
                tx, experiment_id, number, None, name=names[number], seconds=0.0, result={}, error=error.as_dict(),
                finished_at=now,
            )  # fmt: skip
            return
        found: FoldResult = future.result()
        rows.add_fold(
            tx, experiment_id, number,
            {"rows": pack(found.test_rows), "raw": pack(found.raw), "p": pack(found.p)},
            name=found.name, seconds=float(found.seconds), error=None, finished_at=now,
            result={
                "threshold": float(found.threshold), "flipped": bool(found.flipped),
                "calibrator": found.calibrator.model_dump(), "history": [dict(h) for h in found.history],
                "selected": dict(found.selected),
            },
        )  # fmt: skip
    if found.history:
        from core.evaluation import event_files

        place = curves(store, experiment_id) / f"{number:03d}"
        event_files.write(place, found.history, now.timestamp() - found.seconds)


def curves(store: Store, experiment_id: int) -> Path:
    """The TensorBoard folder of an experiment: learning curves, one folder per fold."""
    return store.data_dir / "experiments" / name_of(experiment_id) / "tensorboard"


def curves_of(store: Store, name: str) -> Path | None:
    """The TensorBoard folder of an experiment by its name, None where no net left curves."""
    place = curves(store, _number(name))
    return place if place.is_dir() else None


def _finish(store: Store, experiment_id: int, spec: Spec, dataset: Dataset, now: datetime) -> dict:
    """The scores over all folds; with a failed fold none, and it says which."""
    from core.evaluation import experiment

    with store.read() as tx:
        folds = rows.folds(tx, experiment_id)
    failed = [f for f in folds if f.error is not None]
    if failed:
        with store.write() as tx:
            rows.change(tx, experiment_id, state="partial", updated_at=now)
        first = failed[0].error or {}
        raise Refused(
            "E-EXPERIMENT-PARTIAL",
            f"{len(failed)} of {len(folds)} folds failed, and a score over the others would be another experiment. "
            f"The first: {failed[0].name}: {first.get('what', '')}",
            name_of(experiment_id),
            first.get("what_to_do", "") or "Run it again to try these folds again.",
        )
    results = [fold_result(f) for f in folds]
    summary = experiment.summarise(dataset, spec, results)
    details = experiment.details(dataset, spec, results)
    whole = {"scores": summary, "details": details, "results": _results(store, spec, dataset, results, details)}
    with store.write() as tx:
        rows.change(tx, experiment_id, state="done", updated_at=now, summary=whole)
        tx.audit("experiment.finish", name_of(experiment_id), at=now, model=spec.model)
        record = rows.get(tx, experiment_id)
    assert record is not None
    return answer(record)


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


# --- read


def name_of(experiment_id: int) -> str:
    """How an experiment is named to people: E-0007."""
    return f"E-{experiment_id:04d}"


def _number(name: str) -> int:
    lead, _, number = name.partition("-")
    if lead != "E" or not (number.isascii() and number.isdecimal()) or len(number) > 9:
        raise NotFound("E-EXPERIMENT", "there is no such experiment.", name[:40], "See the page Experiments.")
    return int(number)


def answer(record: ExperimentRecord) -> dict:
    """The object of ``evaluate --json`` of an experiment that is done."""
    assert record.summary is not None
    return {"experiment": name_of(record.id), **record.summary["scores"]}


def as_json(store: Store, name: str) -> dict:
    """The object of ``evaluate --json``, or NotFound; Refused while it is not done."""
    record = _record(store, name)
    if record.summary is None:
        raise Refused("E-EXPERIMENT-OPEN", "this experiment is not finished.", name, "Run it to its end first.")
    return answer(record)


def all_experiments(store: Store) -> list[Line]:
    """Every experiment, newest first."""
    with store.read() as tx:
        counts = rows.fold_counts(tx)
        return [_line(record, counts) for record in rows.all_experiments(tx)]


def get(store: Store, name: str) -> Experiment:
    """An experiment with its folds, or NotFound (E-EXPERIMENT)."""
    record = _record(store, name)
    with store.read() as tx:
        folds = rows.folds(tx, record.id)
        line = _line(record, rows.fold_counts(tx))
    lines = tuple(FoldLine(f.number, f.name, f.seconds, f.result, f.error, f.finished_at) for f in folds)
    return Experiment(line, lines, (record.summary or {}).get("details"))


def opened(store: Store, name: str) -> tuple[Spec, Dataset, list[FoldResult]]:
    """An experiment that is done, with its data and what every fold predicted: for statistics and explanation."""
    from core.evaluation.experiment import Spec

    record = _record(store, name)
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


def _record(store: Store, name: str) -> ExperimentRecord:
    with store.read() as tx:
        record = rows.get(tx, _number(name))
    if record is None:
        raise NotFound("E-EXPERIMENT", "there is no such experiment.", name, "See the page Experiments.")
    return record


def _line(record: ExperimentRecord, counts: Mapping[int, tuple[int, int, float]]) -> Line:
    from core.evaluation.splits import LEAKY

    stored, failed, seconds = counts.get(record.id, (0, 0, 0.0))
    return Line(
        name_of(record.id), record.study, record.target, record.inputs, record.model, record.fusion, record.split,
        record.seed, record.config.get("task", "binary"), record.state, record.split in LEAKY, record.created_at,
        record.n_folds, stored - failed, failed, seconds, record.code_version,
        str(record.config.get("study_sha256", ""))[:16], (record.summary or {}).get("scores"),
        (record.summary or {}).get("details", {}).get("worst_quarter", {}).get("balanced_accuracy"), record.config,
    )  # fmt: skip


# --- between experiments


def compare(store: Store, names: Iterable[str], correction: str = "holm") -> dict:
    """Two to four experiments on one study and target side by side, paired by subject; ties share a rank."""
    from core.evaluation import statistics

    chosen = list(dict.fromkeys(names))
    if not 2 <= len(chosen) <= 4:
        raise Refused("E-COMPARE", "two to four experiments are compared.", "experiments", "Choose 2-4.")
    records = {name: _record(store, name) for name in chosen}
    unfinished = [name for name, r in records.items() if r.summary is None]
    if unfinished:
        what = f"{', '.join(unfinished)} is not finished."
        raise Refused("E-EXPERIMENT-OPEN", what, "experiments", "Run it to its end first.")
    if len({(r.study, r.target) for r in records.values()}) > 1:
        raise Refused(
            "E-COMPARE", "these are of different studies or targets, so no subject can be paired with itself.",
            ", ".join(chosen), "Choose experiments on one study and one target.",
        )  # fmt: skip
    if any(r.config.get("task") == "continuous" for r in records.values()):
        raise Refused(
            "E-COMPARE", "a predicted value has no balanced accuracy to compare.", ", ".join(chosen),
            "Choose experiments that predict classes.",
        )  # fmt: skip
    scores = {
        name: {row["subject"]: row["balanced_accuracy"] for row in (r.summary or {})["details"]["per_subject"]}
        for name, r in records.items()
    }
    return statistics.compare(scores, correction)


def ablate(
    store: Store,
    study: str,
    target: str,
    model: str,
    *,
    fusion: str = "early",
    seed: int = 0,
    inputs: Sequence[str] | None = None,
    now: datetime,
    progress: Progress | None = None,
) -> dict:
    """Run every set of a study's inputs (or those named) and pair each to the best single one, by subject.

    Each set is an experiment of its own, stored as any other; the object says which.
    """
    sets = list(inputs or input_sets(store, study, model))
    say = progress or (lambda share, words: None)
    made = {}
    for i, chosen in enumerate(sets):

        def part(share: float, words: str, i: int = i, chosen: str = chosen) -> None:
            say((i + share) / len(sets), f"{chosen}: {words}")

        made[chosen] = evaluate(store, study, target, model, chosen, fusion=fusion, seed=seed, now=now, progress=part)[
            "experiment"
        ]
    said = {"study": study, "target": target, "model": model, "fusion": fusion, "seed": seed}
    return {**said, **paired_by_inputs(store, made)}


def input_sets(store: Store, study: str, model: str) -> list[str]:
    """Every set of a study's inputs that a model can learn from, the single ones first."""
    from core.evaluation import ablation
    from core.evaluation.dataset import inputs_of
    from core.models import MODELS

    if model not in MODELS:
        raise NotFound("E-MODEL-KIND", f"there is no {model}", "model", f"Use one of {', '.join(MODELS)}.")
    usable = [t for t in inputs_of(studies.get(store, study)) if not MODELS[model].inputs or t in MODELS[model].inputs]
    if not usable:
        raise Refused("E-INPUTS", f"{model} can use none of this study's inputs", study, "Choose another model.")
    return ablation.input_sets(usable)


def paired_by_inputs(store: Store, made: Mapping[str, str]) -> dict[str, Any]:
    """Finished experiments by their inputs, paired to the best single one, each with what it costs."""
    from core.evaluation import ablation

    runs = {}
    for chosen, name in made.items():
        spec, dataset, results = opened(store, name)
        runs[chosen] = (dataset, spec, results)
    cost = {line.id: line.seconds for line in all_experiments(store)}
    found = ablation.compared(runs)
    sets = []
    for row in found["sets"]:
        name, data = made[row["inputs"]], runs[row["inputs"]][0]
        n_lost = data.n_lost
        share = n_lost / (n_lost + len(set(data.unit)))
        sets.append({**row, "experiment": name, "seconds": cost[name], "n_lost": n_lost, "share_lost": share})
    return {**found, "sets": sets}


def results_table(store: Store) -> list[dict[str, Any]]:
    """A row per finished experiment and subject with MOABB's columns; score is the subject's balanced accuracy."""
    with store.read() as tx:
        records = [r for r in rows.all_experiments(tx) if r.summary is not None]
    return [
        {
            **row, "session": "0", "n_sessions": 1, "dataset": r.study, "experiment": name_of(r.id),
            "pipeline": f"{r.model} {r.inputs} {r.fusion} {r.split} {r.target} seed {r.seed}",
        }
        for r in reversed(records)
        for row in (r.summary or {})["results"]
        if row["score"] is not None
    ]  # fmt: skip


def _results(store: Store, spec: Spec, dataset: Dataset, results: Sequence[FoldResult], details: Mapping) -> list[dict]:
    """What ``results_table`` says of each subject: score, seconds and trials trained on (means over its folds)."""
    from core.evaluation import experiment
    from core.studies import folder

    first = next((t for t in studies.get(store, spec.study).trials if t.path), None)
    channels = (
        len(reduced(folder.recording(first), EPOC_14).of_type(*spec.types)) if first else len(dataset.names(spec.types))
    )
    trained = [len(set(dataset.unit[fold.train])) for fold in experiment.folds(dataset, spec)]
    out = []
    for row in details["per_subject"]:
        own = [r for r in results if (dataset.subject[r.test_rows] == row["subject"]).any()]
        out.append(
            {
                "score": row.get("balanced_accuracy", row.get("ccc")), "time": sum(r.seconds for r in own) / len(own),
                "samples": round(sum(trained[r.index] for r in own) / len(own)), "subject": row["subject"],
                "channels": channels,
            }
        )  # fmt: skip
    return out
