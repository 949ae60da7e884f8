"""Empatica E4: the zip of a session, or its CSV files.

EDA, BVP, TEMP and ACC are read as signals. HR.csv is derived by the device from BVP, so it is listed (``misc``, /min)
and not analysed; IBI.csv holds the device's own intervals between beats, which become a signal of type ``rr``, missing
wherever the device was not sure; tags.csv becomes annotations "tag". Times in the files are Unix seconds in UTC.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from core.readers import archive, channels, rr
from core.readers.base import (
    MAX_DURATION_S,
    Options,
    check_rate,
    check_size,
    empty,
    kept_annotations,
    real_date,
    refuse,
)
from core.types import InputFile, Notice, Recording

_SIGNALS = {
    "EDA": ("eda", "µS"),
    "BVP": ("ppg", "au"),
    "TEMP": ("temp", "°C"),
    "ACC": ("acc", "1/64 g"),
    "HR": ("misc", "/min"),
}
_EXPECTED = ("ACC", "BVP", "EDA", "TEMP")
_NAME = re.compile(r"(?:^|[/_\- ])(ACC|BVP|EDA|HR|IBI|TEMP|tags)\.csv$", re.IGNORECASE)
_START = re.compile(rb"^\s*\d{9,11}(\.\d+)?\s*(,|\r|\n|$)")
_EXPORT = "Export the session again from the device's own software and send that zip."


def sniff(first: bytes, name: str) -> bool:
    """A zip that is not one of arrays, or a CSV of the E4 with its time and rate on the first two lines."""
    if first.startswith(b"PK\x03\x04"):
        return b".npy" not in first[30:300] and b"[Content_Types].xml" not in first[30:300]
    return part_of(name) is not None and bool(_START.match(first))


def part_of(name: str) -> str | None:
    """Which part of a session a file is by its name: EDA, BVP, TEMP, ACC, HR, IBI or TAGS."""
    found = _NAME.search(name)
    return found[1].upper() if found else None


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One zip, or the CSV files of one session, as a recording."""
    options = options or Options()
    notices: list[Notice] = []
    parts: dict[str, bytes] = {}
    for file in files:
        with Path(file.path).open("rb") as stream:
            packed = stream.read(4) == b"PK\x03\x04"
        if packed:
            _add(parts, _unpacked(file), file)
            continue
        body = Path(file.path).read_bytes()
        part = part_of(file.name)
        # an E4 writes an empty tags.csv when nobody pressed the button
        if not body and part not in ("TAGS", "IBI"):
            raise empty(file)
        if part is not None:
            _add(parts, {part: body}, file)
    where = files[0]
    if not any(p in parts for p in _SIGNALS):
        raise refuse(
            "E-E4", where, "it holds none of EDA.csv, BVP.csv, TEMP.csv and ACC.csv, so it is no E4 session.", _EXPORT
        )
    tables = {p: _table(parts[p], p, where) for p in _SIGNALS if p in parts}
    start = min(t[0] for t in tables.values())
    raw = []
    for part, (at, rate, x) in tables.items():
        kind, unit = _SIGNALS[part]
        names = [f"ACC {a}" for a in "xyz"] if part == "ACC" else [part]
        if x.shape[1] != len(names):
            raise refuse("E-E4", where, f"{part}.csv has {x.shape[1]} columns, expected {len(names)}.", _EXPORT)
        raw += [channels.Raw(n, unit, x[:, i], rate, at - start, kind=kind, origin=part) for i, n in enumerate(names)]
    raw += _intervals(parts.get("IBI", b""), start)
    missing = [f"{p}.csv" for p in _EXPECTED if p not in parts]
    if missing:
        notices.append(
            Notice("W-MISSING", f"{', '.join(missing)} missing from the session; what rests on it is not computed.")
        )
    date = real_date(datetime.fromtimestamp(start, UTC))
    return Recording(
        signals=channels.typed(raw, options, notices, where),
        started_at=date,
        annotations=kept_annotations(_tags(parts.get("TAGS", b""), start), notices),
        format="e4",
        notices=tuple(notices),
    )


