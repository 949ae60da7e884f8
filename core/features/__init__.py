"""Windows -> feature table: a row per window, columns with stable names, one module per channel type."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pandas as pd

from core.features import ecg, eeg
from core.types import Pipeline, Quality, Recording, Windows

FEATURES: dict[str, Callable[[Recording, Windows, Quality, Pipeline], pd.DataFrame]] = {
    "eeg": eeg.table,
    "ecg": ecg.table,
}


def table(
    recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline, types: Iterable[str]
) -> pd.DataFrame:
    """The features of the given channel types side by side, row i for window i.

    ``recording`` is filtered and normalised. Types without features here (see FEATURES) are passed over; columns of
    a type that was not recorded are all NaN.
    """
    parts = [FEATURES[t](recording, windows, quality, pipeline) for t in types if t in FEATURES]
    return pd.concat(parts, axis=1) if parts else pd.DataFrame(index=pd.RangeIndex(len(windows)))


def block_of(column: str) -> str:
    """Which block a column belongs to: ``eeg A`` to ``eeg G``, ``ecg time``, ``ecg frequency`` or ``ecg shape``.

    Importance is reported by block, for A and F are near twins.
    """
    for key, block in eeg.blocks().items():
        if column in block:
            return f"eeg {key}"
    name = column.removeprefix("valid_").removeprefix("ecg_")
    if name in ecg.TIME:
        return "ecg time"
    if name in ecg.FREQUENCY:
        return "ecg frequency"
    if column in ecg.names():
        return "ecg shape"
    raise KeyError(column)
