"""Trials of a study that are parts of one session: put on one clock again, so that a window may hear of its past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from core import features
from core.errors import NotFound, Refused
from core.evaluation.dataset import ready_columns
from core.features import causal
from core.models import MODELS
from core.pipeline import CHANGES
from core.studies import folder
from core.types import Pipeline, Recording, Signal, Study, Trial

# trials further apart than this, s, are sessions of their own
LARGEST_GAP_S = 60.0
# windows of the wrist: a minute holds several responses of the skin and enough valid pulses (stress.md)
WINDOW_S, STEP_S = 60.0, 10.0


@dataclass(frozen=True)
class Session:
    """The recording of some trials in order of time, and where each lies on its clock: (start_s, end_s)."""

    trials: tuple[Trial, ...]
    recording: Recording
    spans: tuple[tuple[float, float], ...]

    def of(self, onset_s: np.ndarray, window_s: float) -> np.ndarray:
        """Number of the trial that holds each window as a whole, -1 where none does, shape (n_windows,)."""
        out = np.full(len(onset_s), -1)
        for i, (start, end) in enumerate(self.spans):
            out[(onset_s >= start - 1e-6) & (onset_s + window_s <= end + 1e-6)] = i
        return out

    def begun(self, trial: int, step_s: float) -> tuple[Recording, float]:
        """The recording as it were, had it been started at a trial, and when that is: on the grid of the windows."""
        begin_s = float(np.ceil(self.spans[trial][0] / step_s) * step_s)

        def cut(s: Signal) -> Signal:
            first = max(0, round((begin_s - s.onset_s) * s.sfreq))
            return replace(s, data=s.data[first:], onset_s=s.onset_s + first / s.sfreq - begin_s)

        return replace(self.recording, signals=tuple(map(cut, self.recording.signals))), begin_s


def sessions(trials: Sequence[Trial]) -> Iterator[Session]:
    """The sessions of a study, subject by subject; trials without a time of their own are left aside."""
    for subject in dict.fromkeys(t.subject for t in trials):
        own = [(t, folder.recording(t)) for t in trials if t.subject == subject and t.path]
        known = [(r.started_at, t, r) for t, r in own if r.started_at is not None]
        group: list[tuple[datetime, Trial, Recording]] = []
        for start, trial, recording in sorted(known, key=lambda part: part[0]):
            if group and (start - group[-1][0]).total_seconds() - group[-1][2].duration_s > LARGEST_GAP_S:
                yield _session(group)
                group = []
            group.append((start, trial, recording))
        if group:
            yield _session(group)


def _session(parts: Sequence[tuple[datetime, Trial, Recording]]) -> Session:
    begin, first = parts[0][0], parts[0][2]
    after = [(start - begin).total_seconds() for start, _, _ in parts]
    spans = tuple((t, t + r.duration_s) for t, (_, _, r) in zip(after, parts, strict=True))
    signals = []
    for signal in first.signals:
        pieces = [(t, s) for t, (_, _, r) in zip(after, parts, strict=True) for s in r.signals if s.name == signal.name]
        signals.append(_joined(signal, pieces))
    return Session(tuple(t for _, t, _ in parts), replace(first, signals=tuple(signals), annotations=()), spans)


def _joined(signal: Signal, pieces: Sequence[tuple[float, Signal]]) -> Signal:
    """One channel over all parts; NaN between them."""
    places = [round((after + s.onset_s - signal.onset_s) * signal.sfreq) for after, s in pieces]
    data = np.full(max(p + len(s.data) for p, (_, s) in zip(places, pieces, strict=True)), np.nan, np.float32)
    for place, (_, s) in zip(places, pieces, strict=True):
        data[place : place + len(s.data)] = s.data
    return replace(signal, data=data)


def pipeline_of(study: Study, types: Sequence[str], base: Pipeline, model: str = "", named: str = "") -> Pipeline:
    """The settings of a study, which name its features: those of the wrist for parts of sessions of EDA or pulse alone.

    A net of the LSTM-FCN family on peripheral signals has the windows of its source. Models of signals are told
    nothing by the past. ``named``: a set of ``core.features.NAMED`` in place of its type's usual one.
    """
    if model.endswith("lstm_fcn") and set(types) <= set(PERIPHERAL):
        return series(types, base)
    of_signals = model in MODELS and MODELS[model].takes == "signals"
    if of_signals or not set(types) <= set(causal.SETS) or not _continuous(study):
        return replace(base, features=features.set_of(types, named))
    return wrist(types, base)


def check_features(study: Study, model: str, types: Sequence[str], named: str) -> None:
    """Refuse (E-FEATURES) a set of features that there is not, or that nothing of a run would be computed by."""
    if named not in features.NAMED:
        what, offered = f"there is no set of features {named}", ", ".join(features.NAMED)
        raise NotFound("E-FEATURES", what, "features", f"Use one of {offered}, or none for the usual ones.")
    type_ = features.NAMED[named][0]
    reason = (
        f"{MODELS[model].title} learns from signals, not from features" if MODELS[model].takes == "signals"
        else f"{type_} is no input of this run" if type_ not in types
        else f"the {type_} features of this study came ready" if type_ in ready_columns(study)
        else ""
    )  # fmt: skip
    if reason:
        what = f"{named} is a set of features of {type_}, and {reason}."
        raise Refused("E-FEATURES", what, study.name, "Leave the set of features out.")


# what the MLSTM-FCN's source learns from
PERIPHERAL = ("eda", "resp", "ppg", "temp")


def wrist(types: Sequence[str], base: Pipeline | None = None) -> Pipeline:
    """Minutes, every ten seconds, told by their past."""
    return replace(
        base or Pipeline(), norm_mode="causal", window_s=WINDOW_S, step_s=STEP_S, features=causal.set_of(types)
    )


def series(types: Sequence[str], base: Pipeline | None = None) -> Pipeline:
    """Five seconds, every three, and the changes from beat to beat beside the pulse (requirements S2-03, S2-04).

    The 3 s before the stimulus stay a baseline of the trial and are left out: 19 windows of a trial of 63 s, not 20.
    """
    named = "+".join((features.set_of(types).partition("/")[0], CHANGES))
    return replace(base or Pipeline(), window_s=5.0, step_s=3.0, features=f"{named}/1")


def _continuous(study: Study) -> bool:
    """Whether the first subject's trials follow each other."""
    own = [t for t in study.trials if t.subject == study.trials[0].subject and t.path] if study.trials else []
    return len(own) > 1 and any(len(s.trials) > 1 for s in sessions(own))
