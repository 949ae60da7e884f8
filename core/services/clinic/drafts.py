"""New recordings before they are stored: uploads staged on disk, looked into, and channel maps kept by name."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import NotFound, Refused, TooLarge
from core.services import approval
from core.services.clinic import stored
from core.services.clinic.signals import SignalPage, decimate
from core.services.pseudonyms import words
from core.settings import MIN_DURATION_S, settings
from core.storage import jobs as rows
from core.storage import sessions as session_rows
from core.storage.blobs import CHUNK, SPARE, sha256
from core.storage.records import label
from core.storage.store import Store
from core.types import Annotation, BadSpan, Grade, InputFile, Notice, Part, Quality, Reading, Reason, Recording

if TYPE_CHECKING:
    from core.services.clinic.doctor import Problem

Mapped = Mapping[str, Mapping[str, str]]

MAX_FILES = 30
KEEP_DAYS = 7
PREVIEW_S = 10.0
PREVIEW_POINTS = 1000
# values of a marker that need more than the shortest recording, s (ux 10.2; requirements d2)
NEEDS_S = {"rmssd": 60.0, "pulse_rmssd": 60.0}
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Draft:
    """Uploaded files waiting to be analysed, on disk: safe against refresh and restart."""

    id: str
    files: tuple[InputFile, ...]
    sizes: tuple[int, ...]
    created_at: datetime


@dataclass(frozen=True)
class Inspection:
    """What is in the files before anything is stored: recording without samples, quality, and what to expect."""

    started_at: datetime | None
    duration_s: float
    format: str
    signals: tuple[dict, ...]
    annotations: tuple[Annotation, ...]
    grade: Grade
    usable_share: float
    quality: dict
    notices: tuple[Notice, ...]
    models: tuple[dict, ...]
    not_computed: Mapping[str, str]
    known_session: str | None
    can_run: bool
    why_not: str
    preview: SignalPage | None
    parts: tuple[Part, ...] = ()
    problems: tuple[Problem, ...] = ()


# --- staging


def distinct(names: Sequence[str]) -> None:
    """Refused where two files that are uploaded in one go have one name: the second would take the first's place."""
    twice = next((name for name in names if list(names).count(name) > 1), None)
    if twice is not None:
        raise Refused("E-FILE-TWICE", "two of the files have this name.", twice, "Rename one, or send it once.")


def stage(store: Store, name: str, stream, draft: str | None = None, *, now: datetime) -> Draft:
    """Copy an uploaded file to the draft (a new one when None) in chunks; TooLarge over the limit."""
    limit = settings().max_upload_mb << 20
    draft_id = secrets.token_hex(8) if draft is None else _folder(store, draft).name
    folder = store.data_dir / "spool" / draft_id
    folder.mkdir(parents=True, exist_ok=True)
    new: dict[str, Any] = {"created_at": now.astimezone(UTC).isoformat(), "files": []}
    held = new if draft is None else _index(folder)
    if len(held["files"]) >= MAX_FILES:
        raise TooLarge("E-FILES", f"a recording has at most {MAX_FILES} files.", name, "Leave some out.")
    used = sum(f["size"] for f in held["files"])
    part = folder / f"upload.{os.getpid()}.{secrets.token_hex(4)}.part"
    digest, size = hashlib.sha256(), 0
    try:
        with part.open("xb") as file:
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if used + size > limit:
                    raise TooLarge(
                        "E-TOO-LARGE",
                        f"the files are larger than {settings().max_upload_mb} MB.",
                        name,
                        "Cut the recording, or ask the administrator for a higher limit.",
                    )
                if shutil.disk_usage(folder).free < SPARE:
                    raise Refused("E-DISK-FULL", "there is not enough free space on the disk.", name, "Make room.")
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        # the label is the person's; on disk a file has a number only, and the same upload again takes its place
        files = [f for f in held["files"] if f["name"] != name]
        stored_as = f"{max((int(f['file']) for f in held['files']), default=-1) + 1:03d}"
        part.replace(folder / stored_as)
    finally:
        part.unlink(missing_ok=True)
        if draft is None and not (folder / "000").exists():
            shutil.rmtree(folder, ignore_errors=True)
    files.append({"name": name, "file": stored_as, "size": size, "sha256": digest.hexdigest()})
    _save(folder, {"created_at": held["created_at"], "files": files})
    return _draft(store, draft_id)


def _save(folder: Path, held: dict) -> None:
    part = folder / f"index.{os.getpid()}.{secrets.token_hex(4)}.part"
    part.write_text(json.dumps(held))
    part.replace(folder / "index.json")


def _folder(store: Store, draft_id: str) -> Path:
    folder = store.data_dir / "spool" / draft_id
    if not _ID.fullmatch(draft_id) or not (folder / "index.json").is_file():
        raise NotFound("E-DRAFT", "these uploaded files are no longer kept.", draft_id, "Choose the files again.")
    return folder


def _index(folder: Path) -> dict:
    return json.loads((folder / "index.json").read_text())


