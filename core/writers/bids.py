"""A study as a BIDS folder: one run of EDF+ a trial, each signal at its own rate, ratings with their scale in events.

A run is a trial with its baseline. ``events.tsv`` names both, with a column a rating; ``events.json`` says of each
``Lowest``, ``Highest``, ``Cut`` and ``High``. Groups that hold for a subject stand in ``participants.tsv``, others as
``group_<name>`` beside the trial. Signals of every type lie in the EDF, for BIDS has no other place that keeps the
rate of each; a study without EEG is written so too. Our reader takes all of it back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Refused
from core.settings import VERSION
from core.types import Recording, Study, Trial
from core.writers import edf

BIDS_VERSION = "1.9.0"
TARGETS = ("valence", "arousal", "dominance", "liking", "stress")
_TYPES = {
    "eeg": "EEG",
    "ecg": "ECG",
    "emg": "EMG",
    "eog": "EOG",
    "eda": "GSR",
    "ppg": "PPG",
    "resp": "RESP",
    "temp": "TEMP",
}
_UNITS = {"µV": "uV", "µS": "uS", "°C": "oC", "": "n/a", "au": "n/a"}
_COUNTED = {"EEG": "EEGChannelCount", "ECG": "ECGChannelCount", "EMG": "EMGChannelCount", "EOG": "EOGChannelCount"}
# between a baseline and a trial that were not recorded in one go, s (core.studies.listing)
_JOIN_GAP_S = 1.0


def write(
    study: Study,
    recording: Callable[[Trial], Recording],
    folder: Path,
    *,
    licence_text: str = "",
    progress: Callable[[float, str], None] | None = None,
) -> tuple[int, list[str]]:
    """Write a study into a folder that is there and empty; the number of trials, and what was not written.

    Raises
    ------
    Refused
        E-BIDS-FEATURES for a study of ready features, which have no signals.
    """
    trials = [t for t in study.trials if t.path]
    if not trials:
        raise Refused(
            "E-BIDS-FEATURES", "its trials are rows of ready features, and BIDS holds signals.", study.name,
            "Use the table of features itself.",
        )  # fmt: skip
    names = _labels(t.subject for t in trials)
    task = _plain(study.name)
    groups, of_trials = _groups(trials)
    notes = [f"{len(study.trials) - len(trials)} trials without a recording were left out."] * (
        len(trials) < len(study.trials)
    )
    if any(t.features for t in trials):
        notes.append("Features that came ready made with the trials were left out.")
    _about(study, folder, licence_text)
    _participants(trials, names, groups, folder)
    _json(folder / f"task-{task}_events.json", _columns(study, of_trials))
    width = max(2, len(str(max(sum(t.subject == s for t in trials) for s in names))))
    runs: dict[str, int] = {}
    for i, trial in enumerate(trials):
        label = names[trial.subject]
        runs[label] = runs.get(label, 0) + 1
        stem = f"sub-{label}_task-{task}_run-{runs[label]:0{width}d}"
        notes += _run(study, trial, recording(trial), folder / f"sub-{label}" / "eeg" / stem, label, of_trials)
        if progress:
            progress((i + 1) / len(trials), f"trial {i + 1} of {len(trials)}")
    return len(trials), notes


# ------------------------------------------------------------------------------------------------ a trial
def _run(study: Study, trial: Trial, recording: Recording, stem: Path, label: str, groups: Sequence[str]) -> list[str]:
    """The EDF of a trial with its three sidecars; what EDF could not hold of it."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    made = edf.encode(recording, code=label, plain=True)
    stem.with_name(f"{stem.name}_eeg.edf").write_bytes(made.body)
    signals = [(made.labels[i], s) for i, s in enumerate(recording.signals) if i in made.labels]
    kinds = [_TYPES.get(s.type, "MISC") for _, s in signals]
    rates = [s.sfreq for _, s in signals if s.type == "eeg"] or [s.sfreq for _, s in signals]
    _json(
        stem.with_name(f"{stem.name}_eeg.json"),
        {
            "TaskName": study.name,
            "SamplingFrequency": max(rates),
            "PowerLineFrequency": "n/a",
            "EEGReference": "n/a",
            "SoftwareFilters": {"PassBand": {t: list(b) for t, b in study.bands.items()}} if study.bands else "n/a",
            "RecordingDuration": recording.duration_s,
            "RecordingType": "continuous",
            **{count: kinds.count(kind) for kind, count in _COUNTED.items()},
            "MiscChannelCount": sum(kind not in _COUNTED for kind in kinds),
        },
    )  # fmt: skip
    _tsv(
        stem.with_name(f"{stem.name}_channels.tsv"),
        ("name", "type", "units", "sampling_frequency"),
        [(name, kind, _UNITS.get(s.unit, s.unit), s.sfreq) for (name, s), kind in zip(signals, kinds, strict=True)],
    )
    columns = (
        "onset",
        "duration",
        "trial_type",
        "trial",
        *map(_column, study.targets),
        *(f"group_{g}" for g in groups),
    )
    rows = [
        (
            onset, duration, kind,
            *([trial.trial] if kind == "trial" else [None]),
            *(trial.labels.get(t) if kind == "trial" else None for t in study.targets),
            *(trial.groups.get(g) if kind == "trial" else None for g in groups),
        )
        for onset, duration, kind in _spans(recording)
    ]  # fmt: skip
    _tsv(stem.with_name(f"{stem.name}_events.tsv"), columns, rows)
    return [f"{trial.subject} {trial.trial}: {note}" for note in made.notes]


