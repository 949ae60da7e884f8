"""The lanes of the life chart: events, a measure, self-reports, usable share. Each draws itself and says its axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import plotly.graph_objects as go

from app.ui import formats, palette, wording
from app.ui.charts.base import bars, diamonds, floats, label
from core.services.clinic.insights import Card
from core.services.clinic.patients import INSTRUMENTS, Baseline, Event, SelfReport
from core.services.clinic.sessions import SessionRow
from core.settings import BASELINE_SESSIONS, LOW_USABLE_SHARE, MEASURE_UNITS
from core.types import Measure

# Cut points of the PHQ-9's own bands (Kroenke 2001)
PHQ9_BANDS = (5, 10, 15, 20)
# marks of a lane: the heaviest ones, so that a long history stays readable
MAX_MARKS = 30
MAX_MARKS_DENSE = 10
# an index axis is a little longer than the scale, so that points at its ends are whole
MARGIN = 0.05
# from so many sessions on, points within range are drawn as dots of one path
DENSE = 300
# a point that was clicked looks as it did
AS_BEFORE = {"selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {"opacity": 1}}}


@dataclass(frozen=True)
class Lane:
    """A lane with its axis; ``top`` and ``bottom`` are shares of the figure's height."""

    kind: str
    title: str
    axis: str
    top: float
    bottom: float


@dataclass(frozen=True)
class Drawing:
    """What the lanes share: the figure, the sessions drawn (oldest first) at ``x`` ms, and the ends of the time axis.

    ``sessions`` has for each curve the session that each of its points stands for.
    """

    figure: go.Figure
    rows: Sequence[SessionRow]
    x: np.ndarray
    start: float
    end: float
    zone: ZoneInfo
    sessions: dict[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def dense(self) -> bool:
        """Whether there are too many sessions for a marker each."""
        return len(self.rows) > DENSE

    @property
    def width(self) -> float:
        """Of the time axis in ms."""
        return self.end - self.start

    def add(self, lane: Lane, **trace: Any) -> None:
        """A curve on a lane."""
        self.figure.add_trace(go.Scatter(xaxis="x", yaxis=lane.axis, **trace))

    def add_points(self, lane: Lane, which: np.ndarray, **trace: Any) -> None:
        """Markers at some of the sessions, which a click on them opens."""
        ids = np.asarray([r.session for r in self.rows], dtype=object)
        self.sessions[len(self.figure.data)] = tuple(ids[which])
        self.add(lane, x=self.x[which], mode="markers", **AS_BEFORE, **trace)

    def say(self, lane: Lane, left: str, right: str = "") -> None:
        """The title of a lane, and what is said of it at its right end."""
        self.figure.add_annotation(**label(left, 0, lane.top))
        if right:
            self.figure.add_annotation(**label(right, 1, lane.top, xanchor="right"))


# --- a measure


@dataclass(frozen=True)
class _Values:
    """A measure over the sessions drawn: value and interval, NaN where there is none."""

    found: Sequence[Measure | None]
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[SessionRow], name: str) -> _Values:
        found = [r.measures.get(name) for r in rows]
        return cls(
            found, floats(m.value if m else None for m in found),
            floats(m.low if m and m.value is not None else None for m in found),
            floats(m.high if m and m.value is not None else None for m in found),
        )  # fmt: skip

    @property
    def has(self) -> np.ndarray:
        return np.isfinite(self.value)

    @property
    def ranged(self) -> np.ndarray:
        return self.has & np.isfinite(self.low) & np.isfinite(self.high)


def measure(on: Drawing, lane: Lane, baseline: Baseline | None, cards: Sequence[Card], colour: str) -> dict:
    """Interval, line, points, crosses, own range and insight marks of one measure."""
    unit = MEASURE_UNITS.get(lane.title, "")
    values = _Values.of(on.rows, lane.title)
    band = None
    if baseline and baseline.low is not None and baseline.high is not None:
        band = baseline.low, baseline.high
    bottom, top = _ends(values, band, unit)
    if baseline and baseline.mean is not None and baseline.kind != "learning":
        _own_range(on, lane, baseline, colour)
    on.say(lane, _title(lane.title), _of_range(baseline, band, unit))
    _intervals_and_line(on, lane, values, colour)
    _points(on, lane, values, band, colour, 0.02 * (top - bottom))
    missing = [i for i, m in enumerate(values.found) if m is not None and m.value is None]
    _crosses(on, lane, values.found, missing, bottom + 0.05 * (top - bottom), (4 if on.dense else 8) - 1)
    _marks(on, lane, cards, values.value, (bottom + top) / 2)
    return {"range": [bottom, top]} | ({"tickvals": [0, 0.5, 1]} if unit == "index" else {})


