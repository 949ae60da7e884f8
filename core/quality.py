"""Recording -> Quality: which channels and windows can be trusted, and why not, in plain words.

Rules and numbers are those of requirements d4 unless a line says "own". Windows of all types lie on one grid over the
whole recording; a signal type is graded over the windows in which it was recorded at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from scipy import ndimage

from core.dsp import beats, grid, spectral
from core.dsp.filters import bandpass, fill_gaps, highpass, longer_than, lowpass, notch
from core.dsp.montage import neighbours
from core.types import BadSpan, BeatCount, Grade, Pipeline, Quality, Recording, Signal, SignalQuality, TypeQuality

# --- windows are judged after this high-pass, Hz (EPOC raw data carries an offset of 4200 µV)
HIGHPASS_HZ = 0.5
# --- EEG, µV
FLAT_SD_UV = 0.5
FLAT_RUN_S = 0.5
RAIL_SHARE = 0.01
RAIL_SAMPLES = 3  # own: at 1 Hz one sample is already a quarter of a window
AMPLITUDE_UV = 200.0  # 0.5-99.5 percentile range
JUMP_UV, JUMP_S, JUMP_SHARE = 30.0, 1 / 128, 0.01
LINE_HALF_HZ, LINE_SHARE = 2.0, 0.5  # 48-52 / 1-45 Hz
WHOLE_HZ = (1.0, 45.0)
MUSCLE_HZ, BRAIN_HZ, MUSCLE_RATIO = (30.0, 45.0), (1.0, 30.0), 1.0
LONELY_R, LONELY_NEAREST, LONELY_SHARE, LONELY_CHANNELS = 0.1, 4, 0.6, 3
DUPLICATE_R = 0.99999  # own: a bridge or a copied column; noise alone keeps two electrodes below it
VOLTS_BELOW = 1e-3
# --- a channel is left out, a window is valid, a type is graded
MISSING_SHARE = 0.2
BLOCKED_SHARE = 0.5
OTHER_FLAGS, OTHER_CHANNELS = 2, 4 / 14
GOOD_SHARE, DEGRADED_SHARE = 0.8, 0.5
GOOD_BAD_CHANNELS, DEGRADED_BAD_CHANNELS = 1 / 14, 4 / 14
# --- ECG: pass, and (own) marginal; HR in /min
ECG_FLAT_SD_MV = 0.005
ECG_PLAUSIBLE = (0.9, 0.7)
ECG_AGREEMENT = (0.9, 0.75)
ECG_LIKENESS = (0.8, 0.6)
ECG_HR = (30.0, 220.0)
ECG_EDGE_S = 0.5  # own: beats cut by the ends are not held against either detector
ECG_MV_ABOVE = 50.0  # own: no heart reaches 50 mV at the skin
# --- other types (own; sources beside them)
EDA_LOWEST_US = 0.05  # below it the electrode has no contact (stress.md, pitfalls)
# contact lost or made: a fall or lasting rise of this (stress.md: over 0.5 µS a sample at 4 Hz). A response may rise so
# fast too (NeuroKit2 simulates 1 µS in 0.25 s), but is half gone within this time, s; the other numbers are own
EDA_JUMP_US, EDA_JUMP_S, EDA_RECOVERY_S = 0.5, 0.25, 10.0
EDA_FASTEST_US = 1.5
EDA_FLAT_RUN_S = 10.0
TEMP_RANGE_C = (15.0, 45.0)
ACC_RANGE_G = 16.0
SLOW_FLAT_RUN_S, SLOW_FLAT_SAMPLES = 2.0, 5
RAIL_RUN_S = 0.1
# a window shows pulses where a fifth of it (stress.md: "no reading" below 20 %) lies between two pulses that resemble
# the median one; on 27 wrists 59-96 % of the windows do so, of white noise 18 %, of brown noise 43 %
PULSE_COVER, PULSE_LIKENESS = 0.2, 0.6

_BLOCKING = ("gap", "flat", "rail", "marked")
_OTHERS = ("amplitude", "jump", "line", "muscle")
WORDS = {
    "gap": "has gaps",
    "flat": "is flat",
    "rail": "is at the end of its range",
    "amplitude": "is too large",
    "jump": "jumps",
    "line": "is mostly mains hum",
    "muscle": "is mostly muscle",
    "lonely": "is not related to its neighbours",
    "duplicate": "is a copy of another channel",
    "missing": "is missing for more than a fifth of the time",
    "volts": "has values below 0.001: is it in volts?",
    "no_beats": "shows no beats",
    "shape": "has beats that do not look alike",
    "intervals": "has implausible intervals between beats",
    "agreement": "has beats on which two detectors disagree",
    "rate": "has a heart rate outside 30-220 /min",
    "microvolts": "has values above 50: is it in µV?",
    "marked": "is marked as bad",
    "low": "is below 0.05 µS: no contact",
    "range": "is outside the plausible range",
}


@dataclass
class _Verdict:
    """One channel while it is judged: ``flags`` maps a reason to a mask over the windows of the grid."""

    signal: Signal
    covered: np.ndarray
    missing: float
    flags: dict[str, np.ndarray] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)  # flags of the whole channel, not of windows
    bad: bool = False
    grade: Grade = Grade.GOOD  # ECG only
    beats: BeatCount | None = None
    pulses: np.ndarray = field(default_factory=lambda: np.empty(0))  # of a PPG, s from its start

    def mark(self, reason: str, windows: np.ndarray) -> None:
        if windows.any():
            self.flags[reason] = self.flags.get(reason, np.zeros(len(self.covered), dtype=bool)) | windows

    def any_of(self, reasons: Sequence[str]) -> np.ndarray:
        out = np.zeros(len(self.covered), dtype=bool)
        for reason in reasons:
            if reason in self.flags:
                out |= self.flags[reason]
        return out


@dataclass(frozen=True)
class _Cut:
    """The windows of one channel that it covers: gaps filled, and where on the grid they lie."""

    filled: np.ndarray
    gap: np.ndarray
    start: np.ndarray
    n: int
    at: np.ndarray  # indices into the grid

    def windows(self, x: np.ndarray) -> np.ndarray:
        return grid.cut(x, self.start, self.n)


def assess(recording: Recording, pipeline: Pipeline) -> Quality:
    """Judge every signal of a recording, unfiltered, on the pipeline's window grid.

    Never raises for a signal that is merely bad: that is the answer. Signals of type misc are listed with the
    share of windows without a gap, and graded nowhere.
    """
    onset_s = grid.onsets(recording.duration_s, pipeline.window_s, pipeline.step_s)
    recording = _marked(recording)
    judged: dict[str, list[_Verdict]] = {}
    types: list[TypeQuality] = []
    for type_ in recording.types:
        verdicts, quality = _JUDGES.get(type_, _judge_generic)(recording.of_type(type_), onset_s, pipeline)
        judged[type_] = verdicts
        types.append(quality)
    judged["misc"] = [_start(s, onset_s, pipeline)[0] for s in recording.of_type("misc")]
    by_signal = {id(v.signal): v for verdicts in judged.values() for v in verdicts}
    signals = tuple(_signal_quality(by_signal[id(s)], onset_s, pipeline.window_s) for s in recording.signals)
    return Quality(onset_s, pipeline.window_s, signals, tuple(types))


# --- shared steps


def _marked(recording: Recording) -> Recording:
    """Each signal with its stretches annotated ``BAD_...`` (any case, as in MNE), or those of all, as marked."""
    found = [a for a in recording.annotations if a.bad and a.duration_s > 0]
    if not found:
        return recording
    names = {s.name for s in recording.signals}

    def spans(name: str) -> list[tuple[float, float]]:
        mine = [a for a in found if a.channel == name or a.channel not in names]
        return [(a.onset_s, a.onset_s + a.duration_s) for a in mine]

    return replace(recording, signals=tuple(replace(s, marked=(*s.marked, *spans(s.name))) for s in recording.signals))


def _start(signal: Signal, onset_s: np.ndarray, pipeline: Pipeline) -> tuple[_Verdict, _Cut]:
    """Gaps and missing samples: what is asked of every channel."""
    data = np.asarray(signal.data)
    filled, gap = fill_gaps(data, signal.sfreq)
    start, covered = grid.starts(signal, onset_s, pipeline.window_s)
    n = grid.n_samples(signal.sfreq, pipeline.window_s)
    at = np.flatnonzero(covered)
    part = _Cut(filled, gap, start[at], n, at)
    missing = float(1 - np.isfinite(data).mean()) if len(data) else 1.0
    verdict = _Verdict(signal, covered, missing)
    for begin, end in signal.marked:
        verdict.mark("marked", covered & (onset_s < end) & (onset_s + pipeline.window_s > begin))
    if len(at):
        verdict.mark("gap", _spread(grid.count_in(gap, part.start, n) > 0, part, verdict))
    if missing > MISSING_SHARE:
        verdict.whole.append("missing")
        verdict.bad = True
    return verdict, part


def _spread(found: np.ndarray, part: _Cut, verdict: _Verdict) -> np.ndarray:
    """From the windows a channel covers to the whole grid."""
    out = np.zeros(len(verdict.covered), dtype=bool)
    out[part.at] = found
    return out


def _flat_run(verdict: _Verdict, part: _Cut, longest_s: float, samples: int = 2) -> None:
    """Flag windows that hold a constant stretch longer than ``longest_s``, or nothing else."""
    if len(part.at) == 0:
        return
    limit = max(longest_s * verdict.signal.sfreq, samples)
    same = np.concatenate(([False], np.diff(part.filled) == 0)) & ~part.gap
    held = longer_than(same, limit - 1)  # k equal steps are k + 1 equal samples
    inside = grid.count_in(held, part.start, part.n)
    verdict.mark("flat", _spread(inside >= min(limit, part.n - 1), part, verdict) if part.n > 1 else part.at[:0])


def _rail(verdict: _Verdict, part: _Cut, run_s: float = 0.0) -> None:
    """Flag windows with too many samples at the channel's highest or lowest code."""
    if len(part.at) == 0:
        return
    seen = part.filled[~part.gap]
    if seen.size == 0 or not np.ptp(seen) > 0:
        return
    for end in (seen.min(), seen.max()):
        at_end = (part.filled == end) & ~part.gap
        if run_s:
            at_end = longer_than(at_end, max(run_s * verdict.signal.sfreq, SLOW_FLAT_SAMPLES) - 1)
        counts = grid.count_in(at_end, part.start, part.n)
        verdict.mark("rail", _spread(counts >= max(RAIL_SHARE * part.n, RAIL_SAMPLES), part, verdict))


