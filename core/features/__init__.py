"""Windows -> feature table: a row per window, columns with stable names, one module per channel type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import pandas as pd

from core.features import acc, causal, ecg, eda, eeg, eeg16, emg, eog, face, ppg, resp, rr, temp
from core.settings import EPOC_14
from core.types import Pipeline, Quality, Recording, Windows


class FeatureSet(Protocol):
    """What a module of features has."""

    def table(self, recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline, /) -> pd.DataFrame:
        """A row per window: the columns of ``names``, and ``valid_<name>`` where length or quality may forbid one."""

    def names(self) -> tuple[str, ...]:
        """The columns in their order."""

    def blocks(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of each block."""


FEATURES: dict[str, FeatureSet] = {
    "eeg": eeg,
    "ecg": ecg,
    "eda": eda,
    "ppg": ppg,
    "resp": resp,
    "temp": temp,
    "acc": acc,
    "emg": emg,
    "eog": eog,
    "rr": rr,
    "face": face,
}
# sets that a pipeline may name (``Pipeline.features``) in place of a type's usual one: models learn from all of theirs
NAMED: dict[str, tuple[str, FeatureSet]] = {"eeg258full": ("eeg", eeg), "eeg16": ("eeg", eeg16)}
# the columns of a type that models learn from, where they are not all: blocks A, C and D of the EEG are left out
CHOSEN = {"eeg": eeg.slim_names}


def table(
    recording: Recording, windows: Windows, quality: Quality, pipeline: Pipeline, types: Iterable[str]
) -> pd.DataFrame:
    """The features of the given channel types side by side, row i for window i.

    ``recording`` is filtered, and its EEG and ECG normalised; other types keep their units. Types without features
    here (see FEATURES) are passed over; columns of a type that was not recorded are all NaN.
    """
    if pipeline.norm_mode == "causal":
        return causal.table(recording, windows, quality, types)
    parts = [_of(t, pipeline).table(recording, windows, quality, pipeline) for t in types if t in FEATURES]
    return pd.concat(parts, axis=1) if parts else pd.DataFrame(index=pd.RangeIndex(len(windows)))


def names(types: Iterable[str], pipeline: Pipeline | None = None) -> list[str]:
    """The columns that feature models learn from: the slim EEG blocks B, E, F, G, and all of the other types.

    All of a set that the pipeline names; those told by the past where it says so.
    """
    if pipeline is not None and pipeline.norm_mode == "causal":
        return causal.names(types)
    return [name for t in types for name in _learned(t, pipeline)]


def _learned(type_: str, pipeline: Pipeline | None) -> tuple[str, ...]:
    named = _named(type_, pipeline)
    return named.names() if named else CHOSEN.get(type_, FEATURES[type_].names)()


def parts_of(pipeline: Pipeline) -> frozenset[str]:
    """What a pipeline's set of features is made of, such as ``eeg258`` and ``ecg22``."""
    return frozenset(pipeline.features.partition("/")[0].split("+"))


def _of(type_: str, pipeline: Pipeline | None) -> FeatureSet:
    """The set of a channel type: the one a pipeline names, else the usual one."""
    return _named(type_, pipeline) or FEATURES[type_]


def _named(type_: str, pipeline: Pipeline | None) -> FeatureSet | None:
    """The set that a pipeline names for a channel type, None for its usual one."""
    wanted = parts_of(pipeline) if pipeline else frozenset()
    return next((of for name, (t, of) in NAMED.items() if t == type_ and name in wanted), None)


def positions(pipeline: Pipeline) -> tuple[str, ...]:
    """The places of the EEG that a pipeline's features are of: the headset's, or those of a named set."""
    return eeg16.CHANNELS if "eeg16" in parts_of(pipeline) else EPOC_14


def set_of(types: Iterable[str], named: str = "") -> str:
    """The name of a feature set for ``Pipeline.features``: what each type's columns are, and their version.

    ``named``: one of NAMED, in place of its type's usual set.

    Examples
    --------
    >>> set_of(("eeg", "ecg")), set_of(("eda", "ppg"))
    ('eeg258+ecg22/1', 'eda19+ppg19/1')
    >>> set_of(("eeg", "ecg"), "eeg258full")  # models learn from all 258, where by eeg258 they learn from the slim 160
    'eeg258full+ecg22/1'
    """
    own = {NAMED[named][0]: named} if named else {}
    return "+".join(own.get(t) or f"{t}{len(FEATURES[t].names())}" for t in types if t in FEATURES) + "/1"


def block_of(column: str) -> str:
    """Which block a column belongs to, such as ``eeg A``, ``ecg time`` or ``eda tonic``.

    Importance is reported by block, for many columns are near twins.
    """
    name = column.removeprefix("valid_")
    for type_ in causal.SETS:
        if name in causal.names((type_,)):
            return f"{type_} {name.rpartition('_')[2]}"
    for type_, module in (*FEATURES.items(), *NAMED.values()):
        for block, columns in module.blocks().items():
            if name in columns:
                return f"{type_} {block}"
    raise KeyError(column)
