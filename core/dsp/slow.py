"""Slow signals: responses of the skin, breaths, movement."""

from __future__ import annotations

import numpy as np
from scipy import signal

from core.dsp.filters import HIGHEST_CORNER, bandpass, fill_gaps, lowpass

# electrodermal activity is looked at at this rate, Hz: nothing in it is faster
EDA_SFREQ = 4.0
# a response is a rise of at least this, µS (Boucsein et al. 2012, Psychophysiology 49; ux 10.4)
SCR_MIN_US = 0.05
# within this time, s; and a peak is followed by a fall of this, µS, so that a slow rise of the level is none
SCR_RISE_S = 5.0
SCR_FALL_US = 0.02
SCR_LOWPASS_HZ = 1.0

# band in which people breathe, Hz: 3 to 60 breaths a minute
BREATH_BAND_HZ = (0.05, 1.0)
# a breath stands out by this share of the signal's own SD
BREATH_PROMINENCE = 0.5
# breaths are looked for at this rate, Hz
BREATH_SFREQ = 10.0
# plausible length of a breath, s
BREATH_S = (1.0, 20.0)


def slower(x: np.ndarray, sfreq: float, wanted: float) -> tuple[np.ndarray, float]:
    """Means of neighbouring samples, so many that the rate comes down to ``wanted`` or a little above."""
    factor = int(sfreq // wanted)
    if factor < 2:
        return x, sfreq
    n = len(x) // factor
    return x[: n * factor].reshape(n, factor).mean(axis=1), sfreq / factor


def skin_responses(x: np.ndarray, sfreq: float) -> tuple[np.ndarray, np.ndarray]:
    """Skin-conductance responses.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        µS; NaN marks missing samples.

    Returns
    -------
    peak_s, amplitude_us : ndarray, shape (n_responses,)
        Seconds from the first sample, and the rise from onset to peak in µS, at least 0.05.

    Notes
    -----
    Trough-to-peak scoring (Boucsein et al. 2012) on the signal at 4 Hz. It counts NeuroKit2's simulated responses as
    its ``smoothmedian`` phasic part does, and slow ones too, which that one loses (its tonic part follows within 4 s).
    """
    filled, gap = fill_gaps(x, sfreq)
    slow, rate = slower(filled, sfreq, EDA_SFREQ)
    smooth = lowpass(slow, rate, SCR_LOWPASS_HZ, order=2) if len(slow) > 1 else slow
    peaks, _ = signal.find_peaks(smooth, prominence=SCR_FALL_US)
    if len(peaks) == 0:
        return np.empty(0), np.empty(0)
    before = np.maximum(np.concatenate(([0], peaks[:-1])), peaks - round(SCR_RISE_S * rate))
    rise = smooth[peaks] - np.array([smooth[a : b + 1].min() for a, b in zip(before, peaks, strict=True)])
    peak_s = peaks / rate
    kept = (rise >= SCR_MIN_US) & ~gap[np.minimum((peak_s * sfreq).astype(int), len(gap) - 1)]
    return peak_s[kept], rise[kept]


def breaths(x: np.ndarray, sfreq: float) -> np.ndarray:
    """Peaks of inspiration of a respiration signal (any unit): seconds from the first sample, shape (n_breaths,)."""
    filled, gap = fill_gaps(x, sfreq)
    if gap.all() or not np.ptp(filled) > 0:
        return np.empty(0)
    filled[gap] = np.nan
    slow, rate = slower(filled, sfreq, BREATH_SFREQ)
    if HIGHEST_CORNER * rate / 2 <= BREATH_BAND_HZ[0] or len(slow) < 4:
        return np.empty(0)
    wave = bandpass(slow, rate, *BREATH_BAND_HZ, order=2)
    missing = ~np.isfinite(wave)
    if missing.all():
        return np.empty(0)
    wave[missing] = 0.0
    spread = 1.4826 * np.median(np.abs(wave[~missing] - np.median(wave[~missing])))
    if not spread > 0:
        return np.empty(0)
    peaks, _ = signal.find_peaks(wave, prominence=BREATH_PROMINENCE * spread, distance=max(1, BREATH_S[0] * rate))
    return peaks[~missing[peaks]] / rate
