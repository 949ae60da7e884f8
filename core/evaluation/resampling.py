"""More rows of rare classes, of training rows only: a test row is never drawn, changed or added."""

from __future__ import annotations

import numpy as np
import pandas as pd

OVERSAMPLING = ("random", "smote")
NEIGHBOURS = 5


def repeated(rows: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Rows that are learned from, with those of rarer classes drawn again until all classes are as common, in order.

    Examples
    --------
    >>> repeated(np.array([3, 5, 8]), np.array([1, 1, 0]), 0)
    array([3, 5, 8, 8])
    """
    from imblearn.over_sampling import RandomOverSampler

    if len(np.unique(y)) < 2:
        return rows
    return np.sort(RandomOverSampler(random_state=seed).fit_resample(rows[:, None], y)[0][:, 0])


def synthetic(
    x: pd.DataFrame, y: np.ndarray, groups: np.ndarray, seed: int, least: int = 0
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """SMOTE: rows of rarer classes made between neighbours; NaN is the training median there.

    Distances are between columns scaled to unit SD. A made row belongs to the group ``synthetic``. With ``least`` each
    class that has fewer rows gets that many, the commonest too.
    """
    from imblearn.over_sampling import SMOTE
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    classes, counts = np.unique(y, return_counts=True)
    rarest = int(counts.min())
    if rarest < 2 or rarest >= (least or counts.max()):
        return x, y, groups
    wanted = {c: max(int(n), least) for c, n in zip(classes, counts, strict=True)} if least else "auto"
    full = SimpleImputer(strategy="median", keep_empty_features=True).fit_transform(x.to_numpy())
    scaler = StandardScaler().fit(full)
    smote = SMOTE(sampling_strategy=wanted, random_state=seed, k_neighbors=min(NEIGHBOURS, rarest - 1))
    wide, labels = smote.fit_resample(scaler.transform(full), y)
    made = pd.DataFrame(scaler.inverse_transform(wide[len(x) :]), columns=x.columns)
    who = np.concatenate([groups.astype(object), np.full(len(made), "synthetic")]).astype(str)
    return pd.concat([x, made], ignore_index=True), labels, who
