"""Insights: what the rules found for a patient, and what a person decided about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.errors import NotFound, Refused
from core.services.clinic import detection
from core.services.pseudonyms import require
from core.storage import insights as rows
from core.storage import sessions as session_rows
from core.storage.records import DecisionRecord, InsightRecord, label
from core.storage.store import Store, Transaction
from core.types import Insight

STATES = ("new", "seen", "acknowledged", "snoozed", "dismissed")
KINDS = ("TREND", "ANOMALY", "PEAK", "STABILITY", "CORRELATION")
PRESETS = ("default", "published")
DECISIONS = ("seen", "acknowledged", "snoozed", "dismissed")
NOTE_LIMIT = 2000
DISMISS_REASONS = ("artefact", "expected", "known event", "not useful", "other")


@dataclass(frozen=True)
class Card:
    """A stored insight with its decision. ``weight`` = effect in own SD x quality x novelty."""

    id: str
    patient: str
    insight: Insight
    state: str
    weight: float
    decided_by: str = ""
    decided_at: datetime | None = None
    reason: str = ""
    note: str = ""
    snoozed_until: datetime | None = None
    history: tuple[tuple[datetime, str, str], ...] = ()


def _preset(preset: str) -> str:
    if preset not in PRESETS:
        raise Refused("E-PRESET", f"there is no preset {preset!r}.", "preset", f"Use {' or '.join(PRESETS)}.")
    return preset


def of_patient(store: Store, patient: str, *, preset: str = "default", since: datetime | None = None) -> list[Card]:
    """Insights of a patient, oldest first. Another preset than the stored one is computed, not stored."""
    with store.read() as tx:
        record = require(tx, patient)
        if _preset(preset) == detection.STORED_PRESET:
            found = [r for r in rows.of_patient(tx, record.id, preset) if not r.withdrawn]
            cards = _cards(tx, found, {record.id: patient})
        else:
            cards = _computed(tx, record.id, patient, preset)
    return [c for c in cards if since is None or c.insight.period_end >= since]


def _cards(tx: Transaction, found: Sequence[InsightRecord], names: Mapping[int, str]) -> list[Card]:
    decisions = rows.decisions(tx, [r.id for r in found])
    return [_card(r, names[r.patient_id], decisions.get(r.id, [])) for r in found]


def _card(record: InsightRecord, patient: str, decisions: Sequence[DecisionRecord]) -> Card:
    last = _last(decisions)
    history: list[tuple[datetime, str, str]] = []
    for d in decisions:
        history.append((d.at, d.who, d.state))
        if d.undone_at is not None:
            history.append((d.undone_at, d.who, f"undone: {d.state}"))
    return Card(
        str(record.id), patient, detection.as_insight(record), record.state, record.weight,
        last.who if last else "", last.at if last else None, last.reason if last else "", last.note if last else "",
        record.snoozed_until, tuple(sorted(history)),
    )  # fmt: skip


def _last(decisions: Sequence[DecisionRecord]) -> DecisionRecord | None:
    return next((d for d in reversed(decisions) if d.undone_at is None), None)


def _computed(tx: Transaction, patient_id: int, patient: str, preset: str) -> list[Card]:
    """What another preset would say; nothing was decided about it, and its ids last as long as the history."""
    seen = detection.visits(tx, patient_id, patient)
    shares = {label(patient, s.number): s.usable_share for s in session_rows.history(tx, patient_id)}
    found = detection.found_by(preset, seen, {})
    place = {v.session: i for i, v in enumerate(seen)}
    spread = detection.own_sd(seen)
    keys = [detection.key(i) for i in found]
    return [
        Card(
            f"{preset}-{patient}-{n}", patient, insight, "new",
            detection.weight(insight, shares.get(insight.session), spread, keys, place),
        )
        for n, insight in enumerate(found, 1)
    ]  # fmt: skip


def open_cards(store: Store, *, now: datetime, patient: str | None = None) -> list[Card]:
    """Undecided insights (new, seen, or snooze run out), heaviest first; of demo and real patients."""
    with store.read() as tx:
        patient_id = require(tx, patient).id if patient else None
        found = rows.undecided(tx, now, patient_id)
        names = rows.pseudonyms(tx, {r.patient_id for r in found})
        return _cards(tx, found, names)


def as_json(store: Store, patient: str, preset: str = "default") -> dict:
    """The object of ``insights --json``: oldest first, all there is."""
    cards = of_patient(store, patient, preset=preset)
    return {"patient": patient, "preset": preset, "insights": [insight_json(c.id, c.insight) for c in cards]}


def insight_json(insight_id: str, insight: Insight) -> dict:
    """One insight as ``analyse --json`` and ``insights --json`` give it: the keys of the contract and no others.

    Interval, p, q, rule, period and decision go out with ``export --what insights``.
    """
    return {
        "id": insight_id,
        "kind": insight.kind,
        "measure": insight.measure,
        "session": insight.session,
        "severity": insight.severity,
        "text": insight.text,
        "value": insight.value,
        "reference": insight.reference,
        "n": insight.n,
        "expected_by_chance": insight.expected_by_chance,
    }


def _require(tx: Transaction, insight_id: str) -> InsightRecord:
    record = rows.get(tx, int(insight_id)) if insight_id.isdecimal() and len(insight_id) < 10 else None
    if record is None or record.withdrawn:
        raise NotFound(
            "E-INSIGHT", "there is no such insight.", insight_id, "Reload the page; the rules may have run again."
        )
    return record


def decide(
    store: Store,
    insight_id: str,
    state: str,
    *,
    now: datetime,
    reason: str = "",
    note: str = "",
    until: datetime | None = None,
) -> Card:
    """Acknowledge, snooze (until), dismiss (reason from DISMISS_REASONS) or mark as seen."""
    if state not in DECISIONS:
        raise Refused("E-DECISION", f"there is no decision {state!r}.", "state", f"Use one of {', '.join(DECISIONS)}.")
    if state == "dismissed" and reason not in DISMISS_REASONS:
        raise Refused(
            "E-DECISION", "a dismissal needs a reason.", "reason", f"Use one of {', '.join(DISMISS_REASONS)}."
        )
    if state == "snoozed" and (until is None or until <= now):
        raise Refused("E-DECISION", "a snooze needs a time to come.", "until", "Choose a later date.")
    if len(note) > NOTE_LIMIT:
        raise Refused("E-TEXT", f"the note is longer than {NOTE_LIMIT} characters.", "note", "Shorten it.")
    with store.write() as tx:
        record = _require(tx, insight_id)
        if state == "seen" and record.state != "new":
            return _stored(tx, record.id)
        until = until if state == "snoozed" else None
        rows.decide(tx, record.id, at=now, state=state, reason=reason, note=note.strip(), until=until)
        rows.change(tx, record.id, state=state, snoozed_until=until)
        patient = rows.pseudonyms(tx, {record.patient_id})[record.patient_id]
        if state != "seen":
            tx.audit(f"insight.{state}", f"insight {record.id}", at=now, patient=patient, reason=reason)
        return _stored(tx, record.id)


def undo(store: Store, insight_id: str, *, now: datetime) -> Card:
    """Take the last decision back."""
    with store.write() as tx:
        record = _require(tx, insight_id)
        standing = [d for d in rows.decisions(tx, [record.id]).get(record.id, []) if d.undone_at is None]
        if not standing:
            return _stored(tx, record.id)
        rows.undo(tx, standing[-1].id, now)
        before = standing[-2] if len(standing) > 1 else None
        rows.change(
            tx, record.id, state=before.state if before else "new", snoozed_until=before.until if before else None
        )
        patient = rows.pseudonyms(tx, {record.patient_id})[record.patient_id]
        tx.audit("insight.undo", f"insight {record.id}", at=now, patient=patient, reason=standing[-1].state)
        return _stored(tx, record.id)


def _stored(tx: Transaction, insight_id: int) -> Card:
    record = _require(tx, str(insight_id))
    return _cards(tx, [record], rows.pseudonyms(tx, {record.patient_id}))[0]


def regenerate(store: Store, patient: str, *, from_time: datetime | None = None, now: datetime) -> int:
    """Run the detectors again from a time on; decided insights are kept. Returns how many there are now."""
    with store.write() as tx:
        record = require(tx, patient, lock=True)
        n = detection.refresh(tx, record.id, patient, now=now, since=from_time)
        tx.audit("insight.regenerate", f"{n} insights", at=now, patient=patient)
    return n


def rule_health(store: Store) -> list[dict]:
    """Per kind: fired, acknowledged, dismissed, reasons, share dismissed (flagged over 0.5)."""
    with store.read() as tx:
        states = rows.by_kind(tx)
        reasons = rows.dismissals(tx)
    table = []
    for kind in KINDS:
        counted = {state: n for k, state, n in states if k == kind}
        fired, dismissed = sum(counted.values()), counted.get("dismissed", 0)
        share = dismissed / fired if fired else 0.0
        table.append(
            {
                "kind": kind,
                "fired": fired,
                "acknowledged": counted.get("acknowledged", 0),
                "dismissed": dismissed,
                "reasons": {reason: n for k, reason, n in reasons if k == kind},
                "share_dismissed": share,
                "flagged": share > 0.5,
            }
        )
    return table