def _share(mask: np.ndarray, of: np.ndarray) -> float:
    return float(mask[of].mean()) if of.any() else 0.0


def _leave_out_blocked(verdict: _Verdict) -> None:
    if not verdict.covered.any() or _share(verdict.any_of(_BLOCKING), verdict.covered) > BLOCKED_SHARE:
        verdict.bad = True


def _signal_quality(verdict: _Verdict, onset_s: np.ndarray, window_s: float) -> SignalQuality:
    flagged = verdict.any_of(list(verdict.flags))  # on this channel; a window can bear some, see the type's share
    usable = 0.0 if verdict.bad or not verdict.covered.any() else 1 - _share(flagged, verdict.covered)
    spans = [
        BadSpan(float(start), float(end - start), reason)
        for reason, mask in verdict.flags.items()
        for start, end in _spans(mask, onset_s, window_s)
    ]
    if verdict.bad and verdict.whole:
        s = verdict.signal
        spans += [BadSpan(s.onset_s, s.duration_s, reason) for reason in verdict.whole]
    flags = tuple(dict.fromkeys([*verdict.flags, *verdict.whole]))
    ordered = tuple(sorted(spans, key=_span_key))
    return SignalQuality(verdict.signal.name, verdict.signal.type, usable, flags, verdict.bad, ordered, verdict.beats)


