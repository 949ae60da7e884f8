"""What heart, muscles, eyes or the clock alone would score, beside the pipeline (requirements c14).

Each is the sole input of a logistic regression on the folds of the pipeline, so that a score can be held against what
an emotion is not needed for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.dsp.montage import places
from core.errors import Refused
from core.evaluation import experiment, metrics, scoring, statistics
from core.evaluation.dataset import Dataset, Progress
from core.evaluation.experiment import FoldResult, Spec
from core.evaluation.validity.surrogates import outside_baseline
from core.types import Recording, Study

if TYPE_CHECKING:
    from datetime import datetime

# a predictor -> where it is looked for: channel type, endings of its columns, in words
PICKED: Mapping[str, tuple[tuple[str, tuple[str, ...], str], ...]] = {
    "heart_rate": (
        ("ecg", ("mean_hr", "heart_rate"), "mean heart rate of the ECG"),
        ("rr", ("mean_hr", "hr_mean", "heart_rate"), "mean heart rate of the intervals"),
        ("ppg", ("ppg_rate", "mean_hr", "heart_rate"), "mean rate of the pulse"),
    ),
    "muscle": (("emg", ("ln_rms", "rms", "power"), "power of the EMG"),),
    "eyes": (("eog", ("",), "blinks and eye movements of the EOG"),),
}
# a predictor whose signal was not recorded -> the EEG that stands in: places (() = all) and Hz
FRONTAL = ("Fp1", "Fp2", "AF7", "AF3", "AF4", "AF8", "F7", "F8")
STAND_INS: Mapping[str, tuple[tuple[str, ...], tuple[float, float]]] = {
    "muscle": ((), (30.0, 45.0)),
    "eyes": (FRONTAL, (1.0, 8.0)),
}
PREDICTORS = (*PICKED, "time")
# a band of less is not told; share of trials that must have a value
LEAST_HZ, LEAST_SHARE = 3.0, 0.5
ALPHA = 0.05


@dataclass(frozen=True)
class Sole:
    """One thing beside the model. ``source``: what it was taken from, in words; ``x``: its values, a row per trial with
    the index (subject, trial), None where it is not computed, with the ``reason``."""

    name: str
    source: str
    x: pd.DataFrame | None
    reason: str = ""


# ------------------------------------------------------------------------------------------- where they come from
def predictors(
    study: Study, prepared: Callable[[str], Dataset], types: Sequence[str], *, progress: Progress | None = None
) -> list[Sole]:
    """Heart rate, muscle power and eye activity per trial, of what a study has.

    Parameters
    ----------
    prepared
        The study's windows of one channel type.
    types
        Channel types that the study can be evaluated on.
    """
    say = progress or (lambda share, words: None)
    found: dict[str, Sole] = {}
    for i, (name, offered) in enumerate(PICKED.items()):
        say(0.4 * i / len(PICKED), name.replace("_", " "))
        for type_, endings, source in offered:
            if name not in found and type_ in types:
                x = _picked(prepared, type_, endings)
                if x is not None:
                    found[name] = Sole(name, source, x)
    wanted = [name for name in STAND_INS if name not in found] if "eeg" in study.inputs else []
    found |= _stand_ins(study, wanted, lambda share, words: say(0.4 + 0.6 * share, words))
    lacking = "the study has no signal that tells of it"
    return [found.get(name) or Sole(name, "", None, lacking) for name in PICKED]


def _picked(prepared: Callable[[str], Dataset], type_: str, endings: tuple[str, ...]) -> pd.DataFrame | None:
    """Means over a trial's windows of the columns with these endings; None where there is no value."""
    try:
        data = prepared(type_)
    except Refused:  # nothing of this type is usable
        return None
    names = [c for c in data.columns.get(type_, ()) if c.endswith(endings)]
    x = data.features[names].apply(pd.to_numeric).groupby([data.subject, data.trial]).mean().dropna(axis=1, how="all")
    return x if x.shape[1] else None


