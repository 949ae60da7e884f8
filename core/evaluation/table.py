"""A study as one table of windows, prepared by the same chain as a patient's recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.types import Grade, Pipeline, Study

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class WindowTable:
    """Usable windows of a study: features (n_windows, n_features), and whose each window is.

    ``high`` maps a target to booleans (n_windows,): the label of the window's trial lies above the cut.
    """

    features: pd.DataFrame
    subject: np.ndarray
    trial: np.ndarray
    onset_s: np.ndarray
    high: dict[str, np.ndarray]
    n_lost: int = 0

    def __len__(self) -> int:
        return len(self.features)

    @property
    def x(self) -> np.ndarray:
        """The features as float64, shape (n_windows, n_features)."""
        return self.features.to_numpy(dtype=np.float64)

    @property
    def unit(self) -> np.ndarray:
        """Number of each window's trial, counted over the study, shape (n_windows,)."""
        pairs = pd.MultiIndex.from_arrays([self.subject, self.trial])
        return pd.factorize(pairs)[0]

    @property
    def subjects(self) -> list[str]:
        """Subjects in order of name."""
        return sorted(set(self.subject))


def feature_names(types: tuple[str, ...]) -> list[str]:
    """The columns that feature models learn from: the slim EEG blocks B, E, F, G, and all of the other types."""
    from core import features

    return features.names(types)


def window_table(
    study: Study, pipeline: Pipeline, types: tuple[str, ...], progress: Progress | None = None
) -> WindowTable:
    """Prepare every trial of a study as ``core.pipeline`` prepares a session.

    Windows of the baseline part and windows in which a needed signal is not usable are left out, and so is a trial
    with a poor signal, and one without a label of every target; ``n_lost`` counts trials of which nothing is left.
    """
    from core import pipeline as chain
    from core.studies import folder

    columns = feature_names(types)
    parts, subject, trial, onset_s, lost = [], [], [], [], 0
    high: dict[str, list[bool]] = {target: [] for target in study.targets}
    for i, row in enumerate(study.trials):
        if progress:
            progress(i / len(study.trials), f"features of trial {i + 1} of {len(study.trials)}")
        if any(target not in row.labels for target in study.targets):
            lost += 1
            continue
        recording = folder.recording(row)
        prepared = chain.features_of(recording, pipeline, types)
        keep = prepared.usable(types) & ~chain.in_baseline(recording, prepared.windows)
        if prepared.quality.grade(types) is Grade.POOR or not keep.any():
            lost += 1
            continue
        n = int(keep.sum())
        parts.append(prepared.table.loc[keep, columns])
        subject += [row.subject] * n
        trial += [row.trial] * n
        onset_s += list(prepared.windows.onset_s[keep])
        for target in study.targets:
            high[target] += [study.is_high(target, row.labels[target])] * n
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    return WindowTable(
        table, np.array(subject), np.array(trial), np.array(onset_s), {t: np.array(h) for t, h in high.items()}, lost
    )
