"""Queries on sessions: their files, analyses, measures, window series and quality."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, select, update

from core.storage import patients
from core.storage import tables as t
from core.storage.records import (
    AnalysisRecord,
    FileRecord,
    HistoryRecord,
    QualityRecord,
    SeriesRecord,
    SessionRecord,
    as_measure,
    columns,
)
from core.storage.store import Transaction
from core.types import Measure

_MEASURE = [t.measure.c[name] for name in ("name", "kind", "unit", "value", "low", "high", "reason", "threshold")]
_HISTORY = [
    t.session.c.id, t.session.c.number, t.session.c.started_at, t.session.c.imported, t.session.c.simulated,
    t.session.c.deleted_at, t.analysis.c.id, t.analysis.c.status, t.analysis.c.reasons, t.analysis.c.state,
    t.analysis.c.usable_share, t.analysis.c.grade, t.analysis.c.n_windows, t.analysis.c.model,
    t.analysis.c.model_version, t.analysis.c.model_basis, t.analysis.c.model_accuracy,
    t.analysis.c.model_demonstration,
]  # fmt: skip
_WITH_NEWEST = t.session.join(t.analysis, and_(t.analysis.c.session_id == t.session.c.id, t.analysis.c.newest))


def by_number(tx: Transaction, pseudonym: str, number: int) -> SessionRecord | None:
    """A session by its patient's pseudonym and its number, deleted or not."""
    s, p = t.session, t.patient
    query = select(*columns(s, SessionRecord)).join(p, p.c.id == s.c.patient_id)
    return tx.record(SessionRecord, query.where(p.c.pseudonym == pseudonym, s.c.number == number))


def by_source(tx: Transaction, pseudonym: str, source_key: str) -> SessionRecord | None:
    """The session of a patient that came from the same files, deleted or not."""
    s, p = t.session, t.patient
    query = select(*columns(s, SessionRecord)).join(p, p.c.id == s.c.patient_id)
    return tx.record(SessionRecord, query.where(p.c.pseudonym == pseudonym, s.c.source_key == source_key))


def of_source(tx: Transaction, source_key: str) -> Sequence[Row]:
    """(pseudonym, number) of every session that came from the same files and is not deleted."""
    s, p = t.session, t.patient
    query = select(p.c.pseudonym, s.c.number).join(p, p.c.id == s.c.patient_id)
    return tx.all(query.where(s.c.source_key == source_key, s.c.deleted_at.is_(None)).order_by(s.c.id))


def recorded(tx: Transaction, newest: int) -> list[tuple[str, SessionRecord]]:
    """The newest sessions with a recording that are not deleted, each with its patient's pseudonym."""
    s, p = t.session, t.patient
    query = (
        select(p.c.pseudonym, *columns(s, SessionRecord))
        .join(p, p.c.id == s.c.patient_id)
        .where(s.c.imported.is_(False), s.c.deleted_at.is_(None))
        .order_by(s.c.started_at.desc(), s.c.id.desc())
        .limit(newest)
    )
    return [(row[0], SessionRecord(*row[1:])) for row in tx.all(query)]


def imported(tx: Transaction, patient_id: int) -> dict[str, int]:
    """Source keys of the imported sessions of a patient and their ids, deleted or not."""
    s = t.session
    query = select(s.c.source_key, s.c.id).where(s.c.patient_id == patient_id, s.c.imported)
    return {row[0]: row[1] for row in tx.execute(query)}


def add(tx: Transaction, patient_id: int, **values: Any) -> tuple[int, int]:
    """Add a session under the next number; (id, number)."""
    number = patients.take_number(tx, patient_id)
    row = {"moved_from": None, "deleted_at": None, **values}
    return tx.insert(t.session, patient_id=patient_id, number=number, **row), number


def change(tx: Transaction, session_id: int, **values: Any) -> None:
    """Change a session's row."""
    tx.change(t.session, session_id, **values)


