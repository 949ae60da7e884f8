"""Queries on patients and what belongs to them: what was seen, baselines, events and self-reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, and_, case, func, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as lite_insert

from core.storage import tables as t
from core.storage.records import (
    BaselineRecord,
    EventRecord,
    PatientRecord,
    SelfReportRecord,
    columns,
)
from core.storage.store import Transaction

AFFECT = ("valence", "arousal", "dominance")


def add(tx: Transaction, pseudonym: str, *, now: datetime, simulated: bool = False, tags: Sequence[str] = ()) -> bool:
    """Add a patient; False when the pseudonym is taken (also by a writer at the same moment)."""
    make = pg_insert if tx.postgres else lite_insert
    statement = make(t.patient).values(
        pseudonym=pseudonym, created_at=now, updated_at=now, simulated=simulated, tags=list(tags), next_session=1
    )
    added = statement.on_conflict_do_nothing(index_elements=["pseudonym"]).returning(t.patient.c.id)
    return tx.first(added) is not None


def by_name(tx: Transaction, pseudonym: str, *, lock: bool = False) -> PatientRecord | None:
    """A patient, or None. With ``lock`` other writers of this patient wait until this transaction ends."""
    query = select(*columns(t.patient, PatientRecord)).where(t.patient.c.pseudonym == pseudonym)
    return tx.record(PatientRecord, query.with_for_update() if lock else query)


def containing(tx: Transaction, text: str) -> list[PatientRecord]:
    """Patients whose pseudonym contains a text, in order of pseudonym."""
    query = select(*columns(t.patient, PatientRecord)).order_by(t.patient.c.pseudonym)
    if text:
        query = query.where(t.patient.c.pseudonym.icontains(text, autoescape=True))
    return tx.records(PatientRecord, query)


def names_like(tx: Transaction, prefix: str) -> list[str]:
    """Pseudonyms that start with a prefix."""
    query = select(t.patient.c.pseudonym).where(t.patient.c.pseudonym.startswith(prefix, autoescape=True))
    return list(tx.execute(query).scalars())


def touch(tx: Transaction, patient_id: int, now: datetime) -> None:
    """Note that something of a patient changed."""
    tx.change(t.patient, patient_id, updated_at=now)


def numbers_given(tx: Transaction, patient_id: int) -> int:
    """How many session numbers a patient was ever given."""
    return tx.value(select(t.patient.c.next_session - 1).where(t.patient.c.id == patient_id)) or 0


def take_number(tx: Transaction, patient_id: int) -> int:
    """The next session number of a patient; a number is given once."""
    statement = (
        update(t.patient)
        .where(t.patient.c.id == patient_id)
        .values(next_session=t.patient.c.next_session + 1)
        .returning(t.patient.c.next_session - 1)
    )
    return int(tx.value(statement))


# --- what was opened


def see(tx: Transaction, patient_id: int, now: datetime) -> bool:
    """Note that the actor has seen all sessions of a patient; False when there was nothing new."""
    newest = tx.value(select(func.max(t.session.c.id)).where(t.session.c.patient_id == patient_id)) or 0
    seen = t.patient_seen
    mine = and_(seen.c.patient_id == patient_id, seen.c.actor == tx.actor)
    row = tx.first(select(seen.c.id, seen.c.session_id).where(mine))
    if row is None:
        tx.insert(seen, patient_id=patient_id, actor=tx.actor, session_id=newest, seen_at=now)
        return True
    if row.session_id == newest:
        return False
    tx.change(seen, row.id, session_id=newest, seen_at=now)
    return True


def has_unseen(tx: Transaction, patient_id: int) -> bool:
    """Whether ``see`` would note something: a patient never opened, or one with a session that was not."""
    newest = tx.value(select(func.max(t.session.c.id)).where(t.session.c.patient_id == patient_id)) or 0
    mine = and_(t.patient_seen.c.patient_id == patient_id, t.patient_seen.c.actor == tx.actor)
    return tx.value(select(t.patient_seen.c.session_id).where(mine)) != newest


def unseen(tx: Transaction) -> dict[int, int]:
    """How many sessions of each patient the actor has not opened yet; patients without any are left out."""
    s, seen = t.session, t.patient_seen
    query = (
        select(s.c.patient_id, func.count())
        .select_from(s.outerjoin(seen, and_(seen.c.patient_id == s.c.patient_id, seen.c.actor == tx.actor)))
        .where(s.c.deleted_at.is_(None), s.c.id > func.coalesce(seen.c.session_id, 0))
        .group_by(s.c.patient_id)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


# --- the worklist, in four queries whatever the number of patients


def session_counts(tx: Transaction, low_share: float) -> Sequence[Row]:
    """(patient_id, sessions, accepted sessions) of every patient that has any."""
    s, a = t.session, t.analysis
    accepted = and_(a.c.status == "ok", func.coalesce(a.c.usable_share, 1.0) >= low_share)
    query = (
        select(s.c.patient_id, func.count(), func.sum(case((accepted, 1), else_=0)))
        .select_from(s.join(a, and_(a.c.session_id == s.c.id, a.c.newest)))
        .where(s.c.deleted_at.is_(None))
        .group_by(s.c.patient_id)
    )
    return tx.all(query)


def last_sessions(tx: Transaction, n: int) -> Sequence[Row]:
    """The last ``n`` sessions of every patient, newest first: time, state and share of their newest analysis."""
    s, a = t.session, t.analysis
    place = func.row_number().over(partition_by=s.c.patient_id, order_by=(s.c.started_at.desc(), s.c.id.desc()))
    ranked = select(s.c.id, place.label("place")).where(s.c.deleted_at.is_(None)).subquery()
    query = (
        select(
            s.c.patient_id, s.c.number, s.c.started_at, ranked.c.place,
            a.c.id.label("analysis_id"), a.c.state, a.c.usable_share, a.c.model, a.c.model_version,
        )
        .select_from(ranked.join(s, s.c.id == ranked.c.id).join(a, and_(a.c.session_id == s.c.id, a.c.newest)))
        .where(ranked.c.place <= n)
        .order_by(s.c.patient_id, ranked.c.place)
    )  # fmt: skip
    return tx.all(query)


def last_values(tx: Transaction, n: int) -> Sequence[Row]:
    """(patient_id, place, name, value) of valence, arousal and dominance in those sessions."""
    s, a, m = t.session, t.analysis, t.measure
    place = func.row_number().over(partition_by=s.c.patient_id, order_by=(s.c.started_at.desc(), s.c.id.desc()))
    ranked = select(s.c.id, s.c.patient_id, place.label("place")).where(s.c.deleted_at.is_(None)).subquery()
    query = (
        select(ranked.c.patient_id, ranked.c.place, m.c.name, m.c.value)
        .select_from(ranked.join(a, and_(a.c.session_id == ranked.c.id, a.c.newest)).join(m, m.c.analysis_id == a.c.id))
        .where(ranked.c.place <= n, m.c.name.in_(AFFECT), m.c.value.is_not(None))
    )
    return tx.all(query)


def number_of(tx: Transaction) -> int:
    """How many patients there are."""
    return tx.value(select(func.count()).select_from(t.patient))


# --- baselines


def baselines(tx: Transaction, patient_id: int) -> list[BaselineRecord]:
    """Every baseline that was set for a patient, oldest first."""
    query = select(*columns(t.baseline, BaselineRecord)).where(t.baseline.c.patient_id == patient_id)
    return tx.records(BaselineRecord, query.order_by(t.baseline.c.version))


def baselines_in_force(tx: Transaction) -> dict[int, BaselineRecord]:
    """The newest baseline that is in force, by patient."""
    query = select(t.baseline.c.patient_id, *columns(t.baseline, BaselineRecord))
    query = query.where(t.baseline.c.undone_at.is_(None)).order_by(t.baseline.c.version)
    return {row[0]: BaselineRecord(*row[1:]) for row in tx.execute(query)}


def add_baseline(
    tx: Transaction,
    patient_id: int,
    *,
    set_at: datetime,
    since: datetime,
    why: str,
    sessions: list[str],
    measures: dict,
) -> int:
    """Add a baseline under the next version."""
    last = tx.value(select(func.max(t.baseline.c.version)).where(t.baseline.c.patient_id == patient_id)) or 0
    tx.insert(
        t.baseline, patient_id=patient_id, version=last + 1, set_at=set_at, since=since, who=tx.actor, why=why,
        sessions=sessions, measures=measures, undone_at=None,
    )  # fmt: skip
    return last + 1


def undo_baseline(tx: Transaction, baseline_id: int, now: datetime) -> None:
    """Mark a baseline as taken back."""
    tx.change(t.baseline, baseline_id, undone_at=now)


# --- the life chart


def add_event(tx: Transaction, patient_id: int, **values) -> int:
    """Add an event and return its id."""
    return tx.insert(t.event, patient_id=patient_id, removed_at=None, **values)


def events(tx: Transaction, patient_id: int) -> list[EventRecord]:
    """Events of a patient in order of time."""
    e = t.event
    query = select(*columns(e, EventRecord)).where(e.c.patient_id == patient_id, e.c.removed_at.is_(None))
    return tx.records(EventRecord, query.order_by(e.c.started_at, e.c.id))


def remove_event(tx: Transaction, event_id: int, now: datetime) -> str | None:
    """Take an event back; the pseudonym of its patient, None when there is no such event."""
    e = t.event
    query = select(t.patient.c.pseudonym).join(e, e.c.patient_id == t.patient.c.id)
    name = tx.value(query.where(e.c.id == event_id, e.c.removed_at.is_(None)))
    if name is not None:
        tx.change(e, event_id, removed_at=now)
    return name


def add_self_report(tx: Transaction, patient_id: int, **values) -> int:
    """Add a self-report and return its id."""
    return tx.insert(t.self_report, patient_id=patient_id, **values)


def self_reports(tx: Transaction, patient_id: int) -> list[SelfReportRecord]:
    """Self-reports of a patient in order of time."""
    r = t.self_report
    query = select(*columns(r, SelfReportRecord)).where(r.c.patient_id == patient_id)
    return tx.records(SelfReportRecord, query.order_by(r.c.reported_at, r.c.id))
