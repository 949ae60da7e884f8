"""Riemannian tangent space and logistic regression (Barachant et al. 2012, IEEE Trans. Biomed. Eng. 59)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from core.models.steps import Steps


class TangentSpace(TransformerMixin, BaseEstimator):
    """Covariances of the channels of each window, as vectors around their Riemannian mean.

    Takes a mapping channel type -> (n_windows, n_channels, n_times), one space for each type. Covariances are shrunk
    by the oracle approximating rule.
    """

    def fit(self, X: Mapping[str, np.ndarray], y: Any = None) -> TangentSpace:
        """Learn the mean covariance of each type."""
        from pyriemann.geometry.mean import mean_riemann

        self.mean_ = {name: mean_riemann(covariances(x)) for name, x in X.items()}
        return self

    def transform(self, X: Mapping[str, np.ndarray]) -> np.ndarray:
        """Shape (n_windows, sum over types of n_channels * (n_channels + 1) / 2)."""
        from pyriemann.geometry.tangentspace import tangent_space

        return np.concatenate([tangent_space(covariances(X[n]), m) for n, m in self.mean_.items()], axis=1)


def covariances(x: np.ndarray) -> np.ndarray:
    """Shrunk covariance of each window, shape (n_windows, n_channels, n_channels).

    A channel that is NaN or silent gets what a normalised one has on average: variance 1, no covariance.

    Notes
    -----
    Chen et al. (2010), IEEE Trans. Signal Process. 58: scikit-learn's OAS, for all windows at once.
    """
    x = np.nan_to_num(np.asarray(x, dtype=np.float64))
    x = x - x.mean(axis=2, keepdims=True)
    p, n = x.shape[1:]
    raw = x @ x.transpose(0, 2, 1) / n
    window, silent = np.nonzero(np.diagonal(raw, axis1=1, axis2=2) == 0)
    raw[window, silent, silent] = 1.0
    alpha = np.mean(raw**2, axis=(1, 2))
    mu = np.trace(raw, axis1=1, axis2=2) / p
    over = (n + 1.0) * (alpha - mu**2 / p)
    with np.errstate(divide="ignore", invalid="ignore"):
        shrink = np.where(over > 0, np.minimum((alpha + mu**2) / over, 1.0), 1.0)[:, None, None]
    return (1 - shrink) * raw + shrink * mu[:, None, None] * np.eye(p)


def tangent(seed: int, strength: float = 0.01) -> Steps:
    """Tangent vectors scaled to unit SD, then L2 logistic regression with balanced class weights."""
    classifier = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000, random_state=seed)
    return Steps([("tangent", TangentSpace()), ("scaler", StandardScaler()), ("classifier", classifier)])
