"""EDA: level, responses and shape of skin conductance in the minute that ends with each window, in µS.

From the recording in its own unit, not scaled: what is done to a person's level is the model's matter. The tonic part
is ``core.dsp.slow.tonic``, the phasic what lies above it, the responses those of ``core.dsp.slow.skin_responses``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.dsp import grid, slow
from core.features import context
from core.types import Pipeline, Quality, Recording, Signal, Windows

# own: least length of a context in s, for responses and for a slope
RESPONSES_S, SLOPE_S = 30.0, 10.0
# own: the smallest response as a share of the level, for people whose whole skin conductance is a few tenths of a µS
RELATIVE = 0.02
LOWEST_US = 0.01


def blocks() -> dict[str, tuple[str, ...]]:
    """The columns of each block."""
    return {
        "tonic": ("eda_level_us", "eda_ln_level", "eda_tonic_us", "eda_slope_us_min", "eda_ln_slope_min"),
        "phasic": ("eda_phasic_us", "eda_phasic_sd_us", "eda_phasic_max_us"),
        "responses": (
            "eda_scr_min", "eda_scr_relative_min", "eda_scr_amplitude_us", "eda_scr_sum_us_min", "eda_scr_max_us",
            "eda_scr_rise_s",
        ),
        "shape": ("eda_residual_us", "eda_cv", "eda_speed_us_s", "eda_speed_sd_us_s", "eda_rising"),
    }  # fmt: skip


def names() -> tuple[str, ...]:
    """The 19 column names."""
    return context.flat(blocks)


def table(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> pd.DataFrame:
    """Every window's context, of the first channel that is not left out.

    Returns
    -------
    DataFrame, shape (n_windows, 38)
        ``names()`` and their ``valid_`` columns. Mean amplitude and rise time are NaN where there was no response.
    """
    signal = context.first(recording, quality, "eda")
    columns: dict[str, np.ndarray] = {}
    if signal is not None and len(windows):
        begin_s = context.start_s(signal, recording, windows, context.SLOW_CONTEXT_S)
        smooth, rate, _ = slow.smooth_skin(np.asarray(signal.data), signal.sfreq)
        there = slow.slower(np.isfinite(grid.trusted(signal, quality)).astype(float), signal.sfreq, slow.EDA_SFREQ)
        x = np.where(there[0] == 1, smooth, np.nan)
        seen = context.of_samples(rate, signal.onset_s, len(x), begin_s, windows)
        enough = context.covered(seen, x, rate)
        columns = context.where(enough, _level(x, rate, slow.tonic(smooth, rate), seen))
        for name in ("eda_slope_us_min", "eda_ln_slope_min", "eda_residual_us"):
            columns[name] = np.where(seen.length_s >= SLOPE_S - 1e-6, columns[name], np.nan)
        long = enough & (seen.length_s >= RESPONSES_S - 1e-6)
        minutes = seen.count(x) / rate / 60
        found, events = _found(np.asarray(signal.data), slow.SCR_MIN_US, x, rate, signal, begin_s, windows)
        columns |= context.where(long, _responses(found, events, minutes))
        logs = np.log(np.maximum(np.asarray(signal.data, dtype=np.float64), LOWEST_US))
        found, events = _found(logs, RELATIVE, x, rate, signal, begin_s, windows)
        with np.errstate(divide="ignore", invalid="ignore"):
            columns["eda_scr_relative_min"] = np.where(long, events.count(found.amplitude_us) / minutes, np.nan)
    return context.frame(columns, names(), len(windows))


def _level(x: np.ndarray, rate: float, tonic: np.ndarray, seen: context.Context) -> dict[str, np.ndarray]:
    with np.errstate(divide="ignore", invalid="ignore"):
        time_s = np.arange(len(x)) / rate
        logs = np.log(np.where(x > 0, x, np.nan))
        mean, sd = seen.moments(x)
        slope, residual = seen.line(x, time_s)
        phasic, speed = x - tonic, np.diff(x, prepend=np.nan) * rate
        speed_sd = seen.sd(speed)
        rising = np.where(np.isfinite(speed), speed > 0, np.nan).astype(float)
        return {
            "eda_level_us": mean, "eda_ln_level": seen.mean(logs),
            "eda_tonic_us": seen.mean(np.where(np.isfinite(x), tonic, np.nan)),
            "eda_slope_us_min": 60 * slope, "eda_ln_slope_min": 60 * seen.line(logs, time_s)[0],
            "eda_phasic_us": seen.mean(phasic), "eda_phasic_sd_us": seen.sd(phasic),
            "eda_phasic_max_us": seen.most(phasic), "eda_residual_us": residual, "eda_cv": sd / mean,
            "eda_speed_us_s": seen.mean(np.abs(speed)), "eda_speed_sd_us_s": speed_sd, "eda_rising": seen.mean(rising),
        }  # fmt: skip


def _found(
    data: np.ndarray, least: float, x: np.ndarray, rate: float, signal: Signal, begin_s: np.ndarray, windows: Windows
) -> tuple[slow.Responses, context.Context]:
    """Responses that rise where ``x`` is there, and those of each context."""
    found = slow.skin_responses(data, signal.sfreq, least)
    there = np.append(np.isfinite(x), False)
    found = found.of(*(there[np.rint(at * rate).astype(int)] for at in (found.onset_s, found.peak_s)))
    return found, context.of_events(signal.onset_s + found.peak_s, begin_s, windows)


def _responses(found: slow.Responses, events: context.Context, minutes: np.ndarray) -> dict[str, np.ndarray]:
    size = found.amplitude_us
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "eda_scr_min": events.count(size) / minutes, "eda_scr_amplitude_us": events.mean(size),
            "eda_scr_sum_us_min": events.total(size) / minutes, "eda_scr_max_us": np.nan_to_num(events.most(size)),
            "eda_scr_rise_s": events.mean(found.peak_s - found.onset_s),
        }  # fmt: skip
