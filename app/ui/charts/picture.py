"""A figure as a file: what plotly draws in the browser, drawn once more on the server by matplotlib, as PNG and SVG.

Plotly itself needs a browser for this, which is no part of a server. Drawn is what our figures are made of: lines,
markers, filled paths, bars, cells, intervals, shapes and words. Anything else is a TypeError, so that no figure leaves
with a part of it missing.
"""

from __future__ import annotations

import html
import io
import re
import textwrap
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.ui import palette

# a pixel of the screen is a hundredth of an inch on paper, and so many points
WIDTH_PX, POINT, DPI = 960, 0.72, 200
INK = "#222222"
_DASHES: Mapping[Any, Any] = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", None: "-"}
_SYMBOLS: Mapping[Any, str] = {
    "circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "triangle-down": "v", "star": "*", "x": "x",
    "x-thin": "x",
}  # fmt: skip
_HORIZONTAL = {"left": "left", "right": "right", "center": "center", "auto": "center", None: "center"}
_VERTICAL = {"top": "top", "bottom": "bottom", "middle": "center", "auto": "center", None: "center"}
# what DejaVu lacks is drawn by these where the machine has them; the text of the SVG needs none of them
_MORE_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "PingFang SC", "Microsoft YaHei", "Malgun Gothic", "Unifont")
_DAY_MS = 86_400_000.0
_lock = threading.Lock()


def files(figure: go.Figure, title: str, caption: str) -> dict[str, bytes]:
    """The figure with its title and caption, by ending: png and svg; the same figure gives the same bytes."""
    import matplotlib
    from matplotlib import font_manager
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    there = set(font_manager.get_font_names())
    rules: Any = {
        "svg.hashsalt": "affectline", "svg.fonttype": "none", "text.parse_math": False,
        "font.family": ["DejaVu Sans", *(f for f in _MORE_FONTS if f in there)],
    }  # fmt: skip
    with _lock, matplotlib.rc_context(rules):
        drawn = _Picture(figure, title, caption).sheet
        FigureCanvasAgg(drawn)
        out = {}
        for ending, about in (("png", {"Software": "Affectline"}), ("svg", {"Date": None, "Creator": "Affectline"})):
            buffer = io.BytesIO()
            drawn.savefig(buffer, format=ending, dpi=DPI, metadata=about, facecolor="white")
            out[ending] = buffer.getvalue()
    return out


def colour(value: Any, other: str = INK) -> Any:
    """A colour of plotly as one of matplotlib."""
    if value is None:
        return other
    found = re.fullmatch(r"rgba\((\d+), (\d+), (\d+), ([\d.]+)\)", str(value))
    if not found:
        return value
    *rgb, alpha = (float(v) for v in found.groups())
    return (*(v / 255 for v in rgb), alpha)


def words(text: Any) -> str:
    """Text of plotly without its tags."""
    return html.unescape(re.sub(r"</?\w+>", "", str(text or "").replace("<br>", "\n")))


def each(value: Any, n: int, other: Any) -> list:
    """A value for each of n points."""
    if value is None:
        return [other] * n
    return [value] * n if isinstance(value, str | int | float) else list(value)


class _Axis:
    """An axis of a figure: from the values of a trace to numbers."""

    def __init__(self, layout: Any, values: Sequence[Any]) -> None:
        self.layout = layout
        texts = [v for column in values for v in column if isinstance(v, str)]
        self.date = layout.type == "date"
        self.names = None if self.date or not (texts or layout.type == "category") else list(
            dict.fromkeys(str(v) for column in values for v in column)
        )  # fmt: skip

    def numbers(self, values: Any) -> np.ndarray:
        """Places of values: of a category its position, of a time its day."""
        if self.names is not None:
            own = {name: i for i, name in enumerate(self.names)}
            return np.array([own[v] if isinstance(v, str) else v for v in values], dtype=float)
        found = np.array([np.nan if v is None else v for v in values])
        if self.date and found.dtype.kind not in "OUSM":
            return found.astype(float) / _DAY_MS
        return found.astype("datetime64[ms]").astype(float) / _DAY_MS if self.date else found.astype(float)

    def one(self, value: Any) -> float:
        """The place of one value."""
        return float(self.numbers([value])[0])


