"""EDA and pulse of a wrist as the past alone shows them: filters run forward only, and a row hears of its window only.

For pipelines of ``norm_mode`` "causal", whose rows ``core.features.causal`` then compares with the person's own first
minutes and bounded past. A recording cut short gives the very same rows for what is left. The share of valid pulses
decides whether there is a reading, and is no feature: it would tell of movement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import signal as dsp

from core.dsp import slow
from core.dsp.beats import PPG_BAND_HZ, PULSE_BEAT_S, PULSE_LEVEL_S, PULSE_OFFSET, PULSE_S, RR_MS
from core.dsp.filters import runs
from core.types import Quality, Recording, Signal, Windows

# column -> its usual SD within a person's hour (median over 27 people of Stress-Predict): what a change is measured by
EDA = {
    "eda_level": 0.45, "eda_last": 0.47, "eda_slope": 1.1, "eda_slope_ln": 0.23, "eda_rise": 1.1,
    "eda_rise_ln": 1.0, "eda_scr_rate": 0.83, "eda_scr_sum": 1.2, "eda_fast": 1.0,
}  # fmt: skip
PPG = {
    "ppg_rate": 5.1, "ppg_rate_high": 7.4, "ppg_rate_low": 7.3, "ppg_rate_last": 7.4, "ppg_sdnn": 0.39,
    "ppg_rmssd": 0.41, "ppg_slow_share": 0.27, "ppg_height": 0.51, "ppg_height_low": 0.47, "ppg_height_sd": 0.41,
    "ppg_rise": 0.063, "ppg_width": 0.041, "ppg_rise_share": 0.067, "ppg_breath_slow": 0.25, "ppg_breath_fast": 0.63,
}  # fmt: skip

LOWEST_US = 0.02
# below it the electrode has no contact (stress.md): no reading, and no baseline
CONTACT_US = 0.05
EDA_LOWPASS_HZ, EDA_FAST_HZ = 0.5, (0.03, 0.5)
RESPONSE_US = (0.02, 0.05)  # of a rise that is summed, and of one that is counted
LAST_S = 20.0
# a pulse is believed where its interval is within a fifth of the median of the last seven, and its height near theirs
NEAR, NEAR_BEATS, HEIGHT = 0.2, 7, (0.35, 2.5)
# stress.md: no reading where less of the window lies between valid pulses
LEAST_SHARE = 0.2
LEAST_PULSES = 8
BREATH_HZ, SLOW_HZ, FAST_HZ = (0.04, 0.5), (0.04, 0.15), (0.15, 0.4)
TACHOGRAM_HZ, TACHOGRAM_S = 4.0, 40.0


def eda(recording: Recording, windows: Windows, quality: Quality) -> pd.DataFrame:
    """The columns of ``EDA`` per window, from the first channel that is not left out; NaN where there is none.

    Levels are in ln µS, slopes in µS and ln µS a minute, sums of rises and sizes as logarithms.
    """
    found = _usable(recording, quality, "eda")
    if found is None:
        return _frame([], EDA, len(windows))
    x, rate = slow.slower(_held(found), found.sfreq, slow.EDA_SFREQ)
    smooth = _forward(pd.Series(x).rolling(5, min_periods=1).median().to_numpy(), EDA_LOWPASS_HZ, "low", rate)
    ln = np.log(np.maximum(smooth, LOWEST_US))
    fast = _forward(smooth, EDA_FAST_HZ, "band", rate)
    rises = runs(np.diff(smooth) > 0)
    size = smooth[rises[:, 1]] - smooth[rises[:, 0]]
    at = rises[:, 1]

    def row(start: int, stop: int) -> dict[str, float]:
        own, own_ln = smooth[start:stop], ln[start:stop]
        if np.median(own) < CONTACT_US:
            return {}
        t = (np.arange(len(own)) - (len(own) - 1) / 2) / rate / 60
        slope = float(t @ own / (t @ t))
        sizes = size[(at >= start) & (at < stop)]
        minutes = len(own) / rate / 60
        return {
            "eda_level": float(np.median(own_ln)),
            "eda_last": float(own_ln[-round(LAST_S / 2 * rate) :].mean()),
            "eda_slope": float(np.sign(slope) * np.log1p(abs(slope) / 0.05)),
            "eda_slope_ln": float(t @ own_ln / (t @ t)),
            "eda_rise": float(np.log(np.maximum(np.diff(own), 0).sum() + 0.01)),
            "eda_rise_ln": float(np.log(np.maximum(np.diff(own_ln), 0).sum() + 0.005)),
            "eda_scr_rate": float(np.sqrt((sizes > RESPONSE_US[1]).sum() / minutes)),
            "eda_scr_sum": float(np.log(sizes[sizes > RESPONSE_US[0]].sum() / minutes + 0.02)),
            "eda_fast": float(np.log(fast[start:stop].std() + 0.001)),
        }

    return _rows(windows, found, rate, len(x), row, EDA)


def ppg(recording: Recording, windows: Windows, quality: Quality) -> pd.DataFrame:
    """The columns of ``PPG`` per window; NaN where less than a fifth of it lies between valid pulses.

    Rates in 1/min; variability and heights as logarithms; times of the pulse's rise in s and as a share of it.
    """
    found = _usable(recording, quality, "ppg")
    if found is None:
        return _frame([], PPG, len(windows))
    pulses = _pulses(_held(found), found.sfreq)

    def row(start: int, stop: int) -> dict[str, float]:
        return _pulse_row(pulses, start / found.sfreq, stop / found.sfreq)

    return _rows(windows, found, found.sfreq, len(found.data), row, PPG)


def of_intervals(at_s: np.ndarray, interval_ms: np.ndarray, windows: Windows) -> pd.DataFrame:
    """The columns of ``PPG`` from beats and the intervals before them: height and width are the same for all."""
    same, unknown = np.ones(len(at_s)), np.full(len(at_s), np.nan)
    pulses = _Pulses(at_s, interval_ms, same, unknown, unknown, _valid(interval_ms, same))
    rows = [_pulse_row(pulses, t, t + windows.duration_s) for t in windows.onset_s]
    return _frame(rows, PPG, len(windows))


@dataclass(frozen=True)
class _Pulses:
    """Pulses by the time of their top, each with what came just before it; all of shape (n_pulses,)."""

    at_s: np.ndarray
    interval_ms: np.ndarray
    height: np.ndarray
    rise_s: np.ndarray
    width: np.ndarray
    valid: np.ndarray

    def between(self, begin_s: float, end_s: float) -> _Pulses:
        """Those whose top lies in a stretch."""
        a, b = np.searchsorted(self.at_s, (begin_s, end_s))
        return _Pulses(*(getattr(self, name)[a:b] for name in self.__dataclass_fields__))


def _pulse_row(pulses: _Pulses, begin_s: float, end_s: float) -> dict[str, float]:
    own = pulses.between(begin_s, end_s)
    ok = own.valid
    if ok.sum() < LEAST_PULSES or own.interval_ms[ok].sum() / 1000 < LEAST_SHARE * (end_s - begin_s):
        return {}
    at, rr, height = own.at_s[ok], own.interval_ms[ok], np.log(own.height[ok])
    rate, last = 60_000 / rr, at >= end_s - LAST_S
    both = ok[1:] & ok[:-1]
    steps = np.diff(own.interval_ms)[both]
    out = {
        "ppg_rate": np.median(rate), "ppg_rate_high": np.percentile(rate, 90), "ppg_rate_low": np.percentile(rate, 10),
        "ppg_rate_last": np.median(rate[last]) if last.sum() >= 4 else np.nan,
        "ppg_sdnn": np.log(rr.std() + 1),
        "ppg_rmssd": np.log(np.sqrt(np.mean(steps**2)) + 1) if len(steps) >= 5 else np.nan,
        "ppg_height": np.median(height), "ppg_height_low": np.percentile(height, 10),
        "ppg_height_sd": np.log(height.std() + 0.01),
        "ppg_rise": np.median(own.rise_s[ok]), "ppg_width": np.median(own.width[ok]),
        "ppg_rise_share": np.median(1000 * own.rise_s[ok] / rr),
    }  # fmt: skip
    if len(at) >= (end_s - at[0]) / 3:
        out["ppg_slow_share"] = _breath(at, rr, end_s)[0]
        out["ppg_breath_slow"], out["ppg_breath_fast"] = _breath(at, height, end_s)
    return {name: float(value) for name, value in out.items()}


def _breath(at_s: np.ndarray, value: np.ndarray, end_s: float) -> tuple[float, float]:
    """ln of the share of a beat-by-beat series' power that is slow (Mayer), and of its power where breath is fast."""
    grid = np.arange(at_s[0], end_s, 1 / TACHOGRAM_HZ)
    x = dsp.detrend(np.interp(grid, at_s, value))
    n = min(len(x), round(TACHOGRAM_S * TACHOGRAM_HZ))
    freqs, power = dsp.welch(x, TACHOGRAM_HZ, nperseg=n, nfft=512)

    def of(band: tuple[float, float]) -> float:
        return float(power[(freqs >= band[0]) & (freqs < band[1])].sum())

    return float(np.log(of(SLOW_HZ) / (of(BREATH_HZ) + 1e-12) + 0.01)), float(np.log(of(FAST_HZ) + 1e-9))


