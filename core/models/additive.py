"""Additive logistic regression: each feature acts by a bent line of its own, and the lines add up.

It keeps what makes a logistic regression carry over to people it never saw, and lets a feature saturate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import RobustScaler

from core.models.steps import Steps

STRENGTH = 0.003
# in SDs of a robust scale: where a line may bend, and how far a feature can reach
KNOTS, REACH = (-1.0, 0.0, 1.0), 3.0


class Hinges(TransformerMixin, BaseEstimator):
    """Columns clipped to ``reach`` on both sides, and max(x - knot, 0) of each at each knot."""

    def __init__(self, knots: tuple[float, ...] = KNOTS, reach: float = REACH):
        self.knots = knots
        self.reach = reach

    def fit(self, X: np.ndarray, y: Any = None) -> Hinges:
        """Nothing is learned but the number of columns."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Shape (n_windows, n_features * (1 + n_knots))."""
        x = np.clip(X, -self.reach, self.reach)
        return np.hstack([x, *(np.maximum(x - knot, 0.0) for knot in self.knots)])


def additive(seed: int, strength: float = STRENGTH) -> Steps:
    """Median imputation, robust scaling, hinges, L2 logistic regression with balanced class weights."""
    classifier = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000, random_state=seed)
    return Steps(
        [
            ("imputer", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scaler", RobustScaler(unit_variance=True)),
            ("hinges", Hinges()),
            ("classifier", classifier),
        ]
    )
