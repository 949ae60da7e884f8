"""Regularised logistic regression: our default for clinicians (requirements d8)."""

from __future__ import annotations

from typing import Any

# strong shrinkage: windows of one trial are far from independent, so their number overstates what is known
STRENGTH = 0.003


def logistic(seed: int) -> Any:
    """Median imputation, scaling to unit SD, L2 logistic regression with balanced class weights."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    return Pipeline(
        [
            ("imputer", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scaler", StandardScaler()),
            ("classifier", LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000, random_state=seed)),
        ]
    )
