"""Muse headbands: the CSV of the Mind Monitor app, with raw EEG (RAW_TP9 ..., µV, 256 Hz) and band powers (Bel).

No openly licensed sample was found; the shape is that of the app's own documentation. Raw columns are EEG at the rate
of the rows' times; rows in which the band was not on a head are missing. Band powers, gyroscope and contact are listed
and not analysed. Rows that hold a word alone (blink, jaw clench, a marker) become annotations.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from core.readers import channels, clock, text
from core.readers.base import Options, check_size, kept_annotations, only, refuse
from core.types import InputFile, Notice, Recording

_EEG = re.compile(r"RAW_(TP9|AF7|AF8|TP10)")
_BAND = re.compile(r"(Delta|Theta|Alpha|Beta|Gamma)_(TP9|AF7|AF8|TP10)")
_ACC = re.compile(r"Accelerometer_[XYZ]")
_LISTED = re.compile(r"Gyro_[XYZ]|HSI_(TP9|AF7|AF8|TP10)|AUX(_[A-Z]+)?")
_AGAIN = "Export the session again from Mind Monitor as CSV, with its line of column names."


def sniff(first: bytes, name: str) -> bool:
    """A table that starts with a time stamp and names raw or band columns of the four electrodes."""
    names = text.cells((text.head_of(first) or [""])[0], ",")
    return names[:1] == ["TimeStamp"] and any(_EEG.fullmatch(n) or _BAND.fullmatch(n) for n in names)


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One Mind Monitor table as a recording."""
    options = options or Options()
    file = only(files)
    notices: list[Notice] = []
    table = text.opened(file, notices)
    chosen = {
        i: kind for i, n in enumerate(table.names)
        for kind, known in (("eeg", _EEG), ("misc", _BAND), ("acc", _ACC), ("misc", _LISTED)) if known.fullmatch(n)
    }  # fmt: skip
    worn, said = table.index("HeadBandOn"), table.index("Elements")
    if "TimeStamp" not in table.names[:1] or not chosen:
        raise refuse("E-MUSE", file, "it names no time stamp and no columns of a Muse headband.", _AGAIN)
    x = text.numbers(table, dict.fromkeys([*chosen, *([worn] if worn is not None else [])]))
    written = text.words(table, dict.fromkeys([0, *([said] if said is not None else [])]))
    n = len(written[0])
    check_size(len(chosen), float(n) * len(chosen), file)
    # a row for a word alone has no numbers
    rows = np.isfinite(np.stack([x[i] for i in chosen])).any(axis=0)
    if rows.sum() < 2:
        raise refuse("E-NO-SIGNAL", file, "it holds no rows of values.", _AGAIN)
    t_all, started = clock.from_texts(written[0], "TimeStamp", options, file)
    first = int(np.flatnonzero(rows)[0])
    t = t_all[rows] - t_all[first]
    grid = clock.grid(t, True, started if first == 0 else None, "TimeStamp", options, file, notices)
    off = x[worn][rows] == 0 if worn is not None else np.zeros(len(t), dtype=bool)
    if off.any():
        notices.append(Notice(
            "W-CONTACT", f"In {off.mean():.1%} of the rows the band was not on a head: their EEG is missing."
        ))  # fmt: skip
    raw = []
    for i, kind in chosen.items():
        v = np.where(off, np.nan, x[i][rows]) if kind == "eeg" else x[i][rows]
        name = table.names[i]
        unit = {"eeg": "uV", "acc": "g"}.get(kind) or ("Bel" if _BAND.fullmatch(name) else "")
        raw.append(channels.Raw(name, unit, grid.laid(v.astype(np.float32)), grid.sfreq,
                                rate_known=grid.known, kind=kind))  # fmt: skip
    if any(k == "misc" and _BAND.fullmatch(table.names[i]) for i, k in chosen.items()):
        notices.append(Notice("W-COLUMNS", "Band powers that the app computed are listed, and not analysed."))
    marks = []
    if said is not None:
        marks = [
            (float(t_all[i] - t_all[first]), 0.0, word.rpartition("/")[2])
            for i, word in enumerate(written[said]) if word.strip()
        ]  # fmt: skip
    return Recording(
        signals=channels.typed(raw, options, notices, file),
        started_at=grid.started_at,
        annotations=kept_annotations(marks, notices),
        format="muse",
        notices=tuple(notices),
    )
