"""Heart beats: R peaks of the ECG, pulses of the PPG, and the intervals between them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage, signal

from core.dsp import grid
from core.dsp.filters import bandpass, fill_gaps, runs
from core.types import BeatCount, Quality, Recording, Signal

# a stretch without a gap shorter than this is not searched, s
SHORTEST_STRETCH_S = 2.0
# a detected beat is moved to the raw extremum within this distance, s: detectors work on filtered
# signals and are 15-35 ms off
REFINE_S = 0.06
# two beats cannot follow each other faster, s
REFRACTORY_S = 0.25
# plausible intervals and the ectopic rule (requirements d2), ms and share
RR_MS = (300.0, 2000.0)
ECTOPIC_SHARE = 0.2
# two detectors mean the same beat within this distance, s (requirements d2)
SAME_BEAT_S = 0.1
# a detector's filter needs this rate, Hz; slower signals are raised to it
DETECTOR_SFREQ = 100.0
# below this rate there is no QRS to be seen, Hz
SLOWEST_ECG_HZ = 25.0
# QRS complexes, Hz; a beat of which less than this share of its neighbours' QRS is there is none: the
# detector's learning at the start, and the end of the signal, invent some
QRS_BAND_HZ = (5.0, 30.0)
QRS_SHARE, QRS_NEIGHBOURS = 0.4, 21
# a detector that has learnt to take P waves is blind to the R after each; a beat with so little QRS is moved to
# the complex within this distance, s (P lies 0.12-0.2 s before R)
QRS_NEAR_S = 0.2
# half a beat around the R peak for its shape, s
BEAT_HALF_S = 0.25


def _parabola(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The top of the parabola through each sample and its neighbours, as an offset of -0.5 to 0.5 samples."""
    inner = np.clip(at, 1, len(x) - 2)
    left, top, right = x[inner - 1], x[inner], x[inner + 1]
    bend = left - 2 * top + right
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = 0.5 * (left - right) / bend
    return np.where((inner == at) & np.isfinite(shift), np.clip(shift, -0.5, 0.5), 0.0)


def _around(x: np.ndarray, at: np.ndarray, half: int) -> np.ndarray:
    """Samples around each index, shape (n_beats, 2 half + 1), the ends repeated."""
    return x[np.clip(at[:, None] + np.arange(-half, half + 1), 0, len(x) - 1)]


def _thin(at: np.ndarray, x: np.ndarray, closest: float) -> np.ndarray:
    """Of increasing indices closer than ``closest``, the one where ``x`` is higher."""
    kept: list[int] = []
    for index in at:
        if kept and index - kept[-1] < closest:
            if x[index] > x[kept[-1]]:
                kept[-1] = int(index)
        else:
            kept.append(int(index))
    return np.array(kept, dtype=np.int64)


def _stretches(gap: np.ndarray, sfreq: float) -> np.ndarray:
    """Start and end of the stretches between long gaps that are long enough to search."""
    found = runs(~gap)
    return found[(found[:, 1] - found[:, 0]) >= SHORTEST_STRETCH_S * sfreq]


