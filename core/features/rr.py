"""Intervals between beats, as a watch or Holter lists them: the time and frequency columns of ECG-22."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.dsp import beats
from core.features import context, rhythm
from core.types import Pipeline, Quality, Recording, Windows


def blocks() -> dict[str, tuple[str, ...]]:
    """The columns of each block."""
    return {
        "time": tuple(f"rr_{name}" for name in rhythm.TIME),
        "frequency": tuple(f"rr_{name}" for name in rhythm.FREQUENCY),
    }


def names() -> tuple[str, ...]:
    """The 12 column names."""
    return context.flat(blocks)


def table(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> pd.DataFrame:
    """Every window, over a context of ``hrv_context_s``; shape (n_windows, 24) with the ``valid_`` columns."""
    signal = context.first(recording, quality, "rr")
    columns: dict[str, np.ndarray] = {}
    if signal is not None and len(windows):
        beat_s, rr_ms = beats.trusted_intervals(signal, quality)
        begin_s = context.start_s(signal, recording, windows, pipeline.hrv_context_s)
        values = rhythm.values(beat_s, rr_ms, begin_s, windows.onset_s + windows.duration_s)
        columns = {f"rr_{name}": column for name, column in values.items()}
    return context.frame(columns, names(), len(windows))
