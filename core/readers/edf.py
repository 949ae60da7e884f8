"""EDF, EDF+, BDF and BDF+: every signal at its own rate, interruptions as NaN.

The whole header is checked before a sample is touched, and the samples are then a plain table of integers, so that no
library parses bytes of a stranger here. Names, birth dates and other text about a person are never read out.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from core.errors import Refused
from core.readers import channels
from core.readers.base import (
    MAX_CHANNELS,
    MAX_DURATION_S,
    Options,
    check_rate,
    check_size,
    filled_gaps,
    kept_annotations,
    moved,
    only,
    real_date,
    refuse,
    utc,
    visible,
)
from core.types import InputFile, Notice, Recording

_BDF_MAGIC = b"\xffBIOSEMI"
_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_EXPORT = "Export it again from the recorder."
# records turned into numbers at a time
_BLOCK = 64


@dataclass(frozen=True)
class _Column:
    """One signal's part of the header; ``offset`` counts its first sample within a record."""

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    samples: int
    offset: int

    @property
    def is_annotations(self) -> bool:
        return self.label in ("EDF Annotations", "BDF Annotations")


@dataclass(frozen=True)
class _Header:
    width: int
    reserved: str
    start: bytes
    startdate: str
    n_records: int
    duration_s: float
    columns: tuple[_Column, ...]

    @property
    def bytes(self) -> int:
        return 256 * (len(self.columns) + 1)

    @property
    def record_bytes(self) -> int:
        return self.width * sum(c.samples for c in self.columns)


def sniff_edf(first: bytes, name: str) -> bool:
    """An EDF or EDF+ file: version 0 and a header length where one belongs."""
    return first[:8] == b"0       " and (len(first) < 256 or bool(re.match(rb"\s*-?\d+\s*$", first[184:192])))


def sniff_bdf(first: bytes, name: str) -> bool:
    """A BDF or BDF+ file."""
    return first[:8] == _BDF_MAGIC


