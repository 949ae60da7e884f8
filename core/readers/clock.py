"""Timestamps of a table: their unit, whether there is one clear rate, and where each row lies on an even grid."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from core.readers.base import MAX_DURATION_S, Options, check_rate, real_date, refuse, visible
from core.types import InputFile, Notice

_NAMES = {
    "t", "time", "times", "timestamp", "timestamps", "time stamp", "seconds", "sec", "secs", "s", "ms", "millis",
    "milliseconds", "timer", "datetime", "date time", "date", "unix", "epoch", "unixtime", "unix time", "clock",
    "localtime", "utc", "elapsed", "elapsed time", "recording time", "timestamp unix",
    "unix timestamp", "date and time",
}  # fmt: skip
_UNIT_WORDS = {"s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3,
"msec": 1e-3, "millis": 1e-3,
               "milliseconds": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "microseconds": 1e-6, "ns": 1e-9}  # fmt: skip
# how far a row may lie from its place on the even grid before the rate is no longer clear, s: stamps that a computer
# gives to batches of samples stray by its delays (the real recordings seen: 0.03 and 0.27 s)
MAX_STRAY_S = 0.5


@dataclass(frozen=True)
class Grid:
    """Where the rows of a table lie: ``laid`` puts a column onto the even grid, NaN where time is missing."""

    sfreq: float
    known: bool
    started_at: datetime | None
    laid: Callable[[np.ndarray], np.ndarray]


def is_time(name: str) -> bool:
    """Whether a column's name says that it holds time.

    >>> is_time("Time (ms)"), is_time("t_s"), is_time("timer"), is_time("hr")
    (True, True, True, False)
    """
    base, _ = _split(name)
    return base in _NAMES


def _split(name: str) -> tuple[str, float | None]:
    """A time column's bare name and its unit in seconds, where the name says it."""
    text = re.sub(r"[\s_]+", " ", name.strip().lower())
    found = re.match(r"^(.*?)\s*[\[(/]\s*([a-zµμ]+)\s*[\])]?$", text) or re.match(r"^(.+) ([a-zµμ]+)$", text)
    if found and found[2] in _UNIT_WORDS and (found[1] in _NAMES or found[1] == ""):
        return found[1] or "time", _UNIT_WORDS[found[2]]
    return text, _UNIT_WORDS.get(text)


def seconds_of(
    values: np.ndarray, name: str, options: Options, file: InputFile, notices: list[Notice]
) -> tuple[np.ndarray, datetime | None, bool]:
    """A time column of numbers in seconds from its first row.

    Returns
    -------
    tuple
        Seconds (n_rows,), always from 0; the date of row 0 where it is a clock's; whether the unit is known.
    """
    t = values.astype(np.float64)
    if not np.isfinite(t).all():
        row = int(np.flatnonzero(~np.isfinite(t))[0]) + 1
        raise refuse(
            "E-TIME",
            file,
            f'the time column "{visible(name)}" has no time in data row {row}.',
            "Fill in or remove that row.",
        )
    scale = _split(name)[1]
    first = float(t[0])
    for unit, low, high in ((1.0, 1e8, 1e10), (1e-3, 1e11, 1e13), (1e-6, 1e14, 1e16), (1e-9, 1e17, 1e19)):
        if low <= first < high and (scale is None or scale == unit):
            at = first * unit
            return (t - first) * unit, real_date(datetime.fromtimestamp(at, UTC)), True
    steps = np.diff(t)
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    if scale is None and options.sfreq and step:
        # the stated rate tells the unit of the timer
        stated = options.sfreq
        scale = min((1.0, 1e-3, 1e-6), key=lambda unit: abs(math.log(step * unit * stated)))
    if scale is None and step > 2:
        # rows more than two seconds apart are no signal that is analysed here: a timer in milliseconds
        scale = 1e-3
        notices.append(Notice(
            "W-TIMESTAMPS",
            f'The unit of the time column "{visible(name)}" is not stated; read as milliseconds, which its '
            "timestamps fit.",
        ))  # fmt: skip
    known = scale is not None or step < 0.5
    return (t - first) * (scale or 1.0), None, known