def undelete(tx: Transaction, session_id: int) -> bool:
    """Take a soft delete back; whether it was deleted."""
    s = t.session
    return (
        tx.execute(update(s).where(s.c.id == session_id, s.c.deleted_at.is_not(None)).values(deleted_at=None)).rowcount
        == 1
    )


def add_files(tx: Transaction, session_id: int, files: Iterable[tuple[str, str, int]]) -> None:
    """Add the original files of a session: (name, sha256, size) in order."""
    tx.insert_many(
        t.recording,
        (
            {"session_id": session_id, "position": i, "name": name, "sha256": digest, "size": size}
            for i, (name, digest, size) in enumerate(files)
        ),
    )


def files(tx: Transaction, session_id: int) -> list[FileRecord]:
    """The original files of a session, in order."""
    query = select(*columns(t.recording, FileRecord)).where(t.recording.c.session_id == session_id)
    return tx.records(FileRecord, query.order_by(t.recording.c.position))


def all_hashes(tx: Transaction) -> set[str]:
    """The hashes of all original files that the database knows."""
    return set(tx.execute(select(t.recording.c.sha256).distinct()).scalars())


# --- analyses


def row_hash(analysis: Mapping[str, Any], measures: Sequence[Measure]) -> str:
    """SHA-256 of what an analysis says: the guard against a value that changes on disk."""
    said = {
        name: analysis[name]
        for name in ("status", "reasons", "state", "usable_share", "grade", "n_windows", "model", "model_version",
                     "pipeline_hash", "reading_hash", "code_version")
    }  # fmt: skip
    said["measures"] = sorted(
        [m.name, m.kind, m.unit, m.value, m.low, m.high, str(m.reason or ""), m.threshold] for m in measures
    )
    return hashlib.sha256(t.canonical(said).encode()).hexdigest()


def add_analysis(
    tx: Transaction,
    session_id: int,
    analysis: Mapping[str, Any],
    measures: Sequence[Measure],
    series: Iterable[Mapping[str, Any]] = (),
    quality: Mapping[str, Any] | None = None,
) -> int:
    """Add an analysis with all that belongs to it; it becomes the session's newest."""
    a = t.analysis
    tx.execute(update(a).where(a.c.session_id == session_id, a.c.newest).values(newest=False))
    key = tx.insert(a, session_id=session_id, newest=True, row_hash=row_hash(analysis, measures), **analysis)
    tx.insert_many(t.measure, (_measure_values(key, m) for m in measures))
    tx.insert_many(t.window_series, ({"analysis_id": key, **one} for one in series))
    if quality is not None:
        tx.insert(t.quality, analysis_id=key, **quality)
    return key


def add_measures(tx: Transaction, analysis: AnalysisRecord, measures: Sequence[Measure]) -> None:
    """Add measures to an imported analysis, and bring its hash up to date."""
    tx.insert_many(t.measure, (_measure_values(analysis.id, m) for m in measures))
    everything = [as_measure(row) for row in measure_rows(tx, analysis.id)]
    fields = {c.name: getattr(analysis, c.name) for c in columns(t.analysis, AnalysisRecord)}
    tx.change(t.analysis, analysis.id, row_hash=row_hash(fields, everything))


def _measure_values(analysis_id: int, m: Measure) -> dict[str, Any]:
    return {
        "analysis_id": analysis_id, "name": m.name, "kind": m.kind, "unit": m.unit, "value": m.value, "low": m.low,
        "high": m.high, "reason": str(m.reason) if m.reason else None, "threshold": m.threshold,
    }  # fmt: skip


def analyses(tx: Transaction, session_id: int) -> list[AnalysisRecord]:
    """The analyses of a session, oldest first."""
    a = t.analysis
    query = select(*columns(a, AnalysisRecord)).where(a.c.session_id == session_id).order_by(a.c.id)
    return tx.records(AnalysisRecord, query)


