"""The personal baseline: exponential mean, and the range a next session is expected in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from core.insights.statistics import t_quantile
from core.settings import BASELINE_ALPHA, BASELINE_SESSIONS, LOG_SCALE_MEASURES, PREDICTIONS, RANGE_COVERAGE
from core.types import Reference


def ema(values: Sequence[float] | np.ndarray, alpha: float = BASELINE_ALPHA) -> np.ndarray:
    """Exponential mean after each accepted session, starting at the first value.

    Parameters
    ----------
    values : sequence of float, shape (n_sessions,)
        Accepted sessions only, oldest to newest.
    alpha : float
        Weight of the newest session.

    Returns
    -------
    ndarray, shape (n_sessions,)

    Examples
    --------
    >>> ema([1.0, 2.0, 2.0]).round(2).tolist()
    [1.0, 1.1, 1.19]
    """
    means = np.array(values, dtype=float)
    for k in range(1, len(means)):
        # written as a step so that equal values stay exactly equal
        means[k] = means[k - 1] + alpha * (means[k] - means[k - 1])
    return means


def learning(n_accepted: int) -> bool:
    """Whether there are too few accepted sessions for a band to be drawn."""
    return n_accepted < BASELINE_SESSIONS


def to_scale(value: float, measure: str | None) -> float:
    """The value on the scale the detectors use: ln for RMSSD and skin-conductance level."""
    return math.log(value) if measure in LOG_SCALE_MEASURES else value


def from_scale(value: float, measure: str | None) -> float:
    """Back to the unit a person reads."""
    return math.exp(value) if measure in LOG_SCALE_MEASURES else value


def on_scale(reference: Reference, measure: str | None) -> tuple[float, float]:
    """Mean and SD of a reference on the scale of the detectors.

    A reference is kept in the measure's unit; for a measure on the ln scale the log-normal with that mean
    and SD is taken.
    """
    if measure not in LOG_SCALE_MEASURES:
        return reference.mean, reference.sd
    variance = math.log1p((reference.sd / reference.mean) ** 2)
    return math.log(reference.mean) - variance / 2, math.sqrt(variance)


def usable(reference: Reference | None, measure: str | None) -> bool:
    """Whether a reference can be compared with: at least 2 sessions, finite, positive where ln is taken."""
    if reference is None or reference.n < 2:
        return False
    if not (math.isfinite(reference.mean) and math.isfinite(reference.sd) and reference.sd >= 0):
        return False
    return measure not in LOG_SCALE_MEASURES or reference.mean > 0


def reference_of(values: Sequence[float], since: datetime) -> Reference:
    """The reference that chosen sessions make: mean and SD (ddof 1) in the measure's unit, at least 2 values."""
    chosen = np.asarray(values, dtype=float)
    return Reference(float(chosen.mean()), float(chosen.std(ddof=1)), len(chosen), since)


def prediction_range(mean: float, sd: float, n: int, judged: int = 1) -> tuple[float, float]:
    """The 95 % range of the mean of ``judged`` further sessions, from n sessions with that mean and SD."""
    half = t_quantile(RANGE_COVERAGE, n - 1) * sd * math.sqrt(1 / judged + 1 / n)
    return mean - half, mean + half


def readable(low: float, high: float, measure: str | None) -> tuple[float, float]:
    """A range in the unit a person reads; an index stays within 0-1."""
    low, high = from_scale(low, measure), from_scale(high, measure)
    return (max(low, 0.0), min(high, 1.0)) if measure in PREDICTIONS else (low, high)


def own_range(
    values: Sequence[float] | np.ndarray | Reference, measure: str | None = None, *, least: int = BASELINE_SESSIONS
) -> tuple[float, float, float] | None:
    """Own range: mean ± t s sqrt(1 + 1/n), where 95 % of next sessions lie when nothing changes.

    Parameters
    ----------
    values : sequence of float, or Reference
        Accepted sessions, or the reference a clinician set.
    measure : str, optional
        Name of the measure: RMSSD and skin-conductance level are taken on the ln scale, an index is kept in 0-1.
    least : int
        Sessions below which there is no range yet ("learning"); a reference needs 2.

    Returns
    -------
    (low, mean, high) or None
        In the measure's unit; None while learning. The mean of a measure on the ln scale is geometric.

    Examples
    --------
    >>> [round(v, 2) for v in own_range([0.4, 0.6] * 5)]
    [0.25, 0.5, 0.75]
    """
    if isinstance(values, Reference):
        if not usable(values, measure):
            return None
        (mean, sd), n = on_scale(values, measure), values.n
    else:
        known = [to_scale(float(v), measure) for v in values if comparable(float(v), measure)]
        n = len(known)
        if n < max(least, 2):
            return None
        mean, sd = float(np.mean(known)), float(np.std(known, ddof=1))
    low, high = readable(*prediction_range(mean, sd, n), measure)
    return low, from_scale(mean, measure), high


def comparable(value: float, measure: str | None) -> bool:
    """Whether a value has a place on the scale of the detectors: finite, positive where ln is taken."""
    return math.isfinite(value) and (measure not in LOG_SCALE_MEASURES or value > 0)
