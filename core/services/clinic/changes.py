"""Changes of a stored session: moved to another patient, dated, deleted, restored, seen. Nothing is lost by them."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.errors import Conflict, Refused
from core.services.clinic import detection, stored
from core.services.pseudonyms import require, words
from core.storage import patients as patient_rows
from core.storage import sessions as rows
from core.storage.records import label
from core.storage.store import Store

RESTORE_DAYS = 30
# the warning of a session that was dated by its analysis, for its files say no time
NO_DATE = "W-NO-DATE"


def move(store: Store, session: str, patient: str, why: str, *, now: datetime) -> str:
    """Move a session to another patient; both histories' insights are made anew. Returns the new id."""
    why = words(why, "why", "Say in a few words why the session belongs to the other patient.")
    with store.write() as tx:
        source, record = stored.find(tx, session, deleted=False)
        # in a fixed order, so that two moves at once cannot wait for each other
        locked = {name: require(tx, name, lock=True) for name in sorted({source, patient})}
        if source == patient:
            raise Refused("E-MOVE", "the session is this patient's already.", session, "Choose another patient.")
        if rows.by_source(tx, patient, record.source_key) is not None:
            raise Conflict(
                "E-MOVE", f"{patient} has a session from the same files.", session, "Delete one of the two instead."
            )
        target = locked[patient]
        number = patient_rows.take_number(tx, target.id)
        rows.change(
            tx, record.id, patient_id=target.id, number=number, moved_from=session,
            simulated=record.simulated or target.simulated,
        )  # fmt: skip
        moved_to = label(patient, number)
        rows.note_move(tx, record.id, session, moved_to, why, now)
        for name, kept in locked.items():
            patient_rows.touch(tx, kept.id, now)
            detection.refresh(tx, kept.id, name, now=now)
            tx.audit("session.move", f"{session} to {moved_to}", at=now, patient=name, reason=why)
    return moved_to


def date(store: Store, session: str, started_at: datetime, *, now: datetime) -> None:
    """Say when a session started, in UTC; insights are made anew. Nothing happens where it is said already."""
    with store.write() as tx:
        patient, record = stored.find(tx, session, deleted=False)
        warnings = [w for w in record.warnings if w["code"] != NO_DATE]
        if (record.started_at, len(record.warnings)) == (started_at, len(warnings)):
            return
        kept = require(tx, patient, lock=True)
        rows.change(tx, record.id, started_at=started_at, warnings=warnings)
        patient_rows.touch(tx, kept.id, now)
        detection.refresh(tx, kept.id, patient, now=now)
        moved = f"{record.started_at.isoformat()} to {started_at.isoformat()}"
        tx.audit("session.date", session, at=now, patient=patient, reason=moved)


def delete(store: Store, session: str, *, now: datetime) -> None:
    """Soft delete; 30 days to restore."""
    with store.write() as tx:
        patient, record = stored.find(tx, session, deleted=False)
        kept = require(tx, patient, lock=True)
        rows.change(tx, record.id, deleted_at=now)
        patient_rows.touch(tx, kept.id, now)
        detection.refresh(tx, kept.id, patient, now=now)
        tx.audit("session.delete", session, at=now, patient=patient)


def restore(store: Store, session: str, *, now: datetime, late: bool = False) -> None:
    """Take a soft delete back; after 30 days only with ``late`` (its files were sent again)."""
    with store.write() as tx:
        patient, record = stored.find(tx, session)
        if record.deleted_at is None:
            return
        if not late and now - record.deleted_at > timedelta(days=RESTORE_DAYS):
            raise Conflict(
                "E-RESTORE",
                f"it was deleted more than {RESTORE_DAYS} days ago.",
                session,
                "Ask the administrator, who may still have a backup.",
            )
        kept = require(tx, patient, lock=True)
        rows.change(tx, record.id, deleted_at=None)
        patient_rows.touch(tx, kept.id, now)
        detection.refresh(tx, kept.id, patient, now=now)
        tx.audit("session.restore", session, at=now, patient=patient)


def mark_seen(store: Store, patient: str, *, now: datetime) -> None:
    """Note that a patient was opened: its sessions are no longer new."""
    with store.read() as tx:
        if not patient_rows.has_unseen(tx, require(tx, patient).id):
            return
    with store.write() as tx:
        if patient_rows.see(tx, require(tx, patient).id, now):
            tx.audit("patient.view", patient, at=now, patient=patient)
