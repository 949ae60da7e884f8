"""Channels of several types side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


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
