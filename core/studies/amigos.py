"""AMIGOS (Miranda-Correa 2018), preprocessed: Data_Preprocessed_P01.mat ..., one a subject.

``joined_data`` holds a cell a video of (n_times, 17): 14 EEG, ECG right and left arm, GSR, at 128 Hz with 5 s before
the video; ``labels_selfassessment`` 12 columns: arousal, valence, dominance, liking, familiarity on 1-9, then seven
emotions (neutral, disgust, happiness, surprise, anger, fear, sadness) 0 or 1. A video that was not seen is empty.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Refused
from core.readers.base import refuse
from core.readers.checks import checked
from core.settings import EPOC_14
from core.studies import listing, matlab
from core.studies.folder import Source
from core.types import Annotation, InputFile, Recording, Signal

SFREQ, BASELINE_S = 128.0, 5.0
RATINGS = ("arousal", "valence", "dominance", "liking", "familiarity")
EMOTIONS = ("neutral", "disgust", "happiness", "surprise", "anger", "fear", "sadness")
SCALES = {**dict.fromkeys(RATINGS, (1.0, 9.0, 5.0)), **dict.fromkeys(EMOTIONS, (0.0, 1.0, 0.5))}
CHANNELS = (
    *((name, "eeg", "µV") for name in EPOC_14),
    ("ECG right", "ecg", "mV"),
    ("ECG left", "ecg", "mV"),
    ("GSR", "eda", "µS"),
)
_FILE = re.compile(r"Data_Preprocessed_P(\d{2})\.mat", re.IGNORECASE)


def source(path: Path, mapping: listing.Mapped) -> Source:
    """The study of the folder (of files, or of one folder a subject); High is a rating from 5 on."""
    listing.folder(path)
    everything = [*listing.files_under(path), *listing.files_under(path, "*/*")]
    found = sorted((f"P{m[1]}", p) for p in everything if (m := _FILE.fullmatch(p.name)))
    if not found:
        raise Refused("E-STUDY-PATH", "it holds no Data_Preprocessed_P01.mat ...", path.name, "Name their folder.")
    trials, left_out = listing.a_file_each(found, "core.studies.amigos", SCALES)
    return Source(
        basis=f"AMIGOS preprocessed (10.1109/TAFFC.2018.2884461): films, {len(found)} subjects",
        licence="AMIGOS end user licence agreement (on request from its authors)",
        targets=SCALES,
        high={**dict.fromkeys(RATINGS, ">="), **dict.fromkeys(EMOTIONS, ">")},
        bands={"eeg": (4.0, 45.0)},
        inputs=(),
        trials=trials,
        n_trials=len(trials),
        made_by={"corpus": "amigos", "files": listing.fingerprint([p for _, p in found], path)},
        left_out=tuple(left_out),
        notes=(
            "EEG was filtered to 4-45 Hz and averaged to a common reference by its authors: there is no delta band.",
            "The files state no unit: EEG is taken as µV, ECG as mV, GSR as µS.",
        ),
        resumes=True,
    )


def _variables(file: InputFile) -> tuple[Any, Any, Any]:
    found = matlab.load(file, ("joined_data", "labels_selfassessment", "VideoIDs"))
    if "joined_data" not in found or "labels_selfassessment" not in found:
        raise refuse("E-AMIGOS", file, "it has no joined_data or labels_selfassessment.", "Download it again.")
    return tuple(matlab.cells(_opened(found.get(n))) for n in ("joined_data", "labels_selfassessment", "VideoIDs"))


def _opened(x: Any) -> Any:
    return x.plain() if hasattr(x, "plain") else x


def tables(files: list[InputFile], job: Mapping[str, Any]) -> list[tuple[str, list[float | None]]]:
    """Entry of the child: name and labels of every video."""
    data, labels, ids = _variables(files[0])
    told = []
    for i in range(len(data)):
        name = str(ids[i]) if len(ids) == len(data) and isinstance(ids[i], str) else f"{i + 1:02d}"
        row = matlab.numbers(labels[i]) if i < len(labels) else np.zeros(0)
        row = row if len(row) == len(SCALES) else np.zeros(0)
        told.append((name, [float(v) if math.isfinite(v) else None for v in row]))
    return told


def parts(files: list[InputFile], job: Mapping[str, Any]) -> Iterator[tuple[int, Recording | Refused]]:
    """Entry of the child."""
    data, _, _ = _variables(files[0])

    def make(trial: int) -> Recording:
        x = matlab.samples(data[trial], len(CHANNELS), f"joined_data {trial + 1}", files[0])
        if len(x) <= (BASELINE_S + 5) * SFREQ:
            raise refuse("E-TOO-SHORT", files[0], f"the trial lasts {len(x) / SFREQ:.1f} s.", "")
        signals = tuple(Signal(*c, SFREQ, column) for c, column in zip(CHANNELS, x.T, strict=True))
        return checked(Recording(signals, None, (Annotation(0.0, BASELINE_S, "baseline"),), (), "amigos"))

    return listing.each(range(job["first"], len(data)), make)
