"""The shared language: frozen dataclasses that the rooms hand to each other.

Units: eeg, eog and emg in µV, ecg in mV, eda in µS, temp in °C, acc in g, rr (intervals between beats) in ms, ppg
and resp in au.
Seconds count from the start of the recording. Times are aware and in UTC. Missing samples are NaN.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np

CHANNEL_TYPES = ("eeg", "ecg", "eda", "ppg", "resp", "temp", "acc", "emg", "eog", "rr", "face", "misc")
UNITS = {
    "eeg": "µV", "eog": "µV", "emg": "µV", "ecg": "mV", "eda": "µS", "temp": "°C",
    "acc": "g", "ppg": "au", "resp": "au", "rr": "ms", "face": "au",
}  # fmt: skip


class Reason(StrEnum):
    """Why a value is not computed; the only words allowed in place of a number."""

    TOO_SHORT = "too_short"
    LOW_QUALITY = "low_quality"
    NO_PEAKS = "no_peaks"
    MISSING_CHANNEL = "missing_channel"
    NO_BASELINE = "no_baseline"
    TOO_FEW = "too_few"
    NO_MODEL = "no_model"
    NOT_SUPPORTED = "not_supported"


class Grade(StrEnum):
    """How far a signal type, or a recording, can be trusted; ordered best to worst."""

    GOOD = "good"
    DEGRADED = "degraded"
    POOR = "poor"

    @property
    def rank(self) -> int:
        """0 for good, 2 for poor."""
        return list(Grade).index(self)


def worst(grades: Iterable[Grade]) -> Grade:
    """The worst of some grades; poor when there are none, for nothing can be trusted then."""
    return max(grades, key=lambda g: g.rank, default=Grade.POOR)


@dataclass(frozen=True)
class InputFile:
    """A file to read: the name a person gave it (a label only) and where its bytes lie."""

    name: str
    path: str


@dataclass(frozen=True)
class SourceFile:
    """A file a recording came from: its label and the SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Notice:
    """A warning that stays with the recording: a stable code and a sentence a person can act on."""

    code: str
    text: str


@dataclass(frozen=True)
class Annotation:
    """Something marked on the clock of a recording."""

    onset_s: float
    duration_s: float
    description: str

    @property
    def bad(self) -> bool:
        """Whether it says that its stretch is not usable: ``BAD`` or ``BAD_...`` in any case, as MNE has it."""
        said = self.description.strip().lower()
        return said == "bad" or said.startswith("bad_")

    @property
    def channel(self) -> str:
        """The one channel it is about, "" for all: what stands behind ``@@``, as MNE writes it into EDF."""
        return self.description.partition("@@")[2]


