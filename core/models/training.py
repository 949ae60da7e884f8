"""How a net is trained: skorch's loop with early stopping, class weights in the loss, clipping and max-norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


@dataclass(frozen=True)
class Training:
    """Settings of one training; ``patience`` and the plateau are counted in epochs of the validation loss.

    ``patience`` None: no early stopping. ``plateau``: factor of the learning rate, None for a constant one.
    ``contrastive``: weight of the contrastive loss from epoch ``contrastive_from`` on (requirements S1-20).
    """

    epochs: int
    patience: int | None
    batch: int
    lr: float
    weight_decay: float
    optimizer: str
    clip: float | None
    plateau: float | None
    plateau_patience: int
    least_lr: float
    contrastive: float
    contrastive_from: int
    temperature: float


class _Constrain(Callback):
    """Pull the weights back into the norms that the module sets, after every step."""

    def on_batch_end(self, net: Any, training: bool = False, **_: Any) -> None:
        if training:
            net.module_.constrain()


class _Trainer(NeuralNetClassifier):
    """skorch's classifier over modules that part into ``embed`` and ``head``."""

    how: Training

    def infer(self, x: dict[str, Any], **_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        embedding = self.module_.embed(**{name: part for name, part in x.items() if name != "subject"})
        return self.module_.head(embedding), embedding

    def get_loss(self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False) -> torch.Tensor:
        logits, embedding = y_pred
        loss = super().get_loss(logits, y_true, X=X, training=training)
        if training and self.how.contrastive and len(self.history) >= self.how.contrastive_from:
            loss = loss + self.how.contrastive * contrastive(embedding, y_true, X["subject"], self.how.temperature)
        return loss


def contrastive(
    embedding: torch.Tensor, y: torch.Tensor, subject: torch.Tensor, temperature: float = 0.1
) -> torch.Tensor:
    """Supervised contrastive loss whose positives are windows of the same class and another subject.

    Parameters
    ----------
    embedding
        Shape (n_windows, width); scaled to unit length here.
    y, subject
        Class and subject of each window, shape (n_windows,).

    Returns
    -------
    Tensor
        Mean over the windows that have a positive in the batch; zero where none has.

    Notes
    -----
    Khosla et al. (2020), Supervised Contrastive Learning, their outer sum; the pairs are those of requirements S1-20.
    """
    unit = nn.functional.normalize(embedding, dim=1)
    itself = torch.eye(len(y), dtype=torch.bool)
    likeness = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)
    log_p = likeness - torch.logsumexp(likeness, dim=1, keepdim=True)
    positive = (y[:, None] == y[None, :]) & (subject[:, None] != subject[None, :])
    n = positive.sum(1)
    each = -log_p.masked_fill(~positive, 0.0).sum(1) / n.clamp(min=1)
    return each.sum() / (n > 0).sum().clamp(min=1)


def train(
    module: Any,
    inputs: dict[str, np.ndarray],
    codes: np.ndarray,
    weights: np.ndarray,
    validation: tuple[dict[str, np.ndarray], np.ndarray] | None,
    how: Training,
) -> tuple[list[dict[str, Any]], int]:
    """Train a module in place; with validation rows it ends with the weights of its best epoch.

    Parameters
    ----------
    inputs
        Arrays by name, first axis the rows; ``subject`` (codes) is only for the contrastive loss.
    codes
        Class of each row, 0 to n - 1.
    weights
        Weight of each class in the loss.

    Returns
    -------
    (list of dict, int)
        Epoch, train_loss, valid_loss, valid_accuracy (None without validation rows) and seconds of every epoch; and
        the best epoch, from 1.
    """
    callbacks: list[Callback] = [_Constrain()]
    stopping = None
    if how.clip is not None:
        callbacks.append(GradientNormClipping(how.clip))
    if validation is not None and how.plateau is not None:
        callbacks.append(
            LRScheduler(
                torch.optim.lr_scheduler.ReduceLROnPlateau, monitor="valid_loss",
                factor=how.plateau, patience=how.plateau_patience, min_lr=how.least_lr,
            )
        )  # fmt: skip
    if validation is not None and how.patience is not None:
        stopping = EarlyStopping(patience=how.patience, threshold=0.0, load_best=True)
        callbacks.append(stopping)
    module.constrain()
    trainer = _Trainer(
        module,
        criterion=nn.CrossEntropyLoss,
        criterion__weight=torch.as_tensor(weights, dtype=torch.float32),
        optimizer=OPTIMIZERS[how.optimizer],
        optimizer__weight_decay=how.weight_decay,
        lr=how.lr,
        max_epochs=how.epochs,
        batch_size=how.batch,
        iterator_train__shuffle=True,
        train_split=predefined_split(Dataset(*validation)) if validation is not None else None,
        callbacks=callbacks,
        callbacks__print_log=None,
        verbose=0,
    )
    trainer.how = how
    trainer.fit(inputs, codes)
    if len(trainer.history) < how.epochs and (stopping is None or stopping.misses_ < stopping.patience):
        raise KeyboardInterrupt  # skorch keeps one to itself
    said = {"train_loss": "train_loss", "valid_loss": "valid_loss", "valid_accuracy": "valid_acc", "seconds": "dur"}
    history = [
        {"epoch": epoch["epoch"]} | {name: float(epoch[key]) if key in epoch else None for name, key in said.items()}
        for epoch in trainer.history
    ]
    best = stopping.best_epoch_ if stopping is not None and stopping.best_epoch_ else len(history)
    return history, best
