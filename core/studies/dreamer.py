"""DREAMER (Katsigiannis and Ramzan 2018): one .mat, of version 7.3 or older; 23 subjects x 18 film clips.

EEG at 128 Hz from 14 places and ECG at 256 Hz from 2 leads, each with a baseline of its own before the clip; ratings of
valence, arousal and dominance 1-5. A trial lacking any of its four signals is left out and reported by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Refused
from core.readers.base import refuse
from core.readers.checks import checked
from core.settings import EPOC_14
from core.studies import apart, listing, matlab
from core.studies.folder import Planned, Source
from core.types import InputFile, LeftOut, Recording, Signal

EEG_HZ, ECG_HZ, N_LEADS = 128.0, 256.0, 2
TARGETS = dict.fromkeys(("valence", "arousal", "dominance"), (1.0, 5.0, 3.0))
_SCORES = {"valence": "ScoreValence", "arousal": "ScoreArousal", "dominance": "ScoreDominance"}


def source(path: Path, mapping: listing.Mapped) -> Source:
    """The study of the file; High is a rating above 3."""
    if path.is_dir():
        path = path / "DREAMER.mat"
    file = InputFile(path.name, str(path))
    told = apart.ask("core.studies.dreamer:tables", [file])
    read = apart.Files("core.studies.dreamer:parts", [file], {"n_trials": told["n_trials"]})
    trials, left_out = [], []
    for i, person in enumerate(told["subjects"]):
        for j in range(told["n_trials"]):
            subject, trial = f"S{i + 1:02d}", f"T{j + 1:02d}"
            scores = {t: values[j] for t, values in person["scores"].items() if j < len(values)}
            wrong = [t for t, v in scores.items() if v is not None and not 1 <= v <= 5]
            labels = {t: v for t, v in scores.items() if v is not None and t not in wrong}
            if wrong or not labels:
                said = f"its score of {', '.join(wrong)} is not on 1-5." if wrong else "it has no score."
                left_out.append(LeftOut(subject, trial, "E-LABEL", said))
                continue
            trials.append(Planned(subject, trial, labels, person["groups"], read.reader(i * told["n_trials"] + j)))
    return Source(
        basis=f"DREAMER (10.1109/JBHI.2017.2688239): film clips, {len(told['subjects'])} subjects",
        licence="DREAMER end user licence agreement (on request from its authors)",
        targets=TARGETS,
        inputs=("eeg", "ecg"),
        trials=trials,
        n_trials=len(trials),
        made_by={"corpus": "dreamer", "files": listing.fingerprint([path], path.parent)},
        left_out=tuple(left_out),
        notes=(
            "The file states no unit: EEG is taken as µV and ECG as mV, as published. Heart rate and its variability "
            "do not depend on it.",
            "Each trial begins with its own baseline, annotated so, and a second without samples before the clip.",
        ),
        resumes=True,
    )


def tables(files: list[InputFile], job: Mapping[str, Any]) -> dict[str, Any]:
    """Entry of the child: labels and groups of every subject."""
    root = _root(files[0])
    people = matlab.cells(matlab.field(root, "Data"))
    subjects: list[dict[str, Any]] = []
    for i in range(len(people)):
        person = people[i]
        scores = {t: matlab.numbers(matlab.field(person, name)) for t, name in _SCORES.items()}
        groups = {}
        for key, name in (("age", "Age"), ("gender", "Gender")):
            value = matlab.field(person, name)
            if isinstance(value, np.ndarray) and value.size == 1:
                value = f"{float(value.ravel()[0]):g}"
            if isinstance(value, str) and value and len(value) < 16:
                groups[key] = value
        plain = {t: [float(v) if np.isfinite(v) else None for v in x] for t, x in scores.items()}
        subjects.append({"scores": plain, "groups": groups})
    n = matlab.numbers(matlab.field(root, "noOfVideoSequences"))
    most = max((len(x) for s in subjects for x in s["scores"].values()), default=0)
    if not subjects or not most:
        raise refuse("E-DREAMER", files[0], "it holds no subject with scores.", "Check that it is DREAMER.mat.")
    for key, hertz in (("EEG_SamplingRate", EEG_HZ), ("ECG_SamplingRate", ECG_HZ)):
        said = matlab.numbers(matlab.field(root, key))
        if said.size and said[0] != hertz:
            raise refuse("E-RATE", files[0], f"its {key} is {said[0]:g}, expected {hertz:g} Hz.", "Check the file.")
    return {"subjects": subjects, "n_trials": int(n[0]) if n.size and 0 < n[0] <= 1000 else most}


def _root(file: InputFile) -> Any:
    root = matlab.load(file, ("DREAMER",)).get("DREAMER")
    if root is None or matlab.field(root, "Data") is None:
        raise refuse("E-DREAMER", file, "it has no DREAMER.Data.", "Check that it is DREAMER.mat.")
    return root


def parts(files: list[InputFile], job: Mapping[str, Any]) -> Iterator[tuple[int, Recording | Refused]]:
    """Entry of the child."""
    people = matlab.cells(matlab.field(_root(files[0]), "Data"))
    n = job["n_trials"]

    def make(number: int) -> Recording:
        person, trial = people[number // n], number % n
        both: dict[str, tuple[Signal, ...]] = {}
        for part in ("baseline", "stimuli"):
            eeg = _samples(person, "EEG", part, trial, len(EPOC_14), files[0])
            ecg = _samples(person, "ECG", part, trial, N_LEADS, files[0])
            both[part] = (
                *(Signal(name, "eeg", "µV", EEG_HZ, x) for name, x in zip(EPOC_14, eeg.T, strict=True)),
                *(Signal(f"ECG {i + 1}", "ecg", "mV", ECG_HZ, x) for i, x in enumerate(ecg.T)),
            )
        clip = checked(Recording(both["stimuli"]))
        return replace(listing.joined(clip.signals, both["baseline"]), format="dreamer", notices=clip.notices)

    return listing.each(range(job["first"], len(people) * n), make)


def _samples(person: Any, kind: str, part: str, trial: int, n_channels: int, file: InputFile) -> np.ndarray:
    cell = matlab.cells(matlab.field(matlab.field(person, kind), part))
    if trial >= len(cell):
        raise refuse("E-NO-SAMPLES", file, f"{kind}.{part} has {len(cell)} trials.", "")
    return matlab.samples(cell[trial], n_channels, f"{kind}.{part}", file)
