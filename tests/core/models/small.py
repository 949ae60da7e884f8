"""Thirty-two windows of eight subjects, and options that keep every model small."""

import numpy as np

from core.models import MODELS

N, SUBJECTS = 32, np.repeat([f"S{i}" for i in range(8)], 4)
# no early stopping and no dropout: a net that is asked to remember has to see every window
LEARN = {"patience": None, "dropout": 0.0, "batch": 16}
FCN = {**LEARN, "epochs": 25, "filters": (16, 32, 16), "lr": 1e-2}
OPTIONS = {
    "logistic": {"strength": 100.0},
    "additive": {"strength": 100.0},
    "forest": {"trees": 60, "leaf": 1, "share": None},
    "xgboost": {"patience": None, "depth": 6, "lr": 0.3},
    "mlp": {**LEARN, "epochs": 40, "lr": 1e-2},
    "tangent": {"strength": 100.0},
    "eegnet": {**LEARN, "epochs": 50, "lr": 4e-2, "batch": 32},
    "cnn_lstm": {**LEARN, "epochs": 15, "lstm": 8, "lr": 5e-3},
    "mlstm_fcn": FCN,
    "lstm_fcn": FCN,
    "malstm_fcn": {**FCN, "units": 16},
    "alstm_fcn": {**FCN, "units": 16},
    "bilstm_attention": {**LEARN, "epochs": 40, "lstm": 8, "lr": 1e-2},
    "face_mlp": {**LEARN, "epochs": 60, "lr": 5e-3},
}


def labels(n_classes=2, seed=0):
    """Drawn by lot, each class equally often, in every subject two or four."""
    y = np.concatenate([np.random.default_rng([seed, s]).permutation(4) % n_classes for s in range(8)])
    return y > 0 if n_classes == 2 else y


def data(name, seed=0, effect=0.0, n_classes=2):
    """What a model takes, of noise with some missing, and its labels; ``effect`` moves some columns by class."""
    rng = np.random.default_rng(seed)
    y = labels(n_classes, seed)
    takes = MODELS[name].takes
    if takes == "features":
        x = rng.standard_normal((N, 40))
        x[:, :10] += effect * y[:, None]
        x[::5, 30] = np.nan
        return x, y
    if takes == "signals":
        mixed = rng.standard_normal((N, 8, 8)) @ rng.standard_normal((N, 8, 128))  # channels that hang together
        x = {"eeg": mixed / mixed.std(axis=2, keepdims=True), "ecg": rng.standard_normal((N, 2, 256))}
        x["eeg"][3, 2] = np.nan
        return {t: v.astype(np.float32) for t, v in x.items()}, y
    x = rng.standard_normal((N, 6, 10))
    mask = np.arange(6) < rng.integers(3, 7, N)[:, None]
    x[~mask] = np.nan
    x[2, 0, 4] = np.nan
    return {"sequence": x.astype(np.float32), "mask": mask}, y


def make(name, seed=0, **changes):
    """A small one of a model."""
    return MODELS[name].make(seed, **{**OPTIONS.get(name, {}), **changes})
