"""What people mark on the signals of a session: bad channels and stretches with words.

Marks are not deletions: they take effect when the session is analysed again (``sessions.recompute``), and one that is
taken back stays in the history with who and when.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from core.errors import Conflict, NotFound, Refused
from core.services import jobs
from core.services.clinic import stored
from core.services.pseudonyms import words
from core.storage import marks as rows
from core.storage import sessions as session_rows
from core.storage.records import MarkRecord, SessionRecord
from core.storage.store import Store, Transaction
from core.types import Annotation, Reading

BAD, NOTE = "bad", "note"
LIVE = ("queued", "running")


@dataclass(frozen=True)
class Mark:
    """A mark with its history: ``bad`` on a channel, or a ``note`` (words on a stretch in s)."""

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

    @property
    def stands(self) -> bool:
        """Whether it was not taken back."""
        return self.undone_at is None

    @property
    def annotation(self) -> Annotation | None:
        """A note as an annotation on the recording's clock; None for a channel."""
        if self.onset_s is None or self.duration_s is None:
            return None
        return Annotation(self.onset_s, self.duration_s, self.text)

    @property
    def counts(self) -> bool:
        """Whether it changes an analysis: a bad channel, a stretch that is BAD_... or baseline."""
        note = self.annotation
        return note is None or note.bad or note.description.strip().lower() == "baseline"


@dataclass(frozen=True)
class Marks:
    """The marks of a session, oldest first; what a recompute would read with, and how many of them wait for one."""

    all: tuple[Mark, ...]
    reading: Reading
    not_applied: int

    @property
    def standing(self) -> tuple[Mark, ...]:
        """Those that were not taken back."""
        return tuple(m for m in self.all if m.stands)

    @property
    def bad(self) -> frozenset[str]:
        """Channels that are marked bad."""
        return frozenset(m.channel for m in self.standing if m.kind == BAD)


def of_session(store: Store, session: str) -> Marks:
    """The marks of a session."""
    with store.read() as tx:
        _, record = stored.find(tx, session)
        found = _all(tx, record)
        applied = _applied(tx, record)
    wanted = _reading(found, applied)
    waits = len(set(wanted.bad) ^ set(applied.bad)) + len(set(wanted.marks) ^ set(applied.marks))
    return Marks(found, wanted, waits)


def _all(tx: Transaction, record: SessionRecord) -> tuple[Mark, ...]:
    return tuple(_mark(m) for m in rows.of_session(tx, record.id))


def _mark(record: MarkRecord) -> Mark:
    return Mark(**asdict(record))


def _applied(tx: Transaction, record: SessionRecord) -> Reading:
    """The reading of the newest analysis."""
    return Reading.from_dict(stored.newest(session_rows.analyses(tx, record.id)).reading or record.reading)


def _reading(found: Sequence[Mark], applied: Reading) -> Reading:
    """The reading of the newest analysis with the marks as they stand now."""
    known = {m.channel for m in found if m.kind == BAD}
    bad = {*(set(applied.bad) - known), *(m.channel for m in found if m.kind == BAD and m.stands)}
    notes = [n for m in found if m.stands and m.counts and (n := m.annotation) is not None]
    spans = tuple(sorted({(n.onset_s, n.duration_s, n.description) for n in notes}))
    changed = bad != set(applied.bad) or set(spans) != set(applied.marks)
    # numbers of components mean others when channels or stretches change
    ocular = ("auto",) if changed and applied.ocular else applied.ocular
    return replace(applied, bad=tuple(sorted(bad)), marks=spans, ocular=ocular)


def mark_bad(store: Store, session: str, channel: str, *, now: datetime) -> Mark:
    """Mark a channel as bad; one that is marked already stays as it is."""
    with store.write() as tx:
        patient, record = stored.find(tx, session, deleted=False)
        if channel not in {s["name"] for s in record.signals}:
            raise NotFound("E-CHANNEL", "this session has no such channel.", channel, "Choose one of its channels.")
        for mark in _all(tx, record):
            if mark.kind == BAD and mark.stands and mark.channel == channel:
                return mark
        return _add(tx, patient, session, record, now, kind=BAD, channel=channel)


