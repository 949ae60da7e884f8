"""The chain from a recording to the summary of a session, in order, on one screen; no database.

    Recording -> quality -> filters -> normalisation -> windows -> features -> model -> aggregate
                                    \\-> markers (in their own units, each where its own signal is usable)

The clinic, a study and the shipped models all go through these functions with one ``Pipeline``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from core import aggregate, caps, cleaning, features, markers, preprocess, quality, states, windows
from core.compute import Progress, part
from core.dsp import beats
from core.features import causal
from core.models import seen
from core.models.bundle import Bundle, Card
from core.settings import settings
from core.types import (
    Grade,
    Measure,
    Notice,
    Pipeline,
    Prediction,
    Quality,
    Reading,
    Reason,
    Recording,
    Summary,
    Windows,
)

# in ``Pipeline.features``: the PPG has the changes from beat to beat beside it (requirements S2-04)
CHANGES = "changes"
# targets that a screen shows as "not computed" when no model fits
CORE_TARGETS = ("valence", "arousal", "dominance")


@dataclass(frozen=True)
class Prepared:
    """What a model sees of a recording: a feature table with a row per window, the windows, the quality.

    ``scaled`` is the filtered and normalised recording that the windows were cut from.
    """

    table: pd.DataFrame
    windows: Windows
    quality: Quality
    scaled: Recording

    def usable(self, types: Iterable[str]) -> np.ndarray:
        """Windows in which every one of ``types`` is usable, shape (n_windows,)."""
        return np.logical_and.reduce([self.windows.usable[t] for t in types])

    def shown(self, card: Card, keep: np.ndarray) -> tuple[Any, np.ndarray]:
        """The kept windows as a bundle's estimators take them, and which row of that tells each (n_kept,).

        For a model of sequences they are parted into stretches, each one sequence and one prediction that its windows
        share; a recording as long as the trials that it learned from, or shorter, is one stretch.
        """
        onset_s, how = self.windows.onset_s[keep], card.seen
        table = self.table.loc[keep].reindex(columns=card.features)
        signals = seen.signals(self.scaled, how.channels, onset_s, self.windows.duration_s, how.rates)
        return seen.shown(how.takes, table, signals, seen.stretches(len(onset_s), how.longest), onset_s, how.longest)


def site_pipeline(pipeline: Pipeline | None = None) -> Pipeline:
    """The pipeline with this site's mains frequency."""
    return replace(pipeline or Pipeline(), line_hz=settings().line_hz)


def features_of(
    recording: Recording, pipeline: Pipeline, types: Iterable[str], baseline: Recording | None = None
) -> Prepared:
    """From a recording to the features that models are trained and used on.

    Parameters
    ----------
    types
        Channel types whose features are wanted; windows lie where all of them exist.
    baseline
        A recording of rest for ``norm_mode="baseline"``; else an annotation ``baseline`` serves.

    Raises
    ------
    core.preprocess.NoBaseline
        For ``norm_mode="baseline"`` without at least 5 s of usable baseline.
    """
    verdict = quality.assess(recording, pipeline)
    clean = preprocess.filtered(recording, pipeline)
    return _features(recording, clean, verdict, pipeline, tuple(types), baseline)


def _features(
    recording: Recording,
    clean: Recording,
    verdict: Quality,
    pipeline: Pipeline,
    types: tuple[str, ...],
    baseline: Recording | None = None,
) -> Prepared:
    scaled = preprocess.normalised(clean, verdict, pipeline, baseline)
    if CHANGES in features.parts_of(pipeline):
        scaled = beats.with_changes(scaled)
    cut = windows.cut(scaled, verdict, pipeline, types)
    table = features.table(scaled, cut, verdict, pipeline, types)
    if pipeline.norm_mode == "causal":
        cut = causal.read(table, cut)
    return Prepared(table, cut, verdict, scaled)


