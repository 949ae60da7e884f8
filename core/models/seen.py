"""What a model sees of windows: a table, signals at fixed rates, or sequences. Studies and the clinic share it.

``signals`` cuts what nets of signals are given; ``shown`` gives an estimator the windows in the form it takes. A
sequence is the windows of a trial in order of time. A session of the clinic has no trials: its windows are parted into
stretches, each no longer than the longest trial that was learned from, and each stretch is one sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from core.dsp import grid
from core.dsp.montage import places
from core.settings import NET_RATES
from core.types import Recording, Signal


def shown(
    takes: str,
    table: pd.DataFrame,
    signals: Mapping[str, np.ndarray],
    unit: np.ndarray,
    onset_s: np.ndarray,
    longest: int,
) -> tuple[Any, np.ndarray]:
    """Windows as an estimator takes them, and which of its rows tells each window, shape (n_windows,).

    Parameters
    ----------
    takes
        As of ``core.models.Model``.
    table
        A row per window.
    signals
        Channel type -> (n_windows, n_channels, n_times), as ``signals`` gives it.
    unit, onset_s
        Trial or stretch, and time within it, of each window, shape (n_windows,).
    longest
        Windows that a sequence holds.
    """
    if takes == "features":
        return table, np.arange(len(table))
    from skorch.helper import SliceDict

    if takes == "signals":
        return SliceDict(**signals), np.arange(len(unit))
    x = table.to_numpy()
    trials, back = np.unique(unit, return_inverse=True)
    sequence = np.full((len(trials), longest, x.shape[1]), np.nan, dtype=np.float32)
    mask = np.zeros((len(trials), longest), dtype=bool)
    # the windows of each trial in order of time
    windows, at = np.unique(np.column_stack([back, onset_s]), axis=0, return_inverse=True)
    place = at - np.searchsorted(windows[:, 0], back)
    sequence[back, place], mask[back, place] = x, True
    return SliceDict(sequence=sequence, mask=mask), back


def stretches(n_windows: int, longest: int) -> np.ndarray:
    """Which stretch each of a session's windows is in: as few as can be, of about one length, shape (n_windows,).

    Examples
    --------
    >>> stretches(7, 3).tolist(), stretches(3, 29).tolist()
    ([0, 0, 0, 1, 1, 2, 2], [0, 0, 0])
    """
    return np.arange(n_windows) * -(-n_windows // longest) // max(n_windows, 1)


def signals(
    scaled: Recording,
    channels: Mapping[str, Sequence[str]],
    onset_s: np.ndarray,
    window_s: float,
    rates: Mapping[str, int] = NET_RATES,
) -> dict[str, np.ndarray]:
    """Windows of a filtered and normalised recording, by channel type, each type's channels in the order named."""
    return {t: windows(scaled.of_type(t), names, onset_s, window_s, rates[t]) for t, names in channels.items()}


def windows(
    found: Sequence[Signal], names: Sequence[str], onset_s: np.ndarray, window_s: float, rate: int
) -> np.ndarray:
    """Windows of some channels at one rate, float32 (n_windows, n_channels, n_times); NaN where a channel is not there.

    A signal of another rate is resampled as a whole (polyphase), its gaps and all beyond its ends at its mean.
    """
    from scipy.signal import resample_poly

    n = grid.n_samples(rate, window_s)
    out = np.full((len(onset_s), len(names), n), np.nan, dtype=np.float32)
    for column, signal in enumerate(matched(found, names)):
        if signal is None or not np.isfinite(signal.data).any():
            continue
        if signal.sfreq != rate:
            ratio = Fraction(rate / signal.sfreq).limit_denominator(1000)
            data = signal.data.astype(np.float64)
            mean = np.nanmean(data)
            data = resample_poly(np.nan_to_num(data - mean), ratio.numerator, ratio.denominator) + mean
            signal = replace(signal, sfreq=float(rate), data=data)
        start, covered = grid.starts(signal, onset_s, window_s)
        out[covered, column] = grid.cut(signal.data, start[covered], n)
    return out


def matched(found: Sequence[Signal], names: Sequence[str]) -> list[Signal | None]:
    """The signal of each channel name, None where there is none.

    EEG is known by where it lies. Leads and sensors of other types are called as each device pleases: a name that is
    not there is given the next signal that no name asked for.
    """
    by_name = dict(zip(reversed(places([s.name for s in found])), reversed(found), strict=True))
    out = [by_name.get(name) for name in names]
    spare = iter([s for s in found if s.type != "eeg" and not any(s is one for one in out)])
    return [one if one is not None else next(spare, None) for one in out]
