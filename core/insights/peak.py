"""PEAK: the newest session is the highest or the lowest so far. Ties are none."""

from __future__ import annotations

from core.insights import anomaly, words
from core.insights.baseline import from_scale
from core.insights.draft import insight
from core.insights.history import Found, Series, View
from core.insights.statistics import above, at_least
from core.settings import (
    PEAK_LEAST,
    PEAK_MARGIN_M,
    PEAK_PUBLISHED_HIGH,
    PEAK_PUBLISHED_LEAST,
    PEAK_PUBLISHED_LOW,
)
from core.types import Insight

RULE = "peak/1"


def find(view: View) -> list[Found]:
    """One outcome for each measure whose newest session is a record."""
    rule = _published if view.preset == "published" else _default
    return [found for series in view.series.values() if (found := rule(view, series)) is not None]


def _default(view: View, series: Series) -> Found | None:
    if len(series) < PEAK_LEAST:
        return None
    x, earlier = float(series.x[-1]), series.x[:-1]
    highest, lowest = float(earlier.max()), float(earlier.min())
    margin = PEAK_MARGIN_M * series.smallest_change
    high, low = at_least(x - highest, margin), at_least(lowest - x, margin)
    if not (high or low):
        return None
    known = anomaly.limit(series, view.references.get(series.measure))
    if known is None or (x > known.mean) != high:
        return None

    def write() -> Insight:
        record = from_scale(highest if high else lowest, series.measure)
        return insight(
            view, series, "PEAK", RULE,
            severity=anomaly.severity(known), n=len(series), p=known.p,
            text=f"{anomaly.against_range(series, known)}, and {_record(series, record, high)}.",
            **(fields := anomaly.fields(series, known)) | {"evidence": {**fields["evidence"], "record": record}},
        )  # fmt: skip

    # the test is the prediction limit of ANOMALY, so the two of a measure count as one
    return Found("PEAK", series.measure, True, f"limit:{series.measure}", known.p, write=write)


def _published(view: View, series: Series) -> Found | None:
    if len(series) < PEAK_PUBLISHED_LEAST:
        return None
    x, earlier = float(series.x[-1]), series.x[:-1]
    highest, lowest = float(earlier.max()), float(earlier.min())
    high = above(x, highest) and above(x, PEAK_PUBLISHED_HIGH)
    low = above(lowest, x) and above(PEAK_PUBLISHED_LOW, x)
    if not (high or low):
        return None

    def write() -> Insight:
        record = highest if high else lowest
        return insight(
            view, series, "PEAK", RULE,
            severity="info" if high else "warning", value=x, reference=record, n=len(series),
            text=f"{words.name(series.measure)} {words.number(x, series.measure)} on "
            f"{words.date(series.visit(-1).started_at)}, {_record(series, record, high)}.",
            evidence={"record": record},
        )  # fmt: skip

    return Found("PEAK", series.measure, True, certain=True, write=write)


def _record(series: Series, record: float, high: bool) -> str:
    which = "highest" if high else "lowest"
    before = words.number(record, series.measure)
    return f"the {which} of {words.counted(len(series), 'session')} (before: {before})"
