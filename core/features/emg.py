"""EMG: how strong a muscle is, its median frequency, and how much of the last minute it was active, by site.

Sites are known by their channels' names (``core.dsp.muscle``); the first channel of any other name is ``other``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import ndimage

from core.dsp import grid, muscle, spectral
from core.features import context
from core.types import Pipeline, Quality, Recording, Signal, Windows

# own: a muscle is active where the RMS of a piece is this many times that of rest, the tenth percentile of the minute
# before it
PIECE_S = 0.25
ACTIVE, REST_PERCENTILE = 2.0, 10
_WHAT = ("rms_uv", "ln_rms", "median_hz", "active")


def blocks() -> dict[str, tuple[str, ...]]:
    """The columns of each block, one a site."""
    return {site: tuple(f"emg_{site}_{what}" for what in _WHAT) for site in (*muscle.SITES, "other")}


def names() -> tuple[str, ...]:
    """The 16 column names."""
    return context.flat(blocks)


def table(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> pd.DataFrame:
    """RMS and median frequency of each window, active share of its context; shape (n_windows, 32)."""
    bad, columns = quality.bad_names("emg"), {}
    if len(windows):
        found: dict[str, Signal] = {}
        for signal in recording.of_type("emg"):
            if signal.name not in bad:
                found.setdefault(muscle.site(signal.name), signal)
        for site, signal in found.items():
            for what, column in _of(signal, recording, windows, quality).items():
                columns[f"emg_{site}_{what}"] = column
    return context.frame(columns, names(), len(windows))


def _of(signal: Signal, recording: Recording, windows: Windows, quality: Quality) -> dict[str, np.ndarray]:
    sfreq = signal.sfreq
    x = np.where(np.isfinite(grid.trusted(signal, quality)), muscle.muscle(np.asarray(signal.data), sfreq), np.nan)
    whole = context.of_samples(sfreq, signal.onset_s, len(x), windows.onset_s, windows)
    with np.errstate(divide="ignore", invalid="ignore"):
        rms = np.sqrt(whole.mean(x**2))
        out = {"rms_uv": rms, "ln_rms": np.log(np.where(rms > 0, rms, np.nan))}
    out = context.where(context.covered(whole, x, sfreq), out)
    out["median_hz"] = _median_hz(x, signal, windows)
    n = max(1, round(PIECE_S * sfreq))
    pieces = np.sqrt((x[: len(x) // n * n].reshape(-1, n) ** 2).mean(axis=1))
    back = round(context.SLOW_CONTEXT_S / PIECE_S)
    if len(pieces):
        level = np.where(np.isfinite(pieces), pieces, np.inf)  # what is not known is no rest
        rest = ndimage.percentile_filter(level, REST_PERCENTILE, size=back, mode="nearest", origin=(back - 1) // 2)
        active = np.where(np.isfinite(pieces), pieces > ACTIVE * rest, np.nan).astype(float)
        begin_s = context.start_s(signal, recording, windows, context.SLOW_CONTEXT_S)
        end_s = signal.onset_s + (np.arange(len(pieces)) + 1) * n / sfreq
        seen = context.of_events(end_s, begin_s, windows, end_s - n / sfreq)
        out["active"] = np.where(
            seen.count(active) * PIECE_S >= context.COVER * seen.length_s, seen.mean(active), np.nan
        )
    return out


def _median_hz(x: np.ndarray, signal: Signal, windows: Windows) -> np.ndarray:
    """The frequency that halves the power of each window; NaN where a sample is missing."""
    out = np.full(len(windows), np.nan)
    start, there = grid.starts(signal, windows.onset_s, windows.duration_s)
    if not there.any():
        return out
    freqs, psd = spectral.window_psd(x, start[there], grid.n_samples(signal.sfreq, windows.duration_s), signal.sfreq)
    total = np.cumsum(psd, axis=1)
    half = freqs[np.argmax(total >= total[:, -1:] / 2, axis=1)]
    out[there] = np.where(total[:, -1] > 0, half, np.nan)
    return out
