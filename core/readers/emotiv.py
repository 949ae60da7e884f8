"""EmotivPRO CSV: a line of metadata, then columns EEG.AF3 ... in µV, MOT.* and POW.* at rates of their own.

No openly licensed sample was found; the shape is that of EmotivPRO's own documentation. The metadata line holds the
name of the recording and of the subject, and only its rate and version are read. Packets that the software made up
(``EEG.Interpolated``) are missing. Markers become annotations.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.readers import channels, clock, text
from core.readers.base import MAX_CHANNELS, SNIFF_BYTES, Options, check_size, kept_annotations, only, refuse
from core.types import InputFile, Notice, Recording

_EEG = re.compile(r"EEG\.([A-Za-z]{1,3}\d{0,2}|[A-Za-z]{1,2}z)")
_ACC = re.compile(r"MOT\.Acc[XYZ]", re.IGNORECASE)
_LISTED = re.compile(r"POW\.[A-Za-z0-9]{1,4}\.[A-Za-z]{4,6}|MOT\.[A-Za-z0-9]{1,6}|CQ\.Overall|EQ\.Overall")
_RATE = re.compile(r"sampling(?: rate)?\s*:\s*(?:eeg_)?(\d{1,5}(?:\.\d+)?)", re.IGNORECASE)
_AGAIN = "Export the session again from EmotivPRO as CSV, with its two first lines."


def sniff(first: bytes, name: str) -> bool:
    """A line of names with EEG.Counter and a time stamp, first or behind the line of metadata."""
    return _headed(first) is not None


def _headed(first: bytes) -> int | None:
    """Lines before that of the names."""
    for i, line in enumerate(text.head_of(first)[:2]):
        names = [n.lower() for n in text.cells(line, ",")]
        if "timestamp" in names and "eeg.counter" in names:
            return i
    return None


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One EmotivPRO table as a recording."""
    options = options or Options()
    file = only(files)
    notices: list[Notice] = []
    with Path(file.path).open("rb") as stream:
        before = _headed(stream.read(SNIFF_BYTES))
    if before is None:
        raise refuse("E-EMOTIV", file, "it names no time stamp and no EEG columns of EmotivPRO.", _AGAIN)
    table = text.opened(file, notices, before=before, max_columns=1000)
    kinds = {}
    for i, name in enumerate(table.names):
        if (found := _EEG.fullmatch(name)) and channels.type_of(found[1]) == "eeg":
            kinds[i] = "eeg"
        elif _ACC.fullmatch(name):
            kinds[i] = "acc"
        elif _LISTED.fullmatch(name):
            kinds[i] = "misc"
    at, made_up = table.index("Timestamp"), table.index("EEG.Interpolated")
    if at is None or "eeg" not in kinds.values() or len(kinds) > MAX_CHANNELS:
        raise refuse("E-EMOTIV", file, "it names no EEG columns, or too many of others.", _AGAIN)
    mark, what = table.index("MarkerValueInt", "MarkerValue"), table.index("MarkerType")
    more = [i for i in (at, made_up, mark, what) if i is not None]
    x = text.numbers(table, dict.fromkeys([*kinds, *more]))
    n = len(x[at])
    check_size(len(kinds), float(n) * len(kinds), file)
    if n < 2:
        raise refuse("E-TOO-SHORT", file, f"it holds {n} row of values.", "Record at least 5 s.")
    t, started, known = clock.seconds_of(x[at], "Timestamp", options, file, notices)
    grid = clock.grid(t, known, started, "Timestamp", options, file, notices)
    stated = _RATE.search(table.before[0]) if before and table.before else None
    if stated and abs(float(stated[1]) - grid.sfreq) > 0.01 * grid.sfreq:
        notices.append(Notice(
            "W-RATE", f"The metadata state {float(stated[1]):g} Hz, the timestamps give {grid.sfreq:.6g} Hz, which is "
            "used.",
        ))  # fmt: skip
    lost = x[made_up] == 1 if made_up is not None else np.zeros(n, dtype=bool)
    if lost.any():
        notices.append(Notice(
            "W-INTERPOLATED", f"{int(lost.sum()):,} of {n:,} rows were made up by the software for lost packets: their "
            "values are missing.",
        ))  # fmt: skip
    raw = []
    for i, kind in kinds.items():
        v = np.where(lost, np.nan, x[i]) if kind == "eeg" else x[i]
        v, rate, onset = _own_rate(grid.laid(v.astype(np.float32)), grid.sfreq, kind)
        if np.isfinite(v).any():
            unit = {"eeg": "uV", "acc": "g"}.get(kind) or ("µV²/Hz" if table.names[i].startswith("POW.") else "")
            raw.append(channels.Raw(table.names[i], unit, v, rate, onset, rate_known=grid.known, kind=kind))
    if not raw:
        raise refuse("E-NO-SIGNAL", file, "it holds no values.", _AGAIN)
    if any(table.names[i].startswith("POW.") for i in kinds):
        notices.append(Notice("W-COLUMNS", "Band powers that the software computed are listed, and not analysed."))
    marks = []
    if mark is not None:
        # type 2 ends a mark that type 1 began
        told = np.isfinite(x[mark]) & (x[mark] != 0) & (x[what] != 2 if what is not None else True)
        marks = [(float(t[i]), 0.0, f"marker {x[mark][i]:g}") for i in np.flatnonzero(told)]
    return Recording(
        signals=channels.typed(raw, options, notices, file),
        started_at=grid.started_at,
        annotations=kept_annotations(marks, notices),
        format="emotiv",
        notices=tuple(notices),
    )


def _own_rate(v: np.ndarray, sfreq: float, kind: str) -> tuple[np.ndarray, float, float]:
    """A column that has a value in every k-th row only, at its own rate; with where it starts in s."""
    there = np.flatnonzero(np.isfinite(v))
    if kind == "eeg" or len(there) < 2:
        return v, sfreq, 0.0
    step = int(np.bincount(np.diff(there).clip(0, 100_000)).argmax())
    if step < 2:
        return v, sfreq, 0.0
    place = (there - there[0] + step // 2) // step
    out = np.full(int(place[-1]) + 1, np.nan, dtype=np.float32)
    out[place] = v[there]
    return out, sfreq / step, float(there[0]) / sfreq
