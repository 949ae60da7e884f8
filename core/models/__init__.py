"""The door to models. Adding one is one file and one line in MODELS: a function from a seed to an estimator.

An estimator is scikit-learn's: ``fit(X, y)``, ``predict_proba(X)``; it brings its own imputer and scaler as steps
named ``imputer`` and ``scaler``, so that they are fitted on what it is fitted on and travel with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.models import baselines, logistic

MODELS: dict[str, Callable[[int], Any]] = {
    "majority": baselines.majority,
    "stratified": baselines.stratified,
    "logistic": logistic.logistic,
}
