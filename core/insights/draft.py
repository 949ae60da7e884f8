"""An insight with everything that follows from the view: session, dates, preset, model, chance."""

from __future__ import annotations

from collections.abc import Mapping

from core.insights.chance import expected
from core.insights.history import Series, View
from core.types import Insight


def insight(
    view: View,
    series: Series,
    kind: str,
    rule: str,
    *,
    severity: str,
    text: str,
    value: float,
    reference: float,
    n: int,
    first: int = -1,
    measure: str | None = None,
    low: float | None = None,
    high: float | None = None,
    p: float | None = None,
    evidence: Mapping[str, float] | None = None,
) -> Insight:
    """The insight of a rule on a series; ``first`` is the place in it where the period it speaks of starts."""
    return Insight(
        kind=kind, measure=measure or series.measure,
        session=view.visit.session, last_session=view.visit.session,
        severity=severity, text=text, value=value, reference=reference, n=n,
        expected_by_chance=expected(view.preset, kind, len(series)),
        preset=view.preset, rule=rule,
        period_start=series.visit(first).started_at, period_end=view.visit.started_at,
        low=low, high=high, p=p, model=series.model, evidence=dict(evidence or {}),
    )  # fmt: skip
