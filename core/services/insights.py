"""Insights: what the rules found for a patient, and what a person decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.storage.store import Store
from core.types import Insight

STATES = ("new", "seen", "acknowledged", "snoozed", "dismissed")
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


def of_patient(store: Store, patient: str, *, preset: str = "default", since: datetime | None = None) -> list[Card]:
    """Insights of a patient, oldest first. Another preset than the stored one is computed, not stored."""
    raise NotImplementedError


def open_cards(store: Store, *, now: datetime, patient: str | None = None) -> list[Card]:
    """Undecided insights (new, seen, or snooze run out), heaviest first; of demo and real patients."""
    raise NotImplementedError


def as_json(store: Store, patient: str, preset: str = "default") -> dict:
    """The object of ``insights --json``: oldest first, all there is."""
    raise NotImplementedError


def decide(store: Store, insight_id: str, state: str, *, now: datetime, reason: str = "", note: str = "", until: datetime | None = None) -> Card:
    """Acknowledge, snooze (until), dismiss (reason from DISMISS_REASONS) or mark as seen."""
    raise NotImplementedError


def undo(store: Store, insight_id: str, *, now: datetime) -> Card:
    """Take the last decision back."""
    raise NotImplementedError


def regenerate(store: Store, patient: str, *, from_time: datetime | None = None, now: datetime) -> int:
    """Run the detectors again from a time on; decided insights are kept. Returns how many there are now."""
    raise NotImplementedError


def rule_health(store: Store) -> list[dict]:
    """Per kind: fired, acknowledged, dismissed, reasons, share dismissed (flagged over 0.5)."""
    raise NotImplementedError
