"""A scikit-learn pipeline whose last step may ask for subjects and validation windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


class Steps(Pipeline):
    """Transformers, then a classifier; all are fitted on the training rows only.

    A classifier that can use them (``wants_groups``) is given the subjects and the transformed validation rows.
    """

    def fit(self, X: Any, y: Any, groups: Any = None, validation: tuple[Any, Any] | None = None) -> Steps:
        """Fit every step; X has shape (n_windows, n_features), or is a mapping of arrays by window."""
        last = self.steps[-1][1]
        if not getattr(last, "wants_groups", False):
            return super().fit(plain(X), y)
        before = Pipeline(self.steps[:-1])
        rows = before.fit_transform(plain(X), y)
        if validation is not None:
            validation = (before.transform(plain(validation[0])), validation[1])
        last.fit(rows, y, groups=groups, validation=validation)
        return self

    @property
    def history_(self) -> list[dict[str, Any]]:
        """What a net tells of its epochs; nothing where the classifier is none."""
        return getattr(self.steps[-1][1], "history_", [])

    def bare(self) -> Pipeline:
        """The same fitted steps as scikit-learn's own pipeline, which is what is stored."""
        return Pipeline(self.steps)

    def predict_proba(self, X: Any, **params: Any) -> np.ndarray:
        """Probability of each class, shape (n_windows, n_classes)."""
        return super().predict_proba(plain(X), **params)

    def predict(self, X: Any, **params: Any) -> np.ndarray:
        """The likelier class of each window."""
        return super().predict(plain(X), **params)


def on_features(classifier: Any) -> Steps:
    """Median imputation, scaling to unit SD, then the classifier."""
    return Steps(
        [
            ("imputer", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scaler", StandardScaler()),
            ("classifier", classifier),
        ]
    )


def plain(X: Any) -> Any:
    """A table as float64, so that its columns' names bind nothing; a mapping of arrays as it is."""
    if isinstance(X, Mapping):
        return X
    values = X.to_numpy() if isinstance(X, pd.DataFrame) else X
    return np.ascontiguousarray(values, dtype=np.float64)  # one layout: sums in one order