class _Picture:
    """A sheet of matplotlib on which a figure is drawn."""

    def __init__(self, figure: go.Figure, title: str, caption: str) -> None:
        from matplotlib.figure import Figure

        unknown = {t.type for t in figure.data} - {"scatter", "bar", "heatmap"}
        if unknown:
            raise TypeError(f"no picture is made of a trace of {', '.join(sorted(unknown))}")
        self.figure, self.layout = figure, figure.layout
        known = self.layout.to_plotly_json()
        names = ["xaxis", *(n for n in known if n.startswith("yaxis") and n != "yaxis")]
        names.insert(1, "yaxis")
        self.axes = {self._ref(n): _Axis(self.layout[n], self._values(self._ref(n))) for n in names}
        self.x = self.axes["x"]
        lines = [*textwrap.wrap(title, 90), *textwrap.wrap(caption, 140)]
        head = 18 + 18 * len(lines) + 24 * bool(self.layout.showlegend)
        margin, height = self.layout.margin, float(self.layout.height or 320)
        left, right = self._left(margin.l or 56), (margin.r or 16) + 60 * self._scaled()
        foot = (margin.b or 36) + 24 + (40 if self.x.layout.tickangle else 0)
        top = head + (margin.t or 20)
        whole = top + height + foot - (margin.b or 36)
        self.sheet = Figure(figsize=(WIDTH_PX / 100, whole / 100))
        for i, line in enumerate(lines):
            size = 13 if i < len(textwrap.wrap(title, 90)) else 9
            self.sheet.text(12 / WIDTH_PX, 1 - (20 + 18 * i) / whole, words(line), fontsize=size, color=INK)
        self.place = (left / WIDTH_PX, foot / whole, 1 - (left + right) / WIDTH_PX, 1 - (foot + top) / whole)
        self.paper = self.sheet.add_axes(self.place, frameon=False, xticks=[], yticks=[])
        self.parts = {ref: self._part(axis) for ref, axis in self.axes.items() if ref != "x"}
        for trace in figure.data:
            self._trace(trace)
        for ref, part in self.parts.items():
            self._finish(part, self.axes[ref], ref)
        for shape in self.layout.shapes:
            self._shape(shape)
        for note in self.layout.annotations:
            self._note(note)
        self._legend()

    # --- the sheet
    def _ref(self, name: str) -> str:
        return name.replace("axis", "")

    def _values(self, ref: str) -> list[Any]:
        """What the traces of an axis have along it."""
        side = ref[0]
        own = [t for t in self.figure.data if side == "x" or (t.yaxis or "y") == ref]
        return [v for t in own if (v := getattr(t, side)) is not None]

    def _left(self, least: float) -> float:
        """Room for the labels of the upright axis, in pixels."""
        names = self.axes["y"].names or ()
        titled = 78.0 if self.axes["y"].layout.title.text else 0.0
        return max([least, titled, *(7 * min(len(words(n)), 60) + 24 for n in names)])

    def _scaled(self) -> bool:
        return any(t.type == "heatmap" and t.showscale is not False for t in self.figure.data)

    def _part(self, axis: _Axis) -> Any:
        """The stretch of the sheet of one upright axis."""
        x, y, width, height = self.place
        low, high = axis.layout.domain or (0.0, 1.0)
        part = self.sheet.add_axes((x, y + low * height, width, (high - low) * height))
        part.patch.set_visible(False)
        for side in part.spines.values():
            side.set_visible(False)
        if axis.layout.scaleanchor:
            part.set_aspect("equal", adjustable="box")
        return part

    # --- traces
    def _trace(self, trace: Any) -> None:
        part, y = self.parts[trace.yaxis or "y"], self.axes[trace.yaxis or "y"]
        {"scatter": self._scatter, "bar": self._bar, "heatmap": self._cells}[trace.type](part, y, trace)

    def _scatter(self, part: Any, axis: _Axis, trace: Any) -> None:
        y = axis.numbers(trace.y)
        x = self.x.numbers(trace.x) if trace.x is not None else trace.x0 + trace.dx * np.arange(len(y))
        mode, clip = trace.mode or "lines", trace.cliponaxis is not False
        edge, wide = colour(trace.line.color, "none"), POINT * (2 if trace.line.width is None else trace.line.width)
        if trace.fill == "toself":
            _polygons(part, x, y, colour(trace.fillcolor))
        if "lines" in mode:
            part.plot(x, y, color=colour(trace.line.color), linewidth=wide, linestyle=_DASHES[trace.line.dash],
                      label=words(trace.name), clip_on=clip, zorder=2)  # fmt: skip
        for error, along in ((trace.error_x, "xerr"), (trace.error_y, "yerr")):
            if error.array is not None:
                ends = np.array([error.arrayminus, error.array], dtype=float)
                part.errorbar(x, y, **{along: ends}, fmt="none", ecolor=colour(error.color, edge), capsize=3,
                              elinewidth=POINT * (error.thickness or 2), zorder=3)  # fmt: skip
        if "markers" in mode:
            _markers(part, x, y, trace.marker, clip)
        if "text" in mode:
            places = each(trace.textposition, len(x), "middle center")
            for at, up, text, place in zip(x, y, each(trace.text, len(x), ""), places, strict=True):
                _beside(part, at, up, words(text), place, trace.textfont)

    def _bar(self, part: Any, axis: _Axis, trace: Any) -> None:
        lying = trace.orientation == "h"
        x, y = self.x.numbers(trace.x), axis.numbers(trace.y)
        n = len(x)
        fill = [colour(c) for c in each(trace.marker.color, n, palette.CATEGORIES[0])]
        thick = np.array(each(trace.width, n, 0.8), dtype=float)
        start = np.array(each(trace.base, n, 0.0), dtype=float)
        if lying:
            part.barh(y, x, height=thick, left=start, color=fill, zorder=2)
        else:
            part.bar(x, y, width=thick, bottom=start, color=fill, zorder=2)
        for at, up, text in zip(x, y, each(trace.text, n, None), strict=True):
            if text is not None:
                _beside(part, at, up, words(text), "middle right" if at >= 0 else "middle left", trace.textfont)

    def _cells(self, part: Any, axis: _Axis, trace: Any) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        z = np.array(trace.z, dtype=float)
        x, y = self.x.numbers(trace.x), axis.numbers(trace.y)
        stops = [(float(at), colour(own)) for at, own in trace.colorscale]
        scale = LinearSegmentedColormap.from_list("own", stops)
        gap = POINT * (trace.ygap or 0)
        mesh = part.pcolormesh(_edges(x), _edges(y), np.ma.masked_invalid(z), cmap=scale, vmin=trace.zmin,
                               vmax=trace.zmax, edgecolors="white", linewidth=gap)  # fmt: skip
        if trace.text is not None:
            middle = ((trace.zmin or 0) + (trace.zmax or 1)) / 2
            for i, row in enumerate(trace.text):
                for k, text in enumerate(row):
                    ink = "black" if z[i, k] > middle else "white"
                    part.text(x[k], y[i], words(text), ha="center", va="center", color=ink, fontsize=10)
        if trace.showscale is not False:
            left, bottom, width, height = self.place
            bar = self.sheet.add_axes((left + width + 0.012, bottom, 0.012, height))
            self.sheet.colorbar(mesh, cax=bar).ax.tick_params(labelsize=8)
            bar.set_title(words(trace.colorbar.title.text), fontsize=8)

    # --- axes
    def _finish(self, part: Any, axis: _Axis, ref: str) -> None:
        """Ranges, ticks and titles; the level axis is told below the lowest stretch alone."""
        lowest = min(self.parts, key=lambda r: (self.axes[r].layout.domain or (0, 1))[0])
        self._side(part, self.x, "x", ref == lowest)
        self._side(part, axis, "y", True)

    def _side(self, part: Any, axis: _Axis, side: str, told: bool) -> None:
        layout = axis.layout
        along = part.xaxis if side == "x" else part.yaxis
        limits = part.set_xlim if side == "x" else part.set_ylim
        found = part.get_xlim() if side == "x" else part.get_ylim()
        if layout.range is not None:
            found = axis.numbers(layout.range) if axis.names is None else np.array(layout.range, dtype=float)
        elif axis.names is not None:
            found = np.array([-0.5, len(axis.names) - 0.5])
        elif layout.rangemode == "tozero":
            found = np.array([min(0.0, found[0]), found[1]])
        limits(*(found[::-1] if layout.autorange == "reversed" else found))
        self._ticks(along, axis)
        if layout.showgrid is not False:
            along.grid(True, color="#D9DDE1", linewidth=0.6)
        part.set_axisbelow(True)
        shown = told and layout.showticklabels is not False
        angle = 45 if side == "x" and layout.tickangle else 0
        part.tick_params(axis=side, length=0, labelsize=8.5, labelcolor=INK, rotation=angle,
                         **{"labelbottom" if side == "x" else "labelleft": shown})  # fmt: skip
        if told and layout.title.text:
            along.set_label_text(words(layout.title.text), fontsize=9, color=INK)

    def _ticks(self, along: Any, axis: _Axis) -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
        from matplotlib.ticker import MaxNLocator, MultipleLocator

        layout = axis.layout
        if layout.tickvals is not None:
            texts = layout.ticktext if layout.ticktext is not None else [
                f"{v:g}{layout.ticksuffix or ''}" for v in layout.tickvals
            ]  # fmt: skip
            along.set_ticks(axis.numbers(layout.tickvals), [words(t) for t in texts])
        elif axis.names is not None:
            along.set_ticks(range(len(axis.names)), [words(n) for n in axis.names])
        elif axis.date:
            locator = AutoDateLocator()
            along.set_major_locator(locator)
            along.set_major_formatter(ConciseDateFormatter(locator))
        else:
            along.set_major_locator(MultipleLocator(layout.dtick) if layout.dtick else MaxNLocator(layout.nticks or 6))
            form = layout.tickformat
            if form:
                along.set_major_formatter(lambda v, _: format(v, form))

    # --- shapes and words
    def _at(self, xref: str | None, yref: str | None) -> tuple[Any, Any, Any, Any]:
        """The stretch, the transform, and what turns x and y into numbers, of a pair of references."""
        from matplotlib.transforms import blended_transform_factory

        own = (yref or "y").removesuffix(" domain")
        part = self.parts.get(own, self.parts["y"])
        across = self.paper.transAxes if "paper" in (xref or "") else (
            part.transAxes if "domain" in (xref or "") else part.transData
        )  # fmt: skip
        up = self.paper.transAxes if own == "paper" else part.transAxes if "domain" in (yref or "") else part.transData
        plain = float
        x = self.x.one if across is part.transData else plain
        y = self.axes[own].one if up is part.transData else plain
        return part, blended_transform_factory(across, up), x, y

    def _shape(self, shape: Any) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.patches import Rectangle

        part, transform, x, y = self._at(shape.xref, shape.yref)
        x0, x1, y0, y1 = x(shape.x0), x(shape.x1), y(shape.y0), y(shape.y1)
        wide = POINT * (2 if shape.line.width is None else shape.line.width)
        made: Any
        if shape.type == "line":
            made = Line2D([x0, x1], [y0, y1], color=colour(shape.line.color), linewidth=wide,
                          linestyle=_DASHES[shape.line.dash])  # fmt: skip
        elif shape.type == "rect":
            made = Rectangle((x0, y0), x1 - x0, y1 - y0, facecolor=colour(shape.fillcolor, "none"), linewidth=wide,
                             edgecolor=colour(shape.line.color, "none") if wide else "none")  # fmt: skip
        else:
            raise TypeError(f"no picture is made of a shape of {shape.type}")
        made.set(transform=transform, zorder=0.5 if shape.layer == "below" else 4)
        part.add_artist(made)
        if shape.type == "line" or shape.yref == "paper":  # a scale bar stands beside its axis
            made.set_clip_path(None)
            made.set_clip_on(False)

    def _note(self, note: Any) -> None:
        part, transform, x, y = self._at(note.xref, note.yref)
        part.text(
            x(note.x), y(note.y), words(note.text), transform=transform, ha=_HORIZONTAL[note.xanchor],
            va=_VERTICAL[note.yanchor], fontsize=POINT * (note.font.size or 12), color=colour(note.font.color),
            zorder=5, clip_on=False,
        )  # fmt: skip

    def _legend(self) -> None:
        if not self.layout.showlegend:
            return
        named = {t.name for t in self.figure.data if t.name and t.showlegend is not False}
        own = {words(n) for n in named}
        lines = [line for part in self.parts.values() for line in part.get_lines() if line.get_label() in own]
        if lines:
            part = self.parts["y"]
            part.legend(handles=lines, loc="lower left", bbox_to_anchor=(0, 1), ncols=6, frameon=False, fontsize=8.5)