def _unpacked(file: InputFile) -> Mapping[str, bytes]:
    """The CSV files of the archive by part; one top folder is allowed."""
    found = archive.members(file, suffixes=(".csv",))
    folders = {name.rpartition("/")[0] for name in found if not name.startswith("__MACOSX/") and part_of(name)}
    if len(folders) > 1:
        raise refuse("E-E4", file, "the archive holds several sessions.", "Send one session at a time.")
    parts: dict[str, bytes] = {}
    for name, body in found.items():
        part = part_of(name)
        if part and not name.startswith("__MACOSX/"):
            _add(parts, {part: body}, file)
    return parts


def _add(parts: dict[str, bytes], more: Mapping[str, bytes], file: InputFile) -> None:
    for part, body in more.items():
        if part in parts:
            raise refuse("E-E4", file, f"there are two files {part}.csv.", "Send one session at a time.")
        parts[part] = body


def _table(body: bytes, part: str, file: InputFile) -> tuple[float, float, np.ndarray]:
    """Start in Unix seconds, rate in Hz and values (n_times, n_columns) of one CSV."""
    import pyarrow as pa
    from pyarrow import csv

    lines = body.split(b"\n", 2)
    try:
        start = float(lines[0].split(b",")[0])
        rate = float(lines[1].split(b",")[0])
    except (ValueError, IndexError):
        start = rate = math.nan
    if not (math.isfinite(start) and 0 <= start < 1e11):
        raise refuse("E-E4", file, f"the first line of {part}.csv is no start time in Unix seconds.", _EXPORT)
    check_rate(rate, file, f"{part}.csv")
    rest = lines[2] if len(lines) > 2 else b""
    if not rest.strip():
        raise refuse("E-E4", file, f"{part}.csv holds no values.", _EXPORT)
    names = [str(i) for i in range(rest.split(b"\n", 1)[0].count(b",") + 1)]
    check_size(len(names), rest.count(b"\n") * len(names), file)
    try:
        table = csv.read_csv(
            io.BytesIO(rest),
            read_options=csv.ReadOptions(use_threads=False, column_names=names),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.float64())),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as broken:
        raise refuse("E-E4", file, f"a line of {part}.csv is no list of {len(names)} numbers.", _EXPORT) from broken
    x = np.stack([table.column(i).to_numpy() for i in range(len(names))], axis=1)
    return start, rate, x.astype(np.float32)


def _intervals(body: bytes, start: float) -> list[channels.Raw]:
    """The device's intervals: a line with its start, then the time of a beat after it and the interval before, s."""
    rows = [line.split(b",") for line in body.splitlines() if line.count(b",") == 1]
    try:
        at = float(rows[0][0]) if rows else math.nan
        x = np.array([[float(a), float(b)] for a, b in rows[1:]])
    except ValueError:
        return []
    x = x[(x[:, 1] > 0) & np.isfinite(x).all(axis=1)] if len(x) else x
    if len(x) < 2 or not math.isfinite(at) or (np.diff(x[:, 0]) <= 0).any() or x[-1, 0] > MAX_DURATION_S:
        return []
    begin, series = rr.timed(x[:, 0], x[:, 1])
    if not np.isfinite(series).any():
        return []
    return [channels.Raw("IBI", "ms", series, rr.SFREQ, at + begin - start, kind="rr", origin="IBI")]


def _tags(body: bytes, start: float) -> list[tuple[float, float, str]]:
    """The moments the wearer pressed the button."""
    marks = []
    for line in body.splitlines():
        try:
            at = float(line.split(b",")[0])
        except ValueError:
            continue
        marks.append((at - start if at > 0 else math.nan, 0.0, "tag"))
    return marks
