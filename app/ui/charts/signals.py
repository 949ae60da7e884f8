"""The signal viewer: one page of signals, and the strip of the whole recording above it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.ui import formats, palette, wording
from app.ui.charts.base import label, nice, quiet
from core.services.clinic.sessions import SignalPage, WindowSeries
from core.types import CHANNEL_TYPES, Annotation

# types whose channels are stacked with a scale bar; the others have an axis in their own unit
STACKED_PX = {"eeg": 30, "eog": 34, "emg": 34, "ecg": 78}
OWN_PX = 92
GAP_PX = 26
BINS = 200
# a grey line behind a stacked channel ends where it leaves its lane by so many rows
LANES = 2.0
BEHIND = palette.transparent(palette.INK, 0.75)
MAX_SHAPES = 200
# an axis is never stretched to less than this, so that noise does not look like a change (ux 10.4)
# what stands before a name where several lines share an axis; in the order of palette.DASHES
LINES = ("── ", "- - ", "··· ", "-·- ")
# least distance of two labels of marks, as a share of the axis for each letter, so that they do not pile up
LETTER = 0.0085
SMALLEST_SPAN = {"temp": 1.0, "eda": 0.2, "acc": 0.1}


def signals(
    page: SignalPage, *, negative_up: bool = True, gain: float = 1.0, behind: SignalPage | None = None
) -> go.Figure:
    """One page: EEG-like types stacked with a scale bar, the others on an axis in their unit.

    ``gain`` enlarges the stacked types; ``behind`` is the same page in another state, drawn in grey behind them. Hover
    is off: a page has many points.
    """
    grey = {(r["name"], r["type"]): r for r in behind.rows} if behind else {}
    groups = {t: [r for r in page.rows if r["type"] == t] for t in CHANNEL_TYPES}
    lanes: list[tuple[str, list[dict], int]] = []
    for type_, rows in groups.items():
        if not rows:
            continue
        if type_ in STACKED_PX:
            lanes.append((type_, rows, max(STACKED_PX[type_] * len(rows), 64)))
        elif type_ == "acc":
            lanes.append((type_, rows, OWN_PX))
        else:
            lanes += [(type_, [row], OWN_PX) for row in rows]
    total = sum(px + GAP_PX for _, _, px in lanes) or 100
    figure = go.Figure()
    y = 1.0
    for i, (type_, rows, px) in enumerate(lanes):
        y -= GAP_PX / total
        bottom = max(y - px / total, 0.0)
        axis = "y" if i == 0 else f"y{i + 1}"
        layout: dict = {
            "domain": [bottom, y],
            "anchor": "x",
            "fixedrange": True,
            "zeroline": False,
            "tickfont": {"size": 11},
        }
        if type_ in STACKED_PX:
            layout |= _stacked(figure, axis, y, type_, rows, page, negative_up and type_ == "eeg", gain, grey)
        else:
            layout |= _own_axis(figure, axis, y, type_, rows, page)
        figure.layout[axis.replace("y", "yaxis")] = layout
        y = bottom
    _annotations(figure, page.annotations, page.t0, page.t0 + page.page_s)
    figure.update_layout(
        xaxis={
            "range": [page.t0, page.t0 + page.page_s],
            **_clock_ticks(page.t0, page.t0 + page.page_s),
            "gridcolor": palette.GRID,
            "zeroline": False,
            "fixedrange": True,
            "anchor": "free",
            "position": 0,
            "title": {"text": "Time from the start of the recording, min:s", "font": {"size": 12}},
        },
        hovermode=False,
        dragmode=False,
    )
    if page.page_s <= 10:
        # the 0.2 s lines of ECG paper
        figure.update_layout(xaxis={"minor": {"dtick": 0.2, "showgrid": True, "gridcolor": palette.BAND}})
    return quiet(figure, total + 50, left=76, right=64, top=4)


def _line(row: dict, y: np.ndarray, axis: str, colour: str, **more) -> go.Scatter:
    return go.Scatter(
        x0=row["x0"],
        dx=row["dx"],
        y=y.astype(np.float32),
        mode="lines",
        line={"color": colour, "width": 1, **more},
        hoverinfo="skip",
        xaxis="x",
        yaxis=axis,
    )


def spacing(rows: Sequence[dict]) -> float:
    """What one row height of a stack stands for, in the rows' unit: a 1-2-5 number over the usual swing."""
    swings = []
    for row in rows:
        y = np.asarray(row["y"], dtype=np.float64)
        y = y[np.isfinite(y)]
        if y.size and not row.get("bad"):
            # R peaks are short, so an ECG is measured by its extremes
            edges = [99.9, 0.1] if row["type"] == "ecg" else [99, 1]
            swings.append(float(np.subtract(*np.percentile(y, edges))))
    return nice(float(np.median(swings)) * 0.9) if swings else 1.0


