"""Rows of whatever an estimator is given, and the subjects it may hold out to know when to stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

HELD_OUT_SUBJECTS = 3  # as many as validate in a fold (requirements S1-13)

Validation = tuple[Any, Any] | None


def rows(X: Any, index: np.ndarray) -> Any:
    """The rows of a table, an array or a mapping of arrays."""
    if isinstance(X, Mapping):
        return {name: part[index] for name, part in X.items()}
    return X.iloc[index] if isinstance(X, pd.DataFrame) else X[index]


def count(X: Any) -> int:
    """How many rows there are."""
    return len(next(iter(X.values()))) if isinstance(X, Mapping) else len(X)


def validated(X: Any, y: np.ndarray, groups: Any, validation: Validation, seed: int) -> tuple[Any, Any, Any, Any]:
    """Training rows and those that only tell when to stop: the given ones, else of subjects held out by the seed.

    At most three subjects are held out, and always fewer than train. Where neither validation rows nor three
    subjects are known, nothing is held out and the last part is None.

    Returns
    -------
    (X, y, groups, validation)
    """
    groups = None if groups is None else np.asarray(groups)
    if validation is not None:
        known = np.flatnonzero(np.isin(validation[1], y))  # a class that nobody trained on cannot be scored
        return X, y, groups, (rows(validation[0], known), np.asarray(validation[1])[known]) if len(known) else None
    names = np.unique(groups) if groups is not None else np.array([])
    n = min(HELD_OUT_SUBJECTS, (len(names) - 1) // 2)
    if n < 1:
        return X, y, groups, None
    held = np.isin(groups, np.random.default_rng(seed).choice(names, n, replace=False))
    train, stop = np.flatnonzero(~held), np.flatnonzero(held & np.isin(y, y[~held]))
    if not len(stop):
        return X, y, groups, None
    return rows(X, train), y[train], groups[train], (rows(X, stop), y[stop])


def class_weights(codes: np.ndarray, n_classes: int) -> np.ndarray:
    """Weights that give every class the same say in the loss; codes are 0 to n_classes - 1.

    Examples
    --------
    >>> class_weights(np.array([0, 0, 0, 1]), 2).round(3)
    array([0.667, 2.   ])
    """
    counts = np.bincount(codes, minlength=n_classes)
    return len(codes) / (n_classes * np.maximum(counts, 1))
