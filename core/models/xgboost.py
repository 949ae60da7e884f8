"""Gradient-boosted trees: 200 of depth 4, rate 0.05 (requirements d8), stopped on subjects held out."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from core.models.rows import Validation, class_weights, validated
from core.models.steps import Steps, on_features


class Boosted(ClassifierMixin, BaseEstimator):
    """XGBoost on one thread; classes weigh the same in the loss. ``patience=None``: every tree, nothing held out."""

    wants_groups = True

    def __init__(
        self, trees: int = 200, depth: int = 4, lr: float = 0.05, patience: int | None = 20, seed: int = 0
    ):  # fmt: skip
        self.trees = trees
        self.depth = depth
        self.lr = lr
        self.patience = patience
        self.seed = seed

    def fit(self, X: np.ndarray, y: Any, groups: Any = None, validation: Validation = None) -> Boosted:
        """Grow trees until the log-loss of the validation subjects has not fallen for ``patience`` trees."""
        import xgboost

        y = np.asarray(y)
        self.classes_ = np.unique(y)
        n = len(self.classes_)
        if self.patience is not None or validation is not None:
            X, y, groups, validation = validated(X, y, groups, validation, self.seed)
        objective = (
            {"objective": "binary:logistic", "eval_metric": "logloss"}
            if n == 2
            else {"objective": "multi:softprob", "num_class": n, "eval_metric": "mlogloss"}
        )
        train = self._matrix(X, y, weighted=True)
        seen = [(train, "train")]
        if validation is not None:
            seen.append((self._matrix(*validation), "valid"))
        found: dict[str, Any] = {}
        self.booster_ = xgboost.train(
            {
                **objective,
                "max_depth": self.depth,
                "eta": self.lr,
                "nthread": 1,
                "seed": self.seed,
                "tree_method": "hist",
            },
            train,
            self.trees,
            evals=seen,
            evals_result=found,
            early_stopping_rounds=self.patience if validation is not None else None,
            verbose_eval=False,
        )
        best = self.booster_.best_iteration if validation is not None and self.patience else self.trees - 1
        self.booster_ = self.booster_[: best + 1]
        return self

    def _matrix(self, X: np.ndarray, y: np.ndarray, weighted: bool = False) -> Any:
        import xgboost

        codes = np.searchsorted(self.classes_, y)
        weight = class_weights(codes, len(self.classes_))[codes] if weighted else None
        return xgboost.DMatrix(X, codes, weight=weight, nthread=1)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probability of each class, shape (n_windows, n_classes)."""
        p = self.booster_.inplace_predict(X).astype(np.float64)
        return np.column_stack([1 - p, p]) if p.ndim == 1 else p

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The likelier class of each window."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def xgboost(seed: int, **options: Any) -> Steps:
    """Boosted trees after imputation and scaling, which trees do not mind and the other models need."""
    return on_features(Boosted(seed=seed, **options))
