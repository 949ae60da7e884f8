"""How far two experiments are apart on the same trials, whoever of them is right: a value per subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.evaluation import metrics

# what was predicted of each trial, and the (subject, trial) of each row: ``core.evaluation.ablation.by_name``
Named = tuple[metrics.Level, Sequence[Any]]


@dataclass(frozen=True)
class Apart:
    """Two experiments on one subject's trials that both predicted: ``n`` of them.

    ``labels`` is the share of them whose label differs; ``probabilities`` the mean distance of the probabilities, 0 to
    1: of two classes that of High, of several the probability that would have to move from class to class.
    """

    n: int
    labels: float
    probabilities: float


def per_subject(a: Named, b: Named) -> dict[str, Apart]:
    """By subject, over the trials that both experiments have; who has none is left out."""
    row = {name: i for i, name in enumerate(b[1])}
    shared = [(i, row[name]) for i, name in enumerate(a[1]) if name in row]
    one, other = a[0].take([i for i, _ in shared]), b[0].take([j for _, j in shared])
    differs, distance = one.predicted != other.predicted, np.abs(one.p - other.p)
    if distance.ndim == 2:
        distance = distance.sum(axis=1) / 2
    own = {str(s): one.subject == s for s in one.subjects}
    return {s: Apart(int(at.sum()), float(differs[at].mean()), float(distance[at].mean())) for s, at in own.items()}


def between(a: Named, b: Named) -> dict[str, Any]:
    """Means over subjects with their 95 % subject bootstrap.

    Returns
    -------
    dict
        ``n`` subjects, ``n_trials``, and ``labels`` and ``probabilities`` {value, low, high}; value is None where no
        trial is shared.
    """
    found = per_subject(a, b).values()
    return {
        "n": len(found),
        "n_trials": sum(s.n for s in found),
        "labels": metrics.over_subjects([s.labels for s in found]).model_dump(exclude={"n_undefined"}),
        "probabilities": metrics.over_subjects([s.probabilities for s in found]).model_dump(exclude={"n_undefined"}),
    }
