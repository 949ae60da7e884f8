"""Train on one study, test on another: as it is, and with alignments that see no label (requirements c22)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from core.errors import Refused
from core.evaluation import experiment, metrics, tasks
from core.evaluation.dataset import Dataset
from core.evaluation.experiment import Spec
from core.models import MODELS

RIDGE = 1e-3  # of the mean variance, added to covariances before their roots


def plain(source: Dataset, target: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The features of both as they are."""
    return source.features.to_numpy(dtype=np.float64), target.features.to_numpy(dtype=np.float64)


def z_score(source: Dataset, target: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Each subject of both in its own mean and SD."""
    out = []
    for data, x in zip((source, target), plain(source, target), strict=True):
        z = np.full_like(x, np.nan)
        for name in data.subjects:
            own = data.subject == name
            spread = np.nanstd(x[own], axis=0)
            z[own] = (x[own] - np.nanmean(x[own], axis=0)) / np.where(spread > 0, spread, 1.0)
        out.append(z)
    return out[0], out[1]


def coral(source: Dataset, target: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The source with the mean and covariance of the target, each study in its own SD first.

    Notes
    -----
    Sun, Feng and Saenko (2016), Return of frustratingly easy domain adaptation, AAAI.
    """
    parts = []
    for x in plain(source, target):
        spread = np.nanstd(x, axis=0)
        z = (x - np.nanmean(x, axis=0)) / np.where(spread > 0, spread, 1.0)
        parts.append(np.nan_to_num(z))
    a, b = parts
    return a @ _root(np.cov(a.T), -0.5) @ _root(np.cov(b.T), 0.5), b


def _root(covariance: np.ndarray, power: float) -> np.ndarray:
    covariance = np.atleast_2d(covariance)
    value, vector = np.linalg.eigh(
        covariance + RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    )
    return (vector * value**power) @ vector.T


ALIGNMENTS: dict[str, Callable[[Dataset, Dataset], tuple[np.ndarray, np.ndarray]]] = {
    "none": plain,
    "z_score": z_score,
    "coral": coral,
}


def transfer(source: Dataset, target: Dataset, spec: Spec) -> dict[str, Any]:
    """Fit on all subjects of one study, predict those of another: balanced accuracy and AUC per trial, per alignment.

    Only columns that both have are used; three subjects of the source tell a net when to stop. The cut is one half.

    Raises
    ------
    Refused
        E-TRANSFER for nets of signals, for a target that one of them lacks, and where they share no column.
    """
    if MODELS[spec.model].takes != "features":
        raise Refused("E-TRANSFER", "transfer is of models that take a table of features", spec.model)
    lacking = [d.name for d in (source, target) if spec.target not in d.labels]
    if lacking:
        raise Refused("E-TRANSFER", f"the study has no target {spec.target}", lacking[0], "Choose one that both have.")
    columns = {t: tuple(c for c in source.columns.get(t, ()) if c in target.columns.get(t, ())) for t in spec.types}
    names = [c for own in columns.values() for c in own]
    if not names:
        raise Refused("E-TRANSFER", "the two studies share no column", f"{source.name}, {target.name}")
    a, b = (
        replace(own, features=own.features[names], columns=columns, retold=None)
        for own in (d.take(d.rows(spec.target)) for d in (source, target))
    )
    told = []
    for name, aligned in ALIGNMENTS.items():
        xa, xb = aligned(a, b)
        sa, sb = (replace(d, features=pd.DataFrame(x, columns=names)) for d, x in ((a, xa), (b, xb)))
        told.append({"alignment": name, **_scores(sa, sb, spec)})
    return {"source": source.name, "target_study": target.name, "n_columns": len(names),
            "n_subjects": len(b.subjects), "scores": told}  # fmt: skip


def _scores(a: Dataset, b: Dataset, spec: Spec) -> dict[str, Any]:
    from threadpoolctl import threadpool_limits

    stop = np.random.default_rng([spec.seed, 22]).permutation(a.subjects)[: min(3, (len(a.subjects) - 1) // 2)]
    train = np.flatnonzero(~np.isin(a.subject, stop) | (not MODELS[spec.model].deep))
    seen = np.flatnonzero(np.isin(a.subject, stop)) if MODELS[spec.model].deep else train[:0]
    with threadpool_limits(1):
        fitted = experiment.fit(a, spec, tasks.task(a, "binary", spec.target), train, seen, {})
        p = fitted.predict(b, np.arange(len(b)))
    first = np.unique(b.unit, return_index=True)[1]
    who, y, value = b.subject[first], b.high(spec.target)[first], metrics.trial_values(p, b.unit)
    each = [(y[who == s], value[who == s]) for s in b.subjects]
    return {
        "balanced_accuracy": metrics.over_subjects(
            [metrics.balanced_accuracy(own, v > 0.5) for own, v in each]
        ).model_dump(),
        "roc_auc": metrics.over_subjects([metrics.roc_auc(own, v) for own, v in each]).model_dump(),
    }
