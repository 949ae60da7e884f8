"""From a study to a bundle: evaluate, audit, fit on everybody, and let the evaluation write the card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from core import features
from core.compute import part
from core.dsp.montage import lacking
from core.errors import NotFound, Refused
from core.evaluation import calibration, drift, experiment, metrics, scoring, sessions, subgroups, tasks
from core.evaluation.dataset import Dataset, Progress, check_inputs, ordered, prepare
from core.evaluation.experiment import FoldResult, Spec
from core.evaluation.validity import identity, leak_audit
from core.models import MODELS
from core.models.bundle import (
    Calibration,
    Calibrator,
    Card,
    Check,
    Evaluation,
    Identity,
    Interval,
    LeakAudit,
    Seen,
    SubjectScore,
    calibrated,
    pipeline_dict,
)
from core.settings import DEMONSTRATION, NET_RATES
from core.studies import folder
from core.types import Pipeline, Study

INTENDED = {
    True: f"A {DEMONSTRATION}. It shows how the product works and is replaced by a model of your own recordings.",
    False: "Following one person over time, by a clinician who also looks at the recording and the person.",
}
NOT_FOR = (
    "Diagnosis, triage, treatment decisions, alarms, or judging a person. Not for signals other than those listed."
)

Evaluated = Callable[[Dataset, Spec, Progress], Sequence[FoldResult]]
Audited = Callable[[Dataset, Spec], Mapping[str, Any] | None]


def train(
    study: Study,
    study_sha256: str,
    name: str,
    targets: Sequence[str],
    model: str,
    types: tuple[str, ...],
    pipeline: Pipeline,
    *,
    fusion: str = "early",
    seed: int,
    named: str = "",
    now: datetime,
    progress: Progress | None = None,
    evaluated: Evaluated = lambda dataset, spec, say: experiment.run(dataset, spec),
    audited: Audited = lambda dataset, spec: None,
    cache: Path | None = None,
) -> tuple[Card, dict[str, Any]]:
    """Evaluate leave-one-subject-out, audit, and fit the final estimators on all subjects.

    The calibrator and threshold of the final model come from the out-of-fold predictions of all subjects.

    Parameters
    ----------
    named
        A set of ``core.features.NAMED`` in place of a type's usual one; it goes with the card's pipeline.
    evaluated
        The folds of leaving one subject out, such as those that are stored; by default they run here. It says how
        far it is, and is stopped there when nobody wants it any more.
    audited
        The object of ``leak-audit --json`` that is stored; where None, premium and checks are found here.
    cache
        As of ``core.evaluation.dataset.prepare``.

    Returns
    -------
    (Card, dict)
        The card, without the hashes of files that are not yet written, and an estimator per target.
    """
    check(study, targets, model, types, named)
    pipeline = sessions.pipeline_of(study, types, pipeline, model, named)
    said = progress or (lambda share, text: None)
    dataset = prepare(
        study, pipeline, types, signals=MODELS[model].takes == "signals", cache=cache,
        progress=lambda share, text: said(0.6 * share, text),
    )  # fmt: skip
    flat = [t for t in targets if len(set(dataset.high(t)[dataset.rows(t)])) < 2]
    if flat:
        raise Refused(
            "E-LABELS", f"all trials lie on one side of the cut of {', '.join(flat)}", study.name,
            "Choose another target, or import the study with another cut.",
        )  # fmt: skip
    plan = Spec(study.name, targets[0], "+".join(dataset.types), model, fusion, seed=seed, features=named)
    facts = leak_audit.Facts(pipeline.window_s, study.bands)
    learned = {}
    for i, target in enumerate(targets):
        say = _told(progress, target, 0.6 + 0.4 * i / len(targets), 0.6 + 0.4 * (i + 1) / len(targets))
        learned[target] = _learned(dataset, replace(plan, target=target), facts, evaluated, audited, say)
    card = _card(name, study, study_sha256, dataset, plan, pipeline, learned, now)
    said(1.0, "done")
    return card, {target: own.estimator for target, own in learned.items()}


@dataclass(frozen=True)
class Learned:
    """What came of one target: its scores on people left out, its leak audit, and what was fitted on everybody.

    ``trials``: what was predicted of each trial of a person left out.
    """

    trials: metrics.Level
    evaluation: Evaluation
    calibration: Calibration
    premium: Interval
    scores: dict[str, float]
    checks: list[Check]
    identity: Identity | None
    calibrator: Calibrator
    threshold: float
    estimator: Any


def _learned(
    dataset: Dataset, spec: Spec, facts: leak_audit.Facts, evaluated: Evaluated, audited: Audited, say: Progress
) -> Learned:
    """Leave one subject out, audit, and fit on everybody."""
    from threadpoolctl import threadpool_limits

    say(0.0, "leaving one subject out")
    found = evaluated(dataset, spec, part(say, 0.0, 0.6))
    say(0.6, "leak audit")
    evaluation, reliability = judged(dataset, spec, found)
    premium, scores, checks = _leaks(dataset, spec, found, facts, audited(dataset, spec))
    rows, raw = out_of_fold(found)
    with threadpool_limits(1):  # sums in one order: the same numbers every time
        by, threshold = calibration.fit(raw, dataset.high(spec.target)[rows], dataset.unit[rows])
        threshold = calibration.raised(threshold, calibrated(_calm(dataset, spec, found), by))
        whole = experiment.fit(dataset, spec, tasks.task(dataset, "binary", spec.target), rows, rows[:0], {})
    named = _identity(dataset, spec)
    trials = scoring.level(dataset, spec, found, "trial")
    return Learned(trials, evaluation, reliability, premium, scores, checks, named, by, threshold, whole.estimator)


def _card(
    name: str, study: Study, study_sha256: str, dataset: Dataset, spec: Spec, pipeline: Pipeline,
    learned: Mapping[str, Learned], now: datetime,
) -> Card:  # fmt: skip
    """The card of what was learned, without the hashes of files that are not yet written."""
    described = {}
    for target, own in learned.items():
        lowest, highest, cut = study.targets[target]
        described[target] = {
            "orientation": "high_is_1", "lowest": lowest, "highest": highest, "cut": cut,
            "calibrator": own.calibrator, "threshold": own.threshold,
        }  # fmt: skip
    return _rounded(
        {
            "name": name,
            "version": "1",
            "created_at": now.isoformat(),
            "demonstration": study.simulated,
            "basis": study.basis,
            "targets": described,
            "signals": _signals(study, dataset, pipeline),
            "pipeline": pipeline_dict(pipeline),
            "pipeline_hash": pipeline.hash,
            "feature_set": pipeline.features,
            "features": list(dataset.features.columns),
            "seen": _seen(dataset, spec.model),
            "fitted": {"imputer": "model.skops", "scaler": "model.skops", "calibrator": "card", "threshold": "card"},
            "training": {**_training(study, study_sha256, dataset, spec.model, spec.seed), "fusion": spec.fusion},
            "loso": {target: own.evaluation for target, own in learned.items()},
            "calibration": {target: own.calibration for target, own in learned.items()},
            "subgroups": subgroups.results(
                subgroups.partings(study), {target: own.trials for target, own in learned.items()}
            ),
            "leak_audit": LeakAudit(
                premium={target: own.premium for target, own in learned.items()},
                scores={target: own.scores for target, own in learned.items()},
                checks=[
                    c.model_copy(update={"name": f"{target}: {c.name}"})
                    for target, own in learned.items() for c in own.checks
                ],
                identity={target: own.identity for target, own in learned.items() if own.identity},
            ),
            "drift": drift.describe(dataset, dataset.types),
            "intended_use": INTENDED[study.simulated],
            "not_for": NOT_FOR,
            "files": {"model.skops": "0" * 64},
        }
    )  # fmt: skip


def _told(progress: Progress | None, target: str, first: float, last: float) -> Progress:
    """The progress of one target, which is named."""
    say = part(progress, first, last)
    return lambda share, text: say(share, f"{target}: {text}")


def out_of_fold(results: Sequence[FoldResult]) -> tuple[np.ndarray, np.ndarray]:
    """Rows in order, and what each model said of those that it had not seen."""
    rows = np.concatenate([r.test_rows for r in results])
    order = np.argsort(rows, kind="stable")
    return rows[order], np.concatenate([r.raw for r in results])[order]


def _calm(dataset: Dataset, spec: Spec, results: Sequence[FoldResult]) -> np.ndarray:
    """What models said of windows of people that they had not seen, of sessions begun where nothing High follows."""
    if dataset.retold is None or MODELS[spec.model].takes != "features":
        return np.empty(0)
    task, known = tasks.task(dataset, "binary", spec.target), np.isfinite(dataset.labels[spec.target])
    calm = dataset.retold.calm(task.y | ~known)
    said = []
    for fold, result in zip(experiment.folds(dataset, spec), results, strict=True):
        own = calm & np.isin(dataset.retold.of, result.test_rows)
        if own.any():
            fitted = experiment.fit(dataset, spec, task, fold.train, fold.validation, result.selected)
            said.append(fitted.proba(dataset.retold.x[own])[:, 1])
    return np.concatenate(said) if said else np.empty(0)


def _leaks(
    dataset: Dataset, spec: Spec, results: Sequence[FoldResult], facts: leak_audit.Facts,
    stored: Mapping[str, Any] | None,
) -> tuple[Interval, dict[str, float], list[Check]]:  # fmt: skip
    """Premium, scores and checks of a stored leak audit, else found here."""
    if stored is None:
        return *leak_audit.premium(dataset, spec, results), leak_audit.checks(dataset, spec, facts=facts)
    return Interval(**stored["premium"]), dict(stored["scores"]), [Check(**c) for c in stored["checks"]]


def _identity(dataset: Dataset, spec: Spec) -> Identity | None:
    """How well the features name the person; None where no two trials of two people have any."""
    found = identity.subject_probe(dataset, dataset.rows(spec.target), spec.learned, spec.seed)
    if found is None:
        return None
    return Identity(accuracy=found.accuracy, chance=found.chance, n_subjects=found.n_names, n_windows=found.n_windows)


def judged(dataset: Dataset, spec: Spec, results: Sequence[FoldResult]) -> tuple[Evaluation, Calibration]:
    """What the card says of one target: scores per trial beside chance, majority and dummy, and the calibration."""
    at = scoring.level(dataset, spec, results, "trial")
    each: dict[str, list[Any]] = {name: at.per_subject(*how) for name, how in metrics.SCORES.items()}
    known = scoring.baselines(dataset, spec)
    whole = {name: metrics.cross_validated(values) for name, values in each.items()}
    flipped = {r.name: r.flipped for r in results}
    bins = metrics.reliability(at.y, at.p)
    rows, raw = out_of_fold(results)
    evaluation = Evaluation(
        split="loso",
        balanced_accuracy=whole["balanced_accuracy"],
        accuracy=whole["accuracy"],
        roc_auc=whole["roc_auc"],
        chance=metrics.chance(metrics.class_counts(at)),
        majority=known["majority"]["balanced_accuracy"],
        dummy=known["stratified"]["balanced_accuracy"],
        majority_accuracy=known["majority"]["accuracy"]["value"],
        subjects=[
            SubjectScore(
                subject=name, n_trials=int(np.sum(at.subject == name)), accuracy=each["accuracy"][i],
                balanced_accuracy=each["balanced_accuracy"][i], roc_auc=each["roc_auc"][i], brier=each["brier"][i],
                threshold=float(at.cut[at.subject == name][0]), flipped=flipped[name],
            )
            for i, name in enumerate(at.subjects)
        ],
    )  # fmt: skip
    errs = Calibration(
        ece=metrics.calibration_error(bins),
        brier=metrics.brier(at.y, at.p),
        spread=calibration.spread(raw, [r.calibrator for r in results], dataset.unit[rows]),
        bins=bins,
    )
    return evaluation, errs


def rounded(card: Card) -> Card:
    """A card with its numbers to six decimals."""
    return _rounded(card.model_dump())


def _rounded(content: dict[str, Any]) -> Card:
    """The card with its numbers to six decimals: what lies behind them differs between processors.

    Those of ``drift`` are in the units of the features, and have six digits by themselves.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return round(value, 6)
        if isinstance(value, dict):
            return {key: plain(part) for key, part in value.items()}
        if isinstance(value, list):
            return [plain(part) for part in value]
        return plain(value.model_dump()) if isinstance(value, BaseModel) else value

    return Card.model_validate({key: v if key == "drift" else plain(v) for key, v in content.items()})


