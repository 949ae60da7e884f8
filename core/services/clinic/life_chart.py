"""The life chart beside the measures: treatments, changes, life events and self-reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.errors import NotFound, Refused
from core.services.pseudonyms import require, words
from core.storage import patients as rows
from core.storage.store import Store

EVENT_KINDS = ("treatment", "change", "life_event")
# lowest and highest score of each instrument
INSTRUMENTS: dict[str, tuple[float, float]] = {
    "SAM valence": (1, 9), "SAM arousal": (1, 9), "SAM dominance": (1, 9), "PHQ-9": (0, 27),
}  # fmt: skip


@dataclass(frozen=True)
class Event:
    """A treatment, medication change or life event on the life chart; impact -4..+4 or None."""

    id: str
    patient: str
    kind: str
    text: str
    started_at: datetime
    ended_at: datetime | None = None
    impact: int | None = None


@dataclass(frozen=True)
class SelfReport:
    """A self-report: instrument ("SAM valence" 1-9, "PHQ-9" 0-27, ...) and its score."""

    id: str
    patient: str
    instrument: str
    score: float
    reported_at: datetime


def add_event(
    store: Store,
    patient: str,
    kind: str,
    text: str,
    started_at: datetime,
    *,
    ended_at: datetime | None = None,
    impact: int | None = None,
    now: datetime,
) -> Event:
    """Put a treatment, change or life event on the life chart. kind: treatment, change, life_event."""
    text = words(text, "text", "Say in a few words what it was.")
    if kind not in EVENT_KINDS:
        raise Refused("E-EVENT", f"there is no kind {kind!r}.", "kind", f"Use one of {', '.join(EVENT_KINDS)}.")
    if impact is not None and not -4 <= impact <= 4:
        raise Refused("E-EVENT", "the impact is outside -4 to +4.", "impact", "Use a whole number from -4 to +4.")
    if ended_at is not None and ended_at < started_at:
        raise Refused("E-EVENT", "the end lies before the start.", "ended_at", "Swap the two times.")
    with store.write() as tx:
        record = require(tx, patient)
        key = rows.add_event(
            tx, record.id, kind=kind, text=text, started_at=started_at, ended_at=ended_at, impact=impact, created_at=now
        )
        rows.touch(tx, record.id, now)
        tx.audit("event.add", f"{patient} event {key}", at=now, patient=patient)
    return Event(str(key), patient, kind, text, started_at, ended_at, impact)


def events(store: Store, patient: str) -> list[Event]:
    """Events of a patient in order of time."""
    with store.read() as tx:
        found = rows.events(tx, require(tx, patient).id)
    return [Event(str(e.id), patient, e.kind, e.text, e.started_at, e.ended_at, e.impact) for e in found]


def remove_event(store: Store, event_id: str, *, now: datetime) -> None:
    """Take an event back (soft); NotFound for an unknown id."""
    with store.write() as tx:
        patient = rows.remove_event(tx, int(event_id), now) if event_id.isdecimal() and len(event_id) < 10 else None
        if patient is None:
            raise NotFound("E-EVENT", "there is no such event.", event_id, "Reload the page; it may have been removed.")
        tx.audit("event.remove", f"{patient} event {event_id}", at=now, patient=patient)


def add_self_report(
    store: Store, patient: str, instrument: str, score: float, reported_at: datetime, *, now: datetime
) -> SelfReport:
    """Store a self-report; the score must lie in the instrument's range (INSTRUMENTS)."""
    if instrument not in INSTRUMENTS:
        raise Refused(
            "E-INSTRUMENT",
            f"there is no instrument {instrument!r}.",
            "instrument",
            f"Use one of {', '.join(INSTRUMENTS)}.",
        )
    low, high = INSTRUMENTS[instrument]
    if not low <= score <= high:
        raise Refused("E-SCORE", f"{instrument} has scores from {low:g} to {high:g}.", "score", "Correct the score.")
    with store.write() as tx:
        record = require(tx, patient)
        key = rows.add_self_report(
            tx, record.id, instrument=instrument, score=float(score), reported_at=reported_at, created_at=now
        )
        rows.touch(tx, record.id, now)
        tx.audit("self_report.add", f"{patient} self-report {key}", at=now, patient=patient)
    return SelfReport(str(key), patient, instrument, float(score), reported_at)


def self_reports(store: Store, patient: str) -> list[SelfReport]:
    """Self-reports of a patient in order of time."""
    with store.read() as tx:
        found = rows.self_reports(tx, require(tx, patient).id)
    return [SelfReport(str(r.id), patient, r.instrument, r.score, r.reported_at) for r in found]
