"""Sessions: from files to a stored analysis, and everything that is read back of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from core.errors import NotFound
from core.services import pseudonyms
from core.services.clinic import detection, stored
from core.services.clinic.analysis import analyse, analyse_recording, recompute
from core.services.clinic.changes import delete, mark_seen, move, restore
from core.services.clinic.drafts import (
    Draft,
    Inspection,
    device_profiles,
    discard,
    distinct,
    draft,
    formats,
    inspect,
    outline,
    repairs,
    save_device_profile,
    split,
    stage,
)
from core.services.clinic.grouping import proposed
from core.services.clinic.signals import SignalPage, eyes, eyes_page, overview, signals
from core.services.clinic.stored import quality_json
from core.services.clinic.stretches import Stretch, stretches
from core.storage import insights as insight_rows
from core.storage import sessions as rows
from core.storage.records import HistoryRecord, as_measure, label
from core.storage.store import Store
from core.types import CHANNEL_TYPES, Annotation, BeatCount, InputFile, Measure, ModelInfo, Notice, Reading, Reason

__all__ = [
    "Draft", "Inspection", "SessionDetail", "SessionRow", "SignalPage", "Stretch", "WindowSeries", "analyse",
    "analyse_recording", "as_json", "delete", "device_profiles", "discard", "distinct", "draft", "expand", "eyes",
    "eyes_page",
    "formats", "get", "history", "history_json", "inspect", "mark_seen", "move", "outline", "overview", "proposed",
    "quality_json", "recompute", "repairs", "restore", "save_device_profile", "signals", "split",
    "stage", "stretches", "windows",
]  # fmt: skip

Progress = Callable[[float, str], None]
Mapped = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class SessionRow:
    """A session on the timeline. ``session`` is its full id (P-0042/S-07), ``low_quality`` draws it hollow."""

    session: str
    patient: str
    started_at: datetime
    status: str
    reasons: tuple[str, ...]
    imported: bool
    simulated: bool
    usable_share: float | None
    low_quality: bool
    grade: str | None
    measures: Mapping[str, Measure]
    model: ModelInfo | None
    state: str
    n_windows: int
    deleted_at: datetime | None = None


@dataclass(frozen=True)
class Made:
    """One analysis of a session: when, by which model, and how the files were read (None where that is not known)."""

    at: datetime
    model: str
    newest: bool
    status: str
    reading: Reading | None


@dataclass(frozen=True)
class SessionDetail:
    """All that is stored of a session: its row, quality, provenance, and the analyses made of it.

    ``beats`` are the beats (ecg) and pulses (ppg) with the name of the channel they were found in.
    """

    row: SessionRow
    quality: dict
    warnings: tuple[Notice, ...]
    provenance: dict
    pipeline: dict
    duration_s: float
    types: tuple[str, ...]
    signals: tuple[dict, ...]
    annotations: tuple[Annotation, ...]
    n_insights: int
    analyses: tuple[str, ...]
    moved_from: str | None
    recording_state: str
    made: tuple[Made, ...]
    beats: Mapping[str, tuple[str, BeatCount]]


@dataclass(frozen=True)
class WindowSeries:
    """Window probabilities of one analysis: onset_s (n,), proba per target (n,) with NaN, usable (n,), reasons.

    ``reasons`` has one entry a window: "" where it was usable, else why it was not.
    """

    onset_s: np.ndarray
    duration_s: float
    proba: Mapping[str, np.ndarray]
    usable: np.ndarray
    reasons: tuple[str, ...]


# --- what is stored


def as_json(store: Store, session: str, model: str | None = None) -> dict:
    """The object of ``analyse --json`` of a stored session (its newest analysis, or that of a model)."""
    with store.read() as tx:
        patient, record = stored.find(tx, session)
        analyses = [a for a in rows.analyses(tx, record.id) if model in (None, a.model)]
        if not analyses:
            raise NotFound(
                "E-MODEL", f"this session was not analysed by {model}.", session, "Analyse it again with it."
            )
        return stored.session_json(tx, patient, record, stored.newest(analyses))


def history(
    store: Store, patient: str, *, since: datetime | None = None, include_deleted: bool = False
) -> list[SessionRow]:
    """Sessions of a patient, oldest first, each with its newest analysis; read from stored rows only."""
    with store.read() as tx:
        record = pseudonyms.require(tx, patient)
        found = rows.history(tx, record.id, since=since, deleted=include_deleted)
        measures = rows.history_measures(tx, record.id, since=since, deleted=include_deleted)
    return [_row(patient, s, measures.get(s.analysis_id, {})) for s in found]


def _row(patient: str, s: HistoryRecord, measures: Mapping[str, Measure]) -> SessionRow:
    return SessionRow(
        session=label(patient, s.number),
        patient=patient,
        started_at=s.started_at,
        status=s.status,
        reasons=tuple(s.reasons),
        imported=s.imported,
        simulated=s.simulated,
        usable_share=s.usable_share,
        low_quality=s.status != "ok" or detection.low_quality(s.imported, s.usable_share),
        grade=s.grade,
        measures=measures,
        model=s.info,
        state=s.state["words"] if "words" in s.state else s.state["not_computed"],
        n_windows=s.n_windows,
        deleted_at=s.deleted_at,
    )


def history_json(store: Store, patient: str) -> dict:
    """The object of ``history --json``."""
    table = [
        {
            "session": row.session,
            "started_at": row.started_at.isoformat(),
            "status": row.status,
            "usable_share": row.usable_share
            if row.usable_share is not None
            else {"not_computed": str(Reason.NOT_SUPPORTED)},
            "imported": row.imported,
            **stored.measures_json(row.measures.values(), recorded=False),
        }
        for row in history(store, patient)
    ]
    return {"patient": patient, "total": len(table), "sessions": table}


def get(store: Store, session: str) -> SessionDetail:
    """One session, or NotFound (E-SESSION)."""
    with store.read() as tx:
        patient, record = stored.find(tx, session)
        one = rows.one(tx, record.id)
        assert one is not None
        analyses = rows.analyses(tx, record.id)
        analysis = stored.newest(analyses)
        measures = {m.name: m for m in (as_measure(row) for row in rows.measure_rows(tx, analysis.id))}
        quality = rows.quality(tx, analysis.id)
        files = rows.files(tx, record.id)
        n_insights = len(insight_rows.of_session(tx, record.id))
    kept = all(store.blobs.has(f.sha256) for f in files)
    types = {s["type"] for s in record.signals}
    return SessionDetail(
        row=_row(patient, one, measures),
        quality=stored.stored_quality_json(analysis, quality) if quality else {},
        warnings=tuple(Notice(w["code"], w["text"]) for w in [*record.warnings, *(analysis.notices or [])]),
        provenance={
            "files": stored.files_json(files),
            "format": record.format or "imported measures",
            "pipeline_hash": analysis.pipeline_hash,
            "code_version": analysis.code_version,
            "analysed_at": analysis.created_at.isoformat(),
            "stored_at": record.created_at.isoformat(),
            "read_with": analysis.reading or record.reading,
        },
        pipeline=dict(analysis.pipeline),
        duration_s=record.duration_s,
        types=tuple(t for t in CHANNEL_TYPES if t in types and t != "misc"),
        signals=tuple(record.signals),
        annotations=tuple(Annotation(**a) for a in record.annotations),
        n_insights=n_insights,
        analyses=tuple(f"{a.model} {a.model_version}" if a.model else "no model" for a in analyses),
        moved_from=record.moved_from,
        recording_state="none" if not files else "kept" if kept else "missing",
        made=tuple(
            Made(
                a.created_at, f"{a.model} {a.model_version}" if a.model else "no model", a.newest, a.status,
                Reading.from_dict(a.reading) if a.reading else None,
            )
            for a in analyses
        ),
        beats={
            t: (c["name"], BeatCount(**c["beats"]))
            for t in ("ecg", "ppg")
            if quality and (c := stored.heard(quality.channels, t)) and c.get("beats")
        },
    )  # fmt: skip


def windows(store: Store, session: str) -> WindowSeries | None:
    """The stored window probabilities; None without a prediction."""
    with store.read() as tx:
        _, record = stored.find(tx, session)
        found = rows.series(tx, stored.newest(rows.analyses(tx, record.id)).id)
    if not found:
        return None
    proba = {s.target: stored.unpack(s.proba) for s in found}
    usable = np.isfinite(np.stack(list(proba.values()))).any(axis=0)
    return WindowSeries(
        stored.unpack(found[0].onset_s),
        found[0].duration_s,
        proba,
        usable,
        tuple("" if ok else str(Reason.LOW_QUALITY) for ok in usable),
    )


def expand(paths: Sequence[Path]) -> list[InputFile]:
    """Paths of a command line as input files; a folder is one exported recording."""
    from core import readers

    return [file for path in paths for file in readers.expand(Path(path))]
