"""TREND: the newest five sessions differ from all before them."""

from __future__ import annotations

from core.insights import words
from core.insights.baseline import from_scale, on_scale, prediction_range, readable, usable
from core.insights.draft import insight
from core.insights.history import Found, Series, View
from core.insights.statistics import above, at_least, permutation_p, two_sided_p
from core.settings import (
    LOG_SCALE_MEASURES,
    SD_FLOOR_M,
    TREND_LEAST_PRIOR,
    TREND_PUBLISHED,
    TREND_PUBLISHED_WARNING,
    TREND_RECENT,
    TREND_WARNING_M,
)
from core.types import Insight, Reference

RULE = "trend/1"


def find(view: View) -> list[Found]:
    """One outcome for each measure of the visit that has enough history."""
    rule = _published if view.preset == "published" else _default
    return [found for series in view.series.values() if (found := rule(view, series)) is not None]


def _default(view: View, series: Series) -> Found | None:
    reference = view.references.get(series.measure)
    m = series.smallest_change
    if len(series) < TREND_RECENT:
        return None
    recent = float(series.x[-TREND_RECENT:].mean())
    if reference is not None and usable(reference, series.measure):
        n = reference.n
        mean, sd = on_scale(reference, series.measure)
    else:
        reference = None
        prior = series.x[:-TREND_RECENT]
        n = len(prior)
        if n < TREND_LEAST_PRIOR:
            return None
        mean, sd = float(prior.mean()), float(prior.std(ddof=1))
    sd = max(sd, SD_FLOOR_M * m)
    delta = recent - mean
    large = at_least(abs(delta), m)
    # a difference too small to be named cannot be found: its p is 1, which only makes the others stricter
    p = 1.0 if not large else _p(series, reference, delta, sd, n)

    def write() -> Insight:
        low, high = readable(*prediction_range(mean, sd, n, TREND_RECENT), series.measure)
        return insight(
            view, series, "TREND", RULE,
            severity="warning" if above(abs(delta), TREND_WARNING_M * m) else "info",
            text=_sentence(series, recent, mean, n, chosen=reference is not None),
            value=from_scale(recent, series.measure), reference=from_scale(mean, series.measure),
            n=n + TREND_RECENT, first=-TREND_RECENT, low=low, high=high, p=p,
            evidence={"delta": delta, "set_reference": float(reference is not None)},
        )  # fmt: skip

    before = series.visit(-2).session
    return Found("TREND", series.measure, large, f"trend:{series.measure}", p, before=before, write=write)


def _p(series: Series, reference: Reference | None, delta: float, sd: float, n: int) -> float:
    if reference is None:
        return permutation_p(series.x)
    # a set reference has no sessions to exchange: t of the mean of five against it
    return two_sided_p(delta / (sd * (1 / TREND_RECENT + 1 / n) ** 0.5), n - 1)


def _published(view: View, series: Series) -> Found | None:
    if len(series) <= TREND_RECENT:
        return None
    prior = series.x[:-TREND_RECENT]
    recent, mean = float(series.x[-TREND_RECENT:].mean()), float(prior.mean())
    delta = recent - mean

    def write() -> Insight:
        return insight(
            view, series, "TREND", RULE,
            severity="warning" if above(abs(delta), TREND_PUBLISHED_WARNING) else "info",
            text=_sentence(series, recent, mean, len(prior), chosen=False),
            value=recent, reference=mean, n=len(series), first=-TREND_RECENT, evidence={"delta": delta},
        )  # fmt: skip

    return Found("TREND", series.measure, at_least(abs(delta), TREND_PUBLISHED), certain=True, write=write)


def _sentence(series: Series, recent: float, mean: float, n: int, *, chosen: bool) -> str:
    measure = series.measure
    side = "above" if recent > mean else "below"
    now, then = from_scale(recent, measure), from_scale(mean, measure)
    if measure in LOG_SCALE_MEASURES:
        size = f"{abs(now / then - 1) * 100:.0f} %"
    else:
        size = words.number(abs(now - then), measure)
    against = (
        f"the mean of the set baseline ({words.counted(n, 'session')})" if chosen
        else f"the mean of the {n} sessions before" if n > 1 else "the session before"
    )  # fmt: skip
    days = words.dates(series.visit(-TREND_RECENT).started_at, series.visit(-1).started_at)
    return (
        f"{words.name(measure)}: mean {words.number(now, measure)} over the last {TREND_RECENT} sessions ({days}), "
        f"{size} {side} {against}, {words.number(then, measure)}."
    )