def analyse(
    recording: Recording,
    bundle: Bundle | None,
    pipeline: Pipeline | None = None,
    *,
    without: Reason = Reason.MISSING_CHANNEL,
    reading: Reading | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Judge a recording and compute every measure that can be had of it.

    Parameters
    ----------
    bundle
        The model to use, or None where none fits; ``without`` then says why.
    reading
        What a person marked as bad, and whether the eyes are taken out of the EEG; by default nothing.

    Returns
    -------
    Summary
        Status "ok", or "abstained" when a signal that the model requires is poor, its baseline is missing, or
        nothing at all could be computed. Markers of other, usable signals stay in either case.
    """
    pipeline = site_pipeline(bundle.pipeline if bundle else pipeline)
    say = part(progress, 0.0, 1.0)
    recording, notices = cleaning.cleaned(recording, reading or Reading(), pipeline)
    say(0.0, "Judging quality")
    verdict = quality.assess(recording, pipeline)
    say(0.3, "Filtering")
    clean = preprocess.filtered(recording, pipeline)
    found = list(markers.compute(clean, verdict, pipeline, part(progress, 0.4, 0.7)))

    required = tuple(bundle.required) if bundle else None
    view = caps.seen(recording, verdict, pipeline, bundle.uses if bundle else {})
    notices += view.notices
    prediction: Prediction | None = None
    reason: Reason | None = without if bundle is None else None
    silent = Reason.TOO_SHORT if recording.duration_s < least_s(pipeline) else Reason.LOW_QUALITY
    if bundle is not None and view.quality.grade(required) is Grade.POOR:
        reason = silent
    elif bundle is not None:
        say(0.7, "Computing windows and features, and what the model says of them")
        try:
            prediction, unlike = _predict(view.recording, view.of(clean), view.quality, pipeline, bundle)
            notices += unlike
        except preprocess.NoBaseline:
            reason = Reason.NO_BASELINE
        else:
            if not np.isfinite(prediction.proba).any():
                prediction, reason = None, silent

    if bundle is not None and prediction is not None:
        predicted = aggregate.prediction_measures(prediction, bundle)
    else:
        targets = bundle.targets if bundle else CORE_TARGETS
        predicted = [Measure(t, "prediction", "index", reason=reason) for t in targets]

    measures = (*predicted, *found)
    abstained = (bundle is not None and prediction is None) or all(m.value is None for m in measures)
    return Summary(
        status="abstained" if abstained else "ok",
        reasons=_reasons(view.shown, required, reason if bundle else None, least_s(pipeline)),
        measures=measures,
        state=states.state(predicted),
        quality=view.shown,
        n_windows=len(prediction.onset_s) if prediction else len(view.shown.onset_s),
        model=bundle.info if bundle else None,
        prediction=prediction,
        pipeline_hash=pipeline.hash,
        notices=notices,
    )


def _predict(
    recording: Recording, clean: Recording, verdict: Quality, pipeline: Pipeline, bundle: Bundle
) -> tuple[Prediction, tuple[Notice, ...]]:
    """Window probabilities; NaN in windows where a required signal is not usable. The baseline part is not scored.

    What the model is given is made by ``Prepared.shown``, as studies make it for its evaluation.

    With warnings where the windows are unlike those that the model was trained on, or leads of them are not there.
    """
    types = tuple(bundle.required) + tuple(t for t in bundle.optional if t in recording.types)
    prepared = _features(recording, clean, verdict, pipeline, types)
    scored = ~in_baseline(recording, prepared.windows)
    proba = np.full((int(scored.sum()), len(bundle.targets)), np.nan)
    usable = prepared.usable(bundle.required)[scored]
    said: tuple[Notice | None, ...] = ()
    if usable.any():
        said = bundle.unlike(prepared.table.loc[scored].loc[usable]), bundle.fewer(prepared.scaled)
        rows, told_by = prepared.shown(bundle.card, scored & prepared.usable(bundle.required))
        proba[usable] = bundle.predict(rows, pipeline.hash)[told_by]
    onset_s, shared = prepared.windows.onset_s[scored], bundle.card.seen.longest
    found = Prediction(bundle.name, bundle.version, bundle.targets, onset_s, pipeline.window_s, proba, shared)
    return found, tuple(n for n in said if n)


def least_s(pipeline: Pipeline) -> float:
    """How long a recording must be for a model to say anything, in seconds."""
    return causal.LEAST_S if pipeline.norm_mode == "causal" else pipeline.window_s


def in_baseline(recording: Recording, cut: Windows) -> np.ndarray:
    """Windows that overlap an annotation ``baseline``, shape (n_windows,)."""
    inside = np.zeros(len(cut), dtype=bool)
    for mark in recording.annotations:
        if mark.description.strip().lower() == "baseline":
            inside |= (cut.onset_s + cut.duration_s > mark.onset_s) & (cut.onset_s < mark.onset_s + mark.duration_s)
    return inside


def _reasons(
    verdict: Quality, required: tuple[str, ...] | None, reason: Reason | None, needed_s: float
) -> tuple[str, ...]:  # fmt: skip
    """Why a session is not plainly good, in words: of the required signals, without a model of all present."""
    types = verdict.types if required is None else [t for t in verdict.types if t.type in required]
    said = [text for t in types if t.grade is not Grade.GOOD for text in t.reasons]
    if reason is Reason.NO_BASELINE:
        said.append("The model needs at least 5 s of usable baseline, and the recording has none.")
    if reason is Reason.TOO_SHORT:
        said.append(f"The recording is too short: the model needs at least {needed_s:.0f} s.")
    return tuple(dict.fromkeys(said))
