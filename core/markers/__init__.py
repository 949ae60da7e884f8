"""Recording -> Markers: values that need no training data, each with its unit and 95 % interval, or a reason.

Markers come from the filtered signals in their own units, never from normalised ones, and each from the windows in
which *its* signal is usable. A type that is graded poor gives ``low_quality``; the heart markers do so for an ECG that
is only marginal, too (requirements d4). Intervals are block bootstraps over neighbouring pieces with a fixed seed, or
exact Poisson limits for a count.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.compute import Progress, part
from core.markers import body, eeg, faces, heart, skin
from core.markers.common import Found, Material
from core.markers.common import interval as interval
from core.settings import MEASURE_NAMES, MEASURE_UNITS
from core.types import Grade, Measure, Pipeline, Quality, Reason, Recording

# name -> channel types, of which the first that was recorded is taken, and function; units: settings.MEASURE_UNITS
MARKERS: dict[str, tuple[tuple[str, ...], Callable[[Material], Found | Reason]]] = {
    "heart_rate": (("ecg", "rr"), heart.heart_rate),
    "rmssd": (("ecg", "rr"), heart.rmssd),
    "pulse_rate": (("ppg",), heart.pulse_rate),
    "pulse_rmssd": (("ppg",), heart.pulse_rmssd),
    "alpha_asymmetry": (("eeg",), eeg.alpha_asymmetry),
    "engagement": (("eeg",), eeg.engagement),
    "alpha_peak": (("eeg",), eeg.alpha_peak),
    "scl": (("eda",), skin.scl),
    "scr_rate": (("eda",), skin.scr_rate),
    "scr_amplitude": (("eda",), skin.scr_amplitude),
    "skin_temperature": (("temp",), skin.skin_temperature),
    "breathing_rate": (("resp",), body.breathing_rate),
    "movement": (("acc",), body.movement),
    "muscle_activity": (("emg",), body.muscle_activity),
    "blink_rate": (("eog",), body.blink_rate),
    "smile": (("face",), faces.smile),
    "microexpressions": (("face",), faces.microexpressions),
}


def compute(
    filtered: Recording, quality: Quality, pipeline: Pipeline, progress: Progress | None = None
) -> tuple[Measure, ...]:
    """Every marker whose signal type was recorded, in the order of MARKERS: a value or the reason there is none."""
    material = Material(filtered, quality, pipeline)
    out = []
    for i, (name, (types, function)) in enumerate(MARKERS.items()):
        type_ = next((t for t in types if t in filtered.types), None)
        if type_ is None:
            continue
        part(progress, 0.0, 1.0)(i / len(MARKERS), f"Computing {MEASURE_NAMES[name].lower()}")
        found = _trusted(type_, quality) or function(material)
        unit = MEASURE_UNITS[name]
        if isinstance(found, Reason):
            out.append(Measure(name, "marker", unit, reason=found))
        elif not np.isfinite(found.value):
            out.append(Measure(name, "marker", unit, reason=Reason.TOO_FEW))
        else:
            out.append(Measure(name, "marker", unit, found.value, found.low, found.high))
    return tuple(out)


def _trusted(type_: str, quality: Quality) -> Reason | None:
    """Why no marker of a type may be computed at all; None where it may."""
    verdict = quality.of(type_)
    if verdict is None:
        return Reason.MISSING_CHANNEL
    if len(quality.onset_s) == 0:
        return Reason.TOO_SHORT
    if verdict.grade is Grade.POOR or not verdict.usable.any() or (type_ == "ecg" and verdict.grade is not Grade.GOOD):
        return Reason.LOW_QUALITY
    return None
