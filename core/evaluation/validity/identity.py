"""How well features name the person or the clip, and columns that do nothing else (requirements c2, S3-07)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.evaluation.dataset import Dataset
from core.evaluation.identities import denied
from core.models import MODELS

# a column that alone names so many of the windows of trials not seen is an identity, not a measurement
NAMES_ALONE = 0.9
# a rank correlation with order that no physiology keeps within every subject
IN_ORDER = 0.999
# windows that a probe learns from at most, and its trees
PROBE_ROWS, PROBE_TREES = 3000, 60


@dataclass(frozen=True)
class Probe:
    """Share of windows named right, what guessing reaches, and of how many names and windows."""

    accuracy: float
    chance: float
    n_names: int
    n_windows: int


def subject_probe(dataset: Dataset, rows: np.ndarray, types: tuple[str, ...], seed: int = 0) -> Probe | None:
    """Who it is: learned from every other trial of each subject, asked of the rest; None where that cannot be laid."""
    odd = _every_other(dataset.subject[rows], dataset.unit[rows])
    return _probe(dataset, dataset.subject, rows[~odd], rows[odd], types, seed)


def stimulus_probe(dataset: Dataset, rows: np.ndarray, types: tuple[str, ...], seed: int = 0) -> Probe | None:
    """Which clip it was: learned from every other subject, asked of the rest; None where no clip is shared."""
    names = np.unique(dataset.subject[rows], return_inverse=True)[1]
    odd = names % 2 == 1
    return _probe(dataset, dataset.stimulus, rows[~odd], rows[odd], types, seed)


def _every_other(subject: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Whether each row lies in a trial of odd number, counted within its subject."""
    trials = pd.DataFrame({"subject": subject, "unit": unit})
    return ((trials.groupby("subject").unit.rank(method="dense") - 1) % 2 == 1).to_numpy()


def _probe(
    dataset: Dataset, name: np.ndarray, learned: np.ndarray, asked: np.ndarray, types: tuple[str, ...], seed: int
) -> Probe | None:
    """A small forest that learns names from some rows and is asked of others, of the names that both hold."""
    shared = np.intersect1d(name[learned], name[asked])
    if len(shared) < 2 or not dataset.names(types):
        return None
    rng = np.random.default_rng(seed)
    learned, asked = (rng.permutation(r[np.isin(name[r], shared)])[:PROBE_ROWS] for r in (learned, asked))
    estimator = MODELS["forest"].make(seed, trees=PROBE_TREES)
    code = np.unique(name, return_inverse=True)[1]
    estimator.fit(dataset.x(learned, types), code[learned])
    right = np.mean(estimator.predict(dataset.x(asked, types)) == code[asked])
    commonest = max(np.mean(name[asked] == s) for s in shared)
    return Probe(float(right), float(commonest), len(shared), len(asked))


def id_like(dataset: Dataset, rows: np.ndarray, types: tuple[str, ...]) -> dict[str, str]:
    """Columns that tell who or when and not what was measured, each with why."""
    x = dataset.x(rows, types)
    subject, unit, clip = (
        np.unique(v[rows], return_inverse=True)[1] for v in (dataset.subject, dataset.unit, dataset.stimulus)
    )
    found = {name: f"its name says {word}" for name in x.columns if (word := denied(name))}
    shared = bool((pd.Series(subject).groupby(clip).nunique() >= 2).all())
    whole = x.loc[:, np.isfinite(x).mean() >= 0.5]
    alone = _named_alone(whole, subject, unit)
    for why, columns in (
        ("constant within each subject and another in every other", _one_each(whole, subject)),
        ("constant within each stimulus, whoever saw it", _one_each(whole, clip) if shared else ()),
        ("rises or falls with time in every subject", _in_order(whole, subject, unit, dataset.onset_s[rows])),
        ("names the subject by itself in the windows of other trials", alone.index[alone >= NAMES_ALONE]),
    ):
        found = {**dict.fromkeys(columns, why), **found}
    return {name: found[name] for name in x.columns if name in found}


def _one_each(x: pd.DataFrame, group: np.ndarray) -> list[str]:
    """Columns that have one value in each of three or more groups, and another in every one."""
    of = x.groupby(group)
    low, high = of.min(), of.max()
    single = low.notna().all() & (low == high).all() & (low.nunique() == len(low))
    return list(x.columns[single]) if len(low) >= 3 else []


def _in_order(x: pd.DataFrame, subject: np.ndarray, unit: np.ndarray, onset_s: np.ndarray) -> list[str]:
    """Columns that keep the order of trials within every subject, or of windows within every trial."""
    trials = x.groupby(unit).median()
    whose = subject[np.unique(unit, return_index=True)[1]]
    by_trial = _ranked(trials, pd.Series(trials.index, trials.index), whose)
    by_time = _ranked(x, pd.Series(onset_s, x.index), unit)
    return list(x.columns[(by_trial >= IN_ORDER) | (by_time >= IN_ORDER)])


def _ranked(x: pd.DataFrame, order: pd.Series, group: np.ndarray) -> np.ndarray:
    """The weakest rank correlation (without sign) of each column with an order, over groups of five or more rows."""
    if np.bincount(group)[np.unique(group)].min() < 5:
        return np.zeros(x.shape[1])
    a, b = x.groupby(group).rank(), order.groupby(group).rank()
    a, b = a - a.groupby(group).transform("mean"), b - b.groupby(group).transform("mean")
    over = np.sqrt((a**2).groupby(group).sum().mul((b**2).groupby(group).sum(), axis=0))
    r = a.mul(b, axis=0).groupby(group).sum() / over.where(over > 0)
    return r.abs().fillna(0.0).min().to_numpy()


def _named_alone(x: pd.DataFrame, subject: np.ndarray, unit: np.ndarray) -> pd.Series:
    """Share of windows that each column alone gives to the right subject, by the nearest median of other trials."""
    odd = _every_other(subject, unit)
    names = np.intersect1d(subject[odd], subject[~odd])
    right = pd.Series(0.0, x.columns)
    if len(names) < 3:
        return right
    medians = x[~odd].groupby(subject[~odd]).median().loc[names]
    asked = odd & np.isin(subject, names)
    for name in x.columns:
        far = np.abs(x.loc[asked, name].to_numpy()[:, None] - medians[name].to_numpy())
        far = np.where(np.isnan(far), np.inf, far)
        nearest = far.min(axis=1, keepdims=True)
        # a value as near to several subjects names none of them
        hit = (names[far.argmin(axis=1)] == subject[asked]) / np.sum(far == nearest, axis=1)
        right[name] = np.mean(hit)
    return right
