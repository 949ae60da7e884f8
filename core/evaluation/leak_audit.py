"""How much of a score is leak: random windows against left-out subjects, and checks that name the rule broken."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.evaluation import experiment, metrics
from core.evaluation.dataset import Dataset
from core.evaluation.experiment import FoldResult, Spec
from core.evaluation.splits import Fold
from core.models.bundle import Check, Interval


def premium(dataset: Dataset, spec: Spec, clean: Sequence[FoldResult]) -> tuple[Interval, dict[str, float]]:
    """Balanced accuracy over windows under random windows less that of ``clean``, with a subject bootstrap.

    The very same model and features; only the split differs. A large premium says that windows of one person and
    trial recognise each other, whatever the labels.
    """
    naive = replace(spec, split="random_window")
    leaky, honest = (
        np.array(experiment.level(dataset, s, results, "window").per_subject(metrics.balanced_accuracy, "predicted"))
        for s, results in ((naive, experiment.run(dataset, naive)), (spec, clean))
    )
    scores = {"random_window": float(leaky.mean()), spec.split: float(honest.mean())}
    return metrics.over_subjects(list(leaky - honest)), scores


def checks(dataset: Dataset, spec: Spec) -> list[Check]:
    """The named checks; each says what it looked at."""
    folds = experiment.folds(dataset, spec)
    return [
        _disjoint("subjects disjoint", folds, dataset.subject),
        _disjoint("trials disjoint", folds, dataset.unit),
        _disjoint("windows disjoint", folds, np.arange(len(dataset))),
        _test_labels(dataset, spec, folds),
        _duplicate_rows(dataset, spec),
        _duplicate_columns(dataset, spec),
    ]


def turned(dataset: Dataset, target: str, rows: np.ndarray) -> Dataset:
    """The dataset with the labels of some rows on the other side of the cut."""
    lowest, highest, _ = dataset.targets[target]
    top, bottom = (lowest, highest) if dataset.sides.get(target, ">").startswith("<") else (highest, lowest)
    label = dataset.labels[target].copy()
    label[rows] = np.where(dataset.high(target)[rows], bottom, top)
    return replace(dataset, labels={**dataset.labels, target: label})


def _verdict(name: str, good: bool, evidence: str) -> Check:
    return Check(name=name, outcome="pass" if good else "fail", evidence=evidence)


def _disjoint(name: str, folds: list[Fold], owner: np.ndarray) -> Check:
    def shared(fold: Fold) -> bool:
        parts = [set(owner[part]) for part in (fold.train, fold.validation, fold.test)]
        return len(set.union(*parts)) < sum(map(len, parts))

    broken = [fold.name for fold in folds if shared(fold)]
    return _verdict(name, not broken, f"{len(folds) - len(broken)} of {len(folds)} folds share none")


def _test_labels(dataset: Dataset, spec: Spec, folds: list[Fold]) -> Check:
    """What is predicted of a fold must not move when the labels of its test windows are turned round."""
    moved = 0
    for i, fold in enumerate(folds[:2]):
        a, b = (experiment.run_fold(d, spec, i) for d in (dataset, turned(dataset, spec.target, fold.test)))
        moved += not (np.array_equal(a.p, b.p) and a.threshold == b.threshold)
    return _verdict(
        "test labels unseen",
        not moved,
        f"predictions of {len(folds[:2])} folds with test labels turned: {moved} changed",
    )


def _duplicate_rows(dataset: Dataset, spec: Spec) -> Check:
    rows = dataset.rows(spec.target)
    seen: dict[bytes, int] = {}
    twice = 0
    for row, trial in zip(dataset.x(rows, spec.types).to_numpy(), dataset.unit[rows], strict=True):
        key = hashlib.sha256(np.ascontiguousarray(row).tobytes()).digest()
        twice += seen.setdefault(key, trial) != trial
    return _verdict("no duplicated windows", not twice, f"{twice} of {len(rows)} windows equal one of another trial")


def _duplicate_columns(dataset: Dataset, spec: Spec) -> Check:
    x = dataset.x(dataset.rows(spec.target), spec.types).to_numpy()
    known = x[:, np.isfinite(x).any(axis=0) & (np.nanstd(np.where(np.isfinite(x), x, 0.0), axis=0) > 0)]
    twice = known.shape[1] - len({hashlib.sha256(c.tobytes()).digest() for c in np.ascontiguousarray(known.T)})
    return _verdict("no duplicated features", not twice, f"{twice} of {x.shape[1]} columns equal another")
