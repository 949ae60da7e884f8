"""What each signal adds: every set of inputs on the same trials, paired by subject to the best single input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from core.errors import Refused
from core.evaluation import metrics, scoring, statistics
from core.evaluation.dataset import Dataset, ordered
from core.evaluation.experiment import FoldResult, Spec

# of one input set: the dataset it was run on, its experiment and its folds
Run = tuple[Dataset, Spec, Sequence[FoldResult]]


def input_sets(types: Sequence[str]) -> list[str]:
    """Every set of some channel types as ``inputs``, the single ones first.

    Examples
    --------
    >>> input_sets(["ecg", "eeg"])
    ['eeg', 'ecg', 'eeg+ecg']
    """
    known = ordered(types)
    return ["+".join(chosen) for n in range(1, len(known) + 1) for chosen in combinations(known, n)]


def compared(runs: Mapping[str, Run], score: str = "balanced_accuracy") -> dict[str, Any]:
    """Scores of every input set, and the difference of each to the best single one.

    Only trials that every set could use are scored, so that a set is never better for its easier trials. ``runs`` are
    by ``inputs``; all else of their experiments must be the same.

    Returns
    -------
    dict
        ``n_subjects, n_trials, score, best_single``, ``sets [{inputs, value, low, high, n_undefined, rank}]`` and
        ``differences [{inputs, against, value, low, high, n, p, p_adjusted, test, subjects [{subject, value}]}]``.
    """
    singles = [inputs for inputs in runs if "+" not in inputs]
    if not singles:
        raise Refused("E-INPUTS", "no single input was run to compare with", "inputs", "Run each signal by itself.")
    levels = _common({inputs: by_name(*run) for inputs, run in runs.items()})
    how = metrics.SCORES[score]
    scores = {i: dict(zip(at.subjects, at.per_subject(*how), strict=True)) for i, at in levels.items()}
    found = statistics.compare(scores)
    means = {row["name"]: row for row in found["scores"]}
    best = max(singles, key=lambda i: means[i]["value"] if means[i]["value"] is not None else -np.inf)
    others = {i: statistics.paired(scores[i], scores[best]) for i in runs if i != best}
    adjusted = statistics.adjusted({i: d["p"] for i, d in others.items()})
    any_level = next(iter(levels.values()))
    return {
        "n_subjects": len(any_level.subjects),
        "n_trials": len(any_level),
        "score": score,
        "best_single": best,
        "sets": [{"inputs": i, **{k: v for k, v in means[i].items() if k != "name"}} for i in runs],
        "differences": [{"inputs": i, "against": best, **d, "p_adjusted": adjusted[i]} for i, d in others.items()],
    }


def by_name(dataset: Dataset, spec: Spec, results: Sequence[FoldResult]) -> tuple[metrics.Level, list[tuple]]:
    """What was predicted of each trial, and (subject, trial) of each row of it."""
    at = scoring.level(dataset, spec, results, "trial")
    first = dict(zip(dataset.unit[::-1], range(len(dataset) - 1, -1, -1), strict=True))
    return at, [(dataset.subject[first[u]], dataset.trial[first[u]]) for u in at.unit]


def _common(found: Mapping[str, tuple[metrics.Level, list[tuple]]]) -> dict[str, metrics.Level]:
    shared = set.intersection(*(set(names) for _, names in found.values()))
    if not shared:
        raise Refused("E-STUDY-EMPTY", "no trial could be used by all input sets", "inputs")
    return {i: at.take([k for k, name in enumerate(names) if name in shared]) for i, (at, names) in found.items()}
