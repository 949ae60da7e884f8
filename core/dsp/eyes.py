"""Eyes in the EOG: blinks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import signal as sig

from core.dsp.filters import bandpass, lowpass
from core.types import Signal

# a blink lies in this band, Hz, lasts this long at half its height, s, and is this high, µV (own; a blink measures
# 100 to 400 µV beside the eye); it also stands this many SDs out of the rest
BLINK_HZ = (0.5, 12.0)
BLINK_S = (0.05, 0.5)
BLINK_UV, BLINK_SD = 50.0, 4.0
BLINK_APART_S = 0.2
SLOWEST_HZ = 30.0
# movements of the eyes are slower than this, Hz
GAZE_HZ = 30.0
MAD_TO_SD = 1.4826


@dataclass(frozen=True)
class Blinks:
    """Peak in seconds from the first sample, height in µV, length at half height in s; each of shape (n_blinks,)."""

    peak_s: np.ndarray
    height_uv: np.ndarray
    length_s: np.ndarray

    def __len__(self) -> int:
        return len(self.peak_s)


def channel(signals: Sequence[Signal], way: str) -> Signal | None:
    """The EOG whose name says ``v`` (vertical) or ``h`` (horizontal); without one the first."""
    named = [s for s in signals if way in s.name.lower().replace("eog", "").replace("ch", "")]
    return next(iter(named or signals), None)


def blinks(x: np.ndarray, sfreq: float) -> Blinks:
    """Blinks of a vertical EOG (µV), shape (n_times,), either way up; NaN marks missing samples.

    None where the rate is below 30 Hz.
    """
    none = Blinks(np.empty(0), np.empty(0), np.empty(0))
    if sfreq < SLOWEST_HZ or len(x) < sfreq:
        return none
    wave = bandpass(np.asarray(x, dtype=np.float64), sfreq, *BLINK_HZ, order=2)
    there = np.isfinite(wave)
    if not there.any():
        return none
    noise = MAD_TO_SD * float(np.median(np.abs(wave[there])))
    wave[~there] = 0.0
    if np.percentile(-wave, 99.5) > np.percentile(wave, 99.5):
        wave = -wave
    least = max(BLINK_UV, BLINK_SD * noise)
    peaks, found = sig.find_peaks(
        wave, height=least, prominence=least / 2, width=(BLINK_S[0] * sfreq, BLINK_S[1] * sfreq),
        distance=max(1, BLINK_APART_S * sfreq),
    )  # fmt: skip
    return Blinks(peaks / sfreq, found["peak_heights"], found["widths"] / sfreq)


def speed(x: np.ndarray, sfreq: float) -> np.ndarray:
    """How fast the EOG changes, µV/s, at each sample but the first (NaN)."""
    smooth = lowpass(np.asarray(x, dtype=np.float64), sfreq, GAZE_HZ, order=2) if len(x) > 1 else np.asarray(x, float)
    return np.abs(np.diff(smooth, prepend=np.nan)) * sfreq
