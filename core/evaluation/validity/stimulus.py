"""How much of a score comes from clips that other people saw too: the stimulus premium (requirements c17)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from core.errors import Refused
from core.evaluation import experiment, metrics, tasks
from core.evaluation.dataset import Dataset, Progress
from core.evaluation.experiment import Spec

GROUPS = 4


def premium(dataset: Dataset, spec: Spec, *, progress: Progress | None = None) -> dict[str, Any]:
    """Unseen subjects on clips that others were seen with, less the same subjects on clips that nobody was seen with.

    Clips are dealt to four groups of alike ratings. For each fold of subjects and each group, a model learns from
    other people's other clips (*withheld*) and another from as many trials of the same people that hold the group's
    clips (*seen*); both are asked of the fold's people on the group's clips.

    Raises
    ------
    Refused
        E-STIMULI where fewer than eight clips were seen by two subjects.
    """
    import scipy.linalg  # noqa: F401  its threads are limited only once it is loaded
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return _premium(dataset, spec, progress or (lambda share, words: None))


def _premium(dataset: Dataset, spec: Spec, say: Progress) -> dict[str, Any]:
    own = replace(spec, split="subject_kfold")
    task, rows = tasks.task(dataset, spec.task, spec.target), dataset.rows(spec.target)
    groups = _groups(dataset, rows, spec)
    found: dict[str, list[np.ndarray]] = {"seen": [], "withheld": []}
    tested: list[np.ndarray] = []
    folds = experiment.folds(dataset, own)
    sizes: list[int] = []
    for i, fold in enumerate(folds):
        say(i / len(folds), f"subjects {i + 1} of {len(folds)}")
        for g, clips in enumerate(groups):
            inside = np.isin(dataset.stimulus, clips)
            test = fold.test[inside[fold.test]]
            if not len(test):
                continue
            tested.append(test)
            for kind in found:
                rng = np.random.default_rng([spec.seed, i, g])
                train, seen = (_matched(dataset, part, inside, kind, rng) for part in (fold.train, fold.validation))
                sizes.append(len(np.unique(dataset.unit[train])))
                fitted = experiment.fit(dataset, spec, task, train, seen, {})
                found[kind].append(fitted.predict(dataset, test))
    say(1.0, "done")
    at = np.concatenate(tested)
    each = {kind: _per_subject(dataset, task, at, np.concatenate(p)) for kind, p in found.items()}
    pairs = zip(each["seen"], each["withheld"], strict=True)
    return {
        "premium": metrics.over_subjects([a - b for a, b in pairs]).model_dump(),
        **{kind: metrics.cross_validated(v).model_dump() for kind, v in each.items()},
        "n_subjects": len(each["seen"]), "n_stimuli": sum(map(len, groups)), "n_groups": len(groups),
        "n_train_trials": {"least": min(sizes), "most": max(sizes)},
    }  # fmt: skip


def _groups(dataset: Dataset, rows: np.ndarray, spec: Spec) -> list[list[str]]:
    """Clips that two subjects saw, dealt to groups that hold alike shares of High."""
    names = np.unique(dataset.stimulus[rows])
    high = dataset.high(spec.target.split("+")[0])
    shared = []
    for name in names:
        own = rows[dataset.stimulus[rows] == name]
        if len(np.unique(dataset.subject[own])) > 1:
            shared.append((float(high[own].mean()), str(name)))
    if len(shared) < 2 * GROUPS:
        raise Refused(
            "E-STIMULI", f"{len(shared)} stimuli were seen by two subjects or more, {2 * GROUPS} are needed",
            dataset.name, "Name the stimulus of each trial in the study's groups.",
        )  # fmt: skip
    order = [name for _, name in sorted(shared)]
    rng = np.random.default_rng([spec.seed, 17])
    dealt: list[list[str]] = [[] for _ in range(GROUPS)]
    for at in range(0, len(order), GROUPS):
        for name, to in zip(order[at : at + GROUPS], rng.permutation(GROUPS), strict=False):
            dealt[to].append(name)
    return dealt


def _matched(dataset: Dataset, rows: np.ndarray, inside: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Rows to learn from: of each subject as many trials as it has outside the group, with or without the group's."""
    kept = []
    for name in np.unique(dataset.subject[rows]):
        own = rows[dataset.subject[rows] == name]
        units, first = np.unique(dataset.unit[own], return_index=True)
        held = inside[own[first]]
        out = units[~held]
        if kind == "seen":
            n = min(int(held.sum()), len(out))
            out = np.concatenate([rng.permutation(units[held])[:n], rng.permutation(out)[: len(out) - n]])
        kept.append(own[np.isin(dataset.unit[own], out)])
    return np.sort(np.concatenate(kept)) if kept else rows[:0]


def _per_subject(dataset: Dataset, task: tasks.Task, rows: np.ndarray, p: np.ndarray) -> list[float]:
    """Balanced accuracy per trial of each subject, at one half or the likeliest class."""
    scores = []
    for name in np.unique(dataset.subject[rows]):
        own = dataset.subject[rows] == name
        unit = dataset.unit[rows][own]
        first = rows[own][np.unique(unit, return_index=True)[1]]
        value = metrics.trial_values(p[own], unit)
        predicted = (value > 0.5).astype(int) if task.binary else value.argmax(axis=1)
        scores.append(metrics.balanced_accuracy(task.code[first], predicted))
    return scores
