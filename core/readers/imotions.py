"""iMotions text exports with facial scores: FACET evidence, or Affectiva from 0 to 100, and stimuli as annotations.

Lines of metadata that start with # come before the table. Names, age, gender and what the software guesses of a person
are not read. -999 and 9999, and -1 where a column has no other negative value, stand for no value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from core.readers import channels, clock, text
from core.readers.base import SNIFF_BYTES, Options, check_size, kept_annotations, moved, only, real_date, refuse, utc
from core.types import InputFile, Notice, Recording

EMOTIONS = frozenset(
    {
        "anger", "contempt", "disgust", "fear", "joy", "sadness", "surprise", "engagement", "valence", "attention",
        "sentimentality", "confusion", "neutral",
    }
)  # fmt: skip
AFFECTIVA = EMOTIONS | {
    "brow furrow", "brow raise", "cheek raise", "chin raise", "dimpler", "eye closure", "eye widen", "inner brow raise",
    "jaw drop", "lip corner depressor", "lip press", "lip pucker", "lip stretch", "lip suck", "lid tighten",
    "mouth open", "nose wrinkle", "smile", "smirk", "upper lip raise",
}  # fmt: skip
# words for no value, and the widest pupil of a person, mm (requirements S3-01)
MISSING = (-1.0, -999.0, 9999.0)
WIDEST_PUPIL_MM = 8.0
_FACET = re.compile(r"[A-Z][A-Za-z0-9 ]{1,30} (Evidence|Intensity)")
_POSE = re.compile(r"(Yaw|Pitch|Roll)( Degrees)?")
_PUPIL = re.compile(r"(ET_)?Pupil ?(Left|Right)", re.IGNORECASE)
_RUN = re.compile(r"^#TestRunDate\s*:\s*(\d{8}) (\d\d:\d\d:\d\d)(\.\d{1,6})?\s*(?:\(([+-]\d\d:\d\d)\))?")
_AGAIN = "Export the face data again from iMotions as text, with its column names."


def _named(first: bytes) -> str:
    return next((line for line in text.head_of(first) if not line.startswith("#")), "")


def sniff(first: bytes, name: str) -> bool:
    """A table of a study with a time stamp and facial scores, behind lines that start with #."""
    line = _named(first)
    names = text.cells(line, "\t" if "\t" in line else ",")
    return "Timestamp" in names and bool({"StudyName", "EventSource"} & set(names)) and any(map(_is_score, names))


