"""What is predicted of a window: classes and values from the labels of its trial."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from core.errors import NotFound, Refused
from core.evaluation.dataset import Dataset

# class i is i = 2 x High valence + High arousal; names say arousal first (requirements S5-01)
QUADRANTS = ("LALV", "HALV", "LAHV", "HAHV")
# the codes of the DEAP peripherals' source, which says valence first: LL 1, HH 2, HL 3, LH 4 (requirements S2-08)
S2_CODES = {"LALV": 1, "HAHV": 2, "LAHV": 3, "HALV": 4}


@dataclass(frozen=True)
class Task:
    """``y`` (n,) is what a model is fitted to: a member of ``classes``; ``names`` are the classes for people.

    ``value`` (n,) is the label itself where the prediction is a value, else None. Rows without a label hold a class
    that means nothing; ``Dataset.rows`` leaves them out.
    """

    y: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]
    value: np.ndarray | None = None

    @property
    def binary(self) -> bool:
        """High or not."""
        return self.y.dtype == bool

    @property
    def code(self) -> np.ndarray:
        """Number of each row's class, shape (n,)."""
        return np.searchsorted(self.classes, self.y)


def rounded(label: np.ndarray, lowest: float, highest: float) -> np.ndarray:
    """A rating as the nearest whole number of its scale, halves up; the lowest where there is none.

    Examples
    --------
    >>> rounded(np.array([1.0, 6.49, 6.5, 9.0, np.nan]), 1, 9)
    array([1, 6, 7, 9, 1])
    """
    whole = np.floor(np.where(np.isfinite(label), label, lowest) + 0.5)
    return np.clip(whole, np.ceil(lowest), np.floor(highest)).astype(int)


def _binary(dataset: Dataset, targets: list[str]) -> Task:
    return Task(dataset.high(targets[0]), np.array([False, True]), ("Low", "High"))


def _quadrant(dataset: Dataset, targets: list[str]) -> Task:
    valence, arousal = (dataset.high(t).astype(int) for t in targets)
    return Task(2 * valence + arousal, np.arange(4), QUADRANTS)


def _nine(dataset: Dataset, targets: list[str]) -> Task:
    lowest, highest, _ = dataset.targets[targets[0]]
    classes = np.arange(np.ceil(lowest), np.floor(highest) + 1).astype(int)
    return Task(rounded(dataset.labels[targets[0]], lowest, highest), classes, tuple(map(str, classes)))


def _continuous(dataset: Dataset, targets: list[str]) -> Task:
    nine = _nine(dataset, targets)
    return Task(nine.y, nine.classes, nine.names, dataset.labels[targets[0]])


# task -> (how its labels are made, how many targets it needs)
TASKS = {"binary": (_binary, 1), "quadrant": (_quadrant, 2), "nine": (_nine, 1), "continuous": (_continuous, 1)}


def check(name: str, target: str, study: str, known: Collection[str]) -> None:
    """Refuse a task that there is not, or targets that it or the study does not have."""
    if name not in TASKS:
        raise NotFound("E-TASK", f"there is no task {name}", "task", f"Use one of {', '.join(TASKS)}.")
    targets, n = target.split("+"), TASKS[name][1]
    unknown = [t for t in targets if t not in known]
    if unknown:
        what = f"the study has no target {', '.join(unknown)}"
        raise Refused("E-TARGET", what, study, f"It has {', '.join(known)}.")
    if len(targets) != n:
        how = "Name valence and arousal, joined by +." if n == 2 else "Name one target."
        raise Refused("E-TARGET", f"the task {name} needs {n} target{'s' * (n > 1)}", target, how)
    if name == "quadrant" and tuple(t.removesuffix("_intended") for t in targets) != ("valence", "arousal"):
        raise Refused(
            "E-TARGET", "a quadrant is of valence first and arousal second", target,
            "Name valence, then arousal, such as valence+arousal; each may end in _intended.",
        )  # fmt: skip


def task(dataset: Dataset, name: str, target: str) -> Task:
    """Classes of every row of a dataset. A continuous value is fitted as the mean of the rounded rating's classes."""
    check(name, target, dataset.name, dataset.targets)
    return TASKS[name][0](dataset, target.split("+"))