def _stand_ins(study: Study, wanted: Sequence[str], say: Progress) -> dict[str, Sole]:
    """Bands of the EEG in place of what was not recorded."""
    from core.studies import folder

    low, high = study.bands.get("eeg", (0.0, np.inf))
    bands = {name: (max(a, low), min(b, high)) for name in wanted for a, b in (STAND_INS[name][1],)}
    rows: dict[str, dict[tuple[str, str], float]] = {name: {} for name in bands}
    trials = [t for t in study.trials if t.path] if bands else []
    for i, trial in enumerate(trials):
        say(i / len(trials), f"EEG of trial {i + 1} of {len(trials)}")
        recording = folder.recording(trial)
        for name, band in bands.items():
            value = band_power(recording, STAND_INS[name][0], band)
            if value is not None:
                rows[name][trial.subject, trial.trial] = value
    out = {}
    for name, (a, b) in bands.items():
        where = "frontal EEG" if STAND_INS[name][0] else "EEG, mean over channels"
        source = f"{where}, {a:g}-{b:g} Hz, as a stand-in"
        x = pd.DataFrame({"ln_power": rows[name]}) if rows[name] else None
        out[name] = Sole(name, source, x, "" if rows[name] else f"no {where} was recorded from {a:g} to {b:g} Hz")
    return out


def band_power(recording: Recording, names: Sequence[str], band: tuple[float, float]) -> float | None:
    """Mean over EEG channels of the logarithm of their power in a band, outside the baseline.

    Parameters
    ----------
    names
        Places of the channels; () for all.
    band
        Hz; narrower than ``LEAST_HZ`` once cut at nine tenths of the highest frequency there is, it is not told.
    """
    from scipy.signal import welch

    found = []
    signals = recording.of_type("eeg")
    for place, signal in zip(places([s.name for s in signals]), signals, strict=True):
        low, high = band[0], min(band[1], 0.45 * signal.sfreq)
        x = np.asarray(signal.data, dtype=np.float64)[outside_baseline(recording, signal)]
        x = x[np.isfinite(x)]
        if (names and place not in names) or high - low < LEAST_HZ or len(x) < 2 * signal.sfreq:
            continue
        freqs, density = welch(x, signal.sfreq, nperseg=round(signal.sfreq))
        power = float(density[(freqs >= low) & (freqs <= high)].mean())
        found += [np.log(power)] if power > 0 else []
    return float(np.mean(found)) if found else None


def started(study: Study) -> dict[tuple[str, str], datetime]:
    """When the recording of each trial began, of those that say it."""
    from core.studies import folder

    known = {(t.subject, t.trial): folder.recording(t).started_at for t in study.trials if t.path}
    return {key: at for key, at in known.items() if at is not None}


def clock(dataset: Dataset, at: Mapping[tuple[str, str], datetime] | None = None) -> Sole:
    """Time in session of each trial: its place in the order of its subject's, that squared, and the onset of windows.

    The order is that of the recordings' times where every trial of a subject has one, else that of the study's list.
    """
    at = at or {}
    table = pd.DataFrame({"subject": dataset.subject, "trial": dataset.trial, "onset_s": dataset.onset_s})
    own = table.groupby(["subject", "trial"], sort=False).onset_s.mean().to_frame()
    order: dict[tuple[str, str], int] = {}
    for subject in own.index.get_level_values(0).unique():
        keys = [key for key in own.index if key[0] == subject]
        if all(key in at for key in keys):
            keys.sort(key=lambda key: at[key])
        order |= {key: i for i, key in enumerate(keys)}
    own["order"] = [float(order[key]) for key in own.index]
    own["squared"] = own.order**2
    return Sole("time", "order of the trial within the subject, onset of its windows", own)


