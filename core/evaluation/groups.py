"""Two groups of people, such as high and low emotional intelligence: do they differ in what can be read of them?

Everything is a value per subject and outcome; groups are dealt anew over subjects, never over trials or windows, so
that many windows of few people count as few people. A score that parts people is never an input of a model here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import Refused
from core.evaluation import disagreement, metrics
from core.evaluation.dataset import Dataset
from core.insights.statistics import false_discovery
from core.settings import VERDICT_PEOPLE
from core.types import Study

RULES = ("median", "tertile", "cut")
PERMUTATIONS = 4999
SEED = 20260105
# a group with as few values as this is counted value by value in the table of confounders, not averaged
FEW_VALUES = 6

Values = Mapping[str, float | None]  # by subject


@dataclass(frozen=True)
class Parted:
    """Subjects of each group, those left out between, and the two edges (equal for a median and a cut)."""

    high: tuple[str, ...]
    low: tuple[str, ...]
    between: tuple[str, ...]
    edges: tuple[float, float]

    @property
    def enough(self) -> bool:
        """Whether there are enough people in both groups for a verdict."""
        return min(len(self.high), len(self.low)) >= VERDICT_PEOPLE


@dataclass(frozen=True)
class Difference:
    """One outcome compared: mean of High less mean of Low with its 95 % interval, effect sizes, p and q.

    ``g`` is Hedges' g, ``delta`` Cliff's delta, ``p`` of the permutation of subjects, ``q`` after control of false
    discoveries over all outcomes. None is what cannot be had of so few, or so equal, values.
    """

    outcome: str
    n_high: int
    n_low: int
    mean_high: float | None
    mean_low: float | None
    value: float | None
    low: float | None
    high: float | None
    g: float | None
    delta: float | None
    p: float | None
    q: float | None


# ------------------------------------------------------------------------------------------- scores and groups
def scores(study: Study) -> dict[str, dict[str, float]]:
    """Scores of subjects by name of the group: those that are a number, the same in all trials of a subject.

    Groups that name something (a site, high or low), or that change from trial to trial (a stimulus), are none.
    """
    found: dict[str, dict[str, set[str]]] = {}
    for trial in study.trials:
        for name, value in trial.groups.items():
            found.setdefault(name, {}).setdefault(trial.subject, set()).add(value)
    out = {}
    for name, given in found.items():
        own = {subject: number(*values) for subject, values in given.items() if len(values) == 1}
        known = {subject: value for subject, value in own.items() if value is not None}
        if len(known) == len(given) and len(set(known.values())) > 1:
            out[name] = known
    return out


def number(text: str) -> float | None:
    """A finite number that a text says; None where it says none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def part(score: Mapping[str, float], rule: str = "median", cut: float | None = None) -> Parted:
    """High and Low by a rule. Who lies on an edge is Low, so that equal scores never lie in two groups.

    ``median``: above it is High. With ties the groups are not of equal size; with many at the highest score High may
    even be empty. ``tertile``: above the upper is High, up to the lower is Low, the middle is left out. ``cut``:
    above ``cut`` is High.

    Examples
    --------
    >>> part({"a": 1, "b": 2, "c": 2, "d": 3}).high  # b and c lie on the median
    ('d',)
    """
    if rule not in RULES:
        raise Refused("E-RULE", f"there is no rule {rule}", "rule", f"Use one of {', '.join(RULES)}.")
    if rule == "cut" and cut is None:
        raise Refused("E-RULE", "the rule cut needs a score to cut at", "cut", "Name one.")
    x = np.array(list(score.values()), dtype=float)
    edges = {"median": (0.5, 0.5), "tertile": (1 / 3, 2 / 3)}
    lower, upper = (float(cut), float(cut)) if cut is not None and rule == "cut" else np.quantile(x, edges[rule])
    # a third of decimals is not exact: who lies on an edge must not fall beside it by the last bit
    near = 1e-9 * max(1.0, float(np.max(np.abs(x))))
    high = tuple(s for s in sorted(score) if score[s] > upper + near)
    low = tuple(s for s in sorted(score) if score[s] <= lower + near)
    between = tuple(s for s in sorted(score) if s not in high and s not in low)
    return Parted(high, low, between, (float(lower), float(upper)))