def draft(store: Store, draft_id: str) -> Draft:
    """A draft, or NotFound (E-DRAFT)."""
    return _draft(store, draft_id)


def _draft(store: Store, draft_id: str) -> Draft:
    folder = _folder(store, draft_id)
    held = _index(folder)
    return Draft(
        draft_id,
        tuple(InputFile(f["name"], str(folder / f["file"])) for f in held["files"]),
        tuple(f["size"] for f in held["files"]),
        datetime.fromisoformat(held["created_at"]),
    )


def discard(store: Store, draft_id: str) -> None:
    """Remove a draft and its files."""
    shutil.rmtree(_folder(store, draft_id))


def sweep(store: Store, *, now: datetime) -> int:
    """Remove drafts that nobody analysed within a week; returns how many."""
    with store.read() as tx:
        wanted = {job.params.get("draft") for job in rows.in_state(tx, "queued", "running")}
    swept = 0
    for index in (store.data_dir / "spool").glob("*/index.json"):
        old = now - datetime.fromisoformat(_index(index.parent)["created_at"]) > timedelta(days=KEEP_DAYS)
        if old and index.parent.name not in wanted:
            shutil.rmtree(index.parent, ignore_errors=True)
            swept += 1
    return swept


def split(store: Store, draft_id: str, groups: Sequence[Sequence[str]]) -> list[Draft]:
    """A draft for each group of files (by label), to be analysed apart; files of no group stay where they are."""
    folder = _folder(store, draft_id)
    made = []
    for names in groups:
        held = _index(folder)
        mine = [f for f in held["files"] if f["name"] in names]
        rest = [f for f in held["files"] if f["name"] not in names]
        if not mine:
            raise NotFound("E-DRAFT", "these uploaded files are no longer kept.", draft_id, "Choose the files again.")
        if not rest:
            made.append(_draft(store, draft_id))
            continue
        new_id = secrets.token_hex(8)
        place = folder.parent / new_id
        place.mkdir()
        # linked before they are let go of: whatever ends this, no upload is lost
        for f in mine:
            try:
                os.link(folder / f["file"], place / f["file"])
            except OSError:
                shutil.copyfile(folder / f["file"], place / f["file"])
        _save(place, {"created_at": held["created_at"], "files": mine})
        _save(folder, {"created_at": held["created_at"], "files": rest})
        for f in mine:
            (folder / f["file"]).unlink()
        made.append(_draft(store, new_id))
    return made


# --- looking into files


def formats() -> tuple[tuple[str, str], ...]:
    """Every format that is read: what it is called, and which files it comes in."""
    from core.readers import READERS

    return tuple((reader.title, reader.how) for reader in READERS.values())


def repairs() -> dict[str, str]:
    """What can be mended in a recording: each repair by name, and what it does in words."""
    from core.readers.repairs import REPAIRS

    return {name: repair.title for name, repair in REPAIRS.items()}


def outline(files: Sequence[InputFile], *, reading: Reading | None = None) -> tuple[Part, ...]:
    """What each recorder left among the files, by itself: its files, time and length, or why it cannot be read.

    Of the reading only what concerns the files as a whole is used. The format stands in words.
    """
    from core.readers import READERS, isolation
    from core.readers.base import WHOLE

    said = reading or Reading()
    whole = {WHOLE: said.repairs[WHOLE]} if WHOLE in said.repairs else {}
    found = isolation.outline(files, reading=Reading(said.sfreq, repairs=whole), zone=settings().zone)
    return tuple(replace(p, format=READERS[p.format].title if p.format in READERS else p.format) for p in found)


def inspect(
    store: Store,
    files: Sequence[InputFile],
    *,
    patient: str | None = None,
    reading: Reading | None = None,
    model: str | None = None,
) -> Inspection:
    """Read and judge files without storing anything."""
    from core import caps, pipeline, quality
    from core.models import bundle as bundles
    from core.readers import isolation
    from core.services.clinic.doctor import problems

    if not files:
        raise Refused("E-NO-FILE", "there is no file to read.", what_to_do="Choose at least one file.")
    recording = isolation.read(list(files), reading=reading, zone=settings().zone)
    approval.require(store, model)
    installed = approval.installed(store)
    chosen = bundles.choose(recording, model, installed)
    settings_used = pipeline.site_pipeline(chosen.pipeline if chosen else None)
    judged = quality.assess(recording, settings_used)
    view = caps.seen(recording, judged, settings_used, chosen.uses if chosen else {})
    verdict = view.shown
    required = tuple(chosen.required) if chosen else None
    why_not = _why_not(recording)
    without = Reason.MISSING_CHANNEL if installed else Reason.NO_MODEL
    return Inspection(
        started_at=recording.started_at,
        duration_s=recording.duration_s,
        format=recording.format,
        signals=tuple(
            {
                "name": s.name, "type": s.type, "unit": s.unit, "sfreq": float(s.sfreq), "onset_s": float(s.onset_s),
                "duration_s": float(s.duration_s),
            }
            for s in recording.signals
        ),
        annotations=recording.annotations,
        grade=verdict.grade(required),
        usable_share=stored.usable_share(verdict, required),
        quality=stored.quality_json(verdict, recording, required) | {"types": stored.types_json(verdict)},
        notices=(*recording.notices, *view.notices),
        models=tuple(_model(b, b.fits(recording)) for b in installed),
        not_computed=_expected(recording, verdict, chosen, without),
        known_session=_known(store, files, patient),
        can_run=not why_not,
        why_not=why_not,
        preview=_preview(recording, verdict),
        parts=recording.parts,
        problems=problems(recording, verdict),
    )  # fmt: skip