# ------------------------------------------------------------------------------------------- what each scores
def panel(
    dataset: Dataset, spec: Spec, results: Sequence[FoldResult], soles: Sequence[Sole], *,
    progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Each predictor as the sole input on the same folds of left-out subjects, and what the pipeline scores above it.

    ``results`` are the folds of the pipeline under ``loso``. Scores are balanced accuracies per trial; a predictor is
    beaten where the difference, paired by subject, is above zero with its 95 % interval and p is at most 0.05.

    Returns
    -------
    dict
        ``own`` (interval), ``predictors [{name, source, reason, balanced_accuracy, difference, beaten}]`` with None
        for what is not computed; ``best`` the strongest of them, ``not_beaten`` the names of those not beaten.

    Raises
    ------
    Refused
        E-CONFOUNDS for a split or task other than leaving one subject out, High or not.
    """
    if spec.split != "loso" or spec.task != "binary":
        raise Refused("E-CONFOUNDS", "confounds are held against High or not of left-out subjects", spec.split)
    say = progress or (lambda share, words: None)
    own = _scores(dataset, spec, results)
    rows = []
    for i, sole in enumerate(soles):
        say(i / len(soles), sole.name.replace("_", " "))
        rows.append(_row(dataset, spec, own, sole))
    say(1.0, "done")
    told = [r for r in rows if r["balanced_accuracy"] is not None]
    return {
        "own": metrics.cross_validated(list(own.values())).model_dump(), "n_subjects": len(own), "split": "loso",
        "predictors": rows,
        "best": max(told, key=lambda r: r["balanced_accuracy"]["value"])["name"] if told else None,
        "not_beaten": [r["name"] for r in told if not r["beaten"]],
    }  # fmt: skip


def _row(dataset: Dataset, spec: Spec, own: Mapping[str, float | None], sole: Sole) -> dict[str, Any]:
    said = {"name": sole.name, "source": sole.source, "reason": sole.reason}
    data = None if sole.x is None else alone(dataset, sole.x)
    if data is not None:
        known = np.isfinite(data.features.to_numpy()).any(axis=1)[data.rows(spec.target)]
        if known.mean() < LEAST_SHARE:
            said["reason"], data = f"{known.sum()} of {len(known)} trials have a value of it", None
    if data is None:
        return {**said, "balanced_accuracy": None, "difference": None, "beaten": None}
    plain = Spec(spec.study, spec.target, "misc", "logistic", seed=spec.seed)
    scores = _scores(data, plain, experiment.run(data, plain))
    apart = {k: v for k, v in statistics.paired(own, scores).items() if k != "subjects"}
    beaten = apart["p"] is not None and apart["p"] <= ALPHA and (apart["low"] or 0.0) > 0
    return {
        **said, "balanced_accuracy": metrics.cross_validated(list(scores.values())).model_dump(), "difference": apart,
        "beaten": bool(beaten),
    }  # fmt: skip


def alone(dataset: Dataset, x: pd.DataFrame) -> Dataset:
    """A row per trial that holds nothing but ``x``: each column as it is, and less the mean of its subject.

    Who a value belongs to is known of a new person too, its label is not: the yardstick is meant to be a strong one.
    """
    first = np.unique(dataset.unit, return_index=True)[1]
    trials = replace(dataset, signals={}, channels={}, retold=None).take(first)
    index = pd.MultiIndex.from_arrays([trials.subject, trials.trial])
    plain = x.reindex(index).reset_index(drop=True)
    less = (plain - plain.groupby(trials.subject).transform("mean")).add_suffix("_own")
    features = pd.concat([plain, less], axis=1)
    return replace(trials, features=features, columns={"misc": tuple(features.columns)})


def _scores(dataset: Dataset, spec: Spec, results: Sequence[FoldResult]) -> dict[str, float | None]:
    at = scoring.level(dataset, spec, results, "trial")
    return dict(zip(at.subjects, at.per_subject(metrics.balanced_accuracy, "predicted"), strict=True))