# ------------------------------------------------------------------------------------------- outcomes
def features(dataset: Dataset, columns: Sequence[str]) -> tuple[dict[str, Values], dict[str, Values]]:
    """(level, stability) of each feature per subject.

    Level is the mean of a subject's trials, a trial being the mean of its windows. Stability is the SD of a subject's
    trials (ddof 1): lower is steadier; None where fewer than two trials have the feature.
    """
    n = int(dataset.unit.max()) + 1
    x = dataset.features[list(columns)].to_numpy(dtype=np.float64)
    there = np.isfinite(x)
    count = np.zeros((n, x.shape[1]))
    total = np.zeros((n, x.shape[1]))
    np.add.at(count, dataset.unit, there)
    np.add.at(total, dataset.unit, np.where(there, x, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        trial = total / count
    who = dataset.subject[np.unique(dataset.unit, return_index=True)[1]]
    level: dict[str, dict[str, float | None]] = {c: {} for c in columns}
    spread: dict[str, dict[str, float | None]] = {c: {} for c in columns}
    for subject in dataset.subjects:
        own = trial[who == subject]
        for i, column in enumerate(columns):
            known = own[np.isfinite(own[:, i]), i]
            level[column][subject] = float(known.mean()) if len(known) else None
            spread[column][subject] = float(known.std(ddof=1)) if len(known) > 1 else None
    return dict(level), dict(spread)


def gap(a: metrics.Level, names_a: Sequence[Any], b: metrics.Level, names_b: Sequence[Any]) -> Values:
    """Mean over a subject's trials of the distance between two experiments' probabilities of High.

    ``names`` are (subject, trial) of each row of a level per trial; trials that only one of them has are left out.
    """
    found = disagreement.per_subject((a, names_a), (b, names_b))
    return {subject: apart.probabilities for subject, apart in found.items()}


def confounders(study: Study, dataset: Dataset | None = None, without: str = "") -> dict[str, Values]:
    """What else may differ between the groups, per subject.

    Number of trials, mean coverage, with a dataset the share of trials that could be used, and every other group of
    the study: its number, or the share of trials with each value where there are few of them.
    """
    own: dict[str, list] = {}
    for trial in study.trials:
        own.setdefault(trial.subject, []).append(trial)
    out: dict[str, dict[str, float | None]] = {
        "trials": {s: float(len(t)) for s, t in own.items()},
        "share of each trial with samples": {s: float(np.mean([x.coverage for x in t])) for s, t in own.items()},
    }
    if dataset is not None:
        used = {s: len(set(dataset.unit[dataset.subject == s])) for s in own}
        out["share of trials that could be used"] = {s: used[s] / len(t) for s, t in own.items()}
    numeric = scores(study)
    names = dict.fromkeys(name for trial in study.trials for name in trial.groups)
    for name in names:
        if name == without:
            continue
        if name in numeric and len(set(numeric[name].values())) > FEW_VALUES:
            out[name] = {s: numeric[name].get(s) for s in own}
            continue
        values = sorted({t.groups[name] for t in study.trials if name in t.groups})
        for value in values if len(values) <= FEW_VALUES else ():
            out[f"{name} is {value}"] = {
                s: float(np.mean([x.groups.get(name) == value for x in t])) for s, t in own.items()
            }
    return dict(out)


# ------------------------------------------------------------------------------------------- the comparison
def compared(
    outcomes: Mapping[str, Values], parted: Parted, *, n: int = PERMUTATIONS, seed: int = SEED
) -> list[Difference]:
    """Every outcome between the two groups, false discoveries controlled over all of them, in the order given.

    Parameters
    ----------
    outcomes
        Value of each subject by outcome; None, or absent, where there is none.
    n
        Ways to deal the groups, beside the true one.

    Notes
    -----
    The interval is Welch's (t, unequal variances). Hedges (1981) corrects g for small samples; Cliff (1993) is the
    chance that one of High lies above one of Low, less the reverse.
    """
    subjects = [*parted.high, *parted.low]
    is_high = np.arange(len(subjects)) < len(parted.high)
    table = np.array(
        [[np.nan if (v := own.get(s)) is None else v for own in outcomes.values()] for s in subjects], dtype=float
    ).reshape(len(subjects), len(outcomes))
    found = permutation_p(table, is_high, n=n, seed=seed)
    p = [None if np.isnan(v) else float(v) for v in found]
    known = [i for i, v in enumerate(p) if v is not None]
    q: list[float | None] = [None] * len(p)
    for i, value in zip(known, false_discovery([float(found[i]) for i in known]), strict=True):
        q[i] = value
    return [
        Difference(outcome, **_sizes(table[is_high, i], table[~is_high, i]), p=p[i], q=q[i])
        for i, outcome in enumerate(outcomes)
    ]


def permutation_p(x: np.ndarray, is_high: np.ndarray, *, n: int = PERMUTATIONS, seed: int = SEED) -> np.ndarray:
    """Two-sided p of the difference of means of each outcome, groups dealt anew over subjects, shape (n_outcomes,).

    Parameters
    ----------
    x : ndarray, shape (n_subjects, n_outcomes)
        NaN where a subject has no value; NaN is dealt along with its subject.
    is_high : ndarray of bool, shape (n_subjects,)

    Returns
    -------
    ndarray
        The true dealing is counted in, so p is never 0; NaN where a group has no value.
    """
    rng = np.random.default_rng(seed)
    dealt = np.vstack([is_high, is_high[np.argsort(rng.random((n, len(is_high))), axis=1)]]).astype(float)
    there = np.isfinite(x)
    centre = np.array(
        [column[known].mean() if known.any() else 0.0 for column, known in zip(x.T, there.T, strict=True)]
    )
    centred = np.where(there, x - centre, 0.0)
    counts = dealt @ there
    sums = dealt @ centred
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.abs(sums / counts - (centred.sum(axis=0) - sums) / (there.sum(axis=0) - counts))
    seen = apart[0]
    # a dealing that leaves a group without a value says nothing, and counts as one that reaches as far
    reached = ~(apart[1:] < seen - 1e-12 - 1e-9 * seen)
    return np.where(np.isfinite(seen), (1 + reached.sum(axis=0)) / (n + 1), np.nan)


def _sizes(high: np.ndarray, low: np.ndarray) -> dict[str, Any]:
    """The fields of ``Difference`` from n_high to delta; what cannot be had of so few values is None."""
    a, b = high[np.isfinite(high)], low[np.isfinite(low)]
    mean_a, mean_b = (float(v.mean()) if len(v) else None for v in (a, b))
    found: dict[str, Any] = dict.fromkeys(("value", "low", "high", "g", "delta"))
    if mean_a is not None and mean_b is not None:
        found |= {"value": mean_a - mean_b, "delta": float(np.sign(a[:, None] - b[None, :]).mean())}
        if min(len(a), len(b)) > 1:
            half = _welch(a, b)
            found |= {"low": found["value"] - half, "high": found["value"] + half, "g": _hedges(a, b)}
    return {"n_high": len(a), "n_low": len(b), "mean_high": mean_a, "mean_low": mean_b, **found}


def _welch(a: np.ndarray, b: np.ndarray) -> float:
    """Half the width of the 95 % interval of the difference of two means."""
    from scipy.special import stdtrit

    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    if va + vb == 0:
        return 0.0
    df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    return float(stdtrit(df, 0.975) * np.sqrt(va + vb))


def _hedges(a: np.ndarray, b: np.ndarray) -> float | None:
    df = len(a) + len(b) - 2
    pooled = np.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / df)
    return float((a.mean() - b.mean()) / pooled * (1 - 3 / (4 * df - 1))) if pooled > 0 else None