def make_newest(tx: Transaction, session_id: int, analysis_id: int) -> None:
    """Let one of a session's analyses be the one that timelines show."""
    a = t.analysis
    tx.execute(update(a).where(a.c.session_id == session_id).values(newest=(a.c.id == analysis_id)))


def measure_rows(tx: Transaction, analysis_id: int) -> Sequence[Row]:
    """The measures of an analysis as (name, kind, unit, value, low, high, reason, threshold), in stored order."""
    m = t.measure
    return tx.all(select(*_MEASURE).where(m.c.analysis_id == analysis_id).order_by(m.c.id))


def quality(tx: Transaction, analysis_id: int) -> QualityRecord | None:
    """The quality of an analysis; None for an imported one."""
    query = select(*columns(t.quality, QualityRecord)).where(t.quality.c.analysis_id == analysis_id)
    return tx.record(QualityRecord, query)


def series(tx: Transaction, analysis_id: int) -> list[SeriesRecord]:
    """The window series of an analysis, in the order of its targets."""
    w = t.window_series
    query = select(*columns(w, SeriesRecord)).where(w.c.analysis_id == analysis_id).order_by(w.c.id)
    return tx.records(SeriesRecord, query)


# --- histories


def _period(
    patient_id: int | None, since: datetime | None, until: datetime | None, deleted: bool
) -> list[ColumnElement[bool]]:
    s = t.session
    where: list[ColumnElement[bool]] = []
    if patient_id is not None:
        where.append(s.c.patient_id == patient_id)
    if not deleted:
        where.append(s.c.deleted_at.is_(None))
    if since is not None:
        where.append(s.c.started_at >= since)
    if until is not None:
        where.append(s.c.started_at <= until)
    return where


def history(
    tx: Transaction, patient_id: int, *, since: datetime | None = None, deleted: bool = False
) -> list[HistoryRecord]:
    """Sessions of a patient with their newest analysis, oldest first."""
    query = select(*_HISTORY).select_from(_WITH_NEWEST).where(*_period(patient_id, since, None, deleted))
    return tx.records(HistoryRecord, query.order_by(t.session.c.started_at, t.session.c.number))


def one(tx: Transaction, session_id: int) -> HistoryRecord | None:
    """One session with its newest analysis."""
    return tx.record(HistoryRecord, select(*_HISTORY).select_from(_WITH_NEWEST).where(t.session.c.id == session_id))


def history_measures(
    tx: Transaction, patient_id: int, *, since: datetime | None = None, deleted: bool = False
) -> dict[int, dict[str, Measure]]:
    """Measures of the newest analysis of a patient's sessions: {analysis id: {name: measure}}."""
    query = (
        select(t.measure.c.analysis_id, *_MEASURE)
        .select_from(_WITH_NEWEST.join(t.measure, t.measure.c.analysis_id == t.analysis.c.id))
        .where(*_period(patient_id, since, None, deleted))
        .order_by(t.measure.c.id)
    )
    found: dict[int, dict[str, Measure]] = {}
    for row in tx.execute(query):
        found.setdefault(row[0], {})[row[1]] = as_measure(row[1:])
    return found


def values(tx: Transaction, patient_id: int) -> Sequence[Row]:
    """Computed values of a patient's sessions, for the detectors: (session id, analysis model, kind, name, value).

    Markers are those of the newest analysis; predictions come from every analysis, oldest first.
    """
    s, a, m = t.session, t.analysis, t.measure
    query = (
        select(s.c.id, a.c.model, a.c.newest, m.c.kind, m.c.name, m.c.value)
        .select_from(s.join(a, a.c.session_id == s.c.id).join(m, m.c.analysis_id == a.c.id))
        .where(s.c.patient_id == patient_id, s.c.deleted_at.is_(None), m.c.value.is_not(None))
        .order_by(s.c.id, a.c.id)
    )
    return tx.all(query)