def _stacked(figure, axis, top, type_, rows, page, negative_up, gain, grey) -> dict:
    """Channels below each other, each around its median; one row height is the scale bar."""
    step = nice(spacing(rows) / gain)
    n = len(rows)
    unit = rows[0]["unit"]
    sign = -1.0 if negative_up else 1.0
    for i, row in enumerate(rows):
        y = np.asarray(row["y"], dtype=np.float64)
        centre = _middle(y)
        if (row["name"], type_) in grey:
            was = grey[row["name"], type_]
            z = np.asarray(was["y"], dtype=np.float64)
            z = sign * (z - _middle(z)) / step
            # what leaves its lane would hide the others
            figure.add_trace(_line(was, np.where(np.abs(z) <= LANES, z, np.nan) - i, axis, BEHIND))
        colour = palette.INK if row.get("bad") else palette.CATEGORIES[0 if type_ != "ecg" else 1]
        dash = {"dash": "dot"} if row.get("bad") else {}
        figure.add_trace(_line(row, sign * (y - centre) / step - i, axis, colour, **dash))
        _spans(figure, axis, row, page, -i - 0.5, -i + 0.5)
    polarity = ", negative up" if negative_up else ", positive up" if type_ == "eeg" else ""
    title = f"<b>{wording.CHANNEL_TYPES[type_]}</b>  {unit}{polarity}"
    thinned = "  drawn as minimum and maximum" if any(r.get("decimated") for r in rows) else ""
    figure.add_annotation(**label(title + thinned, 0, top))
    # the bar is one row high at the right edge
    figure.add_shape(
        type="line", xref="paper", x0=1.008, x1=1.008, yref=axis, y0=-0.5, y1=0.5,
        line={"color": palette.INK, "width": 2.5},
    )  # fmt: skip
    figure.add_annotation(
        text=f"{step:g} {unit}", xref="paper", x=1.014, xanchor="left", yref=axis, y=0, yanchor="middle",
        showarrow=False, font={"size": 11, "color": palette.INK},
    )  # fmt: skip
    if type_ == "ecg":
        _ticks(figure, axis, page.beats_s, page.beat_kinds, 0.68)
    names = [formats.in_figure(r["name"], 12) + (" ✕" if r.get("bad") else "") for r in rows]
    return {
        "range": [-n + 0.3, 0.8],
        "tickvals": [-i for i in range(n)],
        "ticktext": names,
        "showgrid": False,
    }


def _middle(y: np.ndarray) -> float:
    return float(np.nanmedian(y)) if np.isfinite(y).any() else 0.0


def _ticks(figure, axis, at: np.ndarray, kinds: np.ndarray, y: float) -> None:
    """Beats or pulses by what becomes of them: a symbol each, for colour alone says nothing."""
    for kind, symbol in enumerate(palette.BEATS):
        chosen = np.asarray(at, dtype=np.float64)[np.asarray(kinds) == kind]
        if len(chosen):
            figure.add_trace(
                go.Scatter(
                    x=chosen,
                    y=np.full(len(chosen), y),
                    mode="markers",
                    marker={
                        "symbol": symbol,
                        "size": 7 if kind == 0 else 9,
                        "color": palette.INK,
                        "line": {"width": 1.6, "color": palette.INK},
                    },
                    hoverinfo="skip",
                    xaxis="x",
                    yaxis=axis,
                )
            )


