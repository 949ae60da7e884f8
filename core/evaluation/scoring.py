"""The scores of an experiment over its folds: per trial and per window, beside chance and what knows nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.evaluation import calibration, experiment, metrics, tasks
from core.evaluation.dataset import Dataset
from core.evaluation.experiment import FoldResult, Spec


def level(dataset: Dataset, spec: Spec, results: Sequence[FoldResult], of: str) -> metrics.Level:
    """What was predicted, a row per ``window`` or per ``trial``; a trial's cut is the median of its windows'."""
    task = tasks.task(dataset, spec.task, spec.target)
    rows = np.concatenate([r.test_rows for r in results])
    p = np.concatenate([r.p for r in results])
    fold = np.concatenate([np.full(len(r.test_rows), r.index) for r in results])
    cut = np.concatenate([np.full(len(r.test_rows), r.threshold) for r in results])
    order = np.argsort(rows, kind="stable")
    rows, p, fold, cut = rows[order], p[order], fold[order], cut[order]
    if of == "trial":
        unit = dataset.unit[rows]
        first = np.unique(unit, return_index=True)[1]
        p, cut = metrics.trial_values(p, unit, spec.aggregate), metrics.trial_values(cut, unit, "median")
        rows, fold = rows[first], fold[first]
    where = (dataset.subject[rows], dataset.unit[rows], fold)
    if task.value is not None:
        return metrics.Level(*where, task.value[rows], p, p, cut, 0)
    predicted = (p > cut).astype(int) if task.binary else p.argmax(axis=1)
    return metrics.Level(*where, task.code[rows], p, predicted, cut, len(task.classes))


def summarise(dataset: Dataset, spec: Spec, results: Sequence[FoldResult]) -> dict[str, Any]:
    """The object that ``evaluate --json`` prints (design 6), without the experiment's id; also of some folds only."""
    by_trial, by_window = (level(dataset, spec, results, of) for of in ("trial", "window"))
    return {
        **dict(zip(experiment.KEY, spec.key, strict=True)),
        "n_subjects": len(by_trial.subjects),
        "n_trials": len(by_trial),
        "n_windows": len(by_window),
        "trial": scores(dataset, spec, results, by_trial, by_trial),
        "window": scores(dataset, spec, results, by_window, by_trial),
        "folds": [_fold(dataset, spec, r) for r in results],
    }


def scores(
    dataset: Dataset, spec: Spec, results: Sequence[FoldResult], at: metrics.Level, by_trial: metrics.Level
) -> dict[str, Any]:
    """Scores at one level: means over subjects with their 95 % interval (``metrics.cross_validated``).

    The range of chance is that of trials at both levels: windows of a trial stand or fall together.
    """
    named = metrics.SCORES if at.n_classes else metrics.VALUE_SCORES
    found = {name: metrics.cross_validated(at.per_subject(*how)).model_dump() for name, how in named.items()}
    if not at.n_classes:
        return found
    return {
        **found,
        "ece": metrics.ece(at).model_dump(),
        "chance": metrics.chance(metrics.class_counts(by_trial)).model_dump(),
        "majority_accuracy": _majority_accuracy(dataset, spec, results, at),
        "confusion": metrics.confusion(at.y, at.predicted, at.n_classes),
    }


def _majority_accuracy(dataset: Dataset, spec: Spec, results: Sequence[FoldResult], at: metrics.Level) -> float:
    """Mean over subjects of the accuracy of always naming the commonest class of the fold's training windows."""
    code = tasks.task(dataset, spec.task, spec.target).code
    planned = experiment.folds(dataset, spec)
    commonest = {r.index: int(np.bincount(code[planned[r.index].train]).argmax()) for r in results}
    right = at.y == np.array([commonest[f] for f in at.fold])
    return float(np.mean([right[at.subject == name].mean() for name in at.subjects]))


