"""What the figures share: a quiet layout and lines with gaps drawn as one path."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import plotly.graph_objects as go

from app.ui import palette

MAX_POINTS = 1000


def quiet(figure: go.Figure, height: int, *, right: int = 16, left: int = 56, top: int = 20) -> go.Figure:
    """No frame, faint grid, no legend; ``height`` in px."""
    figure.update_layout(
        height=height,
        margin={"l": left, "r": right, "t": top, "b": 36},
        showlegend=False,
        hoverlabel={"namelength": -1},
        uirevision="fixed",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": palette.INK, "activecolor": palette.CATEGORIES[0]},
        plot_bgcolor="rgba(0,0,0,0)",
        paper_bgcolor="rgba(0,0,0,0)",
    )
    return figure


def bars(x: np.ndarray, low: np.ndarray, high: np.ndarray, half_width: float) -> dict:
    """Upright bars as one filled path, for a Scatter: a browser draws one path at once, thousands in seconds.

    ``x`` and ``half_width`` are in ms; float32 is exact to two minutes there, which no screen shows.
    """
    xs = np.full((len(x), 5), np.nan, dtype=np.float32)
    ys = np.full((len(x), 5), np.nan, dtype=np.float32)
    xs[:, :4] = np.asarray(x)[:, None] + half_width * np.array([-1.0, 1.0, 1.0, -1.0])
    ys[:, 0] = ys[:, 1] = low
    ys[:, 2] = ys[:, 3] = high
    return {"x": xs.ravel(), "y": ys.ravel(), "mode": "none", "fill": "toself", "hoverinfo": "skip"}


def diamonds(x: np.ndarray, y: np.ndarray, half_width: float, half_height: float) -> dict:
    """Small diamonds as one filled path, for a Scatter; see ``bars``."""
    xs = np.full((len(x), 5), np.nan, dtype=np.float32)
    ys = np.full((len(x), 5), np.nan, dtype=np.float32)
    xs[:, :4] = np.asarray(x)[:, None] + half_width * np.array([-1.0, 0.0, 1.0, 0.0])
    ys[:, :4] = np.asarray(y)[:, None] + half_height * np.array([0.0, 1.0, 0.0, -1.0])
    return {"x": xs.ravel(), "y": ys.ravel(), "mode": "none", "fill": "toself", "hoverinfo": "skip"}


def floats(values: Iterable[float | None]) -> np.ndarray:
    """Numbers with NaN where there is none."""
    return np.asarray([np.nan if v is None else v for v in values], dtype=np.float64)


def thinned(n: int, keep: Iterable[int] = (), limit: int = MAX_POINTS) -> np.ndarray:
    """Indices of at most about ``limit`` of n points, evenly chosen; ``keep`` always stay."""
    if n <= limit:
        return np.arange(n)
    even = np.linspace(0, n - 1, limit).round().astype(int)
    return np.unique(np.concatenate([even, np.asarray(list(keep), dtype=int)]))


def nice(value: float) -> float:
    """The next number of the form 1, 2 or 5 times a power of ten that is not smaller."""
    if not np.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999))


def label(text: str, x: float, y: float, **more) -> dict:
    """A quiet annotation in paper coordinates, left and bottom aligned unless told."""
    return {
        "text": text,
        "x": x,
        "y": y,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 12, "color": palette.INK},
    } | more
