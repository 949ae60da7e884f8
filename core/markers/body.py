"""Markers of breath, movement, muscles and eyes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.dsp import eyes, grid, muscle, slow
from core.markers.common import Found, Material, interval, per_minute
from core.types import Reason

BREATHING_S, MIN_BREATHS = 20.0, 4
BLINKS_S = 20.0


def breathing_rate(m: Material) -> Found | Reason:
    """60 over the mean length of a breath; those more than twice or less than half the median are left out."""
    signals = m.signals("resp")
    if not signals:
        return Reason.LOW_QUALITY
    if signals[0].duration_s < BREATHING_S:
        return Reason.TOO_SHORT
    found = slow.breaths(np.asarray(signals[0].data), signals[0].sfreq)
    if len(found.peak_s) == 0:
        return Reason.NO_PEAKS
    trusted = m.inside("resp", signals[0].onset_s + found.start_s) & m.inside("resp", signals[0].onset_s + found.peak_s)
    lengths = found.length_s[trusted & found.normal()]
    if len(lengths) < MIN_BREATHS:
        return Reason.TOO_FEW
    return interval(lengths[:, None], lambda mean: 60.0 / mean[:, 0])


def movement(m: Material) -> Found | Reason:
    """Mean absolute deviation of the magnitude of acceleration from its median in each window.

    Unlike the distance from 1 g it does not hang on the sensor's calibration, nor on whether gravity was removed.
    """
    signals = m.signals("acc")
    axes = [s for s in signals if (s.sfreq, s.onset_s, len(s.data)) == (
        signals[0].sfreq, signals[0].onset_s, len(signals[0].data))]  # fmt: skip
    if not axes:
        return Reason.LOW_QUALITY
    size = np.sqrt(sum(m.windows(s).astype(np.float64) ** 2 for s in axes))
    away = np.abs(size - np.median(size, axis=1, keepdims=True)).mean(axis=1)
    away = away[np.isfinite(away)]
    return interval(away[:, None], lambda mean: mean[:, 0]) if len(away) else Reason.TOO_FEW


def muscle_activity(m: Material) -> Found | Reason:
    """RMS in the band of muscles (20-450 Hz) over the usable windows of the first EMG.

    It hangs on where the electrodes lie, so it is to be compared with the same site only.
    """
    signals = m.signals("emg")
    if not signals:
        return Reason.LOW_QUALITY
    if signals[0].sfreq < muscle.SLOWEST_HZ:
        return Reason.NOT_SUPPORTED
    kept = replace(signals[0], data=muscle.muscle(np.asarray(signals[0].data), signals[0].sfreq))
    power = (m.windows(kept) ** 2).mean(axis=1)
    power = power[np.isfinite(power)]
    return interval(power[:, None], lambda mean: np.sqrt(mean[:, 0])) if len(power) else Reason.TOO_FEW


def blink_rate(m: Material) -> Found | Reason:
    """Blinks a minute in the vertical EOG, else in the first; of less than 30 Hz none can be told."""
    signal = eyes.channel(m.signals("eog"), "v")
    if signal is None:
        return Reason.LOW_QUALITY
    if signal.sfreq < eyes.SLOWEST_HZ:
        return Reason.NOT_SUPPORTED
    if signal.duration_s < BLINKS_S:
        return Reason.TOO_SHORT
    minutes = m.usable_s("eog") / 60
    if minutes < BLINKS_S / 60:
        return Reason.TOO_FEW
    return per_minute(len(eyes.blinks(grid.trusted(signal, m.quality), signal.sfreq)), minutes)
