"""Temperature in the minute that ends with each window, in °C."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.dsp import grid
from core.features import context
from core.types import Pipeline, Quality, Recording, Windows

# own: least length of a context for a slope, s
SLOPE_S = 20.0


def blocks() -> dict[str, tuple[str, ...]]:
    """The columns of each block."""
    return {"level": ("temp_mean_c", "temp_sd_c", "temp_slope_c_min")}


def names() -> tuple[str, ...]:
    """The 3 column names."""
    return context.flat(blocks)


def table(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> pd.DataFrame:
    """Every window, of the first channel that is not left out; shape (n_windows, 6) with the ``valid_`` columns."""
    signal = context.first(recording, quality, "temp")
    columns: dict[str, np.ndarray] = {}
    if signal is not None and len(windows):
        x = grid.trusted(signal, quality)
        begin_s = context.start_s(signal, recording, windows, context.SLOW_CONTEXT_S)
        seen = context.of_samples(signal.sfreq, signal.onset_s, len(x), begin_s, windows)
        mean, sd = seen.moments(x)
        slope = 60 * seen.line(x, np.arange(len(x)) / signal.sfreq)[0]
        slope = np.where(seen.length_s >= SLOPE_S - 1e-6, slope, np.nan)
        columns = {"temp_mean_c": mean, "temp_sd_c": sd, "temp_slope_c_min": slope}
        columns = context.where(context.covered(seen, x, signal.sfreq), columns)
    return context.frame(columns, names(), len(windows))
