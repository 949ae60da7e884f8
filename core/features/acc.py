"""Acceleration: how much a person moved in the minute that ends with each window, in g. A confound, not a state."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.dsp import grid, spectral
from core.dsp.filters import highpass
from core.features import context
from core.types import Pipeline, Quality, Recording, Windows

# own: slower than this is posture, Hz; less than this is rest, g (an E4 resolves 1/64 g); a rhythm is looked for here
POSTURE_HZ = 0.25
STILL_G = 0.02
RHYTHM_HZ = (0.5, 10.0)
RHYTHM_SEGMENT_S = 4.0


def blocks() -> dict[str, tuple[str, ...]]:
    """The columns of each block."""
    return {"movement": ("acc_movement_g", "acc_movement_sd_g", "acc_movement_max_g", "acc_still", "acc_rhythm_hz")}


def names() -> tuple[str, ...]:
    """The 5 column names."""
    return context.flat(blocks)


def table(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> pd.DataFrame:
    """Every window, of the magnitude over the axes on one clock; shape (n_windows, 10) with the ``valid_`` columns.

    ``acc_still`` is the share of seconds with a mean below 0.02 g, ``acc_rhythm_hz`` the strongest frequency.
    """
    signal = context.first(recording, quality, "acc")
    columns: dict[str, np.ndarray] = {}
    if signal is not None and len(windows):
        sfreq, clock = signal.sfreq, (signal.sfreq, signal.onset_s, len(signal.data))
        axes = [s for s in recording.of_type("acc") if (s.sfreq, s.onset_s, len(s.data)) == clock]
        axes = [s for s in axes if s.name not in quality.bad_names("acc")]
        size = np.sqrt(sum(grid.trusted(s, quality) ** 2 for s in axes))
        moved = highpass(size, sfreq, POSTURE_HZ) if len(size) > 1 else size * np.nan
        begin_s = context.start_s(signal, recording, windows, context.SLOW_CONTEXT_S)
        seen = context.of_samples(sfreq, signal.onset_s, len(moved), begin_s, windows)
        away = np.abs(moved)
        n = max(1, round(sfreq))
        seconds = away[: len(away) // n * n].reshape(-1, n).mean(axis=1)
        still = np.where(np.isfinite(seconds), seconds < STILL_G, np.nan).astype(float)
        second_s = signal.onset_s + (np.arange(len(seconds)) + 1) * n / sfreq
        columns = {
            "acc_movement_g": seen.mean(away), "acc_movement_sd_g": seen.sd(moved),
            "acc_movement_max_g": seen.most(away),
            "acc_still": context.of_events(second_s, begin_s, windows, second_s - n / sfreq).mean(still),
            "acc_rhythm_hz": _rhythm(moved, sfreq, signal.onset_s, begin_s, windows),
        }  # fmt: skip
        columns = context.where(context.covered(seen, away, sfreq), columns)
    return context.frame(columns, names(), len(windows))


def _rhythm(moved: np.ndarray, sfreq: float, onset_s: float, begin_s: np.ndarray, windows: Windows) -> np.ndarray:
    """The frequency with the most power over the segments that lie in each context; NaN without movement."""
    n = round(RHYTHM_SEGMENT_S * sfreq)
    out = np.full(len(windows), np.nan)
    if len(moved) < n or n < 2:
        return out
    start = np.arange(0, len(moved) - n + 1, max(1, n // 2))
    freqs, psd = spectral.window_psd(moved, start, n, sfreq)
    chosen = spectral.band(freqs, *RHYTHM_HZ)
    if not chosen.any():
        return out
    end_s = onset_s + (start + n) / sfreq
    total = context.of_events(end_s, begin_s, windows, onset_s + start / sfreq).total(psd[:, chosen])
    return np.where(total.max(axis=1) > 0, freqs[chosen][np.argmax(total, axis=1)], np.nan)
