"""Queries on insights and the decisions that people made about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, or_, select

from core.storage import tables as t
from core.storage.records import DecisionRecord, InsightRecord, columns
from core.storage.store import Transaction

_COLUMNS = columns(t.insight, InsightRecord)


def of_patient(tx: Transaction, patient_id: int, preset: str = "default") -> list[InsightRecord]:
    """Stored insights of a patient, oldest first, withdrawn ones too."""
    i, s = t.insight, t.session
    query = (
        select(*_COLUMNS)
        .join(s, s.c.id == i.c.session_id)
        .where(i.c.patient_id == patient_id, i.c.preset == preset)
        .order_by(s.c.started_at, s.c.number, i.c.id)
    )
    return tx.records(InsightRecord, query)


def get(tx: Transaction, insight_id: int) -> InsightRecord | None:
    """One insight."""
    return tx.record(InsightRecord, select(*_COLUMNS).where(t.insight.c.id == insight_id))


def _open(now: datetime) -> ColumnElement[bool]:
    i = t.insight
    run_out = and_(i.c.state == "snoozed", i.c.snoozed_until <= now)
    return and_(~i.c.withdrawn, or_(i.c.state.in_(("new", "seen")), run_out))


def undecided(tx: Transaction, now: datetime, patient_id: int | None = None) -> list[InsightRecord]:
    """Open insights, heaviest first."""
    query = select(*_COLUMNS).where(_open(now))
    if patient_id is not None:
        query = query.where(t.insight.c.patient_id == patient_id)
    return tx.records(InsightRecord, query.order_by(t.insight.c.weight.desc(), t.insight.c.id))


def open_by_patient(tx: Transaction, now: datetime) -> dict[int, tuple[int, float]]:
    """{patient id: (open insights, weight of all of them)}."""
    i = t.insight
    query = select(i.c.patient_id, func.count(), func.sum(i.c.weight)).where(_open(now)).group_by(i.c.patient_id)
    return {row[0]: (row[1], float(row[2])) for row in tx.execute(query)}


def of_session(tx: Transaction, session_id: int) -> list[InsightRecord]:
    """Insights that were first found in a session."""
    i = t.insight
    query = select(*_COLUMNS).where(i.c.session_id == session_id, ~i.c.withdrawn).order_by(i.c.id)
    return tx.records(InsightRecord, query)


def add(tx: Transaction, **values: Any) -> int:
    """Add an insight."""
    return tx.insert(t.insight, state="new", snoozed_until=None, withdrawn=False, **values)


def change(tx: Transaction, insight_id: int, **values: Any) -> None:
    """Change an insight's row."""
    tx.change(t.insight, insight_id, **values)


def remove(tx: Transaction, insight_ids: Sequence[int]) -> None:
    """Delete insights that nobody decided on and that the rules no longer find."""
    for start in range(0, len(insight_ids), 500):
        tx.execute(delete(t.insight).where(t.insight.c.id.in_(insight_ids[start : start + 500])))


# --- decisions


def decide(tx: Transaction, insight_id: int, **values: Any) -> None:
    """Add a decision."""
    tx.insert(t.insight_decision, insight_id=insight_id, who=tx.actor, undone_at=None, **values)


def undo(tx: Transaction, decision_id: int, now: datetime) -> None:
    """Mark a decision as taken back."""
    tx.change(t.insight_decision, decision_id, undone_at=now)


def decisions(tx: Transaction, insight_ids: Sequence[int]) -> Mapping[int, list[DecisionRecord]]:
    """Decisions on some insights, oldest first, taken back ones too."""
    d = t.insight_decision
    found: dict[int, list[DecisionRecord]] = {}
    for start in range(0, len(insight_ids), 500):
        query = select(*columns(d, DecisionRecord)).where(d.c.insight_id.in_(insight_ids[start : start + 500]))
        for record in tx.records(DecisionRecord, query.order_by(d.c.id)):
            found.setdefault(record.insight_id, []).append(record)
    return found


def by_kind(tx: Transaction) -> Sequence[Row]:
    """(kind, state, insights) over the platform."""
    i = t.insight
    query = select(i.c.kind, i.c.state, func.count()).where(~i.c.withdrawn).group_by(i.c.kind, i.c.state)
    return tx.all(query)


def dismissals(tx: Transaction) -> Sequence[Row]:
    """(kind, reason, decisions) of the dismissals in force."""
    i, d = t.insight, t.insight_decision
    query = (
        select(i.c.kind, d.c.reason, func.count())
        .join(d, d.c.insight_id == i.c.id)
        .where(~i.c.withdrawn, i.c.state == "dismissed", d.c.state == "dismissed", d.c.undone_at.is_(None))
        .group_by(i.c.kind, d.c.reason)
    )
    return tx.all(query)


def number_of(tx: Transaction) -> int:
    """How many insights there are."""
    return tx.value(select(func.count()).select_from(t.insight).where(~t.insight.c.withdrawn))


def pseudonyms(tx: Transaction, patient_ids: set[int]) -> dict[int, str]:
    """Pseudonyms of some patients."""
    p = t.patient
    query = select(p.c.id, p.c.pseudonym)
    if len(patient_ids) <= 500:
        query = query.where(p.c.id.in_(patient_ids))
    return {row[0]: row[1] for row in tx.execute(query)}


def table(tx: Transaction, patient_id: int | None, since: datetime | None, until: datetime | None) -> Sequence[Row]:
    """(pseudonym, start of the session, insight columns) of all insights, for exports."""
    i, s, p = t.insight, t.session, t.patient
    query = (
        select(p.c.pseudonym, s.c.started_at, *_COLUMNS)
        .join(s, s.c.id == i.c.session_id)
        .join(p, p.c.id == i.c.patient_id)
        .where(~i.c.withdrawn)
        .order_by(p.c.pseudonym, s.c.started_at, s.c.id, i.c.id)
    )
    if patient_id is not None:
        query = query.where(i.c.patient_id == patient_id)
    if since is not None:
        query = query.where(s.c.started_at >= since)
    if until is not None:
        query = query.where(s.c.started_at <= until)
    return tx.all(query)
