"""Exact contributions of models on tables: linear and additive ones, trees, covariances in a tangent space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from core.evaluation.explain.attribution import Attribution


def scaled(steps: Sequence[Any], x: Any) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray] | None]:
    """Rows after imputer and scaler, and what the steps between those and the classifier do, None for nothing."""
    from core.models.steps import plain

    z = steps[1].transform(steps[0].transform(plain(x)))
    between = list(steps[2:-1])

    def tail(rows: np.ndarray) -> np.ndarray:
        for step in between:
            rows = step.transform(rows)
        return rows

    return z, tail if between else None


def _chosen(scores: np.ndarray, n_classes: int) -> np.ndarray:
    """The class that a row is explained for: High of two, else the likeliest, shape (n_rows,)."""
    return np.ones(len(scores), dtype=int) if n_classes == 2 else np.asarray(scores).argmax(axis=1)


def linear(
    classifier: Any,
    z: np.ndarray,
    tail: Callable[[np.ndarray], np.ndarray] | None,
    columns: Sequence[str],
    types: Sequence[str],
    method: str = "linear, exact",
) -> Attribution:
    """Of a logistic regression on columns, or on what becomes of each column by itself: exact."""
    weights, intercept = classifier.coef_, classifier.intercept_
    if len(weights) == 1:
        weights, intercept = np.vstack([0 * weights, weights]), np.concatenate([[0.0], intercept])
    own = tail or (lambda rows: rows)
    chosen = _chosen(own(z) @ weights.T + intercept, len(weights))
    silent = own(np.zeros((1, z.shape[1])))
    if tail is None:
        values = z * weights[chosen]
    else:
        values = np.empty_like(z)
        for j in range(z.shape[1]):  # one column moved alone: the steps between are linear, or act column by column
            alone = np.zeros_like(z)
            alone[:, j] = z[:, j]
            values[:, j] = np.einsum("ij,ij->i", own(alone) - silent, weights[chosen])
    base = (silent @ weights.T + intercept)[0][chosen]
    return Attribution(values, base, tuple(columns), tuple(types), method)


def components(steps: Sequence[Any], columns: Sequence[str], types: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names and types of the columns that trees are given behind ``Hinges`` or the components of each type."""
    step = steps[2]
    if hasattr(step, "components_") and isinstance(step.components_, dict):
        named = [(f"{t} component {k + 1}", t) for t, pca in step.components_.items() for k in range(pca.n_components_)]
        return [n for n, _ in named], [t for _, t in named]
    raise TypeError(f"trees behind {type(step).__name__}")


def forest(forest: Any, z: np.ndarray, columns: Sequence[str], types: Sequence[str]) -> Attribution:
    """Of a random forest, on the probability itself."""
    import shap

    explainer = shap.TreeExplainer(forest, feature_perturbation="tree_path_dependent")
    values = np.asarray(explainer.shap_values(z, check_additivity=False))
    chosen = _chosen(forest.predict_proba(z), values.shape[2])
    rows = np.arange(len(z))
    base = np.asarray(explainer.expected_value)[chosen]
    return Attribution(values[rows, :, chosen], base, tuple(columns), tuple(types), "trees, exact", "probability")


def boosted(trees: Any, z: np.ndarray, columns: Sequence[str], types: Sequence[str]) -> Attribution:
    """Of boosted trees, by XGBoost itself."""
    import xgboost

    found = trees.booster_.predict(xgboost.DMatrix(z, nthread=1), pred_contribs=True).astype(np.float64)
    if found.ndim == 3:
        chosen = _chosen(found.sum(axis=2), found.shape[1])
        found = found[np.arange(len(z)), chosen]
    return Attribution(found[:, :-1], found[:, -1], tuple(columns), tuple(types), "trees, exact")


def tangent(
    steps: Sequence[Any], x: Mapping[str, np.ndarray], columns: Sequence[str], types: Sequence[str]
) -> Attribution:
    """Of covariances: each pair of channels is a column, of both types where they differ."""
    *before, space, scaler, classifier = steps
    for step in before:
        x = step.transform(x)
    pairs = []
    for name, mean in space.mean_.items():
        own = [(c, t) for c, t in zip(columns, types, strict=True) if t == name or before]
        pairs += [(own[i], own[j]) for i, j in zip(*np.triu_indices(len(mean)), strict=True)]
    named = [a if a == b else f"{a} with {b}" for (a, _), (b, _) in pairs]
    of = [s if s == t else f"{s}+{t}" for (_, s), (_, t) in pairs]
    return linear(classifier, scaler.transform(space.transform(x)), None, named, of)
