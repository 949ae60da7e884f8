"""Sessions: from files to a stored analysis, and everything that is read back of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from core.storage.store import Store
from core.types import Annotation, Grade, InputFile, Measure, ModelInfo, Notice, Quality, Recording

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class SessionRow:
    """A session on the timeline. ``session`` is its full id (P-0042/S-07), ``low_quality`` draws it hollow."""

    session: str
    patient: str
    started_at: datetime
    status: str
    reasons: tuple[str, ...]
    imported: bool
    simulated: bool
    usable_share: float | None
    low_quality: bool
    grade: str | None
    measures: Mapping[str, Measure]
    model: ModelInfo | None
    state: str
    n_windows: int
    deleted_at: datetime | None = None


@dataclass(frozen=True)
class SessionDetail:
    """All that is stored of a session: its row, quality, provenance, and the analyses made of it."""

    row: SessionRow
    quality: dict
    warnings: tuple[Notice, ...]
    provenance: dict
    pipeline: dict
    duration_s: float
    types: tuple[str, ...]
    signals: tuple[dict, ...]
    annotations: tuple[Annotation, ...]
    n_insights: int
    analyses: tuple[str, ...]
    moved_from: str | None
    recording_state: str


@dataclass(frozen=True)
class WindowSeries:
    """Window probabilities of one analysis: onset_s (n,), proba per target (n,) with NaN, usable (n,), reasons."""

    onset_s: np.ndarray
    duration_s: float
    proba: Mapping[str, np.ndarray]
    usable: np.ndarray
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class SignalPage:
    """One page of signals for the viewer. Each row: name, type, unit, x0 and dx in s, y (float32, at most
    2000 points, NaN gaps kept), whether it was decimated by min-max, bad, and spans of bad quality on the page."""

    t0: float
    page_s: float
    rows: tuple[dict, ...]
    annotations: tuple[Annotation, ...]
    beats_s: np.ndarray
    filtered: bool


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


def analyse(store: Store, files: Sequence[InputFile], patient: str, *, now: datetime, model: str | None = None, started_at: datetime | None = None, sfreq: float | None = None, mapping: Mapping[str, Mapping[str, str]] | None = None, create_patient: bool = True, simulated: bool = False, progress: Progress | None = None) -> dict:
    """The main job: read, judge, analyse and store one session in one transaction; the object of ``analyse --json``.

    The same files for the same patient again return the stored object (``known: True`` is NOT added); another
    model makes a further analysis of that session. Refused leaves nothing behind.
    """
    raise NotImplementedError


def analyse_recording(store: Store, recording: Recording, originals: Sequence[InputFile], patient: str, *, now: datetime, model: str | None = None, started_at: datetime | None = None, create_patient: bool = True, simulated: bool = False, progress: Progress | None = None) -> dict:
    """As ``analyse`` for signals that are already read (the REST arrays, the demo)."""
    raise NotImplementedError


def as_json(store: Store, session: str, model: str | None = None) -> dict:
    """The object of ``analyse --json`` of a stored session (its newest analysis, or that of a model)."""
    raise NotImplementedError


def history(store: Store, patient: str, *, since: datetime | None = None, include_deleted: bool = False) -> list[SessionRow]:
    """Sessions of a patient, oldest first, each with its newest analysis; read from stored rows only."""
    raise NotImplementedError


def history_json(store: Store, patient: str) -> dict:
    """The object of ``history --json``."""
    raise NotImplementedError


def get(store: Store, session: str) -> SessionDetail:
    """One session, or NotFound (E-SESSION)."""
    raise NotImplementedError


def windows(store: Store, session: str) -> WindowSeries | None:
    """The stored window probabilities; None without a prediction."""
    raise NotImplementedError


def signals(store: Store, session: str, *, t0: float, page_s: float, names: Sequence[str] | None = None, filtered: bool = False, max_points: int = 2000) -> SignalPage:
    """One page of signals, min-max decimated; from a memory-mapped copy of the recording, made on first use.

    Raises NotFound (E-RECORDING) when the session has no recording, Conflict (E-HASH) when its bytes changed.
    """
    raise NotImplementedError


def overview(store: Store, session: str, n: int = 1000) -> SignalPage:
    """The whole recording decimated to n points a row, for the overview strip."""
    raise NotImplementedError


def move(store: Store, session: str, patient: str, why: str, *, now: datetime) -> str:
    """Move a session to another patient; both histories' insights are made anew. Returns the new id."""
    raise NotImplementedError


def delete(store: Store, session: str, *, now: datetime) -> None:
    """Soft delete; 30 days to restore."""
    raise NotImplementedError


def restore(store: Store, session: str, *, now: datetime) -> None:
    """Take a soft delete back."""
    raise NotImplementedError


def mark_seen(store: Store, patient: str, *, now: datetime) -> None:
    """Note that a patient was opened: its sessions are no longer new."""
    raise NotImplementedError


# --- New recording: uploads are staged on disk at once; pages keep only the draft's id


@dataclass(frozen=True)
class Draft:
    """Uploaded files waiting to be analysed, on disk: safe against refresh and restart."""

    id: str
    files: tuple[InputFile, ...]
    sizes: tuple[int, ...]
    created_at: datetime


def stage(store: Store, name: str, stream, draft: str | None = None, *, now: datetime) -> Draft:
    """Copy an uploaded file to the draft (a new one when None) in chunks; TooLarge over the limit."""
    raise NotImplementedError


def draft(store: Store, draft_id: str) -> Draft:
    """A draft, or NotFound (E-DRAFT)."""
    raise NotImplementedError


def discard(store: Store, draft_id: str) -> None:
    """Remove a draft and its files."""
    raise NotImplementedError


def inspect(store: Store, files: Sequence[InputFile], *, patient: str | None = None, sfreq: float | None = None, mapping: Mapping[str, Mapping[str, str]] | None = None, model: str | None = None) -> Inspection:
    """Read and judge files without storing anything."""
    raise NotImplementedError


def device_profiles(store: Store) -> dict[str, Mapping[str, Mapping[str, str]]]:
    """Saved channel maps by name."""
    raise NotImplementedError


def save_device_profile(store: Store, name: str, mapping: Mapping[str, Mapping[str, str]]) -> None:
    """Keep a channel map under a name, to be offered for files with the same channel names."""
    raise NotImplementedError


def quality_json(quality: Quality, recording: Recording) -> dict:
    """``quality`` of the contract: grade, usable_share, channels[name, type, unit, sfreq, duration_s, usable_share, flags]."""
    raise NotImplementedError


def expand(paths: Sequence[Path]) -> list[InputFile]:
    """Paths of a command line as input files; a folder is one exported recording."""
    raise NotImplementedError