def _ends(values: _Values, band: tuple[float, float] | None, unit: str) -> tuple[float, float]:
    """Lowest and highest of a lane's axis."""
    if unit == "index":
        return -MARGIN, 1 + MARGIN
    own = floats(band) if band else np.empty(0)
    finite = np.concatenate([values.value[values.has], values.low[values.ranged], values.high[values.ranged], own])
    if not finite.size:
        return 0.0, 1.0
    edge = 0.08 * max(float(np.ptp(finite)), abs(float(finite.mean())) * 0.02, 1e-6)
    return float(finite.min()) - 2 * edge, float(finite.max()) + edge


def _of_range(baseline: Baseline | None, band: tuple[float, float] | None, unit: str) -> str:
    """What is said of the own range; nothing without a baseline."""
    if baseline and baseline.mean is not None and baseline.kind != "learning":
        return _range_words(band, unit) if band else "own mean, no range yet"
    if baseline and baseline.kind == "learning":
        return wording.learning(baseline.n, BASELINE_SESSIONS)
    return ""


def _hollow(rows: Sequence[SessionRow]) -> np.ndarray:
    return np.asarray([r.low_quality for r in rows], dtype=bool)


def _half_width(on: Drawing) -> float:
    """Of the bar of an interval, in ms."""
    return on.width * (0.0007 if on.dense else 0.0016)


def _intervals_and_line(on: Drawing, lane: Lane, values: _Values, colour: str) -> None:
    """Intervals as bars of one path; a thin line through the sessions that can be trusted."""
    ranged = values.ranged
    if ranged.any():
        shape = bars(on.x[ranged], values.low[ranged], values.high[ranged], _half_width(on))
        on.add(lane, fillcolor=palette.transparent(colour, 0.2 if on.dense else 0.35), **shape)
    solid = values.has & ~_hollow(on.rows)
    if solid.sum() > 1:
        line = {"color": palette.transparent(colour, 0.2 if on.dense else 0.6), "width": 1}
        says = _says(lane.title, values, solid) if on.dense else {"hoverinfo": "skip"}
        on.add(lane, x=on.x[solid], y=values.value[solid], mode="lines", line=line, **says)


def _points(
    on: Drawing, lane: Lane, values: _Values, band: tuple[float, float] | None, colour: str, half_height: float
) -> None:
    """A marker at each value: its shape says where it lies to the own range, hollow that it cannot be trusted."""
    hollow, dense, drawn = _hollow(on.rows), on.dense, values.has
    symbols = np.asarray(
        [
            palette.SYMBOLS[formats.direction(v, *band) or "within"] if band and np.isfinite(v) else "circle"
            for v in values.value
        ]
    )
    if dense:
        # a browser takes seconds for thousands of markers: points within range are dots on one path
        plain = drawn & ~hollow & (symbols == palette.SYMBOLS["within"])
        on.add(lane, fillcolor=colour, **diamonds(on.x[plain], values.value[plain], 1.8 * _half_width(on), half_height))
        drawn = drawn & ~plain
    symbols = np.where(hollow, np.char.add(symbols, palette.LOW_QUALITY), symbols)
    for chosen, silent in ((drawn & hollow, False), (drawn & ~hollow, dense)):
        if not chosen.any():
            continue
        on.add_points(
            lane,
            chosen,
            y=values.value[chosen],
            marker={
                "color": colour,
                "symbol": symbols[chosen].tolist(),
                "size": 5 if dense else 8,
                "line": {"width": 1 if dense else 1.5, "color": colour},
            },
            **({"hoverinfo": "none"} if silent else _says(lane.title, values, chosen)),
        )


def _title(name: str) -> str:
    unit = MEASURE_UNITS.get(name, "")
    return f"<b>{formats.name(name)}</b>  {'index 0-1' if unit == 'index' else unit}"


def _range_words(band: tuple[float, float], unit: str) -> str:
    """The own range in the digits of its unit; one that covers an index from end to end says nothing."""
    low, high = band
    digits = formats.DIGITS.get(unit, 2)
    wide = unit == "index" and formats.whole_scale(low, high)
    return f"own range {low:.{digits}f} to {high:.{digits}f}" + (
        ", the whole scale: too wide to compare" if wide else ""
    )


