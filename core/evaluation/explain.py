"""What a model made its numbers of: contributions that add up, importance by permutation, attention over time.

*Contributions* of each column to each row add up to what the model said: exact Shapley values of linear and additive
models and of trees, integrated gradients of nets. They say what the model used, not what a person felt, and not what
would happen if a signal were another. *Importance* is what a score loses when a group of columns is dealt anew among a
subject's windows. Columns are told by modality (channel type) and block (``core.features.block_of``), for many are near
twins whose single values mean little.

Lundberg and Lee (2017), NeurIPS 30; Lundberg et al. (2020), Nat. Mach. Intell. 2 (trees); Sundararajan et al. (2017),
ICML 34 (integrated gradients); Breiman (2001), Mach. Learn. 45 (permutation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from core.evaluation import experiment, metrics, tasks
from core.evaluation.dataset import GROUP, Dataset, Progress, ready_type
from core.evaluation.experiment import Fitted, FoldResult, Spec
from core.evaluation.tasks import Task
from core.models.bundle import Bundle, logit
from core.types import Reason

SEED = 20260105
FOLDS = 3  # of an experiment are fitted again; more change the numbers little and cost as much as the experiment
REPEATS = 5
# rows of a fold that are attributed, evenly chosen: of a table, and of signals, whose gradients are dear
ROWS = {"features": 400, "signals": 48, "sequence": 400}
TOP = 12  # columns that are named
TIMES = 10  # parts of a trial that attention is told over
# integrated gradients: steps, at most, and how far the sum may miss the change of the logit
STEPS, MOST_STEPS, TOLERANCE = 32, 512, 5e-3
CHUNK = 512  # forward passes at a time
BY = ("modality", "block")


@dataclass(frozen=True)
class Attribution:
    """Contributions ``values`` (n_rows, n_columns); with ``base`` (n_rows,) a row adds up to what the model said.

    On the scale ``link``: ``logit`` or ``probability`` of High, or of the likeliest of several classes. ``types`` is
    the modality of each column. ``over_time`` (n_rows, n_windows) are the same contributions by window where a row is
    a trial.
    """

    values: np.ndarray
    base: np.ndarray
    columns: tuple[str, ...]
    types: tuple[str, ...]
    method: str
    link: str = "logit"
    over_time: np.ndarray | None = None

    @property
    def total(self) -> np.ndarray:
        """What the model said of each row, shape (n_rows,)."""
        return self.base + self.values.sum(axis=1)

    def by(self, kind: str) -> dict[str, np.ndarray]:
        """Contributions of each modality or block, shape (n_rows,), in order of first appearance."""
        names = self.types if kind == "modality" else blocks(self.columns, self.types)
        return {n: self.values[:, [m == n for m in names]].sum(axis=1) for n in dict.fromkeys(names)}

    def scaled(self, ratio: np.ndarray, base: np.ndarray, link: str) -> Attribution:
        """The same shares of another total: every contribution of a row times its ratio."""
        over_time = None if self.over_time is None else self.over_time * ratio[:, None]
        return replace(self, values=self.values * ratio[:, None], base=base, link=link, over_time=over_time)

    def on(self, link: str) -> Attribution:
        """On the other scale: contributions keep their proportions and add up to the change there."""
        if link == self.link:
            return self
        turn: Callable[[np.ndarray], np.ndarray] = logit if link == "logit" else _sigmoid
        start, end = turn(self.base), turn(self.total)
        change = self.total - self.base
        flat = np.abs(change) < 1e-12
        p = self.base if self.link == "probability" else end
        slope = 1 / np.maximum(p * (1 - p), 1e-12) if link == "logit" else p * (1 - p)
        return self.scaled(np.where(flat, slope, (end - start) / np.where(flat, 1.0, change)), start, link)


def blocks(columns: Sequence[str], types: Sequence[str]) -> list[str]:
    """The block of each column; the modality itself where a column is in none."""
    return [_block(column) or type_ for column, type_ in zip(columns, types, strict=True)]


@cache
def _block(column: str) -> str:
    from core import features

    try:
        return features.block_of(column)
    except KeyError:
        return ""


def modality(column: str) -> str:
    """The channel type of a feature column; ``group`` of a score, ``other`` where its name says nothing."""
    lead = _block(column).split(" ")[0] or ready_type(column)
    return lead or (GROUP if column.startswith("group_") else "other")


# ------------------------------------------------------------------------------------------- contributions
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
        return _net(estimator, x, columns, types)
    steps = [step for _, step in estimator.steps]
    names = [type(step).__name__ for step in steps]
    last = names[-1]
    if last == "Net" and isinstance(x, Mapping):
        return _sequence(steps, x, columns, types) if "WindowScaler" in names else _stacked(steps, x, columns, types)
    if "TangentSpace" in names:
        return _tangent(steps, x, columns, types)
    if last not in ("LogisticRegression", "RandomForestClassifier", "Boosted", "Net"):
        return None
    z, tail = _scaled(steps, x)
    if last == "Net":
        return _dense(steps[-1], z, tail, columns, types)
    if last == "LogisticRegression":
        return _linear(steps[-1], z, tail, columns, types)
    if tail is not None:
        z, columns, types = tail(z), *_components(steps, columns, types)
    return (_forest if last == "RandomForestClassifier" else _boosted)(steps[-1], z, columns, types)


def _scaled(steps: Sequence[Any], x: Any) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray] | None]:
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


def _linear(
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


def _components(steps: Sequence[Any], columns: Sequence[str], types: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names and types of the columns that trees are given behind ``Hinges`` or the components of each type."""
    step = steps[2]
    if hasattr(step, "components_") and isinstance(step.components_, dict):
        named = [(f"{t} component {k + 1}", t) for t, pca in step.components_.items() for k in range(pca.n_components_)]
        return [n for n, _ in named], [t for _, t in named]
    raise TypeError(f"trees behind {type(step).__name__}")


