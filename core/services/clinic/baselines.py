"""Personal baselines: learning, own, or set by a clinician with who and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from core.errors import Refused
from core.services.clinic import detection
from core.services.pseudonyms import require, words
from core.settings import MEASURE_UNITS, PREDICTIONS
from core.storage import insights as insight_rows
from core.storage import patients as rows
from core.storage.records import BaselineRecord
from core.storage.store import Store
from core.types import Reference, Visit

if TYPE_CHECKING:
    from core.insights.reliable import Change


@dataclass(frozen=True)
class Baseline:
    """The reference of one measure: own mean and own range (95 %).

    ``kind`` is "learning" (fewer than 10 accepted sessions; low and high are None), "own" (all accepted
    sessions, exponential mean in ``mean``) or "set" (sessions chosen by a clinician, with who and why; in force
    for sessions from ``since`` on, set by a person at ``set_at``).
    """

    measure: str
    unit: str
    kind: str
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    n: int
    since: datetime | None = None
    who: str = ""
    why: str = ""
    sessions: tuple[str, ...] = ()
    set_at: datetime | None = None


def baselines(store: Store, patient: str, *, at: datetime | None = None) -> dict[str, Baseline]:
    """The reference in force for each measure of a patient (at a time, by default now)."""
    with store.read() as tx:
        record = require(tx, patient)
        seen = detection.visits(tx, record.id, patient)
        chosen = rows.baselines(tx, record.id)
    if at is not None:
        seen = [v for v in seen if v.started_at <= at]
        chosen = [b for b in chosen if b.since <= at]
    return of_visits(seen, detection.in_force(chosen))


def reliable_changes(store: Store, patient: str, session: str) -> dict[str, Change]:
    """Each measure of a session against the person's own variation between sessions (``core.insights.reliable``).

    The baseline sessions are those that a clinician had set for its time, else all accepted ones before it; those of a
    prediction are of the same model. A session that was not accepted is not compared, and says why.
    """
    from core.insights.reliable import Change, change

    with store.read() as tx:
        record = require(tx, patient)
        seen = detection.visits(tx, record.id, patient)
        kept = rows.baselines(tx, record.id)
    at = next((i for i, v in enumerate(seen) if v.session == session), None)
    if at is None:
        return {}
    judged, earlier = seen[at], [v for v in seen[:at] if v.accepted]
    if not judged.accepted:
        return {name: Change(0, why="too little of the session could be used") for name in judged.values}
    chosen = detection.in_force([b for b in kept if b.since <= judged.started_at])
    refs = detection.references(chosen, judged.model)
    found = {}
    for name, value in judged.values.items():
        own = [v for v in earlier if name in v.values and (name not in PREDICTIONS or v.model == judged.model)]
        if name in refs and chosen is not None:
            own = [v for v in own if v.session in chosen.sessions]
        found[name] = change(value, [v.values[name] for v in own], name)
    return found


def of_visits(seen: Sequence[Visit], chosen: BaselineRecord | None) -> dict[str, Baseline]:
    """The reference of each measure from some visits, and a baseline that was set."""
    from core.insights.baseline import ema, own_range

    counted = [v for v in seen if v.accepted]
    model = counted[-1].model if counted else None
    refs = detection.references(chosen, model)
    found: dict[str, Baseline] = {}
    for name, unit in MEASURE_UNITS.items():
        values = [v.values[name] for v in counted if name in v.values and (name not in PREDICTIONS or v.model == model)]
        if name in refs and chosen is not None:
            found[name] = _set_baseline(name, unit, refs[name], chosen)
        elif values:
            band = own_range(values, name)
            found[name] = Baseline(
                name, unit, "own" if band else "learning", float(ema(values)[-1]),
                stdev(values) if len(values) > 1 else None,
                band[0] if band else None, band[2] if band else None, len(values),
            )  # fmt: skip
    return found


def _set_baseline(name: str, unit: str, reference: Reference, chosen: BaselineRecord) -> Baseline:
    from core.insights.baseline import own_range

    band = own_range(reference, name)
    return Baseline(
        name, unit, "set", reference.mean, reference.sd, band[0] if band else None, band[2] if band else None,
        reference.n, chosen.since, chosen.who, chosen.why, tuple(chosen.sessions), chosen.set_at,
    )  # fmt: skip


def _choose(seen: Sequence[Visit], sessions: Sequence[str], patient: str) -> tuple[list[Visit], dict, datetime]:
    """The chosen visits, mean, SD and n of each of their measures, and from when they are the reference."""
    by_id = {v.session: v for v in seen}
    wanted = list(dict.fromkeys(sessions))
    chosen = [by_id[s] for s in wanted if s in by_id and by_id[s].accepted]
    if len(chosen) < 2 or len(chosen) < len(wanted):
        raise Refused(
            "E-BASELINE",
            "a baseline needs at least two sessions of this patient that were accepted.",
            patient,
            "Choose sessions that are not abstained, not deleted and drawn full on the timeline.",
        )
    model = next((v.model for v in reversed(seen) if v.accepted), None)
    measures = {}
    for name in MEASURE_UNITS:
        values = [v.values[name] for v in chosen if name in v.values and (name not in PREDICTIONS or v.model == model)]
        if len(values) > 1:
            measures[name] = {
                "mean": fmean(values), "sd": stdev(values), "n": len(values),
                "model": model if name in PREDICTIONS else None,
            }  # fmt: skip
    if not measures:
        raise Refused("E-BASELINE", "no measure was computed in two of the chosen sessions.", patient, "Choose others.")
    # the chosen sessions make the reference; later ones are judged against it
    return chosen, measures, max(v.started_at for v in chosen) + timedelta(seconds=1)


def set_baseline(
    store: Store, patient: str, sessions: Sequence[str], why: str, *, now: datetime
) -> dict[str, Baseline]:
    """Make the chosen accepted sessions (at least 2) the reference of `default`; insights are made anew.

    A reason is required.
    """
    why = words(why, "why", "Say in a few words why these sessions are the reference.")
    with store.write() as tx:
        record = require(tx, patient, lock=True)
        chosen, measures, since = _choose(detection.visits(tx, record.id, patient), sessions, patient)
        names = [v.session for v in sorted(chosen, key=lambda v: v.started_at)]
        version = rows.add_baseline(tx, record.id, set_at=now, since=since, why=why, sessions=names, measures=measures)
        rows.touch(tx, record.id, now)
        detection.refresh(tx, record.id, patient, now=now)
        tx.audit("baseline.set", f"{patient} baseline {version}", at=now, patient=patient, reason=why)
    return baselines(store, patient)


def preview_baseline(store: Store, patient: str, sessions: Sequence[str]) -> tuple[int, int, int]:
    """How setting it would change open insights: (kept, gone, new)."""
    with store.read() as tx:
        record = require(tx, patient)
        seen = detection.visits(tx, record.id, patient)
        stored = insight_rows.of_patient(tx, record.id)
    _, measures, since = _choose(seen, sessions, patient)
    references = {name: Reference(m["mean"], m["sd"], m["n"], since) for name, m in measures.items()}
    after = {detection.key(i) for i in detection.found_by(detection.STORED_PRESET, seen, references)}
    before = {detection.key(r) for r in stored if not r.withdrawn and r.state not in detection.DECIDED}
    decided = {detection.key(r) for r in stored if r.state in detection.DECIDED}
    return len(before & after), len(before - after), len(after - before - decided)


def undo_baseline(store: Store, patient: str, *, now: datetime) -> bool:
    """Take the newest set baseline back; False when there is none."""
    with store.write() as tx:
        record = require(tx, patient, lock=True)
        newest = detection.in_force(rows.baselines(tx, record.id))
        if newest is None:
            return False
        rows.undo_baseline(tx, newest.id, now)
        rows.touch(tx, record.id, now)
        detection.refresh(tx, record.id, patient, now=now)
        tx.audit("baseline.undo", f"{patient} baseline {newest.version}", at=now, patient=patient)
    return True


def baseline_history(store: Store, patient: str) -> list[Baseline]:
    """Every baseline that was set, newest first, with who and why: one row a measure, taken back ones too."""
    with store.read() as tx:
        chosen = rows.baselines(tx, require(tx, patient).id)
    return [
        _set_baseline(name, MEASURE_UNITS[name], Reference(m["mean"], m["sd"], m["n"], b.since), b)
        for b in reversed(chosen)
        for name, m in sorted(b.measures.items(), key=lambda item: list(MEASURE_UNITS).index(item[0]))
    ]
