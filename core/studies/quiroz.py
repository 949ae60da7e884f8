"""Quiroz 2018: happy, neutral and sad moods induced while walking, with a smart watch; labels are the induced mood.

The folder of ``trials.csv``, ``LICENSE`` and ``signals/EWxx.parquet``; each emotion is one unbroken block of its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Refused
from core.studies import listing
from core.studies.apart import Files
from core.studies.folder import Planned, Source
from core.types import InputFile, Recording, Signal

GRAVITY = 9.80665  # m/s², standard gravity
_COLUMNS = ("emotion", "acc_x", "acc_y", "acc_z", "rot_x", "rot_y", "rot_z", "heart_rate_bpm")
_NEEDED = ("subject", "trial", "group", "emotion", "emotion_name", "n_samples", "effective_hz")


def source(path: Path, mapping: listing.Mapped) -> Source:
    """The study of the folder: three trials a subject; valence -1 (sad), 0, 1 (happy) as intended, High above 0."""
    listing.folder(path)
    table = listing.cleared(listing.read(path / "trials.csv"), "trials.csv", mapping, "subject")
    listing.needs(table, _NEEDED, "trials.csv")
    files = [path / "signals" / f"{s}.parquet" for s in sorted(table.subject.unique())]
    plans, trials = [], []
    for row in table.itertuples():
        place = str((path / "signals" / f"{row.subject}.parquet").absolute())
        emotion = listing.number(row.emotion)
        plans.append([place, emotion, listing.number(row.effective_hz), listing.number(row.n_samples)])
        groups = {"induction": row.group, "emotion": row.emotion_name, "order": row.presentation_order}
        trials.append((row.subject, row.trial, {"valence_intended": emotion}, groups))
    read = Files("core.studies.quiroz:parts", [InputFile("trials.csv", str(path / "trials.csv"))], {"plans": plans})
    return Source(
        basis=f"Quiroz 2018 (10.2196/10153): emotion induced while walking, watch, {table.subject.nunique()} subjects",
        licence="MIT",
        licence_text=listing.licence_of(path),
        targets={"valence_intended": (-1.0, 1.0, 0.0)},
        inputs=(),
        trials=[Planned(*t, read.reader(i)) for i, t in enumerate(trials)],
        n_trials=len(trials),
        made_by={"corpus": "quiroz", "files": listing.fingerprint([*files, path / "trials.csv"], path)},
        notes=(
            "Labels are the induced emotion, not a self-report; High is happy against neutral and sad.",
            "Each emotion is one block in time: its windows belong on one side of a split.",
            "Acceleration is free of gravity; the unit of the rotation was not published.",
        ),
        resumes=True,
    )


def parts(files: list[InputFile], job: Mapping[str, Any]) -> Iterator[tuple[int, Recording | Refused]]:
    """Entry of the child."""
    tables: dict[str, Any] = {}

    def make(trial: int) -> Recording:
        place, emotion, hz, n = job["plans"][trial]
        if place not in tables:
            tables.clear()
            tables[place] = listing.parquet(Path(place), _COLUMNS)
        rows = tables[place][tables[place].emotion == emotion]
        at = rows.index.to_numpy()
        if len(rows) != n or not len(at) or at[-1] - at[0] + 1 != len(at):
            raise Refused(
                "E-TRIAL", f"the block has {len(rows)} rows where trials.csv says {n:.0f}, or is not in one piece.",
                Path(place).name, "Check that both are of one version.",
            )  # fmt: skip
        return _recording(rows, hz)

    return listing.each((i for i in range(len(job["plans"])) if i >= job["first"]), make)


def _recording(rows: Any, hz: float) -> Recording:
    x = {column: rows[column].to_numpy() for column in _COLUMNS}
    bpm = np.where(x["heart_rate_bpm"] > 0, x["heart_rate_bpm"], np.nan)
    signals = [Signal(f"ACC_{axis}", "acc", "g", hz, (x[f"acc_{axis}"] / GRAVITY).astype(np.float32)) for axis in "xyz"]
    signals += [Signal(f"rot_{axis}", "misc", "", hz, x[f"rot_{axis}"].astype(np.float32)) for axis in "xyz"]
    signals.append(Signal("heart_rate_bpm", "misc", "/min", hz, bpm.astype(np.float32)))
    return Recording(tuple(signals), None, (), (), "quiroz")
