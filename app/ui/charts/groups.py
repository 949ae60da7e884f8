"""Two groups of people: how their scores lie, and a dot per subject for each outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.ui import formats, palette
from app.ui.charts.base import quiet

BINS = 12
# half the width over which the dots of a group are spread, in groups
SPREAD = 0.28


def score_histogram(scores: Mapping[str, float], edges: tuple[float, float], name: str) -> go.Figure:
    """How many subjects have which score, with the edges between the groups."""
    values = np.array(list(scores.values()), dtype=float)
    counts, bins = np.histogram(values, bins=BINS)
    figure = go.Figure(
        go.Bar(
            x=(bins[:-1] + bins[1:]) / 2, y=counts, width=np.diff(bins) * 0.94, marker={"color": palette.CATEGORIES[0]},
            customdata=np.column_stack([bins[:-1], bins[1:]]),
            hovertemplate="%{customdata[0]:.4g} to %{customdata[1]:.4g}: %{y} subjects<extra></extra>",
        )
    )  # fmt: skip
    for edge in sorted(set(edges)):
        figure.add_vline(x=edge, line={"color": palette.INK, "width": 1.5, "dash": "dash"})
    figure.update_layout(
        xaxis={"title": {"text": f"Score {formats.in_figure(name)}", "font": {"size": 12}}, "gridcolor": palette.GRID},
        yaxis={
            "title": {"text": "Subjects", "font": {"size": 12}},
            "gridcolor": palette.GRID,
            "dtick": max(1, int(np.ceil(counts.max() / 5))),
        },
        dragmode=False,
    )
    return quiet(figure, 240, top=10)


def group_dots(values: Mapping[str, float | None], high: Sequence[str], low: Sequence[str], outcome: str) -> go.Figure:
    """A dot per subject, Low and High side by side, each with its mean as a line."""
    figure = go.Figure()
    shown = [("Low", low, "triangle-down"), ("High", high, "triangle-up")]
    labels = []
    for i, (name, subjects, symbol) in enumerate(shown):
        there = [(s, v) for s in subjects if (v := values.get(s)) is not None]
        labels.append(f"{name}, n = {len(there)}")
        if not there:
            continue
        y = np.array([v for _, v in there], dtype=float)
        # in order of name, so that the same subject lies in the same place for every outcome
        x = i + (np.linspace(-SPREAD, SPREAD, len(y)) if len(y) > 1 else np.zeros(1))
        figure.add_trace(
            go.Scatter(
                x=x, y=y, mode="markers", customdata=[formats.in_figure(s) for s, _ in there],
                marker={"color": palette.CATEGORIES[i], "symbol": symbol, "size": 9},
                hovertemplate=f"%{{customdata}}: %{{y:.4g}}<extra>{name}</extra>",
            )
        )  # fmt: skip
        figure.add_shape(
            type="line", x0=i - 0.36, x1=i + 0.36, y0=float(y.mean()), y1=float(y.mean()),
            line={"color": palette.INK, "width": 2},
        )  # fmt: skip
    figure.update_layout(
        xaxis={"tickvals": [0, 1], "ticktext": labels, "range": [-0.6, 1.6], "showgrid": False, "fixedrange": True},
        yaxis={
            "title": {"text": formats.in_figure(outcome, 60), "font": {"size": 12}},
            "gridcolor": palette.GRID,
            "zeroline": False,
        },
        dragmode=False,
    )
    return quiet(figure, 320, left=64, top=10)
