"""ECG-22: the feature vector of requirements d2, per window, from filtered and normalised signals.

Time and frequency columns come from the beats of a context that ends with the window and reaches back
``hrv_context_s``, but never before the start of the ECG or into a stretch annotated ``baseline``. What its length does
not allow is NaN and its ``valid_`` column 0. LF and LF/HF are given from 120 s on; below ``LF_FULL_S`` they are to be
shown greyed with their length, which ``context_s`` tells.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline

from core.dsp import beats, grid, spectral
from core.types import Pipeline, Quality, Recording, Signal, Windows

TIME = ("mean_rr_ms", "sdnn_ms", "rmssd_ms", "nn50", "pnn50", "mean_hr", "sd_hr", "cv_rr")
FREQUENCY = ("lf_ms2", "hf_ms2", "lf_hf", "lf_plus_hf_ms2")
SHAPE = ("mean", "sd", "rms", "skewness", "kurtosis")
LEADS = 2
# least context, s, and least beats (d2)
CONTEXT_S = {
    "sdnn_ms": 30.0, "rmssd_ms": 30.0, "nn50": 30.0, "pnn50": 30.0, "sd_hr": 30.0, "cv_rr": 30.0,
    "hf_ms2": 60.0, "lf_ms2": 120.0, "lf_hf": 120.0, "lf_plus_hf_ms2": 120.0,
}  # fmt: skip
MIN_BEATS = 4
LF_FULL_S = 240.0
# own: valid intervals must cover this share of a context
COVER = 0.5
NN50_MS = 50.0
LF_HZ, HF_HZ = (0.04, 0.15), (0.15, 0.40)
TACHOGRAM_HZ = 4.0
TACHOGRAM_SEGMENT_S = 120.0
# own: a longer stretch without a valid interval is bridged by a line, which a spline would overshoot, s
BRIDGE_S = 2.5


def names() -> tuple[str, ...]:
    """The 22 column names."""
    shape = tuple(f"ecg_{what}_{lead}" for lead in range(1, LEADS + 1) for what in SHAPE)
    return tuple(f"ecg_{name}" for name in TIME + FREQUENCY) + shape


def valid_names() -> tuple[str, ...]:
    """The validity columns: 1 where the context allows the value, else 0."""
    return tuple(f"valid_ecg_{name}" for name in TIME + FREQUENCY)


def table(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> pd.DataFrame:
    """ECG-22 of every window, and 12 validity columns.

    Beats are found once, in the lead that quality trusts most; intervals in windows that quality rejects are
    missing. SDs have ddof 0.

    Returns
    -------
    DataFrame, shape (n_windows, 34)
        ``names()`` then ``valid_names()``; float64.
    """
    out = {name: np.full(len(windows), np.nan) for name in names()}
    out |= {name: np.zeros(len(windows)) for name in valid_names()}
    signals = recording.of_type("ecg")
    lead = beats.lead(signals, quality)
    if lead is not None and len(windows):
        values = _rhythm(lead, recording, windows, quality, pipeline)
        length = context_s(recording, windows, quality, pipeline)
        enough = values.pop("cover") >= COVER * length
        n_rr = values.pop("n")
        for name in TIME + FREQUENCY:
            if name in CONTEXT_S:
                valid = (length >= CONTEXT_S[name] - 1e-6) & enough
            else:
                valid = n_rr >= MIN_BEATS - 1
            valid &= np.isfinite(values[name])
            out[f"ecg_{name}"] = np.where(valid, values[name], np.nan)
            out[f"valid_ecg_{name}"] = valid.astype(float)
    bad = quality.bad_names("ecg")
    for number, signal in enumerate(signals[:LEADS], 1):
        if signal.name not in bad:
            for what, column in _shape(signal, windows).items():
                out[f"ecg_{what}_{number}"] = column
    return pd.DataFrame(out)


def context_s(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> np.ndarray:
    """Length of each window's context in seconds, shape (n_windows,); 0 without an ECG."""
    lead = beats.lead(recording.of_type("ecg"), quality)
    if lead is None:
        return np.zeros(len(windows))
    return windows.onset_s + windows.duration_s - _context_start(lead, recording, windows, pipeline)


def _context_start(lead: Signal, recording: Recording, windows: Windows, pipeline: Pipeline) -> np.ndarray:
    end_s = windows.onset_s + windows.duration_s
    start_s = np.maximum(end_s - pipeline.hrv_context_s, lead.onset_s)
    for a in recording.annotations:
        if a.description.strip().lower() == "baseline":
            after = a.onset_s + a.duration_s
            start_s = np.where(windows.onset_s >= after - 1e-6, np.maximum(start_s, after), start_s)
    return np.minimum(start_s, windows.onset_s)


