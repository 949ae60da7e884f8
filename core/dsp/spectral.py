"""Power spectra of windows: every segment is transformed once, however many windows share it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy import signal

# Welch: length of a segment, s; half overlap, Hann, constant detrend (requirements d1)
SEGMENT_S = 2.0
_BLOCK = 256  # segments that are transformed at once: their temporaries stay in cache


@dataclass(frozen=True)
class Segments:
    """Which segments each window averages.

    ``start`` holds the first sample of each distinct segment of ``n`` samples, ``of_window`` (shape
    (n_windows, n_averages)) the segments of each window.
    """

    sfreq: float
    n: int
    start: np.ndarray
    of_window: np.ndarray

    @property
    def freqs(self) -> np.ndarray:
        """Frequencies of the bins in Hz."""
        return np.fft.rfftfreq(self.n, 1 / self.sfreq)

    @property
    def df(self) -> float:
        """Width of a bin in Hz."""
        return self.sfreq / self.n


def segments(start: np.ndarray, n_window: int, sfreq: float, segment_s: float = SEGMENT_S) -> Segments:
    """Lay Welch's segments over windows that begin at samples ``start`` and have ``n_window`` samples."""
    n = max(1, min(round(segment_s * sfreq), n_window))
    hop = n - n // 2
    offsets = np.arange(0, n_window - n + 1, hop)
    wanted = np.asarray(start)[:, None] + offsets
    distinct, inverse = np.unique(wanted, return_inverse=True)
    return Segments(sfreq, n, distinct, inverse.reshape(wanted.shape))


def spectra(x: np.ndarray, plan: Segments) -> np.ndarray:
    """Spectrum of each distinct segment, scaled so that |.|^2 is a two-sided density doubled to one-sided.

    Parameters
    ----------
    x : ndarray, shape (n_times,)

    Returns
    -------
    ndarray of complex, shape (n_segments, n_bins)
    """
    taper = signal.get_window("hann", plan.n)
    scale = np.full(plan.n // 2 + 1, np.sqrt(2.0 / (plan.sfreq * np.sum(taper**2))))
    scale[0] /= np.sqrt(2.0)
    if plan.n % 2 == 0:
        scale[-1] /= np.sqrt(2.0)
    out = np.empty((len(plan.start), plan.n // 2 + 1), dtype=np.complex128)
    if len(plan.start) == 0:
        return out
    sliding = np.lib.stride_tricks.sliding_window_view(x, plan.n)
    for at in range(0, len(plan.start), _BLOCK):
        block = sliding[plan.start[at : at + _BLOCK]].astype(np.float64)
        block -= block.mean(axis=1, keepdims=True)
        block *= taper
        out[at : at + _BLOCK] = scipy.fft.rfft(block, axis=1)
    out *= scale
    return out


def power(spectrum: np.ndarray) -> np.ndarray:
    """Squared magnitude."""
    return spectrum.real**2 + spectrum.imag**2


def per_window(values: np.ndarray, plan: Segments) -> np.ndarray:
    """Mean over the segments of each window: (n_segments, ...) to (n_windows, ...)."""
    total = values[plan.of_window[:, 0]].copy()
    for column in range(1, plan.of_window.shape[1]):
        total += values[plan.of_window[:, column]]
    total /= plan.of_window.shape[1]
    return total


def window_psd(x: np.ndarray, start: np.ndarray, n_window: int, sfreq: float) -> tuple[np.ndarray, np.ndarray]:
    """Welch's power density of every window of one channel.

    Returns
    -------
    freqs : ndarray, shape (n_bins,)
        In Hz.
    psd : ndarray, shape (n_windows, n_bins)
        In the unit squared per Hz; equal to ``scipy.signal.welch`` window by window.
    """
    plan = segments(start, n_window, sfreq)
    return plan.freqs, per_window(power(spectra(x, plan)), plan)


def band(freqs: np.ndarray, low: float, high: float) -> np.ndarray:
    """Bins of the half-open band [low, high)."""
    return (freqs >= low - 1e-9) & (freqs < high - 1e-9)


def holds(sfreq: float, high: float) -> bool:
    """Whether a signal of this rate holds a band up to ``high``, rather than only its lower part."""
    return high <= sfreq / 2


def band_power(psd: np.ndarray, freqs: np.ndarray, low: float, high: float) -> np.ndarray:
    """Power in [low, high): bin width times the sum of the density, over the last axis; NaN for an empty band."""
    chosen = band(freqs, low, high)
    if not chosen.any() or len(freqs) < 2:
        return np.full(psd.shape[:-1], np.nan)
    return psd[..., chosen].sum(axis=-1) * (freqs[1] - freqs[0])
