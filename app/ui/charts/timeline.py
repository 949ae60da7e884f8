"""The life chart: a patient's events, measures, self-reports and quality on one time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import plotly.graph_objects as go

from app.ui import formats, palette, wording
from app.ui.charts.base import bars, diamonds, floats, label, quiet, thinned
from core.services.insights import Card
from core.services.patients import Baseline, Event, SelfReport
from core.services.sessions import SessionRow
from core.settings import BASELINE_SESSIONS, LOW_USABLE_SHARE, MEASURE_UNITS

# Cut points of the PHQ-9's own bands (Kroenke 2001)
PHQ9_BANDS = (5, 10, 15, 20)
LANE_PX = {"events": 88, "measure": 112, "absent": 20, "reports": 96, "quality": 46}
GAP_PX = 30
# marks of a lane: the heaviest ones, so that a long history stays readable
MAX_MARKS = 30
MAX_MARKS_DENSE = 10
# an index axis is a little longer than the scale, so that points at its ends are whole
MARGIN = 0.05
# from so many sessions on, points within range are drawn as dots of one path
DENSE = 300


@dataclass(frozen=True)
class Timeline:
    """The figure, and for each of its curves the session that each point stands for."""

    figure: go.Figure
    sessions: Mapping[int, tuple[str, ...]]
    n_drawn: int
    dense: bool = False


@dataclass(frozen=True)
class _Lane:
    kind: str
    title: str
    axis: str
    top: float
    bottom: float


def timeline(
    rows: Sequence[SessionRow],
    measures: Sequence[str],
    baselines: Mapping[str, Baseline],
    cards: Sequence[Card] = (),
    events: Sequence[Event] = (),
    reports: Sequence[SelfReport] = (),
    *,
    zone: ZoneInfo,
) -> Timeline:
    """Lanes from top to bottom: events, one per measure, one per self-report instrument, usable share.

    ``rows`` are oldest first. At most about 1000 sessions are drawn, those with an insight always.
    """
    marked = {c.insight.session for c in cards}
    kept = thinned(len(rows), (i for i, r in enumerate(rows) if r.session in marked))
    drawn = [rows[i] for i in kept]
    x = formats.local_ms([r.started_at for r in drawn], zone)
    ends = formats.local_ms(
        [r.started_at for r in rows] + [r.reported_at for r in reports] + [e.started_at for e in events], zone
    )
    first, last = (float(ends.min()), float(ends.max())) if ends.size else (0.0, 1.0)
    pad = max(0.02 * (last - first), 129_600_000.0)

    instruments = list(dict.fromkeys(r.instrument for r in reports))
    computed = {m for m in measures if any(m in r.measures and r.measures[m].value is not None for r in drawn)}
    lanes = _lanes(measures, computed, instruments, bool(events), any(r.usable_share is not None for r in rows))
    total = sum(LANE_PX[kind] + GAP_PX for kind, _ in lanes)
    figure = go.Figure()
    sessions: dict[int, tuple[str, ...]] = {}
    placed: list[_Lane] = []
    y = 1.0
    for i, (kind, name) in enumerate(lanes):
        y -= GAP_PX / total
        height = LANE_PX[kind] / total
        axis = "y" if i == 0 else f"y{i + 1}"
        placed.append(_Lane(kind, name, axis, y, y - height))
        y -= height

    ids = tuple(r.session for r in drawn)
    for lane in placed:
        domain = [max(lane.bottom, 0.0), lane.top]
        layout = {
            "domain": domain,
            "anchor": "x",
            "gridcolor": palette.GRID,
            "zeroline": False,
            "nticks": 4,
            "fixedrange": True,
            "tickfont": {"size": 11},
        }
        if lane.kind == "events":
            _events(figure, lane, events, zone, last + pad)
            layout |= {"showticklabels": False, "showgrid": False, "range": [-0.5, 2.6]}
        elif lane.kind == "measure":
            position = list(measures).index(lane.title)
            layout |= _measure(
                figure,
                lane,
                drawn,
                x,
                ids,
                baselines.get(lane.title),
                cards,
                sessions,
                position,
                last - first + 2 * pad,
            )
        elif lane.kind == "absent":
            layout |= _absent(figure, lane, drawn, x, ids, sessions)
        elif lane.kind == "reports":
            layout |= _reports(figure, lane, reports, zone)
        else:
            _quality(figure, lane, drawn, x, ids, sessions, last - first + 2 * pad)
            layout |= {"range": [-8, 108], "tickvals": [0, 50, 100], "ticksuffix": " %"}
        figure.layout[lane.axis.replace("y", "yaxis")] = layout

    figure.update_layout(
        xaxis={
            "type": "date",
            "range": [first - pad, last + pad],
            "anchor": "free",
            "position": 0,
            "gridcolor": palette.GRID,
            "showspikes": True,
            "spikemode": "across",
            "spikethickness": 1,
            "spikecolor": palette.FAINT,
            "spikedash": "solid",
            "hoverformat": "%-d %b %Y %H:%M",
            "title": {"text": f"Date ({zone.key})", "font": {"size": 12}},
        },
        hovermode="x unified",
        hoversubplots="axis",
        dragmode="zoom",
        clickmode="event+select",
    )
    quiet(figure, total + 60, left=52, top=4)
    return Timeline(figure, sessions, len(drawn), len(drawn) > DENSE)


def _lanes(
    measures: Sequence[str], computed: set[str], instruments: Sequence[str], events: bool, quality: bool
) -> list[tuple[str, str]]:
    lanes = [("events", "Treatments, changes and life events")] if events else []
    # a bare axis says nothing, so a measure without a single value gets one line
    lanes += [("measure" if m in computed else "absent", m) for m in measures]
    lanes += [("reports", i) for i in instruments]
    # values measured elsewhere have no recording to judge
    return [*lanes, ("quality", "Usable share of the recording")] if quality else lanes


def _measure(figure, lane, rows, x, ids, baseline, cards, sessions, position, span) -> dict:
    """Interval, line, points, crosses, own range and insight marks of one measure; returns the axis range."""
    name = lane.title
    unit = MEASURE_UNITS.get(name, "")
    colour = palette.measure(name, position)
    found = [r.measures.get(name) for r in rows]
    value = floats(m.value if m else None for m in found)
    low = floats(m.low if m and m.value is not None else None for m in found)
    high = floats(m.high if m and m.value is not None else None for m in found)
    has = np.isfinite(value)
    ranged = has & np.isfinite(low) & np.isfinite(high)
    hollow = np.asarray([r.low_quality for r in rows], dtype=bool)
    band = (baseline.low, baseline.high) if baseline and baseline.low is not None else None

    parts = [value[has], low[ranged], high[ranged], floats(band) if band else np.empty(0)]
    finite = np.concatenate(parts)
    if unit == "index":
        bottom, top = -MARGIN, 1 + MARGIN
    elif finite.size:
        edge = 0.08 * max(float(np.ptp(finite)), abs(float(finite.mean())) * 0.02, 1e-6)
        bottom, top = float(finite.min()) - 2 * edge, float(finite.max()) + edge
    else:
        bottom, top = 0.0, 1.0

    note = ""
    if baseline and baseline.mean is not None and baseline.kind != "learning":
        _own_range(figure, lane, baseline, colour)
        note = _range_words(baseline.low, baseline.high, unit) if band else "own mean, no range yet"
    elif baseline and baseline.kind == "learning":
        note = wording.learning(baseline.n, BASELINE_SESSIONS)
    figure.add_annotation(**label(_title(name), 0, lane.top))
    if note:
        figure.add_annotation(**label(note, 1, lane.top, xanchor="right"))

    dense = len(rows) > DENSE
    size = 4 if dense else 8
    wide = span * (0.0007 if dense else 0.0016)
    common = {"xaxis": "x", "yaxis": lane.axis}
    if ranged.any():
        shade = palette.transparent(colour, 0.2 if dense else 0.35)
        shape = bars(x[ranged], low[ranged], high[ranged], wide)
        figure.add_trace(go.Scatter(fillcolor=shade, **shape, **common))
    solid = has & ~hollow
    if solid.sum() > 1:
        line = {"color": palette.transparent(colour, 0.2 if dense else 0.6), "width": 1}
        says = _says(name, unit, low[solid], high[solid]) if dense else {"hoverinfo": "skip"}
        figure.add_trace(go.Scatter(x=x[solid], y=value[solid], mode="lines", line=line, **says, **common))
    symbols = np.asarray(
        [
            palette.SYMBOLS[formats.direction(v, *band) or "within"] if band and np.isfinite(v) else "circle"
            for v in value
        ]
    )
    drawn = has
    if dense:
        # a browser takes seconds for thousands of markers: points within range are dots on one path
        plain = solid & (symbols == palette.SYMBOLS["within"])
        shape = diamonds(x[plain], value[plain], 1.8 * wide, 0.02 * (top - bottom))
        figure.add_trace(go.Scatter(fillcolor=colour, **shape, **common))
        drawn = has & ~plain
    symbols = np.where(hollow, np.char.add(symbols, palette.LOW_QUALITY), symbols)
    for chosen, silent in ((drawn & hollow, False), (drawn & ~hollow, dense)):
        if not chosen.any():
            continue
        sessions[len(figure.data)] = tuple(np.asarray(ids, dtype=object)[chosen])
        says = {"hoverinfo": "none"} if silent else _says(name, unit, low[chosen], high[chosen])
        figure.add_trace(
            go.Scatter(
                x=x[chosen],
                y=value[chosen],
                mode="markers",
                marker={
                    "color": colour,
                    "symbol": symbols[chosen].tolist(),
                    "size": size + 1 if dense else size,
                    "line": {"width": 1 if dense else 1.5, "color": colour},
                },
                selected={"marker": {"opacity": 1}},
                unselected={"marker": {"opacity": 1}},
                **says,
                **common,
            )
        )
    missing = [i for i, m in enumerate(found) if m is not None and m.value is None]
    _crosses(figure, lane, found, x, ids, sessions, missing, bottom + 0.05 * (top - bottom), size - 1)
    points = dict(zip(ids, zip(x, value, strict=True), strict=True))
    _marks(figure, lane, cards, points, (bottom + top) / 2, dense=dense)
    return {"range": [bottom, top]} | ({"tickvals": [0, 0.5, 1]} if unit == "index" else {})


def _title(name: str) -> str:
    unit = MEASURE_UNITS.get(name, "")
    return f"<b>{formats.name(name)}</b>  {'index 0-1' if unit == 'index' else unit}"


def _range_words(low: float, high: float, unit: str) -> str:
    """The own range in the digits of its unit; one that covers an index from end to end says nothing."""
    digits = formats.DIGITS.get(unit, 2)
    wide = unit == "index" and formats.whole_scale(low, high)
    return f"own range {low:.{digits}f} to {high:.{digits}f}" + (
        ", the whole scale: too wide to compare" if wide else ""
    )


def _absent(figure, lane, rows, x, ids, sessions) -> dict:
    """One line for a measure that was computed in no session shown: its name, why, and a cross a session."""
    found = [r.measures.get(lane.title) for r in rows]
    why = [m.reason for m in found if m is not None and m.reason]
    most = max(set(why), key=why.count) if why else None
    note = wording.REASONS.get(str(most), "") if len(set(why)) == 1 else "for several reasons"
    figure.add_annotation(**label(_title(lane.title), 0, lane.top))
    figure.add_annotation(**label(f"not computed{f': {note}' if note else ''}", 1, lane.top, xanchor="right"))
    missing = [i for i, m in enumerate(found) if m is not None]
    _crosses(figure, lane, found, x, ids, sessions, missing, 0.5, 6)
    return {"range": [0, 1], "showticklabels": False, "showgrid": False}


def _crosses(figure, lane, found, x, ids, sessions, missing, height, size) -> None:
    """A cross with its reason for each session in which the measure was not computed."""
    if not missing:
        return
    sessions[len(figure.data)] = tuple(ids[i] for i in missing)
    figure.add_trace(
        go.Scatter(
            x=x[missing],
            y=np.full(len(missing), height),
            text=[formats.reason(found[i].reason) for i in missing],
            mode="markers",
            marker={
                "symbol": palette.SYMBOLS["not computed"],
                "size": size,
                "color": palette.INK,
                "line": {"width": 1.5, "color": palette.INK},
            },
            name=formats.name(lane.title),
            hovertemplate="%{text}",
            xaxis="x",
            yaxis=lane.axis,
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
        )
    )


def _says(name: str, unit: str, low: np.ndarray, high: np.ndarray) -> dict:
    """What the hover says of each point: value, interval where there is one, unit."""
    mark = "" if unit == "index" else f" {unit}"
    name = formats.name(name)
    if np.isfinite(low).all() and np.isfinite(high).all():
        between = np.column_stack([low, high]).astype(np.float32)
        text = f"%{{y:.2f}}{mark} (%{{customdata[0]:.2f}} to %{{customdata[1]:.2f}})"
        return {"name": name, "customdata": between, "hovertemplate": text}
    if np.isfinite(low).any():
        ends = [f" ({a:.2f} to {b:.2f})" if np.isfinite(a + b) else "" for a, b in zip(low, high, strict=True)]
        return {"name": name, "text": ends, "hovertemplate": f"%{{y:.2f}}{mark}%{{text}}"}
    return {"name": name, "hovertemplate": f"%{{y:.2f}}{mark}"}


def _own_range(figure, lane, baseline, colour) -> None:
    """The mean as a line and the own range as a band over the whole width."""
    place = {"xref": "paper", "x0": 0, "x1": 1, "yref": lane.axis, "layer": "below"}
    if baseline.low is not None and baseline.high is not None:
        figure.add_shape(
            type="rect",
            y0=baseline.low,
            y1=baseline.high,
            fillcolor=palette.transparent(colour, 0.09),
            line={"width": 0},
            **place,
        )
    figure.add_shape(
        type="line", y0=baseline.mean, y1=baseline.mean, line={"color": palette.INK, "width": 1, "dash": "dot"}, **place
    )


def _marks(figure, lane, cards, points, middle, *, dense: bool) -> None:
    """A diamond at each session that a rule found something at, with the first letters of the kinds."""
    here = [
        c
        for c in cards
        if lane.title in c.insight.measure.split("-")
        and c.insight.last_session in points
        and np.isfinite(points[c.insight.last_session][1])
    ]
    by_session: dict[str, list[Card]] = {}
    for card in sorted(here, key=lambda c: (-c.weight, c.id)):
        by_session.setdefault(card.insight.last_session, []).append(card)
    chosen = list(by_session)[: MAX_MARKS_DENSE if dense else MAX_MARKS]
    if not chosen:
        return
    at = [points[session] for session in chosen]
    kinds = [list(dict.fromkeys(c.insight.kind for c in by_session[session])) for session in chosen]
    figure.add_trace(
        go.Scatter(
            x=[p[0] for p in at],
            y=[p[1] for p in at],
            mode="markers+text",
            text=["".join(kind[0] for kind in found) for found in kinds],
            # towards the middle of the lane, where there is room, unless many points lie there
            textposition=["bottom center" if (p[1] > middle) != dense else "top center" for p in at],
            textfont={"size": 11, "color": palette.INK},
            marker={"symbol": "diamond-open", "size": 16, "color": palette.INK, "line": {"width": 1.5}},
            customdata=[
                ", ".join(f"{wording.KINDS.get(c.insight.kind, c.insight.kind)} ({c.state})" for c in by_session[s])
                for s in chosen
            ],
            hovertemplate="%{customdata}",
            name="Insight",
            cliponaxis=False,
            xaxis="x",
            yaxis=lane.axis,
        )
    )


def _events(figure, lane, events, zone, end_ms) -> None:
    """Treatments as bars above, changes and life events as points below."""
    figure.add_annotation(**label(f"<b>{lane.title}</b>", 0, lane.top))
    looks = {"treatment": ("square", 0, 1.7), "change": ("diamond", 1, 0.85), "life_event": ("star", 3, 0.0)}
    for kind, (symbol, i, level) in looks.items():
        of_kind = [e for e in events if e.kind == kind]
        if not of_kind:
            continue
        starts = formats.local_ms([e.started_at for e in of_kind], zone)
        for event, start in zip(of_kind, starts, strict=True):
            if kind == "treatment" or event.ended_at:
                stop = formats.local_ms([event.ended_at], zone)[0] if event.ended_at else end_ms
                figure.add_trace(
                    go.Scatter(
                        x=[start, stop],
                        y=[level, level],
                        mode="lines",
                        line={"color": palette.transparent(palette.CATEGORIES[i], 0.35), "width": 9},
                        hoverinfo="skip",
                        xaxis="x",
                        yaxis=lane.axis,
                    )
                )
        texts = [formats.in_figure(e.text, 32) + (f" ({e.impact:+d})" if e.impact is not None else "") for e in of_kind]
        figure.add_trace(
            go.Scatter(
                x=starts,
                y=np.full(len(of_kind), level),
                mode="markers+text",
                text=texts,
                textposition="top right" if kind == "treatment" else "middle right",
                textfont={"size": 11},
                marker={"symbol": symbol, "size": 9, "color": palette.CATEGORIES[i]},
                name=wording.EVENT_KINDS.get(kind, kind),
                hovertemplate="%{text}",
                xaxis="x",
                yaxis=lane.axis,
            )
        )


def _reports(figure, lane, reports, zone) -> dict:
    """One self-report instrument in its own range; PHQ-9 with its own bands."""
    from core.services.patients import INSTRUMENTS

    mine = [r for r in reports if r.instrument == lane.title]
    lowest, highest = INSTRUMENTS.get(lane.title, (min(r.score for r in mine), max(r.score for r in mine)))
    figure.add_annotation(
        **label(f"<b>{formats.in_figure(lane.title)}</b>  self-report, {lowest:g}-{highest:g}", 0, lane.top)
    )
    if lane.title == "PHQ-9":
        for cut in PHQ9_BANDS:
            figure.add_shape(
                type="line",
                xref="paper",
                x0=0,
                x1=1,
                yref=lane.axis,
                y0=cut,
                y1=cut,
                layer="below",
                line={"color": palette.FAINT, "width": 1, "dash": "dot"},
            )
    figure.add_trace(
        go.Scatter(
            x=formats.local_ms([r.reported_at for r in mine], zone),
            y=floats(r.score for r in mine),
            mode="lines+markers",
            line={"color": palette.INK, "width": 1, "dash": "dot"},
            marker={"symbol": "square", "size": 7, "color": palette.INK},
            name=formats.in_figure(lane.title),
            hovertemplate="%{y}",
            xaxis="x",
            yaxis=lane.axis,
        )
    )
    edge = 0.08 * (highest - lowest)
    return {"range": [lowest - edge, highest + edge]}


def _quality(figure, lane, rows, x, ids, sessions, span) -> None:
    """Usable share as stems; hollow heads below the limit."""
    figure.add_annotation(**label(f"<b>{lane.title}</b>  %", 0, lane.top))
    figure.add_annotation(
        **label(f"hollow: below {100 * LOW_USABLE_SHARE:.0f} %, left out of baselines", 1, lane.top, xanchor="right")
    )
    share = 100 * floats(r.usable_share for r in rows)
    has = np.isfinite(share)
    if not has.any():
        return
    hollow = np.asarray([r.low_quality for r in rows], dtype=bool)[has]
    shape = bars(x[has], np.zeros(int(has.sum())), share[has], span * (0.0005 if len(rows) > DENSE else 0.001))
    figure.add_trace(go.Scatter(fillcolor=palette.FAINT, xaxis="x", yaxis=lane.axis, **shape))
    sessions[len(figure.data)] = tuple(np.asarray(ids, dtype=object)[has])
    figure.add_trace(
        go.Scatter(
            x=x[has],
            y=share[has],
            mode="markers",
            marker={
                "size": 6 if len(rows) <= DENSE else 4,
                "color": palette.INK,
                "symbol": np.where(hollow, "circle-open", "circle").tolist(),
            },
            name="Usable",
            hovertemplate="%{y:.0f} %",
            xaxis="x",
            yaxis=lane.axis,
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
        )
    )
