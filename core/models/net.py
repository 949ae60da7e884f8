"""A net as a scikit-learn estimator: its architecture by name, trained on the CPU, same seed same numbers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Literal

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from core.errors import Refused
from core.models.rows import Validation, class_weights, count, rows, validated

# name -> where its module is; a stored net names one of these and nothing else is ever built
ARCHITECTURES = {
    "mlp": "core.models.mlp.Dense",
    "eegnet": "core.models.eegnet.EEGNet",
    "cnn_lstm": "core.models.cnn_lstm.FusionModel",
    "lstm_fcn": "core.models.lstm_fcn.LstmFcn",
    "bilstm_attention": "core.models.bilstm_attention.BiLstmAttention",
}
BATCH = 64  # windows predicted at a time: larger falls out of cache


class Parts(nn.Module):
    """What every architecture here is: ``embed(**inputs)`` to a vector per row, then ``head`` to one number per class.

    Built as ``(shapes, n_classes, **sizes)``, where ``shapes`` gives the shape of one row of each input.
    """

    head: nn.Module

    def embed(self, **inputs: Any) -> torch.Tensor:
        """Inputs to a vector per row, shape (n_rows, width)."""
        raise NotImplementedError

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Inputs to logits, shape (n_rows, n_classes)."""
        return self.head(self.embed(**inputs))

    def constrain(self) -> None:
        """Pull weights back into the norms that the architecture sets; most set none."""


class Bodies(Parts):
    """A body for each input, their embeddings side by side. With one input it is the plain architecture."""

    bodies: nn.ModuleDict

    def embed(self, **inputs: torch.Tensor) -> torch.Tensor:
        """A vector per row. NaN (a bad channel) counts as 0, the mean of a normalised signal."""
        return torch.cat([body(torch.nan_to_num(inputs[name])) for name, body in self.bodies.items()], dim=1)


class Net(ClassifierMixin, BaseEstimator):
    """A net of ``ARCHITECTURES``.

    ``fit`` takes a mapping of arrays (first axis the rows) or a 2-D array, which the module knows as ``features``.
    With validation rows, or subjects to hold out, it stops early and keeps the weights of its best epoch;
    ``patience=None`` trains every epoch on everything. ``history_`` and ``best_epoch_`` tell how it went.
    """

    wants_groups = True

    def __init__(
        self,
        architecture: str,
        sizes: dict[str, Any] | None = None,
        seed: int = 0,
        epochs: int = 50,
        patience: int | None = 10,
        batch: int = 32,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        optimizer: Literal["adam", "adamw", "sgd"] = "adam",
        clip: float | None = None,
        plateau: float | None = None,
        plateau_patience: int = 3,
        least_lr: float = 0.0,
        contrastive: float = 0.0,
        contrastive_from: int = 6,
        temperature: float = 0.1,
    ):
        self.architecture = architecture
        self.sizes = sizes
        self.seed = seed
        self.epochs = epochs
        self.patience = patience
        self.batch = batch
        self.lr = lr
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.clip = clip
        self.plateau = plateau
        self.plateau_patience = plateau_patience
        self.least_lr = least_lr
        self.contrastive = contrastive
        self.contrastive_from = contrastive_from
        self.temperature = temperature

    def fit(self, X: Any, y: Any, groups: Any = None, validation: Validation = None) -> Net:
        """Train on X, y; ``groups`` and ``validation`` as in ``core.models``."""
        from core.models.training import Training, train

        y = np.asarray(y)
        self.classes_ = np.unique(y)
        if self.patience is not None or validation is not None:
            X, y, groups, validation = validated(X, y, groups, validation, self.seed)
        inputs, codes = _inputs(X), np.searchsorted(self.classes_, y)
        self.shapes_ = {name: part.shape[1:] for name, part in inputs.items()}
        if self.contrastive:
            if groups is None:
                raise Refused("E-GROUPS", "a contrastive loss needs the subject of each window", self.architecture)
            inputs = {**inputs, "subject": np.unique(groups, return_inverse=True)[1]}
        seen = None
        if validation is not None:
            seen = _inputs(validation[0]), np.asarray(np.searchsorted(self.classes_, validation[1]))
        how = Training(**{name: getattr(self, name) for name in Training.__dataclass_fields__})
        with alone(self.seed):
            self.module_: Any = self.build()
            weights = class_weights(codes, len(self.classes_))
            self.history_, self.best_epoch_ = train(self.module_, inputs, codes, weights, seen, how)
            self.module_.eval()
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, shape (n_rows, n_classes)."""
        with torch.no_grad(), alone(self.seed):
            logits = [self.module_(**part).double() for part in self._batches(X)]
        return torch.softmax(torch.cat(logits), dim=1).numpy() if logits else np.empty((0, len(self.classes_)))

    def predict(self, X: Any) -> np.ndarray:
        """The likelier class of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def attention(self, X: Any) -> np.ndarray:
        """Weight of each window of a trial, shape (n_trials, n_windows), of an architecture that has one."""
        with torch.no_grad(), alone(self.seed):
            return torch.cat([self.module_.attention(**part) for part in self._batches(X)]).numpy()

    def build(self) -> Parts:
        """The module, not yet trained, for the shapes and classes that were fitted on."""
        return architecture(self.architecture)(self.shapes_, len(self.classes_), **(self.sizes or {}))

    def _batches(self, X: Any) -> Iterator[dict[str, torch.Tensor]]:
        check_is_fitted(self, "module_")
        inputs = {name: part for name, part in _inputs(X).items() if name in self.shapes_}
        for start in range(0, count(inputs), BATCH):
            part = rows(inputs, np.arange(start, min(start + BATCH, count(inputs))))
            yield {name: torch.as_tensor(value) for name, value in part.items()}


def architecture(name: str) -> type[Parts]:
    """The class of an architecture by its name."""
    module, _, cls = ARCHITECTURES[name].rpartition(".")
    return getattr(import_module(module), cls)


def make(name: str, seed: int, defaults: Mapping[str, Any], options: Mapping[str, Any]) -> Net:
    """A net with the published settings, changed by options: those of its training, the rest sizes of its module."""
    said = {**defaults, **options}
    training = set(inspect.signature(Net.__init__).parameters) - {"self", "architecture", "sizes", "seed"}
    known = set(inspect.signature(architecture(name).__init__).parameters) - {"self", "shapes", "n_classes"}
    unknown = set(said) - training - known
    if unknown:
        raise TypeError(f"{name} has no option {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
    sizes = {key: value for key, value in said.items() if key in known}
    return Net(name, sizes, seed, **{key: value for key, value in said.items() if key in training})


def _inputs(X: Any) -> dict[str, np.ndarray]:
    if not isinstance(X, Mapping):
        return {"features": np.asarray(X, dtype=np.float32)}
    return {name: part if part.dtype == bool else np.asarray(part, dtype=np.float32) for name, part in X.items()}


@contextmanager
def alone(seed: int) -> Iterator[None]:
    """One thread and random numbers of one's own: sums in one order, nobody else's draws moved."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
