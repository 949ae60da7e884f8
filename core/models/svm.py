"""Support vector machine with an RBF kernel; its probabilities come from windows of subjects it was not fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.svm import SVC

from core.models.steps import Steps, on_features

PLATT_FOLDS = 3


class Svm(ClassifierMixin, BaseEstimator):
    """SVC on all rows; Platt's sigmoid on decision values of left-out subjects, so that it is not fooled by its own.

    Without subjects the left-out rows are neighbours in order, drawn in three blocks. A class of one row cannot be left
    out and learned from at once: then the sigmoid is of the rows that were fitted.
    """

    wants_groups = True

    def __init__(self, strength: float = 1.0, seed: int = 0):
        self.strength = strength
        self.seed = seed

    def fit(self, X: np.ndarray, y: Any, groups: Any = None, validation: Any = None) -> Svm:
        """Fit; validation rows are of no use to it."""
        y = np.asarray(y)
        svc = SVC(C=self.strength, kernel="rbf", gamma="scale", class_weight="balanced", cache_size=500)
        self.platt_ = CalibratedClassifierCV(svc, method="sigmoid", cv=self._left_out(X, y, groups), ensemble=False)
        self.platt_.fit(X, y)
        self.classes_ = self.platt_.classes_
        return self

    def _left_out(self, X: np.ndarray, y: np.ndarray, groups: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """Splits that keep a subject on one side, as long as every training part has every class."""
        n = int(min(PLATT_FOLDS, np.unique(y, return_counts=True)[1].min()))
        if n < 2:
            every = np.arange(len(y))
            return [(every, every)]
        if groups is not None and len(np.unique(groups)) >= n:
            folds = StratifiedGroupKFold(n, shuffle=True, random_state=self.seed).split(X, y, groups)
            splits = list(folds)
            if all(len(np.unique(y[train])) == len(np.unique(y)) and len(test) for train, test in splits):
                return splits
        return list(StratifiedKFold(n).split(X, y))

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probability of each class, shape (n_windows, n_classes)."""
        return self.platt_.predict_proba(X)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The likelier class of each window."""
        return self.platt_.predict(X)


def svm(seed: int, strength: float = 1.0) -> Steps:
    """RBF kernel, C = 1 (requirements d8), after imputation and scaling."""
    return on_features(Svm(strength, seed))