def _fold(dataset: Dataset, spec: Spec, result: FoldResult) -> dict[str, Any]:
    at = level(dataset, spec, [result], "trial")
    said = {"subject": result.name, "n_trials": len(at)}
    if not at.n_classes:
        return {**said, "ccc": metrics.ccc(at.y, at.p), "rmse": metrics.rmse(at.y, at.p)}
    return {
        **said,
        "accuracy": metrics.accuracy(at.y, at.predicted),
        "balanced_accuracy": metrics.balanced_accuracy(at.y, at.predicted),
        "threshold": result.threshold,
        "flipped": result.flipped,
        "confusion": metrics.confusion(at.y, at.predicted, at.n_classes),
    }


def _selected(results: Sequence[FoldResult]) -> list[dict[str, Any]]:
    """The options that inner folds chose, the commonest first; empty where nothing was selected."""
    chosen = [dict(r.selected) for r in results if r.selected]
    each = [options for i, options in enumerate(chosen) if options not in chosen[:i]]
    return sorted(
        ({"options": options, "n_folds": chosen.count(options)} for options in each), key=lambda s: -s["n_folds"]
    )


def baselines(dataset: Dataset, spec: Spec) -> dict[str, dict[str, Any]]:
    """Scores per trial of the models that know nothing, on the same folds."""
    found = {}
    for name in ("majority", "stratified"):
        own = replace(spec, model=name, fusion="early", options={}, choices=(), smoothing="", oversample="", flip=False)
        results = experiment.run(dataset, own)
        at = level(dataset, own, results, "trial")
        found[name] = scores(dataset, own, results, at, at)
    return found


def details(dataset: Dataset, spec: Spec, results: Sequence[FoldResult]) -> dict[str, Any]:
    """What a page shows beside ``summarise``, of trials.

    ``baselines`` (majority, stratified), ``permutation_p`` per score, ``worst_quarter``, ``per_subject`` scores,
    ``classes``, ``flipped`` folds, ``selected`` options and in how many folds; of classes ``per_class`` (trials of all
    subjects together) and ``log_loss`` (mean over subjects); of binary tasks ``reliability``, ``coverage_risk`` and
    ``conformal`` too.
    """
    at = level(dataset, spec, results, "trial")
    main = "balanced_accuracy" if at.n_classes else "ccc"
    named = metrics.SCORES if at.n_classes else metrics.VALUE_SCORES
    each = {name: at.per_subject(*how) for name, how in named.items()}
    tested = (main, "roc_auc") if at.n_classes == 2 else (main,)
    classes = tasks.task(dataset, spec.task, spec.target).names
    said: dict[str, Any] = {
        "classes": list(classes),
        "baselines": baselines(dataset, spec),
        "permutation_p": {name: metrics.permutation_p(at, name) for name in tested},
        "worst_quarter": {name: metrics.worst_quarter(each[name]).model_dump() for name in tested},
        "per_subject": [
            {
                "subject": s,
                "n_trials": int(np.sum(at.subject == s)),
                **{name: values[i] for name, values in each.items()},
            }
            for i, s in enumerate(at.subjects)
        ],
        "n_flipped": sum(r.flipped for r in results),
        "selected": _selected(results),
    }
    if at.n_classes:
        counted = zip(classes, metrics.per_class(at.y, at.predicted, at.n_classes), strict=True)
        said["per_class"] = [{"class": c, "n": n, "precision": p, "recall": r} for c, (n, p, r) in counted]
        each_loss = metrics.cross_validated(at.per_subject(metrics.log_loss, "p"))
        said["log_loss"] = {**each_loss.model_dump(), "clip": metrics.LOG_LOSS_CLIP}
    if at.n_classes != 2:
        return said
    return {
        **said,
        "reliability": [b.model_dump() for b in metrics.reliability(at.y, at.p)],
        "coverage_risk": calibration.coverage_risk(at.y > 0, at.p, at.cut),
        "conformal": calibration.conformal_check(at.subject, at.y > 0, at.p, seed=spec.seed),
    }
