"""Lists of RR intervals, as sport watches, chest belts and Holter software export them: a row a beat.

They become one signal of type ``rr``, in ms and at 4 Hz, each sample of which is the interval that runs at its time:
``core.dsp.beats.of_intervals`` gives the very list back. Beats that the list itself calls not normal become annotations
("beat V"), and the intervals at both their sides are missing. A list without a heading is taken for one only when its
name says so (rr, rri, ibi, nn, hrv), for its numbers could be anything.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from core.readers import channels, clock, text
from core.readers.base import MAX_DURATION_S, Options, kept_annotations, moved, only, refuse, visible
from core.types import InputFile, Notice, Recording

SFREQ = 4.0
# ms; an interval has to hold a sample of the series
SHORTEST_MS = 1000.0 / SFREQ
LONGEST_MS = 20_000.0
# s; what is left open where an interval is not known and no time tells how long it was: no two beats around are joined
_OPEN_S = 2.5
# s; rows further apart than their interval and this have lost beats between them
_LOST_S = 1.5
_HEADING = re.compile(
    r"(?:rr|r-r|rri|rr[ _-]?intervals?|rr[ _-]?int|ibi|nn|nn[ _-]?intervals?|interbeat[ _-]?interval)"
    r"[ _]*(?:[\[(]?(?P<unit>ms|msec|milliseconds?|s|sec|seconds?)[\])]?)?",
    re.IGNORECASE,
)
_NAMED = re.compile(r"(?:^|[^a-z])(?:rr|rri|ibi|nn|hrv)(?:[^a-z]|$)", re.IGNORECASE)
_TYPE = {"beat type", "beat", "beat_type", "type", "label", "class", "annotation"}
_NORMAL = {"n", "normal", "1", "0", "", "nn", "sinus"}
_AGAIN = "Export the intervals again, a row a beat, with a heading such as RR (ms)."


def _delimiter(line: str) -> str:
    return next((d for d in ("\t", ";", ",", " ") if d in line.strip()), ",")


def sniff(first: bytes, name: str) -> bool:
    """A table of at most six columns with a heading of intervals; without a heading, by its name and its numbers."""
    lines = [line for line in text.head_of(first[:8000])[:40] if line[:1] not in "#%"][:-1] or [""]
    names = text.cells(lines[0], _delimiter(lines[0]) if _delimiter(lines[0]) != " " else ",")
    if len(names) <= 6 and any(_HEADING.fullmatch(n) for n in names):
        return True
    if not _NAMED.search(name) or len(lines) < 10:
        return False
    values = [_number(line) for line in lines]
    return all(SHORTEST_MS <= v <= 3000 for v in values) or all(0.25 <= v <= 3 for v in values)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One list of intervals as a recording."""
    options = options or Options()
    file = only(files)
    notices: list[Notice] = []
    table = text.opened(file, notices, header=None)
    if len(table.names) == 1 and _delimiter(table.first[0] if table.first else "") != ",":
        table = text.opened(file, notices, delimiter=_delimiter(table.first[0]), header=None)
    found = [(i, m) for i, m in ((i, _HEADING.fullmatch(n)) for i, n in enumerate(table.names)) if m]
    if not found and len(table.names) > 1:
        raise refuse("E-RR", file, "none of its columns is headed as intervals between beats.", _AGAIN)
    at, heading = found[0] if found else (0, None)
    rr = text.numbers(table, [at])[at]
    unit = (heading["unit"] or "").lower() if heading else ""
    usual = float(np.nanmedian(rr)) if np.isfinite(rr).any() else math.nan
    in_ms = unit.startswith("m") or (not unit and usual >= 100)
    rr = rr if in_ms else rr * 1000.0
    usual = usual if in_ms else usual * 1000.0
    if not SHORTEST_MS <= usual <= 3000.0:
        raise refuse(
            "E-RR", file, f"the usual interval in it is {usual:.4g} ms, which is that of no heart.",
            "Say the unit in the heading: RR (ms) or RR (s).",
        )  # fmt: skip
    if not unit:
        notices.append(Notice("W-UNIT", f"The unit of the intervals is not stated; read in {'ms' if in_ms else 's'}."))
    t, started = _times(table, options, file, notices)
    beats = _types(table)
    return _recording(rr, t, started, beats, options, notices, file)


def _times(
    table: text.Table, options: Options, file: InputFile, notices: list[Notice]
) -> tuple[np.ndarray | None, datetime | None]:
    """Seconds of each row from the first, where a column says them."""
    at = next((i for i, n in enumerate(table.names) if clock.is_time(n)), None)
    if at is None:
        return None, None
    if clock.looks_like_time(table.first[at]):
        t, started = clock.from_texts(text.words(table, [at])[at], table.names[at], options, file)
    else:
        t, started, known = clock.seconds_of(text.numbers(table, [at])[at], table.names[at], options, file, [])
        if not known:
            # rows a heart beat apart: 0.8 is seconds, 800 is not
            t = t / 1000.0 if np.median(np.diff(t)) > 100 else t
    if (np.diff(t) < 0).any():
        raise refuse("E-TIME", file, "its times run backwards.", "Sort the rows by time, or send it in parts.")
    return t, started