def _span_key(span: BadSpan) -> tuple[float, str]:
    return span.onset_s, span.reason


def _spans(mask: np.ndarray, onset_s: np.ndarray, window_s: float) -> list[tuple[float, float]]:
    """Flagged windows that touch, as one stretch."""
    out: list[tuple[float, float]] = []
    for onset in onset_s[mask]:
        if out and onset <= out[-1][1] + 1e-9:
            out[-1] = (out[-1][0], onset + window_s)
        else:
            out.append((onset, onset + window_s))
    return out


def _by_share(share: float) -> Grade:
    if share >= GOOD_SHARE:
        return Grade.GOOD
    return Grade.DEGRADED if share >= DEGRADED_SHARE else Grade.POOR


def _type_quality(type_: str, grade: Grade, usable: np.ndarray, present: np.ndarray, reasons: list[str]) -> TypeQuality:
    share = _share(usable, present)
    if not present.any():
        grade, reasons = Grade.POOR, [*reasons, f"{_label(type_)}: shorter than one window"]
    return TypeQuality(type_, grade, share, usable, tuple(reasons))


def _label(type_: str) -> str:
    return {"temp": "temperature", "acc": "acceleration", "resp": "respiration"}.get(type_, type_.upper())


def _per_cent(share: float) -> str:
    return f"{round(100 * share)} %"