def _forest(forest: Any, z: np.ndarray, columns: Sequence[str], types: Sequence[str]) -> Attribution:
    """Of a random forest, on the probability itself."""
    import shap

    explainer = shap.TreeExplainer(forest, feature_perturbation="tree_path_dependent")
    values = np.asarray(explainer.shap_values(z, check_additivity=False))
    chosen = _chosen(forest.predict_proba(z), values.shape[2])
    rows = np.arange(len(z))
    base = np.asarray(explainer.expected_value)[chosen]
    return Attribution(values[rows, :, chosen], base, tuple(columns), tuple(types), "trees, exact", "probability")


def _boosted(trees: Any, z: np.ndarray, columns: Sequence[str], types: Sequence[str]) -> Attribution:
    """Of boosted trees, by XGBoost itself."""
    import xgboost

    found = trees.booster_.predict(xgboost.DMatrix(z, nthread=1), pred_contribs=True).astype(np.float64)
    if found.ndim == 3:
        chosen = _chosen(found.sum(axis=2), found.shape[1])
        found = found[np.arange(len(z)), chosen]
    return Attribution(found[:, :-1], found[:, -1], tuple(columns), tuple(types), "trees, exact")


def _tangent(
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
    return _linear(classifier, scaler.transform(space.transform(x)), None, named, of)


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


# ------------------------------------------------------------------------------------------- integrated gradients
def _net(net: Any, x: Mapping[str, np.ndarray], columns: Sequence[str], types: Sequence[str]) -> Attribution:
    """Of a net on signals: channels are the columns, silence the point of comparison."""
    inputs = {name: np.nan_to_num(np.asarray(x[name], dtype=np.float32)) for name in net.shapes_}
    found, base = integrated(net, inputs)
    values = np.concatenate([found[name].sum(axis=2) for name in inputs], axis=1)
    return Attribution(values, base, tuple(columns), tuple(types), "integrated gradients")


def _stacked(steps: Sequence[Any], x: Any, columns: Sequence[str], types: Sequence[str]) -> Attribution:
    """Of a net on the channels of all types side by side."""
    for step in steps[:-1]:
        x = step.transform(x)
    return _net(steps[-1], x, columns, types)


def _dense(
    net: Any,
    z: np.ndarray,
    tail: Callable[[np.ndarray], np.ndarray] | None,
    columns: Sequence[str],
    types: Sequence[str],
) -> Attribution:
    """Of a dense net on scaled features; components between are linear and taken into the function."""
    import torch

    project = None
    if tail is not None:
        start = tail(np.zeros((1, z.shape[1])))
        weight = torch.as_tensor((tail(np.eye(z.shape[1])) - start).T, dtype=torch.float32)
        shift = torch.as_tensor(start[0], dtype=torch.float32)

        def project(rows: Any) -> Any:
            return torch.nn.functional.linear(rows, weight, shift)

    found, base = integrated(net, {"features": z.astype(np.float32)}, project=project)
    return Attribution(found["features"], base, tuple(columns), tuple(types), "integrated gradients")


def _sequence(steps: Sequence[Any], x: Any, columns: Sequence[str], types: Sequence[str]) -> Attribution:
    """Of a net on the windows of a trial: a row is a trial, and each window has its part."""
    order = list(range(len(columns)))
    for step in steps[:-1]:
        x = step.transform(x)
        if type(step).__name__ == "Streams":
            order = [i for name in x if name != "mask" for i in step.columns[name]]
    found, base = integrated(steps[-1], dict(x), fixed=("mask",))
    whole = np.concatenate(list(found.values()), axis=2)
    return Attribution(
        whole.sum(axis=1), base, tuple(columns[i] for i in order), tuple(types[i] for i in order),
        "integrated gradients", over_time=whole.sum(axis=2),
    )  # fmt: skip


def integrated(
    net: Any, inputs: Mapping[str, np.ndarray], fixed: Sequence[str] = (), project: Callable | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Integrated gradients from zero to each row, of the logit of High or the score of the likeliest class.

    Steps are doubled until the sum misses the change by no more than TOLERANCE, or there are MOST_STEPS.

    Parameters
    ----------
    fixed
        Inputs that are no numbers to be moved, such as a mask.
    project
        What is done to ``features`` before the net.

    Returns
    -------
    (dict, ndarray)
        Contributions by input, in its shape; what the net says of zero, shape (n_rows,).
    """
    import torch

    from core.models.net import alone

    moved = [name for name in inputs if name not in fixed]
    n = len(next(iter(inputs.values())))
    several = len(net.classes_) > 2

    def scores(*tensors: Any) -> Any:
        given = dict(zip((*moved, *fixed), tensors, strict=False))
        if project is not None:
            given["features"] = project(given["features"])
        return net.module_(**given).double()

    def said(*tensors: Any) -> Any:
        found = scores(*tensors)
        return found.gather(1, tensors[-1][:, None])[:, 0] if several else found[:, 1] - found[:, 0]

    out = {name: np.zeros(inputs[name].shape) for name in moved}
    base = np.zeros(n)
    with alone(net.seed):
        net.module_.eval()
        for start in range(0, n, CHUNK // STEPS):
            rows = slice(start, start + CHUNK // STEPS)
            here = [torch.as_tensor(inputs[name][rows]) for name in (*moved, *fixed)]
            with torch.no_grad():
                chosen = scores(*here).argmax(dim=1)
            found, zero = _along(said, here[: len(moved)], (*here[len(moved) :], chosen))
            base[rows] = zero
            for name, value in zip(moved, found, strict=True):
                out[name][rows] = value
    return out, base


def _along(said: Callable, moved: list, rest: tuple) -> tuple[list[np.ndarray], np.ndarray]:
    """Contributions of one batch, with as many steps as it takes."""
    import torch
    from captum.attr import IntegratedGradients

    zeros = tuple(torch.zeros_like(t) for t in moved)
    with torch.no_grad():
        low, high = said(*zeros, *rest), said(*moved, *rest)
    steps = STEPS
    while True:
        found = IntegratedGradients(said).attribute(
            tuple(moved), zeros, additional_forward_args=rest, n_steps=steps, internal_batch_size=CHUNK
        )
        total = torch.stack([f.double().flatten(1).sum(dim=1) for f in found]).sum(dim=0)
        if float((total - (high - low)).abs().max()) <= TOLERANCE or steps >= MOST_STEPS:
            return [f.detach().double().numpy() for f in found], low.numpy()
        steps *= 2


def attention(estimator: Any, x: Any) -> np.ndarray | None:
    """The model's own weight of each window of a trial, shape (n_trials, n_windows); None where it has none.

    Of late fusion the mean over its parts.
    """
    if type(estimator).__name__ == "Late":
        parts = [attention(one, estimator.part(x, name)) for name, one in estimator.estimators_.items()]
        known = [p for p in parts if p is not None]
        return np.mean(known, axis=0) if known else None
    steps = [step for _, step in getattr(estimator, "steps", [])]
    if not steps or not hasattr(getattr(steps[-1], "module_", None), "attention"):
        return None
    for step in steps[:-1]:
        x = step.transform(x)
    return steps[-1].attention(x)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


# ------------------------------------------------------------------------------------------- of an experiment
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
        own = _importance(part, fitted, _of(task, fold.test), result.flipped, [seed, k], drops)
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
            **{kind: _ranked_drops(drops[kind]) for kind in BY},
        },
        "contributions": _contributions(found),
        "attention": _attention(weights),
    }


def _of(task: Task, rows: np.ndarray) -> Task:
    return replace(task, y=task.y[rows], value=None if task.value is None else task.value[rows])


def _importance(
    part: Dataset,
    fitted: Fitted,
    task: Task,
    flipped: bool,
    seed: Sequence[int],
    drops: dict[str, dict[str, list[float]]],
) -> list[float]:
    """Scores of a fold's test rows; what each group of columns costs when dealt anew goes to ``drops``."""
    rows = np.arange(len(part))

    def scored(data: Dataset) -> list[float]:
        p = fitted.predict(data, rows)
        return experiment.merit(data, task, rows, 1 - p if flipped else p)

    whole = scored(part)
    if not whole:
        return []
    rng = np.random.default_rng(seed)
    orders = [_dealt(part.subject, rng) for _ in range(REPEATS)]
    for kind, groups in _groups(part, fitted).items():
        for name, (columns, types) in groups.items():
            lost = [np.mean(whole) - np.mean(scored(_mixed(part, order, columns, types))) for order in orders]
            drops[kind].setdefault(name, []).append(float(np.mean(lost)))
    return whole


def _dealt(subject: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An order of rows that keeps each among those of its subject."""
    order = np.arange(len(subject))
    for name in sorted(set(subject)):
        own = np.flatnonzero(subject == name)
        order[own] = rng.permutation(own)
    return order


def _groups(data: Dataset, fitted: Fitted) -> dict[str, dict[str, tuple[list[str], list[str]]]]:
    """Columns and signals that are dealt anew together, by modality and by block."""
    if fitted.takes == "signals":
        return {"modality": {t: ([], [t]) for t in fitted.types}}
    columns = data.names(fitted.types)
    types = [t for t in fitted.types for _ in data.columns.get(t, ())]
    named: dict[str, Sequence[str]] = {"modality": types, "block": blocks(columns, types)}
    return {
        kind: {n: ([c for c, m in zip(columns, of, strict=True) if m == n], []) for n in dict.fromkeys(of)}
        for kind, of in named.items()
    }


def _mixed(data: Dataset, order: np.ndarray, columns: Sequence[str], types: Sequence[str]) -> Dataset:
    """The dataset with some columns, or signals, in another order of rows."""
    features = data.features
    if columns:
        at = features.columns.get_indexer(list(columns))
        x = features.to_numpy(dtype=np.float64).copy()
        x[:, at] = x[order][:, at]
        features = type(features)(x, columns=features.columns)
    return replace(data, features=features, signals={**data.signals, **{t: data.signals[t][order] for t in types}})


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
    return found, None if weight is None else _over_time(weight, x["mask"])


def _over_time(weight: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Attention in TIMES parts of each trial, 1 where it is that of an equal share, shape (n_trials, TIMES)."""
    out = np.full((len(weight), TIMES), np.nan)
    for i, (own, there) in enumerate(zip(weight, mask, strict=True)):
        known = own[there]
        place = np.floor(np.arange(len(known)) / len(known) * TIMES).astype(int)
        for t in set(place):
            out[i, t] = known[place == t].mean() * len(known)
    return out


def _ranked_drops(found: Mapping[str, list[float]]) -> list[dict[str, Any]]:
    rows = [{"name": n, **metrics.over_subjects(v).model_dump(exclude={"n_undefined"})} for n, v in found.items()]
    return sorted(rows, key=lambda r: -r["value"])


def sizes(found: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Mean size of the contributions by name, the largest first, and each one's share of their sum."""
    means = {name: float(np.mean(np.abs(v))) for name, v in found.items()}
    total = sum(means.values())
    rows = [{"name": n, "value": v, "share": v / total if total else 0.0} for n, v in means.items()]
    return sorted(rows, key=lambda r: -r["value"])


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


def _attention(weights: Sequence[np.ndarray]) -> Any:
    if not weights:
        return {"not_computed": str(Reason.NOT_SUPPORTED)}
    whole = np.concatenate(weights)
    known = [whole[np.isfinite(whole[:, t]), t] for t in range(TIMES)]
    return [
        {"from": t / TIMES, "to": (t + 1) / TIMES, "weight": float(own.mean())}
        for t, own in enumerate(known)
        if len(own)
    ]


# ------------------------------------------------------------------------------------------- of a session
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
