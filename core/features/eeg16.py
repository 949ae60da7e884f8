"""EEG-16, the features of the four-band source (requirements S4-04): mean power density of four bands at four places.

Columns ``psd_{band}_{channel}``, in the unit of the input squared per Hz: Welch with 2 s (256 samples at 128 Hz), half
overlap, Hann. Bands are half-open: the bins at 13 and 30 Hz count once. Chosen by ``eeg16`` in ``Pipeline.features``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.dsp import grid, spectral
from core.dsp.montage import canonical
from core.settings import BANDS_16
from core.types import Pipeline, Quality, Recording, Windows

CHANNELS = ("Fp1", "F3", "Fp2", "F4")


def blocks() -> dict[str, tuple[str, ...]]:
    """The columns of each band."""
    return {band: tuple(f"psd_{band}_{ch}" for ch in CHANNELS) for band in BANDS_16}


def names() -> tuple[str, ...]:
    """The 16 column names."""
    return tuple(name for block in blocks().values() for name in block)


def table(recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline) -> pd.DataFrame:
    """EEG-16 of every window, shape (n_windows, 16).

    NaN where a channel is missing, left out or has a gap, or its rate does not hold the band.
    """
    out = pd.DataFrame(np.nan, index=pd.RangeIndex(len(windows)), columns=list(names()))
    bad = quality.bad_names("eeg")
    found = {canonical(s.name): s for s in reversed(recording.of_type("eeg")) if s.name not in bad}
    for name in CHANNELS:
        signal = found.get(name)
        if signal is None or not len(windows):
            continue
        start, covered = grid.starts(signal, windows.onset_s, windows.duration_s)
        n = grid.n_samples(signal.sfreq, windows.duration_s)
        at = np.flatnonzero(covered)
        if not len(at):
            continue
        freqs, psd = spectral.window_psd(np.asarray(signal.data), start[at], n, signal.sfreq)
        for band, (low, high) in BANDS_16.items():
            if spectral.holds(signal.sfreq, high):
                out.loc[at, f"psd_{band}_{name}"] = psd[:, spectral.band(freqs, low, high)].mean(axis=1)
    return out
