"""The life chart: a patient's events, measures, self-reports and quality on one time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import plotly.graph_objects as go

from app.ui import formats, palette
from app.ui.charts import lanes
from app.ui.charts.base import quiet, thinned
from app.ui.charts.lanes import Drawing, Lane
from core.services.clinic.insights import Card
from core.services.clinic.patients import Baseline, Event, SelfReport
from core.services.clinic.sessions import SessionRow

LANE_PX = {"events": 88, "measure": 112, "absent": 20, "reports": 96, "quality": 46}
GAP_PX = 30


@dataclass(frozen=True)
class Timeline:
    """The figure, and for each of its curves the session that each point stands for."""

    figure: go.Figure
    sessions: Mapping[int, tuple[str, ...]]
    n_drawn: int
    dense: bool = False


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
    drawn = [rows[i] for i in thinned(len(rows), (i for i, r in enumerate(rows) if r.session in marked))]
    times = [r.started_at for r in rows] + [r.reported_at for r in reports] + [e.started_at for e in events]
    ends = formats.local_ms(times, zone)
    first, last = (float(ends.min()), float(ends.max())) if ends.size else (0.0, 1.0)
    pad = max(0.02 * (last - first), 129_600_000.0)
    x = formats.local_ms([r.started_at for r in drawn], zone)
    on = Drawing(go.Figure(), drawn, x, first - pad, last + pad, zone)

    computed = {m for m in measures if any(m in r.measures and r.measures[m].value is not None for r in drawn)}
    quality = any(r.usable_share is not None for r in rows)
    wanted = _lanes(measures, computed, list(dict.fromkeys(r.instrument for r in reports)), bool(events), quality)
    for lane in _placed(wanted):
        on.figure.layout[lane.axis.replace("y", "yaxis")] = {
            "domain": [max(lane.bottom, 0.0), lane.top],
            "anchor": "x",
            "gridcolor": palette.GRID,
            "zeroline": False,
            "nticks": 4,
            "fixedrange": True,
            "tickfont": {"size": 11},
        } | _draw(on, lane, measures, baselines, cards, events, reports)
    _time_axis(on)
    quiet(on.figure, _height(wanted) + 60, left=52, top=4)
    return Timeline(on.figure, on.sessions, len(drawn), on.dense)


def _draw(
    on: Drawing,
    lane: Lane,
    measures: Sequence[str],
    baselines: Mapping[str, Baseline],
    cards: Sequence[Card],
    events: Sequence[Event],
    reports: Sequence[SelfReport],
) -> dict:
    """Draw a lane; returns what its kind says of its axis."""
    if lane.kind == "events":
        return lanes.events(on, lane, events)
    if lane.kind == "measure":
        colour = palette.measure(lane.title, list(measures).index(lane.title))
        return lanes.measure(on, lane, baselines.get(lane.title), cards, colour)
    if lane.kind == "absent":
        return lanes.absent(on, lane)
    if lane.kind == "reports":
        return lanes.reports(on, lane, reports)
    return lanes.quality(on, lane)


def _lanes(
    measures: Sequence[str], computed: set[str], instruments: Sequence[str], events: bool, quality: bool
) -> list[tuple[str, str]]:
    lanes = [("events", "Treatments, changes and life events")] if events else []
    # a bare axis says nothing, so a measure without a single value gets one line
    lanes += [("measure" if m in computed else "absent", m) for m in measures]
    lanes += [("reports", i) for i in instruments]
    # values measured elsewhere have no recording to judge
    return [*lanes, ("quality", "Usable share of the recording")] if quality else lanes


def _height(wanted: Sequence[tuple[str, str]]) -> int:
    """All lanes with the gaps above them, in px."""
    return sum(LANE_PX[kind] + GAP_PX for kind, _ in wanted)


def _placed(wanted: Sequence[tuple[str, str]]) -> list[Lane]:
    """Lanes one below the other, each with its own axis, in shares of the height."""
    total, y, placed = _height(wanted), 1.0, []
    for i, (kind, name) in enumerate(wanted):
        y -= GAP_PX / total
        height = LANE_PX[kind] / total
        placed.append(Lane(kind, name, "y" if i == 0 else f"y{i + 1}", y, y - height))
        y -= height
    return placed


def _time_axis(on: Drawing) -> None:
    on.figure.update_layout(
        xaxis={
            "type": "date",
            "range": [on.start, on.end],
            "anchor": "free",
            "position": 0,
            "gridcolor": palette.GRID,
            "showspikes": True,
            "spikemode": "across",
            "spikethickness": 1,
            "spikecolor": palette.FAINT,
            "spikedash": "solid",
            "hoverformat": "%-d %b %Y %H:%M",
            "title": {"text": f"Date ({on.zone.key})", "font": {"size": 12}},
        },
        hovermode="x unified",
        hoversubplots="axis",
        dragmode="zoom",
        clickmode="event+select",
    )
