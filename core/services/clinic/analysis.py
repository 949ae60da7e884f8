"""From files to a stored session: read, judge, compute, keep the originals, then store all in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core.compute import Progress, part
from core.errors import Conflict, Refused
from core.services import approval, pseudonyms
from core.services.clinic import detection, stored
from core.services.clinic.changes import NO_DATE, date, restore
from core.settings import CODE, MIN_DURATION_S, settings
from core.storage import patients as patient_rows
from core.storage import sessions as rows
from core.storage.blobs import sha256
from core.storage.records import AnalysisRecord, FileRecord, SessionRecord, label
from core.storage.store import Store, Transaction
from core.types import InputFile, Measure, Notice, Reading, Reason, Recording, Summary


@dataclass(frozen=True)
class _Original:
    """An original file: its label, where its bytes lie, their hash and number."""

    name: str
    path: Path
    sha256: str
    size: int


def analyse(
    store: Store,
    files: Sequence[InputFile],
    patient: str,
    *,
    now: datetime,
    model: str | None = None,
    started_at: datetime | None = None,
    reading: Reading | None = None,
    create_patient: bool = True,
    simulated: bool = False,
    progress: Progress | None = None,
) -> dict:
    """The main job: read, judge, analyse and store one session in one transaction; the object of ``analyse --json``.

    The same files for the same patient again return the stored object; another model, or another reading, makes a
    further analysis of that session, and the files as they were read last are the newest. A start that is said dates
    the session anew. Refused leaves nothing behind but a row of the audit.
    """
    from core.readers import isolation

    try:
        _check(store, patient, create_patient)
        approval.require(store, model)
        originals = _originals(files)
        reading = reading or Reading()
        known = _known(store, originals, patient, model, reading, now, started_at)
        if known is not None:
            return known
        _say(progress, 0.05, "Reading the files")
        recording = isolation.read(list(files), reading=reading, zone=settings().zone)
        return _analyse(
            store, recording, originals, patient, now=now, model=model, started_at=started_at, reading=reading,
            simulated=simulated, progress=progress,
        )  # fmt: skip
    except Refused as refused:
        with store.write() as tx:
            tx.audit("session.refuse", "", at=now, outcome="refused", reason=refused.code)
        raise


def recompute(
    store: Store,
    session: str,
    reading: Reading,
    *,
    now: datetime,
    model: str | None = None,
    progress: Progress | None = None,
) -> dict:
    """Analyse the stored original files of a session again with another reading; the object of ``analyse --json``.

    Without ``model``, it is that of the newest analysis where it is still installed. The analysis becomes the newest
    of the session, the older ones stay, and the detectors run again. One that was there before is the newest again.
    """
    with store.read() as tx:
        patient, record = stored.find(tx, session, deleted=False)
        files = rows.files(tx, record.id)
        analyses = rows.analyses(tx, record.id)
    if not files:
        raise Refused(
            "E-RECORDING", "this session was imported and has no recording.", session, "Import its measures again."
        )
    if model is None:
        model = _installed(store, stored.newest(analyses).model)
    approval.require(store, model)
    _say(progress, 0.02, "Reading the original files")
    originals, recording = reread(store, files, reading)
    return _analyse(
        store, recording, originals, patient, now=now, model=model, started_at=None, reading=reading,
        simulated=record.simulated, progress=progress, action="session.recompute",
    )  # fmt: skip


def reread(store: Store, files: Sequence[FileRecord], reading: Reading) -> tuple[list[_Original], Recording]:
    """The stored original files of a session, read again; Conflict (E-HASH) where one changed."""
    from core.readers import isolation

    originals = _originals([InputFile(f.name, str(store.blobs.fetch(f.sha256))) for f in files])
    changed = next((f for f, kept in zip(originals, files, strict=True) if f.sha256 != kept.sha256), None)
    if changed is not None:
        raise Conflict(
            "E-HASH", "the original file changed since it was stored.", changed.name, "Restore it from a backup."
        )
    inputs = [InputFile(f.name, str(f.path)) for f in originals]
    return originals, isolation.read(inputs, reading=reading, zone=settings().zone)


def _installed(store: Store, model: str) -> str | None:
    """The name of a model that can be used now, else None."""
    from core.models import bundle

    found = bundle.by_name(model) if model else None
    return model if found and approval.approved(store)(found) else None


def analyse_recording(
    store: Store,
    recording: Recording,
    originals: Sequence[InputFile],
    patient: str,
    *,
    now: datetime,
    model: str | None = None,
    started_at: datetime | None = None,
    create_patient: bool = True,
    simulated: bool = False,
    progress: Progress | None = None,
) -> dict:
    """As ``analyse`` for signals that are already read (the REST arrays, the demo)."""
    _check(store, patient, create_patient)
    approval.require(store, model)
    kept = _originals(originals)
    reading = Reading()
    known = _known(store, kept, patient, model, reading, now)
    if known is not None:
        return known
    return _analyse(
        store, recording, kept, patient, now=now, model=model, started_at=started_at, reading=reading,
        simulated=simulated, progress=progress,
    )  # fmt: skip


def _say(progress: Progress | None, share: float, words: str) -> None:
    if progress is not None:
        progress(share, words)


def _check(store: Store, patient: str, create_patient: bool) -> None:
    pseudonyms.check_pseudonym(patient)
    if not create_patient:
        with store.read() as tx:
            pseudonyms.require(tx, patient)


def _originals(files: Sequence[InputFile]) -> list[_Original]:
    if not files:
        raise Refused("E-NO-FILE", "there is no file to read.", what_to_do="Name at least one file.")
    found = []
    for file in files:
        path = Path(file.path)
        if not path.is_file():
            raise Refused("E-NO-FILE", "there is no such file.", file.name, "Check the name.")
        found.append(_Original(file.name, path, sha256(path), path.stat().st_size))
    return found


def _known(
    store: Store,
    originals: Sequence[_Original],
    patient: str,
    model: str | None,
    reading: Reading,
    now: datetime,
    started_at: datetime | None = None,
) -> dict | None:
    """The stored object when these files were last read like this; a deleted session is restored by it.

    What was marked meanwhile stays applied. A start that is said dates the session anew.
    """
    with store.read() as tx:
        session = rows.by_source(tx, patient, stored.source_key([f.sha256 for f in originals]))
        if session is None:
            return None
        analyses = rows.analyses(tx, session.id)
        same = [a for a in analyses if _reads_as(a, reading)]
        if stored.newest(analyses) not in same:
            return None
        wanted = [a for a in same if model in (None, a.model)]
        version = _version(model)
        wanted = [a for a in wanted if version in (None, a.model_version)]
        if not wanted:
            return None
        answer = stored.session_json(tx, patient, session, stored.newest(wanted))
    if session.deleted_at is not None:
        restore(store, answer["session"], now=now, late=True)
    if started_at is not None:
        date(store, answer["session"], _aware(started_at), now=now)
        answer["warnings"] = [w for w in answer["warnings"] if w["code"] != NO_DATE]
    return answer


def _reads_as(analysis: AnalysisRecord, reading: Reading) -> bool:
    """Whether an analysis read its files like this; marks and cleaning count only where the reading has some."""
    if analysis.reading_hash == reading.hash:
        return True
    files = Reading.from_dict(analysis.reading).of_files.hash if analysis.reading else ""
    return reading == reading.of_files and files == reading.hash


def _version(model: str | None) -> str | None:
    """The version of a named bundle as it is installed now; None where it is not."""
    if model is None:
        return None
    from core.models import bundle

    found = bundle.by_name(model)
    return found.version if found else None


def _analyse(
    store: Store,
    recording: Recording,
    originals: Sequence[_Original],
    patient: str,
    *,
    now: datetime,
    model: str | None,
    started_at: datetime | None,
    reading: Reading,
    simulated: bool,
    progress: Progress | None,
    action: str = "session.analyse",
) -> dict:
    """Compute without holding the database, keep the originals, then store everything in one transaction."""
    _say(progress, 0.3, "Choosing a model")
    from core import pipeline
    from core.models import bundle as bundles

    if {f.sha256 for f in recording.files} - {f.sha256 for f in originals}:
        raise Refused("E-FILE-CHANGED", "a file changed while it was read.", originals[0].name, "Send it again.")
    if recording.duration_s < MIN_DURATION_S:
        raise Refused(
            "E-TOO-SHORT",
            f"it is {recording.duration_s:.1f} s long, and {MIN_DURATION_S:g} s are needed.",
            originals[0].name,
            "Record at least 5 s.",
        )
    installed = approval.installed(store)
    chosen = bundles.choose(recording, model, installed)
    without = Reason.MISSING_CHANNEL if chosen or installed else Reason.NO_MODEL
    summary = pipeline.analyse(recording, chosen, without=without, reading=reading, progress=part(progress, 0.35, 0.8))
    _say(progress, 0.8, "Keeping the original files")
    for file in originals:
        store.blobs.keep(file.path, file.sha256)
    _say(progress, 0.9, "Storing the session")
    used = chosen.pipeline if chosen else None
    required = tuple(chosen.required) if chosen else None
    settings_used = asdict(pipeline.site_pipeline(used))
    with store.write() as tx:
        answer = _store(
            tx, recording, originals, summary, patient, now=now, started_at=started_at, reading=reading,
            simulated=simulated, required=required, settings_used=settings_used, action=action,
        )  # fmt: skip
    _say(progress, 1.0, "Stored")
    return answer


def _store(
    tx: Transaction,
    recording: Recording,
    originals: Sequence[_Original],
    summary: Summary,
    patient: str,
    *,
    now: datetime,
    started_at: datetime | None,
    reading: Reading,
    simulated: bool,
    required: Sequence[str] | None,
    settings_used: Mapping[str, Any],
    action: str = "session.analyse",
) -> dict:
    """Everything of one session; an analysis that is there already, made before or meanwhile, is the newest again."""
    record = patient_rows.by_name(tx, patient, lock=True)
    if record is None:
        record = pseudonyms.add_in(tx, patient, now=now, simulated=simulated) or pseudonyms.require(
            tx, patient, lock=True
        )
    key = stored.source_key([f.sha256 for f in originals])
    session = rows.by_source(tx, patient, key)
    started, warnings = _start(recording, session, reading, started_at, now)
    about = {
        "started_at": started,
        "duration_s": float(recording.duration_s),
        "format": recording.format,
        "signals": _signals(recording),
        "annotations": [asdict(a) for a in recording.annotations],
        "warnings": [asdict(w) for w in warnings],
        "reading": reading.as_dict(),
    }
    info = summary.model
    analysis = {
        "created_at": now,
        "status": summary.status,
        "reasons": list(summary.reasons),
        "state": stored.state_json(summary.state),
        "usable_share": stored.usable_share(summary.quality, required),
        "grade": str(summary.quality.grade(required)),
        "n_windows": int(summary.n_windows),
        "model": info.name if info else "",
        "model_version": info.version if info else "",
        "model_basis": info.basis if info else "",
        "model_accuracy": info.balanced_accuracy if info else None,
        "model_demonstration": bool(info and info.demonstration),
        "pipeline": dict(settings_used),
        "pipeline_hash": summary.pipeline_hash,
        "reading_hash": reading.hash,
        "reading": reading.as_dict(),
        "notices": [asdict(n) for n in summary.notices],
        "code_version": CODE,
    }
    same: int | None = None
    if session is None:
        session_id, _ = rows.add(
            tx, record.id, created_at=now, imported=False,
            simulated=simulated or record.simulated, source_key=key, **about,
        )  # fmt: skip
        rows.add_files(tx, session_id, [(f.name, f.sha256, f.size) for f in originals])
        since: datetime | None = started
    else:
        session_id, since = session.id, None
        once = ("model", "model_version", "pipeline_hash", "reading_hash")
        made = [a for a in rows.analyses(tx, session_id) if all(getattr(a, n) == analysis[n] for n in once)]
        if made and made[0].newest:
            return stored.session_json(tx, patient, session, made[0])
        same = made[0].id if made else None
        rows.change(tx, session_id, deleted_at=None, **about)
    if same is None:
        _add(tx, session_id, recording, summary, analysis)
    else:
        rows.make_newest(tx, session_id, same)
    patient_rows.touch(tx, record.id, now)
    detection.refresh(tx, record.id, patient, now=now, since=since)
    session = rows.by_source(tx, patient, key)
    assert session is not None
    tx.audit(
        action,
        label(patient, session.number),
        at=now,
        patient=patient,
        outcome=summary.status,
        model=f"{info.name} {info.version}" if info else "",
        reason=summary.pipeline_hash,
    )
    return stored.session_json(tx, patient, session, stored.newest(rows.analyses(tx, session_id)))


def _add(tx: Transaction, session_id: int, recording: Recording, summary: Summary, analysis: Mapping[str, Any]) -> None:
    """A further analysis of a session with its measures, window series and quality."""
    quality, prediction = summary.quality, summary.prediction
    rows.add_analysis(
        tx,
        session_id,
        analysis,
        [_finite(m) for m in summary.measures],
        [
            {
                "target": target,
                "duration_s": float(prediction.duration_s),
                "onset_s": stored.pack(np.asarray(prediction.onset_s, dtype=np.float64)),
                "proba": stored.pack(np.asarray(prediction.proba[:, i], dtype=np.float64)),
            }
            for i, target in enumerate(prediction.targets)
        ]
        if prediction
        else (),
        {
            "duration_s": float(quality.duration_s),
            "channels": stored.channels_json(quality, recording),
            "types": stored.types_json(quality),
            "onset_s": stored.pack(np.asarray(quality.onset_s, dtype=np.float64)),
            "usable": stored.pack(np.array([t.usable for t in quality.types], dtype=bool)),
        },
    )


def _finite(measure: Measure) -> Measure:
    """A measure whose numbers are numbers; a chain that hands on a NaN has a fault, and nothing is stored."""
    for value in (measure.value, measure.low, measure.high, measure.threshold):
        if value is not None and not np.isfinite(value):
            raise ValueError(f"{measure.name}: {value} is no value that can be stored")
    if (measure.value is None) == (measure.reason is None):
        raise ValueError(f"{measure.name}: needs a value or a reason, and not both")
    numbers = {
        n: None if (v := getattr(measure, n)) is None else float(v) for n in ("value", "low", "high", "threshold")
    }
    return Measure(measure.name, measure.kind, measure.unit, reason=measure.reason, **numbers)


def _aware(said: datetime) -> datetime:
    """A time that a person said, in UTC."""
    return (said if said.tzinfo else said.replace(tzinfo=settings().zone)).astimezone(UTC)


def _start(
    recording: Recording, session: SessionRecord | None, reading: Reading, said: datetime | None, now: datetime
) -> tuple[datetime, list[Notice]]:
    """When the session started (said by a person, else by the file, else now with a warning), and its files' warnings.

    A session that is there keeps its start, with the warning, unless the clocks of its files are moved.
    """
    warnings = list(recording.notices)
    if said is not None:
        return _aware(said), warnings
    if session is not None:
        moved = dict(reading.offsets) != dict(Reading.from_dict(session.reading or {}).offsets)
        if not moved or recording.started_at is None:
            undated = [Notice(w["code"], w["text"]) for w in session.warnings if w["code"] == NO_DATE]
            return session.started_at, list(dict.fromkeys([*warnings, *undated]))
    if recording.started_at is not None:
        return recording.started_at.astimezone(UTC), warnings
    warnings.append(
        Notice(NO_DATE, "The files say no time of recording, so the session is dated now. Say when it started.")
    )
    return now.astimezone(UTC), list(dict.fromkeys(warnings))


def _signals(recording: Recording) -> list[dict]:
    return [
        {
            "name": s.name, "type": s.type, "unit": s.unit, "sfreq": float(s.sfreq), "onset_s": float(s.onset_s),
            "duration_s": float(s.duration_s), "n_times": len(s.data),
        }
        for s in recording.signals
    ]  # fmt: skip
