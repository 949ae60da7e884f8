"""Text of an acquisition board behind a header: lines of "key:= value" (BioSPPy and its kin), or OpenSignals' JSON.

The header states rate, labels and often the bits of the converter, and no unit. What a label says is taken for the
type; numbers of a converter stay ``misc`` where the type is one with a unit, and are not guessed to be one. Of a
biosignalsplux the sensors are known, and their numbers are turned by its maker's transfer functions.
"""

from __future__ import annotations

import json
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
_OPENSIGNALS = "# OpenSignals Text File Format"
# biosignalsplux: share of the converter's range -> unit as factor x (share - middle); 3 V supply, gain 1000 of ECG and
# EMG, 0.12 V/µS (sensor data sheets of PLUX; see also its notebooks "ECG Sensor - Unit Conversion")
_PLUX = {"ECG": ("ecg", "mV", 3.0, 0.5), "EMG": ("emg", "mV", 3.0, 0.5), "EDA": ("eda", "uS", 25.0, 0.0)}
_PLUX_NAMES = {"BVP": "ppg", "PPG": "ppg", "RESP": "resp", "PIEZO": "resp", "RIP": "resp"}


def sniff(first: bytes, name: str) -> bool:
    """Lines of "# key:= value" at the start, one of them the rate, or OpenSignals' first line."""
    lines = text.head_of(first[:4000])
    keys = [m[1].lower() for m in map(_LINE.match, lines[:20]) if m]
    plain = bool(lines) and lines[0].startswith("#") and any(k.startswith("sampling rate") for k in keys)
    return plain or (bool(lines) and lines[0].startswith(_OPENSIGNALS))


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One text file with such a header as a recording."""
    options = options or Options()
    file = only(files)
    notices: list[Notice] = []
    table = text.opened(file, notices, delimiter="\t", header=False)
    if len(table.names) == 1 and ("," in table.first[0] or ";" in table.first[0]):
        delimiter = ";" if ";" in table.first[0] else ","
        table = text.opened(file, notices, delimiter=delimiter, header=False)
    if any(line.startswith(_OPENSIGNALS) for line in table.before[:1]):
        return _opensignals(table, options, notices)
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


def _opensignals(table: text.Table, options: Options, notices: list[Notice]) -> Recording:
    """The analog channels of one device: CH1 ... of its JSON, by their sensors."""
    file, n = table.file, len(table.names)
    try:
        (device,) = json.loads(table.before[1].lstrip("# ")).values()
        rate = check_rate(float(device["sampling rate"]), file, "the recording")
        columns = [str(c) for c in device["column"]]
        sensors = dict(zip((f"CH{int(c)}" for c in device["channels"]), device["sensor"], strict=True))
        labels = dict(zip(sensors, device.get("label") or sensors, strict=True))
        bits = dict(zip(sensors, (int(b) for b in device["resolution"]), strict=True))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as broken:
        raise refuse("E-ADC", file, "its OpenSignals header is not that of one device.", _AGAIN) from broken
    # the text of columns may end in a tab
    analog = [(i, c) for i, c in enumerate(columns) if c in sensors]
    if len(columns) not in (n, n - 1) or not analog or not all(0 < b <= 32 for b in bits.values()):
        raise refuse("E-ADC", file, f"its header names {len(columns)} columns, its rows have {n}.", _AGAIN)
    check_size(len(analog), 0, file)
    x = text.numbers(table, [i for i, _ in analog])
    raw, turned, loose = [], [], []
    for i, c in analog:
        sensor = re.sub(r"[^A-Z]", "", str(sensors[c]).upper())
        name = str(labels[c]) if str(labels[c]) != c else f"{sensor} {c}"
        share = x[i] / 2.0 ** bits[c]
        known = _PLUX.get(sensor) if device.get("device") == "biosignalsplux" else None
        if known:
            kind, unit, factor, middle = known
            turned.append(name)
            raw.append(channels.Raw(name, unit, (factor * (share - middle)).astype(np.float32), rate, kind=kind))
            continue
        kind = _PLUX_NAMES.get(sensor, "misc")
        loose += [name] if kind == "misc" else []
        raw.append(channels.Raw(name, None, x[i].astype(np.float32), rate, kind=kind))
    if turned:
        notices.append(Notice(
            "W-UNIT", f"{channels.listed(turned)} were turned from numbers of the converter by the transfer functions "
            "of biosignalsplux sensors (3 V; gain 1000, or 0.12 V/µS).",
        ))  # fmt: skip
    if loose:
        notices.append(Notice(
            "W-UNIT", f"{channels.listed(loose)} hold numbers of the converter whose unit is not known here: listed, "
            "not analysed. Say type and unit with --map if they are in one.",
        ))  # fmt: skip
    return Recording(
        signals=channels.typed(raw, options, notices, file),
        started_at=_started(f"{device.get('date', '')} {device.get('time', '')}", options),
        format="adc_text",
        notices=tuple(notices),
    )


def _started(written: str, options: Options) -> datetime | None:
    for pattern in (None, "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S"):
        try:
            moment = datetime.strptime(written, pattern) if pattern else datetime.fromisoformat(written)
        except ValueError:
            continue
        return real_date(utc(moment, options.zone))
    return None
