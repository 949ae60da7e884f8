"""What a few labels of the person themselves are worth: recalibrated on some of their trials, judged on others (c5).

From stored predictions, nothing is fitted again. Of each person half the trials are set aside to be judged; from the
other half some are taken as labelled, and slope and intercept of the logit are fitted to them. The same trials are
judged before and after.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.evaluation import metrics
from core.models.bundle import Calibrator, calibrated, logit

SHOTS = (2, 4, 8)
DRAWS = 10
# how far a person is thought to lie from the model before any of their labels is known: SD of slope and of intercept
PRIOR_SD = (0.5, 1.0)


def recalibrated(p: np.ndarray, y: np.ndarray) -> Calibrator:
    """Slope and intercept of the logit from a few labelled trials: the likeliest under the prior.

    The prior is a slope of 1 and an intercept of 0, normal with PRIOR_SD: no label changes nothing, two labels change
    little. A slope is never negative, which would flip the decision.

    Parameters
    ----------
    p, y
        Probability of High and label of each trial, shape (n,).

    Examples
    --------
    >>> recalibrated(np.empty(0), np.empty(0) > 0)
    Calibrator(slope=1.0, intercept=0.0)
    >>> by = recalibrated(np.array([0.5, 0.5]), np.array([True, True]))  # intercept = 2 (1 - sigmoid(intercept))
    >>> round(by.slope, 3), round(by.intercept, 3)
    (1.0, 0.675)
    """
    from scipy.optimize import minimize

    x, prior, precision = np.vstack([logit(p), np.ones(len(p))]), np.array([1.0, 0.0]), 1 / np.square(PRIOR_SD)

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        z, away = at @ x, at - prior
        value = np.sum(np.logaddexp(0, z) - y * z) + precision @ away**2 / 2
        return float(value), x @ (1 / (1 + np.exp(-z)) - y) + precision * away

    slope, intercept = minimize(loss, prior, jac=True, bounds=[(0.0, None), (None, None)], method="L-BFGS-B").x
    return Calibrator(slope=float(slope), intercept=float(intercept))


def few_shot(at: metrics.Level, seed: int = 0) -> list[dict[str, Any]]:
    """Scores on the half that is judged, before and after, for each number of labelled trials.

    Parameters
    ----------
    at
        Trials of a binary task, each predicted by a model that had not seen its subject.

    Returns
    -------
    list of dict
        A row per number in SHOTS: ``shots, n`` (subjects that have so many trials in the half that is not judged),
        and for ``brier`` and ``balanced_accuracy`` ``{before, after, difference {value, low, high}}``: means over
        subjects, each the mean of DRAWS ways to halve their trials; the difference is after less before, paired by
        subject. ``ece {before, after}`` is of all judged trials together. Without a subject they are None.
    """
    return [_row(at, shots, seed) for shots in SHOTS]


def _row(at: metrics.Level, shots: int, seed: int) -> dict[str, Any]:
    each = {name: [_judged(at, own, shots, rng) for _ in range(DRAWS)]
            for i, name in enumerate(at.subjects)
            if len(own := np.flatnonzero(at.subject == name)) // 2 >= shots
            for rng in [np.random.default_rng([seed, i])]}  # fmt: skip
    said: dict[str, Any] = {"shots": shots, "n": len(each)}
    if not each:
        return {**said, "brier": None, "balanced_accuracy": None, "ece": None}
    for k, score in enumerate(("brier", "balanced_accuracy")):
        means = np.array([[np.mean([draw[0][k] for draw in own]), np.mean([draw[1][k] for draw in own])]
                          for own in each.values()])  # fmt: skip
        apart = metrics.over_subjects(list(means[:, 1] - means[:, 0]))
        said[score] = {"before": float(means[:, 0].mean()), "after": float(means[:, 1].mean()),
                       "difference": apart.model_dump(include={"value", "low", "high"})}  # fmt: skip
    y, before, after = (np.concatenate([draw[2][k] for own in each.values() for draw in own]) for k in range(3))
    return {**said, "ece": {"before": _ece(y, before), "after": _ece(y, after)}}


def _ece(y: np.ndarray, p: np.ndarray) -> float:
    return metrics.calibration_error(metrics.reliability(y, p))


def _judged(at: metrics.Level, own: np.ndarray, shots: int, rng: np.random.Generator) -> tuple:
    """(scores before, scores after, (y, p before, p after)) of one way to halve a person's trials."""
    mixed = rng.permutation(own)
    labelled, kept = mixed[: len(own) // 2][:shots], mixed[len(own) // 2 :]
    y, p = at.y[kept] > 0, at.p[kept]
    own_p = calibrated(p, recalibrated(at.p[labelled], at.y[labelled] > 0))
    before, after = ((metrics.brier(y, q), metrics.balanced_accuracy(y, q > at.cut[kept])) for q in (p, own_p))
    return before, after, (y, p, own_p)