def _share_reason(type_: str, share: float) -> list[str]:
    return [] if share >= GOOD_SHARE else [f"{_label(type_)}: {_per_cent(share)} of the windows can be used"]


def _flag_reasons(type_: str, verdicts: Sequence[_Verdict]) -> list[str]:
    """One sentence for each channel that is left out, and for each reason that costs windows."""
    out = []
    for v in verdicts:
        if v.bad:
            why = v.whole or [f for f in _BLOCKING if f in v.flags] or list(v.flags)
            text = _join(why) or "has no whole window"
            out.append(f"{_label(type_)}: {v.signal.name} {text}, left out")
    return out


def _join(flags: Sequence[str]) -> str:
    words = [WORDS[f] for f in flags]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


# --- EEG


def _judge_eeg(
    signals: Sequence[Signal], onset_s: np.ndarray, pipeline: Pipeline
) -> tuple[list[_Verdict], TypeQuality]:
    verdicts, clean, cuts = [], [], []
    for signal in signals:
        verdict, part = _start(signal, onset_s, pipeline)
        _flat_run(verdict, part, FLAT_RUN_S)
        _rail(verdict, part)
        x = highpass(part.filled, signal.sfreq, HIGHPASS_HZ) if len(part.filled) > 1 else part.filled
        if len(part.at):
            x = _eeg_windows(verdict, part, x, pipeline.line_hz)
        seen = part.filled[~part.gap]
        if seen.size and 0 < np.abs(seen).max() < VOLTS_BELOW:
            verdict.whole.append("volts")
        _leave_out_blocked(verdict)
        verdicts.append(verdict)
        clean.append(x)
        cuts.append(part)
    _related(verdicts, cuts, clean)
    return verdicts, _grade_eeg(verdicts, onset_s)


