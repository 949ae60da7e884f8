"""Markers of the EEG (G1, G2 of requirements d1 over the pairs and channels present)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.dsp import spectral
from core.dsp.montage import canonical
from core.markers.common import Found, Material, interval
from core.settings import FRONTAL_PAIRS
from core.types import Reason

ENGAGEMENT_CHANNELS = ("AF3", "F3", "F4", "AF4")
MIN_SEGMENTS = 3
POSTERIOR = ("O1", "Oz", "O2", "PO7", "PO3", "POz", "PO4", "PO8", "P7", "P5", "P3", "P1", "Pz", "P2", "P4", "P6", "P8")
# own: the alpha peak is the highest point of the spectrum over its own 1/f line within these Hz; the line is laid
# through the frequencies around; it must stand out by this much (ln power) and by three times the scatter of the line
PEAK_HZ, LINE_HZ = (7.0, 13.5), ((2.0, 6.0), (15.0, 30.0))
PEAK_RISE, PEAK_SCATTER = 0.4, 3.0
PEAK_SEGMENT_S, PEAK_SEGMENTS = 4.0, 8


def _gone(m: Material, names: Sequence[str]) -> Reason:
    """Why none of some channels can be used: not recorded, or left out."""
    recorded = {canonical(s.name) for s in m.recording.of_type("eeg")}
    return Reason.LOW_QUALITY if recorded & set(names) else Reason.MISSING_CHANNEL


def alpha_asymmetry(m: Material) -> Found | Reason:
    """ln alpha right less ln alpha left, mean over the frontal pairs present."""
    power = m.band_power
    pairs = [(left, right) for left, right in FRONTAL_PAIRS if left in power and right in power]
    if not pairs:
        both = [p for p in FRONTAL_PAIRS if set(p) <= {canonical(s.name) for s in m.recording.of_type("eeg")}]
        return Reason.LOW_QUALITY if both else Reason.MISSING_CHANNEL
    return _of_powers(
        [power[left]["alpha"] for left, _ in pairs] + [power[right]["alpha"] for _, right in pairs],
        lambda mean: np.mean(np.log(mean[:, len(pairs) :]) - np.log(mean[:, : len(pairs)]), axis=1),
    )


def engagement(m: Material) -> Found | Reason:
    """ln(beta / (alpha + theta)) on the mean power of the frontal channels present."""
    power = [m.band_power[ch] for ch in ENGAGEMENT_CHANNELS if ch in m.band_power]
    if not power:
        return _gone(m, ENGAGEMENT_CHANNELS)
    bands = [np.mean([p[band] for p in power], axis=0) for band in ("beta", "alpha", "theta")]
    return _of_powers(bands, lambda mean: np.log(mean[:, 0] / (mean[:, 1] + mean[:, 2])))


def _of_powers(columns: list[np.ndarray], statistic: Callable[[np.ndarray], np.ndarray]) -> Found | Reason:
    if len({len(c) for c in columns}) != 1:
        return Reason.NOT_SUPPORTED  # channels of different rates or lengths
    if any(len(c) and np.isnan(c).all() for c in columns):
        return Reason.NOT_SUPPORTED  # a rate that does not hold the band
    pieces = np.column_stack(columns)
    pieces = pieces[np.isfinite(pieces).all(axis=1)]
    if len(pieces) < MIN_SEGMENTS:
        return Reason.TOO_FEW
    with np.errstate(divide="ignore", invalid="ignore"):
        return interval(pieces, statistic)


def alpha_peak(m: Material) -> Found | Reason:
    """Frequency of the peak over the 1/f line in the mean spectrum of the posterior channels, else of all."""
    good = m.signals("eeg")
    chosen = [s for s in good if canonical(s.name) in POSTERIOR] or good
    if not chosen:
        return Reason.LOW_QUALITY
    first = chosen[0]
    if first.duration_s < PEAK_SEGMENT_S * (PEAK_SEGMENTS + 1) / 2:
        return Reason.TOO_SHORT
    clock = (first.sfreq, first.onset_s, len(first.data))
    spectra = [m.spectrum(s, PEAK_SEGMENT_S) for s in chosen if (s.sfreq, s.onset_s, len(s.data)) == clock]
    freqs, pieces = spectra[0][0], np.mean([power for _, power in spectra], axis=0)
    pieces = pieces[np.isfinite(pieces).all(axis=1)]
    if len(pieces) < PEAK_SEGMENTS:
        return Reason.TOO_FEW
    if freqs[-1] < LINE_HZ[1][1]:
        return Reason.NOT_SUPPORTED
    with np.errstate(divide="ignore", invalid="ignore"):
        found = interval(pieces, lambda mean: _peak(freqs, mean))
    return found if np.isfinite(found.value) and found.low is not None else Reason.NO_PEAKS


def _peak(freqs: np.ndarray, psd: np.ndarray) -> np.ndarray:
    """Peak frequency of each spectrum (rows); NaN where nothing stands out of the 1/f line."""
    around = np.logical_or.reduce([spectral.band(freqs, *b) for b in LINE_HZ])
    inside = np.flatnonzero(spectral.band(freqs, *PEAK_HZ))
    logs = np.log(psd[:, 1:])
    design = np.column_stack((np.ones(len(freqs) - 1), np.log(freqs[1:])))
    line = logs[:, around[1:]] @ np.linalg.pinv(design[around[1:]]).T @ design.T
    above = np.concatenate((np.zeros((len(psd), 1)), logs - line), axis=1)
    top = inside[np.argmax(above[:, inside], axis=1)]
    rows = np.arange(len(psd))
    left, here, right = above[rows, top - 1], above[rows, top], above[rows, top + 1]
    real = (
        (here >= np.maximum(PEAK_RISE, PEAK_SCATTER * above[:, around].std(axis=1))) & (here >= left) & (here >= right)
    )
    # the top of the parabola through three bins
    shift = np.clip(0.5 * (left - right) / (left - 2 * here + right), -0.5, 0.5)
    hz = freqs[top] + np.where(np.isfinite(shift), shift, 0.0) * (freqs[1] - freqs[0])
    return np.where(real, hz, np.nan)
