"""Smoothing of a trial's window probabilities in time. Off unless asked for; SMOOTHING is the door.

Each function takes the probabilities of High of one trial in order of time, shape (n_windows,), and gives as many.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

WINDOWS = 5  # of the majority vote, centred
STAY = 0.9  # probability that the state of the next window is that of this one


def majority(p: np.ndarray) -> np.ndarray:
    """Share of votes for High among the five windows around each; fewer at the ends.

    Examples
    --------
    >>> majority(np.array([0.9, 0.2, 0.9, 0.9, 0.1])).round(3)
    array([0.667, 0.75 , 0.6  , 0.5  , 0.667])
    """
    votes = np.concatenate([[0.0], np.cumsum(p > 0.5)])
    at, reach = np.arange(len(p)), WINDOWS // 2
    first, last = np.maximum(at - reach, 0), np.minimum(at + reach + 1, len(p))
    return (votes[last] - votes[first]) / (last - first)


def causal(p: np.ndarray) -> np.ndarray:
    """Probability of the state High given this and all earlier windows: the forward half, as live use would have it.

    Examples
    --------
    >>> causal(np.array([0.8, 0.8])).round(3)  # 0.8 -> 0.74 before the second look; 0.74 x 0.8 / (that + 0.26 x 0.2)
    array([0.8  , 0.919])
    """
    return _forward(_evidence(p))[:, 1]


def two_state(p: np.ndarray) -> np.ndarray:
    """Probability of the state High given all windows of the trial: forward-backward over two states.

    Each window's probability is read as evidence under equal prior odds; a state lasts with probability STAY.
    """
    evidence = _evidence(p)
    both = _forward(evidence) * _backward(evidence)
    return both[:, 1] / both.sum(axis=1)


SMOOTHING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "majority": majority,
    "two_state": two_state,
    "causal": causal,
}


def smoothed(p: np.ndarray, unit: np.ndarray, onset_s: np.ndarray, how: str) -> np.ndarray:
    """Each trial's probabilities smoothed in order of time; ``how`` "" leaves them as they are."""
    if not how:
        return p
    out = np.empty(len(p))
    order = np.lexsort((onset_s, unit))
    for own in np.split(order, np.flatnonzero(np.diff(unit[order])) + 1):
        out[own] = SMOOTHING[how](p[own])
    return out


_STEP = np.array([[STAY, 1 - STAY], [1 - STAY, STAY]])


def _evidence(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.column_stack([1 - p, p])


def _forward(evidence: np.ndarray) -> np.ndarray:
    out = np.empty_like(evidence)
    state = np.array([0.5, 0.5])
    for i, seen in enumerate(evidence):
        state = (state if i == 0 else state @ _STEP) * seen
        state /= state.sum()
        out[i] = state
    return out


def _backward(evidence: np.ndarray) -> np.ndarray:
    out = np.ones_like(evidence)
    for i in range(len(evidence) - 2, -1, -1):
        ahead = _STEP @ (evidence[i + 1] * out[i + 1])
        out[i] = ahead / ahead.sum()
    return out
