"""Scores per subject, their intervals over subjects, and what a coin would reach."""

from __future__ import annotations

import numpy as np

from core.models.bundle import Interval, Range, ReliabilityBin

RESAMPLES = 2000
SEED = 20260105


def trial_means(p: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Mean window probability of each trial, in order of trial number.

    Examples
    --------
    >>> trial_means(np.array([0.2, 0.4, 0.9]), np.array([0, 0, 1])).round(6)
    array([0.3, 0.9])
    """
    return np.bincount(unit, p) / np.bincount(unit)


def balanced_accuracy(y: np.ndarray, predicted: np.ndarray) -> float:
    """Mean recall over the classes that are there; a subject with one class keeps its recall.

    Examples
    --------
    >>> balanced_accuracy(np.array([1, 1, 1, 0]) > 0, np.array([1, 1, 0, 0]) > 0).__round__(3)
    0.833
    """
    return float(np.mean([np.mean(predicted[y == c] == c) for c in np.unique(y)]))


def roc_auc(y: np.ndarray, p: np.ndarray) -> float | None:
    """Area under the ROC curve; None, undefined, with one class."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, p)) if len(np.unique(y)) == 2 else None


def over_subjects(values: list[float | None]) -> Interval:
    """Mean over subjects with its 95 % subject bootstrap; undefined subjects are counted, not scored."""
    known = np.array([v for v in values if v is not None])
    undefined = len(values) - len(known)
    if not len(known):
        return Interval(value=None, n_undefined=undefined)
    drawn = np.random.default_rng(SEED).integers(0, len(known), (RESAMPLES, len(known)))
    low, high = np.percentile(known[drawn].mean(axis=1), [2.5, 97.5])
    return Interval(value=float(known.mean()), low=float(low), high=float(high), n_undefined=undefined)


def chance(counts: list[tuple[int, int]]) -> Range:
    """95 % range of the mean balanced accuracy of a fair coin, from each subject's (n High, n Low) trials."""
    rng = np.random.default_rng(SEED)
    scores = []
    for pair in counts:
        recalls = [rng.binomial(n, 0.5, 10 * RESAMPLES) / n for n in pair if n]
        scores.append(np.mean(recalls, axis=0))
    low, high = np.percentile(np.mean(scores, axis=0), [2.5, 97.5])
    return Range(low=float(low), high=float(high))


def reliability(y: np.ndarray, p: np.ndarray, n_bins: int = 10) -> list[ReliabilityBin]:
    """Trials in bins of equal width of probability; empty bins are left out."""
    edges = np.linspace(0, 1, n_bins + 1)
    which = np.clip(np.digitize(p, edges) - 1, 0, n_bins - 1)
    return [
        ReliabilityBin(
            low=float(edges[i]), high=float(edges[i + 1]), n=int(inside.sum()),
            mean_p=float(p[inside].mean()), share_high=float(y[inside].mean()),
        )
        for i in range(n_bins)
        if (inside := which == i).any()
    ]  # fmt: skip


def calibration_error(bins: list[ReliabilityBin]) -> float:
    """Expected calibration error: mean over trials of the bin's |share High - mean probability|."""
    return sum(b.n * abs(b.share_high - b.mean_p) for b in bins) / sum(b.n for b in bins)


def brier(y: np.ndarray, p: np.ndarray) -> float:
    """Mean squared distance of probability and outcome."""
    return float(np.mean((p - y) ** 2))
