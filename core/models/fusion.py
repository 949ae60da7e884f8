"""Three ways to use several channel types at once (requirements S3-06).

*Early*: everything side by side into one model. *Intermediate*: something is learned of each type by itself, then one
model decides on all of it. *Late*: a model of each type, the mean of their probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.decomposition import PCA

from core.models import MODELS
from core.models.rows import Validation
from core.models.signals import Stack
from core.models.steps import Steps

Columns = Mapping[str, Sequence[int]]  # channel type -> positions of its features
VARIANCE = 0.95  # share that each type's components keep in intermediate fusion of features


def fused(
    model: str,
    types: Sequence[str],
    fusion: Literal["early", "intermediate", "late"],
    seed: int,
    columns: Columns | None = None,
    **options: Any,
) -> Any:
    """An estimator, not yet fitted, of a model over channel types.

    Parameters
    ----------
    model
        A name of ``MODELS``.
    columns
        Positions of each type's features in the table or in the last axis of ``sequence``. Models that take signals
        need none, nor does early fusion.
    options
        Of the model.

    Notes
    -----
    With one type the three are the same, the model itself. Intermediate fusion is: for nets on signals, a body for
    each type and a joint head (``cnn_lstm``: with a gate); for the tangent space, a space for each type; for
    sequences, an LSTM for each type; for feature tables, principal components of each type (95 % of its variance)
    under the joint model - what is learned of a type is then its variance, not its meaning.
    """
    takes = MODELS[model].takes
    if columns is not None and takes != "signals":
        types = [t for t in types if len(columns[t])] or types  # a type without features has nothing to fuse
    made = MODELS[model].make(seed, **options)
    if (
        len(types) == 1
        or (fusion == "early" and takes != "signals")
        or (fusion == "intermediate" and takes == "signals")
    ):
        return made
    if fusion == "early":
        return Steps([("stack", Stack()), *(made.steps if isinstance(made, Steps) else [("classifier", made)])])
    if takes == "signals":
        return Late(model, tuple(types), None, seed, options)
    if columns is None:
        raise ValueError(f"{fusion} fusion needs the columns of {', '.join(types)}")
    chosen = {t: [int(i) for i in columns[t]] for t in types}
    if fusion == "late":
        return Late(model, tuple(types), chosen, seed, options)
    if takes == "sequence":
        return Steps([("streams", Streams(chosen)), *made.steps])
    return Steps([*made.steps[:-1], ("types", TypeComponents(chosen, VARIANCE)), made.steps[-1]])


class Late(ClassifierMixin, BaseEstimator):
    """A model of each channel type on its own; the probability is the mean of theirs."""

    wants_groups = True

    def __init__(
        self,
        model: str,
        types: tuple[str, ...],
        columns: dict[str, list[int]] | None = None,
        seed: int = 0,
        options: dict[str, Any] | None = None,
    ):
        self.model = model
        self.types = types
        self.columns = columns
        self.seed = seed
        self.options = options

    def fit(self, X: Any, y: Any, groups: Any = None, validation: Validation = None) -> Late:
        """Fit each type's estimator on its own part of X."""
        self.classes_ = np.unique(np.asarray(y))
        self.estimators_ = {}
        for name in self.types:
            seen = None if validation is None else (self.part(validation[0], name), validation[1])
            estimator = MODELS[self.model].make(self.seed, **(self.options or {}))
            self.estimators_[name] = estimator.fit(self.part(X, name), y, groups=groups, validation=seen)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, shape (n_windows, n_classes)."""
        return np.mean([e.predict_proba(self.part(X, name)) for name, e in self.estimators_.items()], axis=0)

    def predict(self, X: Any) -> np.ndarray:
        """The likelier class of each window."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    @property
    def history_(self) -> list[dict[str, Any]]:
        """What each type's net tells of its epochs, with the type as ``inputs``."""
        return [
            {"inputs": name, **epoch} for name, e in self.estimators_.items() for epoch in getattr(e, "history_", ())
        ]

    def part(self, X: Any, name: str) -> Any:
        """What the estimator of one type is given of X."""
        if self.columns is None:
            return {name: X[name]}
        if isinstance(X, Mapping):
            return {**X, "sequence": X["sequence"][..., self.columns[name]]}
        return X.iloc[:, self.columns[name]] if isinstance(X, pd.DataFrame) else np.asarray(X)[:, self.columns[name]]


class TypeComponents(TransformerMixin, BaseEstimator):
    """Principal components of each type's columns, side by side."""

    def __init__(self, columns: dict[str, list[int]], variance: float):
        self.columns = columns
        self.variance = variance

    def fit(self, X: np.ndarray, y: Any = None) -> TypeComponents:
        """Learn each type's components; X has no NaN any more."""
        self.components_ = {
            name: PCA(self.variance, svd_solver="full").fit(X[:, of]) for name, of in self.columns.items()
        }
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Shape (n_windows, components of all types)."""
        return np.concatenate([pca.transform(X[:, self.columns[n]]) for n, pca in self.components_.items()], axis=1)


class Streams(TransformerMixin, BaseEstimator):
    """A sequence parted into one for each type; other inputs stay."""

    def __init__(self, columns: dict[str, list[int]]):
        self.columns = columns

    def fit(self, X: Any, y: Any = None) -> Streams:
        """Nothing is learned."""
        self.fitted_ = True
        return self

    def transform(self, X: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """``sequence`` (n_trials, n_windows, n_features) becomes one array for each type."""
        parts = {name: X["sequence"][..., of] for name, of in self.columns.items()}
        return {**{name: part for name, part in X.items() if name != "sequence"}, **parts}
