"""What a label is: cut and tie rule, agreement between raters, and what the stimulus was meant to do (c20)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

# a rating this share of its scale away from the cut, or less, is near it
NEAR = 1 / 16
RULES = {
    ">": "the cut itself is Low",
    ">=": "the cut itself is High",
    "drop": "ratings on the cut are left out",
}


def sweep(ratings: pd.DataFrame, target: str, scale: tuple[float, float, float]) -> dict[str, Any]:
    """Every cut and tie rule of one target, with what the majority class scores under it.

    Parameters
    ----------
    ratings
        A row a trial: ``subject``, ``stimulus``, and a column for the target; NaN where none was given.
    scale
        Lowest, highest and the study's own cut.

    Returns
    -------
    dict
        ``policies [{cut, at, ties, n, share_above, majority_accuracy, near_share, alpha}]`` where ``near_share`` is of
        ratings within a sixteenth of the scale of the cut and ``alpha`` Krippendorff's of High and Low between raters
        of one stimulus; ``alpha`` of the ratings themselves (interval); ``n_ratings``, ``n_subjects``, ``n_stimuli``.
    """
    known = ratings.loc[ratings[target].notna(), ["subject", "stimulus", target]].reset_index(drop=True)
    value = known[target].to_numpy(dtype=np.float64)
    low, high, cut = scale
    step = (high - low) / 8
    named = {
        cut: "the study's", (low + high) / 2: "the middle of the scale", cut - step: "an eighth of the scale lower",
        cut + step: "an eighth of the scale higher", float(np.median(value)): "the median of all",
        float(np.mean(value)): "the mean of all", **{cut: "the study's"},
    }  # fmt: skip
    cuts = {f"{at:.4g}, {name}": np.full(len(value), at) for at, name in named.items()}
    cuts["each subject's median"] = known.groupby("subject")[target].transform("median").to_numpy()
    near = NEAR * (high - low)
    told = [{"cut": name, **_policy(known, value, at, ties, near)} for name, at in cuts.items() for ties in RULES]
    return {
        "target": target, "scale": {"lowest": low, "highest": high, "cut": cut}, "n_ratings": len(known),
        "n_subjects": known.subject.nunique(), "n_stimuli": known.stimulus.nunique(),
        "alpha": krippendorff(_matrix(known, value), "interval"), "policies": told,
    }  # fmt: skip


def _policy(known: pd.DataFrame, value: np.ndarray, cut: np.ndarray, ties: str, near: float) -> dict[str, Any]:
    keep = value != cut if ties == "drop" else np.ones(len(value), dtype=bool)
    high = (value >= cut if ties == ">=" else value > cut)[keep]
    share = float(high.mean()) if len(high) else None
    return {
        "ties": ties, "n": len(high), "share_above": share,
        "majority_accuracy": None if share is None else max(share, 1 - share),
        "near_share": float(np.mean(np.abs(value - cut) <= near)),
        "alpha": krippendorff(_matrix(known[keep], high.astype(float)), "nominal"),
    }  # fmt: skip


def _matrix(known: pd.DataFrame, value: np.ndarray) -> np.ndarray:
    """Raters by stimuli, NaN where one did not rate the other; of several ratings of one the first."""
    return (
        known.assign(v=value).pivot_table(index="subject", columns="stimulus", values="v", aggfunc="first").to_numpy()
    )


def krippendorff(ratings: np.ndarray, level: str) -> float | None:
    """Krippendorff's alpha of (n_raters, n_units) with NaN for what was not rated; None where nothing can be paired.

    ``level``: ``nominal`` or ``interval``.

    Notes
    -----
    Krippendorff (2011), Computing Krippendorff's alpha-reliability. Units with one rating say nothing and are left out.

    Examples
    --------
    >>> krippendorff(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]), "interval")
    1.0
    """
    x = np.asarray(ratings, dtype=np.float64)
    x = x[:, np.isfinite(x).sum(axis=0) > 1] if x.size else x
    if not x.size:
        return None
    values = x[np.isfinite(x)]

    def apart(v: np.ndarray) -> float:
        """Sum of the distances of all ordered pairs."""
        if level == "nominal":
            counts = np.unique(v, return_counts=True)[1]
            return float(len(v) ** 2 - np.sum(counts**2))
        return float(2 * len(v) * np.sum((v - v.mean()) ** 2))

    within = sum(apart(u[np.isfinite(u)]) / (np.isfinite(u).sum() - 1) for u in x.T)
    expected = apart(values) / (len(values) - 1)
    return float(1 - within / expected) if expected > 0 else None


def intended(ratings: pd.DataFrame, target: str, scale: tuple[float, float, float], high: str = ">") -> dict[str, Any]:
    """What the stimulus was meant to do against what was reported: High or not, counted, and the share that differs.

    The intention is the column ``<target>_intended`` (``basis`` *intended*); without one it is what most of the others
    who rated the same stimulus said (``basis`` *other raters*), ties and stimuli of one rater left out.
    """
    cut = scale[2]
    side = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal}[high]
    known = ratings[ratings[target].notna()].reset_index(drop=True)
    reported = side(known[target].to_numpy(dtype=np.float64), cut)
    if f"{target}_intended" in known and known[f"{target}_intended"].notna().any():
        basis, meant = "intended", known[f"{target}_intended"].to_numpy(dtype=np.float64)
        there = np.isfinite(meant)
        meant = side(meant, cut)
    else:
        basis = "other raters"
        of = pd.Series(reported.astype(float)).groupby(known.stimulus.to_numpy())
        others, n = of.transform("sum").to_numpy() - reported, of.transform("size").to_numpy() - 1
        there = (n > 0) & (2 * others != n)
        meant = 2 * others > n
    cells = {
        f"{a}_{b}": int(np.sum(there & (meant == (a == "high")) & (reported == (b == "high"))))
        for a in ("high", "low") for b in ("high", "low")
    }  # fmt: skip
    total = int(there.sum())
    return {
        "target": target, "basis": basis, "n": total,
        "differ_share": float(np.mean(meant[there] != reported[there])) if total else None,
        "counts": {"meant_high_said_high": cells["high_high"], "meant_high_said_low": cells["high_low"],
                   "meant_low_said_high": cells["low_high"], "meant_low_said_low": cells["low_low"]},
    }  # fmt: skip


def report(
    ratings: pd.DataFrame, targets: Mapping[str, tuple[float, float, float]], sides: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The sweep of every target that was rated, and intended against reported."""
    rated = [t for t in targets if t in ratings and ratings[t].notna().any() and not t.endswith("_intended")]
    return {
        "near": NEAR, "rules": RULES, "sweeps": [sweep(ratings, t, targets[t]) for t in rated],
        "intended": [intended(ratings, t, targets[t], (sides or {}).get(t, ">")) for t in rated],
    }  # fmt: skip