def _is_score(name: str) -> bool:
    return bool(_FACET.fullmatch(name)) or name.lower() in AFFECTIVA


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One iMotions export as a recording of type ``face``."""
    options = options or Options()
    file = only(files)
    notices: list[Notice] = []
    table = text.opened(file, notices, delimiter="\t" if "\t" in _line(file) else ",")
    scores = [i for i, n in enumerate(table.names) if _is_score(n)]
    poses = [i for i, n in enumerate(table.names) if _POSE.fullmatch(n)]
    pupils = [i for i, n in enumerate(table.names) if _PUPIL.fullmatch(n)]
    at, faces = table.index("Timestamp"), table.index("NoOfFaces")
    if at is None or not scores:
        raise refuse("E-IMOTIONS", file, "it names no time stamp or no facial scores.", _AGAIN)
    x = text.numbers(table, dict.fromkeys([at, *scores, *poses, *pupils, *([faces] if faces is not None else [])]))
    check_size(len(x) - 1, float(len(x[at])) * (len(x) - 1), file)
    times = x[at] / 1000.0
    # rows of other sensors hold no facial score
    mine = np.isfinite(np.stack([x[i] for i in ([faces] if faces is not None else scores)])).any(axis=0)
    if mine.sum() < 2:
        raise refuse("E-NO-SIGNAL", file, "it holds no row with facial scores.", _AGAIN)
    t, _, _ = clock.seconds_of(times[mine], "Timestamp_s", options, file, notices)
    grid = clock.grid(t, True, None, "Timestamp", options, file, notices)
    eyes = _pupils(table, {i: x[i] for i in pupils}, times, float(times[mine][0]), options, notices)
    x = {i: _cleared(v[mine]) for i, v in x.items()}
    lost = ~(x[faces] > 0) if faces is not None else np.zeros(len(t), dtype=bool)
    if lost.any():
        notices.append(Notice(
            "W-FACES", f"In {int(lost.sum()):,} of {len(t):,} frames no face was found: their values are missing."
        ))  # fmt: skip
    raw, still = [], []
    for i in [*scores, *poses]:
        v = np.where(lost, np.nan, x[i]).astype(np.float32)
        if i in scores and table.names[i].endswith(" Intensity") and not np.nan_to_num(v).any():
            still.append(table.names[i])
            continue
        kind, unit = ("face", None) if i in scores else ("misc", "deg")
        raw.append(channels.Raw(table.names[i], unit, grid.laid(v), grid.sfreq,
                                rate_known=grid.known or kind == "misc", kind=kind))  # fmt: skip
    if still:
        notices.append(Notice("W-COLUMNS", f"{channels.listed(still)} hold nothing but 0 and were left out."))
    evidence = any(table.names[i].endswith(" Evidence") for i in scores)
    notices.append(Notice(
        "W-SCALE",
        "Evidence is a logarithm of odds (base 10): 0 is even, 1 is ten to one." if evidence else
        "Facial scores: from 0 to 100, valence from -100 to 100.",
    ))  # fmt: skip
    begin = float(times[mine][0])
    started = _started(table, options)
    return Recording(
        signals=channels.typed([*raw, *eyes], options, notices, file),
        started_at=moved(started, begin) if 0 <= begin < 1e6 else None,
        annotations=kept_annotations(_marks(table, times - begin), notices),
        format="imotions",
        notices=tuple(notices),
    )


def _pupils(
    table: text.Table, x: dict[int, np.ndarray], times: np.ndarray, begin: float, options: Options,
    notices: list[Notice],
) -> list[channels.Raw]:  # fmt: skip
    """Widths of the pupils in mm, in the rows of the eye tracker; -1 and what is wider than 8 mm is missing."""
    rows = np.isfinite(np.stack(list(x.values()))).any(axis=0) if x else np.zeros(0, dtype=bool)
    if rows.sum() < 2:
        return []
    t, _, _ = clock.seconds_of(times[rows], "Timestamp_s", options, table.file, notices)
    grid = clock.grid(t, True, None, "Timestamp", options, table.file, notices)
    onset_s = float(times[rows][0]) - begin
    return [
        channels.Raw(
            table.names[i], "mm", grid.laid(narrow_pupils(v[rows]).astype(np.float32)), grid.sfreq, onset_s,
            kind="misc",
        )
        for i, v in x.items()
    ]  # fmt: skip


def _line(file: InputFile) -> str:
    """The line of column names."""
    with Path(file.path).open("rb") as stream:
        return _named(stream.read(SNIFF_BYTES))


def _cleared(v: np.ndarray) -> np.ndarray:
    """A column with the numbers that stand for no value as NaN."""
    v = np.where(np.isin(v, MISSING[1:]), np.nan, v)
    lost = v == -1.0
    return np.where(lost, np.nan, v) if lost.any() and not (v[~lost] < 0).any() else v


def narrow_pupils(v: np.ndarray) -> np.ndarray:
    """Widths of a pupil in mm, NaN where no pupil is that wide, or has none."""
    return np.where((v > 0) & (v <= WIDEST_PUPIL_MM), v, np.nan)


def _started(table: text.Table, options: Options) -> datetime | None:
    """When the test was run, in its own zone where the file says it."""
    found = next((m for m in map(_RUN.match, table.before) if m), None)
    if found is None:
        return None
    try:
        moment = datetime.strptime(f"{found[1]} {found[2]}{found[3] or '.0'}{found[4] or ''}",
                                   "%Y%m%d %H:%M:%S.%f" + ("%z" if found[4] else ""))  # fmt: skip
    except ValueError:
        return None
    return real_date(utc(moment, options.zone))


def _marks(table: text.Table, t: np.ndarray) -> list[tuple[float, float, str]]:
    """Stimuli with their lengths, and the moments that were marked."""
    stimulus = table.index("StimulusName", "SourceStimuliName")
    marked = [i for i in (table.index(n) for n in ("LiveMarker", "MarkerText", "PostMarker", "Annotation")) if i]
    if stimulus is None and not marked:
        return []
    said = text.words(table, dict.fromkeys([*([stimulus] if stimulus is not None else []), *marked]))
    rows = text.labelled(said[stimulus], t) if stimulus is not None else []
    for i in marked:
        rows += text.labelled(said[i], t)
    return rows
