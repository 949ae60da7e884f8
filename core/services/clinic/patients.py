"""Patients: people followed here under a pseudonym; the worklist; events, self-reports and baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, stdev

from core.errors import Conflict
from core.services.clinic import detection
from core.services.clinic.baselines import (
    Baseline,
    baseline_history,
    baselines,
    preview_baseline,
    reliable_changes,
    set_baseline,
    undo_baseline,
)
from core.services.clinic.baselines import of_visits as baselines_of
from core.services.clinic.life_chart import (
    EVENT_KINDS,
    INSTRUMENTS,
    Event,
    SelfReport,
    add_event,
    add_self_report,
    events,
    remove_event,
    self_reports,
)
from core.services.pseudonyms import add_in, check_pseudonym, require
from core.settings import BASELINE_SESSIONS, LOW_USABLE_SHARE, PREDICTIONS
from core.storage import insights as insight_rows
from core.storage import jobs as job_rows
from core.storage import patients as rows
from core.storage import sessions as session_rows
from core.storage.records import BaselineRecord, PatientRecord, label
from core.storage.store import Store
from core.types import Measure

__all__ = [
    "EVENT_KINDS", "INSTRUMENTS", "Baseline", "Counts", "Event", "Patient", "SelfReport", "WorklistRow", "add_event",
    "add_self_report", "baseline_history", "baselines", "check_pseudonym", "counts", "create", "events", "find", "get",
    "measure_summary", "preview_baseline", "profile", "reliable_changes", "remove_event", "self_reports",
    "set_baseline", "suggest", "summary", "undo_baseline", "worklist",
]  # fmt: skip

AFFECT = rows.AFFECT
SPARK_SESSIONS = 10


@dataclass(frozen=True)
class Patient:
    """A person followed here. ``simulated`` marks the demo patients on every screen."""

    pseudonym: str
    created_at: datetime
    simulated: bool = False
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorklistRow:
    """One line of the worklist. ``spark`` maps V/A/D to the last ten session values (None where not computed)."""

    patient: str
    simulated: bool
    last_session: str | None
    last_started_at: datetime | None
    n_sessions: int
    usable_share: float | None
    spark: Mapping[str, tuple[float | None, ...]]
    state: str
    open_insights: int
    weight: float
    baseline: str
    tags: tuple[str, ...]
    unread: bool


@dataclass(frozen=True)
class Counts:
    """The four counts above the worklist."""

    patients: int
    new_sessions: int
    open_insights: int
    failed_jobs: int


# --- who is there


def create(
    store: Store, pseudonym: str, *, now: datetime, simulated: bool = False, tags: Sequence[str] = ()
) -> Patient:
    """Create a patient; refuses text that is no pseudonym (E-PSEUDONYM) and an existing one (E-PATIENT-EXISTS)."""
    check_pseudonym(pseudonym)
    with store.write() as tx:
        record = add_in(tx, pseudonym, now=now, simulated=simulated, tags=tags)
    if record is None:
        raise Conflict(
            "E-PATIENT-EXISTS",
            "there is already a patient with this pseudonym.",
            pseudonym,
            "Open it, or choose another.",
        )
    return _patient(record)


def _patient(record: PatientRecord) -> Patient:
    return Patient(record.pseudonym, record.created_at, record.simulated, tuple(record.tags))


def get(store: Store, pseudonym: str) -> Patient:
    """The patient, or NotFound (E-PATIENT)."""
    with store.read() as tx:
        return _patient(require(tx, pseudonym))


def find(store: Store, text: str = "") -> list[Patient]:
    """Patients whose pseudonym contains the text, in order of pseudonym."""
    with store.read() as tx:
        return [_patient(r) for r in rows.containing(tx, text.strip())]


def suggest(store: Store) -> str:
    """The next free pseudonym of the form P-0001."""
    with store.read() as tx:
        taken = [int(n[2:]) for n in rows.names_like(tx, "P-") if n[2:].isdecimal() and len(n) <= 8]
    return f"P-{max(taken, default=0) + 1:04d}"


# --- the worklist


def worklist(store: Store, *, now: datetime) -> list[WorklistRow]:
    """All patients: open insights by weight first, then oldest unread."""
    with store.read() as tx:
        everyone = rows.containing(tx, "")
        counted = {row[0]: (row[1], int(row[2])) for row in rows.session_counts(tx, LOW_USABLE_SHARE)}
        newest = {row.patient_id: row for row in rows.last_sessions(tx, 1)}
        values: dict[int, dict[tuple[str, int], float]] = {}
        for patient_id, place, name, value in rows.last_values(tx, SPARK_SESSIONS):
            values.setdefault(patient_id, {})[name, place] = value
        insights = insight_rows.open_by_patient(tx, now)
        unseen = rows.unseen(tx)
        chosen = rows.baselines_in_force(tx)
    table = []
    for p in everyone:
        n, n_accepted = counted.get(p.id, (0, 0))
        last = newest.get(p.id)
        found = values.get(p.id, {})
        places = range(min(n, SPARK_SESSIONS), 0, -1)  # oldest first
        table.append(
            WorklistRow(
                patient=p.pseudonym,
                simulated=p.simulated,
                last_session=label(p.pseudonym, last.number) if last else None,
                last_started_at=last.started_at if last else None,
                n_sessions=n,
                usable_share=last.usable_share if last else None,
                spark={name: tuple(found.get((name, place)) for place in places) for name in AFFECT},
                state=state_text(last.state) if last else "",
                open_insights=insights.get(p.id, (0, 0.0))[0],
                weight=insights.get(p.id, (0, 0.0))[1],
                baseline=_baseline_word(n_accepted, chosen.get(p.id), last),
                tags=tuple(p.tags),
                unread=p.id in unseen,
            )
        )
    return sorted(table, key=_urgency)


def _urgency(row: WorklistRow) -> tuple:
    seconds = row.last_started_at.timestamp() if row.last_started_at else -math.inf
    if row.open_insights:
        return 0, -row.weight, row.patient
    return (1, seconds, row.patient) if row.unread else (2, -seconds, row.patient)


def _baseline_word(n_accepted: int, chosen: BaselineRecord | None, last) -> str:
    """ "set", "stale" (made under another model than the newest session's), "own" or "learning 3/10"."""
    if chosen is not None:
        models = {m["model"] for name, m in chosen.measures.items() if name in PREDICTIONS}
        current = detection.model_id(last.model, last.model_version) if last else None
        return "stale" if models and current not in models else "set"
    return "own" if n_accepted >= BASELINE_SESSIONS else f"learning {n_accepted}/{BASELINE_SESSIONS}"


def state_text(state: Mapping) -> str:
    """The words of a stored state, or its reason."""
    return state["words"] if "words" in state else state["not_computed"]


def counts(store: Store, *, now: datetime) -> Counts:
    """The four counts of the worklist; "new" means not opened yet."""
    with store.read() as tx:
        return Counts(
            rows.number_of(tx),
            sum(rows.unseen(tx).values()),
            sum(n for n, _ in insight_rows.open_by_patient(tx, now).values()),
            job_rows.failed(tx),
        )


# --- the source platform's profile and summary


def profile(store: Store, patient: str) -> dict:
    """The source platform's profile.

    user_id, created_at, updated_at, baseline_valence/arousal/dominance, total_sessions, total_windows.
    """
    with store.read() as tx:
        record = require(tx, patient)
        history = session_rows.history(tx, record.id)
        seen = detection.visits(tx, record.id, patient)
        chosen = detection.in_force(rows.baselines(tx, record.id))
    found = baselines_of(seen, chosen)
    return {
        "user_id": patient,
        "created_at": record.created_at.isoformat(),
        "updated_at": record.updated_at.isoformat(),
        **{f"baseline_{d}": found[d].mean if d in found else {"not_computed": "too_few"} for d in AFFECT},
        "total_sessions": len(history),
        "total_windows": sum(s.n_windows for s in history),
    }


def summary(store: Store, patient: str) -> dict:
    """The source platform's summary: mean, SD and share High per dimension, margin, sessions, windows."""
    with store.read() as tx:
        record = require(tx, patient)
        history = session_rows.history(tx, record.id)
        measures = session_rows.history_measures(tx, record.id)
    counted = [s for s in history if detection.accepted(s)]
    table: dict = {"user_id": patient}
    for name in AFFECT:
        found = [m for s in counted if (m := measures.get(s.analysis_id, {}).get(name)) and m.value is not None]
        table[name] = _dimension(found) if found else {"not_computed": "too_few"}
    return {
        **table,
        "total_sessions": len(history),
        "accepted_sessions": len(counted),
        "total_windows": sum(s.n_windows for s in history),
    }


def _dimension(measures: Sequence[Measure]) -> dict:
    values = [m.value for m in measures if m.value is not None]
    both = measure_summary(measures)
    return {
        "mean": fmean(values),
        "sd": both[1] if both else {"not_computed": "too_few"},
        "share_high": fmean(m.label == "High" for m in measures),
        "margin": fmean(2 * abs(v - 0.5) for v in values),
        "n": len(values),
    }


def measure_summary(measures: Sequence[Measure]) -> tuple[float, float] | None:
    """Mean and SD (ddof 1) of computed values; None for fewer than two."""
    values = [m.value for m in measures if m.value is not None]
    return (fmean(values), stdev(values)) if len(values) > 1 else None
