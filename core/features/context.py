"""The context of a window: what a slow signal or a rhythm needs to be told by, ending with the window.

A context reaches back some seconds from the end of its window, never before the signal, nor from after a stretch
annotated ``baseline`` into it, and never past the window: a recording cut short gives the same rows for what is left
(but for the filters, which look ahead by a few seconds). No window knows how far into the recording it lies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.types import Quality, Recording, Signal, Windows

# own: a minute holds several responses of the skin and breaths, and follows a change within one
SLOW_CONTEXT_S = 60.0
# own: this share of a context must be there
COVER = 0.5


def start_s(signal: Signal, recording: Recording, windows: Windows, context_s: float) -> np.ndarray:
    """Where the context of each window begins on the recording's clock, s, shape (n_windows,)."""
    end_s = windows.onset_s + windows.duration_s
    begin_s = np.maximum(end_s - context_s, signal.onset_s)
    for a in recording.annotations:
        if a.description.strip().lower() == "baseline":
            after = a.onset_s + a.duration_s
            begin_s = np.where(windows.onset_s >= after - 1e-6, np.maximum(begin_s, after), begin_s)
    return np.minimum(begin_s, windows.onset_s)


def first(recording: Recording, quality: Quality, type_: str) -> Signal | None:
    """The first signal of a type that is not left out."""
    bad = quality.bad_names(type_)
    return next((s for s in recording.of_type(type_) if s.name not in bad), None)


@dataclass(frozen=True)
class Context:
    """The stretch of a series that each window sees: items ``first`` to ``last`` (exclusive), shape (n_windows,).

    ``length_s`` are the lengths of the contexts. A series is one value per sample (or event); NaN is missing.
    """

    first: np.ndarray
    last: np.ndarray
    length_s: np.ndarray

    def less_one(self) -> Context:
        """Without the last item: of differences between neighbours, those with both in the context."""
        return Context(self.first, np.maximum(self.last - 1, self.first), self.length_s)

    def total(self, x: np.ndarray) -> np.ndarray:
        """Sum of what is finite."""
        running = np.cumsum(np.where(np.isfinite(x), x, 0.0), axis=0)
        running = np.concatenate((np.zeros((1, *running.shape[1:])), running))
        return running[np.minimum(self.last, len(x))] - running[np.minimum(self.first, len(x))]

    def count(self, x: np.ndarray) -> np.ndarray:
        """How many are finite."""
        return self.total(np.where(np.isfinite(x), 1.0, np.nan))

    def mean(self, x: np.ndarray) -> np.ndarray:
        """Mean of what is finite; NaN of nothing."""
        return self.moments(x)[0]

    def sd(self, x: np.ndarray) -> np.ndarray:
        """SD (ddof 0) of what is finite."""
        return self.moments(x)[1]

    def moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and SD; taken about the middle so that sums of squares keep their digits."""
        n = self.count(x)
        middle = float(np.nanmedian(x)) if np.isfinite(x).any() else 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = self.total(x - middle) / n
            return middle + mean, np.sqrt(np.maximum(self.total((x - middle) ** 2) / n - mean**2, 0.0))

    def line(self, x: np.ndarray, time_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Slope per second of the line through each context (least squares), and the SD about it."""
        there = np.isfinite(x)
        # seconds from the middle of the recording: squares of small numbers keep their digits
        t = np.where(there, time_s - np.mean(time_s) if len(time_s) else time_s, np.nan)
        y = np.where(there, x - (np.nanmedian(x) if there.any() else 0.0), np.nan)
        n, st, sy = self.count(x), self.total(t), self.total(y)
        with np.errstate(divide="ignore", invalid="ignore"):
            tt = self.total(t * t) - st * st / n
            ty = self.total(t * y) - st * sy / n
            yy = self.total(y * y) - sy * sy / n
            slope = np.where((n > 2) & (tt > 0), ty / tt, np.nan)
            return slope, np.sqrt(np.maximum(yy - slope * ty, 0.0) / n)

    def most(self, x: np.ndarray) -> np.ndarray:
        """Largest of what is finite; NaN of nothing."""
        if len(x) == 0:
            return np.full(len(self.first), np.nan)
        padded = np.append(np.where(np.isfinite(x), x, -np.inf), -np.inf)
        pairs = np.column_stack((np.minimum(self.first, len(x)), np.minimum(self.last, len(x)))).ravel()
        top = np.maximum.reduceat(padded, pairs)[::2]
        return np.where((self.last > self.first) & np.isfinite(top), top, np.nan)


def of_samples(sfreq: float, onset_s: float, n: int, begin_s: np.ndarray, windows: Windows) -> Context:
    """The context over samples, one every ``1 / sfreq`` s from ``onset_s`` on."""
    end_s = windows.onset_s + windows.duration_s
    first = np.clip(np.ceil((begin_s - onset_s) * sfreq - 1e-6), 0, n).astype(np.int64)
    last = np.clip(np.ceil((end_s - onset_s) * sfreq - 1e-6), 0, n).astype(np.int64)
    return Context(first, np.maximum(first, last), end_s - begin_s)


def of_events(time_s: np.ndarray, begin_s: np.ndarray, windows: Windows, from_s: np.ndarray | None = None) -> Context:
    """The context over events at increasing times; where they last, from ``from_s`` on, they lie in it as a whole."""
    end_s = windows.onset_s + windows.duration_s
    first = np.searchsorted(time_s if from_s is None else from_s, begin_s - 1e-9)
    last = np.searchsorted(time_s, end_s + (1e-9 if from_s is not None else -1e-9))
    return Context(first, np.maximum(last, first), end_s - begin_s)


def covered(context: Context, x: np.ndarray, sfreq: float, share: float = COVER) -> np.ndarray:
    """Whether enough of each context is there."""
    return context.count(x) >= share * context.length_s * sfreq - 1e-6


def frame(columns: Mapping[str, np.ndarray], names: Sequence[str], n_windows: int) -> pd.DataFrame:
    """The columns ``names``, NaN where not given or not finite, and for each a column ``valid_``: 1 or 0."""
    values = np.full((n_windows, len(names)), np.nan)
    for i, name in enumerate(names):
        if name in columns:
            values[:, i] = columns[name]
    values[~np.isfinite(values)] = np.nan
    table = np.hstack((values, np.isfinite(values).astype(float)))
    return pd.DataFrame(table, columns=[*names, *(f"valid_{name}" for name in names)])


def where(valid: np.ndarray, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The columns with NaN where they are not valid."""
    return {name: np.where(valid, values, np.nan) for name, values in columns.items()}


def flat(blocks: Callable[[], Mapping[str, Sequence[str]]]) -> tuple[str, ...]:
    """The names of all blocks in their order."""
    return tuple(name for block in blocks().values() for name in block)
