"""Words of the insights: numbers with their unit, dates, direction. Neutral: above, within or below own range."""

from __future__ import annotations

from datetime import datetime

from core.settings import MEASURE_NAMES, MEASURE_UNITS

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DIGITS = {
    "index": 2, "/min": 1, "ms": 1, "ln ratio": 2, "Hz": 1, "µS": 2, "µV": 1, "°C": 1, "g": 3, "share of frames": 2,
}  # fmt: skip


def name(measure: str) -> str:
    """The measure's name at the head of a sentence; an index says that it is one."""
    unit = MEASURE_UNITS[measure]
    return f"{MEASURE_NAMES[measure]} index" if unit == "index" else MEASURE_NAMES[measure]


def number(value: float, measure: str) -> str:
    """A value with its unit: ``0.71``, ``72.4 /min``."""
    unit = MEASURE_UNITS[measure]
    text = f"{value:.{_DIGITS[unit]}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text if unit == "index" else f"{text} {unit}"


def span(low: float, high: float, measure: str) -> str:
    """A range with its unit once: ``0.41 to 0.66``."""
    digits = _DIGITS[MEASURE_UNITS[measure]]
    return f"{low:.{digits}f} to {number(high, measure)}"


def date(at: datetime) -> str:
    """``14 Jul 2026``; the day in the zone the time carries (UTC when stored)."""
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def dates(start: datetime, end: datetime) -> str:
    """``2 Jun 2026 to 30 Jun 2026``, or one date."""
    return date(start) if start.date() == end.date() else f"{date(start)} to {date(end)}"


def counted(n: int, what: str) -> str:
    """``1 session``, ``14 sessions``."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
