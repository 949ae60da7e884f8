"""Experiments: run fold by fold, stored as each fold ends, so that one that was stopped goes on where it was.

The same call again returns what is stored, and nothing is ever overwritten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from core import compute
from core.dsp.montage import reduced
from core.errors import AffectlineError, Refused
from core.services.clinic.stored import pack
from core.services.research import studies
from core.services.research.experiment_pairs import compare, input_sets, paired_by_inputs
from core.services.research.prepared import (
    FUSIONS,
    OPTIONS,
    Prepared,
    by_inputs,
    cache,
    check,
    name_of,
    named,
    narrowed,
    options,
    oversampling,
    selection,
    spec_of,
)
from core.services.research.stored_experiments import (
    Experiment,
    FoldLine,
    Line,
    all_experiments,
    answer,
    as_json,
    curves,
    curves_of,
    fold_result,
    get,
    opened,
    results_table,
)
from core.storage import research as rows
from core.storage.store import Store
from core.types import Pipeline

if TYPE_CHECKING:
    from core.evaluation.dataset import Dataset
    from core.evaluation.experiment import FoldResult, Spec

__all__ = [
    "FUSIONS", "OPTIONS", "Experiment", "FoldLine", "Line", "Prepared", "ablate", "all_experiments", "as_json",
    "by_inputs", "cache", "check", "compare", "curves_of", "demo", "evaluate", "get", "input_sets", "name_of", "named",
    "narrowed", "opened", "options", "oversampling", "paired_by_inputs", "results_table", "selection", "spec_of",
]  # fmt: skip

Progress = Callable[[float, str], None]
DEMO_STUDY = "demo"
# a fold of an experiment that may still be running is asked for so often, s
_POLL_S = 1.0


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
    from core.evaluation import experiment

    spec = spec_of(study, target, model, inputs, fusion, split, seed, options)
    prepared = Prepared.of(store, spec)
    found = prepared.stored(store)
    if found is not None and found.state == "done" and found.summary is not None:
        return answer(found)
    say = progress or (lambda share, words: None)
    dataset = prepared.checked(store, lambda share, words: say(0.3 * share, words))
    experiment.folds(dataset, spec)  # what no fold can be made of is refused before anything is stored
    record = prepared.record(store, now)
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


def ablate(
    store: Store,
    study: str,
    target: str,
    model: str,
    *,
    fusion: str = "early",
    seed: int = 0,
    inputs: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    now: datetime,
    progress: Progress | None = None,
) -> dict:
    """Run every set of a study's inputs (or those named) and pair each to the best single one, by subject.

    Each set is an experiment of its own, stored as any other, with the same ``options`` as of ``evaluate``; the object
    says which. A set of features of the EEG is of the inputs with EEG; the others have their usual ones.
    """
    sets = list(inputs or input_sets(store, study, model))
    asked = by_inputs(options, sets)
    for chosen in sets:
        check(store, spec_of(study, target, model, chosen, fusion, "loso", seed, asked[chosen]))
    say = progress or (lambda share, words: None)

    def run(i: int, chosen: str) -> str:
        def part(share: float, words: str) -> None:
            say((i + share) / len(sets), f"{chosen}: {words}")

        return evaluate(
            store, study, target, model, chosen, fusion=fusion, seed=seed, options=asked[chosen], now=now,
            progress=part,
        )["experiment"]  # fmt: skip

    with compute.kept_open():
        made = {chosen: run(i, chosen) for i, chosen in enumerate(sets)}
    said = {"study": study, "target": target, "model": model, "fusion": fusion, "seed": seed}
    if options and options.get("features"):
        said["features"] = options["features"]
    return {**said, **paired_by_inputs(store, made)}


def _run_folds(
    store: Store, experiment_id: int, spec: Spec, dataset: Dataset, progress: Progress, now: datetime
) -> None:
    """Run the folds that are not stored yet on the executor, and store each as it ends."""
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
    text = f"fold {done} of {total} done"
    if not left:
        return text
    if not n:
        return f"{text}, time left is known after the next"
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


def _finish(store: Store, experiment_id: int, spec: Spec, dataset: Dataset, now: datetime) -> dict:
    """The scores over all folds; with a failed fold none, and it says which."""
    from core.evaluation import scoring

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
    summary = scoring.summarise(dataset, spec, results)
    details = scoring.details(dataset, spec, results)
    whole = {"scores": summary, "details": details, "results": _results(store, spec, dataset, results, details)}
    with store.write() as tx:
        rows.change(tx, experiment_id, state="done", updated_at=now, summary=whole)
        tx.audit("experiment.finish", name_of(experiment_id), at=now, model=spec.model)
        record = rows.get(tx, experiment_id)
    assert record is not None
    return answer(record)


def _results(store: Store, spec: Spec, dataset: Dataset, results: Sequence[FoldResult], details: Mapping) -> list[dict]:
    """What ``results_table`` says of each subject: score, seconds and trials trained on (means over its folds)."""
    from core import features
    from core.evaluation import experiment
    from core.studies import folder

    places = features.positions(Pipeline(features=spec.features))
    first = next((t for t in studies.get(store, spec.study).trials if t.path), None)
    channels = (
        len(reduced(folder.recording(first), places).of_type(*spec.types)) if first else len(dataset.names(spec.types))
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
