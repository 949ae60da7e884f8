"""STABILITY: the sessions of the last seven days hardly vary."""

from __future__ import annotations

from datetime import UTC, timedelta

import numpy as np

from core.insights import words
from core.insights.baseline import from_scale
from core.insights.draft import insight
from core.insights.history import Found, Series, View
from core.insights.statistics import TOLERANCE, at_least
from core.settings import (
    LOG_SCALE_MEASURES,
    PREDICTIONS,
    STABILITY_DAYS,
    STABILITY_LEAST,
    STABILITY_LEAST_DATES,
    STABILITY_LEAST_TOTAL,
    STABILITY_PUBLISHED_CV,
    STABILITY_SD_M,
    STABILITY_SD_PREDICTION,
)
from core.types import Insight

RULE = "stability/1"


def find(view: View) -> list[Found]:
    """One outcome for each measure of the visit with at least four sessions in the last seven days of ``now``."""
    return [found for series in view.series.values() if (found := _found(view, series)) is not None]


def _found(view: View, series: Series) -> Found | None:
    since = (view.now - timedelta(days=STABILITY_DAYS)).timestamp()
    first = int(np.searchsorted(series.seconds, since, side="left"))
    n = len(series) - first
    if len(series) < STABILITY_LEAST_TOTAL or n < STABILITY_LEAST:
        return None
    x = series.x[first:]
    mean, sd = float(x.mean()), float(x.std(ddof=1))
    cv = sd / (mean + 1e-8) if series.measure not in LOG_SCALE_MEASURES else sd
    days = len({series.visit(k).started_at.astimezone(UTC).date() for k in range(first, len(series))})
    if view.preset == "published":
        value, most, holds = cv, STABILITY_PUBLISHED_CV, at_least(STABILITY_PUBLISHED_CV, cv)
    else:
        index = series.measure in PREDICTIONS
        most = STABILITY_SD_PREDICTION if index else STABILITY_SD_M * series.smallest_change
        value, holds = sd, days >= STABILITY_LEAST_DATES and sd <= most + TOLERANCE

    def write() -> Insight:
        low, high = from_scale(float(x.min()), series.measure), from_scale(float(x.max()), series.measure)
        if view.preset == "published":
            spread = f"CV {cv * 100:.0f} %"
        elif series.measure in LOG_SCALE_MEASURES:
            spread = f"SD {sd * 100:.0f} %"  # an SD on the ln scale is a share of the value
        else:
            spread = f"SD {words.number(sd, series.measure)}"
        period = words.dates(series.visit(first).started_at, series.visit(-1).started_at)
        text = (
            f"{words.name(series.measure)} within {words.span(low, high, series.measure)} over {n} sessions on "
            f"{words.counted(days, 'day')} ({period}), {spread}."
        )
        return insight(
            view, series, "STABILITY", RULE,
            severity="info", text=text, value=value, reference=most, n=n, first=first, low=low, high=high,
            evidence={"mean": from_scale(mean, series.measure), "sd": sd, "cv": cv, "days": float(days)},
        )  # fmt: skip

    before = series.visit(-2).session
    return Found("STABILITY", series.measure, holds, certain=True, before=before, write=write)
