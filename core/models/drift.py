"""How far an incoming recording lies from what a model was trained on: said before its prediction.

Two looks. Of each feature, how its windows fall into the deciles of training (population stability index, PSI). Of all
together, how far the recording's mean lies from the trials of training (Mahalanobis distance over their principal
components). Both are held against what trials of training do when their own subject is left out: one person never
looks like a population, so fixed limits would always warn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from core.types import Notice

FLOOR = 0.01  # least share of windows in a decile: PSI is infinite at none
WORST = 5


@dataclass(frozen=True)
class Distribution:
    """What is kept of the training features, in plain numbers.

    ``deciles`` holds the nine inner cuts of each feature; ``centre`` and ``scale`` are mean and SD of trial means,
    ``axes`` (k, n_features) their principal components and ``variance`` (k,) the spread along each.
    """

    features: tuple[str, ...]
    deciles: tuple[tuple[float, ...], ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...]
    variance: tuple[float, ...]
    distance_limit: float
    psi_limit: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a card."""
        return asdict(self)

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Distribution:
        """What ``as_dict`` gave, also after JSON."""

        def fixed(value: Any) -> Any:
            return tuple(map(fixed, value)) if isinstance(value, list | tuple) else value

        return cls(**{f.name: fixed(said[f.name]) for f in fields(cls)})


@dataclass(frozen=True)
class Drift:
    """What is said of a recording; ``features`` are those whose mean moved most: name, PSI, SDs from training."""

    distance: float
    distance_limit: float
    psi: float
    psi_limit: float
    features: tuple[tuple[str, float, float], ...]
    missing: tuple[str, ...]

    @property
    def far(self) -> bool:
        """Whether the recording lies farther out than 99 % of the trials of training."""
        return self.distance > self.distance_limit or self.psi > self.psi_limit


def compare(training: Distribution, features: pd.DataFrame) -> Drift:
    """Hold the windows of a recording, shape (n_windows, n_features), against the training distribution.

    A feature that the recording lacks, or has nowhere, counts as missing and is taken as the training mean.
    """
    x = features.reindex(columns=list(training.features)).to_numpy(dtype=np.float64)
    there = np.isfinite(x)
    has = there.any(axis=0)
    mean = np.where(has, np.where(there, x, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1), training.centre)
    z = (mean - np.array(training.centre)) / np.array(training.scale)
    distance = float(np.sqrt(np.sum((np.array(training.axes) @ z) ** 2 / np.array(training.variance))))
    psi = {n: _psi(x[there[:, i], i], np.array(training.deciles[i]))
           for i, n in enumerate(training.features) if has[i]}  # fmt: skip
    moved = sorted(
        ((n, psi[n], float(z[i])) for i, n in enumerate(training.features) if has[i]), key=lambda m: -abs(m[2])
    )
    missing = tuple(n for n, h in zip(training.features, has, strict=True) if not h)
    mean_psi = float(np.mean(list(psi.values()))) if psi else 0.0
    return Drift(distance, training.distance_limit, mean_psi, training.psi_limit, tuple(moved[:WORST]), missing)


def _psi(x: np.ndarray, cuts: np.ndarray) -> float:
    """Population stability index over ten bins that each hold a tenth of training."""
    share = np.bincount(np.searchsorted(cuts, x, side="right"), minlength=10) / len(x)
    share = np.maximum(share, FLOOR)
    return float(np.sum((share - 0.1) * np.log(share / 0.1)))


def notice(found: Drift, model: str) -> Notice | None:
    """A warning in words where a recording lies far from training, else None; it blocks nothing."""
    if not found.far:
        return None
    most = ", ".join(f"{name} ({sds:+.1f} SD)" for name, _, sds in found.features[:3])
    return Notice(
        "W-DRIFT",
        f"This recording is unlike what {model} was trained on, farther out than 99 % of its training trials. "
        f"Most off: {most}. The interval of the index does not cover this.",
    )
