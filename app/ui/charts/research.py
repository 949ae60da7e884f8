"""Figures of research: scores by subject, confusion, ROC, calibration, learning curves and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.ui import formats, palette, wording
from app.ui.charts.base import label, quiet, thinned

# points of a curve that are drawn
MOST = 400
_TITLE = {"size": 12}
BEST, LINE = palette.CATEGORIES[0], palette.CATEGORIES[1]


def _axis(title: str, **more: Any) -> dict:
    return {"title": {"text": title, "font": _TITLE}, "gridcolor": palette.GRID, "zeroline": False} | more


def _shares(title: str, **more: Any) -> dict:
    return _axis(title, range=[-0.03, 1.03], dtick=0.25, fixedrange=True, **more)


def by_subject(each: Sequence[Mapping[str, Any]], mean: float, chance: Mapping[str, float]) -> go.Figure:
    """A dot for each subject over what a coin gives with that subject's trials; the mean, and what chance gives it."""
    found = sorted(each, key=lambda row: (row["balanced_accuracy"], row["subject"]))
    names = [formats.in_figure(row["subject"], 24) for row in found]
    figure = go.Figure()
    figure.add_trace(
        go.Bar(
            x=names, y=[row["high"] - row["low"] for row in found], base=[row["low"] for row in found],
            marker={"color": palette.BAND}, width=0.5, customdata=[(row["low"], row["high"]) for row in found],
            hovertemplate="%{x}: a coin gives %{customdata[0]:.2f}-%{customdata[1]:.2f}<extra></extra>",
        )
    )  # fmt: skip
    inside = [row["low"] <= row["balanced_accuracy"] <= row["high"] for row in found]
    figure.add_trace(
        go.Scatter(
            x=names, y=[row["balanced_accuracy"] for row in found], mode="markers", customdata=[r["n"] for r in found],
            marker={"size": 9, "color": BEST, "line": {"width": 1.5, "color": BEST},
                    "symbol": ["circle-open" if i else "circle" for i in inside]},
            hovertemplate="%{x}: %{y:.2f}, n = %{customdata}<extra></extra>", cliponaxis=False,
        )
    )  # fmt: skip
    figure.add_hrect(
        y0=chance["low"], y1=chance["high"], fillcolor=palette.transparent(LINE, 0.14), line_width=0, layer="below"
    )
    figure.add_hline(y=mean, line={"color": BEST, "width": 1.5})
    side: dict[str, Any] = {"x": 1.005, "xref": "paper", "yref": "y", "yanchor": "middle"}
    close = abs(mean - (chance["low"] + chance["high"]) / 2) < 0.06
    figure.add_annotation(label(f"mean {mean:.2f}", y=mean + 0.05 * close, **side))
    figure.add_annotation(label("chance, mean", y=(chance["low"] + chance["high"]) / 2 - 0.05 * close, **side))
    figure.update_layout(
        xaxis={"showgrid": False, "type": "category", "tickangle": -45 if len(names) > 12 else 0},
        yaxis=_shares("Balanced accuracy"), dragmode=False,
    )  # fmt: skip
    return quiet(figure, 320, right=96)


def confusion(cells: Sequence[Sequence[int]], names: Sequence[str], *, share: bool) -> go.Figure:
    """A row per true class, a column per predicted one: counts, or each row as per cent."""
    counts = np.asarray(cells, dtype=float)
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    shown = [[f"{100 * v:.0f} %" if share else f"{n:,.0f}" for v, n in zip(*row, strict=True)]
             for row in zip(shares, counts, strict=True)]  # fmt: skip
    figure = go.Figure(
        go.Heatmap(
            z=shares, x=list(names), y=list(names), zmin=0, zmax=1, colorscale=palette.SEQUENTIAL, xgap=3, ygap=3,
            customdata=counts, showscale=False,
            hovertemplate="true %{y}, predicted %{x}: %{customdata:,.0f}, %{z:.0%} of the row<extra></extra>",
        )
    )  # fmt: skip
    # Cividis grows lighter: white words below its middle and dark ones above it, 4:1 at the least
    for i, row in enumerate(shown):
        for j, text in enumerate(row):
            dark = palette.ON_LIGHT if shares[i, j] > 0.5 else palette.ON_DARK
            figure.add_annotation(x=j, y=i, text=text, showarrow=False, font={"size": 14, "color": dark})
    figure.update_layout(
        xaxis=_axis("Predicted", type="category", showgrid=False, fixedrange=True),
        yaxis=_axis("True", type="category", autorange="reversed", showgrid=False, fixedrange=True),
        dragmode=False,
    )
    return quiet(figure, 130 + 56 * len(names), left=64, top=10)


