"""Tables with unix times, as TIVA and its like write them: of a face (Affectiva), band powers (Muse), eyes, or events.

Which of them a table is shows in its columns: ``routineStart`` and ``routineEnd`` (events), ``Alpha_TP9`` and such
(bands), at least three emotions (face), ``pupil`` (eyes). Each is read as a recording of its own date, so that the
tables of one session lie on one clock; events become annotations. The study reader of such tables is
``core.studies.s3``, by the same rules: -1, -999 and 9999 stand for no value, and no pupil is wider than 8 mm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core.readers import channels, clock, text
from core.readers.base import SNIFF_BYTES, Options, check_size, kept_annotations, only, real_date, refuse
from core.readers.imotions import AFFECTIVA, EMOTIONS, MISSING, narrow_pupils
from core.types import InputFile, Notice, Recording

BANDS = ("delta", "theta", "alpha", "beta", "gamma")
ELECTRODES = ("TP9", "AF7", "AF8", "TP10")
WHO = ("participant", "participantid", "subject", "subjectid", "pid", "id", "sid")
WHEN = ("unixtime", "timestamp", "timestamps", "unix", "time", "unixtimestamp")
TRIAL = ("trial", "trialid", "question", "questionid", "key", "routine")
_BAND = re.compile(rf"(?:({'|'.join(BANDS)})[_ ]?(tp9|af7|af8|tp10)|(tp9|af7|af8|tp10)[_ ]?({'|'.join(BANDS)}))")
# unix times in s begin here (1973); those in ms are a thousand times larger
_UNIX_S, _UNIX_MS = 1e8, 1e11
_AGAIN = "Export the table again, with its line of column names and its unix times."


def bare(column: str) -> str:
    """A column's name in small letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", column.lower())


FACE = frozenset(map(bare, AFFECTIVA))


def band_of(column: str) -> str | None:
    """The band and place of a column of band power, None of any other.

    >>> band_of("Alpha_TP9"), band_of("af7 theta"), band_of("Joy")
    ('alpha_TP9', 'theta_AF7', None)
    """
    found = _BAND.fullmatch(column.lower())
    return f"{found[1] or found[4]}_{(found[2] or found[3]).upper()}" if found else None


def kind(columns: Iterable[str]) -> str:
    """What a table holds, by its columns; empty when it is none of these.

    >>> kind(["UnixTime", "Alpha_TP9"]), kind(["t", "Joy", "Anger", "Fear"]), kind(["routineStart", "routineEnd"])
    ('bands', 'face', 'events')
    """
    columns = list(columns)
    names = {bare(c) for c in columns}
    if {"routinestart", "routineend"} <= names:
        return "events"
    if any(map(band_of, columns)):
        return "bands"
    if len(names & EMOTIONS) >= 3:
        return "face"
    return "eyes" if any("pupil" in n for n in names) else ""


def first_of(columns: Sequence[str], known: Iterable[str]) -> int | None:
    """Where the first of some bare names is among the columns."""
    names = [bare(c) for c in columns]
    return next((names.index(k) for k in known if k in names), None)


def unix_s(times: Any) -> np.ndarray:
    """Unix times in s; those in ms are turned.

    >>> unix_s([1700000000.5, 1700000000500.0])
    array([1.7e+09, 1.7e+09])
    """
    t = np.asarray(times, dtype=np.float64)
    return np.where(t > _UNIX_MS, t / 1000, t)


def cleared(column: str, values: np.ndarray) -> np.ndarray:
    """Values with what stands for none as NaN."""
    x = np.where(np.isin(values, MISSING), np.nan, values)
    return narrow_pupils(x) if "pupil" in column.lower() else x


