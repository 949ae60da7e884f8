"""Time and frequency values of the intervals between beats, over the context of each window: ECG, pulse or RR list."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from core.dsp import spectral
from core.features.context import COVER, Context

TIME = ("mean_rr_ms", "sdnn_ms", "rmssd_ms", "nn50", "pnn50", "mean_hr", "sd_hr", "cv_rr")
FREQUENCY = ("lf_ms2", "hf_ms2", "lf_hf", "lf_plus_hf_ms2")
# least context, s, and least beats (d2)
CONTEXT_S = {
    "sdnn_ms": 30.0, "rmssd_ms": 30.0, "nn50": 30.0, "pnn50": 30.0, "sd_hr": 30.0, "cv_rr": 30.0,
    "hf_ms2": 60.0, "lf_ms2": 120.0, "lf_hf": 120.0, "lf_plus_hf_ms2": 120.0,
}  # fmt: skip
MIN_BEATS = 4
NN50_MS = 50.0
LF_HZ, HF_HZ = (0.04, 0.15), (0.15, 0.40)
TACHOGRAM_HZ = 4.0
TACHOGRAM_SEGMENT_S = 120.0
# own: a longer stretch without a valid interval is bridged by a line, which a spline would overshoot, s
BRIDGE_S = 2.5


def values(beat_s: np.ndarray, rr_ms: np.ndarray, start_s: np.ndarray, end_s: np.ndarray) -> dict[str, np.ndarray]:
    """TIME and FREQUENCY of each context; NaN where its length or the share of valid intervals does not allow one.

    Parameters
    ----------
    beat_s : ndarray, shape (n_beats,)
        On the recording's clock, increasing.
    rr_ms : ndarray, shape (n_beats - 1,)
        Normal intervals; NaN where one is not. Valid ones must cover half of a context.
    start_s, end_s : ndarray, shape (n_windows,)
    """
    out = _computed(beat_s, rr_ms, start_s, end_s)
    length_s = end_s - start_s
    enough = out.pop("cover") >= COVER * length_s
    n_rr = out.pop("n")
    for name in TIME + FREQUENCY:
        if name in CONTEXT_S:
            valid = (length_s >= CONTEXT_S[name] - 1e-6) & enough
        else:
            valid = n_rr >= MIN_BEATS - 1
        out[name] = np.where(valid & np.isfinite(out[name]), out[name], np.nan)
    return out


def _computed(beat_s: np.ndarray, rr_ms: np.ndarray, start_s: np.ndarray, end_s: np.ndarray) -> dict[str, np.ndarray]:
    """Valid or not, with ``n`` intervals and their ``cover`` in s."""
    # interval i runs from beat i to beat i + 1: those with both beats in the context
    first = np.searchsorted(beat_s, start_s - 1e-9)
    last = np.maximum(np.searchsorted(beat_s, end_s + 1e-9) - 1, first)
    inner = Context(first, last, end_s - start_s)
    between = inner.less_one()
    steps = np.diff(rr_ms) if len(rr_ms) > 1 else np.empty(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, sd = inner.moments(rr_ms)
        mean_hr, sd_hr = inner.moments(60000.0 / rr_ms)
        n_steps = between.count(steps)
        nn50 = between.total(np.where(np.isfinite(steps), np.abs(steps) > NN50_MS, np.nan).astype(float))
        out = {
            "n": inner.count(rr_ms), "cover": inner.total(rr_ms) / 1000, "mean_rr_ms": mean, "sdnn_ms": sd,
            "rmssd_ms": np.sqrt(between.total(steps**2) / n_steps), "nn50": np.where(n_steps > 0, nn50, np.nan),
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
