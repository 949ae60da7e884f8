"""Probabilities that mean what they say: fitted on validation subjects, judged on held-out ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.evaluation import metrics
from core.models.bundle import Calibrator, calibrated, logit

THRESHOLD_RANGE = (0.25, 0.75)  # requirements S1-16
# of the windows of people who stay calm, the most that may be called High
CALM_SHARE = 0.09
PLAIN = Calibrator(slope=1.0, intercept=0.0)
# trials of both classes below which nothing is fitted to validation
LEAST_TRIALS = 8


def fit(raw: np.ndarray, y: np.ndarray, unit: np.ndarray) -> tuple[Calibrator, float]:
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


def enough(y: np.ndarray, unit: np.ndarray) -> bool:
    """Whether validation has trials enough, of both classes, to fit anything to."""
    return len(np.unique(unit)) >= LEAST_TRIALS and len(np.unique(y)) == 2


def best_threshold(y: np.ndarray, p: np.ndarray) -> float:
    """The cut of best balanced accuracy, nearest 0.5 among equals, kept within THRESHOLD_RANGE."""
    ordered = np.unique(p)
    candidates = np.concatenate([[0.5], (ordered[1:] + ordered[:-1]) / 2])
    candidates = np.clip(candidates, *THRESHOLD_RANGE)
    return float(max(candidates, key=lambda cut: (metrics.balanced_accuracy(y, p > cut), -abs(cut - 0.5))))


def raised(threshold: float, calm: np.ndarray) -> float:
    """The threshold, or the higher one that no more than CALM_SHARE of the windows of calm sessions lie above.

    Kept within THRESHOLD_RANGE; ``calm`` are calibrated probabilities of people that the model had not seen.
    """
    if not len(calm):
        return threshold
    return float(np.clip(max(threshold, np.quantile(calm, 1 - CALM_SHARE)), *THRESHOLD_RANGE))


def fit_classes(raw: np.ndarray, code: np.ndarray, unit: np.ndarray) -> Calibrator:
    """One slope on the log-probabilities of several classes (temperature), by the log-loss of trial means."""
    from scipy.optimize import minimize_scalar

    first = np.unique(unit, return_index=True)[1]

    def loss(slope: float) -> float:
        p = metrics.trial_values(calibrated_classes(raw, slope), unit)
        found = np.clip(p[np.arange(len(p)), code[first]], 1e-9, 1)
        return float(0.05 * (slope - 1) ** 2 / len(p) - np.mean(np.log(found)))

    return Calibrator(slope=float(minimize_scalar(loss, bounds=(0.0, 10.0), method="bounded").x), intercept=0.0)


def calibrated_classes(raw: np.ndarray, slope: float) -> np.ndarray:
    """Probabilities of several classes, their logarithms times ``slope``, summing to one again."""
    x = slope * np.log(np.clip(raw, 1e-6, 1.0))
    p = np.exp(x - x.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def fit_line(raw: np.ndarray, value: np.ndarray, unit: np.ndarray) -> Calibrator:
    """Slope (never negative) and intercept of a value over its prediction, by least squares of trial means."""
    first = np.unique(unit, return_index=True)[1]
    x, y = metrics.trial_values(raw, unit), value[first]
    spread = float(np.var(x))
    slope = max(float(np.mean((x - x.mean()) * (y - y.mean()))) / spread, 0.0) if spread > 0 else 0.0
    return Calibrator(slope=slope, intercept=float(y.mean() - slope * x.mean()))


def spread(raw: np.ndarray, calibrators: Sequence[Calibrator], unit: np.ndarray) -> float:
    """How far a trial's probability depends on who calibrated it.

    Every fold's calibrator (other validation subjects each) is applied to the same out-of-fold windows; the SD over
    calibrators of a trial's mean, as root mean square over trials.
    """
    means = [metrics.trial_means(calibrated(raw, by), unit) for by in calibrators]
    return float(np.sqrt(np.mean(np.var(means, axis=0))))


# ------------------------------------------------------------------------------------------- abstention
def coverage_risk(y: np.ndarray, p: np.ndarray, threshold: np.ndarray | float) -> list[dict[str, float]]:
    """Error among the trials that are kept when the least certain go first: a point per share kept.

    Certainty is the distance from the threshold. Returns {coverage, risk, n}, from all trials to the surest tenth;
    trials of equal certainty go together.

    Examples
    --------
    >>> coverage_risk(np.array([1, 1, 0, 0]) > 0, np.array([0.9, 0.45, 0.1, 0.4]), 0.5)[0]
    {'coverage': 1.0, 'risk': 0.25, 'n': 4}
    """
    certainty = np.abs(p - threshold)
    wrong = (p > threshold) != y
    out: list[dict[str, float]] = []
    for share in np.linspace(1.0, 0.1, 19):
        wanted = max(1, int(np.ceil(share * len(p) - 1e-9)))
        kept = certainty >= np.sort(certainty)[::-1][wanted - 1]
        point = {"coverage": float(kept.mean()), "risk": float(wrong[kept].mean()), "n": int(kept.sum())}
        if not out or point != out[-1]:
            out.append(point)
    return out


@dataclass(frozen=True)
class Conformal:
    """Sets of classes that hold the true one with probability 1 - alpha for a trial of a person not seen before.

    ``limit`` is the largest 1 - p(class) that is let in; 1 lets all in: there are too few subjects for ``alpha``.
    """

    alpha: float
    limit: float
    n_subjects: int

    def sets(self, p: np.ndarray) -> np.ndarray:
        """Which of Low and High are in each trial's set, bool (n, 2); both, or none, is "don't know"."""
        both = np.column_stack([1 - p, p])
        return 1 - both <= self.limit + 1e-12