def _own_axis(figure, axis, top, type_, rows, page) -> dict:
    """One row, or the axes of one acceleration sensor, in their unit."""
    values = [np.asarray(r["y"], dtype=np.float64) for r in rows]
    finite = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.empty(0)
    for i, (row, y) in enumerate(zip(rows, values, strict=True)):
        dash = {"dash": palette.DASHES[i % 4]} if len(rows) > 1 else {}
        figure.add_trace(_line(row, y, axis, palette.CATEGORIES[(i + 2) % 4], **dash))
        if finite.size:
            _spans(figure, axis, row, page, float(finite.min()), float(finite.max()))
    keys = LINES if len(rows) > 1 else ("",)
    names = ", ".join(
        keys[i % len(keys)] + formats.in_figure(r["name"], 16) + (" ✕" if r.get("bad") else "")
        for i, r in enumerate(rows)
    )
    thinned = "  drawn as minimum and maximum" if any(r.get("decimated") for r in rows) else ""
    title = f"<b>{wording.CHANNEL_TYPES[type_]}</b>  {names}, {rows[0]['unit'] or 'no unit'}{thinned}"
    figure.add_annotation(**label(title, 0, top))
    layout = {"gridcolor": palette.GRID, "nticks": 4}
    if not finite.size:
        middle = figure_middle = 0.5
        figure.add_annotation(
            text="no sample on this page", xref="paper", x=0.5, yref=axis, y=middle, showarrow=False,
            font={"size": 12, "color": palette.INK},
        )  # fmt: skip
        return layout | {"range": [0, 2 * figure_middle], "showticklabels": False}
    low, high = float(finite.min()), float(finite.max())
    span = max(high - low, SMALLEST_SPAN.get(type_, 0.0), abs(high) * 1e-6, 1e-9)
    centre = (low + high) / 2
    if rows[0]["type"] == "ppg":
        _ticks(figure, axis, page.pulses_s, page.pulse_kinds, centre + 0.66 * span)
        return layout | {"range": [centre - 0.58 * span, centre + 0.76 * span]}
    return layout | {"range": [centre - 0.58 * span, centre + 0.58 * span]}


def _spans(figure, axis, row, page, y0, y1) -> None:
    """Shade where this channel is not usable."""
    for span in tuple(row.get("spans", ()))[:MAX_SHAPES]:
        start = max(span.onset_s, page.t0)
        stop = min(span.onset_s + span.duration_s, page.t0 + page.page_s)
        if stop > start:
            figure.add_shape(
                type="rect", x0=start, x1=stop, yref=axis, y0=y0, y1=y1, layer="below",
                fillcolor=palette.SHADE, line={"width": 0},
            )  # fmt: skip


def _annotations(figure, annotations: Sequence[Annotation], start: float, stop: float, *, above: bool = False) -> None:
    """Marks of the recording, those that began before the page too; a label where there is room for it."""
    free = start
    for note in list(annotations)[:MAX_SHAPES]:
        end = note.onset_s + note.duration_s
        if end < start or note.onset_s > stop:
            continue
        place = {"yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
        if note.duration_s > 0:
            figure.add_shape(
                type="rect", x0=max(note.onset_s, start), x1=min(end, stop), fillcolor=palette.NOTE,
                line={"width": 0}, **place,
            )  # fmt: skip
        else:
            figure.add_shape(
                type="line", x0=note.onset_s, x1=note.onset_s, line={"color": palette.CATEGORIES[0], "width": 1},
                **place,
            )  # fmt: skip
        at = max(note.onset_s, start)
        text = formats.visible(note.description, 24)
        ends = at + LETTER * (len(text) + 1) * (stop - start)
        if at < free or ends > stop + LETTER * 4 * (stop - start):
            continue
        free = ends
        figure.add_annotation(
            text=formats.in_figure(text, 24), x=at, xanchor="left", yref="paper",
            y=float(above), yanchor="top" if above else "bottom", showarrow=False,
            font={"size": 11, "color": palette.INK},
        )  # fmt: skip


def _clock_ticks(start: float, stop: float) -> dict:
    """Ticks at whole seconds or minutes, read as 20:05."""
    step = next((s for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800) if (stop - start) / s <= 12), 3600)
    ticks = np.arange(np.ceil(start / step) * step, stop + 1e-6, step)
    return {"tickvals": ticks.tolist(), "ticktext": [formats.clock(t) for t in ticks]}


def _slow(rows: Sequence[dict]) -> list[dict]:
    """The two channels that say most over a whole recording: slow ones, else the first."""
    slow = [r for t in ("eda", "temp", "resp") for r in rows if r["type"] == t]
    return slow[:2] or list(rows)[:1]


