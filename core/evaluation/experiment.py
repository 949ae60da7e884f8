"""One experiment: study x target x inputs x model x fusion x split x seed. Folds in, out-of-fold predictions out.

``run_fold`` is a function of its arguments alone: the same numbers in any process, in any order. Whatever is fitted
(imputer, scaler, model, selection, calibrator, threshold, flip) sees training and validation rows only.

    dataset -> folds(dataset, spec) -> run_fold(dataset, spec, i) for each -> scoring.summarise(dataset, spec, results)
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.errors import NotFound, Refused
from core.evaluation import calibration, metrics, splits, tasks
from core.evaluation import dataset as datasets
from core.evaluation.dataset import Dataset
from core.evaluation.resampling import OVERSAMPLING, repeated, synthetic
from core.evaluation.smoothing import SMOOTHING, smoothed
from core.evaluation.splits import Fold
from core.evaluation.tasks import Task
from core.models import MODELS
from core.models.bundle import Calibrator, calibrated
from core.models.seen import shown

KEY = ("study", "target", "inputs", "model", "fusion", "split", "seed")


@dataclass(frozen=True)
class Spec:
    """What an experiment is. The first seven are its key; the rest is ``config``, with its own hash.

    ``target``: one, or two joined by + (valence, then arousal) for the task ``quadrant``. ``task``: ``binary`` (High
    or not), ``quadrant``, ``nine`` (rounded rating, a class each), ``continuous`` (the rating).
    ``oversample``: "", ``random`` (windows, of sequences whole trials) or ``smote``, of training rows only.
    ``smoothing``: "", ``majority``, ``two_state`` or ``causal``. ``flip``: may turn the decision round where validation
    says so. ``aggregate``: how a trial's value comes from its windows, ``mean`` or ``median``. ``options`` go to the
    model; ``choices`` are sets of options among which ``nested_loso`` selects. ``groups`` are scores of subjects, such
    as ``ei``, that the model is given as features beside its inputs: none unless named here.
    ``features`` names a set of ``core.features.NAMED`` in place of a type's usual one, such as ``eeg258full``.
    """

    study: str
    target: str
    inputs: str
    model: str
    fusion: str = "early"
    split: str = "loso"
    seed: int = 0
    task: str = "binary"
    oversample: str = ""
    smoothing: str = ""
    flip: bool = False
    aggregate: str = "mean"
    options: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[Mapping[str, Any], ...] = ()
    groups: tuple[str, ...] = ()
    features: str = ""

    @property
    def learned(self) -> tuple[str, ...]:
        """Kinds of columns that the model learns from: the channel types, and groups where some are named."""
        return (*self.types, datasets.GROUP) if self.groups else self.types

    @property
    def types(self) -> tuple[str, ...]:
        """Channel types of ``inputs``."""
        return tuple(self.inputs.split("+"))

    @property
    def key(self) -> tuple[str | int, ...]:
        """The seven."""
        return tuple(getattr(self, name) for name in KEY)

    @property
    def config(self) -> dict[str, Any]:
        """Everything beside the key, in plain values."""
        return {k: v for k, v in self.as_dict().items() if k not in KEY}

    @property
    def config_hash(self) -> str:
        """SHA-256 of ``config`` as canonical JSON, first 16 hex digits."""
        text = json.dumps(self.config, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """Plain values; groups and a set of features only where they are named."""
        said = json.loads(json.dumps(asdict(self)))
        return {k: v for k, v in said.items() if v or k not in ("groups", "features")}

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Spec:
        """What ``as_dict`` gave; anything absent has its default."""
        known = {f.name for f in fields(cls)}
        plain = {k: v for k, v in said.items() if k in known}
        return cls(**{**plain, **{k: tuple(plain.get(k, ())) for k in ("choices", "groups")}})


@dataclass(frozen=True)
class FoldResult:
    """What one fold predicted of rows that its model had not seen.

    ``test_rows`` are rows of the dataset, shape (n,); ``raw`` is the model's own probability of High (n,), of each
    class (n, n_classes), or the value (n,) for the task ``continuous``; ``p`` is that after smoothing, flip and
    calibration. ``history`` is a row per epoch of a net; ``selected`` the options chosen by the inner folds.
    """

    index: int
    name: str
    test_rows: np.ndarray
    raw: np.ndarray
    p: np.ndarray
    threshold: float
    flipped: bool
    calibrator: Calibrator
    history: tuple[Mapping[str, Any], ...]
    seconds: float
    selected: Mapping[str, Any]


# models quick enough that ``nested_loso`` selects among their choices unasked
SELECTED = ("logistic",)
FUSIONS = ("early", "intermediate", "late")
AGGREGATES = ("mean", "median")


def check_options(spec: Spec) -> None:
    """Refuse what the doors do not have, or what does not go together, of a specification alone."""
    for what, name, known in (
        ("model", spec.model, MODELS),
        ("split", spec.split, splits.SPLITS),
        ("fusion", spec.fusion, FUSIONS),
        ("oversample", spec.oversample, ("", *OVERSAMPLING)),
        ("smoothing", spec.smoothing, ("", *SMOOTHING)),
        ("aggregate", spec.aggregate, AGGREGATES),
    ):
        if name not in known:
            offered = ", ".join(n for n in known if n)
            raise NotFound(f"E-{what.upper()}-KIND", f"there is no {what} {name}", what, f"Use one of {offered}.")
    model = MODELS[spec.model]
    if spec.oversample == "smote" and model.takes != "features":
        raise Refused("E-OVERSAMPLE", f"{model.title} takes no table that rows could be made for", spec.oversample)
    if spec.task != "binary" and (spec.smoothing or spec.flip):
        raise Refused("E-TASK", "smoothing and flipping are for the task binary", spec.task, "Leave them off.")
    twice = {name for chosen in choices(spec) for name in chosen} & set(spec.options)
    if spec.split == "nested_loso" and twice:
        what = f"{', '.join(sorted(twice))} of {model.title} is selected on inner folds"
        raise Refused("E-OPTION", what, "options", "Leave it out, or use another split.")


def check(dataset: Dataset, spec: Spec) -> None:
    """Refuse what the doors or the dataset do not have, before any work."""
    check_options(spec)
    model = MODELS[spec.model]
    there = dataset.columns if model.takes != "signals" else dataset.signals
    fits = [t for t in dataset.types if t in there and (not model.inputs or t in model.inputs)]
    usable = fits if model.calibrate else list(dataset.types)  # what knows nothing needs nothing
    missing = [t for t in spec.types if t not in usable]
    if missing:
        what = f"{model.title} cannot use {', '.join(missing)} of this study"
        raise Refused("E-INPUTS", what, dataset.name, f"Use {'+'.join(usable) or 'another model'}.")
    lacking = [g for g in spec.groups if f"group_{g}" not in dataset.columns.get(datasets.GROUP, ())]
    if lacking or (spec.groups and model.takes == "signals"):
        what = f"{model.title} learns from signals alone" if not lacking else f"there are no scores {lacking[0]}"
        raise Refused("E-GROUP", what, dataset.name, "Leave the groups out.")
    tasks.task(dataset, spec.task, spec.target)
    if len(dataset.rows(spec.target)) == 0:
        raise Refused("E-LABELS", f"no trial has a label of {spec.target}", dataset.name)


def check_varied(dataset: Dataset, spec: Spec) -> None:
    """Refuse labels that are all one: with nothing to tell apart, every model would score as if it were perfect."""
    rows, task = dataset.rows(spec.target), tasks.task(dataset, spec.task, spec.target)
    said = task.y if task.value is None else task.value
    if len(np.unique(said[rows])) < 2:
        shared = "rating" if task.value is not None else f"class ({task.names[task.code[rows[0]]]})"
        raise Refused(
            "E-LABELS", f"all {len(set(dataset.unit[rows]))} usable trials have one {shared} of {spec.target}: there "
            "is nothing to tell apart.", dataset.name, "Choose another target, or import the study with another cut.",
        )  # fmt: skip


def folds(dataset: Dataset, spec: Spec) -> list[Fold]:
    """The folds of an experiment, in rows of the dataset; the same for the same data, split and seed.

    They follow from subjects, trials and the seed: from no label but whether there is one.
    """
    rows = dataset.rows(spec.target)

    def placed(fold: Fold) -> Fold:
        inner = tuple(map(placed, fold.inner))
        return Fold(fold.name, rows[fold.train], rows[fold.validation], rows[fold.test], inner)

    return [placed(f) for f in splits.SPLITS[spec.split](dataset.subject[rows], dataset.unit[rows], spec.seed)]


def run_fold(dataset: Dataset, spec: Spec, fold_index: int) -> FoldResult:
    """Fit on one fold and predict what it left out, with one thread."""
    import scipy.linalg  # noqa: F401  its threads are limited only once it is loaded
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import threadpool_limits

    check(dataset, spec)
    fold = folds(dataset, spec)[fold_index]
    with threadpool_limits(1):
        return _run(dataset, spec, tasks.task(dataset, spec.task, spec.target), fold, fold_index)


def fold_task(path: str | Path, spec: Spec, fold_index: int) -> FoldResult:
    """``run_fold`` for another process: the dataset is opened there by its path, and its rows mapped, not copied."""
    return run_fold(_opened(str(path)), spec, fold_index)


def run(dataset: Dataset, spec: Spec) -> list[FoldResult]:
    """All folds in turn, in this process."""
    return [run_fold(dataset, spec, i) for i in range(len(folds(dataset, spec)))]


@lru_cache(maxsize=2)
def _opened(path: str) -> Dataset:
    return datasets.open(Path(path))


def _run(dataset: Dataset, spec: Spec, task: Task, fold: Fold, index: int) -> FoldResult:
    started = time.perf_counter()
    selected = select(dataset, spec, task, fold)
    fitted = fit(dataset, spec, task, fold.train, fold.validation, selected)
    raw, seen = (fitted.predict(dataset, rows) for rows in (fold.test, fold.validation))
    unit = np.arange(len(dataset)) if spec.split == "random_window" else dataset.unit
    after = (smoothed(r, unit[rows], dataset.onset_s[rows], spec.smoothing)
             for r, rows in ((raw, fold.test), (seen, fold.validation)))  # fmt: skip
    p, by, cut, flipped = _decide(spec, task, fold, unit, *after)
    return FoldResult(
        index, fold.name, fold.test, raw, p, cut, flipped, by, fitted.history, time.perf_counter() - started, selected
    )


def _decide(
    spec: Spec, task: Task, fold: Fold, unit: np.ndarray, p: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, Calibrator, float, bool]:
    """What validation teaches: flip, calibrator and threshold, applied to the test rows."""
    rows = fold.validation
    flipped = False
    if not MODELS[spec.model].calibrate or not len(rows):
        return p, calibration.PLAIN, 0.5, flipped
    if task.value is not None:
        by = calibration.fit_line(seen, task.value[rows], unit[rows])
        return by.intercept + by.slope * p, by, 0.5, flipped
    if not task.binary:
        by = calibration.fit_classes(seen, task.code[rows], unit[rows])
        return calibration.calibrated_classes(p, by.slope), by, 0.5, flipped
    y = task.y[rows]
    if not calibration.enough(y, unit[rows]):
        return p, calibration.PLAIN, 0.5, flipped
    if spec.flip:
        first = np.unique(unit[rows], return_index=True)[1]
        area = metrics.roc_auc(y[first], metrics.trial_values(seen, unit[rows]))
        flipped = area is not None and area < 0.5
        p, seen = (1 - p, 1 - seen) if flipped else (p, seen)
    by, cut = calibration.fit(seen, y, unit[rows])
    return calibrated(p, by), by, cut, flipped


# ------------------------------------------------------------------------------------------- fitting
@dataclass(frozen=True)
class Fitted:
    """An estimator and what it sees of a dataset."""

    estimator: Any
    types: tuple[str, ...]
    takes: str
    task: Task

    @property
    def history(self) -> tuple[Mapping[str, Any], ...]:
        """A row per epoch of a net."""
        return tuple(getattr(self.estimator, "history_", ()))

    def proba(self, x: Any) -> np.ndarray:
        """Probability of each class of the task, (n, n_classes), of what an estimator is given; zero if never seen."""
        found = np.asarray(self.estimator.predict_proba(x), dtype=np.float64)
        p = np.zeros((len(found), len(self.task.classes)))
        p[:, np.searchsorted(self.task.classes, self.estimator.classes_)] = found
        return p

    def predict(self, dataset: Dataset, rows: np.ndarray) -> np.ndarray:
        """Probability of High (n,), of each class (n, n_classes), or the value (n,); zero for a class never seen."""
        p = np.zeros((len(rows), len(self.task.classes)))
        if len(rows):
            x, back = seen_by(dataset, rows, self.types, self.takes)
            p = self.proba(x)[back]
        if self.task.value is not None:
            return p @ self.task.classes
        return p[:, 1] if self.task.binary else p


def fit(
    dataset: Dataset, spec: Spec, task: Task, train: np.ndarray, validation: np.ndarray, options: Mapping[str, Any]
) -> Fitted:
    """Fit the model of an experiment to some rows; validation rows only tell a net when to stop.

    Where training has one class only, that class is the prediction.
    """
    from core.models.fusion import fused

    several = len(np.unique(task.y[train])) > 1
    takes = MODELS[spec.model].takes if several else "features"
    if several:
        named = {**spec.options, **options}
        estimator = fused(spec.model, spec.learned, spec.fusion, spec.seed, _places(dataset, spec.learned), **named)  # type: ignore[arg-type]
    else:
        estimator = MODELS["majority"].make(spec.seed)
    table = takes == "features"
    x, back = seen_by(dataset, train, spec.learned, takes)
    first = np.unique(back, return_index=True)[1]
    y, who = task.y[train][first], dataset.subject[train][first]
    if table and dataset.retold is not None:
        again = dataset.retold.take(train)
        of = train[again.of]
        x = pd.concat([x, again.x.reindex(columns=x.columns)], ignore_index=True)
        y, who = np.concatenate([y, task.y[of]]), np.concatenate([who, dataset.subject[of]])
    if spec.oversample == "random":  # once all that is learned from is there; of sequences whole trials are drawn
        drawn = repeated(np.arange(len(y)), y, spec.seed)
        x, y, who = x.iloc[drawn] if table else x[drawn], y[drawn], who[drawn]
    if spec.oversample == "smote" and several:
        x, y, who = synthetic(x, y, who, spec.seed)
    watched = None
    if len(validation):
        v, v_back = seen_by(dataset, validation, spec.learned, takes)
        watched = (v, task.y[validation][np.unique(v_back, return_index=True)[1]])
    return Fitted(estimator.fit(x, y, groups=who, validation=watched), spec.learned, takes, task)


def _places(dataset: Dataset, types: Sequence[str]) -> dict[str, list[int]]:
    """Positions of each type's columns among those of all ``types``."""
    ends = np.cumsum([0] + [len(dataset.columns.get(t, ())) for t in types])
    return {t: list(range(a, b)) for t, a, b in zip(types, ends, ends[1:], strict=False)}


