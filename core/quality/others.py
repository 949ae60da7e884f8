"""Quality of the other types: rules of their own (sources beside them), graded by the share of usable windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from scipy import ndimage

from core.dsp import beats, grid, slow, spectral
from core.quality.common import (
    BLOCKED_SHARE,
    BLOCKING,
    LINE_HALF_HZ,
    LINE_SHARE,
    RAIL_RUN_S,
    SLOW_FLAT_SAMPLES,
    VOLTS_BELOW,
    Cut,
    Verdict,
    by_share,
    count_beats,
    first_look,
    flag_reasons,
    flat_run,
    rail,
    share_of,
    share_reason,
    spread,
    type_quality,
)
from core.types import Pipeline, Signal, TypeQuality

EDA_LOWEST_US = 0.05  # below it the electrode has no contact (stress.md, pitfalls)
# contact lost or made: a fall or lasting rise of this (stress.md: over 0.5 µS a sample at 4 Hz). A response may rise so
# fast too (NeuroKit2 simulates 1 µS in 0.25 s), but is half gone within this time, s; the other numbers are own
EDA_JUMP_US, EDA_JUMP_S, EDA_RECOVERY_S = 0.5, 0.25, 10.0
EDA_FASTEST_US = 1.5
EDA_FLAT_RUN_S = 10.0
EDA_HIGHEST_US = 100.0
# stress.md: an electrode that varies less over a whole recording says little of responses; asked from this length on, s
EDA_SILENT_US, EDA_SILENT_S = 0.05, 120.0
# skin, and the body inside; a sensor that was put on warms up for some minutes (stress.md: over 0.7 °C in 5 min)
TEMP_RANGE_C = (20.0, 42.0)
WARM_UP_S, WARM_UP_C_MIN = 300.0, 0.2
# no breath for so long is none that a belt or a nose would show
BREATHLESS_S = 20.0
# a window of a face may miss this share of its frames (requirements S4-09 drops them, and the rest stays)
LOST_SHARE = 0.2
# no eye or muscle reaches this at the skin, µV
EOG_UV, EMG_UV = 5000.0, 20_000.0
ACC_RANGE_G = 16.0
SLOW_FLAT_RUN_S = 2.0
# a window shows pulses where a fifth of it (stress.md: "no reading" below 20 %) lies between two pulses that resemble
# the median one; on 27 wrists 59-96 % of the windows do so, of white noise 18 %, of brown noise 43 %
PULSE_COVER, PULSE_LIKENESS = 0.2, 0.6


def judge(signals: Sequence[Signal], onset_s: np.ndarray, pipeline: Pipeline) -> tuple[list[Verdict], TypeQuality]:
    """Graded by the share of windows in which at least one channel that is not left out can be used."""
    verdicts = [_generic(signal, onset_s, pipeline) for signal in signals]
    type_ = signals[0].type
    present = np.logical_or.reduce([v.covered for v in verdicts])
    kept = [v for v in verdicts if not v.bad]
    whole = np.logical_and.reduce if type_ == "acc" else np.logical_or.reduce  # three axes are one sensor
    usable = whole([v.covered & ~v.any_of(list(v.flags)) for v in kept]) if kept else np.zeros(len(onset_s), dtype=bool)
    share = share_of(usable, present)
    reasons = flag_reasons(type_, verdicts) + share_reason(type_, share)
    return verdicts, type_quality(type_, by_share(share), usable, present, reasons)


def _generic(signal: Signal, onset_s: np.ndarray, pipeline: Pipeline) -> Verdict:
    verdict, part = first_look(signal, onset_s, pipeline)
    if len(part.at) == 0:
        verdict.bad = True
        return verdict
    if signal.type not in ("temp", "acc", "rr", "face"):  # these rest on one code for long, and that is no fault
        run_s = EDA_FLAT_RUN_S if signal.type == "eda" else SLOW_FLAT_RUN_S
        flat_run(verdict, part, run_s, SLOW_FLAT_SAMPLES)
        if signal.type != "ppg":  # pulses tell better: many sensors cut the foot of the wave
            rail(verdict, part, EDA_FLAT_RUN_S if signal.type == "eda" else RAIL_RUN_S)
    extra = _EXTRA.get(signal.type)
    if extra:
        extra(verdict, part, pipeline)
    if not np.any(part.filled) and signal.type in ("temp", "acc"):
        verdict.mark("flat", verdict.covered.copy())
    share = share_of(verdict.any_of(list(verdict.flags)), verdict.covered)
    verdict.bad = verdict.bad or share_of(verdict.any_of(BLOCKING), verdict.covered) > BLOCKED_SHARE or share >= 1.0
    if len(verdict.pulses):
        usable = verdict.covered & ~verdict.any_of(list(verdict.flags))
        verdict.beats = count_beats(verdict, verdict.pulses, usable, onset_s, pipeline)
    return verdict


def _eda(verdict: Verdict, part: Cut, pipeline: Pipeline) -> None:
    sfreq = verdict.signal.sfreq
    middle = np.median(part.windows(part.filled), axis=1)
    verdict.mark("low", spread(middle < EDA_LOWEST_US, part, verdict))
    verdict.mark("range", spread(middle > EDA_HIGHEST_US, part, verdict))
    kept = middle[middle >= EDA_LOWEST_US]
    if verdict.signal.duration_s >= EDA_SILENT_S and len(kept) and np.ptp(np.percentile(kept, (5, 95))) < EDA_SILENT_US:
        verdict.whole.append("silent")
    lag = max(1, round(EDA_JUMP_S * sfreq))
    if len(part.filled) > lag:
        level = ndimage.uniform_filter1d(part.filled, lag)  # noise is no contact
        steps = (level[lag:] - level[:-lag]) / max(1.0, lag / (EDA_JUMP_S * sfreq))
        n = max(1, round(EDA_RECOVERY_S * sfreq))
        left = ndimage.minimum_filter1d(level, n, mode="nearest", origin=-(n // 2))[lag:] - level[:-lag]
        lasting = (steps > EDA_JUMP_US) & (left > steps / 2)
        jumps = lasting | (steps > EDA_FASTEST_US) | (steps < -EDA_JUMP_US)
        verdict.mark("jump", spread(grid.count_in(jumps, part.start, max(part.n - lag, 1)) > 0, part, verdict))


def _ppg(verdict: Verdict, part: Cut, pipeline: Pipeline) -> None:
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
    verdict.mark("no_beats", spread(counts < PULSE_COVER * part.n, part, verdict))


def _temp(verdict: Verdict, part: Cut, pipeline: Pipeline) -> None:
    middle = np.median(part.windows(part.filled), axis=1)
    verdict.mark("range", spread((middle < TEMP_RANGE_C[0]) | (middle > TEMP_RANGE_C[1]), part, verdict))
    level, rate = slow.slower(part.filled, verdict.signal.sfreq, 1.0)
    minute = round(60 * rate)
    if len(level) > 2 * minute:  # a rise from the first minute on, until it levels off
        smooth = ndimage.uniform_filter1d(level, max(1, minute // 4), mode="nearest")
        rising = smooth[minute:] - smooth[:-minute] > WARM_UP_C_MIN
        warm_s = min((len(rising) if rising.all() else int(np.argmin(rising))) / rate, WARM_UP_S)
        verdict.mark("warm_up", spread(part.start / verdict.signal.sfreq < warm_s, part, verdict))


def _acc(verdict: Verdict, part: Cut, pipeline: Pipeline) -> None:
    verdict.mark("range", spread(np.abs(part.windows(part.filled)).max(axis=1) > ACC_RANGE_G, part, verdict))


def _resp(verdict: Verdict, part: Cut, pipeline: Pipeline) -> None:
    """Flag windows that lie mostly in a stretch without a breath."""
    sfreq, n = verdict.signal.sfreq, len(part.filled)
    found = slow.breaths(np.where(part.gap, np.nan, part.filled), sfreq)
    edges = np.concatenate(([0.0], found.start_s[:1], found.peak_s, [n / sfreq]))
    still = np.zeros(n, dtype=bool)
    for begin, end in pairwise(edges):
        if end - begin > BREATHLESS_S:
            still[int(begin * sfreq) : int(end * sfreq)] = True
    verdict.mark("no_breaths", spread(grid.count_in(still, part.start, part.n) > part.n / 2, part, verdict))


def _microvolts(verdict: Verdict, part: Cut, pipeline: Pipeline) -> None:
    """EOG and EMG: too large, mostly mains hum, or in volts."""
    sfreq, seen = verdict.signal.sfreq, part.filled[~part.gap]
    if seen.size and 0 < np.abs(seen - np.median(seen)).max() < VOLTS_BELOW:
        verdict.whole.append("volts")
    windows = part.windows(part.filled)
    most = EOG_UV if verdict.signal.type == "eog" else EMG_UV
    verdict.mark("amplitude", spread(np.ptp(windows, axis=1) > most, part, verdict))
    low, high = pipeline.line_hz - LINE_HALF_HZ, pipeline.line_hz + LINE_HALF_HZ
    if high < sfreq / 2:
        freqs, psd = spectral.window_psd(part.filled, part.start, part.n, sfreq)
        with np.errstate(divide="ignore", invalid="ignore"):
            hum = spectral.band_power(psd, freqs, low, high) / spectral.band_power(psd, freqs, 1.0, sfreq / 2)
        verdict.mark("line", spread(hum > LINE_SHARE, part, verdict))


def _rr(verdict: Verdict, part: Cut, pipeline: Pipeline) -> None:
    """Flag windows of which half lies in intervals that no heart keeps."""
    false = ~part.gap & ((part.filled < beats.RR_MS[0]) | (part.filled > beats.RR_MS[1]))
    verdict.mark("intervals", spread(grid.count_in(false, part.start, part.n) > part.n / 2, part, verdict))


def _face(verdict: Verdict, part: Cut, pipeline: Pipeline) -> None:
    """Frames in which no face was found, or with little confidence, are missing since they were read."""
    missing = ~np.isfinite(np.asarray(verdict.signal.data))
    verdict.flags.pop("gap", None)
    verdict.mark("lost", spread(grid.count_in(missing, part.start, part.n) > LOST_SHARE * part.n, part, verdict))
    if "missing" in verdict.whole and verdict.missing <= BLOCKED_SHARE:  # those that are there are as good as any
        verdict.whole.remove("missing")
        verdict.bad = False


_EXTRA: Mapping = {
    "eda": _eda, "ppg": _ppg, "temp": _temp, "acc": _acc, "resp": _resp, "eog": _microvolts, "emg": _microvolts,
    "rr": _rr, "face": _face,
}  # fmt: skip
