"""Comparisons of experiments, paired by subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from core.errors import NotFound
from core.evaluation import metrics
from core.insights.statistics import false_discovery

WILCOXON_FROM = 20  # subjects; below, all ways to turn signs are gone through


def permutation_p(differences: np.ndarray) -> float:
    """Exact two-sided p of the mean of paired differences: the share of all signings that reach as far from zero.

    Examples
    --------
    >>> permutation_p(np.array([1.0, 2.0, 3.0]))  # +++ and --- of eight
    0.25
    """
    sums = np.zeros(1)
    for d in differences:
        sums = np.concatenate([sums + d, sums - d])
    reach = abs(float(np.sum(differences)))
    return float(np.mean(np.abs(sums) >= reach - 1e-9))


def wilcoxon_p(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; zeros are left out, and one where nothing is left."""
    from scipy.stats import wilcoxon

    there = differences[np.abs(differences) > 1e-12]
    return float(wilcoxon(there).pvalue) if len(there) else 1.0


def paired(a: Mapping[str, float | None], b: Mapping[str, float | None]) -> dict[str, Any]:
    """Score ``a`` less ``b`` over the subjects that have both: mean with its 95 % subject bootstrap, p and its test.

    Returns {value, low, high, n, p, test, subjects [{subject, value}]}; value and p are None without a subject.
    """
    found = {s: x - y for s in sorted(set(a) & set(b)) if (x := a[s]) is not None and (y := b[s]) is not None}
    d = np.array(list(found.values()))
    test = "permutation" if len(d) < WILCOXON_FROM else "wilcoxon"
    p = (permutation_p(d) if test == "permutation" else wilcoxon_p(d)) if len(d) else None
    said = metrics.over_subjects(list(d)).model_dump(exclude={"n_undefined"})
    each = [{"subject": s, "value": float(v)} for s, v in found.items()]
    return {**said, "n": len(d), "p": p, "test": test, "subjects": each}


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given.

    Examples
    --------
    >>> [round(q, 3) for q in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(np.array(p)[order] * np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(steps, 1.0)
    return out.tolist()


CORRECTIONS: dict[str, Callable[[Sequence[float]], list[float]]] = {"holm": holm, "fdr": false_discovery}


def adjusted(p: Mapping[str, float | None], correction: str = "holm") -> dict[str, float | None]:
    """p-values by name, corrected for their number; None stays and is not counted."""
    if correction not in CORRECTIONS:
        offered = ", ".join(CORRECTIONS)
        raise NotFound("E-CORRECTION", f"there is no correction {correction}", "correction", f"Use one of {offered}.")
    known = {name: value for name, value in p.items() if value is not None}
    found = CORRECTIONS[correction](list(known.values()))
    return {**p, **dict(zip(known, map(float, found), strict=True))}


def compare(scores: Mapping[str, Mapping[str, float | None]], correction: str = "holm") -> dict[str, Any]:
    """Experiments side by side and each against each, over subjects.

    Parameters
    ----------
    scores
        Score of each subject by experiment; None where it is undefined.
    correction
        ``holm`` or ``fdr``, over all pairs.

    Returns
    -------
    dict
        ``scores [{name, value, low, high, n_undefined, rank}]``, best first as 1, equal means share a rank; ``pairs
        [{a, b, value, low, high, n, p, p_adjusted, test, subjects}]``, value being a less b; ``correction``.
    """
    found = {name: metrics.cross_validated(list(own.values())) for name, own in scores.items()}
    values = [round(i.value, 12) for i in found.values() if i.value is not None]
    ranked = [
        {
            "name": n,
            **i.model_dump(),
            "rank": None if i.value is None else 1 + sum(v > round(i.value, 12) for v in values),
        }
        for n, i in found.items()
    ]
    pairs = {(a, b): paired(scores[a], scores[b]) for a, b in combinations(scores, 2)}
    p = adjusted({f"{i}": d["p"] for i, d in enumerate(pairs.values())}, correction)
    return {
        "scores": ranked,
        "pairs": [{"a": a, "b": b, **d, "p_adjusted": p[f"{i}"]} for i, ((a, b), d) in enumerate(pairs.items())],
        "correction": correction,
    }


def letters(names: Sequence[str], apart: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Letters by name, best first: two that share a letter were not told apart (insert and absorb: Piepho 2004).

    Examples
    --------
    >>> letters(["x", "y", "z"], [("x", "z")])
    {'x': 'a', 'y': 'ab', 'z': 'b'}
    """
    groups = [set(names)]
    for a, b in apart:
        split = [part for g in groups for part in ([g - {a}, g - {b}] if {a, b} <= g else [g])]
        groups = [g for i, g in enumerate(split) if not any(g < h or (g == h and i > j) for j, h in enumerate(split))]
    groups.sort(key=lambda g: [n not in g for n in names])
    return {n: "".join(chr(ord("a") + i) for i, g in enumerate(groups) if n in g) for n in names}
