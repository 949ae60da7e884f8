"""Text of an acquisition board with lines of "key:= value" before its columns, as BioSPPy and its kin write it.

The header states rate, labels and often the bits of the converter, and no unit. What a label says is taken for the
type; numbers of a converter stay ``misc`` where the type is one with a unit, and are not guessed to be one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from core.readers import channels, text
from core.readers.base import Options, check_rate, check_size, only, real_date, refuse, utc
from core.types import InputFile, Notice, Recording

_LINE = re.compile(r"^#\s*([^:=]{1,60}?)\s*:=\s*(.{0,2000})$")
_AGAIN = "Export the recording again with its header, or send it as CSV and state the rate (--sfreq)."
_NO_UNIT_NEEDED = ("ppg", "resp")


def sniff(first: bytes, name: str) -> bool:
    """Lines of "# key:= value" at the start, one of them the rate."""
    lines = text.head_of(first[:4000])
    keys = [m[1].lower() for m in map(_LINE.match, lines[:20]) if m]
    return bool(lines) and lines[0].startswith("#") and any(k.startswith("sampling rate") for k in keys)


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One text file with such a header as a recording."""
    options = options or Options()
    file = only(files)
    notices: list[Notice] = []
    table = text.opened(file, notices, delimiter="\t", header=False)
    if len(table.names) == 1 and ("," in table.first[0] or ";" in table.first[0]):
        delimiter = ";" if ";" in table.first[0] else ","
        table = text.opened(file, notices, delimiter=delimiter, header=False)
    said = {m[1].lower(): m[2].strip() for m in map(_LINE.match, table.before) if m}
    try:
        rate = float(next(v for k, v in said.items() if k.startswith("sampling rate")))
    except (StopIteration, ValueError):
        raise refuse("E-ADC", file, "its header states no sampling rate.", _AGAIN) from None
    check_rate(rate, file, "the recording")
    n = len(table.names)
    check_size(n, 0, file)
    labels = [w.strip() for w in re.split(r"[\t,;]", said.get("labels", "")) if w.strip()]
    if labels and len(labels) != n:
        raise refuse("E-ADC", file, f"its header names {len(labels)} channels, its rows have {n} columns.", _AGAIN)
    x = text.numbers(table, range(n))
    bits = said.get("resolution", "")
    raw, loose = [], []
    for i, name in enumerate(labels or [f"column {i + 1}" for i in range(n)]):
        # a label may name its unit, as in "ECG (mV)"; without one no unit can be told
        unit = channels.split_unit(name)[1]
        kind = channels.type_of(name, unit)
        if unit is None and kind not in (*_NO_UNIT_NEEDED, "misc"):
            loose.append(name)
            kind = "misc"
        raw.append(channels.Raw(name, unit, x[i].astype(np.float32), rate, kind=kind))
    if loose:
        of = f"numbers of a {bits} bit converter" if re.fullmatch(r"\d{1,2}", bits) else "numbers"
        notices.append(Notice(
            "W-UNIT", f"{channels.listed(loose)} hold {of} whose unit the header does not state: listed, not analysed. "
            "Say type and unit with --map if they are in one.",
        ))  # fmt: skip
    return Recording(
        signals=channels.typed(raw, options, notices, file),
        started_at=_started(said.get("date", ""), options),
        format="adc_text",
        notices=tuple(notices),
    )


def _started(written: str, options: Options) -> datetime | None:
    try:
        return real_date(utc(datetime.fromisoformat(written), options.zone))
    except ValueError:
        return None
