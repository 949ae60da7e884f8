"""Detectors: a history of measures in, insights out. Pure functions of (history, now).

Two presets: ``published`` keeps the source system's thresholds as they are, on valence, arousal and
dominance; ``default`` uses prediction limits, a minimum of sessions and false-discovery control, on every
measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.insights import anomaly, correlation, peak, stability, trend
from core.insights.history import PRESETS, Found, History, View
from core.insights.statistics import false_discovery
from core.settings import (
    AFFECT,
    CAP_LIVE,
    CAP_REPLAY,
    FDR_Q,
    PUBLISHED_LOOK_BACK_DAYS,
    PUBLISHED_LOOK_BACK_REPLAY_DAYS,
    STILL_P,
)
from core.types import Insight, Reference, Visit

__all__ = ["DETECTORS", "PRESETS", "detect", "replay"]

DETECTORS: dict[str, Callable[[View], list[Found]]] = {
    "TREND": trend.find,
    "ANOMALY": anomaly.find,
    "PEAK": peak.find,
    "STABILITY": stability.find,
    "CORRELATION": correlation.find,
}
_SEVERITY = {"alert": 0, "warning": 1, "info": 2}
_ORDER = {kind: place for place, kind in enumerate(DETECTORS)}
Key = tuple[str, str, str]


def detect(
    visits: Sequence[Visit],
    preset: str,
    *,
    now: datetime,
    open_insights: Sequence[Insight] = (),
    references: Mapping[str, Reference] | None = None,
    cap: int = CAP_LIVE,
) -> tuple[list[Insight], list[Insight]]:
    """What the newest visit brings.

    Parameters
    ----------
    visits : sequence of Visit
        One patient's visits in any order; equal times are ordered by session id. Only accepted ones count.
    preset : "default" or "published"
    now : datetime
        The clock: STABILITY looks at the seven days before it, `published` at the 30 days before it.
    open_insights : sequence of Insight
        Known ones: they are not found twice, and a TREND, CORRELATION or STABILITY of `default` that held at
        the visit before and still holds moves its last session instead of adding one.
    references : mapping of measure to Reference
        Baselines that a clinician set, in the measure's unit; each takes the place of the history for
        visits at or after its ``since`` (`default` only).
    cap : int
        Most new insights of the visit; alerts first.

    Returns
    -------
    (new, extended)
        New ones, alerts first; and known ones whose last session moved to this visit.
    """
    state = _State(_known(open_insights, preset))
    history = History(visits)
    if not history.visits:
        return [], []
    newest = len(history.visits) - 1
    return _at(history, newest, preset, now, state, references or {}, cap, PUBLISHED_LOOK_BACK_DAYS)


def replay(
    visits: Sequence[Visit],
    preset: str,
    *,
    from_index: int = 0,
    open_insights: Sequence[Insight] = (),
    references: Mapping[str, Reference] | None = None,
) -> list[Insight]:
    """Run the detectors visit by visit, each with its own time as ``now``.

    ``from_index`` counts in the visits ordered by time. Insights in ``open_insights`` found from there on are
    forgotten and found again; of earlier ones the part from there on is judged again. So running it twice,
    with or without what the first run found, gives the same.

    Returns
    -------
    list of Insight
        Found in this run, and earlier ones whose last session is another than before; oldest first.
    """
    history = History(visits)
    cap = CAP_REPLAY if preset == "published" else CAP_LIVE
    given = _known(open_insights, preset)
    state = _State(known for g in given if (known := _until(g, history, from_index)) is not None)
    for i in range(from_index, len(history.visits)):
        now = history.visits[i].started_at
        _at(history, i, preset, now, state, references or {}, cap, PUBLISHED_LOOK_BACK_REPLAY_DAYS)
    before = {_key(g): g for g in given}
    start = {v.session for v in history.visits[from_index:]}
    changed = [k for k in state.known.values() if k.session in start or k != before.get(_key(k))]
    return sorted(changed, key=lambda k: (history.place.get(k.session, -1), *_rank(k)))


@dataclass
class _State:
    """Known insights by key, and by the session where they last held."""

    found: Iterable[Insight] = ()
    known: dict[Key, Insight] = field(default_factory=dict)
    holding: dict[Key, Insight] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for insight in self.found:
            self.put(insight)

    def put(self, insight: Insight) -> None:
        self.known[_key(insight)] = insight
        self.holding[insight.kind, insight.measure, insight.last_session] = insight


def _known(insights: Sequence[Insight], preset: str) -> list[Insight]:
    if preset not in PRESETS:
        raise ValueError(f"preset {preset!r}: there are {', '.join(PRESETS)}")
    return [i for i in insights if i.preset == preset]


def _key(insight: Insight) -> Key:
    return insight.kind, insight.measure, insight.session


def _rank(insight: Insight) -> tuple:
    p = insight.p if insight.p is not None else 1.0
    return _SEVERITY[insight.severity], p, _ORDER[insight.kind], insight.measure


def _at(
    history: History,
    i: int,
    preset: str,
    now: datetime,
    state: _State,
    references: Mapping[str, Reference],
    cap: int,
    look_back_days: int,
) -> tuple[list[Insight], list[Insight]]:
    """The detectors at visit i; ``state`` learns what they found."""
    visit = history.visits[i]
    if not visit.accepted:
        return [], []
    if preset == "published":
        series = history.series(i, now - timedelta(days=look_back_days), AFFECT)
        in_force: Mapping[str, Reference] = {}
    else:
        series = history.series(i)
        in_force = {m: r for m, r in references.items() if r.since <= visit.started_at}
    view = View(visit, now, preset, series, in_force)
    outcomes = [found for find in DETECTORS.values() for found in find(view)]
    q = _q(outcomes)

    new, extended = [], []
    for found in _without_replaced(outcomes, q):
        if not found.holds or found.write is None:
            continue
        insight = None
        if preset == "default" and found.before is not None and _still(found):
            now_holding = state.holding.get((found.kind, found.measure, visit.session))
            earlier = now_holding if now_holding and now_holding.session != visit.session else None
            earlier = earlier or state.holding.get((found.kind, found.measure, found.before))
            if earlier is not None:
                insight = found.write()
                if _direction(earlier) == _direction(insight):
                    if earlier is not now_holding:
                        extended.append(replace(earlier, last_session=visit.session, period_end=visit.started_at))
                    continue
        if found.certain or _q_of(found, q) <= FDR_Q:
            insight = insight or found.write()
            new.append(replace(insight, q=q.get(found.test) if found.test else None))
    new = sorted(new, key=_rank)[:cap]
    new = [n for n in new if _key(n) not in state.known]
    for insight in (*new, *extended):
        state.put(insight)
    return new, extended


def _q(outcomes: Sequence[Found]) -> dict[str, float]:
    """q of every test of the visit; ANOMALY and PEAK of a measure are one test."""
    p = {found.test: found.p for found in outcomes if found.test is not None and found.p is not None}
    return dict(zip(p, false_discovery(list(p.values())), strict=True))


def _q_of(found: Found, q: Mapping[str, float]) -> float:
    return q[found.test] if found.test is not None else 1.0


def _without_replaced(outcomes: Sequence[Found], q: Mapping[str, float]) -> list[Found]:
    """In `default` a PEAK that is outside the limit takes the place of the ANOMALY of its measure."""
    peaks = {f.measure for f in outcomes if f.kind == "PEAK" and f.test is not None and _q_of(f, q) <= FDR_Q}
    return [f for f in outcomes if not (f.kind == "ANOMALY" and f.measure in peaks)]


def _still(found: Found) -> bool:
    """What was found once needs no discovery control to be followed, only its own rule and test."""
    return found.p is None or found.p <= STILL_P


def _direction(insight: Insight) -> int:
    if insight.kind == "STABILITY":
        return 0
    against = insight.reference if insight.kind == "TREND" else 0.0
    return 1 if insight.value > against else -1


def _until(insight: Insight, history: History, i: int) -> Insight | None:
    """The insight as it stood before visit i; None when it was found at or after it."""
    place = history.place.get(insight.session)
    if place is None:
        return insight
    if place >= i:
        return None
    if history.place.get(insight.last_session, -1) < i:
        return insight
    last = history.last_before(i, insight) or history.visits[place]
    return replace(insight, last_session=last.session, period_end=last.started_at)