def _model(bundle, fits: bool) -> dict:
    info = bundle.info
    needs = {type_: list(names) for type_, names in bundle.required.items()}
    return {
        "name": info.name, "version": info.version, "basis": info.basis, "demonstration": info.demonstration,
        "balanced_accuracy": info.balanced_accuracy, "targets": list(bundle.targets), "required": needs, "fits": fits,
    }  # fmt: skip


def _why_not(recording: Recording) -> str:
    """Why these files cannot be analysed, "" when they can."""
    if recording.duration_s < MIN_DURATION_S:
        return f"The recording is {recording.duration_s:.1f} s long; at least {MIN_DURATION_S:g} s are needed."
    if not recording.types:
        return "The type of no channel is known. Say in step 2 what the channels are."
    return ""


def _expected(recording: Recording, verdict: Quality, bundle, without: Reason) -> dict[str, str]:
    """Measures that will not be computed, and why: too short, poor, or a channel that is not there."""
    from core.markers import MARKERS
    from core.pipeline import CORE_TARGETS

    found: dict[str, str] = {}
    targets = bundle.targets if bundle else CORE_TARGETS
    if bundle is None:
        found |= dict.fromkeys(targets, str(without))
    elif verdict.grade(tuple(bundle.required)) is Grade.POOR:
        found |= dict.fromkeys(targets, str(Reason.LOW_QUALITY))
    for name, (types, *_) in MARKERS.items():
        here = [t for t in types if t in recording.types]
        if not here:
            found[name] = str(Reason.MISSING_CHANNEL)
        elif all(q is None or q.grade is Grade.POOR for q in (verdict.of(t) for t in here)):
            found[name] = str(Reason.LOW_QUALITY)
        elif max(s.duration_s for s in recording.of_type(*here)) < NEEDS_S.get(name, 0.0):
            found[name] = str(Reason.TOO_SHORT)
    return found


def _known(store: Store, files: Sequence[InputFile], patient: str | None) -> str | None:
    """The session that came from the same files: this patient's, and with no patient given anybody's."""
    key = stored.source_key([sha256(Path(f.path)) for f in files])
    with store.read() as tx:
        found = session_rows.of_source(tx, key)
    return next((label(name, number) for name, number in found if patient in (None, name)), None)


def _preview(recording: Recording, verdict: Quality) -> SignalPage | None:
    """Ten seconds from where every signal has begun."""
    if not recording.signals:
        return None
    begun = max(s.onset_s for s in recording.signals)
    t0 = float(max(0.0, min(begun, recording.duration_s - PREVIEW_S)))
    stop = t0 + PREVIEW_S
    shown = []
    for signal, said in zip(recording.signals, verdict.signals, strict=True):
        first = int(np.clip(np.ceil((t0 - signal.onset_s) * signal.sfreq - 1e-9), 0, len(signal.data)))
        last = int(np.clip(np.ceil((stop - signal.onset_s) * signal.sfreq - 1e-9), first, len(signal.data)))
        y, step = decimate(signal.data[first:last], PREVIEW_POINTS)
        shown.append(
            {
                "name": signal.name, "type": signal.type, "unit": signal.unit,
                "x0": signal.onset_s + first / signal.sfreq, "dx": step / signal.sfreq, "y": y, "decimated": step > 1,
                "bad": said.bad,
                "spans": tuple(
                    BadSpan(s.onset_s, s.duration_s, s.reason)
                    for s in said.spans
                    if s.onset_s < stop and s.onset_s + s.duration_s > t0
                ),
            }
        )  # fmt: skip
    marks = tuple(a for a in recording.annotations if a.onset_s <= stop and a.onset_s + a.duration_s >= t0)
    return SignalPage(t0, PREVIEW_S, tuple(shown), marks, np.array([]), False)


# --- channel maps


def device_profiles(store: Store) -> dict[str, Mapping[str, Mapping[str, str]]]:
    """Saved channel maps by name."""
    with store.read() as tx:
        return dict(rows.profiles(tx))


def save_device_profile(store: Store, name: str, mapping: Mapped) -> None:
    """Keep a channel map under a name, to be offered for files with the same channel names."""
    name = words(name, "name", "Give the profile a name.")
    if len(name) > 80:
        raise Refused("E-TEXT", "the name is longer than 80 characters.", "name", "Shorten it.")
    with store.write() as tx:
        rows.save_profile(tx, name, {channel: dict(said) for channel, said in mapping.items()})
        tx.audit("device_profile.save", name)
