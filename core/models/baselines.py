"""What any model has to beat: always the commoner class, and drawing by class frequency."""

from __future__ import annotations

from sklearn.dummy import DummyClassifier

from core.models.steps import Steps


def majority(seed: int) -> Steps:
    """The commoner class of the training windows, with its frequency as probability."""
    return _blind(DummyClassifier(strategy="prior", random_state=seed))


def stratified(seed: int) -> Steps:
    """A class drawn at random by training frequency."""
    return _blind(DummyClassifier(strategy="stratified", random_state=seed))


def _blind(classifier: DummyClassifier) -> Steps:
    """No imputer and no scaler: what is never looked at need not be made ready."""
    return Steps([("classifier", classifier)])