def _pulses(x: np.ndarray, sfreq: float) -> _Pulses:
    """Elgendi's two moving averages as in ``core.dsp.beats``, but trailing, on a wave that was filtered forward."""
    wave = _forward(x, PPG_BAND_HZ, "band", sfreq, order=3)
    power = np.maximum(wave, 0.0) ** 2
    above = _trailing(power, PULSE_S * sfreq) > (
        _trailing(power, PULSE_BEAT_S * sfreq) + PULSE_OFFSET * _trailing(power, PULSE_LEVEL_S * sfreq)
    )
    shortest = round(PULSE_S * sfreq)
    tops: list[int] = []
    for start, stop in runs(above):
        if stop - start < shortest:
            continue
        first = max(0, start - shortest)
        top = first + int(np.argmax(wave[first:stop]))
        if tops and top - tops[-1] < RR_MS[0] / 1000 * sfreq:
            tops[-1] = max(tops[-1], top, key=lambda i: wave[i])
        else:
            tops.append(top)
    at = np.array(tops, dtype=np.int64)
    n = len(at)
    height, rise_s, width = (np.full(n, np.nan) for _ in range(3))
    for i in range(1, n):
        before = wave[at[i - 1] : at[i] + 1]
        if len(before) > RR_MS[1] / 1000 * sfreq:
            continue
        foot = int(np.argmin(before))
        height[i] = before[-1] - before[foot]
        rise_s[i] = (len(before) - 1 - foot) / sfreq
        width[i] = np.mean(before > before[foot] + height[i] / 2)
    at_s = (at + _top(wave, at)) / sfreq
    interval_ms = 1000 * np.diff(at_s, prepend=np.nan)
    return _Pulses(at_s, interval_ms, height, rise_s, width, _valid(interval_ms, height))


