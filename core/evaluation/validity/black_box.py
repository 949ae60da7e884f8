"""What a procedure lets slip, seen from outside: change what the test alone may know, and look at what moves.

Turned labels of the test may move nothing. Changed features of some test rows may move only what is predicted of those
rows. Anything else that moves was fitted, selected, tuned or cut on the test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.evaluation import experiment
from core.evaluation.dataset import Dataset
from core.evaluation.experiment import FoldResult, Spec
from core.evaluation.splits import Fold

# folds that are looked into; subjects kept for it at most, so that it stays cheap
FOLDS, SUBJECTS = 2, 10


@dataclass(frozen=True)
class Procedure:
    """What is audited: how the folds of an experiment are laid, and how one of them is run."""

    run: Callable[[Dataset, Spec, int], FoldResult] = experiment.run_fold
    folds: Callable[[Dataset, Spec], list[Fold]] = experiment.folds

    @property
    def place(self) -> str:
        """Where the code lies that runs a fold."""
        return place(self.run)

    def all(self, dataset: Dataset, spec: Spec) -> list[FoldResult]:
        """Every fold in turn."""
        return [self.run(dataset, spec, i) for i in range(len(self.folds(dataset, spec)))]


OWN = Procedure()


def place(function: Callable) -> str:
    """Where a function lies, as ``core/evaluation/experiment.py run_fold``."""
    return f"{function.__module__.replace('.', '/')}.py {function.__qualname__}"


@dataclass(frozen=True)
class Moved:
    """How many folds were looked into, and in how many something moved that should not.

    ``columns``, ``options``: what was selected; ``others``: predictions of test rows whose own features and labels
    were left alone; ``own``: predictions of rows whose labels were turned, and of no other; ``cut``: threshold, flip
    or calibrator, the predictions before them being the same. The first that holds is counted for a fold.
    """

    n_folds: int
    columns: int = 0
    options: int = 0
    others: int = 0
    own: int = 0
    cut: int = 0

    @property
    def anything(self) -> int:
        """Folds in which something moved."""
        return self.columns + self.options + self.others + self.own + self.cut


def few(dataset: Dataset, spec: Spec) -> Dataset:
    """The rows of some subjects, enough to look into a procedure."""
    rows = dataset.rows(spec.target)
    names = sorted(set(dataset.subject[rows]))[:SUBJECTS]
    return dataset.take(rows[np.isin(dataset.subject[rows], names)])


def turned(dataset: Dataset, target: str, rows: np.ndarray) -> Dataset:
    """The dataset with the labels of some rows on the other side of the cut, of each target joined by +."""
    labels = dict(dataset.labels)
    for name in target.split("+"):
        lowest, highest, _ = dataset.targets[name]
        top, bottom = (lowest, highest) if dataset.sides.get(name, ">").startswith("<") else (highest, lowest)
        labels[name] = dataset.labels[name].copy()
        labels[name][rows] = np.where(dataset.high(name)[rows], bottom, top)
    return replace(dataset, labels=labels, path=None)


def shaken(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """The dataset with the features and signals of some rows turned round, three times as large and shifted."""

    def other(x: np.ndarray) -> np.ndarray:
        return 7.0 * (np.nanmean(np.abs(x)) if np.isfinite(x).any() else 1.0) - 3.0 * x

    features = dataset.features.copy()
    features.iloc[rows] = other(dataset.features.iloc[rows].to_numpy(dtype=np.float64))
    signals = {}
    for type_, x in dataset.signals.items():
        signals[type_] = np.array(x)
        signals[type_][rows] = other(signals[type_][rows])
    retold = dataset.retold
    if retold is not None:
        own = np.isin(retold.of, rows)
        x = retold.x.to_numpy(dtype=np.float64, copy=True)
        x[own] = other(x[own])
        retold = replace(retold, x=pd.DataFrame(x, columns=retold.x.columns))
    return replace(dataset, features=features, signals=signals, path=None, retold=retold)


def labels_turned(dataset: Dataset, spec: Spec, procedure: Procedure = OWN) -> Moved:
    """What moves with the labels of all test rows of a fold."""
    found = []
    planned = procedure.folds(dataset, spec)
    for i in range(min(FOLDS, len(planned))):
        before = procedure.run(dataset, spec, i)
        after = procedure.run(turned(dataset, spec.target, planned[i].test), spec, i)
        kind = _kind(before, after, np.ones(len(before.raw), dtype=bool))
        if kind == "others" and _only_own(dataset, spec, procedure):
            kind = "own"
        found.append(kind)
    return _counted(found)


def features_shaken(dataset: Dataset, spec: Spec, procedure: Procedure = OWN) -> Moved:
    """What moves, beside their own predictions, with the features of half the trials of a fold's test.

    Folds whose test is a single trial are passed over.
    """
    found: list[str] = []
    for i, fold in enumerate(procedure.folds(dataset, spec)):
        trials = np.unique(dataset.unit[fold.test])
        if len(trials) < 2 or len(found) == FOLDS:
            continue
        rows = fold.test[np.isin(dataset.unit[fold.test], trials[::2])]
        before, after = (procedure.run(d, spec, i) for d in (dataset, shaken(dataset, rows)))
        found.append(_kind(before, after, ~np.isin(before.test_rows, rows)))
    return _counted(found)


def _only_own(dataset: Dataset, spec: Spec, procedure: Procedure) -> bool:
    """Whether turned labels of one test subject move that subject's predictions and nobody else's."""
    together = replace(spec, split="subject_kfold")
    for i, fold in enumerate(procedure.folds(dataset, together)):
        names = np.unique(dataset.subject[fold.test])
        if len(names) > 1:
            one = fold.test[dataset.subject[fold.test] == names[0]]
            before = procedure.run(dataset, together, i)
            after = procedure.run(turned(dataset, spec.target, one), together, i)
            return _kind(before, after, ~np.isin(before.test_rows, one)) == ""
    return False


def _kind(before: FoldResult, after: FoldResult, watched: np.ndarray) -> str:
    """The first thing that moved between two runs of a fold, or nothing."""
    differ = [k for k in {**before.selected, **after.selected} if before.selected.get(k) != after.selected.get(k)]
    if differ:
        return "columns" if "columns" in differ else "options"
    if before.raw.shape != after.raw.shape or not np.array_equal(before.raw[watched], after.raw[watched]):
        return "others"
    cut = ("threshold", "flipped", "calibrator")
    return "cut" if any(getattr(before, c) != getattr(after, c) for c in cut) else ""


def _counted(found: Sequence[str]) -> Moved:
    kinds = ("columns", "options", "others", "own", "cut")
    return Moved(len(found), **{kind: sum(f == kind for f in found) for kind in kinds})
