"""One experiment: folds in, out-of-fold predictions and scores per subject out.

Whatever is fitted (imputer, scaler, model, calibrator, threshold) sees training and validation windows only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.evaluation import metrics
from core.evaluation.splits import Fold
from core.evaluation.table import WindowTable
from core.models import MODELS
from core.models.bundle import Calibration, Calibrator, Evaluation, SubjectScore, calibrated, logit

THRESHOLD_RANGE = (0.25, 0.75)  # requirements S1-16
PLAIN = Calibrator(slope=1.0, intercept=0.0)


@dataclass(frozen=True)
class OutOfFold:
    """What was predicted of each window by a model that had not seen it.

    ``raw`` and ``p`` (calibrated) have shape (n_windows,); ``threshold`` is that of the window's fold;
    ``calibrators`` are those of the folds in turn.
    """

    raw: np.ndarray
    p: np.ndarray
    threshold: np.ndarray
    calibrators: tuple[Calibrator, ...] = ()


def p_high(estimator: Any, x: np.ndarray) -> np.ndarray:
    """The estimator's probability of High; zero where it never saw one."""
    classes = list(estimator.classes_)
    return estimator.predict_proba(x)[:, classes.index(True)] if True in classes else np.zeros(len(x))


def run(x: np.ndarray, y: np.ndarray, unit: np.ndarray, model: str, folds: Iterable[Fold], seed: int) -> OutOfFold:
    """Fit and predict fold by fold.

    Parameters
    ----------
    x, y, unit
        Features, High or not, and the number of the trial, of each window.
    """
    raw, p, threshold = (np.full(len(y), np.nan) for _ in range(3))
    calibrators = []
    for fold in folds:
        estimator = MODELS[model].make(seed).fit(x[fold.train], y[fold.train])
        raw[fold.test] = p_high(estimator, x[fold.test])
        by, cut = PLAIN, 0.5
        if MODELS[model].calibrate:  # what knows nothing is scored as it is
            seen = fold.validation
            by, cut = fit_calibration(p_high(estimator, x[seen]), y[seen], unit[seen])
        p[fold.test] = calibrated(raw[fold.test], by)
        threshold[fold.test] = cut
        calibrators.append(by)
    return OutOfFold(raw, p, threshold, tuple(calibrators))


def fit_calibration(raw: np.ndarray, y: np.ndarray, unit: np.ndarray) -> tuple[Calibrator, float]:
    """Calibrator and threshold of trial means.

    Slope and intercept on the logit minimise the log-loss of the *mean* window probability of each trial, which is
    what a session shows, with a weak pull to (1, 0). The slope never turns negative: that would flip the decision.
    The threshold is the one of best balanced accuracy nearest 0.5, within THRESHOLD_RANGE.
    """
    from scipy.optimize import minimize

    unit = np.unique(unit, return_inverse=True)[1]
    labels = np.bincount(unit, y) / np.bincount(unit) > 0.5
    x = logit(raw)

    def loss(parameters: np.ndarray) -> float:
        slope, intercept = parameters
        p = np.clip(metrics.trial_means(1 / (1 + np.exp(-(slope * x + intercept))), unit), 1e-9, 1 - 1e-9)
        pull = 0.05 * ((slope - 1) ** 2 + intercept**2) / len(labels)
        return float(pull - np.mean(np.where(labels, np.log(p), np.log(1 - p))))

    slope, intercept = minimize(loss, [1.0, 0.0], bounds=[(0.0, 10.0), (-5.0, 5.0)], method="L-BFGS-B").x
    by = Calibrator(slope=float(slope), intercept=float(intercept))
    return by, best_threshold(labels, metrics.trial_means(calibrated(raw, by), unit))


def calibration_spread(found: OutOfFold, unit: np.ndarray) -> float:
    """How far a trial's probability depends on who calibrated it.

    Every fold's calibrator (other validation subjects each) is applied to the same out-of-fold windows; the SD over
    calibrators of a trial's mean, as root mean square over trials.
    """
    means = [metrics.trial_means(calibrated(found.raw, by), unit) for by in found.calibrators]
    return float(np.sqrt(np.mean(np.var(means, axis=0))))


def best_threshold(y: np.ndarray, p: np.ndarray) -> float:
    """The cut of best balanced accuracy, nearest 0.5 among equals, kept within THRESHOLD_RANGE."""
    ordered = np.unique(p)
    candidates = np.concatenate([[0.5], (ordered[1:] + ordered[:-1]) / 2])
    candidates = np.clip(candidates, *THRESHOLD_RANGE)
    return float(max(candidates, key=lambda cut: (metrics.balanced_accuracy(y, p > cut), -abs(cut - 0.5))))


def by_trial(table: WindowTable, target: str, found: OutOfFold) -> tuple[np.ndarray, ...]:
    """Subject, High or not, mean probability and threshold of each trial."""
    unit = table.unit
    first = np.unique(unit, return_index=True)[1]
    p = metrics.trial_means(found.p, unit)
    return table.subject[first], table.high[target][first], p, found.threshold[first]


def score(table: WindowTable, target: str, found: OutOfFold) -> list[SubjectScore]:
    """Scores per subject, over its trials."""
    subject, y, p, threshold = by_trial(table, target, found)
    out = []
    for name in table.subjects:
        own = subject == name
        predicted = p[own] > threshold[own]
        out.append(
            SubjectScore(
                subject=name, n_trials=int(own.sum()), accuracy=float(np.mean(predicted == y[own])),
                balanced_accuracy=metrics.balanced_accuracy(y[own], predicted), roc_auc=metrics.roc_auc(y[own], p[own]),
                brier=metrics.brier(y[own], p[own]), threshold=float(threshold[own][0]), flipped=False,
            )
        )  # fmt: skip
    return out


def evaluate(
    table: WindowTable, target: str, model: str, folds: list[Fold], seed: int
) -> tuple[Evaluation, Calibration, OutOfFold]:
    """Leave-one-subject-out scores of a model beside chance, majority and dummy, and its calibration."""
    x, y, unit = table.x, table.high[target], table.unit
    found = {name: run(x, y, unit, name, folds, seed) for name in dict.fromkeys((model, "majority", "stratified"))}
    scores = {name: score(table, target, result) for name, result in found.items()}

    def mean(name: str, field: str) -> Any:
        return metrics.over_subjects([getattr(s, field) for s in scores[name]])

    subject, label, p, _ = by_trial(table, target, found[model])
    counts = [(int(label[subject == s].sum()), int((~label[subject == s]).sum())) for s in table.subjects]
    evaluation = Evaluation(
        split="loso",
        balanced_accuracy=mean(model, "balanced_accuracy"),
        accuracy=mean(model, "accuracy"),
        roc_auc=mean(model, "roc_auc"),
        chance=metrics.chance(counts),
        majority=mean("majority", "balanced_accuracy"),
        dummy=mean("stratified", "balanced_accuracy"),
        majority_accuracy=float(np.mean([s.accuracy for s in scores["majority"]])),
        subjects=scores[model],
    )
    bins = metrics.reliability(label, p)
    calibration = Calibration(
        ece=metrics.calibration_error(bins),
        brier=metrics.brier(label, p),
        spread=calibration_spread(found[model], unit),
        bins=bins,
    )
    return evaluation, calibration, found[model]