def _valid(interval_ms: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Which pulses resemble the six before them in interval and height."""
    likely = np.where((interval_ms >= RR_MS[0]) & (interval_ms <= RR_MS[1]), interval_ms, np.nan)
    recent = pd.Series(likely).rolling(NEAR_BEATS, min_periods=3).median().to_numpy()
    high = pd.Series(height).rolling(NEAR_BEATS, min_periods=3).median().to_numpy()
    with np.errstate(invalid="ignore"):
        return (
            (np.abs(likely - recent) <= NEAR * recent) & (height > HEIGHT[0] * high) & (height < HEIGHT[1] * high)
            & (height > 0)
        )  # fmt: skip


def _top(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The top of the parabola through each sample and its neighbours, from -0.5 to 0.5 samples."""
    inner = np.clip(at, 1, len(x) - 2)
    left, top, right = x[inner - 1], x[inner], x[inner + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = 0.5 * (left - right) / (left - 2 * top + right)
    return np.where(np.isfinite(shift), np.clip(shift, -0.5, 0.5), 0.0)


def _usable(recording: Recording, quality: Quality, type_: str) -> Signal | None:
    bad = quality.bad_names(type_)
    return next((s for s in recording.of_type(type_) if s.name not in bad and np.isfinite(s.data).any()), None)


def _held(found: Signal) -> np.ndarray:
    """The samples as float64, a missing one held at the last before it (the first ones at the first known)."""
    x = np.asarray(found.data, dtype=np.float64)
    last = np.maximum.accumulate(np.where(np.isfinite(x), np.arange(len(x)), -1))
    return x[np.where(last < 0, int(np.argmax(np.isfinite(x))), last)]


def _forward(x: np.ndarray, hz: float | tuple[float, float], kind: str, sfreq: float, order: int = 2) -> np.ndarray:
    """A Butterworth filter run once, from the settled state of the first sample."""
    sos = dsp.butter(order, hz, kind, fs=sfreq, output="sos")
    return dsp.sosfilt(sos, x, zi=dsp.sosfilt_zi(sos) * x[0])[0]


def _trailing(x: np.ndarray, n: float) -> np.ndarray:
    """Mean of the last n samples; of fewer at the start."""
    total = np.concatenate(([0.0], np.cumsum(x)))
    stop = np.arange(1, len(x) + 1)
    start = np.maximum(stop - max(1, round(n)), 0)
    return (total[stop] - total[start]) / (stop - start)


def _rows(
    windows: Windows, found: Signal, rate: float, n: int, row: Callable[[int, int], dict[str, float]],
    names: dict[str, float],
) -> pd.DataFrame:  # fmt: skip
    """``row`` of the samples of each window that the signal covers."""
    length = round(windows.duration_s * rate)
    rows = []
    for onset_s in windows.onset_s:
        start = round((onset_s - found.onset_s) * rate)
        inside = start >= -1 and start + length <= n + 1
        rows.append(row(max(start, 0), min(start + length, n)) if inside else {})
    return _frame(rows, names, len(windows))


def _frame(rows: list[dict[str, float]], names: dict[str, float], n: int) -> pd.DataFrame:
    return pd.DataFrame(rows, index=pd.RangeIndex(n), columns=list(names), dtype=np.float64)
