"""Quality of the ECG (requirements d4): the rhythm must be plausible, two detectors agree, beats look alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from core.dsp import beats, grid
from core.dsp.filters import bandpass
from core.quality.common import (
    BLOCKING,
    DEGRADED_SHARE,
    RAIL_RUN_S,
    VOLTS_BELOW,
    Cut,
    Verdict,
    count_beats,
    first_look,
    flag_reasons,
    flat_run,
    join_words,
    leave_out_blocked,
    rail,
    share_of,
    share_reason,
    spread,
    type_quality,
)
from core.types import Grade, Pipeline, Signal, TypeQuality

# pass, and (own) marginal; HR in /min
FLAT_RUN_S = 0.5
ECG_FLAT_SD_MV = 0.005
ECG_PLAUSIBLE = (0.9, 0.7)
ECG_AGREEMENT = (0.9, 0.75)
ECG_LIKENESS = (0.8, 0.6)
ECG_HR = (30.0, 220.0)
ECG_EDGE_S = 0.5  # own: beats cut by the ends are not held against either detector
ECG_MV_ABOVE = 50.0  # own: no heart reaches 50 mV at the skin


def judge(signals: Sequence[Signal], onset_s: np.ndarray, pipeline: Pipeline) -> tuple[list[Verdict], TypeQuality]:
    """Each lead by the rules of d4; the type is graded by the lead that features and markers will take."""
    verdicts, usables = [], []
    for signal in signals:
        verdict, usable = _ecg_lead(signal, onset_s, pipeline)
        verdicts.append(verdict)
        usables.append(usable)
    # the lead that features and markers will take: the same choice as core.dsp.beats.lead
    order = [i for i, v in enumerate(verdicts) if not v.bad]
    reasons = flag_reasons("ecg", verdicts)
    present = np.logical_or.reduce([v.covered for v in verdicts])
    if not order:
        return verdicts, type_quality("ecg", Grade.POOR, np.zeros(len(onset_s), dtype=bool), present, reasons)
    best = min(order, key=lambda i: len({*verdicts[i].flags, *verdicts[i].whole}))
    grade, usable = verdicts[best].grade, usables[best]
    share = share_of(usable, present)
    if grade is not Grade.GOOD:
        why = join_words(verdicts[best].whole) or "loses windows"
        reasons.append(f"ECG: {verdicts[best].signal.name} {why}")
    reasons += share_reason("ecg", share)
    return verdicts, type_quality("ecg", grade, usable, present, reasons)


def _ecg_lead(signal: Signal, onset_s: np.ndarray, pipeline: Pipeline) -> tuple[Verdict, np.ndarray]:
    verdict, part = first_look(signal, onset_s, pipeline)
    flat_run(verdict, part, FLAT_RUN_S)
    rail(verdict, part, RAIL_RUN_S)
    nothing = np.zeros(len(onset_s), dtype=bool)
    x = bandpass(np.where(part.gap, np.nan, part.filled), signal.sfreq, *pipeline.ecg_band, order=pipeline.filter_order)
    if len(part.at) == 0 or not np.isfinite(x).any():
        verdict.bad, verdict.grade = True, Grade.POOR
        return verdict, nothing
    sd = part.windows(np.nan_to_num(x)).std(axis=1)
    verdict.mark("flat", spread(sd < ECG_FLAT_SD_MV, part, verdict))
    leave_out_blocked(verdict)
    seen = part.filled[~part.gap]
    if 0 < np.abs(seen - np.median(seen)).max() < VOLTS_BELOW:
        verdict.whole.append("volts")
    if np.percentile(np.abs(x[np.isfinite(x)]), 99.5) > ECG_MV_ABOVE:
        verdict.whole.append("microvolts")
    if verdict.bad:
        verdict.grade = Grade.POOR
        return verdict, nothing

    found = beats.detect_r_peaks(x, signal.sfreq)
    alike = beats.likeness(x, found, signal.sfreq)
    _beat_windows(verdict, part, found, alike)
    usable = verdict.covered & ~verdict.any_of([*BLOCKING, "no_beats", "shape"])
    verdict.beats = count_beats(verdict, found, usable, onset_s, pipeline)
    measured = {
        "intervals": float(beats.plausible(found).mean()) if len(found) > 1 else 0.0,
        "agreement": _agreement(x, found, signal),
        "shape": float(np.nanmean(alike)) if np.isfinite(alike).any() else 0.0,
    }
    limits = {"intervals": ECG_PLAUSIBLE, "agreement": ECG_AGREEMENT, "shape": ECG_LIKENESS}
    # d4 grades an ECG by its rule, not by its share: a gap does not hide the heart rate on either side of it
    grade = Grade.GOOD if share_of(usable, verdict.covered) >= DEGRADED_SHARE else Grade.POOR
    for reason, value in measured.items():
        good, marginal = limits[reason]
        if value < good:
            verdict.whole.append(reason)
            grade = max(grade, Grade.DEGRADED if value >= marginal else Grade.POOR, key=lambda g: g.rank)
    rr_ms = np.diff(found) * 1000
    rate = 60000 / float(np.median(rr_ms)) if len(rr_ms) else 0.0
    if not ECG_HR[0] <= rate <= ECG_HR[1]:
        verdict.whole.append("rate")
        grade = Grade.POOR
    if "microvolts" in verdict.whole or "volts" in verdict.whole:
        grade = max(grade, Grade.DEGRADED, key=lambda g: g.rank)
    verdict.grade = grade
    if grade is Grade.POOR:
        verdict.bad = True
    return verdict, usable


def _beat_windows(verdict: Verdict, part: Cut, found: np.ndarray, alike: np.ndarray) -> None:
    """Flag windows that hold a stretch longer than the longest plausible interval without a beat, or odd shapes."""
    sfreq = verdict.signal.sfreq
    edges = np.concatenate(([0.0], found, [len(part.filled) / sfreq]))
    silent = np.zeros(len(part.filled), dtype=bool)
    for start, end in pairwise(edges):
        if end - start > beats.RR_MS[1] / 1000:
            silent[int(start * sfreq) : int(end * sfreq)] = True
    counts = grid.count_in(silent, part.start, part.n)
    # half a window without beats, not the tail of a silent stretch
    verdict.mark("no_beats", spread(counts > part.n / 2, part, verdict))
    known = np.isfinite(alike)
    at, values = found[known] * sfreq, alike[known]
    total = np.concatenate(([0.0], np.cumsum(values)))
    first, last = np.searchsorted(at, part.start), np.searchsorted(at, part.start + part.n)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (total[last] - total[first]) / (last - first)
    verdict.mark("shape", spread(mean < ECG_LIKENESS[1], part, verdict))


def _agreement(x: np.ndarray, found: np.ndarray, signal: Signal) -> float:
    """F1 of the two detectors away from the ends."""
    if len(found) == 0:
        return 0.0
    other = beats.second_detector(x, signal.sfreq)
    end = len(x) / signal.sfreq - ECG_EDGE_S

    def away(times: np.ndarray, margin: float) -> np.ndarray:
        return times[(times > ECG_EDGE_S - margin) & (times < end + margin)]

    # a beat near the cut may lie on either side of it: match against the wider set
    a, b = away(found, 0.0), away(other, 0.0)
    if len(a) + len(b) == 0:
        return 0.0
    seen = beats.matched(a, away(other, beats.SAME_BEAT_S)).sum()
    seen += beats.matched(b, away(found, beats.SAME_BEAT_S)).sum()
    return float(seen / (len(a) + len(b)))
