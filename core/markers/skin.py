"""Markers of the skin: conductance and temperature."""

from __future__ import annotations

from core.markers.common import Found, Material, interval, level, per_minute
from core.types import Reason

SCR_S = 30.0
CORE_TEMPERATURE = ("rect", "core", "oral", "esoph", "tympan", "ear ")  # in a channel's name: not of the skin


def scl(m: Material) -> Found | Reason:
    """Mean skin conductance."""
    return level(m, "eda")


def scr_rate(m: Material) -> Found | Reason:
    """Responses of at least 0.05 µS a minute, with exact Poisson limits; none at all is no_peaks: a silent electrode
    and a calm person look alike."""
    signals = m.signals("eda")
    if not signals:
        return Reason.LOW_QUALITY
    if signals[0].duration_s < SCR_S:
        return Reason.TOO_SHORT
    minutes = m.usable_s("eda") / 60
    if minutes < SCR_S / 60:
        return Reason.TOO_FEW
    return per_minute(len(m.responses), minutes)


def scr_amplitude(m: Material) -> Found | Reason:
    """Mean rise of the responses of at least 0.05 µS."""
    signals = m.signals("eda")
    if not signals:
        return Reason.LOW_QUALITY
    if signals[0].duration_s < SCR_S:
        return Reason.TOO_SHORT
    if len(m.responses) == 0:
        return Reason.NO_PEAKS
    return interval(m.responses.amplitude_us[:, None], lambda mean: mean[:, 0])


def skin_temperature(m: Material) -> Found | Reason:
    """Mean temperature; a probe inside the body says nothing of the skin."""
    signals = m.signals("temp")
    if signals and any(word in signals[0].name.lower() for word in CORE_TEMPERATURE):
        return Reason.NOT_SUPPORTED
    return level(m, "temp")