def grid(
    t: np.ndarray,
    unit_known: bool,
    started_at: datetime | None,
    name: str,
    options: Options,
    file: InputFile,
    notices: list[Notice],
) -> Grid:
    """One clear rate through timestamps in seconds, or a refusal, or a grid whose rate is not known.

    Time that runs backwards or stands still is refused. Rows that stray a little are placed evenly, with a notice;
    where time is missing NaN is put, never glued.
    """  # fmt: skip
    shown = f'"{visible(name)}"'
    steps = np.diff(t)
    if (steps < 0).any():
        row = int(np.flatnonzero(steps < 0)[0]) + 2
        raise refuse(
            "E-TIME", file, f"the timestamps in {shown} run backwards at data row {row}.",
            "Sort the rows by time, or split the file where the clock was set.",
        )  # fmt: skip
    if not (steps > 0).any():
        raise refuse(
            "E-TIME", file, f"the timestamps in {shown} are all the same, so the sampling rate is not known.",
            "Export the time of every sample, or leave the column out and state the rate (--sfreq).",
        )  # fmt: skip
    step = float(np.median(steps[steps > 0]))
    repeated = float((steps == 0).mean())
    regular = repeated == 0 and float((np.abs(steps - step) <= 0.2 * step).mean()) >= 0.95
    gap = 1.5 * step if regular else max(10 * step, MAX_STRAY_S)
    edges = [0, *(int(i) + 1 for i in np.flatnonzero(steps > gap)), len(t)]
    within = sum(t[b - 1] - t[a] for a, b in itertools.pairwise(edges))
    counted = sum(b - a - 1 for a, b in itertools.pairwise(edges))
    rate = counted / within if within > 0 else 1 / step
    if regular:
        rate = _rounded(rate, t, edges)
    if not unit_known:
        notices.append(Notice(
            "W-TIMESTAMPS", f"The unit of the time column {shown} cannot be told, so the rate of its columns is not "
            "known: listed, not analysed. Name the unit in the column (s or ms), or state the rate (--sfreq).",
        ))  # fmt: skip
        return Grid(check_rate(rate, file, "the table"), False, started_at, lambda x: x)
    stated = None if options.asks("rate_from_timestamps") else options.sfreq
    if stated and abs(stated - rate) > 0.01 * rate:
        notices.append(Notice(
            "W-RATE",
            f"The timestamps give a rate of {rate:.6g} Hz, {stated:g} Hz was stated; the stated rate is used.",
        ))  # fmt: skip
        return Grid(check_rate(stated, file, "the table"), True, started_at, lambda x: x)
    if stated:
        rate = stated
    check_rate(rate, file, "the table")
    if t[-1] - t[0] > MAX_DURATION_S:
        raise refuse(
            "E-DURATION", file, f"it spans {(t[-1] - t[0]) / 86400:.1f} days; at most 7 are read.", "Send it in parts."
        )
    even = options.asks("rate_from_timestamps")
    return _laid(t, rate, edges, repeated, regular, even, started_at, shown, notices)


