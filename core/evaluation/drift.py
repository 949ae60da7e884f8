"""What a model was trained on, kept so that an incoming recording can be held against it (``core.models.drift``)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.evaluation.dataset import Dataset
from core.models.drift import Distribution, compare

COMPONENTS = 10
QUANTILE = 0.99  # of the trials of training that are no drift
DIGITS = 6  # kept of each number: what lies behind them differs between processors


def describe(dataset: Dataset, types: tuple[str, ...]) -> Distribution:
    """The distribution of a dataset's features, and what its own subjects do when left out of it."""
    names = dataset.names(types)
    x = dataset.x(np.arange(len(dataset)), types).to_numpy()
    known = np.isfinite(x).any(axis=0)
    names, x = [n for n, k in zip(names, known, strict=True) if k], x[:, known]
    distances, indices = [], []
    for name in dataset.subjects:
        own = dataset.subject == name
        if own.all():
            continue
        rest = _described(names, x[~own], dataset.unit[~own], np.inf, np.inf)
        for u in np.unique(dataset.unit[own]):
            found = compare(rest, pd.DataFrame(x[dataset.unit == u], columns=names))
            distances.append(found.distance)
            indices.append(found.psi)
    limits = [float(np.quantile(v, QUANTILE)) if v else np.inf for v in (distances, indices)]
    return _described(names, x, dataset.unit, *limits)


def _described(names: list[str], x: np.ndarray, unit: np.ndarray, distance: float, psi: float) -> Distribution:
    table = pd.DataFrame(x, columns=names)
    means = table.groupby(unit).mean()
    means = means.fillna(means.mean()).to_numpy()
    centre, scale = means.mean(axis=0), means.std(axis=0)
    scale = np.where(scale > 1e-12, scale, 1.0)
    _, spread, axes = np.linalg.svd((means - centre) / scale, full_matrices=False)
    variance = spread**2 / max(len(means) - 1, 1)
    kept = np.flatnonzero(variance[:COMPONENTS] > 1e-9)
    cuts = np.nanquantile(x, np.arange(1, 10) / 10, axis=0).T
    return Distribution(
        tuple(names), _rows(cuts), _plain(centre), _plain(scale), _rows(axes[kept]), _plain(variance[kept]),
        *_plain(np.array([distance, psi])),
    )  # fmt: skip


def _rows(values: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(map(_plain, values))


def _plain(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{v:.{DIGITS}g}") for v in values)
