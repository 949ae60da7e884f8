"""Contributions of any fitted model: which method is its own, parts of late fusion, and a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.evaluation.explain import gradients, shapley
from core.evaluation.explain.attribution import Attribution
from core.models.bundle import Bundle


def attribute(estimator: Any, x: Any, columns: Sequence[str], types: Sequence[str]) -> Attribution | None:
    """Contributions to each row, or None for a model that has none (a support vector machine, one that knows nothing).

    Parameters
    ----------
    estimator
        A fitted estimator of ``core.models``.
    x
        What it predicts from: a table, signals or sequences.
    columns, types
        Names of features, or of channels in the order of the types of ``x``, and the modality of each.

    Notes
    -----
    The point of comparison is what training rows are scaled to (mean or median) for tables and sequences, silence for
    signals, and the training rows as the trees have split them for trees. What XGBoost says is float32.
    """
    kind = type(estimator).__name__
    if kind == "Late":
        return _late(estimator, x, columns, types)
    if kind == "Net":
        return gradients.signals(estimator, x, columns, types)
    steps = [step for _, step in estimator.steps]
    names = [type(step).__name__ for step in steps]
    last = names[-1]
    if last == "Net" and isinstance(x, Mapping):
        of_net = gradients.sequence if "WindowScaler" in names else gradients.stacked
        return of_net(steps, x, columns, types)
    if "TangentSpace" in names:
        return shapley.tangent(steps, x, columns, types)
    if last not in ("LogisticRegression", "RandomForestClassifier", "Boosted", "Net"):
        return None
    z, tail = shapley.scaled(steps, x)
    if last == "Net":
        return gradients.dense(steps[-1], z, tail, columns, types)
    if last == "LogisticRegression":
        return shapley.linear(steps[-1], z, tail, columns, types)
    if tail is not None:
        z, columns, types = tail(z), *shapley.components(steps, columns, types)
    return (shapley.forest if last == "RandomForestClassifier" else shapley.boosted)(steps[-1], z, columns, types)


def _late(late: Any, x: Any, columns: Sequence[str], types: Sequence[str]) -> Attribution | None:
    """Of the mean of each type's probability: each part on the probability, shared out among the parts."""
    parts = []
    for name, one in late.estimators_.items():
        if late.columns is None:
            at = [i for i, t in enumerate(types) if t == name]
        else:
            at = list(late.columns[name])
        found = attribute(one, late.part(x, name), [columns[i] for i in at], [types[i] for i in at])
        if found is None or len(late.classes_) != 2:
            return None
        parts.append(found.on("probability"))
    n = len(parts)
    over_time = [p.over_time for p in parts if p.over_time is not None]
    return Attribution(
        np.concatenate([p.values for p in parts], axis=1) / n, np.mean([p.base for p in parts], axis=0),
        tuple(c for p in parts for c in p.columns), tuple(t for p in parts for t in p.types), parts[0].method,
        "probability", np.sum(over_time, axis=0) / n if over_time else None,
    )  # fmt: skip


def of_bundle(bundle: Bundle, x: Any, columns: Sequence[str], types: Sequence[str]) -> dict[str, Attribution | None]:
    """Contributions to the index that a bundle showed, on its logit, by target; None where its model has none.

    The calibrator is a line on the logit, so that contributions stay in proportion.
    """
    out: dict[str, Attribution | None] = {}
    for name, target in bundle.card.targets.items():
        found = attribute(bundle.estimators[name], x, columns, types)
        if found is None:
            out[name] = None
            continue
        own = found.on("logit")
        turn = -1.0 if target.orientation == "high_is_0" else 1.0
        slope, shift = turn * target.calibrator.slope, target.calibrator.intercept
        out[name] = own.scaled(np.full(len(own.base), slope), slope * own.base + shift, "logit")
    return out
