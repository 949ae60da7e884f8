"""Respiration: rate, depth and timing of the breaths in the minute that ends with each window."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.dsp import grid, slow
from core.features import context
from core.types import Pipeline, Quality, Recording, Windows

# own: least length of a context, s, and breaths in it
CONTEXT_S, MIN_BREATHS = 20.0, 3


def blocks() -> dict[str, tuple[str, ...]]:
    """The columns of each block."""
    return {
        "rate": ("resp_rate", "resp_rate_sd", "resp_length_cv", "resp_rmssd_s"),
        "depth": ("resp_depth", "resp_depth_cv"),
        "timing": ("resp_inspiration_s", "resp_expiration_s", "resp_ie_ratio"),
    }


def names() -> tuple[str, ...]:
    """The 9 column names."""
    return context.flat(blocks)


def table(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> pd.DataFrame:
    """Every window, of the first channel that is not left out; a breath counts where it begins and ends in the context.

    Returns
    -------
    DataFrame, shape (n_windows, 18)
        ``names()`` and their ``valid_`` columns; depth in the signal's unit.
    """
    signal, verdict = context.first(recording, quality, "resp"), quality.of("resp")
    columns: dict[str, np.ndarray] = {}
    if signal is not None and verdict is not None and len(windows):
        found = slow.breaths(np.asarray(signal.data), signal.sfreq)
        start_s, peak_s = signal.onset_s + found.start_s, signal.onset_s + found.peak_s
        usable = [grid.inside(at, quality.onset_s, quality.duration_s, verdict.usable) for at in (start_s, peak_s)]
        kept = found.normal() & usable[0] & usable[1]
        begin_s = context.start_s(signal, recording, windows, context.SLOW_CONTEXT_S)
        seen = context.of_events(peak_s, begin_s, windows, start_s)
        length_s, depth, inspiration_s, expiration_s = (
            np.where(kept, v, np.nan)
            for v in (found.length_s, found.depth, found.peak_s - found.trough_s, found.trough_s - found.start_s)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            mean, sd = seen.moments(length_s)
            deep, deep_sd = seen.moments(depth)
            steps = np.append(np.diff(length_s), np.nan)
            columns = {
                "resp_rate": 60 / mean, "resp_rate_sd": seen.sd(60 / length_s), "resp_length_cv": sd / mean,
                "resp_rmssd_s": np.sqrt(seen.less_one().mean(steps**2)),
                "resp_depth": deep, "resp_depth_cv": deep_sd / deep,
                "resp_inspiration_s": seen.mean(inspiration_s), "resp_expiration_s": seen.mean(expiration_s),
                "resp_ie_ratio": seen.mean(inspiration_s) / seen.mean(expiration_s),
            }  # fmt: skip
        valid = (seen.length_s >= CONTEXT_S - 1e-6) & (seen.count(length_s) >= MIN_BREATHS)
        valid &= seen.total(length_s) >= context.COVER * seen.length_s
        columns = context.where(valid, columns)
    return context.frame(columns, names(), len(windows))