def _eeg_windows(verdict: _Verdict, part: _Cut, x: np.ndarray, line_hz: float) -> np.ndarray:
    """The rules that look at one window of one channel in µV, high-passed; gives what the chain keeps of it.

    Amplitude and slew are asked of the signal up to 45 Hz without mains: the limits are those of a headset that
    passes no more, and hum that the filters take out is the line rule's affair.
    """
    sfreq, n = verdict.signal.sfreq, part.n
    windows = part.windows(x.astype(np.float32))
    verdict.mark("flat", _spread(windows.std(axis=1, dtype=np.float64) < FLAT_SD_UV, part, verdict))
    kept = notch(lowpass(x, sfreq, WHOLE_HZ[1]), sfreq, line_hz, Pipeline.notch_q)
    # sorting float32 is eight times faster, and 200 µV need no more digits
    ordered = np.sort(part.windows(kept.astype(np.float32)), axis=1)
    low, high = (_quantile(ordered, q) for q in (0.005, 0.995))
    verdict.mark("amplitude", _spread(high - low > AMPLITUDE_UV, part, verdict))

    lag = max(1, round(JUMP_S * sfreq))
    if n > lag:
        limit = JUMP_UV * lag / (JUMP_S * sfreq)  # the same slew at another rate
        steps = np.abs(kept[lag:] - kept[:-lag]) > limit
        verdict.mark("jump", _spread(grid.count_in(steps, part.start, n - lag) > JUMP_SHARE * (n - lag), part, verdict))

    freqs, psd = spectral.window_psd(x, part.start, n, sfreq)

    def power(low: float, high: float) -> np.ndarray:
        return spectral.band_power(psd, freqs, low, high)

    with np.errstate(divide="ignore", invalid="ignore"):
        if line_hz + LINE_HALF_HZ < sfreq / 2:
            hum = power(line_hz - LINE_HALF_HZ, line_hz + LINE_HALF_HZ) / power(*WHOLE_HZ)
            verdict.mark("line", _spread(hum > LINE_SHARE, part, verdict))
        if sfreq / 2 >= MUSCLE_HZ[1]:
            verdict.mark("muscle", _spread(power(*MUSCLE_HZ) / power(*BRAIN_HZ) > MUSCLE_RATIO, part, verdict))
    return kept


def _quantile(ordered: np.ndarray, q: float) -> np.ndarray:
    """Quantile of sorted rows, linear between samples as numpy's."""
    place = q * (ordered.shape[1] - 1)
    low, part = int(place), place - int(place)
    return ordered[:, low] + part * (ordered[:, min(low + 1, ordered.shape[1] - 1)] - ordered[:, low])


def _related(verdicts: list[_Verdict], cuts: list[_Cut], clean: list[np.ndarray]) -> None:
    """Channels without any relation to their neighbours, and copies, among those with a signal."""
    kept = [i for i, v in enumerate(verdicts) if not v.bad and v.covered.any()]
    # windows can be compared sample by sample only at one rate; the commonest is enough
    rates = [verdicts[i].signal.sfreq for i in kept]
    kept = [i for i in kept if verdicts[i].signal.sfreq == max(set(rates), key=rates.count)]
    if len(kept) < LONELY_CHANNELS:
        return
    common = np.logical_and.reduce([verdicts[i].covered for i in kept])
    if not common.any():
        return
    near = neighbours([verdicts[i].signal.name for i in kept], LONELY_NEAREST)
    others = ~np.eye(len(kept), dtype=bool)
    places = [np.searchsorted(cuts[i].at, np.flatnonzero(common)) for i in kept]
    n, total = cuts[kept[0]].n, int(common.sum())
    lonely, copied = np.zeros(len(kept)), np.zeros(len(kept))
    views = [np.lib.stride_tricks.sliding_window_view(clean[i].astype(np.float32), n) for i in kept]
    for at in range(0, total, 64):
        block = np.stack(
            [v[cuts[i].start[p[at : at + 64]]] for v, i, p in zip(views, kept, places, strict=True)], axis=1
        )
        block -= block.mean(axis=2, keepdims=True)
        size = np.sqrt(np.einsum("wct,wct->wc", block, block))[:, :, None]
        np.divide(block, size, out=block, where=size > 0)
        r = np.abs(block @ block.transpose(0, 2, 1))
        lonely += np.where(near, r < LONELY_R, True).all(axis=2).sum(axis=0)
        copied += (others & (r > DUPLICATE_R)).any(axis=2).sum(axis=0)
    for place, i in enumerate(kept):
        if lonely[place] / total > LONELY_SHARE:
            verdicts[i].whole.append("lonely")
            verdicts[i].bad = True
        if copied[place] / total > LONELY_SHARE:
            verdicts[i].whole.append("duplicate")
            verdicts[i].bad = True


