"""PPG: pulse rate, its variability and the height of the pulse, per window, from the recording in its own unit.

Rate, height and the share of valid pulses are of the minute that ends with the window, variability of a context of
``hrv_context_s``, as in ECG-22. A wrist loses many pulses to movement (29 % of them at rest and work together): each
value has its least share of valid ones, and ``ppg_valid_share`` says how many there were.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.dsp import beats
from core.features import context, rhythm
from core.types import Pipeline, Quality, Recording, Windows

# stress.md: no reading where less of the time lies between valid pulses
LEAST_SHARE = 0.2
MIN_PULSES = 5
# own: "now" within the minute
LAST_S = 15.0


def blocks() -> dict[str, tuple[str, ...]]:
    """The columns of each block."""
    return {
        "rate": ("ppg_rate", "ppg_rate_last", "ppg_rate_sd", "ppg_rate_slope_min", "ppg_rate_max"),
        "variability": tuple(f"ppg_{name}" for name in (*rhythm.TIME[:5], "cv_rr", *rhythm.FREQUENCY)),
        "pulse": ("ppg_amplitude", "ppg_amplitude_cv", "ppg_amplitude_slope_min", "ppg_valid_share"),
    }


def names() -> tuple[str, ...]:
    """The 19 column names."""
    return context.flat(blocks)


def table(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> pd.DataFrame:
    """Every window, of the first channel that is not left out.

    Returns
    -------
    DataFrame, shape (n_windows, 38)
        ``names()`` and their ``valid_`` columns. The slope of the amplitude is a share of its mean per minute.
    """
    signal = context.first(recording, quality, "ppg")
    columns: dict[str, np.ndarray] = {}
    if signal is not None and len(windows):
        end_s = windows.onset_s + windows.duration_s
        beat_s, rr_ms = beats.trusted_intervals(signal, quality)
        long_s = context.start_s(signal, recording, windows, pipeline.hrv_context_s)
        columns = {f"ppg_{name}": x for name, x in rhythm.values(beat_s, rr_ms, long_s, end_s).items()}
        begin_s = context.start_s(signal, recording, windows, context.SLOW_CONTEXT_S)
        height = beats.pulse_heights(np.asarray(signal.data), signal.sfreq, beat_s - signal.onset_s)
        columns |= _now(beat_s, rr_ms, height, begin_s, windows)
    return context.frame(columns, names(), len(windows))


def _now(
    beat_s: np.ndarray, rr_ms: np.ndarray, height: np.ndarray, begin_s: np.ndarray, windows: Windows
) -> dict[str, np.ndarray]:
    """Rate and height over the minute. An interval counts at the beat that ends it."""
    at_s, height = beat_s[1:], np.where(np.isfinite(rr_ms), height[1:], np.nan)
    seen = context.of_events(at_s, begin_s, windows, beat_s[:-1])
    last = context.of_events(at_s, np.maximum(begin_s, windows.onset_s + windows.duration_s - LAST_S), windows)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.minimum(seen.total(rr_ms) / 1000 / seen.length_s, 1.0)
        last_share = last.total(rr_ms) / 1000 / last.length_s
        mean, sd = seen.moments(height)
        out = {
            "ppg_rate": 60000 / seen.mean(rr_ms), "ppg_rate_sd": seen.sd(60000 / rr_ms),
            "ppg_rate_slope_min": 60 * seen.line(60000 / rr_ms, at_s)[0], "ppg_rate_max": seen.most(60000 / rr_ms),
            "ppg_amplitude": mean, "ppg_amplitude_cv": sd / mean,
            "ppg_amplitude_slope_min": 60 * seen.line(height, at_s)[0] / mean,
        }  # fmt: skip
        now = np.where(last_share >= LEAST_SHARE, 60000 / last.mean(rr_ms), np.nan)
    valid = (share >= LEAST_SHARE) & (seen.count(rr_ms) >= MIN_PULSES)
    return {**context.where(valid, out), "ppg_rate_last": now, "ppg_valid_share": share}
