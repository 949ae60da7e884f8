"""DEAP (Koelstra 2012), original recordings: s01.bdf to s32.bdf with ``participant_ratings.csv``.

Assumed of the Status channel, from the description of the data set (no gated file was at hand to check it): the low
byte holds the marker, 3 where the fixation before a trial begins and 4 where its video does; the k-th 4 is trial k of
the ratings. A file in which the 4s do not count up to its ratings is left out and says so. The video is 60 s, the
fixation before it is the baseline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Refused
from core.readers.base import Options, refuse
from core.studies import listing
from core.studies.apart import Files
from core.studies.deap import LABELS, RATINGS, SCALE, site
from core.studies.folder import Planned, Source
from core.types import InputFile, LeftOut, Recording

FIXATION, VIDEO, VIDEO_S = 3, 4, 60.0
# a fixation lasts 5 s; one that is farther away belongs to something else
LONGEST_FIXATION_S = 10.0
_FILE = re.compile(r"s(\d{2})\.bdf", re.IGNORECASE)


def source(path: Path, mapping: listing.Mapped) -> Source:
    """The study of the folder, or of DEAP's own with ``data_original`` and ``metadata_csv``."""
    listing.folder(path)
    everything = [*listing.files_under(path), *listing.files_under(path, "*/*")]
    files = sorted((int(m[1]), p) for p in everything if (m := _FILE.fullmatch(p.name)))
    tables = [p for p in everything if p.name.lower() == RATINGS]
    if not files or not tables:
        raise Refused("E-STUDY-PATH", f"it holds no s01.bdf ... or no {RATINGS}.", path.name, "Name their folder.")
    ratings = listing.cleared(listing.read(tables[0]), RATINGS, mapping)
    ratings = ratings.rename(columns=str.lower)
    listing.needs(ratings, ("participant_id", "trial", *LABELS), RATINGS)
    trials: list[Planned] = []
    left_out: list[LeftOut] = []
    for number, place in files:
        subject = f"s{number:02d}"
        rows = [r for r in ratings.to_dict("records") if listing.number(r["participant_id"]) == number]
        rows.sort(key=lambda r: listing.number(r["trial"]))
        if not rows:
            left_out.append(LeftOut(subject, "", "E-NO-RATING", f"{RATINGS} has no row of it."))
            continue
        job = {"n_trials": len(rows)}
        read = Files("core.studies.deap_bdf:parts", [InputFile(place.name, str(place))], job)
        for i, row in enumerate(rows):
            given = {t: listing.number(row[t]) for t in LABELS}
            given = {t: v for t, v in given.items() if v == v}
            trial = f"{listing.number(row['trial']):02.0f}"
            if not given or not all(SCALE[0] <= v <= SCALE[1] for v in given.values()):
                left_out.append(LeftOut(subject, trial, "E-LABEL", "it has no rating, or one that is not on 1-9."))
                continue
            groups = {"site": site(number), "video": str(row.get("experiment_id", ""))}
            trials.append(Planned(subject, trial, given, groups, read.reader(i)))
    return Source(
        basis=f"DEAP original (10.1109/T-AFFC.2011.15): music videos, {len(files)} subjects",
        licence="DEAP end user licence agreement (on request from its authors)",
        targets=dict.fromkeys(LABELS, SCALE),
        high=dict.fromkeys(LABELS, ">="),
        inputs=(),
        trials=trials,
        n_trials=len(trials),
        made_by={"corpus": "deap-bdf", "files": listing.fingerprint([*(p for _, p in files), tables[0]], path)},
        left_out=tuple(left_out),
        notes=(
            "The unit of GSR differs between the sites (participants 1-22 and 23-32): do not compare its level.",
            "Markers are taken from the low byte of Status: 3 fixation, 4 video.",
        ),
        resumes=True,
    )


def parts(files: list[InputFile], job: Mapping[str, Any]) -> Iterator[tuple[int, Recording | Refused]]:
    """Entry of the child."""
    from core.readers import session

    recording = session.read(files, Options())
    status = next((s for s in recording.signals if s.name.strip().lower() == "status"), None)
    if status is None:
        raise refuse("E-MARKERS", files[0], "it has no Status channel.", "Take the original file.")
    fixations, videos = (onsets(status.data, code) / status.sfreq for code in (FIXATION, VIDEO))
    if len(videos) != job["n_trials"]:
        raise refuse(
            "E-MARKERS", files[0], f"its Status channel marks {len(videos)} videos and the ratings list "
            f"{job['n_trials']}.", "Check that both are of one participant.",
        )  # fmt: skip
    recording = replace(recording, signals=tuple(s for s in recording.signals if s is not status), annotations=())
    for trial in range(job["first"], job["n_trials"]):
        before = fixations[fixations < videos[trial]]
        length = float(videos[trial] - before[-1]) if len(before) else 0.0
        baseline = length if 0 < length <= LONGEST_FIXATION_S else None
        span = listing.Span(trial, float(videos[trial]), VIDEO_S, None, baseline)
        yield trial, listing.cut(recording, span, files[0].name)


def onsets(status: np.ndarray, code: int) -> np.ndarray:
    """Samples at which the low byte becomes a code.

    >>> onsets(np.array([0, 4, 4, 0, 260, 5.0]), 4)
    array([1, 4])
    """
    low = np.nan_to_num(status).astype(np.int64) & 0xFF
    return np.flatnonzero((low == code) & (np.concatenate(([0], low[:-1])) != code))