def _spans(recording: Recording) -> list[tuple[float, float, str]]:
    """Where baseline and trial lie: (onset in s, duration in s, what)."""
    end = recording.duration_s
    base = next((a for a in recording.annotations if a.description == "baseline" and 0 < a.duration_s < end), None)
    if base is None:
        return [(0.0, end, "trial")]
    begin = base.onset_s + base.duration_s
    if begin + _JOIN_GAP_S < end and not any(_has_sample(s, begin, begin + _JOIN_GAP_S) for s in recording.signals):
        begin += _JOIN_GAP_S
    return [(base.onset_s, base.duration_s, "baseline"), (begin, end - begin, "trial")]


def _has_sample(signal: Any, begin_s: float, end_s: float) -> bool:
    first, last = (max(0, round((at - signal.onset_s) * signal.sfreq)) for at in (begin_s, end_s))
    return bool(np.isfinite(signal.data[first:last]).any())


# ------------------------------------------------------------------------------------------------ the study
def _about(study: Study, folder: Path, licence_text: str) -> None:
    """What the data set is, for people and programs."""
    _json(
        folder / "dataset_description.json",
        {
            "Name": study.name,
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "raw",
            "License": study.licence,
            "GeneratedBy": [{"Name": "Affectline", "Version": VERSION}],
            "Simulated": study.simulated,
        },
    )
    types = ", ".join(study.inputs) or "signals"
    said = [
        f"# {study.name}",
        f"{study.basis}. Licence: {study.licence}.",
        "The signals of this study are simulated; no person stands behind them." * study.simulated,
        f"A run is a trial, with its baseline where it has one: {types}, each at its own rate in one EDF+ file. "
        "Stretches without samples are annotated BAD_gap, and BAD_pad before and after a shorter signal. "
        "Ratings stand in events.tsv; their scales, cuts and which side of the cut is High in events.json.",
        *study.notes,
    ]
    (folder / "README").write_text("\n\n".join(p for p in said if p) + "\n", encoding="utf-8")
    if licence_text:
        (folder / "LICENSE").write_text(licence_text, encoding="utf-8")


def _participants(trials: Sequence[Trial], names: Mapping[str, str], groups: Sequence[str], folder: Path) -> None:
    """A row a subject: groups, and its name in the study where that is none of BIDS."""
    first = {t.subject: t for t in reversed(trials)}
    columns = ["participant_id", *groups]
    rows: list[tuple] = [(f"sub-{label}", *(first[s].groups.get(g) for g in groups)) for s, label in names.items()]
    said: dict[str, Any] = {g: {"Description": "group of the study"} for g in groups}
    if any(s != f"sub-{label}" for s, label in names.items()):
        columns.append("source_subject")
        rows = [(*row, s) for row, s in zip(rows, names, strict=True)]
        said["source_subject"] = {"Description": "pseudonym of the subject in the study this was exported from"}
    _tsv(folder / "participants.tsv", columns, rows)
    _json(folder / "participants.json", said)


def _groups(trials: Sequence[Trial]) -> tuple[list[str], list[str]]:
    """Names of groups that hold for a subject, and of those that change from trial to trial."""
    seen: dict[str, dict[str, set[str | None]]] = {}
    for name in dict.fromkeys(g for t in trials for g in t.groups):
        for t in trials:
            seen.setdefault(name, {}).setdefault(t.subject, set()).add(t.groups.get(name))
    fixed = [name for name, by in seen.items() if all(len(values) == 1 for values in by.values())]
    return fixed, [name for name in seen if name not in fixed]


def _columns(study: Study, groups: Iterable[str]) -> dict[str, Any]:
    """What the columns of ``events.tsv`` mean."""
    return {
        "trial_type": {"Levels": {"baseline": "rest before the trial", "trial": "stimulus or task, rated"}},
        "trial": {"Description": "name of the trial"},
        **{
            _column(target): {
                "Description": f"label of {target}", "Lowest": lowest, "Highest": highest, "Cut": cut,
                "High": study.high.get(target, ">"),
            }
            for target, (lowest, highest, cut) in study.targets.items()
        },
        **{f"group_{g}": {"Description": "group of the trial"} for g in groups},
    }  # fmt: skip


def _column(target: str) -> str:
    return target if target in TARGETS else f"label_{target}"


# ------------------------------------------------------------------------------------------------ words
def _labels(subjects: Iterable[str]) -> dict[str, str]:
    """A label of letters and digits for each subject, no two alike."""
    made: dict[str, str] = {}
    for subject in dict.fromkeys(subjects):
        base = label = _plain(subject.removeprefix("sub-"))
        k = 2
        while label.lower() in {m.lower() for m in made.values()}:
            label, k = f"{base}x{k}", k + 1
        made[subject] = label
    return made


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text) or "x"


def _tsv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    lines = ["\t".join(map(_cell, columns)), *("\t".join(map(_cell, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    text = "" if value is None else re.sub(r"\s+", " ", str(value)).strip()
    return text or "n/a"


def _json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