@dataclass(frozen=True)
class Signal:
    """One channel at its own rate.

    ``data`` has shape (n_times,), float32 or float64, in ``unit``; NaN marks a missing sample.
    ``onset_s`` is where the first sample lies on the recording's clock. ``marked`` are the stretches (from, to) in s
    that a person marked as bad, without end for the whole channel.
    """

    name: str
    type: str
    unit: str
    sfreq: float
    data: np.ndarray
    onset_s: float = 0.0
    marked: tuple[tuple[float, float], ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds: samples over rate."""
        return len(self.data) / self.sfreq

    @property
    def end_s(self) -> float:
        """Where the signal ends on the recording's clock."""
        return self.onset_s + self.duration_s


@dataclass(frozen=True)
class Part:
    """The files of one recorder within a recording: one EDF, a BrainVision triplet, the files of one wrist-band.

    ``files`` are labels; ``started_at`` is the time of its clock after ``offset_s`` seconds were added by a person, and
    ``onset_s`` where it then starts on the recording's clock. ``marks`` counts annotations it shares with the first
    part; they lie ``late_s`` later in it, and its clock gains ``drift_ppm`` on the first one's. ``problem`` and
    ``repairs`` say why it could not be read and what may mend it.
    """

    files: tuple[str, ...]
    format: str
    started_at: datetime | None
    onset_s: float
    duration_s: float
    offset_s: float = 0.0
    marks: int = 0
    late_s: float | None = None
    drift_ppm: float | None = None
    problem: str = ""
    repairs: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What a person calls it by: its first file."""
        return self.files[0]

    @property
    def end_s(self) -> float:
        """Where it ends on the recording's clock."""
        return self.onset_s + self.duration_s


@dataclass(frozen=True)
class Recording:
    """The signals of one file or set of files on one clock, without a person.

    ``started_at`` is the time of second 0, or None where no file says it.
    """

    signals: tuple[Signal, ...]
    started_at: datetime | None = None
    annotations: tuple[Annotation, ...] = ()
    files: tuple[SourceFile, ...] = ()
    format: str = ""
    notices: tuple[Notice, ...] = ()
    parts: tuple[Part, ...] = ()

    def of_type(self, *types: str) -> tuple[Signal, ...]:
        """The signals of one or more channel types, in file order."""
        return tuple(s for s in self.signals if s.type in types)

    @property
    def types(self) -> tuple[str, ...]:
        """Channel types that are present and analysed, in the order of CHANNEL_TYPES."""
        present = {s.type for s in self.signals}
        return tuple(t for t in CHANNEL_TYPES if t in present and t != "misc")

    @property
    def duration_s(self) -> float:
        """End of the longest signal, in seconds from the start."""
        return max((s.end_s for s in self.signals), default=0.0)


@dataclass(frozen=True)
class Reading:
    """How the files of a session are read and cleaned: what a person said beyond what the files say themselves.

    ``sfreq`` is the rate in Hz of columns that have none; ``mapping`` gives a channel its type and unit; ``offsets``
    moves the clock of a file (by its label) by seconds; ``repairs`` names what is mended in a channel (see
    ``core.readers.repairs``); ``bad`` are channels that a person marked; ``ocular`` are the components of the eyes
    to take out of the EEG: None for none, ``("auto",)`` for those that follow the EOG, else their numbers as text;
    ``marks`` are stretches that a person marked: (onset_s, duration_s, description).
    """

    sfreq: float | None = None
    mapping: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    offsets: Mapping[str, float] = field(default_factory=dict)
    repairs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bad: tuple[str, ...] = ()
    ocular: tuple[str, ...] | None = None
    marks: tuple[tuple[float, float, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what was not said is left out, but for rate and map."""
        said: dict[str, Any] = {
            "sfreq": self.sfreq,
            "mapping": {str(k): {str(a): str(b) for a, b in v.items()} for k, v in self.mapping.items()},
        }
        if self.offsets:
            said["offsets"] = {str(k): float(v) for k, v in self.offsets.items()}
        if self.repairs:
            said["repairs"] = {str(k): [str(r) for r in v] for k, v in self.repairs.items()}
        if self.bad:
            said["bad"] = sorted(set(self.bad))
        if self.ocular is not None:
            said["ocular"] = list(self.ocular)
        if self.marks:
            said["marks"] = [[float(onset), float(length), str(text)] for onset, length, text in sorted(self.marks)]
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Reading:
        """What ``as_dict`` gave; anything absent was not said."""
        ocular = said.get("ocular")
        return cls(
            sfreq=said.get("sfreq"),
            mapping=said.get("mapping") or {},
            offsets=said.get("offsets") or {},
            repairs={k: tuple(v) for k, v in (said.get("repairs") or {}).items()},
            bad=tuple(said.get("bad") or ()),
            ocular=None if ocular is None else tuple(ocular),
            marks=tuple((float(onset), float(length), str(text)) for onset, length, text in said.get("marks") or ()),
        )

    @property
    def of_files(self) -> Reading:
        """What concerns the files alone, without marks and cleaning."""
        return replace(self, bad=(), ocular=None, marks=())

    @property
    def hash(self) -> str:
        """SHA-256 of what was said as canonical JSON, first 16 hex digits."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class BadSpan:
    """A stretch of one signal that is not usable, and why."""

    onset_s: float
    duration_s: float
    reason: str


@dataclass(frozen=True)
class BeatCount:
    """Beats or pulses of one channel: how many were found, and how many of them were corrected and left out."""

    found: int
    corrected: int
    left_out: int


@dataclass(frozen=True)
class SignalQuality:
    """One channel's verdict: share of usable windows (0-1), flags found, whether it is left out; its beats if any."""

    name: str
    type: str
    usable_share: float
    flags: tuple[str, ...]
    bad: bool
    spans: tuple[BadSpan, ...] = ()
    beats: BeatCount | None = None


@dataclass(frozen=True)
class TypeQuality:
    """One channel type's grade; ``usable`` has shape (n_windows,), True where its windows can be used."""

    type: str
    grade: Grade
    usable_share: float
    usable: np.ndarray
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Quality:
    """What can be trusted, per channel and per channel type, on the pipeline's window grid."""

    onset_s: np.ndarray
    duration_s: float
    signals: tuple[SignalQuality, ...]
    types: tuple[TypeQuality, ...]

    def of(self, type_: str) -> TypeQuality | None:
        """The verdict on a channel type, or None where it was not recorded."""
        return next((t for t in self.types if t.type == type_), None)

    def bad_names(self, type_: str) -> frozenset[str]:
        """Names of the channels of a type that are left out."""
        return frozenset(s.name for s in self.signals if s.type == type_ and s.bad)

    def grade(self, types: Iterable[str] | None = None) -> Grade:
        """Worst grade of ``types`` (a model's required ones), without a model the best present."""
        if types is not None:
            found = [self.of(t) for t in types]
            return worst(t.grade if t else Grade.POOR for t in found)
        return min((t.grade for t in self.types), key=lambda g: g.rank, default=Grade.POOR)

    def usable_share(self, types: Iterable[str] | None = None) -> float:
        """Share of usable windows (0-1): the least of ``types``, without a model the most of those present."""
        if types is not None:
            found = [self.of(t) for t in types]
            return min((t.usable_share if t else 0.0 for t in found), default=0.0)
        return max((t.usable_share for t in self.types), default=0.0)


@dataclass(frozen=True)
class Windows:
    """Windows paired by time over signals of different rates.

    ``data`` maps a signal's name to a read-only view of shape (n_windows, n_times); ``usable``
    maps a channel type to a boolean array of shape (n_windows,).
    """

    onset_s: np.ndarray
    duration_s: float
    data: Mapping[str, np.ndarray]
    usable: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.onset_s)


@dataclass(frozen=True)
class Pipeline:
    """The settings of the chain; its hash is stored with every analysis and every bundle.

    Corner frequencies and rates in Hz, lengths in seconds. ``line_hz`` is a fact of the site's mains, not a choice
    of a model (every band used ends at 30 Hz), so it is stored beside the hash and not in it. ``norm_mode``: ``self``,
    ``baseline`` (both scale signals) or ``causal`` (features of EDA and pulse, told by their own past).
    """

    eeg_band: tuple[float, float] = (0.5, 45.0)
    ecg_band: tuple[float, float] = (0.5, 40.0)
    filter_order: int = 4
    line_hz: float = 50.0
    notch_q: float = 30.0
    norm_mode: str = "self"
    norm_robust: bool = False
    window_s: float = 4.0
    step_s: float = 2.0
    hrv_context_s: float = 300.0
    features: str = "eeg258+ecg22/1"

    @property
    def hash(self) -> str:
        """SHA-256 of the settings as canonical JSON, first 16 hex digits."""
        chosen = {name: value for name, value in asdict(self).items() if name != "line_hz"}
        text = json.dumps(chosen, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Measure:
    """A value of a session with interval and unit, or a reason why there is none.

    ``kind`` is "prediction" (index 0-1, unit "index") or "marker". ``threshold`` is the model's cut
    for a prediction. Exactly one of ``value`` and ``reason`` is set.
    """

    name: str
    kind: str
    unit: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: Reason | None = None
    threshold: float | None = None

    @property
    def label(self) -> str | None:
        """High, Low, or Unsure when the interval covers the threshold; None without a value."""
        if self.value is None or self.threshold is None:
            return None
        if self.low is not None and self.high is not None and self.low <= self.threshold <= self.high:
            return "Unsure"
        return "High" if self.value > self.threshold else "Low"


@dataclass(frozen=True)
class Prediction:
    """Window probabilities of High: ``proba`` has shape (n_windows, n_targets), NaN where not usable.

    ``shared``: as many neighbouring windows, at most, are told together, for a model of sequences.
    """

    model: str
    version: str
    targets: tuple[str, ...]
    onset_s: np.ndarray
    duration_s: float
    proba: np.ndarray
    shared: int = 1


@dataclass(frozen=True)
class State:
    """Where a session lies on the affect plane: quadrant, the set of codes still possible, words."""

    quadrant: str
    codes: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class ModelInfo:
    """What a reader must know of a model beside its numbers; ``basis`` says what it was trained on."""

    name: str
    version: str
    basis: str
    balanced_accuracy: float | None
    demonstration: bool = False


@dataclass(frozen=True)
class Summary:
    """The measures of one session: everything that is stored of an analysis but the raw windows."""

    status: str
    reasons: tuple[str, ...]
    measures: tuple[Measure, ...]
    state: State | Reason
    quality: Quality
    n_windows: int
    model: ModelInfo | None
    prediction: Prediction | None
    pipeline_hash: str
    notices: tuple[Notice, ...] = ()

    def measure(self, name: str) -> Measure | None:
        """A measure by name."""
        return next((m for m in self.measures if m.name == name), None)


@dataclass(frozen=True)
class Visit:
    """One session as the detectors see it: id, time, whether accepted, and its values by measure."""

    session: str
    started_at: datetime
    accepted: bool
    values: Mapping[str, float]
    model: str | None = None


@dataclass(frozen=True)
class Reference:
    """A baseline that a clinician set for one measure: mean and SD (ddof 1) of n chosen sessions."""

    mean: float
    sd: float
    n: int
    since: datetime


@dataclass(frozen=True)
class Insight:
    """Something a rule found. ``session`` is where it was first found, ``last_session`` where it still held."""

    kind: str
    measure: str
    session: str
    last_session: str
    severity: str
    text: str
    value: float
    reference: float
    n: int
    expected_by_chance: float
    preset: str
    rule: str
    period_start: datetime
    period_end: datetime
    low: float | None = None
    high: float | None = None
    p: float | None = None
    q: float | None = None
    model: str | None = None
    evidence: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """One stimulus or task of a study subject, with its labels and where its recording lies.

    A label that was not given is absent. ``features`` are values that came ready made, or that a table of features
    gives; ``path`` is empty where a trial has nothing else. ``coverage`` is the share of the trial (0-1) with samples.
    """

    subject: str
    trial: str
    labels: Mapping[str, float]
    groups: Mapping[str, str]
    path: str
    features: Mapping[str, float] = field(default_factory=dict)
    coverage: float = 1.0
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """A trial that a study's source lists and that could not be taken, and why; ``trial`` is empty for all of them."""

    subject: str
    trial: str
    code: str
    text: str


# how a label is told to be High, from its cut
HIGH = (">", ">=", "<", "<=")


@dataclass(frozen=True)
class Study:
    """A table of trials over recordings.

    ``targets`` maps a target to (lowest, highest, cut); ``high`` says on which side of the cut High lies, ">" where it
    says nothing. ``bands`` are the pass-bands in Hz that a channel type was filtered to before it was published.
    ``notes`` are sentences a person should read before using the study.
    """

    name: str
    basis: str
    licence: str
    trials: tuple[Trial, ...]
    targets: Mapping[str, tuple[float, float, float]]
    inputs: tuple[str, ...]
    simulated: bool = False
    high: Mapping[str, str] = field(default_factory=dict)
    bands: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    def is_high(self, target: str, label: float) -> bool:
        """Whether a label of a target is High: which side of the cut, and whether the cut itself, is the target's."""
        cut = self.targets[target][2]
        side = self.high.get(target, ">")
        return {">": label > cut, ">=": label >= cut, "<": label < cut, "<=": label <= cut}[side]