def _grade_eeg(verdicts: list[_Verdict], onset_s: np.ndarray) -> TypeQuality:
    n, kept = len(verdicts), [v for v in verdicts if not v.bad]
    n_bad = n - len(kept)
    present = np.logical_or.reduce([v.covered for v in verdicts])
    usable = present.copy() if kept else np.zeros(len(onset_s), dtype=bool)
    kinds, channels = np.zeros(len(onset_s), dtype=int), np.zeros(len(onset_s), dtype=int)
    for v in kept:
        usable &= v.covered & ~v.any_of(_BLOCKING)
        channels += v.any_of(_OTHERS)
    for reason in _OTHERS:
        kinds += np.logical_or.reduce([v.any_of([reason]) for v in kept]) if kept else 0
    usable &= (kinds <= OTHER_FLAGS) & (channels <= _of(n, OTHER_CHANNELS))
    share = _share(usable, present)
    grade = _by_share(share)
    reasons = _flag_reasons("eeg", verdicts)
    if n_bad > _of(n, DEGRADED_BAD_CHANNELS):
        grade = Grade.POOR
    elif n_bad > _of(n, GOOD_BAD_CHANNELS) and grade is Grade.GOOD:
        grade = Grade.DEGRADED
    if grade is not Grade.GOOD and n_bad > _of(n, GOOD_BAD_CHANNELS):
        reasons.insert(0, f"EEG: {n_bad} of {n} channels are left out")
    reasons += _share_reason("eeg", share)
    if share < GOOD_SHARE and kept:
        worst = {r: float(np.mean([_share(v.any_of([r]), present) for v in kept])) for r in (*_BLOCKING, *_OTHERS)}
        common = max(worst, key=lambda r: worst[r])
        if worst[common] > 0:
            reasons.append(f"EEG: most often the signal {WORDS[common]}")
    reasons += [f"EEG: {v.signal.name} {WORDS['volts']}" for v in verdicts if "volts" in v.whole and not v.bad]
    return _type_quality("eeg", grade, usable, present, reasons)


def _of(n: int, share: float) -> int:
    """A number of channels given for 14, as the same share of ``n``, rounded up."""
    return math.ceil(n * share - 1e-9)


# --- ECG


def _judge_ecg(
    signals: Sequence[Signal], onset_s: np.ndarray, pipeline: Pipeline
) -> tuple[list[_Verdict], TypeQuality]:
    verdicts, usables = [], []
    for signal in signals:
        verdict, usable = _ecg_lead(signal, onset_s, pipeline)
        verdicts.append(verdict)
        usables.append(usable)
    # the lead that features and markers will take: the same choice as core.dsp.beats.lead
    order = [i for i, v in enumerate(verdicts) if not v.bad]
    reasons = _flag_reasons("ecg", verdicts)
    present = np.logical_or.reduce([v.covered for v in verdicts])
    if not order:
        return verdicts, _type_quality("ecg", Grade.POOR, np.zeros(len(onset_s), dtype=bool), present, reasons)
    best = min(order, key=lambda i: len({*verdicts[i].flags, *verdicts[i].whole}))
    grade, usable = verdicts[best].grade, usables[best]
    share = _share(usable, present)
    if grade is not Grade.GOOD:
        why = _join(verdicts[best].whole) or "loses windows"
        reasons.append(f"ECG: {verdicts[best].signal.name} {why}")
    reasons += _share_reason("ecg", share)
    return verdicts, _type_quality("ecg", grade, usable, present, reasons)


