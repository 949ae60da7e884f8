"""Markers of the heart, from an ECG or a list of intervals, and from the pulse."""

from __future__ import annotations

import numpy as np

from core.markers.common import Found, Material, interval
from core.types import Reason

MIN_RR = 3
RMSSD_S, RMSSD_STEPS = 60.0, 20  # ux 10.2
MIN_PULSES, PULSE_COVER = 10, 0.5


def heart_rate(m: Material) -> Found | Reason:
    """60 over the mean normal interval."""
    rr_ms = m.rr_ms[np.isfinite(m.rr_ms)]
    if len(m.rr_ms) == 0:
        return Reason.NO_PEAKS
    if len(rr_ms) < MIN_RR:
        return Reason.TOO_FEW
    return interval(rr_ms[:, None], lambda mean: 60000.0 / mean[:, 0])


def rmssd(m: Material) -> Found | Reason:
    """Over all neighbouring normal intervals of at least 60 s; differences across a rejected beat are dropped."""
    if m.heart is None or len(m.rr_ms) == 0:
        return Reason.NO_PEAKS
    if m.heart.duration_s < RMSSD_S:
        return Reason.TOO_SHORT
    return _of_steps(m.rr_ms)


def _of_steps(rr_ms: np.ndarray) -> Found | Reason:
    """Root of the mean squared difference of neighbouring intervals."""
    steps = np.diff(rr_ms)
    steps = steps[np.isfinite(steps)]
    if len(steps) < RMSSD_STEPS:
        return Reason.TOO_FEW
    return interval(steps[:, None] ** 2, lambda mean: np.sqrt(mean[:, 0]))


def pulse_rate(m: Material) -> Found | Reason:
    """60 over the mean normal interval between pulses."""
    signals = m.signals("ppg")
    if not signals:
        return Reason.LOW_QUALITY
    if len(m.pulse_ms) == 0:
        return Reason.NO_PEAKS
    rr_ms = m.pulse_ms[np.isfinite(m.pulse_ms)]
    if len(rr_ms) < MIN_PULSES:
        return Reason.TOO_SHORT if signals[0].duration_s < MIN_PULSES else Reason.TOO_FEW
    return interval(rr_ms[:, None], lambda mean: 60000.0 / mean[:, 0])


def pulse_rmssd(m: Material) -> Found | Reason:
    """As RMSSD, where valid intervals cover half of the usable time: a wrist loses many pulses to movement."""
    signals = m.signals("ppg")
    if not signals:
        return Reason.LOW_QUALITY
    if len(m.pulse_ms) == 0:
        return Reason.NO_PEAKS
    if signals[0].duration_s < RMSSD_S:
        return Reason.TOO_SHORT
    if np.nansum(m.pulse_ms) / 1000 < PULSE_COVER * m.usable_s("ppg"):
        return Reason.LOW_QUALITY
    return _of_steps(m.pulse_ms)
