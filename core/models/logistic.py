"""Regularised logistic regression: our default for clinicians (requirements d8)."""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression

from core.models.steps import Steps, on_features

# strong shrinkage: windows of one trial are far from independent, so their number overstates what is known
STRENGTH = 0.003


def logistic(seed: int, strength: float = STRENGTH) -> Steps:
    """L2 logistic regression with balanced class weights."""
    return on_features(LogisticRegression(C=strength, class_weight="balanced", max_iter=1000, random_state=seed))