def _way(qrs: np.ndarray, sfreq: float) -> int:
    """1 where the largest deflections of a lead, every 2 s, point up, -1 where they point down."""
    n = max(1, round(SHORTEST_STRETCH_S * sfreq))
    parts = qrs[: len(qrs) // n * n].reshape(-1, n)
    return 1 if np.median(parts.max(axis=1)) >= np.median(-parts.min(axis=1)) else -1


def _to_complexes(at: np.ndarray, qrs: np.ndarray, sfreq: float) -> np.ndarray:
    """Each index, or the QRS near it where that is far larger than what lies at the index."""
    own = np.abs(_around(qrs, at, round(REFINE_S * sfreq))).max(axis=1)
    half = round(QRS_NEAR_S * sfreq)
    near = np.abs(_around(qrs, at, half))
    largest = np.clip(at - half + near.argmax(axis=1), 0, len(qrs) - 1)
    return np.where(own < QRS_SHARE * near.max(axis=1), largest, at)


def _true_complexes(at: np.ndarray, qrs: np.ndarray, sfreq: float) -> np.ndarray:
    """Without those whose QRS is far smaller than that of the beats around."""
    if len(at) < 3:
        return at
    height = np.abs(_around(qrs, at, round(REFINE_S * sfreq))).max(axis=1)
    usual = ndimage.median_filter(height, size=min(QRS_NEIGHBOURS, len(at)), mode="reflect")
    return at[height >= QRS_SHARE * usual]


def detect_r_peaks(x: np.ndarray, sfreq: float) -> np.ndarray:
    """R peaks of one ECG lead, either way up.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        Any unit; NaN marks missing samples, and no beat is found in a gap.

    Returns
    -------
    ndarray, shape (n_beats,)
        Seconds from the first sample, increasing, to a part of a sample. Empty where nothing beats.

    Notes
    -----
    sleepecg's detector (C) on the lead the right way up (in an inverted one it finds T waves), then each beat is
    moved to the raw extremum and to the top of the parabola through it: at 256 Hz whole samples alone add 2 ms to
    RMSSD. A beat with far less QRS than its neighbours is none.
    """
    filled, gap = fill_gaps(x, sfreq)
    if sfreq < SLOWEST_ECG_HZ:
        return np.empty(0)
    parts = [start / sfreq + _beats_of(filled[start:end], sfreq) for start, end in _stretches(gap, sfreq)]
    return np.concatenate(parts) if parts else np.empty(0)


def _beats_of(x: np.ndarray, sfreq: float) -> np.ndarray:
    """R peaks of a stretch without a gap, in seconds from its start."""
    from sleepecg import detect_heartbeats

    x = x - np.median(x)
    size = np.abs(x).max()
    if not np.ptp(x) > 1e-12 * size or not size > 0:
        return np.empty(0)
    qrs = bandpass(x, sfreq, *QRS_BAND_HZ, order=2)
    upright = x * _way(qrs, sfreq)
    up = int(np.ceil(DETECTOR_SFREQ / sfreq))
    fine = signal.resample_poly(upright, up, 1) if up > 1 else upright
    at = np.rint(np.asarray(detect_heartbeats(fine / size, sfreq * up), dtype=float) / up).astype(np.int64)
    at = at[(at >= 0) & (at < len(x))]
    if len(at) == 0:
        return np.empty(0)
    half = max(1, round(REFINE_S * sfreq))
    at = _to_complexes(at, qrs, sfreq)
    at = np.unique(np.clip(at - half + np.argmax(_around(upright, at, half), axis=1), 0, len(x) - 1))
    at = _thin(_true_complexes(at, qrs, sfreq), upright, REFRACTORY_S * sfreq)
    return (at + _parabola(upright, at)) / sfreq


def of_intervals(x: np.ndarray, sfreq: float) -> np.ndarray:
    """Beats of a series of RR intervals, each sample of which is the interval that runs at its time.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        Milliseconds; NaN where none is known, and what follows starts with a beat of its own.

    Returns
    -------
    ndarray, shape (n_beats,)
        Seconds from the first sample, increasing.

    Examples
    --------
    >>> of_intervals(np.array([800.0, 800.0, 800.0, 800.0, 900.0, 900.0, 900.0]), 4.0)
    array([0. , 0.8, 1.7])
    """
    found: list[float] = []
    for start, end in runs(np.isfinite(x) & (x >= 1000.0 / sfreq)):
        at = start / sfreq
        found.append(at)
        while (k := int(np.ceil(at * sfreq))) < end:
            at += float(x[k]) / 1000.0
            found.append(at)
    return np.array(found)


def second_detector(x: np.ndarray, sfreq: float) -> np.ndarray:
    """R peaks by NeuroKit2's default method, for the agreement of two detectors; seconds, shape (n_beats,)."""
    import neurokit2 as nk

    filled, gap = fill_gaps(x, sfreq)
    if sfreq < SLOWEST_ECG_HZ:
        return np.empty(0)
    found = []
    for start, end in _stretches(gap, sfreq):
        part = filled[start:end] - np.median(filled[start:end])
        if not np.ptp(part) > 0:
            continue
        part = part * _way(bandpass(part, sfreq, *QRS_BAND_HZ, order=2), sfreq)
        rate, up = sfreq, int(np.ceil(DETECTOR_SFREQ / sfreq))
        if up > 1:
            part, rate = signal.resample_poly(part, up, 1), sfreq * up
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                clean = nk.ecg_clean(part, sampling_rate=rate)
                peaks = nk.ecg_findpeaks(clean, sampling_rate=rate)["ECG_R_Peaks"]
            except (IndexError, ValueError):  # how it says that there is no complex at all
                continue
        found.append(start / sfreq + np.asarray(peaks, dtype=float) / rate)
    return np.concatenate(found) if found else np.empty(0)


def agreement(a_s: np.ndarray, b_s: np.ndarray, tolerance_s: float = SAME_BEAT_S) -> float:
    """F1 of two detections: share of beats that both found within ``tolerance_s``; NaN without beats."""
    if len(a_s) == 0 and len(b_s) == 0:
        return float("nan")
    if len(a_s) == 0 or len(b_s) == 0:
        return 0.0
    return (
        2
        * min(int(matched(a_s, b_s, tolerance_s).sum()), int(matched(b_s, a_s, tolerance_s).sum()))
        / (len(a_s) + len(b_s))
    )


def matched(a_s: np.ndarray, b_s: np.ndarray, tolerance_s: float = SAME_BEAT_S) -> np.ndarray:
    """Which of the times ``a_s`` have one of ``b_s`` (increasing) within ``tolerance_s``."""
    if len(b_s) == 0:
        return np.zeros(len(a_s), dtype=bool)
    right = np.searchsorted(b_s, a_s)
    gap = np.minimum(np.abs(b_s[np.minimum(right, len(b_s) - 1)] - a_s), np.abs(b_s[np.maximum(right - 1, 0)] - a_s))
    return gap <= tolerance_s


def clean_rr(beats_s: np.ndarray) -> np.ndarray:
    """Normal-to-normal intervals between neighbouring beats.

    Parameters
    ----------
    beats_s : ndarray, shape (n_beats,)
        Increasing times in seconds.

    Returns
    -------
    ndarray, shape (n_beats - 1,)
        Milliseconds; NaN where an interval is outside 300-2000 ms or more than 20 % from the median
        of the five around it (two before, two after; fewer at the ends and beside implausible ones).
    """
    if len(beats_s) < 2:
        return np.empty(0)
    rr_ms = np.diff(beats_s) * 1000.0
    rr_ms[(rr_ms < RR_MS[0]) | (rr_ms > RR_MS[1])] = np.nan
    padded = np.concatenate(([np.nan, np.nan], rr_ms, [np.nan, np.nan]))
    around = np.lib.stride_tricks.sliding_window_view(padded, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # five implausible ones in a row
        middle = np.nanmedian(around, axis=1)
    rr_ms[~(np.abs(rr_ms - middle) <= ECTOPIC_SHARE * middle)] = np.nan
    return rr_ms


def plausible(beats_s: np.ndarray) -> np.ndarray:
    """Which intervals between neighbouring beats lie in 300-2000 ms, shape (n_beats - 1,)."""
    rr_ms = np.diff(beats_s) * 1000.0
    return (rr_ms >= RR_MS[0]) & (rr_ms <= RR_MS[1])


# what becomes of a beat
NORMAL, CORRECTED, LEFT_OUT = 0, 1, 2


def kinds(beats_s: np.ndarray, trusted: np.ndarray | None = None) -> np.ndarray:
    """What becomes of each beat: NORMAL, CORRECTED or LEFT_OUT, shape (n_beats,).

    Parameters
    ----------
    beats_s : ndarray, shape (n_beats,)
        Increasing times in seconds.
    trusted : ndarray of bool, shape (n_beats,), optional
        Beats in a usable stretch; all others are left out.

    Notes
    -----
    Of intervals in a row that ``clean_rr`` rejects, the beats between them are what is wrong: an early beat has one
    interval too short before and one too long after it. A lone interval that is plausible is the late beat at its
    end; a lone one that is not is a gap, and no beat's fault. A beat whose intervals lie in 300-2000 ms is corrected:
    rate and variability go without its intervals, and the spectrum of the rhythm bridges them. A beat that makes an
    interval outside of that is no beat, and left out.

    Examples
    --------
    >>> at = np.arange(10) * 0.8
    >>> at[5] -= 0.25
    >>> kinds(at).tolist()
    [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    """
    out = np.full(len(beats_s), NORMAL)
    possible = plausible(beats_s)
    for start, end in runs(~np.isfinite(clean_rr(beats_s))):
        if end - start == 1:
            out[end] = CORRECTED if possible[start] else NORMAL
        for beat in range(start + 1, end):
            out[beat] = CORRECTED if possible[beat - 1] and possible[beat] else LEFT_OUT
    if trusted is not None:
        out[~trusted] = LEFT_OUT
    return out


def count(beats_s: np.ndarray, trusted: np.ndarray | None = None) -> BeatCount:
    """How many beats there are of each of ``kinds``."""
    found = kinds(beats_s, trusted)
    return BeatCount(len(found), int((found == CORRECTED).sum()), int((found == LEFT_OUT).sum()))


def likeness(x: np.ndarray, beats_s: np.ndarray, sfreq: float, half_s: float = BEAT_HALF_S) -> np.ndarray:
    """Correlation of each beat with the median beat, shape (n_beats,); NaN for beats cut by the ends or a gap."""
    half = max(2, round(half_s * sfreq))
    at = np.rint(np.asarray(beats_s) * sfreq).astype(np.int64)
    whole = (at >= half) & (at < len(x) - half)
    out = np.full(len(at), np.nan)
    if not whole.any():
        return out
    shape = _around(np.asarray(x, dtype=np.float64), at[whole], half)
    good = np.isfinite(shape).all(axis=1)
    if not good.any():
        return out
    middle = np.median(shape[good], axis=0)
    middle -= middle.mean()
    shape -= shape.mean(axis=1, keepdims=True)
    size = np.sqrt((shape**2).sum(axis=1) * (middle**2).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        out[whole] = np.where(size > 0, shape @ middle / size, 0.0)
    return out


def lead(signals: Sequence[Signal], quality: Quality) -> Signal | None:
    """The lead whose beats are taken: the first that is not left out and has the fewest flags; None without one."""
    verdict = {s.name: s for s in quality.signals if s.type == "ecg"}
    kept = [s for s in signals if s.type == "ecg" and s.name in verdict and not verdict[s.name].bad]
    return min(kept, key=lambda s: len(verdict[s.name].flags), default=None)


def trusted_intervals(signal: Signal, quality: Quality) -> tuple[np.ndarray, np.ndarray]:
    """Beats of an ECG, PPG or list of intervals, and the normal intervals between them.

    Returns
    -------
    beat_s : ndarray, shape (n_beats,)
        On the recording's clock, increasing.
    rr_ms : ndarray, shape (n_beats - 1,) or (0,)
        NaN where an interval is not normal or one of its beats lies in no window that quality lets be used.
    """
    beat_s = signal.onset_s + _DETECTORS[signal.type](np.asarray(signal.data), signal.sfreq)
    rr_ms = clean_rr(beat_s)
    verdict = quality.of(signal.type)
    if verdict is None or len(rr_ms) == 0:
        return beat_s, rr_ms
    inside = grid.inside(beat_s, quality.onset_s, quality.duration_s, verdict.usable)
    return beat_s, np.where(inside[:-1] & inside[1:], rr_ms, np.nan)


# --- PPG: Elgendi et al. (2013), PLoS ONE 8(10): e76585, with a local in place of the global level
PPG_BAND_HZ = (0.5, 8.0)
PULSE_S, PULSE_BEAT_S = 0.111, 0.667
PULSE_OFFSET, PULSE_LEVEL_S = 0.02, 10.0
PULSE_DELAY_S = 0.3
PULSE_FOOT_S = 0.3
# half a pulse around its peak for its shape, s
PULSE_HALF_S = 0.35
SLOWEST_PPG_HZ = 8.0


def pulse_wave(x: np.ndarray, sfreq: float) -> np.ndarray:
    """A PPG in the band of its pulses, shape (n_times,); NaN in long gaps."""
    return bandpass(np.asarray(x, dtype=np.float64), sfreq, *PPG_BAND_HZ, order=3)


def detect_pulses(x: np.ndarray, sfreq: float) -> np.ndarray:
    """Systolic peaks of a PPG.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        Any unit, unfiltered or filtered; NaN marks missing samples.

    Returns
    -------
    ndarray, shape (n_pulses,)
        Seconds from the first sample, increasing. Empty where nothing pulses.

    Notes
    -----
    The offset of the threshold follows the mean power of the 10 s around, not of the whole
    recording: one shake of the wrist must not hide an hour of pulses.
    """
    if sfreq < SLOWEST_PPG_HZ or len(x) < SHORTEST_STRETCH_S * sfreq:
        return np.empty(0)
    filtered = pulse_wave(x, sfreq)
    if not np.isfinite(filtered).any():
        return np.empty(0)
    filtered[~np.isfinite(filtered)] = 0.0
    squared = np.maximum(filtered, 0.0) ** 2
    if not squared.max() > (1e-9 * np.nanmax(np.abs(x))) ** 2:
        return np.empty(0)  # what the filter leaves of a constant

    def mean_over(seconds: float) -> np.ndarray:
        return ndimage.uniform_filter1d(squared, max(1, round(seconds * sfreq)), mode="nearest")

    waves = runs(mean_over(PULSE_S) > mean_over(PULSE_BEAT_S) + PULSE_OFFSET * mean_over(PULSE_LEVEL_S))
    waves = waves[(waves[:, 1] - waves[:, 0]) >= round(PULSE_S * sfreq)]
    at = np.array([start + int(np.argmax(filtered[start:end])) for start, end in waves], dtype=np.int64)
    if len(at) == 0:
        return np.empty(0)
    at = _thin(at, filtered, PULSE_DELAY_S * sfreq)
    return (at + _parabola(filtered, at)) / sfreq


def pulse_heights(x: np.ndarray, sfreq: float, pulse_s: np.ndarray) -> np.ndarray:
    """Height of each pulse over the foot before it, in the unit of ``x``, shape (n_pulses,).

    The foot is the lowest point of the pulse wave within ``PULSE_FOOT_S`` before the peak. NaN in a gap.
    """
    wave = pulse_wave(x, sfreq)
    at = np.clip(np.rint(pulse_s * sfreq).astype(np.int64), 0, max(len(wave) - 1, 0))
    if len(at) == 0:
        return np.empty(0)
    half = max(1, round(PULSE_FOOT_S * sfreq))
    before = wave[np.clip(at[:, None] + np.arange(-half, 1), 0, len(wave) - 1)]
    return wave[at] - before.min(axis=1)


# changes from beat to beat as a series (requirements S2-04)
CHANGES_BAND_HZ, CHANGES_ORDER = (0.75, 3.0), 2


def interval_changes(x: np.ndarray, sfreq: float) -> tuple[np.ndarray, np.ndarray]:
    """How much the interval between pulses changes from one to the next, as a series beside a PPG.

    Parameters
    ----------
    x : ndarray, shape (n_times,)
        PPG in any unit; NaN marks missing samples.

    Returns
    -------
    changes : ndarray, shape (n_times,)
        |difference of the last two intervals| in ms, held from the pulse that ends them to the next one. NaN before
        the third pulse, from the last one on, and where an interval lies outside of 300-2000 ms.
    known : ndarray of bool, shape (n_times,)
        Where it is defined.
    """
    changes = np.full(len(x), np.nan)
    pulse_s = detect_pulses(bandpass(np.asarray(x, dtype=np.float64), sfreq, *CHANGES_BAND_HZ, CHANGES_ORDER), sfreq)
    if len(pulse_s) > 2:
        rr_ms = np.where(plausible(pulse_s), np.diff(pulse_s) * 1000.0, np.nan)
        at = np.ceil(pulse_s * sfreq).astype(np.int64)
        size = np.where(np.isfinite(rr_ms[1:]), np.abs(np.diff(rr_ms)), np.nan)
        # the change of pulse k is held while the interval after it runs, which must be one itself
        held = np.where(np.isfinite(rr_ms[2:]), size[:-1], np.nan)
        changes[at[2] : at[-1]] = np.repeat(held, np.diff(at[2:]))
    return changes, np.isfinite(changes)


def with_changes(recording: Recording) -> Recording:
    """The recording with the changes from beat to beat beside each PPG, as a further channel of its type in ms."""
    made = [
        replace(s, name=f"{s.name} changes", unit="ms", data=interval_changes(s.data, s.sfreq)[0].astype(np.float32))
        for s in recording.of_type("ppg")
    ]
    return replace(recording, signals=(*recording.signals, *made))


_DETECTORS = {"ecg": detect_r_peaks, "ppg": detect_pulses, "rr": of_intervals}