def _ecg_lead(signal: Signal, onset_s: np.ndarray, pipeline: Pipeline) -> tuple[_Verdict, np.ndarray]:
    verdict, part = _start(signal, onset_s, pipeline)
    _flat_run(verdict, part, FLAT_RUN_S)
    _rail(verdict, part, RAIL_RUN_S)
    nothing = np.zeros(len(onset_s), dtype=bool)
    x = bandpass(np.where(part.gap, np.nan, part.filled), signal.sfreq, *pipeline.ecg_band, order=pipeline.filter_order)
    if len(part.at) == 0 or not np.isfinite(x).any():
        verdict.bad, verdict.grade = True, Grade.POOR
        return verdict, nothing
    sd = part.windows(np.nan_to_num(x)).std(axis=1)
    verdict.mark("flat", _spread(sd < ECG_FLAT_SD_MV, part, verdict))
    _leave_out_blocked(verdict)
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
    usable = verdict.covered & ~verdict.any_of([*_BLOCKING, "no_beats", "shape"])
    verdict.beats = _count(verdict, found, usable, onset_s, pipeline)
    measured = {
        "intervals": float(beats.plausible(found).mean()) if len(found) > 1 else 0.0,
        "agreement": _agreement(x, found, signal),
        "shape": float(np.nanmean(alike)) if np.isfinite(alike).any() else 0.0,
    }
    limits = {"intervals": ECG_PLAUSIBLE, "agreement": ECG_AGREEMENT, "shape": ECG_LIKENESS}
    # d4 grades an ECG by its rule, not by its share: a gap does not hide the heart rate on either side of it
    grade = Grade.GOOD if _share(usable, verdict.covered) >= DEGRADED_SHARE else Grade.POOR
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


def _count(
    verdict: _Verdict, found: np.ndarray, usable: np.ndarray, onset_s: np.ndarray, pipeline: Pipeline
) -> BeatCount:
    """The beats found in a channel; those outside its usable windows are left out."""
    return beats.count(found, grid.inside(verdict.signal.onset_s + found, onset_s, pipeline.window_s, usable))


def _beat_windows(verdict: _Verdict, part: _Cut, found: np.ndarray, alike: np.ndarray) -> None:
    """Flag windows that hold a stretch longer than the longest plausible interval without a beat, or odd shapes."""
    sfreq = verdict.signal.sfreq
    edges = np.concatenate(([0.0], found, [len(part.filled) / sfreq]))
    silent = np.zeros(len(part.filled), dtype=bool)
    for start, end in pairwise(edges):
        if end - start > beats.RR_MS[1] / 1000:
            silent[int(start * sfreq) : int(end * sfreq)] = True
    counts = grid.count_in(silent, part.start, part.n)
    # half a window without beats, not the tail of a silent stretch
    verdict.mark("no_beats", _spread(counts > part.n / 2, part, verdict))
    known = np.isfinite(alike)
    at, values = found[known] * sfreq, alike[known]
    total = np.concatenate(([0.0], np.cumsum(values)))
    first, last = np.searchsorted(at, part.start), np.searchsorted(at, part.start + part.n)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (total[last] - total[first]) / (last - first)
    verdict.mark("shape", _spread(mean < ECG_LIKENESS[1], part, verdict))


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


# --- other types


def _judge_generic(
    signals: Sequence[Signal], onset_s: np.ndarray, pipeline: Pipeline
) -> tuple[list[_Verdict], TypeQuality]:
    """Graded by the share of windows in which at least one channel that is not left out can be used."""
    verdicts = [_generic(signal, onset_s, pipeline) for signal in signals]
    type_ = signals[0].type
    present = np.logical_or.reduce([v.covered for v in verdicts])
    kept = [v for v in verdicts if not v.bad]
    whole = np.logical_and.reduce if type_ == "acc" else np.logical_or.reduce  # three axes are one sensor
    usable = whole([v.covered & ~v.any_of(list(v.flags)) for v in kept]) if kept else np.zeros(len(onset_s), dtype=bool)
    share = _share(usable, present)
    reasons = _flag_reasons(type_, verdicts) + _share_reason(type_, share)
    return verdicts, _type_quality(type_, _by_share(share), usable, present, reasons)


