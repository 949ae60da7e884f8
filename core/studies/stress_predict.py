"""Stress-Predict (Iqbal 2022): stress tasks and rest with an Empatica E4; the label is the protocol, not a rating.

The folder of ``segments.csv``, ``sessions.csv``, ``LICENSE`` and ``signals/Sxx/{EDA,BVP,TEMP,ACC,HR}.parquet``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Refused
from core.studies import listing
from core.studies.apart import Files
from core.studies.folder import Planned, Source
from core.types import InputFile, Recording, Signal

# file -> columns, (type, unit) of each, factor into the house's unit
_TABLES = {
    "EDA": (("eda_uS",), ("eda", "µS"), 1.0),
    "BVP": (("bvp",), ("ppg", "au"), 1.0),
    "TEMP": (("temp_C",), ("temp", "°C"), 1.0),
    "ACC": (("acc_x", "acc_y", "acc_z"), ("acc", "g"), 1 / 64),
    "HR": (("hr_bpm",), ("misc", "/min"), 1.0),
}
_NAMES = {"eda_uS": "EDA", "bvp": "BVP", "temp_C": "TEMP", "acc_x": "ACC_x", "acc_y": "ACC_y", "acc_z": "ACC_z"}


def source(path: Path, mapping: listing.Mapped) -> Source:
    """The study of the folder: seven segments a subject, stress 1 during the three stress tasks."""
    listing.folder(path)
    table = listing.cleared(listing.read(path / "segments.csv"), "segments.csv", mapping, "subject")
    listing.needs(table, ("subject", "segment", "task", "label", "start_unix", "end_unix"), "segments.csv")
    sessions = listing.read(path / "sessions.csv").set_index("subject")
    columns = [f"{kind.lower()}_{what}" for kind in _TABLES for what in ("start_unix", "hz")]
    listing.needs(sessions, columns, "sessions.csv")
    files = [path / "signals" / s / f"{kind}.parquet" for s in sorted(table.subject.unique()) for kind in _TABLES]
    plans, left_out, trials = [], [], []
    for row in table.itertuples():
        if row.subject not in sessions.index:
            refused = Refused("E-NO-SESSION", "sessions.csv has no row for the subject.", "sessions.csv", "")
            left_out.append(listing.left_out(row.subject, row.segment, refused))
            continue
        clock = {k: [listing.number(sessions.loc[row.subject, f"{k.lower()}_{w}"]) for w in ("start_unix", "hz")]
                 for k in _TABLES}  # fmt: skip
        place = str((path / "signals" / row.subject).absolute())
        plans.append([place, clock, listing.number(row.start_unix), listing.number(row.end_unix)])
        trials.append((row.subject, row.segment, {"stress": listing.number(row.label)}, {"task": row.task}))
    read = Files("core.studies.stress_predict:parts", [InputFile("segments.csv", str(path / "segments.csv"))],
                 {"plans": plans})  # fmt: skip
    return Source(
        basis="Stress-Predict (10.3390/s22218135): Empatica E4, stressor on or off, "
        f"{table.subject.nunique()} subjects",
        licence="MIT",
        licence_text=listing.licence_of(path),
        targets={"stress": (0.0, 1.0, 0.5)},
        inputs=(),
        trials=[Planned(*t, read.reader(i)) for i, t in enumerate(trials)],
        n_trials=len(trials),
        made_by={"corpus": "stress-predict", "files": listing.fingerprint([*files, path / "segments.csv"], path)},
        left_out=tuple(left_out),
        notes=(
            "The label is the protocol (stressor on or off), not a self-report.",
            "The order of tasks is the same for all: time since the start is a confound.",
            "Hyperventilation is a physical stressor.",
        ),
        resumes=True,
    )


def parts(files: list[InputFile], job: Mapping[str, Any]) -> Iterator[tuple[int, Recording | Refused]]:
    """Entry of the child."""
    tables: dict[str, dict[str, np.ndarray]] = {}

    def make(trial: int) -> Recording:
        place, clock, start, end = job["plans"][trial]
        if place not in tables:
            tables.clear()
            tables[place] = {}
            for kind, (columns, _, scale) in _TABLES.items():
                x = listing.parquet(Path(place) / f"{kind}.parquet", columns).to_numpy().T
                tables[place][kind] = (x * scale).astype(np.float32)
        return _segment(tables[place], clock, start, end)

    return listing.each((i for i in range(len(job["plans"])) if i >= job["first"]), make)


def _segment(arrays: Mapping[str, np.ndarray], clock: Mapping[str, Any], start: float, end: float) -> Recording:
    signals: list[Signal] = []
    for kind, (columns, (type_, unit), _) in _TABLES.items():
        began, hz = clock[kind]
        whole = [
            Signal(_NAMES.get(column, column), type_, unit, hz, x, began - start)
            for column, x in zip(columns, arrays[kind], strict=True)
        ]
        signals += listing.part(whole, 0.0, end - start)
    if not signals:
        raise Refused("E-NO-SAMPLES", "no signal has a sample within the segment.", "", "Check the times.")
    return Recording(tuple(signals), datetime.fromtimestamp(start, UTC), (), (), "stress-predict")
