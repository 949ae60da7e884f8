"""Slow signals: responses of the skin, breaths, movement."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage, signal

from core.dsp.filters import HIGHEST_CORNER, bandpass, fill_gaps, lowpass

# electrodermal activity is looked at at this rate, Hz: nothing in it is faster
EDA_SFREQ = 4.0
# a response is a rise of at least this, µS (Boucsein et al. 2012, Psychophysiology 49; ux 10.4)
SCR_MIN_US = 0.05
# within this time, s; and a peak is followed by a fall of this share of it, so that a slow rise of the level is none
SCR_RISE_S = 5.0
SCR_FALL_SHARE = 0.4
SCR_LOWPASS_HZ = 1.0
# own: and rises and falls by these times the SD of the noise, which is what differs from the mean of the 2 s around
SCR_NOISE_S, SCR_NOISE, SCR_FALL_NOISE = 2.0, 10.0, 4.0
MAD_TO_SD = 1.4826

# own: the level is what the skin keeps to between responses
TONIC_S, TONIC_SMOOTH_S, TONIC_PERCENTILE = 20.0, 5.0, 10

# band in which people breathe, Hz: 3 to 60 breaths a minute
BREATH_BAND_HZ = (0.05, 1.0)
# a breath stands out by this share of the signal's own SD
BREATH_PROMINENCE = 0.5
# breaths are looked for at this rate, Hz
BREATH_SFREQ = 10.0
BREATH_SHARE, BREATH_NEIGHBOURS = 0.4, 11
# plausible length of a breath, s; one longer or shorter than the median by this factor was missed or split
BREATH_S = (1.0, 20.0)
BREATH_SPREAD = 1.75


def slower(x: np.ndarray, sfreq: float, wanted: float) -> tuple[np.ndarray, float]:
    """Means of neighbouring samples, so many that the rate comes down to ``wanted`` or a little above."""
    factor = int(sfreq // wanted)
    if factor < 2:
        return x, sfreq
    n = len(x) // factor
    return x[: n * factor].reshape(n, factor).mean(axis=1), sfreq / factor


@dataclass(frozen=True)
class Responses:
    """Skin-conductance responses, each array of shape (n_responses,): seconds from the first sample, rise in µS."""

    onset_s: np.ndarray
    peak_s: np.ndarray
    amplitude_us: np.ndarray

    def __len__(self) -> int:
        return len(self.peak_s)

    def of(self, *chosen: np.ndarray) -> Responses:
        """Those for which all of ``chosen`` are True."""
        kept = np.logical_and.reduce(chosen)
        return Responses(self.onset_s[kept], self.peak_s[kept], self.amplitude_us[kept])


def smooth_skin(x: np.ndarray, sfreq: float) -> tuple[np.ndarray, float, np.ndarray]:
    """Skin conductance without what is faster than it, at 4 Hz or a little above; its rate, and where it has gaps."""
    filled, gap = fill_gaps(x, sfreq)
    smooth = lowpass(filled, sfreq, SCR_LOWPASS_HZ, order=2) if len(filled) > 1 else filled
    slow, rate = slower(smooth, sfreq, EDA_SFREQ)
    return slow, rate, slower(gap.astype(float), sfreq, EDA_SFREQ)[0] > 0


def skin_responses(x: np.ndarray, sfreq: float, least: float = SCR_MIN_US) -> Responses:
    """Skin-conductance responses, by trough-to-peak scoring (Boucsein et al. 2012).

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        µS; NaN marks missing samples.
    least : float
        Smallest rise that is one, in the unit of ``x``.

    Notes
    -----
    In a noisy signal a response must stand out of the noise as well: rise by ``SCR_NOISE`` times the SD of what lies
    between ``SCR_LOWPASS_HZ`` and a second's mean. It counts NeuroKit2's simulated responses as its ``smoothmedian``
    phasic part does, and slow ones too, which that one loses (its tonic part follows within 4 s).
    """
    smooth, rate, gap = smooth_skin(x, sfreq)
    nothing = Responses(np.empty(0), np.empty(0), np.empty(0))
    if len(smooth) < 3:
        return nothing
    rough = smooth - ndimage.uniform_filter1d(smooth, max(3, round(SCR_NOISE_S * rate)), mode="nearest")
    noise = MAD_TO_SD * float(np.median(np.abs(rough - np.median(rough))))
    peaks, _ = signal.find_peaks(smooth, prominence=max(SCR_FALL_SHARE * least, SCR_FALL_NOISE * noise))
    if len(peaks) == 0:
        return nothing
    before = np.maximum(np.concatenate(([0], peaks[:-1])), peaks - round(SCR_RISE_S * rate))
    onset = np.array([a + int(np.argmin(smooth[a : b + 1])) for a, b in zip(before, peaks, strict=True)])
    rise = smooth[peaks] - smooth[onset]
    kept = (rise >= max(least, SCR_NOISE * noise)) & ~gap[peaks]
    return Responses(onset[kept] / rate, peaks[kept] / rate, rise[kept])


def tonic(smooth: np.ndarray, rate: float) -> np.ndarray:
    """The level below the responses of ``smooth_skin``, shape (n_times,), from the past alone.

    The tenth percentile of the last ``TONIC_S``, as a mean of 5 s. What lies above it, the phasic part, correlates 0.9
    with simulated responses (3 to 15 a minute), where NeuroKit2's ``highpass`` and ``smoothmedian`` reach 0.6 and 0.4.
    """
    if len(smooth) == 0:
        return smooth
    n, m = (max(1, round(seconds * rate)) for seconds in (TONIC_S, TONIC_SMOOTH_S))
    low = ndimage.percentile_filter(smooth, TONIC_PERCENTILE, size=n, mode="nearest", origin=(n - 1) // 2)
    return ndimage.uniform_filter1d(low, m, mode="nearest", origin=(m - 1) // 2)


@dataclass(frozen=True)
class Breaths:
    """Breaths between two peaks of inspiration, each array of shape (n_breaths,).

    ``start_s`` is the peak before, ``trough_s`` the end of expiration, ``peak_s`` the next peak, in seconds from the
    first sample; ``depth`` the rise from trough to peak in the signal's unit.
    """

    start_s: np.ndarray
    trough_s: np.ndarray
    peak_s: np.ndarray
    depth: np.ndarray

    @property
    def length_s(self) -> np.ndarray:
        """From peak to peak."""
        return self.peak_s - self.start_s

    def normal(self) -> np.ndarray:
        """Which are of plausible length and near the median; others are missed or split, or lie around a gap."""
        length_s = self.length_s
        plausible = (length_s >= BREATH_S[0]) & (length_s <= BREATH_S[1])
        if not plausible.any():
            return plausible
        usual = np.median(length_s[plausible])
        return plausible & (length_s <= BREATH_SPREAD * usual) & (length_s >= usual / BREATH_SPREAD)


def breaths(x: np.ndarray, sfreq: float) -> Breaths:
    """Breaths of a respiration signal (any unit; inspiration up), shape (n_times,); NaN marks missing samples.

    A breath stands out by half the signal's own SD, and by ``BREATH_SHARE`` of what its neighbours do, so that a
    tremor in the pause between two breaths is none.
    """
    none = Breaths(*(np.empty(0) for _ in range(4)))
    filled, gap = fill_gaps(x, sfreq)
    if gap.all() or not np.ptp(filled) > 0:
        return none
    filled[gap] = np.nan
    slow, rate = slower(filled, sfreq, BREATH_SFREQ)
    if HIGHEST_CORNER * rate / 2 <= BREATH_BAND_HZ[0] or len(slow) < 4:
        return none
    wave = bandpass(slow, rate, *BREATH_BAND_HZ, order=2)
    missing = ~np.isfinite(wave)
    if missing.all():
        return none
    wave[missing] = 0.0
    spread = MAD_TO_SD * np.median(np.abs(wave[~missing] - np.median(wave[~missing])))
    if not spread > 0:
        return none
    peaks, found = signal.find_peaks(wave, prominence=BREATH_PROMINENCE * spread, distance=max(1, BREATH_S[0] * rate))
    if len(peaks):
        rise = found["prominences"]
        usual = ndimage.median_filter(rise, size=min(BREATH_NEIGHBOURS, len(rise)), mode="reflect")
        peaks = peaks[(rise >= BREATH_SHARE * usual) & ~missing[peaks]]
    if len(peaks) < 2:
        return none
    troughs = np.array([a + int(np.argmin(wave[a:b])) for a, b in pairwise(peaks)])
    start, peak = peaks[:-1], peaks[1:]
    return Breaths(start / rate, troughs / rate, peak / rate, wave[peak] - wave[troughs])
