"""The affect plane: where the last sessions lie between valence and arousal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.ui import formats, palette
from app.ui.charts.base import quiet
from core.services.clinic.patients import Baseline
from core.services.clinic.sessions import SessionRow

PATH = 10
PLACES = ("top center", "middle right", "bottom center", "middle left")
CORNERS = (("LAHV", 0.98, 0.02, "right", "bottom"), ("HAHV", 0.98, 0.98, "right", "top"),
           ("HALV", 0.02, 0.98, "left", "top"), ("LALV", 0.02, 0.02, "left", "bottom"))  # fmt: skip


def points(rows: Sequence[SessionRow], limit: int = PATH) -> list[tuple[SessionRow, float, float, float | None]]:
    """The last sessions with valence and arousal: row, valence, arousal, dominance (None where not computed)."""
    found = []
    for row in rows:
        v, a, d = (row.measures.get(m) for m in ("valence", "arousal", "dominance"))
        if v and a and v.value is not None and a.value is not None:
            found.append((row, v.value, a.value, d.value if d else None))
    return found[-limit:]


def own_range(baseline: Baseline | None) -> tuple[float, float] | None:
    """Both ends of the own range, or None while there is none."""
    if baseline is None or baseline.low is None or baseline.high is None:
        return None
    return baseline.low, baseline.high


def affect_plane(rows: Sequence[SessionRow], baselines: Mapping[str, Baseline]) -> go.Figure:
    """A fading, numbered path of the last ten sessions; dominance is the size; the ellipse is the own range."""
    path = points(rows)
    figure = go.Figure()
    across, up = own_range(baselines.get("valence")), own_range(baselines.get("arousal"))
    if across and up and not (formats.whole_scale(*across) and formats.whole_scale(*up)):
        angle = np.linspace(0, 2 * np.pi, 73)
        # half axes are the half ranges, so the ellipse stays inside the box of both own ranges
        figure.add_trace(
            go.Scatter(
                x=sum(across) / 2 + (across[1] - across[0]) / 2 * np.cos(angle),
                y=sum(up) / 2 + (up[1] - up[0]) / 2 * np.sin(angle),
                mode="lines",
                fill="toself",
                fillcolor=palette.BAND,
                line={"color": palette.INK, "width": 1, "dash": "dot"},
                hoverinfo="skip",
            )
        )
    if path:
        n = len(path)
        fade = np.linspace(0.25, 1.0, n) if n > 1 else np.ones(1)
        xs = np.asarray([p[1] for p in path])
        ys = np.asarray([p[2] for p in path])
        size = [12 if p[3] is None else 7 + 14 * p[3] for p in path]
        figure.add_trace(
            go.Scatter(
                x=xs, y=ys, mode="lines", line={"color": palette.FAINT, "width": 1.5},
                hoverinfo="skip",
            )
        )  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=xs,
                y=ys,
                mode="markers+text",
                text=[str(i + 1) for i in range(n)],
                # turned about, so that the numbers of a cluster do not all fall on each other
                textposition=[PLACES[i % len(PLACES)] for i in range(n)],
                textfont={"size": 11},
                cliponaxis=False,
                customdata=[p[0].session for p in path],
                marker={
                    "size": size,
                    "color": [palette.transparent(palette.CATEGORIES[0], f) for f in fade],
                    "line": {"width": [0] * (n - 1) + [2.5], "color": palette.CATEGORIES[1]},
                },
                hovertemplate="%{customdata}<br>valence %{x:.2f}, arousal %{y:.2f}<extra></extra>",
                selected={"marker": {"opacity": 1}},
                unselected={"marker": {"opacity": 1}},
            )
        )
    axis = {"range": [-0.03, 1.03], "dtick": 0.25, "gridcolor": palette.GRID, "zeroline": False, "fixedrange": True}
    figure.update_layout(
        xaxis=axis | {"title": {"text": "Valence, index 0-1", "font": {"size": 12}}, "constrain": "domain"},
        yaxis=axis
        | {"title": {"text": "Arousal, index 0-1", "font": {"size": 12}}, "scaleanchor": "x", "constrain": "domain"},
        clickmode="event+select",
        dragmode=False,
    )
    for cut in ({"x0": 0.5, "x1": 0.5, "y0": 0, "y1": 1}, {"y0": 0.5, "y1": 0.5, "x0": 0, "x1": 1}):
        figure.add_shape(type="line", layer="below", line={"color": palette.FAINT, "width": 1}, **cut)
    for text, x, y, xanchor, yanchor in CORNERS:
        figure.add_annotation(
            text=text, x=x, y=y, xanchor=xanchor, yanchor=yanchor, showarrow=False,
            font={"size": 11, "color": palette.INK},
        )  # fmt: skip
    return quiet(figure, 330, left=48, right=8, top=8)