def conformal(subject: np.ndarray, y: np.ndarray, p: np.ndarray, alpha: float = 0.1) -> Conformal:
    """Split-conformal limit of calibration subjects, for trials of a new subject.

    Trials of one person are alike, so the subject, not the trial, is what is exchangeable: each subject's trials weigh
    1 / (n_subjects + 1) together, and the rest of the weight lies beyond every score (hierarchical conformal
    prediction: Lee, Barber, Willett 2023; Dunn, Wasserman, Ramdas 2023).
    """
    score = np.where(y, 1 - p, p)
    names, who, count = np.unique(subject, return_inverse=True, return_counts=True)
    weight = 1 / (count[who] * (len(names) + 1))
    order = np.argsort(score, kind="stable")
    reached = np.cumsum(weight[order]) >= 1 - alpha - 1e-12
    limit = float(score[order][np.argmax(reached)]) if reached.any() else 1.0
    return Conformal(alpha, limit, len(names))


def conformal_check(
    subject: np.ndarray, y: np.ndarray, p: np.ndarray, alpha: float = 0.1, seed: int = 0, repeats: int = 20
) -> dict[str, float]:
    """What the sets do on stored predictions: calibrated on one half of the subjects, tried on the other, often.

    Returns {alpha, coverage, abstained, limit, n_subjects}: mean share of trials whose set holds the truth, and whose
    set is not one class; ``limit`` is that of all subjects.
    """
    names = np.unique(subject)
    rng = np.random.default_rng(seed)
    held, unsure = [], []
    for _ in range(repeats):
        left = np.isin(subject, rng.permutation(names)[: len(names) // 2])
        sets = conformal(subject[left], y[left], p[left], alpha).sets(p[~left])
        held.append(np.mean(sets[np.arange(len(sets)), y[~left].astype(int)]))
        unsure.append(np.mean(sets.sum(axis=1) != 1))
    whole = conformal(subject, y, p, alpha)
    return {
        "alpha": alpha, "coverage": float(np.mean(held)), "abstained": float(np.mean(unsure)), "limit": whole.limit,
        "n_subjects": whole.n_subjects,
    }  # fmt: skip
