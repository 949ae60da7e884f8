"""Importance by permutation: what a score loses when columns are dealt anew among a subject's windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.evaluation import experiment, metrics
from core.evaluation.dataset import Dataset
from core.evaluation.experiment import Fitted
from core.evaluation.explain.attribution import blocks
from core.evaluation.tasks import Task

REPEATS = 5


def importance(
    part: Dataset,
    fitted: Fitted,
    task: Task,
    flipped: bool,
    seed: Sequence[int],
    drops: dict[str, dict[str, list[float]]],
) -> list[float]:
    """Scores of a fold's test rows; what each group of columns costs when dealt anew goes to ``drops``."""
    rows = np.arange(len(part))

    def scored(data: Dataset) -> list[float]:
        p = fitted.predict(data, rows)
        return experiment.merit(data, task, rows, 1 - p if flipped else p)

    whole = scored(part)
    if not whole:
        return []
    rng = np.random.default_rng(seed)
    orders = [_dealt(part.subject, rng) for _ in range(REPEATS)]
    for kind, groups in _groups(part, fitted).items():
        for name, (columns, types) in groups.items():
            lost = [np.mean(whole) - np.mean(scored(_mixed(part, order, columns, types))) for order in orders]
            drops[kind].setdefault(name, []).append(float(np.mean(lost)))
    return whole


def _dealt(subject: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An order of rows that keeps each among those of its subject."""
    order = np.arange(len(subject))
    for name in sorted(set(subject)):
        own = np.flatnonzero(subject == name)
        order[own] = rng.permutation(own)
    return order


def _groups(data: Dataset, fitted: Fitted) -> dict[str, dict[str, tuple[list[str], list[str]]]]:
    """Columns and signals that are dealt anew together, by modality and by block."""
    if fitted.takes == "signals":
        return {"modality": {t: ([], [t]) for t in fitted.types}}
    columns = data.names(fitted.types)
    types = [t for t in fitted.types for _ in data.columns.get(t, ())]
    named: dict[str, Sequence[str]] = {"modality": types, "block": blocks(columns, types)}
    return {
        kind: {n: ([c for c, m in zip(columns, of, strict=True) if m == n], []) for n in dict.fromkeys(of)}
        for kind, of in named.items()
    }


def _mixed(data: Dataset, order: np.ndarray, columns: Sequence[str], types: Sequence[str]) -> Dataset:
    """The dataset with some columns, or signals, in another order of rows."""
    features = data.features
    if columns:
        at = features.columns.get_indexer(list(columns))
        x = features.to_numpy(dtype=np.float64).copy()
        x[:, at] = x[order][:, at]
        features = type(features)(x, columns=features.columns)
    return replace(data, features=features, signals={**data.signals, **{t: data.signals[t][order] for t in types}})


def ranked(found: Mapping[str, list[float]]) -> list[dict[str, Any]]:
    """What each name costs, mean over folds with its interval, the dearest first."""
    rows = [{"name": n, **metrics.over_subjects(v).model_dump(exclude={"n_undefined"})} for n, v in found.items()]
    return sorted(rows, key=lambda r: -r["value"])