def read_edf(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One EDF or EDF+ file as a recording."""
    return _read(only(files), options or Options(), bdf=False)


def read_bdf(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One BDF or BDF+ file as a recording."""
    return _read(only(files), options or Options(), bdf=True)


def _read(file: InputFile, options: Options, *, bdf: bool) -> Recording:
    notices: list[Notice] = []
    header = _header(file, bdf, notices)
    n_records = _records(file, header, notices)
    table = np.memmap(file.path, np.uint8, "r", header.bytes, (n_records, header.record_bytes))
    texts, onsets = _texts(table, header)
    first = onsets[0] if onsets else 0.0
    if not 0 <= first < 1:
        # EDF+ allows a fraction of a second here; more is another clock
        first = 0.0 if not header.reserved.endswith("+D") else first
    pieces = _pieces(file, header, n_records, onsets, notices)
    columns = [c for c in header.columns if not c.is_annotations]
    raw = []
    for column, x in zip(columns, _all_samples(table, columns, header.width), strict=True):
        sfreq = check_rate(column.samples / header.duration_s, file, f'"{column.label}"')
        if len(pieces) > 1:
            width = column.samples
            x = filled_gaps([(at, x[a * width : b * width]) for at, a, b in pieces], sfreq)
        raw.append(channels.Raw(column.label, column.unit, x, sfreq))
    plus = header.reserved[:4] in ("EDF+", "BDF+")
    return Recording(
        signals=channels.typed(raw, options, notices, file),
        started_at=_started(header, options, first, notices),
        annotations=kept_annotations([(at - first, length, text) for at, length, text in texts], notices),
        format=("bdf" if bdf else "edf") + ("+" if plus else ""),
        notices=tuple(notices),
    )


# ---------------------------------------------------------------------------------------------------- the header
def _header(file: InputFile, bdf: bool, notices: list[Notice]) -> _Header:
    """Every field of the header, checked; refused where it contradicts itself."""
    kind = "BDF" if bdf else "EDF"
    with Path(file.path).open("rb") as stream:
        fixed = stream.read(256)
        if fixed[:8] != (_BDF_MAGIC if bdf else b"0       "):
            raise refuse(
                f"E-{kind}-HEADER", file, f"this is no {kind} file: its first bytes are not {kind}'s.", _EXPORT
            )
        if len(fixed) < 256:
            raise _cut(file, kind, len(fixed))
        n = _count(fixed[252:256], file, kind, "number of signals")
        length = _count(fixed[184:192], file, kind, "header length")
        if not 1 <= n <= MAX_CHANNELS:
            raise refuse(
                f"E-{kind}-SIGNALS", file, f"the header says it holds {n} signals; 1 to {MAX_CHANNELS} are read.",
                f"The file is damaged. {_EXPORT}",
            )  # fmt: skip
        if length != 256 * (n + 1):
            raise refuse(
                f"E-{kind}-HEADER", file,
                f"the header says it is {length} bytes long, which does not fit {n} signals ({256 * (n + 1)} bytes).",
                f"The file is damaged. {_EXPORT}",
            )  # fmt: skip
        rest = stream.read(256 * n)
    if len(rest) < 256 * n:
        raise _cut(file, kind, 256 + len(rest))
    duration_s = _value(fixed[244:252], file, kind, "duration of a record")
    claimed = _count(fixed[236:244], file, kind, "number of records")
    columns = _columns(rest, n, file, kind, notices)
    signals = [c for c in columns if not c.is_annotations]
    if duration_s < 0 or (duration_s == 0 and signals):
        raise refuse(
            f"E-{kind}-DURATION", file, f"a record lasts {duration_s:g} s, so that the sampling rate is not known.",
            f"The header is damaged. {_EXPORT}",
        )  # fmt: skip
    width = 3 if bdf else 2
    header = _Header(
        width, fixed[192:236].decode("latin-1").strip()[:5], fixed[168:184],
        fixed[88:168].decode("latin-1")[:21], claimed, duration_s, tuple(columns),
    )  # fmt: skip
    check_size(len(columns), abs(float(claimed)) * sum(c.samples for c in columns) if claimed < 10**7 else 0, file)
    return header


def _columns(rest: bytes, n: int, file: InputFile, kind: str, notices: list[Notice]) -> list[_Column]:
    """The signals' headers: numbers parse, ranges are ranges, and there is at least a sample a record."""

    def fields(start: int, width: int) -> list[bytes]:
        return [rest[start * n + i * width : start * n + (i + 1) * width] for i in range(n)]

    labels = [f.decode("utf-8" if _is_utf8(f) else "latin-1").strip() for f in fields(0, 16)]
    units = [f.decode("utf-8" if _is_utf8(f) else "latin-1").strip() for f in fields(96, 8)]
    numbers = [fields(start, 8) for start in (104, 112, 120, 128, 216)]
    columns, offset, inverted = [], 0, []
    for i, label in enumerate(labels):
        where = f'of signal {i + 1} "{visible(label)}"'
        samples = _count(numbers[4][i], file, kind, f"samples a record {where}")
        texts = label in ("EDF Annotations", "BDF Annotations")
        if samples < 1:
            raise refuse(
                f"E-{kind}-SAMPLES",
                file,
                f"the samples a record {where} are {samples}.",
                f"The header is damaged. {_EXPORT}",
            )
        if texts:
            ranges = [0.0, 1.0, 0.0, 1.0]
        else:
            words = ("physical minimum", "physical maximum", "digital minimum", "digital maximum")
            ranges = [_value(numbers[k][i], file, kind, f"{words[k]} {where}") for k in range(4)]
            if ranges[0] == ranges[1] or ranges[2] >= ranges[3]:
                what = "physical" if ranges[0] == ranges[1] else "digital"
                raise refuse(
                    f"E-{kind}-RANGE", file,
                    f"the {what} minimum {where} is not below its maximum, so it has no scale.",
                    f"The header is damaged. {_EXPORT}",
                )  # fmt: skip
            if ranges[0] > ranges[1]:
                inverted.append(label)
        columns.append(_Column(label, units[i], (ranges[0], ranges[1]), (ranges[2], ranges[3]), samples, offset))
        offset += samples
    if inverted:
        notices.append(Notice(
            "W-POLARITY", f"The physical minimum lies above the maximum for {channels.listed(inverted)}: inverted "
            "polarity. Read as the header says; check that the signal is not upside down.",
        ))  # fmt: skip
    return columns


def _is_utf8(field: bytes) -> bool:
    try:
        field.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _cut(file: InputFile, kind: str, n_bytes: int) -> Refused:
    return refuse(
        f"E-{kind}-HEADER", file, f"the file ends inside its header, after {n_bytes} bytes.",
        "It is incomplete: copy it again, or export it again from the recorder.",
    )  # fmt: skip


def _value(field: bytes, file: InputFile, kind: str, what: str) -> float:
    text = field.decode("latin-1").strip().rstrip("\0").strip()
    # some recorders write a decimal comma
    text = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
    if not _NUMBER.match(text) or not math.isfinite(float(text)):
        raise refuse(
            f"E-{kind}-HEADER", file, f'the {what} in the header is "{visible(text, 12)}", which is no number.',
            f"The header is damaged. {_EXPORT}",
        )  # fmt: skip
    return float(text)


def _count(field: bytes, file: InputFile, kind: str, what: str) -> int:
    value = _value(field, file, kind, what)
    if value != int(value):
        raise refuse(f"E-{kind}-HEADER", file, f"the {what} in the header is {value:g}, no whole number.", _EXPORT)
    return int(value)


def _records(file: InputFile, header: _Header, notices: list[Notice]) -> int:
    """How many whole records are there, held against how many the header claims."""
    kind = "BDF" if header.width == 3 else "EDF"
    body = Path(file.path).stat().st_size - header.bytes
    there, left_over = divmod(body, header.record_bytes)
    claimed = header.n_records
    if there < 1 or claimed == 0:
        raise refuse(
            f"E-{kind}-RECORDS", file, "it does not hold one whole record of signals.",
            f"The file is incomplete or damaged: copy it again. {_EXPORT}",
        )  # fmt: skip
    check_size(len(header.columns), float(there) * header.record_bytes / header.width, file)
    if claimed < 0:
        notices.append(
            Notice(
                "W-RECORDS",
                f"The number of records is unknown (not closed by the recorder); {there} were found and read.",
            )
        )
        return there
    other = header.record_bytes // header.width * (2 if header.width == 3 else 3)
    if claimed > 0 and body == claimed * other and body != claimed * header.record_bytes:
        raise refuse(
            f"E-{kind}-SIZE", file,
            f"the size of its records is that of {'EDF' if kind == 'BDF' else 'BDF'}, not of the {kind} its "
            "header says.", f"The file is damaged or was renamed. {_EXPORT}",
        )  # fmt: skip
    if claimed > 2 * there or there > 2 * claimed:
        raise refuse(
            f"E-{kind}-SIZE", file, f"it says it holds {claimed:,} records, but there is room for {there:,}.",
            f"The file is damaged or was not closed. {_EXPORT}",
        )  # fmt: skip
    if claimed > there:
        notices.append(Notice(
            "W-TRUNCATED", f"The file is truncated: {there} of {claimed} records were read"
            + ("; the last one is incomplete." if left_over else "."),
        ))  # fmt: skip
    elif there > claimed or left_over:
        notices.append(Notice(
            "W-RECORDS", f"The file is larger than its {claimed} records; what follows them was not read (size).",
        ))  # fmt: skip
    return min(claimed, there)


# ---------------------------------------------------------------------------------------------------- the body
def _all_samples(table: np.ndarray, columns: Sequence[_Column], width: int) -> list[np.ndarray]:
    """Each signal's samples in its stated unit, float32, shape (n_times,); block by block, to stay within the cache."""
    out = [np.empty((len(table), c.samples), np.float32) for c in columns]
    for start in range(0, len(table), _BLOCK):
        block = np.ascontiguousarray(table[start : start + _BLOCK])
        for column, x in zip(columns, out, strict=True):
            part = block[:, column.offset * width : (column.offset + column.samples) * width]
            (low, high), (d_low, d_high) = column.physical, column.digital
            gain = (high - low) / (d_high - d_low)
            rows = x[start : start + _BLOCK]
            np.multiply(_integers(part, width), np.float32(gain), out=rows)
            rows += np.float32(low - d_low * gain)
    return [x.reshape(-1) for x in out]


def _integers(part: np.ndarray, width: int) -> np.ndarray:
    """Bytes of some records as signed integers, shape (n_records, n_samples)."""
    if width == 2:
        return np.ascontiguousarray(part).view("<i2")
    wide = np.zeros((len(part), part.shape[1] // 3, 4), np.uint8)
    wide[..., 1:] = part.reshape(len(part), -1, 3)
    # three bytes in the upper part of four, shifted down, keep their sign
    return wide.view("<i4")[..., 0] >> 8


def _texts(table: np.ndarray, header: _Header) -> tuple[list[tuple[float, float, str]], list[float]]:
    """Annotations as (onset, duration, text), and the onset of each record where one is kept."""
    texts: list[tuple[float, float, str]] = []
    onsets: list[float] = []
    columns = [c for c in header.columns if c.is_annotations]
    for i, column in enumerate(columns):
        width = header.width
        for record in table[:, column.offset * width : (column.offset + column.samples) * width]:
            lists = [part for part in record.tobytes().split(b"\x00") if part]
            for k, part in enumerate(lists):
                head, *words = part.split(b"\x14")
                onset, _, duration = head.partition(b"\x15")
                at, length = _seconds(onset), _seconds(duration) if duration else 0.0
                if i == 0 and k == 0 and words[:1] in ([], [b""]):
                    onsets.append(at)
                texts += [(at, length, w.decode("utf-8", "replace")) for w in words if w.strip()]
    complete = columns and len(onsets) == len(table) and all(math.isfinite(o) for o in onsets)
    return texts, onsets if complete else []


def _seconds(field: bytes) -> float:
    text = field.decode("latin-1").strip()
    return float(text) if _NUMBER.match(text) else math.nan


def _pieces(
    file: InputFile, header: _Header, n_records: int, onsets: list[float], notices: list[Notice]
) -> list[tuple[float, int, int]]:
    """Uninterrupted stretches as (onset in s from the first, first record, record after the last)."""
    whole = [(0.0, 0, n_records)]
    if not header.reserved.endswith("+D"):
        return whole
    if not onsets or any(b - a < header.duration_s * 0.999 for a, b in itertools.pairwise(onsets)):
        raise refuse(
            "E-EDF-TIME", file, "the recording is interrupted (EDF+D), and the times of its records are missing or "
            "do not follow one another.", "Export it again as a continuous recording (EDF+C).",
        )  # fmt: skip
    fastest = max((c.samples / header.duration_s for c in header.columns if not c.is_annotations), default=1.0)
    pieces, start = [], 0
    for i in range(1, n_records + 1):
        if i == n_records or onsets[i] - onsets[i - 1] - header.duration_s > 0.5 / fastest:
            pieces.append((onsets[start] - onsets[0], start, i))
            start = i
    length = onsets[-1] - onsets[0] + header.duration_s
    if length > MAX_DURATION_S:
        raise refuse(
            "E-DURATION", file, f"it spans {length / 86400:.1f} days; at most 7 are read.", "Export it in parts."
        )
    check_size(len(header.columns), length * fastest * len(header.columns), file)
    if len(pieces) > 1:
        lost = length - n_records * header.duration_s
        notices.append(Notice(
            "W-DISCONTINUOUS", f"The recording is discontinuous: {len(pieces) - 1} time gaps, {lost:.1f} s in all, "
            "are kept as missing values.",
        ))  # fmt: skip
    return pieces


def _started(header: _Header, options: Options, first: float, notices: list[Notice]) -> datetime | None:
    """The header's date in UTC; None for a blank one, with a notice where it is no date at all."""
    text = header.start.decode("latin-1")
    found = re.match(r"^(\d\d)[.\-/:](\d\d)[.\-/:](\d\d)(\d\d)[.:\-](\d\d)[.:\-](\d\d)$", text)
    moment = None
    if found:
        day, month, year, hour, minute, second = (int(g) for g in found.groups())
        year += 1900 if year >= 85 else 2000
        long = re.match(r"^Startdate (\d\d)-([A-Z]{3})-(\d{4})", header.startdate)
        if long and (int(long[1]), _MONTHS.index(long[2]) + 1 if long[2] in _MONTHS else 0) == (day, month):
            year = int(long[3])
        try:
            moment = datetime(year, month, day, hour, minute, second)
        except ValueError:
            found = None
    if not found and text.strip():
        notices.append(Notice("W-DATE", "The start date in the header is not a date and was not used."))
    moment = real_date(moment)
    return moved(utc(moment, options.zone), first) if moment else None
