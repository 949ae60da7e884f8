"""CORRELATION: two of valence, arousal and dominance rise and fall together, or one against the other."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from core.insights import words
from core.insights.draft import insight
from core.insights.history import Found, Series, View
from core.insights.statistics import at_least, correlation, correlation_interval, correlation_p
from core.settings import AFFECT, CORRELATION_LEAST, CORRELATION_P, CORRELATION_PUBLISHED_LEAST, CORRELATION_R
from core.types import Insight

RULE = "correlation/1"


def find(view: View) -> list[Found]:
    """One outcome for each pair with enough shared sessions; none where a column is constant."""
    least = CORRELATION_PUBLISHED_LEAST if view.preset == "published" else CORRELATION_LEAST
    found = []
    for one, other in combinations(AFFECT, 2):
        if one in view.series and other in view.series:
            a, b = _shared(view.series[one], view.series[other])
            if len(a) >= least and (r := correlation(a.x, b.x)) is not None:
                found.append(_found(view, a, b, r))
    return found


def _shared(a: Series, b: Series) -> tuple[Series, Series]:
    """The sessions that have both."""
    if np.array_equal(a.at, b.at):
        return a, b
    _, in_a, in_b = np.intersect1d(a.at, b.at, assume_unique=True, return_indices=True)
    return (
        Series(a.measure, a.x[in_a], a.at[in_a], a.seconds[in_a], a.visits),
        Series(b.measure, b.x[in_b], b.at[in_b], b.seconds[in_b], b.visits),
    )


def _found(view: View, a: Series, b: Series, r: float) -> Found:
    n = len(a)
    measure = f"{a.measure}-{b.measure}"
    strong = at_least(abs(r), CORRELATION_R)
    published = view.preset == "published"
    # as in TREND: too weak to be named, so not found, and the other tests only get stricter
    p = correlation_p(r, n) if strong else 1.0

    def write() -> Insight:
        one, other = words.name(a.measure), words.name(b.measure)
        if published:
            lead = f"Excited pattern: {one} and {other}"
        elif r > 0:
            lead = f"{one} and {other} rise and fall together"
        else:
            lead = f"{one} is higher where {other} is lower"
        low, high = correlation_interval(r, n)
        days = words.dates(a.visit(0).started_at, a.visit(-1).started_at)
        return insight(
            view, a, "CORRELATION", RULE,
            severity="info", text=f"{lead}, r {r:.2f} over {n} sessions ({days}).", measure=measure, value=r,
            reference=CORRELATION_R, n=n, first=0, p=None if published else p,
            evidence={"r_low": low, "r_high": high},
        )  # fmt: skip

    if published:
        return Found("CORRELATION", measure, strong, certain=True, write=write)
    holds = strong and p <= CORRELATION_P
    return Found("CORRELATION", measure, holds, f"correlation:{measure}", p, before=a.visit(-2).session, write=write)