def _line(x: Sequence[float], y: Sequence[float], name: str, i: int = 0, **more: Any) -> go.Scatter:
    at = thinned(len(x), limit=MOST)
    return go.Scatter(
        x=np.asarray(x, dtype=np.float64)[at], y=np.asarray(y, dtype=np.float64)[at], mode="lines", name=name,
        line={"color": palette.measure("", i), "width": 2, "dash": palette.DASHES[i % 4]} | more.pop("line", {}),
        hovertemplate=f"{name}: %{{x:.2f}}, %{{y:.2f}}<extra></extra>", **more,
    )  # fmt: skip


def _legend(figure: go.Figure, shown: bool) -> go.Figure:
    figure.update_layout(showlegend=shown, legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0})
    return figure


def roc(curves: Sequence[Mapping[str, Any]]) -> go.Figure:
    """True against false positives; the diagonal is a coin."""
    figure = go.Figure(_line([0, 1], [0, 1], "coin", line={"color": palette.INK, "width": 1, "dash": "dot"}))
    for i, found in enumerate(curves):
        figure.add_trace(_line([0, *found["false_positive"]], [0, *found["recall"]], found["name"], i))
    figure.update_layout(
        xaxis=_shares("False positive rate", constrain="domain"),
        yaxis=_shares("True positive rate", scaleanchor="x", constrain="domain"), dragmode=False,
    )  # fmt: skip
    return _legend(quiet(figure, 380, top=34), len(curves) > 1)


def precision_recall(curves: Sequence[Mapping[str, Any]], n: int) -> go.Figure:
    """Precision against recall; dotted is the share of each class, which a coin reaches at any recall."""
    figure = go.Figure()
    for i, found in enumerate(curves):
        share = found["n_of"] / n
        figure.add_trace(
            _line([0, 1], [share, share], f"share of {found['name']}", i, showlegend=False,
                  line={"width": 1, "dash": "dot", "color": palette.INK})
        )  # fmt: skip
        x, y = [0, *found["recall"]], [found["precision"][0], *found["precision"]]
        figure.add_trace(_line(x, y, found["name"], i))
    figure.update_layout(
        xaxis=_shares("Recall", constrain="domain"),
        yaxis=_shares("Precision", scaleanchor="x", constrain="domain"), dragmode=False,
    )  # fmt: skip
    return _legend(quiet(figure, 380, top=34), len(curves) > 1)


