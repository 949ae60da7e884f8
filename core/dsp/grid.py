"""Windows on the clock: which onsets there are, and which samples they hold."""

from __future__ import annotations

import numpy as np

from core.types import Quality, Signal

# two devices rarely start on the same sample: a window may reach this far past a signal's end, s
EDGE_S = 0.01


def onsets(duration_s: float, window_s: float, step_s: float) -> np.ndarray:
    """Onsets of all windows that fit into ``duration_s``, in seconds: multiples of ``step_s``."""
    n = int(np.floor((duration_s - window_s) / step_s + 1e-6)) + 1
    return np.arange(max(n, 0)) * step_s


def n_samples(sfreq: float, window_s: float) -> int:
    """Samples of one window, at least one."""
    return max(1, round(window_s * sfreq))


def starts(signal: Signal, onset_s: np.ndarray, window_s: float) -> tuple[np.ndarray, np.ndarray]:
    """First sample of each window in a signal, and whether the signal covers the window.

    Returns
    -------
    start : ndarray of int, shape (n_windows,)
        Clipped into the signal; only of use where ``covered``.
    covered : ndarray of bool, shape (n_windows,)
    """
    n = n_samples(signal.sfreq, window_s)
    last = len(signal.data) - n
    wanted = np.rint((np.asarray(onset_s, dtype=float) - signal.onset_s) * signal.sfreq).astype(np.int64)
    slack = max(1, int(EDGE_S * signal.sfreq)) if last >= 0 else 0
    covered = (wanted >= -slack) & (wanted <= last + slack) & (last >= 0)
    return np.clip(wanted, 0, max(last, 0)), covered


def cut(x: np.ndarray, start: np.ndarray, n: int) -> np.ndarray:
    """Windows of one channel, shape (n_windows, n): a view where the starts are evenly spaced, else a copy."""
    if len(start) == 0 or len(x) < n:
        return np.empty((0, n), dtype=x.dtype)
    sliding = np.lib.stride_tricks.sliding_window_view(x, n)
    steps = np.diff(start)
    if len(start) == 1:
        return sliding[start[0] : start[0] + 1]
    if steps[0] > 0 and (steps == steps[0]).all():
        return sliding[start[0] : start[-1] + 1 : steps[0]]
    return sliding[start]


def count_in(mask: np.ndarray, start: np.ndarray, n: int) -> np.ndarray:
    """How many samples of each window are True."""
    total = np.concatenate(([0], np.cumsum(mask)))
    return total[np.minimum(start + n, len(mask))] - total[start]


def trusted(signal: Signal, quality: Quality) -> np.ndarray:
    """The samples as float64, NaN where quality does not let the signal's type be used."""
    verdict = quality.of(signal.type)
    x = np.array(signal.data, dtype=np.float64)
    if verdict is None or signal.name in quality.bad_names(signal.type):
        return np.full(len(x), np.nan)
    begin, covered = starts(signal, quality.onset_s, quality.duration_s)
    kept = np.zeros(len(x) + 1, dtype=np.int64)
    chosen = begin[covered & verdict.usable]
    np.add.at(kept, chosen, 1)
    np.add.at(kept, np.minimum(chosen + n_samples(signal.sfreq, quality.duration_s), len(x)), -1)
    return np.where(np.cumsum(kept[:-1]) > 0, x, np.nan)


def inside(times_s: np.ndarray, onset_s: np.ndarray, window_s: float, chosen: np.ndarray) -> np.ndarray:
    """Whether each time lies in at least one of the chosen windows."""
    left = np.asarray(onset_s)[np.asarray(chosen, dtype=bool)]
    if len(left) == 0:
        return np.zeros(len(times_s), dtype=bool)
    index = np.searchsorted(left, np.asarray(times_s) + 1e-9, side="right") - 1
    return (index >= 0) & (np.asarray(times_s) <= left[np.maximum(index, 0)] + window_s + 1e-9)