def check(study: Study, targets: Sequence[str], model: str, types: tuple[str, ...], named: str = "") -> None:
    """Refuse what the study or the door of models does not have."""
    if model not in MODELS:
        raise NotFound("E-MODEL-KIND", f"there is no model {model}", "model", f"Use one of {', '.join(MODELS)}.")
    unknown = [t for t in targets if t not in study.targets]
    if unknown or not targets:
        what = f"the study has no target {', '.join(unknown)}" if unknown else "no target was named"
        raise Refused("E-TARGET", what, study.name, f"It has {', '.join(study.targets)}.")
    check_inputs(study, types, ordered(study.inputs))  # a model is given recordings, never ready features
    if named:
        sessions.check_features(study, model, types, named)


def _signals(study: Study, dataset: Dataset, pipeline: Pipeline) -> dict[str, Any]:
    """What a recording must have: of the EEG the positions that features are of and that the study itself had."""
    first, wanted = folder.recording(study.trials[0]), features.positions(pipeline)
    known = dataset.channels.get("eeg", wanted)
    gone = lacking([s.name for s in first.of_type("eeg")], wanted)
    eeg = [c for c in known if c not in gone] or list(known)
    return {
        "required": {t: eeg if t == "eeg" else [] for t in dataset.types},
        "optional": {},
        "sfreq": {t: first.of_type(t)[0].sfreq for t in dataset.types},
    }


def _seen(dataset: Dataset, model: str) -> Seen:
    """What the model sees of a recording, and what it says of it."""
    takes = MODELS[model].takes
    if takes == "signals":
        rates = {t: NET_RATES[t] for t in dataset.channels}
        return Seen(takes=takes, channels={t: list(c) for t, c in dataset.channels.items()}, rates=rates)
    if takes == "features":
        return Seen()
    longest = experiment.longest(dataset)
    return Seen(
        takes=takes, longest=longest,
        each=f"One probability for each stretch of at most {longest} windows in order of time, as many as the longest "
        "trial that it learned from had; the windows of a stretch share it.",
    )  # fmt: skip


def _training(study: Study, sha256: str, dataset: Dataset, model: str, seed: int) -> dict[str, Any]:
    return {
        "study": study.name, "licence": study.licence, "simulated": study.simulated, "sha256": sha256,
        "n_subjects": len(dataset.subjects), "n_trials": int(dataset.unit.max()) + 1, "n_windows": len(dataset),
        "model": model, "seed": seed,
    }  # fmt: skip
