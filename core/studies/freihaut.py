"""Freihaut and Göritz 2021: self-reported valence and arousal after computer tasks under high and low stress.

The folder of ``trials.csv``, ``sessions.csv``, ``LICENSE`` and ``signals/Fxx/EDA.parquet, HEART.parquet``. Skin
resistance is in uncalibrated units and there is no heart waveform, so signals stay ``misc`` and features come ready.
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
from core.types import Annotation, InputFile, Recording, Signal

# the published values come at 19.87 Hz on average, with jitter; laid on this grid by their own times
EDA_HZ, HEART_HZ = 20.0, 1.0
LARGEST_GAP_S = 0.5
# shortest stretch for variability of the heart rate, s (requirements d2)
LEAST_HRV_S = 30.0
TARGETS = {"valence": (0.0, 4.0, 3.0), "arousal": (0.0, 4.0, 2.0), "stress": (0.0, 1.0, 1.0)}


def source(path: Path, mapping: listing.Mapped) -> Source:
    """The study of the folder; SAM ratings 0-4, High from the cut on; stress is the condition, not a rating."""
    listing.folder(path)
    table = listing.cleared(listing.read(path / "trials.csv"), "trials.csv", mapping, "subject")
    listing.needs(table, ("subject", "trial", "condition", "task", "start_s", "end_s", "sam_valence", "sam_arousal",
                          "boundary_check"), "trials.csv")  # fmt: skip
    sessions = listing.read(path / "sessions.csv")
    subjects = sorted(table.subject.unique())
    files = [path / "signals" / s / f"{kind}.parquet" for s in subjects for kind in ("EDA", "HEART")]
    spans = [
        [2 * subjects.index(r.subject), listing.number(r.start_s), listing.number(r.end_s)] for r in table.itertuples()
    ]
    read = Files("core.studies.freihaut:parts", [InputFile("trials.csv", str(path / "trials.csv"))], {
        "paths": [str(f.absolute()) for f in files], "spans": spans,
    })  # fmt: skip
    trials = []
    for i, row in enumerate(table.itertuples()):
        labels = {"valence": listing.number(row.sam_valence), "arousal": listing.number(row.sam_arousal)}
        labels = {t: v for t, v in labels.items() if v == v} | {"stress": float(row.condition == "high_stress")}
        groups = {"condition": row.condition, "task": row.task, "boundary": row.boundary_check}
        trials.append(Planned(row.subject, row.trial, labels, groups, read.reader(i), features))
    return Source(
        basis="Freihaut and Göritz 2021 (10.1016/j.ijhcs.2020.102520): computer tasks, SAM ratings, "
        f"{len(subjects)} of {len(sessions)} sessions with recovered trials",
        licence="GPL-3.0",
        licence_text=listing.licence_of(path),
        targets=TARGETS,
        high=dict.fromkeys(TARGETS, ">="),
        inputs=(),
        trials=trials,
        n_trials=len(trials),
        made_by={"corpus": "freihaut", "files": listing.fingerprint([*files, path / "trials.csv"], path)},
        notes=(
            "Under GPL-3.0: no model that ships with the product is trained on it.",
            "Skin resistance is in uncalibrated units; higher should mean lower conductance.",
            "Stress is the condition (high or low), not a rating; valence and arousal are confounded with it.",
            'Task times were recovered from published means; leave out the group boundary "EDA+block" to be strict.',
        ),
        resumes=True,
    )


def parts(files: list[InputFile], job: Mapping[str, Any]) -> Iterator[tuple[int, Recording | Refused]]:
    """Entry of the child."""
    tables: dict[int, tuple[Any, Any]] = {}

    def make(trial: int) -> Recording:
        at, start, end = job["spans"][trial]
        if at not in tables:
            tables.clear()
            eda, heart = (Path(p) for p in job["paths"][at : at + 2])
            tables[at] = (
                listing.parquet(eda, ("t_s", "skin_resistance_raw")),
                listing.parquet(heart, ("t_s", "ibi_ms", "hr_bpm")),
            )
        eda_table, heart_table = tables[at]
        return _trial(eda_table, heart_table, start, end)

    return listing.each((i for i in range(len(job["spans"])) if i >= job["first"]), make)


def _trial(eda: Any, heart: Any, start: float, end: float) -> Recording:
    t, x = eda.t_s.to_numpy(), eda.skin_resistance_raw.to_numpy()
    inside = (heart.t_s >= start) & (heart.t_s < end)
    beats = heart[inside]
    grid = np.arange(start, end, 1 / EDA_HZ)
    near = np.abs(t[np.clip(np.searchsorted(t, grid), 0, len(t) - 1)] - grid) <= LARGEST_GAP_S
    skin = np.where(near, np.interp(grid, t, x), np.nan)
    if not near.any() and beats.empty:
        raise Refused("E-NO-SAMPLES", "neither table has a row within the trial.", "", "Check the times.")
    rate_at = np.arange(start, end, 1 / HEART_HZ)
    last = np.searchsorted(heart.t_s.to_numpy(), rate_at, side="right") - 1
    bpm = np.where(last >= 0, heart.hr_bpm.to_numpy()[np.maximum(last, 0)], np.nan)
    signals = (
        Signal("skin_resistance_raw", "misc", "raw", EDA_HZ, skin.astype(np.float32)),
        Signal("hr_bpm", "misc", "/min", HEART_HZ, np.where(bpm > 0, bpm, np.nan).astype(np.float32)),
    )
    # an interval of 0 is the sensor's word for none
    marks = tuple(
        Annotation(float(b.t_s - start), float(b.ibi_ms) / 1000, "rr interval")
        for b in beats.itertuples()
        if b.ibi_ms > 0
    )
    return Recording(signals, None, marks, (), "freihaut")


def features(recording: Recording) -> dict[str, float]:
    """Heart and skin of one trial; NaN where it is too short (d2) or there is none."""
    rr = np.array([a.duration_s * 1000 for a in recording.annotations if a.description == "rr interval"])
    rr = rr[(rr >= 300) & (rr <= 2000)]
    skin = next(s for s in recording.signals if s.name == "skin_resistance_raw")
    x, t = skin.data.astype(np.float64), np.arange(len(skin.data)) / skin.sfreq
    there = np.isfinite(x)
    long = recording.duration_s >= LEAST_HRV_S and len(rr) >= 4
    return {
        "rr_mean_ms": float(rr.mean()) if len(rr) >= 4 else np.nan,
        "hr_mean_bpm": float(60_000 / rr.mean()) if len(rr) >= 4 else np.nan,
        "rr_sdnn_ms": float(rr.std(ddof=1)) if long else np.nan,
        "rr_rmssd_ms": float(np.sqrt(np.mean(np.diff(rr) ** 2))) if long else np.nan,
        "skin_resistance_mean": float(x[there].mean()) if there.any() else np.nan,
        "skin_resistance_sd": float(x[there].std(ddof=1)) if there.sum() > 1 else np.nan,
        "skin_resistance_slope": float(np.polyfit(t[there], x[there], 1)[0]) if there.sum() > 2 else np.nan,
    }
