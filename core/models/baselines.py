"""What any model has to beat: always the commoner class, and drawing by class frequency."""

from __future__ import annotations

from typing import Any


def majority(seed: int) -> Any:
    """The commoner class of the training windows, with its frequency as probability."""
    from sklearn.dummy import DummyClassifier

    return _steps(DummyClassifier(strategy="prior", random_state=seed))


def stratified(seed: int) -> Any:
    """A class drawn at random by training frequency."""
    from sklearn.dummy import DummyClassifier

    return _steps(DummyClassifier(strategy="stratified", random_state=seed))


def _steps(classifier: Any) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    return Pipeline(
        [
            ("imputer", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scaler", StandardScaler()),
            ("classifier", classifier),
        ]
    )
