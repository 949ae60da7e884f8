"""ANOMALY: the newest session lies outside the range expected from the sessions before it."""

from __future__ import annotations

from dataclasses import dataclass

from core.insights import words
from core.insights.baseline import from_scale, on_scale, prediction_range, readable, usable
from core.insights.draft import insight
from core.insights.history import Found, Series, View
from core.insights.statistics import TOLERANCE, above, at_least, normal_p, two_sided_p
from core.settings import (
    ANOMALY_ALERT_Z,
    ANOMALY_LEAST_PRIOR,
    ANOMALY_PUBLISHED_LEAST_SD,
    ANOMALY_PUBLISHED_Z,
    PREDICTIONS,
    SD_FLOOR_M,
    STEP_PREDICTION,
    STEP_SD_M,
)
from core.types import Insight, Reference

RULE = "anomaly/1"


@dataclass(frozen=True)
class Limit:
    """The prediction limit of one measure at one visit, on the detectors' scale.

    ``n`` counts the sessions behind it, ``p`` belongs to ``t`` with n - 1 degrees of freedom; ``step`` is
    a jump of at least the smallest change after sessions that hardly varied.
    """

    mean: float
    low: float
    high: float
    n: int
    t: float
    p: float
    step: bool
    chosen: bool


def limit(series: Series, reference: Reference | None) -> Limit | None:
    """The limit from all earlier sessions, or from a clinician's reference; None with too few sessions.

    Notes
    -----
    t = (x - mean) / (s sqrt(1 + 1/n)), s with ddof 1 and a floor of a quarter of the smallest change.
    """
    x = float(series.x[-1])
    m = series.smallest_change
    chosen = reference is not None and usable(reference, series.measure)
    if chosen and reference is not None:
        mean, sd = on_scale(reference, series.measure)
        n = reference.n
    else:
        earlier = series.x[:-1]
        n = len(earlier)
        if n < ANOMALY_LEAST_PRIOR:
            return None
        mean, sd = float(earlier.mean()), float(earlier.std(ddof=1))
    floored = max(sd, SD_FLOOR_M * m)
    t = (x - mean) / (floored * (1 + 1 / n) ** 0.5)
    jump = STEP_PREDICTION if series.measure in PREDICTIONS else m
    step = sd < STEP_SD_M * m - TOLERANCE and at_least(abs(x - mean), jump)
    low, high = prediction_range(mean, sd if step else floored, n)
    return Limit(mean, low, high, n, t, two_sided_p(t, n - 1), step, chosen)


def find(view: View) -> list[Found]:
    """One outcome for each measure of the visit that has enough history."""
    rule = _published if view.preset == "published" else _default
    return [found for series in view.series.values() if (found := rule(view, series)) is not None]


def _default(view: View, series: Series) -> Found | None:
    known = limit(series, view.references.get(series.measure))
    if known is None:
        return None

    def write() -> Insight:
        return insight(
            view, series, "ANOMALY", RULE,
            severity=severity(known), text=_sentence(series, known), n=known.n + 1, p=known.p,
            **fields(series, known),
        )  # fmt: skip

    # a step change speaks by itself: after sessions without spread there is no spread to test against
    return Found("ANOMALY", series.measure, True, f"limit:{series.measure}", known.p, known.step, write=write)


def severity(known: Limit) -> str:
    """Alert beyond the p of three standard deviations, else warning."""
    return "alert" if known.p < normal_p(ANOMALY_ALERT_Z) else "warning"


def fields(series: Series, known: Limit) -> dict:
    """Value, reference, own range and evidence of a finding at the prediction limit."""
    low, high = readable(known.low, known.high, series.measure)
    return {
        "value": from_scale(float(series.x[-1]), series.measure),
        "reference": from_scale(known.mean, series.measure),
        "low": low,
        "high": high,
        "evidence": {"t": known.t, "step": float(known.step), "set_reference": float(known.chosen)},
    }


def against_range(series: Series, known: Limit) -> str:
    """``Valence index 0.82 on 14 Jul 2026, above own range 0.41 to 0.66``."""
    low, high = readable(known.low, known.high, series.measure)
    side = "above" if series.x[-1] > known.mean else "below"
    value = words.number(from_scale(float(series.x[-1]), series.measure), series.measure)
    day = words.date(series.visit(-1).started_at)
    return f"{words.name(series.measure)} {value} on {day}, {side} own range {words.span(low, high, series.measure)}"


def basis(known: Limit) -> str:
    """``14 earlier sessions``, or ``set baseline of 8 sessions``."""
    if known.chosen:
        return f"set baseline of {words.counted(known.n, 'session')}"
    return words.counted(known.n, "earlier session")


def _sentence(series: Series, known: Limit) -> str:
    varied = ", which hardly varied" if known.step else ""
    return f"{against_range(series, known)} ({basis(known)}{varied})."


def _published(view: View, series: Series) -> Found | None:
    earlier = series.x[:-1]
    if len(earlier) < ANOMALY_LEAST_PRIOR:
        return None
    mean, sd = float(earlier.mean()), float(earlier.std())
    if sd < ANOMALY_PUBLISHED_LEAST_SD - TOLERANCE:
        return None
    x = float(series.x[-1])
    z = (x - mean) / sd

    def write() -> Insight:
        low, high = mean - ANOMALY_PUBLISHED_Z * sd, mean + ANOMALY_PUBLISHED_Z * sd
        side = "above" if z > 0 else "below"
        text = (
            f"{words.name(series.measure)} {words.number(x, series.measure)} on "
            f"{words.date(series.visit(-1).started_at)}, {abs(z):.1f} SD {side} the mean of "
            f"{words.counted(len(earlier), 'earlier session')}, {words.number(mean, series.measure)}."
        )
        return insight(
            view, series, "ANOMALY", RULE,
            severity="alert" if above(abs(z), ANOMALY_ALERT_Z) else "warning", text=text,
            value=x, reference=mean, n=len(series), low=max(low, 0.0), high=min(high, 1.0), evidence={"z": z},
        )  # fmt: skip

    return Found("ANOMALY", series.measure, at_least(abs(z), ANOMALY_PUBLISHED_Z), certain=True, write=write)
