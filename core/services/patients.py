"""Patients: people followed here under a pseudonym; the worklist; events, self-reports and baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.storage.store import Store
from core.types import Measure


@dataclass(frozen=True)
class Patient:
    """A person followed here. ``simulated`` marks the demo patients on every screen."""

    pseudonym: str
    created_at: datetime
    simulated: bool = False
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Baseline:
    """The reference of one measure: own mean and own range (95 %).

    ``kind`` is "learning" (fewer than 10 accepted sessions; low and high are None), "own" (all accepted
    sessions, exponential mean in ``mean``) or "set" (sessions chosen by a clinician, with who and why).
    """

    measure: str
    unit: str
    kind: str
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    n: int
    since: datetime | None = None
    who: str = ""
    why: str = ""
    sessions: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorklistRow:
    """One line of the worklist. ``spark`` maps V/A/D to the last ten session values (None where not computed)."""

    patient: str
    simulated: bool
    last_session: str | None
    last_started_at: datetime | None
    n_sessions: int
    usable_share: float | None
    spark: Mapping[str, tuple[float | None, ...]]
    state: str
    open_insights: int
    weight: float
    baseline: str
    tags: tuple[str, ...]
    unread: bool


@dataclass(frozen=True)
class Counts:
    """The four counts above the worklist."""

    patients: int
    new_sessions: int
    open_insights: int
    failed_jobs: int


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


def create(store: Store, pseudonym: str, *, now: datetime, simulated: bool = False, tags: Sequence[str] = ()) -> Patient:
    """Create a patient; refuses text that is no pseudonym (E-PSEUDONYM) and an existing one (E-PATIENT-EXISTS)."""
    raise NotImplementedError


def check_pseudonym(text: str) -> str:
    """Return a valid pseudonym or raise Refused: 2-32 letters, digits, - or _, at least one digit, no space."""
    raise NotImplementedError


def get(store: Store, pseudonym: str) -> Patient:
    """The patient, or NotFound (E-PATIENT)."""
    raise NotImplementedError


def find(store: Store, text: str = "") -> list[Patient]:
    """Patients whose pseudonym contains the text, in order of pseudonym."""
    raise NotImplementedError


def suggest(store: Store) -> str:
    """The next free pseudonym of the form P-0001."""
    raise NotImplementedError


def worklist(store: Store, *, now: datetime) -> list[WorklistRow]:
    """All patients: open insights by weight first, then oldest unread."""
    raise NotImplementedError


def counts(store: Store, *, now: datetime) -> Counts:
    """The four counts of the worklist; "new" means not opened yet."""
    raise NotImplementedError


def baselines(store: Store, patient: str, *, at: datetime | None = None) -> dict[str, Baseline]:
    """The reference in force for each measure of a patient (at a time, by default now)."""
    raise NotImplementedError


def set_baseline(store: Store, patient: str, sessions: Sequence[str], why: str, *, now: datetime) -> dict[str, Baseline]:
    """Make the chosen accepted sessions (at least 2) the reference of `default`; insights are made anew. A reason is required."""
    raise NotImplementedError


def preview_baseline(store: Store, patient: str, sessions: Sequence[str]) -> tuple[int, int, int]:
    """How setting it would change open insights: (kept, gone, new)."""
    raise NotImplementedError


def undo_baseline(store: Store, patient: str, *, now: datetime) -> bool:
    """Take the newest set baseline back; False when there is none."""
    raise NotImplementedError


def baseline_history(store: Store, patient: str) -> list[Baseline]:
    """Every baseline that was set, newest first, with who and why."""
    raise NotImplementedError


def add_event(store: Store, patient: str, kind: str, text: str, started_at: datetime, *, ended_at: datetime | None = None, impact: int | None = None, now: datetime) -> Event:
    """Put a treatment, change or life event on the life chart. kind: treatment, change, life_event."""
    raise NotImplementedError


def events(store: Store, patient: str) -> list[Event]:
    """Events of a patient in order of time."""
    raise NotImplementedError


def remove_event(store: Store, event_id: str, *, now: datetime) -> None:
    """Take an event back (soft); NotFound for an unknown id."""
    raise NotImplementedError


def add_self_report(store: Store, patient: str, instrument: str, score: float, reported_at: datetime, *, now: datetime) -> SelfReport:
    """Store a self-report; the score must lie in the instrument's range (INSTRUMENTS)."""
    raise NotImplementedError


def self_reports(store: Store, patient: str) -> list[SelfReport]:
    """Self-reports of a patient in order of time."""
    raise NotImplementedError


# lowest and highest score of each instrument
INSTRUMENTS: dict[str, tuple[float, float]] = {
    "SAM valence": (1, 9), "SAM arousal": (1, 9), "SAM dominance": (1, 9), "PHQ-9": (0, 27),
}  # fmt: skip


def profile(store: Store, patient: str) -> dict:
    """The source platform's profile: user_id, created_at, updated_at, baseline_valence/arousal/dominance, total_sessions, total_windows."""
    raise NotImplementedError


def summary(store: Store, patient: str) -> dict:
    """The source platform's summary: mean, SD and share High per dimension, margin, sessions, windows."""
    raise NotImplementedError


def measure_summary(measures: Sequence[Measure]) -> tuple[float, float] | None:
    """Mean and SD (ddof 1) of computed values; None for fewer than two."""
    raise NotImplementedError
