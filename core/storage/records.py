"""What the modules of this room hand out: rows as frozen dataclasses, fields named as the columns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Column, Table

from core.types import Measure, ModelInfo, Reason


@cache
def columns(table: Table, cls: type) -> list[Column]:
    """The columns of a table that a record holds, in its order."""
    return [table.c[field.name] for field in fields(cls)]


def label(pseudonym: str, number: int) -> str:
    """The full id of a session, such as P-0042/S-07."""
    return f"{pseudonym}/S-{number:02d}"


def parse_label(text: str) -> tuple[str, int] | None:
    """Pseudonym and number of a full id, None for other text."""
    pseudonym, found, number = text.rpartition("/S-")
    if not found or not number.isascii() or not number.isdigit() or len(number) > 9:
        return None
    return pseudonym, int(number)


@dataclass(frozen=True)
class PatientRecord:
    """A row of ``patient``."""

    id: int
    pseudonym: str
    created_at: datetime
    updated_at: datetime
    simulated: bool
    tags: list[str]


@dataclass(frozen=True)
class SessionRecord:
    """A row of ``session``."""

    id: int
    patient_id: int
    number: int
    started_at: datetime
    created_at: datetime
    imported: bool
    simulated: bool
    source_key: str
    duration_s: float
    format: str
    signals: list[dict]
    annotations: list[dict]
    warnings: list[dict]
    reading: dict
    moved_from: str | None
    deleted_at: datetime | None


@dataclass(frozen=True)
class FileRecord:
    """A row of ``recording``."""

    session_id: int
    position: int
    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class AnalysisRecord:
    """A row of ``analysis`` without its hash."""

    id: int
    session_id: int
    newest: bool
    created_at: datetime
    status: str
    reasons: list[str]
    state: dict
    usable_share: float | None
    grade: str | None
    n_windows: int
    model: str
    model_version: str
    model_basis: str
    model_accuracy: float | None
    model_demonstration: bool
    pipeline: dict
    pipeline_hash: str
    reading_hash: str
    reading: dict | None
    notices: list[dict[str, str]] | None
    code_version: str

    @property
    def info(self) -> ModelInfo | None:
        """The model, None where none was used."""
        return model_info(self)


@dataclass(frozen=True, slots=True)
class HistoryRecord:
    """A session with its newest analysis, without what only its own page needs."""

    id: int
    number: int
    started_at: datetime
    imported: bool
    simulated: bool
    deleted_at: datetime | None
    analysis_id: int
    status: str
    reasons: list[str]
    state: dict
    usable_share: float | None
    grade: str | None
    n_windows: int
    model: str
    model_version: str
    model_basis: str
    model_accuracy: float | None
    model_demonstration: bool

    @property
    def info(self) -> ModelInfo | None:
        """The model, None where none was used."""
        return model_info(self)


def model_info(row: Any) -> ModelInfo | None:
    """The model that a row names."""
    if not row.model:
        return None
    return ModelInfo(row.model, row.model_version, row.model_basis, row.model_accuracy, row.model_demonstration)


def as_measure(row: Any) -> Measure:
    """A measure from (name, kind, unit, value, low, high, reason, threshold)."""
    name, kind, unit, value, low, high, reason, threshold = row
    return Measure(name, kind, unit, value, low, high, Reason(reason) if reason else None, threshold)


@dataclass(frozen=True)
class QualityRecord:
    """A row of ``quality``; the arrays are npy bytes."""

    duration_s: float
    channels: list[dict]
    types: list[dict]
    onset_s: bytes
    usable: bytes


@dataclass(frozen=True)
class SeriesRecord:
    """A row of ``window_series``; the arrays are npy bytes."""

    target: str
    duration_s: float
    onset_s: bytes
    proba: bytes


@dataclass(frozen=True)
class MarkRecord:
    """A row of ``mark``."""

    id: int
    kind: str
    channel: str
    onset_s: float | None
    duration_s: float | None
    text: str
    who: str
    created_at: datetime
    undone_by: str | None
    undone_at: datetime | None


@dataclass(frozen=True)
class InsightRecord:
    """A row of ``insight``."""

    id: int
    patient_id: int
    session_id: int
    kind: str
    measure: str
    preset: str
    session: str
    last_session: str
    severity: str
    text: str
    value: float
    reference: float
    low: float | None
    high: float | None
    p: float | None
    q: float | None
    n: int
    expected_by_chance: float
    rule: str
    model: str | None
    period_start: datetime
    period_end: datetime
    evidence: dict
    weight: float
    state: str
    snoozed_until: datetime | None
    withdrawn: bool


@dataclass(frozen=True)
class DecisionRecord:
    """A row of ``insight_decision``."""

    id: int
    insight_id: int
    at: datetime
    who: str
    state: str
    reason: str
    note: str
    until: datetime | None
    undone_at: datetime | None


@dataclass(frozen=True)
class BaselineRecord:
    """A row of ``baseline``."""

    id: int
    version: int
    set_at: datetime
    since: datetime
    who: str
    why: str
    sessions: list[str]
    measures: dict
    undone_at: datetime | None


@dataclass(frozen=True)
class EventRecord:
    """A row of ``event``."""

    id: int
    kind: str
    text: str
    started_at: datetime
    ended_at: datetime | None
    impact: int | None


@dataclass(frozen=True)
class SelfReportRecord:
    """A row of ``self_report``."""

    id: int
    instrument: str
    score: float
    reported_at: datetime


@dataclass(frozen=True)
class JobRecord:
    """A row of ``job``."""

    id: str
    kind: str
    label: str
    params: dict
    state: str
    progress: float
    message: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int
    worker: str
    heartbeat_at: datetime | None
    result: dict | None
    error: dict | None
    log: list[str]


@dataclass(frozen=True)
class ExportRecord:
    """A row of ``export``."""

    id: str
    kind: str
    format: str
    subject: str
    rows: int
    sha256: str
    who: str
    created_at: datetime
    filters: dict


@dataclass(frozen=True)
class ExperimentRecord:
    """A row of ``experiment``."""

    id: int
    study: str
    target: str
    inputs: str
    model: str
    fusion: str
    split: str
    seed: int
    config: dict
    config_hash: str
    state: str
    created_at: datetime
    updated_at: datetime
    who: str
    code_version: str
    n_folds: int
    summary: dict | None


@dataclass(frozen=True)
class FoldRecord:
    """A row of ``fold`` with its out-of-fold predictions as npy bytes, None where the fold failed."""

    number: int
    name: str
    seconds: float
    result: dict
    error: dict | None
    finished_at: datetime
    rows: bytes | None
    raw: bytes | None
    p: bytes | None


@dataclass(frozen=True)
class AuditResultRecord:
    """A row of ``leak_audit``."""

    id: int
    kind: str
    study: str
    target: str
    inputs: str
    model: str
    seed: int
    config: dict
    config_hash: str
    created_at: datetime
    who: str
    code_version: str
    result: dict


@dataclass(frozen=True)
class ModelDecisionRecord:
    """A row of ``model_decision``."""

    name: str
    version: str
    state: str
    why: str
    who: str
    at: datetime
