"""What a model used: contributions of a session by name, of its windows, and attention over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.ui import palette
from app.ui.charts.base import quiet


def contribution_bars(names: Sequence[str], values: Sequence[float], *, signed: bool, unit: str) -> go.Figure:
    """A bar per name, the largest on top; signed ones lie right of zero where they raise the index, left where not."""
    # as in the strip below: blue lowers, orange raises
    colours = [palette.CATEGORIES[1] if signed and v >= 0 else palette.CATEGORIES[0] for v in values]
    digits = 3 if max((abs(v) for v in values), default=1.0) < 0.1 else 2
    text = [f"{v:+z.{digits}f}" if signed else f"{v:z.{digits}f}" for v in values]
    figure = go.Figure(
        go.Bar(
            x=list(values), y=list(names), orientation="h", marker={"color": colours}, text=text,
            textposition="outside", cliponaxis=False, hovertemplate="%{y}: %{text}<extra></extra>",
        )
    )  # fmt: skip
    reach = max((abs(v) for v in values), default=1.0) * 1.2 or 1.0
    figure.update_layout(
        xaxis={
            "title": {"text": unit, "font": {"size": 12}},
            "gridcolor": palette.GRID,
            "zerolinecolor": palette.INK,
            "range": [-reach if min(values, default=0) < 0 else 0, reach],
            "fixedrange": True,
        },
        yaxis={"autorange": "reversed", "showgrid": False, "fixedrange": True, "automargin": True},
        dragmode=False,
    )
    return quiet(figure, 76 + 30 * len(names), left=90, right=40, top=10)


def contribution_strip(
    onset_s: Sequence[float], duration_s: float, windows: Mapping[str, Sequence[float]]
) -> go.Figure:
    """A row per name, a cell per window: blue lowers the index, orange raises it, white changes nothing."""
    z = np.array(list(windows.values()), dtype=np.float32)
    reach = float(np.abs(z).max()) or 1.0
    figure = go.Figure(
        go.Heatmap(
            z=z,
            x=np.asarray(onset_s, dtype=np.float64) + duration_s / 2,
            y=list(windows),
            zmin=-reach,
            zmax=reach,
            colorscale=[list(stop) for stop in palette.DIVERGING],
            ygap=3,
            hovertemplate="%{y} %{z:+.2f}, centre of window %{x:.0f} s<extra></extra>",
            colorbar={"title": {"text": "logit"}, "thickness": 10, "len": 1.0, "outlinewidth": 0},
        )
    )
    figure.update_layout(
        xaxis={
            "title": {"text": "Centre of the window, seconds from the start of the recording", "font": {"size": 12}},
            "showgrid": False,
        },
        yaxis={"autorange": "reversed", "showgrid": False, "fixedrange": True, "automargin": True},
        dragmode="zoom",
    )
    return quiet(figure, 90 + 28 * len(windows), left=90, top=10)


def attention_line(x: Sequence[float], weight: Sequence[float], title: str) -> go.Figure:
    """The model's own weight over time; 1 is an equal share."""
    figure = go.Figure(
        go.Scatter(
            x=list(x), y=list(weight), mode="lines+markers", line={"color": palette.CATEGORIES[0]},
            hovertemplate="%{y:.2f} at %{x:.3g}<extra></extra>",
        )
    )  # fmt: skip
    figure.add_hline(y=1.0, line={"color": palette.INK, "width": 1, "dash": "dash"})
    figure.update_layout(
        xaxis={"title": {"text": title, "font": {"size": 12}}, "gridcolor": palette.GRID},
        yaxis={
            "title": {"text": "Weight, 1 is an equal share", "font": {"size": 12}},
            "gridcolor": palette.GRID,
            "rangemode": "tozero",
        },
        dragmode=False,
    )
    return quiet(figure, 240, top=10)