def absent(on: Drawing, lane: Lane) -> dict:
    """One line for a measure that was computed in no session shown: its name, why, and a cross a session."""
    found = [r.measures.get(lane.title) for r in on.rows]
    why = [m.reason for m in found if m is not None and m.reason]
    most = max(set(why), key=why.count) if why else None
    note = wording.REASONS.get(str(most), "") if len(set(why)) == 1 else "for several reasons"
    on.say(lane, _title(lane.title), f"not computed{f': {note}' if note else ''}")
    _crosses(on, lane, found, [i for i, m in enumerate(found) if m is not None], 0.5, 6)
    return {"range": [0, 1], "showticklabels": False, "showgrid": False}


def _crosses(
    on: Drawing, lane: Lane, found: Sequence[Measure | None], missing: Sequence[int], height: float, size: int
) -> None:
    """A cross with its reason for each session in which the measure was not computed."""
    if not missing:
        return
    on.add_points(
        lane,
        np.asarray(missing),
        y=np.full(len(missing), height),
        text=[formats.reason(m.reason) for i in missing if (m := found[i]) is not None],
        marker={
            "symbol": palette.SYMBOLS["not computed"],
            "size": size,
            "color": palette.INK,
            "line": {"width": 1.5, "color": palette.INK},
        },
        name=formats.name(lane.title),
        hovertemplate="%{text}",
    )


def _says(name: str, values: _Values, which: np.ndarray) -> dict:
    """What the hover says of some points: value, interval where there is one, unit."""
    unit = MEASURE_UNITS.get(name, "")
    mark, name, low, high = (
        "" if unit == "index" else f" {unit}",
        formats.name(name),
        values.low[which],
        values.high[which],
    )
    if np.isfinite(low).all() and np.isfinite(high).all():
        between = np.column_stack([low, high]).astype(np.float32)
        text = f"%{{y:.2f}}{mark} (%{{customdata[0]:.2f}} to %{{customdata[1]:.2f}})"
        return {"name": name, "customdata": between, "hovertemplate": text}
    if np.isfinite(low).any():
        ends = [f" ({a:.2f} to {b:.2f})" if np.isfinite(a + b) else "" for a, b in zip(low, high, strict=True)]
        return {"name": name, "text": ends, "hovertemplate": f"%{{y:.2f}}{mark}%{{text}}"}
    return {"name": name, "hovertemplate": f"%{{y:.2f}}{mark}"}


def _own_range(on: Drawing, lane: Lane, baseline: Baseline, colour: str) -> None:
    """The mean as a line and the own range as a band over the whole width."""
    place = {"xref": "paper", "x0": 0, "x1": 1, "yref": lane.axis, "layer": "below"}
    if baseline.low is not None and baseline.high is not None:
        on.figure.add_shape(
            type="rect",
            y0=baseline.low,
            y1=baseline.high,
            fillcolor=palette.transparent(colour, 0.09),
            line={"width": 0},
            **place,
        )
    on.figure.add_shape(
        type="line", y0=baseline.mean, y1=baseline.mean, line={"color": palette.INK, "width": 1, "dash": "dot"}, **place
    )


def _marks(on: Drawing, lane: Lane, cards: Sequence[Card], value: np.ndarray, middle: float) -> None:
    """A diamond at each session that a rule found something at, with the first letters of the kinds."""
    points = {r.session: (at, v) for r, at, v in zip(on.rows, on.x, value, strict=True) if np.isfinite(v)}
    by_session: dict[str, list[Card]] = {}
    for card in sorted(cards, key=lambda c: (-c.weight, c.id)):
        if lane.title in card.insight.measure.split("-") and card.insight.last_session in points:
            by_session.setdefault(card.insight.last_session, []).append(card)
    chosen = list(by_session)[: MAX_MARKS_DENSE if on.dense else MAX_MARKS]
    if not chosen:
        return
    at = [points[session] for session in chosen]
    kinds = [list(dict.fromkeys(c.insight.kind for c in by_session[session])) for session in chosen]
    on.add(
        lane,
        x=[p[0] for p in at],
        y=[p[1] for p in at],
        mode="markers+text",
        text=["".join(kind[0] for kind in found) for found in kinds],
        # towards the middle of the lane, where there is room, unless many points lie there
        textposition=["bottom center" if (p[1] > middle) != on.dense else "top center" for p in at],
        textfont={"size": 11, "color": palette.INK},
        marker={"symbol": "diamond-open", "size": 16, "color": palette.INK, "line": {"width": 1.5}},
        customdata=[
            ", ".join(f"{wording.KINDS.get(c.insight.kind, c.insight.kind)} ({c.state})" for c in by_session[s])
            for s in chosen
        ],
        hovertemplate="%{customdata}",
        name="Insight",
        cliponaxis=False,
    )