def _types(table: text.Table) -> list[str] | None:
    at = next((i for i, n in enumerate(table.names) if n.lower() in _TYPE), None)
    return text.words(table, [at])[at] if at is not None else None


def _recording(
    rr: np.ndarray,
    t: np.ndarray | None,
    started: datetime | None,
    beats: list[str] | None,
    options: Options,
    notices: list[Notice],
    file: InputFile,
) -> Recording:
    """The list as a series, with what was left out of it."""
    normal = np.array([b.strip().lower() in _NORMAL for b in beats]) if beats else np.ones(len(rr), dtype=bool)
    # an interval has a beat at both ends
    kept = normal & np.concatenate([[True], normal[:-1]]) & (rr >= SHORTEST_MS) & (rr <= LONGEST_MS)
    lasts = np.where(np.isfinite(rr) & (rr > 0) & (rr <= LONGEST_MS), rr / 1000.0, _OPEN_S)
    waited = np.zeros(len(rr))
    if t is not None:
        gap = np.diff(t, prepend=t[0] - lasts[0]) - lasts
        waited = np.where(gap > _LOST_S, gap, 0.0)
    if waited.sum() + lasts.sum() > MAX_DURATION_S:
        raise refuse("E-DURATION", file, "it spans more than 7 days.", "Send it in parts.")
    x, ends = series(rr, kept, lasts, waited)
    if not np.isfinite(x).any():
        raise refuse("E-NO-SIGNAL", file, "it holds no interval between two normal beats.", _AGAIN)
    if (waited > 0).any():
        notices.append(Notice(
            "W-TIME-GAP", f"{int((waited > 0).sum())} time gaps, {waited.sum():.3g} s in all, are kept as missing "
            "values.",
        ))  # fmt: skip
    if not kept.all():
        notices.append(Notice(
            "W-BEATS", f"{int((~kept).sum()):,} of {len(rr):,} intervals are not those between two normal beats and "
            "are missing.",
        ))  # fmt: skip
    marks = [(float(ends[i]), 0.0, f"beat {visible(beats[i], 20)}") for i in np.flatnonzero(~normal)] if beats else []
    raw = [channels.Raw("RR", "ms", x, SFREQ, kind="rr")]
    return Recording(
        signals=channels.typed(raw, options, notices, file),
        # a row's time is that of the beat that ends its interval
        started_at=moved(started, -float(lasts[0])),
        annotations=kept_annotations(marks, notices),
        format="rr",
        notices=tuple(notices),
    )


def timed(ends_s: np.ndarray, rr_s: np.ndarray) -> tuple[float, np.ndarray]:
    """Intervals that end at known times, those between lost beats missing: where they begin, s, and their series, ms.

    Parameters
    ----------
    ends_s, rr_s : ndarray, shape (n,)
        Increasing times of the beats that end the intervals, and the intervals, s.
    """
    gap = np.diff(ends_s, prepend=ends_s[0] - rr_s[0]) - rr_s
    rr_ms = 1000.0 * rr_s
    x, _ = series(
        rr_ms, (rr_ms >= SHORTEST_MS) & (rr_ms <= LONGEST_MS), rr_s, np.where(gap > SHORTEST_MS / 1000, gap, 0.0)
    )
    return float(ends_s[0] - rr_s[0]), x


def series(
    rr_ms: np.ndarray, kept: np.ndarray, lasts_s: np.ndarray, waited_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Intervals as a series at 4 Hz, and the time of the beat that ends each of them.

    Parameters
    ----------
    rr_ms, kept, lasts_s, waited_s : ndarray, shape (n,)
        Intervals; which of them are shown; how long each takes in any case; what was lost before each.

    Returns
    -------
    tuple of ndarray
        The series (n_times,), float32 in ms, NaN where no interval is known, and seconds (n,).
    """
    values = rr_ms.astype(np.float32).astype(np.float64)
    parts: list[np.ndarray] = []
    ends = np.empty(len(values))
    # what a stretch loses to the grid of samples must not add up over the stretches: the list's own clock
    begins = np.cumsum(waited_s + lasts_s) - lasts_s
    filled, at, inside = 0, 0.0, False
    for i, value in enumerate(values):
        if not kept[i]:
            at = begins[i] + lasts_s[i]
            inside = False
        else:
            if not inside or waited_s[i]:
                # a stretch starts on a sample, behind at least one that is missing
                first = max(math.ceil(begins[i] * SFREQ), filled + bool(filled))
                parts.append(np.full(first - filled, np.nan, dtype=np.float32))
                filled, at, inside = first, first / SFREQ, True
            at += value / 1000.0
            upto = math.ceil(at * SFREQ)
            parts.append(np.full(upto - filled, value, dtype=np.float32))
            filled = upto
        ends[i] = at
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32), ends
