"""What is stored of a session, found by its id and put into the words of the contract (design 6)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from core.errors import NotFound
from core.services.clinic import detection
from core.services.clinic.insights import insight_json
from core.settings import DEMONSTRATION, MEASURE_UNITS, PREDICTIONS
from core.storage import insights as insight_rows
from core.storage import sessions as rows
from core.storage.records import (
    AnalysisRecord,
    FileRecord,
    QualityRecord,
    SessionRecord,
    as_measure,
    label,
    parse_label,
)
from core.storage.store import Transaction
from core.types import Grade, Measure, ModelInfo, Quality, Reason, Recording, State, TypeQuality

Json = dict[str, Any]


def find(tx: Transaction, session: str, *, deleted: bool = True) -> tuple[str, SessionRecord]:
    """(pseudonym, record) of a session, or NotFound (E-SESSION) that says where it was moved to."""
    parsed = parse_label(session)
    record = rows.by_number(tx, *parsed) if parsed else None
    if record is not None and (deleted or record.deleted_at is None):
        assert parsed is not None
        return parsed[0], record
    moved_to = rows.moved(tx, session)
    raise NotFound(
        "E-SESSION",
        f"this session was moved to {moved_to}." if moved_to else "there is no such session.",
        session,
        "" if moved_to else "Sessions are named like P-0042/S-07.",
    )


def newest(analyses: Sequence[AnalysisRecord]) -> AnalysisRecord:
    """The analysis that timelines show."""
    return next((a for a in analyses if a.newest), analyses[-1])


def source_key(digests: Sequence[str]) -> str:
    """What makes a session the same one again: the set of its files' hashes."""
    return hashlib.sha256("\n".join(sorted(set(digests))).encode()).hexdigest()


# --- arrays


def pack(values: np.ndarray) -> bytes:
    """An array as npy bytes."""
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def unpack(data: bytes) -> np.ndarray:
    """An array from npy bytes."""
    return np.load(io.BytesIO(data), allow_pickle=False)


# --- quality


def usable_share(quality: Quality, types: Iterable[str] | None = None) -> float:
    """Usable share 0-1: the worst of the types a model requires, without a model the best present."""
    shares = {t.type: _share(quality, t) for t in quality.types}
    if types is not None:
        return min((shares.get(t, 0.0) for t in types), default=0.0)
    return max(shares.values(), default=0.0)


def _share(quality: Quality, one: TypeQuality) -> float:
    """Share of usable windows; where too many channels are left out, of what all its channels could have given."""
    if one.grade is not Grade.POOR:
        return float(one.usable_share)
    channels = [s.usable_share for s in quality.signals if s.type == one.type]
    return float(min(one.usable_share, sum(channels) / len(channels)))


def channels_json(quality: Quality, recording: Recording) -> list[Json]:
    """Every signal of the files with its verdict, in file order."""
    table = []
    for signal, verdict in zip(recording.signals, quality.signals, strict=True):
        table.append(
            {
                "name": signal.name,
                "type": signal.type,
                "unit": signal.unit,
                "sfreq": float(signal.sfreq),
                "duration_s": float(signal.duration_s),
                "usable_share": float(verdict.usable_share),
                "flags": list(verdict.flags),
                "bad": bool(verdict.bad),
                "spans": [[float(s.onset_s), float(s.duration_s), s.reason] for s in verdict.spans],
                "beats": asdict(verdict.beats) if verdict.beats else None,
            }
        )
    return table


def types_json(quality: Quality) -> list[Json]:
    """Each channel type's grade and reasons."""
    return [
        {"type": t.type, "grade": str(t.grade), "usable_share": float(t.usable_share), "reasons": list(t.reasons)}
        for t in quality.types
    ]


def heard(channels: Sequence[Mapping[str, Any]], type_: str) -> Mapping[str, Any] | None:
    """The channel whose beats (ecg) or pulses (ppg) count: of those not left out that with the fewest flags."""
    kept = [c for c in channels if c["type"] == type_ and not c["bad"]]
    return min(kept, key=lambda c: len(c["flags"]), default=None)


def quality_json(quality: Quality, recording: Recording, types: Iterable[str] | None = None) -> Json:
    """``quality`` of the contract: grade, usable_share and a row per channel.

    ``types`` are those a model requires; without them the best type present decides.
    """
    types = None if types is None else tuple(types)
    return {
        "grade": str(quality.grade(types)),
        "usable_share": usable_share(quality, types),
        "channels": [_channel(c) for c in channels_json(quality, recording)],
    }


