"""The mathematics of the detectors: t limits, permutation of the newest sessions, false-discovery control."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np

from core.settings import TREND_EXACT_LIMIT, TREND_PERMUTATIONS, TREND_RECENT

# thresholds are decimal numbers: 0.12 in a table also means a difference that prints as 0.12 but is 1 bit less
TOLERANCE = 1e-9


def at_least(value: float, threshold: float) -> bool:
    """``value >= threshold`` for decimal thresholds, whatever the last bits say."""
    return value >= threshold - TOLERANCE


def above(value: float, threshold: float) -> bool:
    """``value > threshold`` for decimal thresholds: equal within the last bits is not above."""
    return value > threshold + TOLERANCE


def two_sided_p(t: float, df: int) -> float:
    """Two-sided p of a t statistic with ``df`` degrees of freedom.

    Examples
    --------
    >>> round(two_sided_p(-2.262, 9), 3)
    0.05
    """
    from scipy.special import stdtr

    return min(1.0, 2.0 * float(stdtr(df, -abs(t))))


@lru_cache(maxsize=4096)
def t_quantile(coverage: float, df: int) -> float:
    """Half-width, in standard errors, of the two-sided interval of a coverage.

    Examples
    --------
    >>> round(t_quantile(0.95, 9), 3)
    2.262
    """
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + coverage / 2))


def normal_p(z: float) -> float:
    """Two-sided p of a normal deviate.

    Examples
    --------
    >>> round(normal_p(3.0), 4)
    0.0027
    """
    return math.erfc(abs(z) / math.sqrt(2))


def correlation(x: np.ndarray, y: np.ndarray) -> float | None:
    """Pearson's r of two columns of equal length; None where a column is constant."""
    dx, dy = x - x.mean(), y - y.mean()
    ssx, ssy = float(dx @ dx), float(dy @ dy)
    if min(ssx, ssy) <= len(x) * TOLERANCE**2:
        return None
    return max(-1.0, min(1.0, float(dx @ dy) / math.sqrt(ssx * ssy)))


def correlation_p(r: float, n: int) -> float:
    """Two-sided p of Pearson's r from n pairs (t with n - 2 degrees of freedom).

    Examples
    --------
    >>> round(correlation_p(0.65, 8), 3), round(correlation_p(0.65, 10), 3)
    (0.081, 0.042)
    """
    rest = max(1.0 - r * r, 1e-15)
    return two_sided_p(r * math.sqrt((n - 2) / rest), n - 2)


def correlation_interval(r: float, n: int, coverage: float = 0.95) -> tuple[float, float]:
    """Interval of Pearson's r by Fisher's z; needs n >= 4."""
    from scipy.special import ndtri

    z = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, r)))
    half = float(ndtri(0.5 + coverage / 2)) / math.sqrt(n - 3)
    return math.tanh(z - half), math.tanh(z + half)


@lru_cache(maxsize=48)
def _choices(n: int, k: int) -> tuple[np.ndarray, bool]:
    """Ways to choose k of n: an index matrix of shape (n_ways, k), and whether it holds all of them.

    Above TREND_EXACT_LIMIT ways a sample is drawn by Floyd's algorithm from a fixed seed, so that the
    same history has the same p on every machine.
    """
    if math.comb(n, k) <= TREND_EXACT_LIMIT:
        return np.array(list(combinations(range(n), k)), dtype=np.intp), True
    draws = np.random.default_rng(n).random((k, TREND_PERMUTATIONS))
    chosen = np.empty((TREND_PERMUTATIONS, k), dtype=np.intp)
    for column, top in enumerate(range(n - k, n)):
        pick = (draws[column] * (top + 1)).astype(np.intp)
        taken = (chosen[:, :column] == pick[:, None]).any(axis=1)
        chosen[:, column] = np.where(taken, top, pick)
    return chosen, False


def permutation_p(x: np.ndarray, recent: int = TREND_RECENT) -> float:
    """Chance that ``recent`` sessions drawn from all differ from the rest as much as the newest do.

    Parameters
    ----------
    x : ndarray, shape (n_sessions,)
        Values, oldest to newest.
    recent : int
        How many at the end are compared with all before.

    Returns
    -------
    float
        Two-sided p: exact up to 20 sessions, above that from 9,999 draws of a fixed seed with the seen
        order counted in, so never 0.

    Examples
    --------
    >>> permutation_p(np.array([0.0] * 5 + [1.0] * 5)) == 2 / 252
    True
    """
    total = float(x.sum())
    expected = total * recent / len(x)
    # the difference of means is a rising line of the sum of the chosen ones
    seen = abs(float(x[-recent:].sum()) - expected)
    ways, exact = _choices(len(x), recent)
    extreme = np.abs(x[ways].sum(axis=1) - expected) >= seen - 1e-12 - 1e-9 * seen
    count = int(np.count_nonzero(extreme))
    return count / len(ways) if exact else (count + 1) / (len(ways) + 1)


def false_discovery(p: Sequence[float]) -> list[float]:
    """Benjamini-Hochberg adjusted p-values (q), in the order given.

    Examples
    --------
    >>> [round(q, 3) for q in false_discovery([0.01, 0.04, 0.03, 0.8])]
    [0.04, 0.053, 0.053, 0.8]
    """
    values = np.asarray(p, dtype=float)
    if values.size == 0:
        return []
    order = np.argsort(values, kind="stable")
    ranked = values[order] * values.size / np.arange(1, values.size + 1)
    ranked = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    q = np.empty_like(ranked)
    q[order] = ranked
    return [float(v) for v in q]
