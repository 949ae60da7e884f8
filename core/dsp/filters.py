"""Zero-phase filters that live with missing samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from scipy import signal

# gaps up to this length are bridged by a line and stay bridged, s (requirements d4)
BRIDGED_GAP_S = 0.1
# the highest corner a filter may have, as a share of half the sampling rate
HIGHEST_CORNER = 0.9


def runs(mask: np.ndarray) -> np.ndarray:
    """Start and end (exclusive) of every stretch of True, shape (n_runs, 2)."""
    edges = np.diff(np.concatenate(([0], np.asarray(mask, dtype=np.int8), [0])))
    return np.column_stack((np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)))


def longer_than(mask: np.ndarray, n: float) -> np.ndarray:
    """The mask with only those stretches of True left that are longer than ``n`` samples."""
    kept = np.zeros(len(mask), dtype=bool)
    for start, end in runs(mask):
        if end - start > n:
            kept[start:end] = True
    return kept


def fill_gaps(x: np.ndarray, sfreq: float) -> tuple[np.ndarray, np.ndarray]:
    """A finite float64 copy of one channel, and where it must not be believed.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        NaN and infinite samples are missing.

    Returns
    -------
    filled : ndarray, shape (n_times,)
        Missing samples on the line between their neighbours, the nearest value at the ends; all
        zero where nothing was recorded.
    gap : ndarray of bool, shape (n_times,)
        True in stretches of missing samples longer than ``BRIDGED_GAP_S``.
    """
    filled = np.array(x, dtype=np.float64)
    missing = ~np.isfinite(filled)
    if not missing.any():
        return filled, missing
    if missing.all():
        return np.zeros_like(filled), missing
    there = np.flatnonzero(~missing)
    filled[missing] = np.interp(np.flatnonzero(missing), there, filled[there])
    # 1e-6: 0.1 s at 30 Hz is 3 samples, not 2.9999
    return filled, longer_than(missing, BRIDGED_GAP_S * sfreq + 1e-6)


def _each(x: np.ndarray, sfreq: float, run: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Filter each channel with its gaps filled, then take what lay in long gaps out again.

    The line through a gap joins on both sides, so that nothing rings into the rest.
    """
    x = np.asarray(x)
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float64)
    out = np.empty_like(x)
    for index in np.ndindex(x.shape[:-1]):
        if x.shape[-1] > 1 and np.isfinite(np.sum(x[index], dtype=np.float64)):
            out[index] = run(x[index])  # nothing to fill: no copy
            continue
        filled, gap = fill_gaps(x[index], sfreq)
        if filled.size < 2 or gap.all():
            out[index] = np.nan
            continue
        out[index] = run(filled)
        if gap.any():
            out[index][gap] = np.nan
    return out


def _both_ways(sos: np.ndarray, x: np.ndarray) -> np.ndarray:
    # scipy's own padding, shortened where the signal is shorter than it
    n_taps = 2 * len(sos) + 1 - min(int((sos[:, 2] == 0).sum()), int((sos[:, 5] == 0).sum()))
    return signal.sosfiltfilt(sos, x, padlen=min(3 * n_taps, len(x) - 1))


# designing a filter takes longer than running it over a minute, and a recording asks for the same few again and again
_butterworth = lru_cache(maxsize=64)(partial(signal.butter, output="sos"))


@lru_cache(maxsize=64)
def _notched(hz: float, q: float, sfreq: float) -> np.ndarray:
    return signal.tf2sos(*signal.iirnotch(hz, q, fs=sfreq))


def bandpass(x: np.ndarray, sfreq: float, low: float, high: float, order: int = 4) -> np.ndarray:
    """Butterworth band-pass run both ways: zero phase, each edge at -6 dB.

    Parameters
    ----------
    x : ndarray, shape (..., n_times)
        Gaps up to 0.1 s are bridged, longer ones are NaN in the output too and do not touch the rest.
    low, high : float
        Corners in Hz. ``high`` is lowered to 0.9 of half the sampling rate where it lies above.

    Returns
    -------
    ndarray, shape (..., n_times)
        float32 for float32, else float64. All NaN where the rate is too low for the band.
    """
    high = min(high, HIGHEST_CORNER * sfreq / 2)
    if high <= low:
        return np.full(np.shape(x), np.nan, dtype=np.float64)
    sos = _butterworth(order, (low, high), "bandpass", fs=sfreq)
    return _each(x, sfreq, lambda v: _both_ways(sos, v))


def highpass(x: np.ndarray, sfreq: float, low: float, order: int = 2) -> np.ndarray:
    """Butterworth high-pass run both ways, as ``bandpass``; only centred where ``low`` is out of reach."""
    if low >= HIGHEST_CORNER * sfreq / 2:
        return _each(x, sfreq, lambda v: v - v.mean())
    sos = _butterworth(order, low, "highpass", fs=sfreq)
    return _each(x, sfreq, lambda v: _both_ways(sos, v))


def lowpass(x: np.ndarray, sfreq: float, high: float, order: int = 4) -> np.ndarray:
    """Butterworth low-pass run both ways, as ``bandpass``; unfiltered where ``high`` is out of reach."""
    if high >= HIGHEST_CORNER * sfreq / 2:
        return _each(x, sfreq, lambda v: v.copy())
    sos = _butterworth(order, high, "lowpass", fs=sfreq)
    return _each(x, sfreq, lambda v: _both_ways(sos, v))


def notch(x: np.ndarray, sfreq: float, hz: float, q: float = 30.0) -> np.ndarray:
    """Take one frequency out, both ways; unfiltered where it does not lie below half the sampling rate."""
    if hz >= sfreq / 2:
        return _each(x, sfreq, lambda v: v.copy())
    sos = _notched(hz, q, sfreq)
    return _each(x, sfreq, lambda v: _both_ways(sos, v))
