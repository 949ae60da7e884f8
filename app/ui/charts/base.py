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
        plot_bgcolor="rgba(0,0,0,0)",
        paper_bgcolor="rgba(0,0,0,0)",
    )
    return figure


def stems(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertical lines as one path: x and y of shape (3 n,), a gap after each line."""
    xs = np.repeat(np.asarray(x, dtype=np.float64), 3)
    ys = np.full(3 * len(low), np.nan)
    ys[0::3], ys[1::3] = low, high
    return xs, ys


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
