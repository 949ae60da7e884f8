"""S3's BiLSTM with attention over the windows of a trial (requirements d8), its padding masked."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from torch import nn

from core.models import net
from core.models.net import Parts
from core.models.steps import Steps

LSTM = 128


class BiLstmAttention(Parts):
    """A BiLSTM for each stream, attention over time, two dense layers.

    Streams are all inputs but ``mask``: shape (n_windows, n_features), or (n_features,) for what is said once of a
    trial and repeated for its windows. On S3's 19 x 54 and 103 and four classes it has 1,350,405 parameters.
    """

    def __init__(self, shapes: dict[str, tuple[int, ...]], n_classes: int, lstm: int = LSTM, dropout: float = 0.5):
        super().__init__()
        self.streams = nn.ModuleDict(
            {
                name: nn.LSTM(shape[-1], lstm, num_layers=2, batch_first=True, bidirectional=True, dropout=dropout)
                for name, shape in shapes.items()
                if name != "mask"
            }
        )
        wide = 2 * lstm * len(self.streams)
        self.score = nn.Linear(wide, 1)
        self.head = nn.Sequential(nn.Linear(wide, 256), nn.ReLU(), nn.Dropout(dropout), nn.Linear(256, n_classes))

    def embed(self, **inputs: torch.Tensor) -> torch.Tensor:
        """The attended mean over the windows of each trial."""
        over_time, weight, _ = self._attended(inputs)
        return (over_time * weight[:, :, None]).sum(dim=1)

    def attention(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Weight of each window, shape (n_trials, n_windows); padding has none."""
        _, weight, order = self._attended(inputs)
        full = torch.zeros(order.shape)
        full[:, : weight.shape[1]] = weight
        return torch.zeros(order.shape).scatter(1, order, full)

    def _attended(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """States and weights of the windows that are there, moved to the front in order of time; and that order."""
        mask = inputs["mask"]
        order = torch.argsort(~mask, dim=1, stable=True)
        length = mask.sum(dim=1).clamp(min=1)
        parts = []
        for name, lstm in self.streams.items():
            x = inputs[name]
            x = x[:, None].expand(-1, mask.shape[1], -1) if x.ndim == 2 else x
            x = x.gather(1, order[:, :, None].expand_as(x))
            packed = nn.utils.rnn.pack_padded_sequence(x, length, batch_first=True, enforce_sorted=False)
            parts.append(nn.utils.rnn.pad_packed_sequence(lstm(packed)[0], batch_first=True)[0])
        over_time = torch.cat(parts, dim=2)
        padding = torch.arange(over_time.shape[1]) >= length[:, None]
        score = torch.tanh(self.score(over_time))[:, :, 0].masked_fill(padding, -torch.inf)
        return over_time, score.softmax(dim=1), order


class WindowScaler(TransformerMixin, BaseEstimator):
    """Median for what is missing and unit SD for each feature, over the windows that are there; padding becomes 0.

    Takes and gives a mapping: ``mask`` (n_trials, n_windows) and streams of shape (n_trials, n_windows, n_features)
    or (n_trials, n_features).
    """

    def fit(self, X: Any, y: Any = None) -> WindowScaler:
        """Learn median, mean and SD of each feature of each stream."""
        mask = np.asarray(X["mask"], dtype=bool)
        self.fitted_ = {}
        for name, stream in X.items():
            if name == "mask":
                continue
            values = np.asarray(stream, dtype=np.float64)
            values = values[mask] if values.ndim == 3 else values
            known = np.isfinite(values).any(axis=0)
            median = np.zeros(values.shape[1])
            median[known] = np.nanmedian(values[:, known], axis=0)
            filled = np.where(np.isfinite(values), values, median)
            sd = filled.std(axis=0)
            self.fitted_[name] = (median, filled.mean(axis=0), np.where(sd > 0, sd, 1.0))
        return self

    def transform(self, X: Any) -> dict[str, np.ndarray]:
        """The same mapping, filled and scaled, as float32."""
        mask = np.asarray(X["mask"], dtype=bool)
        out: dict[str, np.ndarray] = {"mask": mask}
        for name, (median, mean, sd) in self.fitted_.items():
            values = np.asarray(X[name], dtype=np.float64)
            scaled = (np.where(np.isfinite(values), values, median) - mean) / sd
            out[name] = (scaled * mask[:, :, None] if values.ndim == 3 else scaled).astype(np.float32)
        return out


def bilstm_attention(seed: int, **options: Any) -> Steps:
    """Adam 1e-3, 32 trials at a time."""
    defaults = {"epochs": 100, "patience": 15, "batch": 32}
    return Steps([("scaler", WindowScaler()), ("classifier", net.make("bilstm_attention", seed, defaults, options))])