def _usable(envelope: SignalPage | None, at: np.ndarray) -> np.ndarray:
    """Where at least half of the analysed channels can be used; shape of ``at``."""
    rows = [r for r in envelope.rows if r["type"] != "misc"] if envelope else []
    if not rows:
        return np.ones(len(at), dtype=bool)
    good = np.zeros(len(at))
    for row in rows:
        bad = np.full(len(at), bool(row.get("bad")))
        for span in row.get("spans", ()):
            bad |= (at >= span.onset_s) & (at < span.onset_s + span.duration_s)
        good += ~bad
    return good >= 0.5 * len(rows)


def overview(
    duration_s: float,
    series: WindowSeries | None,
    envelope: SignalPage | None,
    annotations: Sequence[Annotation],
    *,
    t0: float,
    page_s: float,
) -> tuple[go.Figure, np.ndarray]:
    """The whole recording as a strip: window indices (or an envelope), usable share, marks, and the page shown.

    Returns the figure and the time of each point of its last curve, which can be clicked to jump there.
    """
    figure = go.Figure()
    if series is not None and len(series.onset_s):
        centre = np.asarray(series.onset_s, dtype=np.float64) + series.duration_s / 2
        for i, (target, proba) in enumerate(series.proba.items()):
            figure.add_trace(
                go.Scatter(
                    x=centre,
                    y=np.where(series.usable, proba, np.nan).astype(np.float32),
                    mode="lines",
                    line={"color": palette.measure(target, i), "width": 1.2, "dash": palette.DASHES[i % 4]},
                    hoverinfo="skip",
                    name=formats.name(target),
                )
            )
        figure.update_layout(showlegend=True)
    elif envelope is not None:
        for i, row in enumerate(_slow(envelope.rows)):
            y = np.asarray(row["y"], dtype=np.float64)
            finite = y[np.isfinite(y)]
            if not finite.size:
                continue
            low, high = np.percentile(finite, [0.5, 99.5])
            scaled = np.clip((y - low) / max(high - low, 1e-12), 0, 1)
            trace = _line(row, scaled, "y", palette.CATEGORIES[i])
            trace.name = formats.in_figure(f"{row['name']}, scaled", 24)
            figure.add_trace(trace)
        figure.update_layout(showlegend=True)
    edges = np.linspace(0, max(duration_s, 1e-6), BINS + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    if series is not None and len(series.onset_s):
        nearest = np.clip(np.searchsorted(series.onset_s, middle) - 1, 0, len(series.onset_s) - 1)
        usable = np.asarray(series.usable, dtype=bool)[nearest]
    else:
        usable = _usable(envelope, middle)
    figure.add_trace(
        go.Bar(
            x=middle,
            y=np.full(BINS, 0.22),
            base=-0.3,
            width=duration_s / BINS,
            marker={
                "color": [palette.FAINT if u else palette.transparent(palette.CATEGORIES[1], 0.75) for u in usable],
                "line": {"width": 0},
            },
            customdata=[formats.clock(t) for t in middle],
            hovertemplate="%{customdata}<extra>click to jump</extra>",
            showlegend=False,
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
        )
    )
    figure.add_shape(
        type="rect", x0=t0, x1=min(t0 + page_s, duration_s), yref="paper", y0=0, y1=1,
        fillcolor=palette.NOTE, line={"color": palette.CATEGORIES[0], "width": 1.5},
    )  # fmt: skip
    _annotations(figure, annotations, 0.0, duration_s, above=True)
    figure.update_layout(
        xaxis={"range": [0, duration_s], "showgrid": False, "zeroline": False, "fixedrange": True,
               **_clock_ticks(0.0, duration_s)},
        yaxis={"range": [-0.34, 1.05], "tickvals": [0, 0.5, 1], "gridcolor": palette.GRID, "fixedrange": True,
               "zeroline": False},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 11}},
        clickmode="event+select",
        dragmode=False,
        bargap=0,
    )  # fmt: skip
    shown_legend = figure.layout.showlegend
    quiet(figure, 170, left=76, right=64, top=26)
    figure.update_layout(showlegend=shown_legend)
    return figure, middle