def note(store: Store, session: str, text: str, onset_s: float, duration_s: float, *, now: datetime) -> Mark:
    """Put words on a stretch of the recording; ``BAD_...`` makes its windows not usable with the next recompute."""
    text = words(text, "words", "Say in a few words what it is, or BAD_... for a stretch that is not usable.")
    with store.write() as tx:
        patient, record = stored.find(tx, session, deleted=False)
        if not (math.isfinite(onset_s) and math.isfinite(duration_s) and onset_s >= 0 and duration_s > 0):
            raise Refused("E-MARK", "the stretch has no length.", "length", "Give an onset and a length in seconds.")
        if onset_s >= record.duration_s:
            raise Refused(
                "E-MARK",
                f"the stretch begins after the end of the recording ({record.duration_s:.1f} s).",
                "onset",
                "Give an earlier onset.",
            )
        length_s = min(duration_s, record.duration_s - onset_s)
        return _add(
            tx, patient, session, record, now, kind=NOTE, onset_s=float(onset_s), duration_s=float(length_s), text=text
        )


def undo(store: Store, session: str, mark_id: int, *, now: datetime) -> Mark:
    """Take a mark back; its trace stays."""
    with store.write() as tx:
        patient, record = stored.find(tx, session, deleted=False)
        mark = _one(tx, record, mark_id)
        if mark.stands:
            rows.undo(tx, mark.id, now)
            tx.audit("mark.undo", session, at=now, patient=patient, reason=_words(mark))
        return _one(tx, record, mark_id)


def again(store: Store, session: str, mark_id: int, *, now: datetime) -> Mark:
    """Set a mark that was taken back once more, as a new one."""
    with store.read() as tx:
        mark = _one(tx, stored.find(tx, session)[1], mark_id)
    if mark.kind == BAD:
        return mark_bad(store, session, mark.channel, now=now)
    return note(store, session, mark.text, mark.onset_s or 0.0, mark.duration_s or 0.0, now=now)


def recomputing(store: Store, session: str) -> jobs.Job | None:
    """The job that recomputes a session, or None."""
    found = (j for j in jobs.recent(store) if j.kind == "recompute" and j.params.get("session") == session)
    return next((j for j in found if j.state in LIVE), None)


def recompute(store: Store, session: str, reading: Reading, *, now: datetime) -> jobs.Job:
    """Queue the analysis of a session with a reading; the same one that is under way is given back."""
    job = recomputing(store, session)
    if job is None:
        params = {"session": session, "reading": reading.as_dict()}
        return jobs.submit(store, "recompute", params, label=f"Recompute {session}", now=now)
    if Reading.from_dict(job.params["reading"]).hash != reading.hash:
        raise Conflict("E-BUSY", "this session is being computed with other marks.", session, "Wait for it to end.")
    return job


def _one(tx: Transaction, record: SessionRecord, mark_id: int) -> Mark:
    mark = next((m for m in _all(tx, record) if m.id == mark_id), None)
    if mark is None:
        raise NotFound("E-MARK", "there is no such mark.", str(mark_id), "Reload the page.")
    return mark


def _add(
    tx: Transaction, patient: str, session: str, record: SessionRecord, now: datetime, *, kind: str,
    channel: str = "", onset_s: float | None = None, duration_s: float | None = None, text: str = "",
) -> Mark:  # fmt: skip
    key = rows.add(
        tx, record.id, now=now, kind=kind, channel=channel, onset_s=onset_s, duration_s=duration_s, text=text
    )
    mark = _one(tx, record, key)
    tx.audit(f"mark.{kind}", session, at=now, patient=patient, reason=_words(mark))
    return mark


def _words(mark: Mark) -> str:
    """A mark in the audit."""
    return mark.channel if mark.kind == BAD else f"{mark.text} at {mark.onset_s:g} s for {mark.duration_s:g} s"
