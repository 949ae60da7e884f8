"""The heat strip of a session's windows."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from app.ui import formats, palette
from app.ui.charts.base import quiet
from core.services.clinic.sessions import WindowSeries


def window_strip(series: WindowSeries) -> go.Figure:
    """One row per target, one cell per window; a gap where a window was not usable."""
    targets = list(series.proba)
    z = np.vstack([np.where(series.usable, series.proba[t], np.nan) for t in targets]).astype(np.float32)
    figure = go.Figure(
        go.Heatmap(
            z=z,
            x=np.asarray(series.onset_s, dtype=np.float64) + series.duration_s / 2,
            y=[formats.name(t) for t in targets],
            zmin=0,
            zmax=1,
            colorscale=palette.SEQUENTIAL,
            ygap=4,
            hoverongaps=False,
            hovertemplate="%{y} %{z:.2f}, centre of window %{x:.0f} s<extra></extra>",
            colorbar={"title": {"text": "index"}, "thickness": 10, "len": 1.0, "outlinewidth": 0},
        )
    )
    figure.update_layout(
        xaxis={
            "title": {"text": "Centre of the window, seconds from the start of the recording", "font": {"size": 12}},
            "showgrid": False,
        },
        yaxis={"autorange": "reversed", "showgrid": False, "fixedrange": True},
        dragmode="zoom",
    )
    return quiet(figure, 90 + 52 * len(targets), left=90, top=10)