# what is stored of a channel and is not in the contract
_OWN = ("bad", "spans", "beats")


def _channel(stored: Mapping[str, Any]) -> Json:
    return {name: value for name, value in stored.items() if name not in _OWN}


def stored_quality_json(analysis: AnalysisRecord, quality: QualityRecord | None) -> Json:
    """``quality`` of the contract from what is stored, and ``types``: the verdict on each channel type."""
    if quality is None or analysis.usable_share is None:
        return {"not_computed": str(Reason.NOT_SUPPORTED)}
    return {
        "grade": analysis.grade,
        "usable_share": analysis.usable_share,
        "channels": [_channel(c) for c in quality.channels],
        "types": quality.types,
    }


def _without_types(quality: Json) -> Json:
    return {key: value for key, value in quality.items() if key != "types"}


# --- measures, model and state


def measure_json(measure: Measure) -> Json:
    """One prediction or marker of the contract; an imported prediction without an interval says so."""
    if measure.value is None:
        return {"not_computed": str(measure.reason or Reason.NOT_SUPPORTED)}
    if measure.kind == "marker":
        return {"value": measure.value, "unit": measure.unit}
    absent = {"not_computed": str(Reason.NOT_SUPPORTED)}
    return {
        "p_high": measure.value,
        "low": absent if measure.low is None else measure.low,
        "high": absent if measure.high is None else measure.high,
        "label": measure.label or "Unsure",
    }


def measures_json(measures: Iterable[Measure], *, recorded: bool) -> Json:
    """``predictions`` and ``markers``. Of a recording, markers of signals it has not are named as well."""
    found: dict[str, Json] = {"prediction": {}, "marker": {}}
    for measure in measures:
        found[measure.kind][measure.name] = measure_json(measure)
    markers = found["marker"]
    if recorded:
        absent = {"not_computed": str(Reason.MISSING_CHANNEL)}
        markers = {**markers, **{n: absent for n in MEASURE_UNITS if n not in PREDICTIONS and n not in markers}}
    return {"predictions": found["prediction"], "markers": markers}


def model_json(info: ModelInfo | None) -> Json | None:
    """``model`` of the contract: null where none was used."""
    if info is None:
        return None
    accuracy: Any = info.balanced_accuracy
    return {
        "name": info.name,
        "version": info.version,
        "basis": info.basis,
        "balanced_accuracy": {"not_computed": str(Reason.TOO_FEW)} if accuracy is None else accuracy,
    }


def _about_model(info: ModelInfo | None) -> list[Json]:
    if info is None or not info.demonstration:
        return []
    return [{"code": "W-DEMONSTRATION", "text": f"{DEMONSTRATION[0].upper()}{DEMONSTRATION[1:]}."}]


def state_json(state: State | Reason) -> Json:
    """``state`` of the contract."""
    if isinstance(state, State):
        return {"quadrant": state.quadrant, "codes": list(state.codes), "words": state.words}
    return {"not_computed": str(state)}


def files_json(files: Iterable[FileRecord]) -> list[Json]:
    """``provenance.files`` of the contract."""
    return [{"name": f.name, "sha256": f.sha256} for f in files]


def session_json(tx: Transaction, pseudonym: str, session: SessionRecord, analysis: AnalysisRecord) -> Json:
    """The object of ``analyse --json`` for one analysis of a stored session."""
    measures = [as_measure(row) for row in rows.measure_rows(tx, analysis.id)]
    found = insight_rows.of_session(tx, session.id)
    return {
        "session": label(pseudonym, session.number),
        "status": analysis.status,
        "reasons": list(analysis.reasons),
        "warnings": [*session.warnings, *(analysis.notices or []), *_about_model(analysis.info)],
        "quality": _without_types(stored_quality_json(analysis, rows.quality(tx, analysis.id))),
        "model": model_json(analysis.info),
        **measures_json(measures, recorded=not session.imported),
        "state": analysis.state,
        "n_windows": analysis.n_windows,
        "insights": [insight_json(str(r.id), detection.as_insight(r)) for r in found],
        "provenance": {
            "files": files_json(rows.files(tx, session.id)),
            "pipeline_hash": analysis.pipeline_hash,
            "code_version": analysis.code_version,
        },
    }
