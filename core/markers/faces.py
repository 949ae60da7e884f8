"""Markers of the face: its scores as shares of full scale, whatever program wrote them."""

from __future__ import annotations

import numpy as np

from core.dsp import face, grid
from core.dsp.filters import runs
from core.markers.common import Found, Material, interval, per_minute
from core.types import Reason

MICRO_S = 20.0


def smile(m: Material) -> Found | Reason:
    """Share of frames in which AU12, or a score called smile, is over a tenth of its full scale."""
    signal = face.scores(m.signals("face")).get("AU12")
    if signal is None:
        recorded = "AU12" in face.scores(m.recording.of_type("face"))
        return Reason.LOW_QUALITY if recorded else Reason.MISSING_CHANNEL
    windows = m.windows(signal)
    known = np.isfinite(windows)
    if not known.any():
        return Reason.TOO_FEW
    smiling = (windows > face.OCCURS) & known
    pieces = np.column_stack((smiling.sum(axis=1), known.sum(axis=1))).astype(float)
    return interval(pieces, lambda mean: mean[:, 0] / mean[:, 1])


def microexpressions(m: Material) -> Found | Reason:
    """Micro-expressions (0.04-0.5 s) a minute; units that move at the same time are one."""
    found = face.scores(m.signals("face"), graded=True)
    scores = [signal for what, signal in found.items() if what in face.MICRO_AUS]
    if not scores:
        return Reason.MISSING_CHANNEL
    if scores[0].sfreq < face.MICRO_LEAST_HZ:
        return Reason.NOT_SUPPORTED
    if scores[0].duration_s < MICRO_S:
        return Reason.TOO_SHORT
    usable = [grid.trusted(signal, m.quality) for signal in scores]
    minutes = max(np.isfinite(x).sum() / signal.sfreq for x, signal in zip(usable, scores, strict=True)) / 60
    if minutes < MICRO_S / 60:
        return Reason.TOO_FEW
    moving = np.zeros(max(len(x) for x in usable) + 1, dtype=bool)
    for x, signal in zip(usable, scores, strict=True):
        each = face.micro_expressions(x, signal.sfreq)
        for onset_s, offset_s in zip(each.onset_s, each.offset_s, strict=True):
            moving[round(onset_s * signal.sfreq) : round(offset_s * signal.sfreq)] = True
    return per_minute(len(runs(moving)), minutes)