def moved(tx: Transaction, session: str) -> str | None:
    """Where a session that had this id is now; None when none had it."""
    m = t.session_move
    return tx.value(select(m.c.to_session).where(m.c.from_session == session).order_by(m.c.id.desc()).limit(1))


def note_move(tx: Transaction, session_id: int, source: str, target: str, why: str, now: datetime) -> None:
    """Keep the trace of a move."""
    tx.insert(
        t.session_move, session_id=session_id, from_session=source, to_session=target, moved_at=now, who=tx.actor,
        why=why,
    )  # fmt: skip


def totals(tx: Transaction) -> tuple[int, int, int]:
    """(sessions, computed predictions, windows predicted on) over the platform, without what is deleted."""
    s, a, m = t.session, t.analysis, t.measure
    sessions = tx.value(select(func.count()).select_from(s).where(s.c.deleted_at.is_(None)))
    joined = s.join(a, a.c.session_id == s.c.id)
    predictions = tx.value(
        select(func.count())
        .select_from(joined.join(m, m.c.analysis_id == a.c.id))
        .where(s.c.deleted_at.is_(None), m.c.kind == "prediction", m.c.value.is_not(None))
    )
    windows = tx.value(
        select(func.coalesce(func.sum(a.c.n_windows), 0)).select_from(joined).where(s.c.deleted_at.is_(None))
    )
    return sessions, predictions, int(windows)


# --- exports: whole tables, one query each


def measure_table(
    tx: Transaction, *, patient_id: int | None, since: datetime | None, until: datetime | None
) -> Sequence[Row]:
    """Every measure of every analysis, in order of patient, time and analysis."""
    s, a, m, p = t.session, t.analysis, t.measure, t.patient
    query = (
        select(
            p.c.pseudonym, s.c.number, s.c.started_at, m.c.kind, m.c.name, m.c.value, m.c.low, m.c.high, m.c.unit,
            m.c.reason, a.c.usable_share, a.c.model, a.c.model_version, a.c.model_basis, a.c.model_demonstration,
            a.c.status, s.c.imported, s.c.simulated, m.c.threshold, a.c.pipeline_hash, a.c.newest,
        )
        .select_from(
            s.join(p, p.c.id == s.c.patient_id).join(a, a.c.session_id == s.c.id).join(m, m.c.analysis_id == a.c.id)
        )
        .where(*_period(patient_id, since, until, False))
        .order_by(p.c.pseudonym, s.c.started_at, s.c.id, a.c.id, m.c.id)
    )  # fmt: skip
    return tx.all(query)


def series_table(
    tx: Transaction, *, patient_id: int | None, since: datetime | None, until: datetime | None
) -> Sequence[Row]:
    """Every window series, in order of patient, time, analysis and target."""
    s, a, w, p = t.session, t.analysis, t.window_series, t.patient
    query = (
        select(
            p.c.pseudonym, s.c.number, s.c.started_at, a.c.model, a.c.model_version, w.c.target, w.c.duration_s,
            w.c.onset_s, w.c.proba,
        )
        .select_from(
            s.join(p, p.c.id == s.c.patient_id)
            .join(a, a.c.session_id == s.c.id)
            .join(w, w.c.analysis_id == a.c.id)
        )
        .where(*_period(patient_id, since, until, False))
        .order_by(p.c.pseudonym, s.c.started_at, s.c.id, a.c.id, w.c.id)
    )  # fmt: skip
    return tx.all(query)


def verify_rows(tx: Transaction) -> list[int]:
    """Ids of analyses whose stored values no longer give their stored hash."""
    m, a = t.measure, t.analysis
    found: dict[int, list[Measure]] = {}
    for row in tx.execute(select(m.c.analysis_id, *_MEASURE)):
        found.setdefault(row[0], []).append(as_measure(row[1:]))
    return [
        row.id for row in tx.execute(select(a)) if row.row_hash != row_hash(dict(row._mapping), found.get(row.id, []))
    ]