# ------------------------------------------------------------------------------------------------ one table
def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def sniff(first: bytes, name: str) -> bool:
    """Columns of one of these tables, and unix times in the first row."""
    lines = [*text.head_of(first)[:2], "", ""]
    names = text.cells(lines[0], _delimiter(lines[0]))
    what = kind(names)
    at = first_of(names, ("routinestart",) if what == "events" else WHEN)
    row = text.cells(lines[1], _delimiter(lines[0]))
    if not what or at is None or at >= len(row):
        return False
    try:
        return float(row[at]) >= _UNIX_S
    except ValueError:
        return False


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One table as a recording: signals of type ``face``, band powers and pupils listed, or annotations alone."""
    options = options or Options()
    file = only(files)
    notices: list[Notice] = []
    with Path(file.path).open("rb") as stream:
        head = text.head_of(stream.read(SNIFF_BYTES))
    table = text.opened(file, notices, delimiter=_delimiter(head[0]) if head else ",")
    what = kind(table.names)
    if not what:
        raise refuse("E-TIVA", file, "its first line names no face, bands, eyes or events.", _AGAIN)
    _one_person(table)
    if what == "events":
        return _events(table, notices)
    at = first_of(table.names, WHEN)
    chosen = {i: type_ for i, n in enumerate(table.names) if i != at and (type_ := _type(n, what))}
    if at is None or not chosen:
        raise refuse("E-TIVA", file, "it names no unix times, or no values beside them.", _AGAIN)
    x = text.numbers(table, [at, *chosen])
    check_size(len(chosen), float(len(x[at])) * len(chosen), file)
    timed = np.isfinite(x[at])
    if timed.sum() < 2:
        raise refuse("E-NO-SIGNAL", file, "it holds no rows with a time.", _AGAIN)
    t, started, known = clock.seconds_of(x[at][timed], table.names[at], options, file, notices)
    grid = clock.grid(t, known, started, table.names[at], options, file, notices)
    clean = {i: cleared(table.names[i], x[i][timed]) for i in chosen}
    raw = [
        channels.Raw(
            band_of(table.names[i]) or table.names[i], "mm" if "pupil" in table.names[i].lower() else None,
            grid.laid(clean[i].astype(np.float32)), grid.sfreq, rate_known=grid.known, kind=type_,
        )
        for i, type_ in chosen.items()
    ]  # fmt: skip
    faces = [clean[i] for i, type_ in chosen.items() if type_ == "face"]
    lost = np.isnan(np.stack(faces)).all(axis=0) if faces else np.zeros(1, dtype=bool)
    if lost.any():
        notices.append(Notice(
            "W-FACES", f"In {int(lost.sum()):,} of {len(lost):,} rows no face was found: their values are missing."
        ))  # fmt: skip
    if what == "bands":
        notices.append(Notice(
            "W-COLUMNS", f"Band powers came ready made, at {grid.sfreq:.3g} rows a second: listed, not analysed. No "
            "band can be computed from rows that slow.",
        ))  # fmt: skip
    return Recording(
        signals=channels.typed(raw, options, notices, file), started_at=grid.started_at, format="tiva",
        notices=tuple(notices),
    )  # fmt: skip


def _type(name: str, what: str) -> str:
    """Channel type of a column, empty where it is not read."""
    if what == "face" and bare(name) in FACE:
        return "face"
    return "misc" if band_of(name) or "pupil" in name.lower() else ""


def _one_person(table: text.Table) -> None:
    who = first_of(table.names, WHO)
    if who is not None and len(people := set(text.words(table, [who])[who]) - {""}) > 1:
        raise refuse(
            "E-PEOPLE", table.file, f"it holds {len(people)} participants, and a session is of one person.",
            "Send the rows of one participant, or import all of them as a study (s3).",
        )  # fmt: skip


def _events(table: text.Table, notices: list[Notice]) -> Recording:
    """Routines as annotations on a clock that starts with the first of them."""
    begin, end = (first_of(table.names, (k,)) for k in ("routinestart", "routineend"))
    assert begin is not None and end is not None
    x = text.numbers(table, [begin, end])
    start_s, end_s = unix_s(x[begin]), unix_s(x[end])
    timed = np.isfinite(start_s)
    if not timed.any():
        raise refuse("E-TIVA", table.file, "none of its events has a time.", _AGAIN)
    first = float(start_s[timed].min())
    trial = first_of(table.names, TRIAL)
    called = text.words(table, [trial])[trial] if trial is not None else []
    rows = [
        (float(a - first), float(b - a), (called[i] if called else "") or f"routine {i + 1}")
        for i, (a, b) in enumerate(zip(start_s, end_s, strict=True))
    ]
    return Recording(
        signals=(), started_at=real_date(datetime.fromtimestamp(first, UTC)),
        annotations=kept_annotations(rows, notices), format="tiva", notices=tuple(notices),
    )  # fmt: skip
