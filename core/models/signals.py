"""Channels of several types on one scale and side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class ChannelScaler(TransformerMixin, BaseEstimator):
    """Mean 0 and SD 1 of each channel over the windows that it is fitted on; NaN stays NaN (requirements S2-05).

    For nets that read signals in their units: °C, µS and ms beside each other.
    """

    def fit(self, X: Mapping[str, np.ndarray], y: Any = None) -> ChannelScaler:
        """Learn mean and SD of each channel of each type; 0 and 1 where nothing is known of it."""
        self.fitted_ = {name: _moments(x) for name, x in X.items()}
        return self

    def transform(self, X: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The same mapping, scaled, as float32."""
        return {n: ((X[n] - mean) / sd).astype(np.float32) for n, (mean, sd) in self.fitted_.items()}


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of each channel over windows and samples, shapes (n_channels, 1)."""
    known = np.isfinite(x)
    n = np.maximum(known.sum(axis=(0, 2), keepdims=True)[0], 1)
    exact = np.where(known, x, 0.0).astype(np.float64)
    mean = exact.sum(axis=(0, 2), keepdims=True)[0] / n
    sd = np.sqrt((np.where(known, exact - mean, 0.0) ** 2).sum(axis=(0, 2), keepdims=True)[0] / n)
    return mean.astype(np.float32), np.where(sd > 0, sd, 1.0).astype(np.float32)


class Stack(TransformerMixin, BaseEstimator):
    """All channels as one input ``signals``; a faster type is averaged down to the slowest one's samples."""

    def fit(self, X: Mapping[str, np.ndarray], y: Any = None) -> Stack:
        """Nothing is learned but the order of the types."""
        self.types_ = tuple(X)
        return self

    def transform(self, X: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A mapping to one array of shape (n_windows, n_channels of all types, least n_times)."""
        return {"signals": stacked({t: X[t] for t in self.types_})}


def stacked(X: Mapping[str, np.ndarray]) -> np.ndarray:
    """Channels side by side, shape (n_windows, n_channels of all types, least n_times); NaN stays NaN."""
    least = min(x.shape[2] for x in X.values())
    odd = [name for name, x in X.items() if x.shape[2] % least]
    if odd:
        raise ValueError(f"samples of {', '.join(odd)} are no multiple of {least}")
    parts = [x.reshape(*x.shape[:2], least, -1).mean(axis=3, dtype=np.float32) for x in X.values()]
    return np.concatenate(parts, axis=1)