# --- what is no measure


def events(on: Drawing, lane: Lane, events: Sequence[Event]) -> dict:
    """Treatments as bars above, changes and life events as points below."""
    on.say(lane, f"<b>{lane.title}</b>")
    looks = {"treatment": ("square", 0, 1.7), "change": ("diamond", 1, 0.85), "life_event": ("star", 3, 0.0)}
    for kind, (symbol, i, level) in looks.items():
        of_kind = [e for e in events if e.kind == kind]
        if not of_kind:
            continue
        starts = formats.local_ms([e.started_at for e in of_kind], on.zone)
        for event, start in zip(of_kind, starts, strict=True):
            if kind == "treatment" or event.ended_at:
                stop = formats.local_ms([event.ended_at], on.zone)[0] if event.ended_at else on.end
                line = {"color": palette.transparent(palette.CATEGORIES[i], 0.35), "width": 9}
                on.add(lane, x=[start, stop], y=[level, level], mode="lines", line=line, hoverinfo="skip")
        on.add(
            lane,
            x=starts,
            y=np.full(len(of_kind), level),
            mode="markers+text",
            text=[
                formats.in_figure(e.text, 32) + (f" ({e.impact:+d})" if e.impact is not None else "") for e in of_kind
            ],
            textposition="top right" if kind == "treatment" else "middle right",
            textfont={"size": 11},
            marker={"symbol": symbol, "size": 9, "color": palette.CATEGORIES[i]},
            name=wording.EVENT_KINDS.get(kind, kind),
            hovertemplate="%{text}",
        )
    return {"showticklabels": False, "showgrid": False, "range": [-0.5, 2.6]}


def reports(on: Drawing, lane: Lane, reports: Sequence[SelfReport]) -> dict:
    """One self-report instrument in its own range; PHQ-9 with its own bands."""
    mine = [r for r in reports if r.instrument == lane.title]
    lowest, highest = INSTRUMENTS.get(lane.title, (min(r.score for r in mine), max(r.score for r in mine)))
    on.say(lane, f"<b>{formats.in_figure(lane.title)}</b>  self-report, {lowest:g}-{highest:g}")
    for cut in PHQ9_BANDS if lane.title == "PHQ-9" else ():
        on.figure.add_shape(
            type="line", xref="paper", x0=0, x1=1, yref=lane.axis, y0=cut, y1=cut, layer="below",
            line={"color": palette.FAINT, "width": 1, "dash": "dot"},
        )  # fmt: skip
    on.add(
        lane,
        x=formats.local_ms([r.reported_at for r in mine], on.zone),
        y=floats(r.score for r in mine),
        mode="lines+markers",
        line={"color": palette.INK, "width": 1, "dash": "dot"},
        marker={"symbol": "square", "size": 7, "color": palette.INK},
        name=formats.in_figure(lane.title),
        hovertemplate="%{y}",
    )
    edge = 0.08 * (highest - lowest)
    return {"range": [lowest - edge, highest + edge]}


def quality(on: Drawing, lane: Lane) -> dict:
    """Usable share as stems; hollow heads below the limit."""
    on.say(lane, f"<b>{lane.title}</b>  %", f"hollow: below {100 * LOW_USABLE_SHARE:.0f} %, left out of baselines")
    share = 100 * floats(r.usable_share for r in on.rows)
    has = np.isfinite(share)
    if has.any():
        half = on.width * (0.0005 if on.dense else 0.001)
        on.add(lane, fillcolor=palette.FAINT, **bars(on.x[has], np.zeros(int(has.sum())), share[has], half))
        on.add_points(
            lane,
            has,
            y=share[has],
            marker={
                "size": 4 if on.dense else 6,
                "color": palette.INK,
                "symbol": np.where(_hollow(on.rows)[has], "circle-open", "circle").tolist(),
            },
            name="Usable",
            hovertemplate="%{y:.0f} %",
        )
    return {"range": [-8, 108], "tickvals": [0, 50, 100], "ticksuffix": " %"}
