"""How much of a score is leak: random windows against left-out subjects, and checks that name the rule broken."""

from __future__ import annotations

import hashlib

import numpy as np

from core.evaluation import loso, metrics, splits
from core.evaluation.loso import OutOfFold
from core.evaluation.splits import Fold
from core.evaluation.table import WindowTable
from core.models.bundle import Check, Interval


def window_scores(table: WindowTable, target: str, found: OutOfFold) -> np.ndarray:
    """Balanced accuracy over each subject's windows."""
    y, predicted = table.high[target], found.p > found.threshold
    return np.array([metrics.balanced_accuracy(y[own], predicted[own]) for own in _owners(table)])


def premium(
    table: WindowTable, target: str, model: str, clean: OutOfFold, seed: int
) -> tuple[Interval, dict[str, float]]:
    """Balanced accuracy over windows under random windows less that of ``clean``, with a subject bootstrap.

    The very same model and features; only the split differs. A large premium says that windows of one person and
    trial recognise each other, whatever the labels.
    """
    folds = splits.random_window(len(table), seed)
    leaky = loso.run(table.x, table.high[target], np.arange(len(table)), model, folds, seed)
    naive, honest = (window_scores(table, target, found) for found in (leaky, clean))
    scores = {"random_window": float(naive.mean()), "loso": float(honest.mean())}
    return metrics.over_subjects(list(naive - honest)), scores


def checks(table: WindowTable, target: str, model: str, folds: list[Fold], seed: int) -> list[Check]:
    """The named checks; each says what it looked at."""
    unit = table.unit
    return [
        _disjoint("subjects disjoint", folds, table.subject),
        _disjoint("trials disjoint", folds, unit),
        _disjoint("windows disjoint", folds, np.arange(len(table))),
        _test_labels(table, target, model, folds, seed),
        _duplicate_rows(table, unit),
        _duplicate_columns(table),
    ]


def _owners(table: WindowTable) -> list[np.ndarray]:
    return [table.subject == name for name in table.subjects]


def _verdict(name: str, good: bool, evidence: str) -> Check:
    return Check(name=name, outcome="pass" if good else "fail", evidence=evidence)


def _disjoint(name: str, folds: list[Fold], owner: np.ndarray) -> Check:
    def shared(fold: Fold) -> bool:
        parts = [set(owner[part]) for part in (fold.train, fold.validation, fold.test)]
        return len(set.union(*parts)) < sum(map(len, parts))

    broken = [fold.name for fold in folds if shared(fold)]
    return _verdict(name, not broken, f"{len(folds) - len(broken)} of {len(folds)} folds share none")


def _test_labels(table: WindowTable, target: str, model: str, folds: list[Fold], seed: int) -> Check:
    """What is predicted of a fold must not move when the labels of its test windows are turned round."""
    x, y, unit = table.x, table.high[target], table.unit
    moved = 0
    for fold in folds[:2]:
        turned = y.copy()
        turned[fold.test] = ~y[fold.test]
        a, b = (loso.run(x, labels, unit, model, [fold], seed) for labels in (y, turned))
        moved += not (
            np.array_equal(a.p, b.p, equal_nan=True) and np.array_equal(a.threshold, b.threshold, equal_nan=True)
        )
    return _verdict(
        "test labels unseen",
        not moved,
        f"predictions of {len(folds[:2])} folds with test labels turned: {moved} changed",
    )


def _duplicate_rows(table: WindowTable, unit: np.ndarray) -> Check:
    seen: dict[bytes, int] = {}
    twice = 0
    for row, trial in zip(np.ascontiguousarray(table.x), unit, strict=True):
        key = hashlib.sha256(row.tobytes()).digest()
        twice += seen.setdefault(key, trial) != trial
    return _verdict("no duplicated windows", not twice, f"{twice} of {len(table)} windows equal one of another trial")


def _duplicate_columns(table: WindowTable) -> Check:
    x = table.x
    known = x[:, np.isfinite(x).any(axis=0) & (np.nanstd(np.where(np.isfinite(x), x, 0.0), axis=0) > 0)]
    twice = known.shape[1] - len({hashlib.sha256(c.tobytes()).digest() for c in np.ascontiguousarray(known.T)})
    return _verdict("no duplicated features", not twice, f"{twice} of {x.shape[1]} columns equal another")
