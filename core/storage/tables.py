"""The tables, named ...Row; rows are read and written through SQLAlchemy Core, so nothing else needs these classes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def canonical(value: Any) -> str:
    """JSON with sorted keys and no NaN: what is stored, and what hashes are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class UtcTime(TypeDecorator[datetime]):
    """An aware time, kept in UTC; a time without a zone is a mistake of the caller."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; SQLite keeps no zone, so there it is dropped."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Back to an aware time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(SQLModel):
    """What all tables share: names of constraints that a migration can address."""

    metadata = MetaData(naming_convention=NAMES)


def _key() -> Any:
    return Field(default=None, primary_key=True, sa_type=Integer)


def _to(table: str, *, index: bool = False, nullable: bool = False) -> Any:
    return Field(
        sa_type=Integer,
        sa_column_args=[ForeignKey(f"{table}.id", ondelete="CASCADE")],
        index=index,
        nullable=nullable,
    )


def _of(type_: Any, *, nullable: bool = False, **kwargs: Any) -> Any:
    return Field(sa_type=type_, nullable=nullable, **kwargs)


class PatientRow(Base, table=True):
    """A person followed here. ``next_session`` only grows: numbers of sessions are never used twice."""

    __tablename__ = "patient"
    id: int | None = _key()
    pseudonym: str = _of(String(32), unique=True)
    created_at: datetime = _of(UtcTime)
    updated_at: datetime = _of(UtcTime)
    simulated: bool = _of(Boolean)
    tags: list[str] = _of(JSON)
    next_session: int = _of(Integer)


class PatientSeenRow(Base, table=True):
    """Up to which session somebody has opened a patient."""

    __tablename__ = "patient_seen"
    __table_args__ = (UniqueConstraint("patient_id", "actor"),)
    id: int | None = _key()
    patient_id: int = _to("patient")
    actor: str = _of(String(64))
    session_id: int = _of(Integer)
    seen_at: datetime = _of(UtcTime)


class SessionRow(Base, table=True):
    """One visit. ``source_key`` is what makes it the same one again: the hash of its files, or its time if imported."""

    __tablename__ = "session"
    __table_args__ = (
        UniqueConstraint("patient_id", "number"),
        UniqueConstraint("patient_id", "source_key"),
        Index("ix_session_patient_time", "patient_id", "deleted_at", "started_at", "id"),
    )
    id: int | None = _key()
    patient_id: int = _to("patient")
    number: int = _of(Integer)
    started_at: datetime = _of(UtcTime)
    created_at: datetime = _of(UtcTime)
    imported: bool = _of(Boolean)
    simulated: bool = _of(Boolean)
    source_key: str = _of(String(80))
    duration_s: float = _of(Double)
    format: str = _of(String(40))
    signals: list[dict] = _of(JSON)
    annotations: list[dict] = _of(JSON)
    warnings: list[dict] = _of(JSON)
    reading: dict = _of(JSON)
    moved_from: str | None = _of(String(48), nullable=True)
    deleted_at: datetime | None = _of(UtcTime, nullable=True)


class SessionMoveRow(Base, table=True):
    """The trace of a session that was moved to another patient; ids as they were then."""

    __tablename__ = "session_move"
    id: int | None = _key()
    session_id: int = _to("session", index=True)
    from_session: str = _of(String(48), index=True)
    to_session: str = _of(String(48))
    moved_at: datetime = _of(UtcTime)
    who: str = _of(String(64))
    why: str = _of(Text)


class RecordingRow(Base, table=True):
    """One original file of a session; its bytes lie under ``recordings/<sha256>``."""

    __tablename__ = "recording"
    id: int | None = _key()
    session_id: int = _to("session", index=True)
    position: int = _of(Integer)
    name: str = _of(Text)
    sha256: str = _of(String(64), index=True)
    size: int = _of(Integer)


class AnalysisRow(Base, table=True):
    """One analysis of a session by one model (or none). ``newest`` marks the one that timelines show.

    ``reading`` says how the files were read and cleaned; it is unknown of analyses older than this column. ``notices``
    are its own warnings; those of older analyses stand with the session's.
    """

    __tablename__ = "analysis"
    __table_args__ = (
        UniqueConstraint(
            "session_id", "model", "model_version", "pipeline_hash", "reading_hash", name="uq_analysis_once"
        ),
        Index("ix_analysis_session_newest", "session_id", "newest"),
    )
    id: int | None = _key()
    session_id: int = _to("session")
    newest: bool = _of(Boolean)
    created_at: datetime = _of(UtcTime)
    status: str = _of(String(16))
    reasons: list[str] = _of(JSON)
    state: dict = _of(JSON)
    usable_share: float | None = _of(Double, nullable=True)
    grade: str | None = _of(String(16), nullable=True)
    n_windows: int = _of(Integer)
    model: str = _of(String(80))
    model_version: str = _of(String(80))
    model_basis: str = _of(Text)
    model_accuracy: float | None = _of(Double, nullable=True)
    model_demonstration: bool = _of(Boolean)
    pipeline: dict = _of(JSON)
    pipeline_hash: str = _of(String(16))
    reading_hash: str = _of(String(16))
    reading: dict | None = _of(JSON(none_as_null=True), nullable=True)
    notices: list[dict] | None = _of(JSON(none_as_null=True), nullable=True)
    code_version: str = _of(String(40))
    row_hash: str = _of(String(64))


class MeasureRow(Base, table=True):
    """One measure of one analysis: a value with interval and unit, or the reason why there is none."""

    __tablename__ = "measure"
    __table_args__ = (UniqueConstraint("analysis_id", "name"),)
    id: int | None = _key()
    analysis_id: int = _to("analysis")
    name: str = _of(String(40))
    kind: str = _of(String(16))
    unit: str = _of(String(24))
    value: float | None = _of(Double, nullable=True)
    low: float | None = _of(Double, nullable=True)
    high: float | None = _of(Double, nullable=True)
    reason: str | None = _of(String(24), nullable=True)
    threshold: float | None = _of(Double, nullable=True)


class WindowSeriesRow(Base, table=True):
    """Window probabilities of one target as npy bytes: onset in s and P(high), NaN where not usable."""

    __tablename__ = "window_series"
    __table_args__ = (UniqueConstraint("analysis_id", "target"),)
    id: int | None = _key()
    analysis_id: int = _to("analysis")
    target: str = _of(String(40))
    duration_s: float = _of(Double)
    onset_s: bytes = _of(LargeBinary)
    proba: bytes = _of(LargeBinary)


class QualityRow(Base, table=True):
    """What could be trusted in an analysis: per channel and channel type, with bad spans and reasons."""

    __tablename__ = "quality"
    id: int | None = _key()
    analysis_id: int = Field(
        sa_type=Integer,
        sa_column_args=[ForeignKey("analysis.id", ondelete="CASCADE")],
        unique=True,
        nullable=False,
    )
    duration_s: float = _of(Double)
    channels: list[dict] = _of(JSON)
    types: list[dict] = _of(JSON)
    onset_s: bytes = _of(LargeBinary)
    usable: bytes = _of(LargeBinary)


class MarkRow(Base, table=True):
    """What a person marked on a session: a channel as bad, or a stretch with words; taken back, not deleted."""

    __tablename__ = "mark"
    id: int | None = _key()
    session_id: int = _to("session", index=True)
    kind: str = _of(String(16))
    channel: str = _of(Text)
    onset_s: float | None = _of(Double, nullable=True)
    duration_s: float | None = _of(Double, nullable=True)
    text: str = _of(Text)
    who: str = _of(String(64))
    created_at: datetime = _of(UtcTime)
    undone_by: str | None = _of(String(64), nullable=True)
    undone_at: datetime | None = _of(UtcTime, nullable=True)


class InsightRow(Base, table=True):
    """Something a rule found. ``state``, ``weight`` and ``snoozed_until`` follow its newest decision."""

    __tablename__ = "insight"
    __table_args__ = (
        UniqueConstraint("patient_id", "kind", "measure", "session_id", "preset"),
        Index("ix_insight_open", "withdrawn", "state", "patient_id"),
        {"sqlite_autoincrement": True},  # the id of an insight that is gone is never another one's
    )
    id: int | None = _key()
    patient_id: int = _to("patient")
    session_id: int = _to("session", index=True)
    kind: str = _of(String(16))
    measure: str = _of(String(80))
    preset: str = _of(String(16))
    session: str = _of(String(48))
    last_session: str = _of(String(48))
    severity: str = _of(String(16))
    text: str = _of(Text)
    value: float = _of(Double)
    reference: float = _of(Double)
    low: float | None = _of(Double, nullable=True)
    high: float | None = _of(Double, nullable=True)
    p: float | None = _of(Double, nullable=True)
    q: float | None = _of(Double, nullable=True)
    n: int = _of(Integer)
    expected_by_chance: float = _of(Double)
    rule: str = _of(String(80))
    model: str | None = _of(String(80), nullable=True)
    period_start: datetime = _of(UtcTime)
    period_end: datetime = _of(UtcTime)
    evidence: dict = _of(JSON)
    weight: float = _of(Double)
    state: str = _of(String(16))
    snoozed_until: datetime | None = _of(UtcTime, nullable=True)
    withdrawn: bool = _of(Boolean)
    created_at: datetime = _of(UtcTime)


class InsightDecisionRow(Base, table=True):
    """What a person decided about an insight; taken back, not deleted."""

    __tablename__ = "insight_decision"
    id: int | None = _key()
    insight_id: int = _to("insight", index=True)
    at: datetime = _of(UtcTime)
    who: str = _of(String(64))
    state: str = _of(String(16))
    reason: str = _of(String(40))
    note: str = _of(Text)
    until: datetime | None = _of(UtcTime, nullable=True)
    undone_at: datetime | None = _of(UtcTime, nullable=True)


class BaselineRow(Base, table=True):
    """A baseline that a clinician set: the chosen sessions and, per measure, mean, SD and n; never changed."""

    __tablename__ = "baseline"
    __table_args__ = (UniqueConstraint("patient_id", "version"),)
    id: int | None = _key()
    patient_id: int = _to("patient")
    version: int = _of(Integer)
    set_at: datetime = _of(UtcTime)
    since: datetime = _of(UtcTime)
    who: str = _of(String(64))
    why: str = _of(Text)
    sessions: list[str] = _of(JSON)
    measures: dict = _of(JSON)
    undone_at: datetime | None = _of(UtcTime, nullable=True)


class EventRow(Base, table=True):
    """A treatment, a change or a life event on the life chart."""

    __tablename__ = "event"
    id: int | None = _key()
    patient_id: int = _to("patient", index=True)
    kind: str = _of(String(16))
    text: str = _of(Text)
    started_at: datetime = _of(UtcTime)
    ended_at: datetime | None = _of(UtcTime, nullable=True)
    impact: int | None = _of(Integer, nullable=True)
    created_at: datetime = _of(UtcTime)
    removed_at: datetime | None = _of(UtcTime, nullable=True)


class SelfReportRow(Base, table=True):
    """A score that a person gave on an instrument."""

    __tablename__ = "self_report"
    id: int | None = _key()
    patient_id: int = _to("patient", index=True)
    instrument: str = _of(String(40))
    score: float = _of(Double)
    reported_at: datetime = _of(UtcTime)
    created_at: datetime = _of(UtcTime)


class JobRow(Base, table=True):
    """A piece of long work. ``worker`` and ``heartbeat_at`` tell whether somebody is at it."""

    __tablename__ = "job"
    __table_args__ = (Index("ix_job_state", "state", "created_at"),)
    id: str = Field(primary_key=True, sa_type=String(32))
    kind: str = _of(String(24))
    label: str = _of(Text)
    params: dict = _of(JSON)
    state: str = _of(String(16))
    progress: float = _of(Double)
    message: str = _of(Text)
    created_at: datetime = _of(UtcTime)
    started_at: datetime | None = _of(UtcTime, nullable=True)
    finished_at: datetime | None = _of(UtcTime, nullable=True)
    attempts: int = _of(Integer)
    worker: str = _of(String(80))
    heartbeat_at: datetime | None = _of(UtcTime, nullable=True)
    result: dict | None = _of(JSON(none_as_null=True), nullable=True)
    error: dict | None = _of(JSON(none_as_null=True), nullable=True)
    log: list[str] = _of(JSON)


class ExperimentRow(Base, table=True):
    """One experiment. The seven of its key and the hash of everything else that it hangs on make it unique."""

    __tablename__ = "experiment"
    __table_args__ = (
        UniqueConstraint(
            "study", "target", "inputs", "model", "fusion", "split", "seed", "config_hash", name="uq_experiment_key"
        ),
    )
    id: int | None = _key()
    study: str = _of(String(64))
    target: str = _of(String(40))
    inputs: str = _of(String(80))
    model: str = _of(String(40))
    fusion: str = _of(String(16))
    split: str = _of(String(24))
    seed: int = _of(Integer)
    config: dict = _of(JSON)
    config_hash: str = _of(String(16))
    state: str = _of(String(16))
    created_at: datetime = _of(UtcTime)
    updated_at: datetime = _of(UtcTime)
    who: str = _of(String(64))
    code_version: str = _of(String(40))
    n_folds: int = _of(Integer)
    summary: dict | None = _of(JSON(none_as_null=True), nullable=True)


class FoldRow(Base, table=True):
    """One fold of an experiment as it finished: what was fitted beside the model, or why it failed."""

    __tablename__ = "fold"
    __table_args__ = (UniqueConstraint("experiment_id", "number"),)
    id: int | None = _key()
    experiment_id: int = _to("experiment")
    number: int = _of(Integer)
    name: str = _of(String(80))
    seconds: float = _of(Double)
    result: dict = _of(JSON)
    error: dict | None = _of(JSON(none_as_null=True), nullable=True)
    finished_at: datetime = _of(UtcTime)


class OofPredictionRow(Base, table=True):
    """What a fold predicted of the windows that its model had not seen, as npy bytes: rows and probabilities."""

    __tablename__ = "oof_prediction"
    id: int | None = _key()
    fold_id: int = Field(
        sa_type=Integer, sa_column_args=[ForeignKey("fold.id", ondelete="CASCADE")], unique=True, nullable=False
    )
    rows: bytes = _of(LargeBinary)
    raw: bytes = _of(LargeBinary)
    p: bytes = _of(LargeBinary)


class LeakAuditRow(Base, table=True):
    """A leak audit or another check of validity of one pipeline on one study: what was asked and what came out."""

    __tablename__ = "leak_audit"
    __table_args__ = (
        UniqueConstraint("kind", "study", "target", "inputs", "model", "seed", "config_hash", name="uq_leak_audit_key"),
    )
    id: int | None = _key()
    kind: str = _of(String(24))
    study: str = _of(String(64))
    target: str = _of(String(40))
    inputs: str = _of(String(80))
    model: str = _of(String(40))
    seed: int = _of(Integer)
    config: dict = _of(JSON)
    config_hash: str = _of(String(16))
    created_at: datetime = _of(UtcTime)
    who: str = _of(String(64))
    code_version: str = _of(String(40))
    result: dict = _of(JSON)


class ModelDecisionRow(Base, table=True):
    """That somebody approved or retired a version of a model, and why; the newest counts."""

    __tablename__ = "model_decision"
    __table_args__ = (Index("ix_model_decision_name", "name", "version"),)
    id: int | None = _key()
    name: str = _of(String(80))
    version: str = _of(String(80))
    state: str = _of(String(16))
    why: str = _of(Text)
    who: str = _of(String(64))
    at: datetime = _of(UtcTime)


class DeviceProfileRow(Base, table=True):
    """A channel map under a name."""

    __tablename__ = "device_profile"
    name: str = Field(primary_key=True, sa_type=String(80))
    mapping: dict = _of(JSON)


class AuditRow(Base, table=True):
    """Who did what, in a chain of hashes; triggers refuse every change and deletion."""

    __tablename__ = "audit"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: int | None = _key()
    at: datetime = _of(UtcTime)
    actor: str = _of(String(64))
    role: str = _of(String(40))
    action: str = _of(String(40))
    object: str = _of(Text)
    patient: str = _of(String(32), index=True)
    outcome: str = _of(String(40))
    reason: str = _of(Text)
    model: str = _of(String(80))
    source: str = _of(String(80))
    request: str = _of(String(64))
    prev_hash: str = _of(String(64))
    hash: str = _of(String(64))


class ExportRow(Base, table=True):
    """An export that was made: what, of whom, how many rows, and the hash of its data."""

    __tablename__ = "export"
    id: str = Field(primary_key=True, sa_type=String(32))
    kind: str = _of(String(40))
    format: str = _of(String(16))
    subject: str = _of(String(80))
    rows: int = _of(Integer)
    sha256: str = _of(String(64))
    who: str = _of(String(64))
    created_at: datetime = _of(UtcTime)
    filters: dict = _of(JSON)


_tables = Base.metadata.tables
patient = _tables["patient"]
patient_seen = _tables["patient_seen"]
session = _tables["session"]
session_move = _tables["session_move"]
recording = _tables["recording"]
analysis = _tables["analysis"]
measure = _tables["measure"]
window_series = _tables["window_series"]
quality = _tables["quality"]
mark = _tables["mark"]
insight = _tables["insight"]
insight_decision = _tables["insight_decision"]
baseline = _tables["baseline"]
event = _tables["event"]
self_report = _tables["self_report"]
job = _tables["job"]
device_profile = _tables["device_profile"]
experiment = _tables["experiment"]
fold = _tables["fold"]
oof_prediction = _tables["oof_prediction"]
leak_audit = _tables["leak_audit"]
model_decision = _tables["model_decision"]
audit = _tables["audit"]
export = _tables["export"]