def _generic(signal: Signal, onset_s: np.ndarray, pipeline: Pipeline) -> _Verdict:
    verdict, part = _start(signal, onset_s, pipeline)
    if len(part.at) == 0:
        verdict.bad = True
        return verdict
    if signal.type not in ("temp", "acc", "rr", "face"):  # these rest on one code for long, and that is no fault
        run_s = EDA_FLAT_RUN_S if signal.type == "eda" else SLOW_FLAT_RUN_S
        _flat_run(verdict, part, run_s, SLOW_FLAT_SAMPLES)
        if signal.type != "ppg":  # pulses tell better: many sensors cut the foot of the wave
            _rail(verdict, part, EDA_FLAT_RUN_S if signal.type == "eda" else RAIL_RUN_S)
    extra = _EXTRA.get(signal.type)
    if extra:
        extra(verdict, part)
    if not np.any(part.filled) and signal.type in ("temp", "acc"):
        verdict.mark("flat", verdict.covered.copy())
    share = _share(verdict.any_of(list(verdict.flags)), verdict.covered)
    verdict.bad = verdict.bad or _share(verdict.any_of(_BLOCKING), verdict.covered) > BLOCKED_SHARE or share >= 1.0
    if len(verdict.pulses):
        usable = verdict.covered & ~verdict.any_of(list(verdict.flags))
        verdict.beats = _count(verdict, verdict.pulses, usable, onset_s, pipeline)
    return verdict


def _eda(verdict: _Verdict, part: _Cut) -> None:
    sfreq = verdict.signal.sfreq
    verdict.mark("low", _spread(np.median(part.windows(part.filled), axis=1) < EDA_LOWEST_US, part, verdict))
    lag = max(1, round(EDA_JUMP_S * sfreq))
    if len(part.filled) > lag:
        level = ndimage.uniform_filter1d(part.filled, lag)  # noise is no contact
        steps = (level[lag:] - level[:-lag]) / max(1.0, lag / (EDA_JUMP_S * sfreq))
        n = max(1, round(EDA_RECOVERY_S * sfreq))
        left = ndimage.minimum_filter1d(level, n, mode="nearest", origin=-(n // 2))[lag:] - level[:-lag]
        lasting = (steps > EDA_JUMP_US) & (left > steps / 2)
        jumps = lasting | (steps > EDA_FASTEST_US) | (steps < -EDA_JUMP_US)
        verdict.mark("jump", _spread(grid.count_in(jumps, part.start, max(part.n - lag, 1)) > 0, part, verdict))


def _ppg(verdict: _Verdict, part: _Cut) -> None:
    """Flag windows without plausible pulses that look alike."""
    x = np.where(part.gap, np.nan, part.filled)
    sfreq = verdict.signal.sfreq
    found = verdict.pulses = beats.detect_pulses(x, sfreq)
    held = np.zeros(len(x), dtype=bool)
    if len(found) > 1:
        alike = beats.likeness(beats.pulse_wave(x, sfreq), found, sfreq, beats.PULSE_HALF_S) >= PULSE_LIKENESS
        fine = np.isfinite(beats.clean_rr(found)) & alike[:-1] & alike[1:]
        for i in np.flatnonzero(fine):
            held[int(found[i] * sfreq) : int(found[i + 1] * sfreq)] = True
    counts = grid.count_in(held, part.start, part.n)
    verdict.mark("no_beats", _spread(counts < PULSE_COVER * part.n, part, verdict))


def _temp(verdict: _Verdict, part: _Cut) -> None:
    middle = np.median(part.windows(part.filled), axis=1)
    verdict.mark("range", _spread((middle < TEMP_RANGE_C[0]) | (middle > TEMP_RANGE_C[1]), part, verdict))


def _acc(verdict: _Verdict, part: _Cut) -> None:
    verdict.mark("range", _spread(np.abs(part.windows(part.filled)).max(axis=1) > ACC_RANGE_G, part, verdict))


_JUDGES: Mapping = {"eeg": _judge_eeg, "ecg": _judge_ecg}
_EXTRA: Mapping = {"eda": _eda, "ppg": _ppg, "temp": _temp, "acc": _acc}