def reliability(bins: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Share of High against the probability that was said; the dot's size is the number of trials."""
    figure = go.Figure(_line([0, 1], [0, 1], "exact", line={"color": palette.INK, "width": 1, "dash": "dot"}))
    n = np.array([b["n"] for b in bins], dtype=float)
    figure.add_trace(
        go.Scatter(
            x=[b["mean_p"] for b in bins], y=[b["share_high"] for b in bins], mode="lines+markers", customdata=n,
            line={"color": BEST, "width": 1.5}, marker={"size": 7 + 17 * np.sqrt(n / n.max()), "opacity": 0.85},
            hovertemplate="said %{x:.2f}, High in %{y:.2f}, n = %{customdata}<extra></extra>", cliponaxis=False,
        )
    )  # fmt: skip
    figure.update_layout(
        xaxis=_shares("Probability of High that was said", constrain="domain"),
        yaxis=_shares("Share of trials rated High", scaleanchor="x", constrain="domain"), dragmode=False,
    )  # fmt: skip
    return quiet(figure, 360)


def coverage_risk(points: Sequence[Mapping[str, float]]) -> go.Figure:
    """Error among the trials that are kept when the least certain go first."""
    figure = go.Figure(
        go.Scatter(
            x=[p["coverage"] for p in points], y=[p["risk"] for p in points], mode="lines+markers",
            customdata=[p["n"] for p in points], line={"color": BEST, "width": 2}, cliponaxis=False,
            hovertemplate="%{x:.0%} kept: %{y:.0%} wrong, n = %{customdata}<extra></extra>",
        )
    )  # fmt: skip
    top = max(0.5, *(p["risk"] for p in points)) + 0.03
    figure.update_layout(
        xaxis=_shares("Share of trials kept"), yaxis=_axis("Share wrong", range=[-0.02, top], fixedrange=True),
        dragmode=False,
    )  # fmt: skip
    return quiet(figure, 360)


def learning(folds: Mapping[str, Sequence[Mapping[str, Any]]], chosen: str | None = None) -> go.Figure:
    """Loss by epoch: training dashed, validation solid; with ``chosen`` that fold stands out from the others."""
    figure = go.Figure()
    for name, history in folds.items():
        for what, dash, i in (("train_loss", "dash", 1), ("valid_loss", "solid", 0)):
            found = [h for h in history if h.get(what) is not None]
            if not found:
                continue
            own = chosen is None or name == chosen
            figure.add_trace(
                go.Scatter(
                    x=[h["epoch"] for h in found], y=[h[what] for h in found], mode="lines",
                    line={"color": palette.CATEGORIES[i] if own else palette.FAINT, "dash": dash,
                          "width": 2 if chosen == name else 1.2},
                    hovertemplate=f"{formats.in_figure(name, 24)}, {what.replace('_', ' ')}: %{{y:.3f}}, epoch %{{x}}"
                    "<extra></extra>",
                )
            )  # fmt: skip
    last = max((h["epoch"] for history in folds.values() for h in history), default=1)
    figure.update_layout(xaxis=_axis("Epoch", **({"dtick": 1} if last <= 10 else {})), yaxis=_axis("Loss"))
    return quiet(figure, 340)


def values(each: Sequence[Mapping[str, Any]]) -> go.Figure:
    """The predicted value over the rating, all subjects together; the diagonal is exact."""
    at = thinned(len(each), limit=2 * MOST)
    ends = [min(e["label"] for e in each), max(e["label"] for e in each)]
    figure = go.Figure(_line(ends, ends, "exact", line={"color": palette.INK, "width": 1, "dash": "dot"}))
    figure.add_trace(
        go.Scatter(
            x=[each[i]["label"] for i in at], y=[each[i]["predicted"] for i in at], mode="markers",
            customdata=[formats.in_figure(each[i]["subject"], 24) for i in at],
            marker={"size": 7, "color": palette.transparent(BEST, 0.6)},
            hovertemplate="%{customdata}: rated %{x:.1f}, predicted %{y:.1f}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(xaxis=_axis("Rating"), yaxis=_axis("Predicted value"), dragmode=False)
    return quiet(figure, 360)


def forest(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Paired differences with their intervals, a row each: ``name``, ``value``, ``low``, ``high``, ``sure``.

    Filled where the difference is told apart from none after correction, hollow where it is not.
    """
    names = [formats.in_figure(row["name"], 60) for row in rows]
    found = np.array([row["value"] for row in rows], dtype=float)
    figure = go.Figure(
        go.Scatter(
            x=found, y=names, mode="markers", cliponaxis=False,
            error_x={"type": "data", "symmetric": False, "array": [r["high"] - r["value"] for r in rows],
                     "arrayminus": [r["value"] - r["low"] for r in rows], "color": BEST, "thickness": 1.8, "width": 5},
            marker={"size": 11, "color": BEST, "line": {"width": 2, "color": BEST},
                    "symbol": ["square" if r["sure"] else "square-open" for r in rows]},
            customdata=[(r["low"], r["high"]) for r in rows],
            hovertemplate="%{y}: %{x:+.3f} (%{customdata[0]:+.3f} to %{customdata[1]:+.3f})<extra></extra>",
        )
    )  # fmt: skip
    reach = max(0.05, *(abs(v) for r in rows for v in (r["low"], r["high"]))) * 1.15
    figure.add_vline(x=0, line={"color": palette.INK, "width": 1.2, "dash": "dot"})
    figure.update_layout(
        xaxis=_axis("Difference in balanced accuracy", range=[-reach, reach], fixedrange=True, tickformat="+.2f"),
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category", "automargin": True, "fixedrange": True},
        dragmode=False,
    )  # fmt: skip
    return quiet(figure, 100 + 36 * len(rows), top=10)


def lines(scores: Mapping[str, Mapping[str, float | None]], *, difference: bool = False) -> go.Figure:
    """A line for each subject over things that were compared; the thick line is the mean of each."""
    names = list(scores)
    figure = go.Figure()
    for subject in sorted({s for each in scores.values() for s in each}):
        figure.add_trace(
            go.Scatter(
                x=names, y=[scores[n].get(subject) for n in names], mode="lines+markers",
                line={"color": palette.FAINT, "width": 1}, marker={"size": 5, "color": palette.INK},
                hovertemplate=f"{formats.in_figure(subject, 24)}, %{{x}}: %{{y:.2f}}<extra></extra>",
            )
        )  # fmt: skip
    known = {n: [v for v in each.values() if v is not None] for n, each in scores.items()}
    figure.add_trace(
        go.Scatter(
            x=names, y=[float(np.mean(known[n])) if known[n] else None for n in names], mode="lines+markers",
            line={"color": BEST, "width": 3}, marker={"size": 10, "symbol": "diamond"}, cliponaxis=False,
            hovertemplate="mean, %{x}: %{y:.2f}<extra></extra>",
        )
    )  # fmt: skip
    up = _axis("Difference in balanced accuracy", tickformat="+.2f", fixedrange=True)
    figure.update_layout(
        xaxis={"type": "category", "showgrid": False, "fixedrange": True, "range": [-0.4, len(names) - 0.6]},
        yaxis=up if difference else _shares("Balanced accuracy"), dragmode=False,
    )  # fmt: skip
    if difference:
        figure.add_hline(y=0, line={"color": palette.INK, "width": 1.2, "dash": "dot"})
    return quiet(figure, 340)


def splits(rows: Sequence[Mapping[str, Any]], chance: Mapping[str, float] | None) -> go.Figure:
    """The same pipeline under leaky and clean splits: ``name``, ``value``, ``low``, ``high``, ``leaky``.

    A leaky split is hollow on a shaded, watermarked ground; dotted is a coin, the band its interval where it is known.
    """
    names = [formats.in_figure(row["name"], 40) for row in rows]
    value = np.array([row["value"] for row in rows], dtype=float)
    ends = np.array([[row["low"], row["high"]] for row in rows], dtype=float)
    figure = go.Figure(
        go.Scatter(
            x=names, y=value, mode="markers", cliponaxis=False,
            error_y={"type": "data", "symmetric": False, "array": np.nan_to_num(ends[:, 1] - value),
                     "arrayminus": np.nan_to_num(value - ends[:, 0]), "color": BEST, "thickness": 1.8, "width": 6},
            marker={"size": 12, "color": BEST, "line": {"width": 2, "color": BEST},
                    "symbol": ["diamond-open" if row["leaky"] else "circle" for row in rows]},
            hovertemplate="%{x}: %{y:.3f}<extra></extra>",
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=names, y=np.fmax(ends[:, 1], value), mode="text", text=[f"{v:.2f}" for v in value], hoverinfo="skip",
            textposition="top center", textfont={"size": 13}, cliponaxis=False,
        )
    )  # fmt: skip
    for i, row in enumerate(rows):
        if row["leaky"]:
            figure.add_vrect(x0=i - 0.5, x1=i + 0.5, fillcolor=palette.SHADE, line_width=0, layer="below")
            figure.add_annotation(
                x=i, y=0.2, text=wording.LEAKY_MARK, showarrow=False, textangle=-90,
                font={"size": 24, "color": palette.FAINT},
            )  # fmt: skip
    if chance is not None:
        figure.add_hrect(y0=chance["low"], y1=chance["high"], fillcolor=palette.BAND, line_width=0, layer="below")
    return _beside_chance(figure, len(names), 340)


def _beside_chance(figure: go.Figure, n: int, height: int) -> go.Figure:
    """The frame of balanced accuracies of ``n`` named columns: the line of a coin, and axes that stay."""
    figure.add_hline(y=0.5, line={"color": palette.INK, "width": 1.2, "dash": "dot"})
    figure.add_annotation(label("chance", x=1.005, y=0.5, yref="y", yanchor="middle"))
    figure.update_layout(
        xaxis={"showgrid": False, "type": "category", "fixedrange": True, "range": [-0.5, n - 0.5]},
        yaxis=_shares("Balanced accuracy"), dragmode=False,
    )  # fmt: skip
    return quiet(figure, height, right=70)


def protocols(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Leaky protocols of others re-enacted (hollow, watermarked) beside left-out people (full): ``name``, ``score``,
    ``honest``."""
    names = [formats.in_figure(row["name"], 24) for row in rows]
    figure = go.Figure()
    for name, row in zip(names, rows, strict=True):
        figure.add_trace(
            go.Scatter(
                x=[name, name], y=[row["honest"], row["score"]], mode="lines+markers", showlegend=False,
                line={"color": palette.INK, "width": 1}, cliponaxis=False, customdata=["left-out people", "LEAKY"],
                marker={"size": 12, "color": BEST, "symbol": ["circle", "diamond-open"],
                        "line": {"width": 2, "color": BEST}},
                hovertemplate="%{x}, %{customdata}: %{y:.3f}<extra></extra>",
            )
        )  # fmt: skip
    figure.add_annotation(
        x=0.5, y=0.12, xref="paper", text=wording.LEAKY_MARK, showarrow=False,
        font={"size": 44, "color": palette.FAINT},
    )  # fmt: skip
    return _beside_chance(figure, len(names), 320)
