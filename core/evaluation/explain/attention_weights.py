"""A model's own weight of each window of a trial, and how it lies over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.types import Reason

TIMES = 10  # parts of a trial that attention is told over


def attention(estimator: Any, x: Any) -> np.ndarray | None:
    """The model's own weight of each window of a trial, shape (n_trials, n_windows); None where it has none.

    Of late fusion the mean over its parts.
    """
    if type(estimator).__name__ == "Late":
        parts = [attention(one, estimator.part(x, name)) for name, one in estimator.estimators_.items()]
        known = [p for p in parts if p is not None]
        return np.mean(known, axis=0) if known else None
    steps = [step for _, step in getattr(estimator, "steps", [])]
    if not steps or not hasattr(getattr(steps[-1], "module_", None), "attention"):
        return None
    for step in steps[:-1]:
        x = step.transform(x)
    return steps[-1].attention(x)


def over_time(weight: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Attention in TIMES parts of each trial, 1 where it is that of an equal share, shape (n_trials, TIMES)."""
    out = np.full((len(weight), TIMES), np.nan)
    for i, (own, there) in enumerate(zip(weight, mask, strict=True)):
        known = own[there]
        place = np.floor(np.arange(len(known)) / len(known) * TIMES).astype(int)
        for t in set(place):
            out[i, t] = known[place == t].mean() * len(known)
    return out


def told(weights: Sequence[np.ndarray]) -> Any:
    """Mean weight of each part of a trial as rows ``{from, to, weight}``, or why there is none."""
    if not weights:
        return {"not_computed": str(Reason.NOT_SUPPORTED)}
    whole = np.concatenate(weights)
    known = [whole[np.isfinite(whole[:, t]), t] for t in range(TIMES)]
    return [
        {"from": t / TIMES, "to": (t + 1) / TIMES, "weight": float(own.mean())}
        for t, own in enumerate(known)
        if len(own)
    ]