def _polygons(part: Any, x: np.ndarray, y: np.ndarray, fill: Any) -> None:
    """Filled paths, parted where a value is missing."""
    from matplotlib.collections import PolyCollection

    gaps = np.flatnonzero(~np.isfinite(x + y))
    pieces = [np.column_stack([a, b]) for a, b in zip(np.split(x, gaps), np.split(y, gaps), strict=True)]
    whole = [p[np.isfinite(p).all(axis=1)] for p in pieces]
    part.add_collection(PolyCollection([p for p in whole if len(p) > 2], facecolors=[fill], linewidths=0, zorder=1))
    part.autoscale_view()


def _markers(part: Any, x: np.ndarray, y: np.ndarray, marker: Any, clip: bool) -> None:
    """Markers, each symbol by itself."""
    n = len(x)
    symbols = each(marker.symbol, n, "circle")
    sizes = np.array(each(marker.size, n, 6), dtype=float) * POINT
    own = [colour(c, palette.CATEGORIES[0]) for c in each(marker.color, n, None)]
    widths = POINT * np.array(each(marker.line.width, n, 1), dtype=float)
    for symbol in dict.fromkeys(symbols):
        at = [i for i in range(n) if symbols[i] == symbol]
        shape = str(symbol).removesuffix("-open")
        thin, hollow = shape.startswith("x"), str(symbol).endswith("-open")
        edges = own if hollow or thin or marker.line.color is None else [colour(marker.line.color)] * n
        look: Mapping[str, Any] = (
            {"color": [edges[i] for i in at]} if thin
            else {"facecolors": "none" if hollow else [own[i] for i in at], "edgecolors": [edges[i] for i in at]}
        )  # fmt: skip
        part.scatter(x[at], y[at], s=sizes[at] ** 2, marker=_SYMBOLS[shape], linewidths=np.maximum(widths[at], 0.4),
                     clip_on=clip, zorder=3, **look)  # fmt: skip


def _beside(part: Any, x: float, y: float, text: str, place: str, font: Any) -> None:
    """A word beside a point; ``place`` as plotly says it."""
    if not text.strip() or not np.isfinite(x + y):
        return
    up, across = place.split(" ")
    offset = {"left": -7, "center": 0, "right": 7}[across], {"top": 5, "middle": 0, "bottom": -5}[up]
    part.annotate(
        text.strip(), (x, y), offset, textcoords="offset points", zorder=5, annotation_clip=False,
        ha={"left": "right", "center": "center", "right": "left"}[across],
        va={"top": "bottom", "middle": "center", "bottom": "top"}[up],
        fontsize=POINT * (font.size or 12), color=colour(font.color),
    )  # fmt: skip


def _edges(centre: np.ndarray) -> np.ndarray:
    """Edges of cells around their centres."""
    if len(centre) == 1:
        return np.array([centre[0] - 0.5, centre[0] + 0.5])
    middle = (centre[:-1] + centre[1:]) / 2
    return np.concatenate([[2 * centre[0] - middle[0]], middle, [2 * centre[-1] - middle[-1]]])
