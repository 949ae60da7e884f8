"""Reliable change: whether a session differs by more than a person's own sessions do from one to the next.

It is another question than whether a session is unusual for a person. The own range knows how widely sessions lie, slow
moves included; this knows by how much two neighbouring sessions differ, which is how well one session measures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.insights.baseline import comparable, to_scale
from core.insights.statistics import TOLERANCE, above
from core.settings import BASELINE_SESSIONS, RELIABLE_CHANGE


@dataclass(frozen=True)
class Change:
    """A session against the mean of ``n`` baseline sessions: the index, or None and ``why`` there is none.

    ``error`` is the person's own error of measurement on the scale of the detectors (ln for RMSSD and its like).
    """

    n: int
    index: float | None = None
    error: float | None = None
    why: str = ""

    @property
    def reliable(self) -> bool:
        """Whether the difference is larger than the person's own variation from session to session."""
        return self.index is not None and above(abs(self.index), RELIABLE_CHANGE)


def error(x: Sequence[float] | np.ndarray) -> float:
    """Error of measurement of one session, from test and retest: SD of neighbouring differences (ddof 1) / sqrt 2.

    Parameters
    ----------
    x : sequence of float, shape (n_sessions,)
        Sessions of a time without a change, oldest to newest; at least 3.

    Examples
    --------
    >>> round(error([1.0, 2.0, 1.0, 2.0, 1.0]), 4)  # differences +1 -1 +1 -1: SD 1.1547
    0.8165
    """
    return float(np.std(np.diff(x), ddof=1)) / math.sqrt(2)


def index(value: float, mean: float, error: float, n: int = 1) -> float:
    """Reliable change index: a difference over its own standard error, error x sqrt(1 + 1/n).

    Parameters
    ----------
    mean : float
        Of the ``n`` sessions that ``value`` is compared with; of one, this is the index of Jacobson and Truax 1991,
        doi:10.1037/0022-006X.59.1.12, error x sqrt(2) being their standard error of the difference.

    Examples
    --------
    Their example, from 32.5 to 47.5 where the SD is 7.5 and the retest reliability 0.80:

    >>> round(index(47.5, 32.5, 7.5 * (1 - 0.80) ** 0.5), 2)
    3.16
    """
    return (value - mean) / (error * math.sqrt(1 + 1 / n))


def change(value: float, baseline: Sequence[float], measure: str | None = None) -> Change:
    """A session against a person's own baseline sessions, by their own error of measurement.

    Parameters
    ----------
    value : float
        Of the session that is judged, in the measure's unit; it is not one of the baseline.
    baseline : sequence of float, shape (n_sessions,)
        Values of accepted sessions, oldest to newest.
    measure : str, optional
        Name of the measure: RMSSD and skin-conductance level are taken on the ln scale.

    Notes
    -----
    At least 10 baseline sessions. The error is itself an estimate: of sessions that vary by chance alone 8 % lie beyond
    1.96 with 10 baseline sessions, 6.6 % with 20, 5 % with many (simulated, normal, independent).

    Examples
    --------
    >>> found = change(1.0, [0.0, 0.2] * 5)
    >>> round(found.error, 3), round(found.index, 2), found.reliable  # 0.9 / (0.149 x sqrt 1.1)
    (0.149, 5.76, True)
    """
    x = np.array([to_scale(float(v), measure) for v in baseline if comparable(float(v), measure)])
    if len(x) < BASELINE_SESSIONS:
        return Change(len(x), why=f"it needs {BASELINE_SESSIONS} baseline sessions, and there are {len(x)}")
    if not comparable(value, measure):
        return Change(len(x), why="the value is not above 0")
    own = error(x)
    if own <= TOLERANCE:
        return Change(len(x), why="the baseline sessions do not vary from one to the next")
    return Change(len(x), index(to_scale(value, measure), float(x.mean()), own, len(x)), own)