def seen_by(dataset: Dataset, rows: np.ndarray, types: Sequence[str], takes: str) -> tuple[Any, np.ndarray]:
    """What an estimator is given of some rows, and which of its rows each of them is, shape (n,)."""
    signals = {t: np.asarray(dataset.signals[t][rows]) for t in types} if takes == "signals" else {}
    table = dataset.x(rows, types) if takes != "signals" else pd.DataFrame(index=rows)
    if takes == "features" and not table.shape[1]:
        table = table.assign(nothing=0.0)
    return shown(takes, table, signals, dataset.unit[rows], dataset.onset_s[rows], longest(dataset))


def longest(dataset: Dataset) -> int:
    """Windows of the longest trial."""
    return int(np.bincount(dataset.unit).max())


def choices(spec: Spec) -> tuple[Mapping[str, Any], ...]:
    """Sets of options among which the inner folds of ``nested_loso`` select."""
    return spec.choices or (MODELS[spec.model].choices if spec.model in SELECTED else ())


def select(dataset: Dataset, spec: Spec, task: Task, fold: Fold) -> dict[str, Any]:
    """The options that score best on the inner folds, the first among equals; none without inner folds.

    An option's score is the mean over the inner folds' subjects of the trial-level AUC (binary), balanced accuracy
    (classes) or negative error (value).
    """
    offered = choices(spec)
    if not fold.inner or len(offered) < 2:
        return dict(offered[0]) if fold.inner and offered else {}
    merits = []
    for options in offered:
        scores: list[float] = []
        for inner in fold.inner:
            fitted = fit(dataset, spec, task, inner.train, inner.validation, options)
            scores += merit(dataset, task, inner.test, fitted.predict(dataset, inner.test))
        merits.append(float(np.mean(scores)) if scores else 0.0)
    return dict(offered[int(np.argmax(merits))])


def merit(dataset: Dataset, task: Task, rows: np.ndarray, p: np.ndarray) -> list[float]:
    """How good predictions of some rows are, subject by subject: what ``select`` and importance compare."""
    out = []
    for name in sorted(set(dataset.subject[rows])):
        own = dataset.subject[rows] == name
        unit = dataset.unit[rows][own]
        first = rows[own][np.unique(unit, return_index=True)[1]]
        value = metrics.trial_values(p[own], unit)
        if task.value is not None:
            out.append(-metrics.rmse(task.value[first], value))
        elif task.binary:
            area = metrics.roc_auc(task.y[first], value)
            out += [] if area is None else [area]
        else:
            out.append(metrics.balanced_accuracy(task.code[first], value.argmax(axis=1)))
    return out