def _rhythm(
    lead: Signal, recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline
) -> dict[str, np.ndarray]:
    """Time and frequency values of each context, valid or not, with ``n`` intervals and their ``cover`` in s."""
    beat_s = lead.onset_s + beats.detect_r_peaks(np.asarray(lead.data), lead.sfreq)
    rr_ms = beats.clean_rr(beat_s)
    verdict = quality.of("ecg")
    if verdict is not None and len(rr_ms):
        trusted = grid.inside(beat_s, quality.onset_s, quality.duration_s, verdict.usable)
        rr_ms = np.where(trusted[:-1] & trusted[1:], rr_ms, np.nan)
    start_s = _context_start(lead, recording, windows, pipeline)
    end_s = windows.onset_s + windows.duration_s
    # interval i runs from beat i to beat i + 1: those with both beats in the context
    first = np.searchsorted(beat_s, start_s - 1e-9)
    last = np.maximum(np.searchsorted(beat_s, end_s + 1e-9) - 1, first)

    def sums(values: np.ndarray, shorter: int = 0) -> np.ndarray:
        """Sum of the finite values between first and last (less ``shorter``)."""
        total = np.concatenate(([0.0], np.cumsum(np.where(np.isfinite(values), values, 0.0))))
        stop = np.maximum(last - shorter, first)
        return total[np.minimum(stop, len(values))] - total[np.minimum(first, len(values))]

    def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and SD; taken about the middle so that sums of squares keep their digits."""
        middle = float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0
        mean = sums(values - middle) / n
        return middle + mean, np.sqrt(np.maximum(sums((values - middle) ** 2) / n - mean**2, 0.0))

    n = sums(np.isfinite(rr_ms).astype(float))
    steps = np.diff(rr_ms) if len(rr_ms) > 1 else np.empty(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, sd = moments(rr_ms)
        mean_hr, sd_hr = moments(60000.0 / rr_ms)
        n_steps = sums(np.isfinite(steps).astype(float), 1)
        nn50 = sums(np.where(np.isfinite(steps), np.abs(steps) > NN50_MS, np.nan).astype(float), 1)
        out = {
            "n": n, "cover": sums(rr_ms) / 1000, "mean_rr_ms": mean, "sdnn_ms": sd,
            "rmssd_ms": np.sqrt(sums(steps**2, 1) / n_steps), "nn50": np.where(n_steps > 0, nn50, np.nan),
            "pnn50": nn50 / n_steps, "mean_hr": mean_hr, "sd_hr": sd_hr, "cv_rr": sd / mean,
        }  # fmt: skip
        out["lf_ms2"], out["hf_ms2"] = _bands(beat_s, rr_ms, start_s, end_s)
        out["lf_hf"] = out["lf_ms2"] / out["hf_ms2"]
        out["lf_plus_hf_ms2"] = out["lf_ms2"] + out["hf_ms2"]
    return out


def tachogram(beat_s: np.ndarray, rr_ms: np.ndarray, at_s: np.ndarray) -> np.ndarray:
    """RR intervals in ms at the times ``at_s``: a cubic spline through the valid ones, at the beat that ends each.

    Stretches of more than 2.5 s without a valid interval are bridged by a line; before the first and after the last
    one its value holds. NaN with fewer than four.
    """
    valid = np.isfinite(rr_ms)
    if valid.sum() < MIN_BEATS:
        return np.full(len(at_s), np.nan)
    time_s, value = beat_s[1:][valid], rr_ms[valid]
    wide = np.flatnonzero(np.diff(time_s) > BRIDGE_S)
    extra = np.concatenate([np.arange(time_s[i] + 1.0, time_s[i + 1] - 0.5, 1.0) for i in wide] or [np.empty(0)])
    if len(extra):
        value = np.concatenate((value, np.interp(extra, time_s, value)))
        time_s = np.concatenate((time_s, extra))
        order = np.argsort(time_s)
        time_s, value = time_s[order], value[order]
    return CubicSpline(time_s, value)(np.clip(at_s, time_s[0], time_s[-1]))


def _bands(
    beat_s: np.ndarray, rr_ms: np.ndarray, start_s: np.ndarray, end_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """LF and HF power in ms² of each context of at least 60 s: Welch on the 4 Hz tachogram, segments of 120 s."""
    lf, hf = np.full(len(start_s), np.nan), np.full(len(start_s), np.nan)
    first = np.ceil(start_s * TACHOGRAM_HZ - 1e-6).astype(int)
    lengths = np.floor(end_s * TACHOGRAM_HZ + 1e-6).astype(int) - first
    shortest = CONTEXT_S["hf_ms2"] * TACHOGRAM_HZ - 1
    if len(rr_ms) == 0 or not (lengths >= shortest).any():
        return lf, hf
    begin = int(first.min())
    x = tachogram(beat_s, rr_ms, np.arange(begin, int((first + lengths).max()) + 1) / TACHOGRAM_HZ)
    for n in np.unique(lengths[lengths >= shortest]):
        rows = np.flatnonzero(lengths == n)
        plan = spectral.segments(first[rows] - begin, int(n), TACHOGRAM_HZ, TACHOGRAM_SEGMENT_S)
        psd = spectral.per_window(spectral.power(spectral.spectra(x, plan)), plan)
        lf[rows] = spectral.band_power(psd, plan.freqs, *LF_HZ)
        hf[rows] = spectral.band_power(psd, plan.freqs, *HF_HZ)
    return lf, hf


def _shape(signal: Signal, windows: Windows) -> dict[str, np.ndarray]:
    """Mean, SD, RMS, skewness and excess kurtosis of each window of one lead (population moments)."""
    out = {what: np.full(len(windows), np.nan) for what in SHAPE}
    start, covered = grid.starts(signal, windows.onset_s, windows.duration_s)
    n = grid.n_samples(signal.sfreq, windows.duration_s)
    at = np.flatnonzero(covered)
    cut = grid.cut(np.asarray(signal.data), start[at], n)
    with np.errstate(divide="ignore", invalid="ignore"):
        for begin in range(0, len(cut), 128):
            block = cut[begin : begin + 128].astype(np.float64)
            rows = at[begin : begin + 128]
            mean = block.mean(axis=1)
            rms = np.sqrt(np.einsum("wt,wt->w", block, block) / n)
            block -= mean[:, None]
            square = block * block
            second = square.mean(axis=1)
            out["mean"][rows], out["sd"][rows], out["rms"][rows] = mean, np.sqrt(second), rms
            out["skewness"][rows] = np.einsum("wt,wt->w", square, block) / n / second**1.5
            out["kurtosis"][rows] = np.einsum("wt,wt->w", square, square) / n / second**2 - 3
    for column in out.values():
        column[~np.isfinite(column)] = np.nan
    return out
