"""ECG-22: the feature vector of requirements d2, per window, from filtered and normalised signals.

Time and frequency columns come from the beats of a context that ends with the window and reaches back
``hrv_context_s``, but never before the start of the ECG or into a stretch annotated ``baseline``. What its length does
not allow is NaN and its ``valid_`` column 0. LF and LF/HF are given from 120 s on; below ``LF_FULL_S`` they are to be
shown greyed with their length, which ``context_s`` tells.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.dsp import beats, grid
from core.features import context, rhythm
from core.features.rhythm import FREQUENCY, TIME
from core.types import Pipeline, Quality, Recording, Signal, Windows

SHAPE = ("mean", "sd", "rms", "skewness", "kurtosis")
LEADS = 2
LF_FULL_S = 240.0


def blocks() -> dict[str, tuple[str, ...]]:
    """The columns of each block."""
    return {
        "time": tuple(f"ecg_{name}" for name in TIME),
        "frequency": tuple(f"ecg_{name}" for name in FREQUENCY),
        "shape": tuple(f"ecg_{what}_{lead}" for lead in range(1, LEADS + 1) for what in SHAPE),
    }


def names() -> tuple[str, ...]:
    """The 22 column names."""
    return context.flat(blocks)


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
    columns: dict[str, np.ndarray] = {}
    signals = recording.of_type("ecg")
    lead = beats.lead(signals, quality)
    if lead is not None and len(windows):
        beat_s, rr_ms = beats.trusted_intervals(lead, quality)
        start_s = context.start_s(lead, recording, windows, pipeline.hrv_context_s)
        values = rhythm.values(beat_s, rr_ms, start_s, windows.onset_s + windows.duration_s)
        columns = {f"ecg_{name}": column for name, column in values.items()}
    bad = quality.bad_names("ecg")
    for number, signal in enumerate(signals[:LEADS], 1):
        if signal.name not in bad:
            for what, column in _shape(signal, windows).items():
                columns[f"ecg_{what}_{number}"] = column
    return context.frame(columns, names(), len(windows))[[*names(), *valid_names()]]


def context_s(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> np.ndarray:
    """Length of each window's context in seconds, shape (n_windows,); 0 without an ECG."""
    lead = beats.lead(recording.of_type("ecg"), quality)
    if lead is None:
        return np.zeros(len(windows))
    start_s = context.start_s(lead, recording, windows, pipeline.hrv_context_s)
    return windows.onset_s + windows.duration_s - start_s


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