def _laid(
    t: np.ndarray,
    rate: float,
    edges: list[int],
    repeated: float,
    regular: bool,
    even: bool,
    started_at: datetime | None,
    shown: str,
    notices: list[Notice],
) -> Grid:
    """The grid itself, with what is said about gaps and stray rows; ``even``: a person says they are evenly spaced."""
    pieces, end = [], 0
    for a, b in itertools.pairwise(edges):
        start = max(round(float(t[a] - t[0]) * rate), end)
        pieces.append((start, int(a), int(b)))
        end = start + int(b - a)
    place = np.concatenate([np.arange(s, s + b - a) for s, a, b in pieces]) / rate
    stray = float(np.abs(t - t[0] - place).max())
    known = stray <= max(MAX_STRAY_S, 1.5 / rate)
    if not known and even:
        rate = (len(t) - 1) / float(t[-1] - t[0])
        stray = float(np.abs(t - t[0] - np.arange(len(t)) / rate).max())
        notices.append(Notice(
            "W-TIMESTAMPS", f"The timestamps in {shown} keep no clear rate; as asked, the rows are placed evenly at "
            f"{rate:.6g} Hz, at most {stray:.2g} s from their time.",
        ))  # fmt: skip
        return Grid(rate, True, started_at, lambda x: x)
    if not known:
        notices.append(Notice(
            "W-RATE",
            f"The timestamps in {shown} keep no clear rate (rows stray by up to {stray:.2g} s from even steps): "
            "listed, not analysed. If the rows are evenly spaced, state the rate (--sfreq).",
        ))  # fmt: skip
        return Grid(rate, False, started_at, lambda x: x)
    if len(pieces) > 1:
        lost = end / rate - len(t) / rate
        notices.append(
            Notice(
                "W-TIME-GAP",
                f"{len(pieces) - 1} time gaps in {shown}, {lost:.3g} s in all, are kept as missing values.",
            )
        )
    if repeated:
        notices.append(Notice(
            "W-TIMESTAMPS", f"{repeated:.0%} of the timestamps in {shown} repeat; the rows are placed evenly at "
            f"{rate:.6g} Hz, at most {stray:.2g} s from their time.",
        ))  # fmt: skip
    elif stray > max(0.6 / rate, 1e-3) or not regular:
        notices.append(Notice(
            "W-TIMESTAMPS", f"The timestamps in {shown} are uneven; the rows are placed evenly at {rate:.6g} Hz, "
            f"at most {stray:.2g} s from their time.",
        ))  # fmt: skip

    def laid(x: np.ndarray) -> np.ndarray:
        if len(pieces) == 1:
            return x
        out = np.full(end, np.nan, dtype=np.float32)
        for s, a, b in pieces:
            out[s : s + b - a] = x[a:b]
        return out

    return Grid(rate, True, started_at, laid)


def _rounded(rate: float, t: np.ndarray, edges: list[int]) -> float:
    """The round rate that explains every timestamp to half a sample, where there is one."""
    for candidate in (float(round(rate)), round(rate, 1), round(rate, 2)):
        if candidate <= 0:
            continue
        stray = max(
            float(np.abs(t[a:b] - t[a] - np.arange(b - a) / candidate).max()) for a, b in itertools.pairwise(edges)
        )
        if stray <= 0.5 / candidate:
            return candidate
    return rate


def from_texts(texts: list[str], name: str, options: Options, file: InputFile) -> tuple[np.ndarray, datetime | None]:
    """Seconds from the first row and its date, of times written as text (ISO, day.month.year, or time of day)."""
    moments: list[datetime] = []
    of_day = False
    for row, text in enumerate(texts):
        moment = _moment(text.strip())
        if moment is None:
            raise refuse(
                "E-TIME", file,
                f'the time "{visible(text, 30)}" in data row {row + 1} of column "{visible(name)}" cannot be read.',
                "Write times in seconds, or as 2024-01-31 09:05:00.250.",
            )  # fmt: skip
        of_day = of_day or moment.year == 1900
        moments.append(moment if moment.tzinfo else moment.replace(tzinfo=options.zone))
    first = moments[0]
    t = np.array([m.timestamp() for m in moments])
    t -= t[0]
    if of_day:
        # past midnight a time of day starts again
        t += np.cumsum(np.concatenate([[0], np.diff(t) < -43_200])) * 86_400.0
    return t, None if of_day else real_date(first.astimezone(UTC))


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for pattern in ("%d.%m.%Y %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S",
                    "%H:%M:%S.%f", "%H:%M:%S"):  # fmt: skip
        try:
            return datetime.strptime(text, pattern)
        except ValueError:
            continue
    return None


def looks_like_time(text: str) -> bool:
    """Whether a cell holds a date or a time of day."""
    return bool(re.match(r"^\s*\d{1,4}[-./:]\d{1,2}[-./:]\d", text)) and _moment(text.strip()) is not None
