"""The small chart of an insight: the measure's last sessions, with the one it was found at."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import numpy as np
import plotly.graph_objects as go

from app.ui import formats, palette
from app.ui.charts.base import bars, floats, quiet
from core.services.clinic.insights import Card
from core.services.clinic.patients import Baseline
from core.services.clinic.sessions import SessionRow
from core.settings import MEASURE_UNITS

LAST = 40


def history(rows: Sequence[SessionRow], card: Card, name: str, baseline: Baseline | None, zone: ZoneInfo) -> go.Figure:
    """Up to 40 sessions of a measure around the insight, its period shaded, its session ringed."""
    stop = next((i for i, r in enumerate(rows) if r.session == card.insight.last_session), len(rows) - 1) + 6
    shown = [r for r in rows[max(0, stop - LAST) : stop] if name in r.measures]
    x = formats.local_ms([r.started_at for r in shown], zone)
    value = floats(r.measures[name].value for r in shown)
    low = floats(r.measures[name].low for r in shown)
    high = floats(r.measures[name].high for r in shown)
    hollow = np.asarray([r.low_quality for r in shown], dtype=bool)
    colour = palette.measure(name)
    figure = go.Figure()
    ranged = np.isfinite(value) & np.isfinite(low) & np.isfinite(high)
    if ranged.any():
        wide = 0.003 * max(float(x[-1] - x[0]), 86_400_000.0)
        shape = bars(x[ranged], low[ranged], high[ranged], wide)
        figure.add_trace(go.Scatter(fillcolor=palette.transparent(colour, 0.35), **shape))
    figure.add_trace(
        go.Scatter(
            x=x,
            y=value,
            mode="lines+markers",
            line={"color": palette.transparent(colour, 0.6), "width": 1},
            marker={
                "color": colour,
                "size": 8,
                "symbol": np.where(hollow, "circle-open", "circle").tolist(),
                "line": {"width": 1.5},
            },
            hovertemplate="%{x|%-d %b %Y}: %{y:.2f}<extra></extra>",
        )
    )
    at = [i for i, r in enumerate(shown) if r.session == card.insight.last_session and np.isfinite(value[i])]
    if at:
        figure.add_trace(
            go.Scatter(
                x=x[at],
                y=value[at],
                mode="markers",
                marker={"symbol": "diamond-open", "size": 18, "color": palette.INK, "line": {"width": 2}},
                hoverinfo="skip",
            )
        )
    if baseline and baseline.low is not None and baseline.high is not None:
        place = {"xref": "paper", "x0": 0, "x1": 1, "layer": "below"}
        figure.add_shape(
            type="rect", y0=baseline.low, y1=baseline.high, fillcolor=palette.BAND, line={"width": 0}, **place
        )
        if baseline.mean is not None:
            dotted = {"color": palette.INK, "width": 1, "dash": "dot"}
            figure.add_shape(type="line", y0=baseline.mean, y1=baseline.mean, line=dotted, **place)
    start, end = formats.local_ms([card.insight.period_start, card.insight.period_end], zone)
    if end > start:
        figure.add_shape(
            type="rect", x0=start, x1=end, yref="paper", y0=0, y1=1, layer="below", fillcolor=palette.NOTE,
            line={"width": 0},
        )  # fmt: skip
    unit = MEASURE_UNITS.get(name, "")
    figure.update_layout(
        xaxis={
            "type": "date",
            "gridcolor": palette.GRID,
            "title": {"text": f"Date ({zone.key})", "font": {"size": 12}},
        },
        yaxis={
            "gridcolor": palette.GRID,
            "zeroline": False,
            "nticks": 5,
            "title": {
                "text": f"{formats.name(name)}, {'index 0-1' if unit == 'index' else unit}",
                "font": {"size": 12},
            },
        },
        dragmode=False,
    )
    return quiet(figure, 260, left=60, top=10)
