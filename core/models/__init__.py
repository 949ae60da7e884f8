"""The door to models. Adding one is one file and one line in MODELS.

An estimator is scikit-learn's: ``fit(X, y, groups=None, validation=None)``, ``predict_proba(X)``, ``classes_``. It
brings its own imputer and scaler as steps, so that they are fitted on what it is fitted on and travel with it.
``groups`` is the subject of each row; ``validation`` the (X, y) of subjects that only tell when to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Literal


@dataclass(frozen=True)
class Model:
    """What is said of a model before it is made; ``make(seed, **options)`` gives an estimator, not yet fitted.

    ``takes``: a feature table (NaN for what could not be had), ``signals`` (channel type -> array of shape
    (n_windows, n_channels, n_times) at ``core.settings.NET_RATES``) or a ``sequence`` of windows per trial with its
    mask. ``inputs``: the channel types it can use, none for any. ``calibrate``: false for what knows nothing.
    ``choices``: sets of options among which inner folds select where that is asked for; the first among equals.
    ``revision`` counts up when the same seed and options give another estimator: older runs are then not of this one.
    """

    title: str
    takes: Literal["features", "signals", "sequence"]
    make: Callable[..., Any]
    inputs: tuple[str, ...] = ()
    calibrate: bool = True
    deep: bool = False
    choices: tuple[Mapping[str, Any], ...] = ()
    revision: int = 0


def _make(module: str, name: str, seed: int, **options: Any) -> Any:
    return getattr(import_module(f"core.models.{module}"), name)(seed, **options)


def _of(module: str, name: str) -> Callable[..., Any]:
    """The maker of a module that is imported when it is called: naming a model loads nothing heavy."""
    return partial(_make, module, name)


def _each(option: str, *values: Any) -> tuple[dict[str, Any], ...]:
    """One option with a value each."""
    return tuple({option: value} for value in values)


MODELS: dict[str, Model] = {
    "majority": Model("Majority class", "features", _of("baselines", "majority"), calibrate=False),
    "stratified": Model("Stratified draw", "features", _of("baselines", "stratified"), calibrate=False),
    "logistic": Model(
        "Logistic regression", "features", _of("logistic", "logistic"), choices=_each("strength", 0.0003, 0.003, 0.03)
    ),
    "additive": Model("Additive logistic regression", "features", _of("additive", "additive")),
    "forest": Model("Random forest", "features", _of("forest", "forest"), choices=_each("leaf", 5, 15, 40)),
    "xgboost": Model("Gradient-boosted trees", "features", _of("xgboost", "xgboost"), choices=_each("depth", 4, 2, 6)),
    "svm": Model("Support vector machine", "features", _of("svm", "svm"), choices=_each("strength", 1.0, 0.1, 10.0)),
    "mlp": Model(
        "Dense net", "features", _of("mlp", "mlp"), deep=True, choices=_each("weight_decay", 1e-4, 1e-3, 1e-2)
    ),
    "tangent": Model("Riemannian tangent space", "signals", _of("tangent", "tangent")),
    "eegnet": Model("EEGNet", "signals", _of("eegnet", "eegnet"), deep=True),
    "cnn_lstm": Model("CNN-LSTM with a gate", "signals", _of("cnn_lstm", "cnn_lstm"), deep=True),
    "mlstm_fcn": Model("MLSTM-FCN", "signals", _of("lstm_fcn", "mlstm_fcn"), deep=True, revision=1),
    "malstm_fcn": Model("MALSTM-FCN", "signals", _of("lstm_fcn", "malstm_fcn"), deep=True, revision=1),
    "lstm_fcn": Model("LSTM-FCN", "signals", _of("lstm_fcn", "lstm_fcn"), deep=True, revision=1),
    "alstm_fcn": Model("ALSTM-FCN", "signals", _of("lstm_fcn", "alstm_fcn"), deep=True, revision=1),
    "bilstm_attention": Model(
        "BiLSTM with attention", "sequence", _of("bilstm_attention", "bilstm_attention"), deep=True
    ),
    "face_mlp": Model("Facial PCA and dense net", "features", _of("mlp", "face_mlp"), inputs=("face",), deep=True),
}
