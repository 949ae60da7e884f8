"""What the models of an experiment used: a few folds fitted again, told by each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.evaluation import experiment, tasks
from core.evaluation.dataset import Dataset, Progress
from core.evaluation.experiment import Fitted, FoldResult, Spec
from core.evaluation.explain import permutation
from core.evaluation.explain.attention_weights import attention, over_time, told
from core.evaluation.explain.attribution import BY, Attribution, sizes
from core.evaluation.explain.contributions import attribute
from core.evaluation.tasks import Task
from core.types import Reason

SEED = 20260105
FOLDS = 3  # of an experiment are fitted again; more change the numbers little and cost as much as the experiment
# rows of a fold that are attributed, evenly chosen: of a table, and of signals, whose gradients are dear
ROWS = {"features": 400, "signals": 48, "sequence": 400}
TOP = 12  # columns that are named


def explained(
    dataset: Dataset,
    spec: Spec,
    results: Sequence[FoldResult],
    *,
    n_folds: int = FOLDS,
    seed: int = SEED,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What the models of an experiment used, on rows that they had not seen.

    A few folds, evenly chosen, are fitted again as they were: same rows, seed and selected options give the same
    model. All is of the model itself, before smoothing and calibration.

    Returns
    -------
    dict
        ``folds``, ``permutation {score, whole, modality, block}`` with rows ``{name, value, low, high}`` (what the
        score per trial loses), ``contributions {method, link, n, modality, block, columns}`` with rows ``{name, value,
        share}`` (mean size), ``attention [{from, to, weight}]`` (1 is an equal share); each of the last two is a
        ``{not_computed: reason}`` where the model has none.
    """
    say = progress or (lambda share, words: None)
    planned = experiment.folds(dataset, spec)
    picked = np.unique(np.linspace(0, len(results) - 1, min(n_folds, len(results))).round().astype(int))
    task = tasks.task(dataset, spec.task, spec.target)
    drops: dict[str, dict[str, list[float]]] = {kind: {} for kind in BY}
    whole: list[float] = []
    found: list[Attribution] = []
    weights: list[np.ndarray] = []
    for k, i in enumerate(picked):
        result, fold = results[i], planned[results[i].index]
        say(k / len(picked), f"fold {result.name}: fitting the model again")
        fitted = experiment.fit(dataset, spec, task, fold.train, fold.validation, result.selected)
        part = dataset.take(fold.test)
        say((k + 0.3) / len(picked), f"fold {result.name}: importance")
        own = permutation.importance(part, fitted, _of(task, fold.test), result.flipped, [seed, k], drops)
        whole += own
        say((k + 0.7) / len(picked), f"fold {result.name}: contributions")
        one, weight = _of_fold(part, fitted)
        found += [one] if one is not None else []
        weights += [weight] if weight is not None else []
    return {
        "folds": [results[i].name for i in picked],
        "permutation": {
            "score": "error" if task.value is not None else "AUC" if task.binary else "balanced accuracy",
            "whole": float(np.mean(whole)) if whole else None,
            **{kind: permutation.ranked(drops[kind]) for kind in BY},
        },
        "contributions": _contributions(found),
        "attention": told(weights),
    }


def _of(task: Task, rows: np.ndarray) -> Task:
    return replace(task, y=task.y[rows], value=None if task.value is None else task.value[rows])


def _of_fold(part: Dataset, fitted: Fitted) -> tuple[Attribution | None, np.ndarray | None]:
    """Contributions to, and attention over, the rows of a fold, evenly thinned; trials stay whole."""
    rows = np.arange(len(part))
    most = ROWS[fitted.takes]
    if fitted.takes != "sequence" and len(rows) > most:
        rows = np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))
    x, _ = experiment.seen_by(part, rows, fitted.types, fitted.takes)
    of = part.channels if fitted.takes == "signals" else part.columns
    named = [(n, t) for t in fitted.types for n in of.get(t, ())]
    columns = [f"{t} {n}" if fitted.takes == "signals" else n for n, t in named]
    found = attribute(fitted.estimator, x, columns, [t for _, t in named])
    weight = attention(fitted.estimator, x) if fitted.takes == "sequence" else None
    return found, None if weight is None else over_time(weight, x["mask"])


def _contributions(found: Sequence[Attribution]) -> dict[str, Any]:
    if not found:
        return {"not_computed": str(Reason.NOT_SUPPORTED)}

    # folds may differ in their components, so that columns are gathered by name
    def gathered(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        names = dict.fromkeys(n for p in parts for n in p)
        return {n: np.concatenate([p[n] for p in parts if n in p]) for n in names}

    columns = gathered([dict(zip(f.columns, f.values.T, strict=True)) for f in found])
    return {
        "method": found[0].method,
        "link": found[0].link,
        "n": sum(len(f.base) for f in found),
        **{kind: sizes(gathered([f.by(kind) for f in found])) for kind in BY},
        "columns": sizes(columns)[:TOP],
    }
