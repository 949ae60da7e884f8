"""DEAP (Koelstra 2012), preprocessed for Python: s01.dat to s32.dat, each a pickle of data 40 x 40 x 8064 and labels.

Read as ``core.readers.deap`` does, a trial at a time; ratings 1-9, High from 5 on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.errors import Refused
from core.readers.base import refuse
from core.readers.checks import checked
from core.readers.deap import BASELINE_S, EEG_BAND_HZ, NOTES, signals, unpickled
from core.studies import listing
from core.studies.folder import Planned, Source
from core.types import Annotation, InputFile, Recording

SCALE = (1.0, 9.0, 5.0)
RATINGS = "participant_ratings.csv"
# ratings are stored with two decimals
_STEP = 0.01
LABELS = ("valence", "arousal", "dominance", "liking")
_FILE = re.compile(r"s(\d{2})\.dat", re.IGNORECASE)


def source(path: Path, mapping: listing.Mapped) -> Source:
    """The study of the folder of .dat files; strays in it are passed over.

    Their ratings are held against the table of ratings where that is there too.
    """
    listing.folder(path)
    inner = path / "data_preprocessed_python"
    folder = inner if inner.is_dir() else path
    found = [(f"s{m[1]}", p) for p in listing.files_under(folder) if (m := _FILE.fullmatch(p.name))]
    if not found:
        raise Refused("E-STUDY-PATH", "it holds no s01.dat ... s32.dat.", path.name, "Name the folder with them.")
    scales = dict.fromkeys(LABELS, SCALE)
    trials, left_out = listing.a_file_each(found, "core.studies.deap", scales, lambda s: {"site": site(int(s[1:]))})
    return Source(
        basis=f"DEAP preprocessed (10.1109/T-AFFC.2011.15): music videos, {len(found)} subjects",
        licence="DEAP end user licence agreement (on request from its authors)",
        targets=scales,
        high=dict.fromkeys(LABELS, ">="),
        bands={"eeg": EEG_BAND_HZ},
        inputs=(),
        trials=trials,
        n_trials=len(trials),
        made_by={"corpus": "deap", "files": listing.fingerprint([p for _, p in found], folder)},
        left_out=tuple(left_out),
        notes=(*NOTES, *compared(trials, ratings(path, mapping))),
        resumes=True,
    )


def ratings(path: Path, mapping: listing.Mapped) -> pd.DataFrame | None:
    """The table of ratings, where one lies in the folder or in one inside it."""
    found = [p for p in (*listing.files_under(path), *listing.files_under(path, "*/*")) if p.name.lower() == RATINGS]
    if not found:
        return None
    table = listing.cleared(listing.read(found[0]), RATINGS, mapping).rename(columns=str.lower)
    listing.needs(table, ("participant_id", "experiment_id", *LABELS), RATINGS)
    return table


def compared(trials: Sequence[Planned], table: pd.DataFrame | None) -> list[str]:
    """A note for each rating that is not the same in the .dat files and in the table; one where all are.

    Trial k of a .dat file is the video of ``Experiment_id`` k. Some copies store 9 - r (requirements c20).
    """
    if table is None:
        return []
    given = {
        (listing.number(row["participant_id"]), listing.number(row["experiment_id"])): row
        for row in table.to_dict("records")
    }
    notes = []
    for target in LABELS:
        pairs = [
            (t.labels[target], listing.number(given[key][target])) for t in trials
            if (key := (float(t.subject[1:]), float(t.trial))) in given and target in t.labels
        ]  # fmt: skip
        stored, rated = np.array([p for p in pairs if p[1] == p[1]], dtype=np.float64).reshape(-1, 2).T
        same, turned = (np.abs(stored - other) <= _STEP for other in (rated, 9 - rated))
        lead = f"{target.capitalize()}, .dat files against {RATINGS}, {len(stored)} ratings"
        if not len(stored):
            notes.append(f"{lead}: not compared, for no trial is in both.")
        elif same.all():
            notes.append(f"{lead}: the same.")
        elif turned.mean() > 0.5:
            notes.append(f"Warning: {lead}: reversed (9 - r) in {turned.sum()}. High and Low change places by it.")
        else:
            notes.append(f"Warning: {lead}: another in {(~same).sum()}, of which {turned.sum()} are 9 - r.")
    return notes


def site(number: int) -> str:
    """Where a participant was recorded: 1-22 in Twente, 23-32 in Geneva."""
    return "Twente" if number <= 22 else "Geneva"


def tables(files: list[InputFile], job: Mapping[str, Any]) -> list[tuple[str, list[float | None]]]:
    """Entry of the child: name and ratings of every trial."""
    _, labels = unpickled(files[0])
    return [(f"{i:02d}", [float(v) if math.isfinite(v) else None for v in row]) for i, row in enumerate(labels, 1)]


def parts(files: list[InputFile], job: Mapping[str, Any]) -> Iterator[tuple[int, Recording | Refused]]:
    """Entry of the child."""
    data, _ = unpickled(files[0])

    def make(trial: int) -> Recording:
        if not np.isfinite(data[trial]).any():
            raise refuse("E-NO-SAMPLES", files[0], "the trial holds no number.", "")
        return checked(Recording(signals(data[trial]), None, (Annotation(0.0, BASELINE_S, "baseline"),), (), "deap"))

    return listing.each(range(job["first"], len(data)), make)
