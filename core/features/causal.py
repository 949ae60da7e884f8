"""A person's features told by their own past: what ``norm_mode`` "causal" means.

Three columns of each feature: ``_first``, less its median over the first minutes; ``_running``, in SDs from its mean
over the 20 minutes before the window; ``_before``, less its mean over the five minutes before it. The SD of a short
past is drawn towards what is usual, so that a calm beginning does not make little of much. Then an exponential mean
of the rows so far, so that one odd window does not decide. Nothing here knows a time, an index or a label; no row
hears of one after it, and none of more than 20 minutes before its window but for the first minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from core.features import wrist
from core.settings import CAUSAL_FEATURES
from core.types import Quality, Recording, Windows

# the sensor settles on the skin; then the first minutes are what a person is compared with, and less is none
SETTLE_S, FIRST_S, LEAST_S = 30.0, 300.0, 180.0
RUNNING_S, BEFORE_S = 1200.0, 300.0
# weight of a row against what came before it
SMOOTH = 0.2
PARTS = ("first", "running", "before")

# channel type -> its features of the past alone, and each column's usual SD
SETS: dict[str, tuple[Callable[[Recording, Windows, Quality], pd.DataFrame], Mapping[str, float]]] = {
    "eda": (wrist.eda, wrist.EDA),
    "ppg": (wrist.ppg, wrist.PPG),
}


def names(types: Iterable[str]) -> list[str]:
    """The columns of some channel types."""
    return [f"{name}_{part}" for t in types for name in SETS[t][1] for part in PARTS]


def set_of(types: Iterable[str]) -> str:
    """The name of the feature set for ``Pipeline.features``.

    Examples
    --------
    >>> set_of(("eda", "ppg"))
    'causal-eda27+ppg45/2'
    """
    return "causal-" + "+".join(f"{t}{len(names((t,)))}" for t in types) + f"/{CAUSAL_FEATURES}"


def table(recording: Recording, windows: Windows, quality: Quality, types: Iterable[str]) -> pd.DataFrame:
    """Every window told by the past, NaN before the first three minutes are over and where there is no reading.

    Returns
    -------
    DataFrame, shape (n_windows, 3 n_features)
        The columns of ``names``, type by type.
    """
    chosen = tuple(t for t in types if t in SETS)
    end_s = windows.onset_s + windows.duration_s
    parts = []
    for type_ in chosen:
        compute, usual = SETS[type_]
        raw = compute(recording, windows, quality)
        begin_s = min((s.onset_s for s in recording.of_type(type_)), default=0.0)
        parts.append(told(raw, end_s - begin_s, windows.duration_s, np.array(list(usual.values()))))
    return pd.concat(parts, axis=1)[names(chosen)] if parts else pd.DataFrame(index=pd.RangeIndex(len(windows)))


def read(found: pd.DataFrame, windows: Windows) -> Windows:
    """The windows, usable only where each type had a reading."""
    usable = {
        t: there & found[names((t,))].notna().any(axis=1).to_numpy() if t in SETS else there
        for t, there in windows.usable.items()
    }
    return replace(windows, usable=usable)


def told(raw: pd.DataFrame, end_s: np.ndarray, window_s: float, usual: np.ndarray) -> pd.DataFrame:
    """The three columns of each feature, smoothed.

    Parameters
    ----------
    raw : DataFrame, shape (n_windows, n_features)
    end_s : ndarray, shape (n_windows,)
        When each window ends, from the start of the signal, increasing.
    usual : ndarray, shape (n_features,)
        Usual SD of each feature within a person, which the running SD takes for as many minutes as the first are.
    """
    x = raw.to_numpy(dtype=np.float64)
    begin_s = end_s - window_s
    mean, square = (_over(values, end_s, begin_s, RUNNING_S) for values in (x, x**2))
    past_s = np.clip(begin_s, 0.0, RUNNING_S)[:, None]
    with np.errstate(invalid="ignore"):
        sd = np.sqrt((past_s * np.maximum(square - mean**2, 0.0) + FIRST_S * usual**2) / (past_s + FIRST_S))
    found = {
        "first": x - _first(x, end_s, window_s),
        "running": (x - mean) / sd,
        "before": x - _over(x, end_s, begin_s, BEFORE_S),
    }
    columns = [f"{name}_{part}" for part in PARTS for name in raw.columns]
    smooth = _smoothed(np.hstack([found[part] for part in PARTS]), end_s)
    smooth[np.isnan(x).all(axis=1) | (end_s < LEAST_S)] = np.nan
    return pd.DataFrame(smooth, columns=columns, index=raw.index)


def _first(x: np.ndarray, end_s: np.ndarray, window_s: float) -> np.ndarray:
    """Median over the rows of the first minutes, of those so far while they last."""
    among = (end_s >= SETTLE_S + window_s) & (end_s <= FIRST_S)
    rows = pd.DataFrame(np.where(among[:, None], x, np.nan))
    return rows.expanding(min_periods=1).median().to_numpy()


def _over(x: np.ndarray, end_s: np.ndarray, until_s: np.ndarray, length_s: float) -> np.ndarray:
    """Mean of the finite values of rows that ended in the ``length_s`` up to ``until_s``."""
    known = np.isfinite(x)
    head = np.zeros((1, x.shape[1]))
    total = np.vstack((head, np.cumsum(np.where(known, x, 0.0), axis=0)))
    count = np.vstack((head, np.cumsum(known, axis=0)))
    stop = np.searchsorted(end_s, until_s + 1e-6)
    start = np.searchsorted(end_s, until_s - length_s + 1e-6)
    with np.errstate(invalid="ignore"):
        return (total[stop] - total[start]) / (count[stop] - count[start])


def _smoothed(x: np.ndarray, end_s: np.ndarray) -> np.ndarray:
    """Exponential mean over the rows, 10 s apart; what is missing leaves it where it was."""
    out = x.copy()
    for i in range(1, len(x)):
        weight = 1 - (1 - SMOOTH) ** ((end_s[i] - end_s[i - 1]) / 10.0)
        mixed = weight * x[i] + (1 - weight) * out[i - 1]
        out[i] = np.where(np.isfinite(mixed), mixed, np.where(np.isfinite(x[i]), x[i], out[i - 1]))
    return out
