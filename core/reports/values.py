"""Numbers of a report in text: rounded to three digits, with their interval, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.settings import MEASURE_NAMES
from core.types import Reason

DIGITS = 3
_REASONS: Mapping[str, str] = {
    str(Reason.TOO_FEW): "too few values",
    str(Reason.NOT_SUPPORTED): "not supported for this",
}


def known(value: Any) -> float | None:
    """A finite number, None for what stands in the JSON where there is none."""
    return float(value) if isinstance(value, int | float) and value == value else None


def number(value: Any, digits: int = DIGITS, *, sign: bool = False) -> str:
    """0.745, or why there is none."""
    found = known(value)
    if found is None:
        why = str(value.get("not_computed", "")) if isinstance(value, Mapping) else ""
        return f"not computed: {_REASONS.get(why, why.replace('_', ' ') or 'it is not in the data')}"
    return f"{found:+.{digits}f}" if sign else f"{found:.{digits}f}"


def span(low: Any, high: Any, *, sign: bool = False) -> str:
    """0.661 to 0.828, "no interval" where an end is missing."""
    if known(low) is None or known(high) is None:
        return "no interval"
    return f"{number(low, sign=sign)} to {number(high, sign=sign)}"


def interval(row: Any, *, sign: bool = False) -> str:
    """0.745 (0.661 to 0.828)."""
    if not isinstance(row, Mapping) or known(row.get("value")) is None:
        return number(row.get("value") if isinstance(row, Mapping) and "value" in row else row)
    return f"{number(row['value'], sign=sign)} ({span(row.get('low'), row.get('high'), sign=sign)})"


def name(measure: str) -> str:
    """A target as a person reads it."""
    return MEASURE_NAMES.get(measure, measure.replace("_", " ").capitalize())
