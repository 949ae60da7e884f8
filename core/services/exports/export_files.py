"""Exports in standard formats: a session as EDF+, a study as BIDS; audited and pseudonymous like every other export."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.errors import Conflict, NotFound
from core.services.clinic import stored
from core.services.exports import exports
from core.services.exports.exports import Export
from core.services.research import studies
from core.settings import settings
from core.storage import marks as mark_rows
from core.storage import sessions as rows
from core.storage.blobs import sha256
from core.storage.store import Store
from core.types import Annotation, InputFile, Reading, Recording

Progress = Callable[[float, str], None]
# a finished study waits so long to be fetched
KEEP_DAYS = 7
# words of a person stay here: a mark leaves as one of these
MARKED, NOTE = "BAD_marked", "note"
_SIGNAL = {
    "signal": ("text", "label of the signal in the file"),
    "name": ("text", "name of the signal"),
    "type": ("text", "channel type"),
    "unit": ("text", "unit of the values"),
    "sfreq": ("number", "samples a second, Hz"),
    "n_times": ("whole number", "samples"),
    "onset_s": ("number", "first sample, s from the start of the recording"),
    "step": ("number", "one digitisation step, in the unit: values are kept to half of it"),
}


# ------------------------------------------------------------------------------------------------ a session
def session_edf(store: Store, session: str, *, now: datetime, annotations: bool = False) -> Export:
    """A session's recording as EDF+, with dictionary and manifest; audited.

    The signals are those of the files, not filtered. Annotated are what was judged bad and what a person marked,
    without the person's words; with ``annotations`` also what the recording says itself, which may be free text.

    Raises
    ------
    NotFound
        E-SESSION, or E-RECORDING for a session that was imported without one.
    Conflict
        E-HASH where an original changed since it was stored.
    """
    from core.writers import edf

    recording, marks, patient = _recorded(store, session)
    if not annotations:
        recording = Recording(recording.signals, recording.started_at)
    made = edf.encode(recording, code=patient, marks=marks)
    dictionary = [{"column": k, "type": t, "unit": "see unit", "meaning": m} for k, (t, m) in _SIGNAL.items()]
    signals = [
        {
            "signal": made.labels[i], "name": s.name, "type": s.type, "unit": s.unit or "none", "sfreq": float(s.sfreq),
            "n_times": len(s.data), "onset_s": float(s.onset_s), "step": made.steps[i],
        }
        for i, s in enumerate(recording.signals) if i in made.labels
    ]  # fmt: skip
    day = recording.started_at.strftime("%Y-%m-%d") if recording.started_at else "none"
    return exports.finish(
        store, "session", "edf", session, made.body, (day, day), dictionary,
        n=len(signals), filters={"session": session, "annotations": annotations}, now=now, patient=patient,
        more={"signals": signals, "notes": [*made.notes, *_about(recording)]},
    )  # fmt: skip


def texts(store: Store, session: str) -> list[str]:
    """The distinct texts of the annotations that the recording of a session brought along, to look through."""
    with store.read() as tx:
        _, record = stored.find(tx, session)
    return sorted({a["description"] for a in record.annotations})


def _about(recording: Recording) -> list[str]:
    return [] if recording.started_at else ["No file says when it was recorded; the file has no date."]


def _recorded(store: Store, session: str) -> tuple[Recording, list[tuple[Annotation, int | None]], str]:
    """The signals of a session as recorded, what is bad of them, and whose they are."""
    from core.readers import isolation

    with store.read() as tx:
        patient, record = stored.find(tx, session)
        files = rows.files(tx, record.id)
        analysis = stored.newest(rows.analyses(tx, record.id))
        quality = rows.quality(tx, analysis.id)
        marked = [m for m in mark_rows.of_session(tx, record.id) if m.undone_at is None]
    if not files:
        raise NotFound("E-RECORDING", "this session was imported and has no recording.", session)
    originals = {f.sha256: store.blobs.fetch(f.sha256) for f in files}
    if any(sha256(path) != digest for digest, path in originals.items()):
        raise Conflict(
            "E-HASH", "the original file changed since it was stored, so it is not exported.", session,
            "Restore the file from a backup.",
        )  # fmt: skip
    reading = Reading.from_dict(analysis.reading or record.reading)
    recording = isolation.read(
        [InputFile(f.name, str(originals[f.sha256])) for f in files], reading=reading, zone=settings().zone
    )
    place = {s.name: i for i, s in enumerate(recording.signals)}
    whole = recording.duration_s
    marks: list[tuple[Annotation, int | None]] = [
        (Annotation(onset, duration, f"BAD_{reason}"), place[c["name"]])
        for c in (quality.channels if quality else ()) if c["name"] in place
        for onset, duration, reason in c["spans"]
    ]  # fmt: skip
    for m in marked:
        if m.onset_s is None or m.duration_s is None:
            marks.append((Annotation(0.0, whole, MARKED), place.get(m.channel)))
        else:
            said = Annotation(m.onset_s, m.duration_s, m.text)
            word = MARKED if said.bad else "baseline" if m.text.strip().lower() == "baseline" else NOTE
            marks.append((Annotation(m.onset_s, m.duration_s, word), None))
    undated = any(w["code"] == "W-NO-DATE" for w in record.warnings)
    started = None if undated else record.started_at
    return Recording(recording.signals, started, recording.annotations), marks, patient


# ------------------------------------------------------------------------------------------------ a study
@dataclass(frozen=True)
class StudyExport:
    """A study that was written as BIDS: where (a folder or a zip), trials, and what could not be written."""

    id: str
    name: str
    path: Path
    trials: int
    notes: tuple[str, ...]


def study_bids(
    store: Store, name: str, out: Path | None = None, *, now: datetime, progress: Progress | None = None
) -> StudyExport:
    """A study as a BIDS folder ``out``, or without one as a zip that waits a week to be fetched; audited.

    The folder appears whole or not at all; Conflict (E-OUT) where something is there already.
    """
    from core.writers import bids

    study = studies.get(store, name)
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Conflict("E-OUT", "there is something here already.", out.name, "Name a new or an empty folder.")
    export_id = secrets.token_hex(8)
    place = store.data_dir / "exports" if out is None else out.parent
    place.mkdir(parents=True, exist_ok=True)
    part = place / f".{export_id}.part"
    part.mkdir()
    try:
        trials, notes = bids.write(
            study, studies.recording, part, licence_text=studies.licence_text(store, name), progress=progress
        )
        files = {p.relative_to(part).as_posix(): sha256(p) for p in sorted(part.rglob("*")) if p.is_file()}
        digest = hashlib.sha256("".join(f"{k} {v}\n" for k, v in files.items()).encode()).hexdigest()
        title = exports.stem("study", name, ("none", "none"), digest)
        about = {"study": name, "format": f"BIDS {bids.BIDS_VERSION}", "notes": notes, "licence": study.licence}
        with store.write() as tx:
            manifest = exports.manifest_of(tx, "study", name, {"study": name}, trials, now, export_id, about)
            (part / "manifest.json").write_bytes(exports.as_json(manifest | {"files": files}))
            (part / ".bidsignore").write_text("manifest.json\n", encoding="utf-8")
            exports.note(tx, export_id, "study", "bids", name, title, digest, trials, {"study": name}, now)
        if out is None:
            path = place / f"{export_id}.zip"
            _zip(part, path, title)
            shutil.rmtree(part)
        else:
            path = out
            if out.exists():
                out.rmdir()
            part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return StudyExport(export_id, title, path, trials, tuple(notes))


def _zip(folder: Path, path: Path, title: str) -> None:
    """A folder as a zip with one folder in it, written beside its place first."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(p for p in folder.rglob("*") if p.is_file()):
                archive.write(file, f"{title}/{file.relative_to(folder).as_posix()}")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def waiting(store: Store, export_id: str) -> Path | None:
    """The zip of an exported study while it is kept."""
    path = store.data_dir / "exports" / f"{export_id}.zip"
    return path if export_id.isalnum() and path.is_file() else None


def sweep(store: Store, *, now: datetime) -> int:
    """Remove exported studies that nobody fetched within a week, and what an interruption left; returns how many."""
    n = 0
    for path in (store.data_dir / "exports").glob("*"):
        age = now - datetime.fromtimestamp(path.stat().st_mtime, UTC)
        if age > timedelta(days=KEEP_DAYS):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            n += 1
    return n
