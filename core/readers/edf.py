"""EDF, EDF+, BDF and BDF+: every signal at its own rate, interruptions as NaN.

The structure is checked here; edfio decodes fields, samples and annotations. It is given some whole records at a time,
so that its copies stay small, and never the two fields about the person.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

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
from core.types import CHANNEL_TYPES, InputFile, Notice, Recording, Signal

_BDF_MAGIC = b"\xffBIOSEMI"
_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_EXPORT = "Export it again from the recorder."
# handed to edfio at once: what stays within the cache, and few enough records for their durations to add up exactly
_PIECE_BYTES, _PIECE_RECORDS = 2**21, 1000
# what our own writer says of a signal in the field of its transducer, and of stretches that it had to fill
_OURS = re.compile(r"affectline ([a-z]+) (\d[\d.e+-]*) (.+)")
_FILLED = re.compile(r"BAD_(gap|pad)(?:@@(.+))?")
# some recorders write a decimal comma, or fill a field with zeros
_TIDY = bytes.maketrans(b",\0", b". ")


@dataclass(frozen=True)
class _Header:
    """What cuts a file into records; ``raw`` is the header as edfio is given it."""

    kind: str
    raw: bytes
    n_records: int
    duration_s: float
    # a record of every signal, those of texts included
    samples: tuple[int, ...]
    is_text: tuple[bool, ...]

    @property
    def width(self) -> int:
        return 3 if self.kind == "BDF" else 2

    @property
    def record_bytes(self) -> int:
        return self.width * sum(self.samples)

    @property
    def variant(self) -> bytes:
        return self.raw[192:236].strip()[:5]

    def decoded(self, records: bytes) -> Any:
        """Some whole records as edfio's Edf or Bdf."""
        import edfio

        data = self.raw[:236] + b"%-8d" % (len(records) // self.record_bytes) + self.raw[244:] + records
        encoding = "utf-8" if _is_utf8(self.raw[8:]) else "latin-1"
        read = edfio.read_bdf if self.kind == "BDF" else edfio.read_edf
        return read(data, header_encoding=encoding)


def sniff_edf(first: bytes, name: str) -> bool:
    """An EDF or EDF+ file: version 0 and a header length where one belongs."""
    return first[:8] == b"0       " and (len(first) < 256 or bool(re.match(rb"\s*-?\d+\s*$", first[184:192])))


def sniff_bdf(first: bytes, name: str) -> bool:
    """A BDF or BDF+ file."""
    return first[:8] == _BDF_MAGIC


def read_edf(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One EDF or EDF+ file as a recording."""
    return _read(only(files), options or Options(), "EDF")


def read_bdf(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One BDF or BDF+ file as a recording."""
    return _read(only(files), options or Options(), "BDF")


def _read(file: InputFile, options: Options, kind: str) -> Recording:
    notices: list[Notice] = []
    header = _header(file, kind)
    n_records = _records(file, header, notices)
    onsets = _onsets(file, header, n_records)
    stretches = _stretches(file, header, onsets, notices)
    # EDF+ allows the first record a fraction of a second; more is another clock
    first = onsets[0] if 0 <= onsets[0] < 1 or header.variant.endswith(b"+D") else 0.0
    raw: list[channels.Raw] = []
    labels: list[tuple[str, float]] = []
    marks: list[tuple[float, float, str]] = []
    damaged = False
    step = max(1, min(_PIECE_RECORDS, _PIECE_BYTES // header.record_bytes))
    with Path(file.path).open("rb") as stream:
        stream.seek(len(header.raw))
        for start in range(0, n_records, step):
            records = stream.read(min(step, n_records - start) * header.record_bytes)
            piece = header.decoded(records)
            if start == 0:
                raw = _described(file, header, piece, n_records, notices)
                labels = [(s.label, _floor(s)) for s in piece.signals]
            for r, signal in zip(raw, piece.signals, strict=True):
                at = start * signal.samples_per_data_record
                x = signal.data
                r.data[at : at + len(x)] = x
            try:
                try:
                    found = piece.annotations
                except UnicodeDecodeError:
                    # EDF+ asks for UTF-8 and edfio reads nothing else
                    found = header.decoded(re.sub(rb"[\x80-\xff]", b"?", records)).annotations
                # edfio counts from the first record it was given
                marks += [(at + onsets[start] - first, length or 0.0, text) for at, length, text in found]
            except (ValueError, IndexError):
                damaged = True
    if damaged:
        notices.append(Notice("W-ANNOTATIONS", "Annotations in parts of the file are damaged and were left out."))
    if len(stretches) > 1:
        raw = [replace(r, data=_with_gaps(r, stretches, n_records)) for r in raw]
    else:
        raw, marks = _without_filler(raw, labels, marks)
    signals = channels.typed(raw, options, notices, file)
    marks = _renamed([m for m in marks if m[2].strip()], labels, signals)
    return Recording(
        signals=signals,
        started_at=_started(header, first, options, notices),
        annotations=kept_annotations(marks, notices),
        format=kind.lower() + ("+" if header.variant[3:4] == b"+" else ""),
        notices=tuple(notices),
    )


# ---------------------------------------------------------------------------------------------------- the structure
def _header(file: InputFile, kind: str) -> _Header:
    """The fields that say where everything lies, checked; refused where they contradict each other."""
    with Path(file.path).open("rb") as stream:
        fixed = stream.read(256)
        if fixed[:8] != (_BDF_MAGIC if kind == "BDF" else b"0       "):
            raise refuse(
                f"E-{kind}-HEADER", file, f"this is no {kind} file: its first bytes are not {kind}'s.", _EXPORT
            )
        if len(fixed) < 256:
            raise _cut(file, kind, len(fixed))
        # the two fields about the person and the people around go no further
        fixed = fixed[:8] + b" " * 160 + fixed[168:184] + fixed[184:].translate(_TIDY)
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
    rest = rest[: 104 * n] + rest[104 * n :].translate(_TIDY)
    duration_s = _value(fixed[244:252], file, kind, "duration of a record")
    claimed = _count(fixed[236:244], file, kind, "number of records")
    fields = [rest[216 * n + 8 * i :][:8] for i in range(n)]
    samples = [_count(f, file, kind, f"samples a record of signal {i + 1}") for i, f in enumerate(fields)]
    if min(samples) < 1:
        raise refuse(
            f"E-{kind}-SAMPLES", file, f"the samples a record of a signal are {min(samples)}.",
            f"The header is damaged. {_EXPORT}",
        )  # fmt: skip
    is_text = tuple(rest[16 * i :][:16].rstrip() == f"{kind} Annotations".encode() for i in range(n))
    if duration_s < 0 or (duration_s == 0 and not all(is_text)):
        raise refuse(
            f"E-{kind}-DURATION", file, f"a record lasts {duration_s:g} s, so that the sampling rate is not known.",
            f"The header is damaged. {_EXPORT}",
        )  # fmt: skip
    check_size(n, abs(float(claimed)) * sum(samples) if claimed < 10**7 else 0, file)
    return _Header(kind, fixed + rest, claimed, duration_s, tuple(samples), is_text)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _cut(file: InputFile, kind: str, n_bytes: int) -> Refused:
    return refuse(
        f"E-{kind}-HEADER", file, f"the file ends inside its header, after {n_bytes} bytes.",
        "It is incomplete: copy it again, or export it again from the recorder.",
    )  # fmt: skip


def _value(field: bytes, file: InputFile, kind: str, what: str) -> float:
    text = field.decode("latin-1").strip()
    if not _NUMBER.match(text) or not math.isfinite(float(text)):
        raise refuse(
            f"E-{kind}-HEADER", file, f'the {what} in the header is "{visible(text, 12)}", which is no number.',
            f"The header is damaged. {_EXPORT}",
        )  # fmt: skip
    return float(text)


def _count(field: bytes, file: InputFile, kind: str, what: str) -> int:
    value = _value(field, file, kind, what)
    if not re.fullmatch(rb"[+-]?\d+", field.strip()):
        raise refuse(f"E-{kind}-HEADER", file, f"the {what} in the header is {value:g}, no whole number.", _EXPORT)
    return int(value)


def _records(file: InputFile, header: _Header, notices: list[Notice]) -> int:
    """How many whole records are there, held against how many the header claims."""
    kind = header.kind
    body = Path(file.path).stat().st_size - len(header.raw)
    there, left_over = divmod(body, header.record_bytes)
    claimed = header.n_records
    if there < 1 or claimed == 0:
        raise refuse(
            f"E-{kind}-RECORDS", file, "it does not hold one whole record of signals.",
            f"The file is incomplete or damaged: copy it again. {_EXPORT}",
        )  # fmt: skip
    check_size(len(header.samples), float(there) * sum(header.samples), file)
    if claimed < 0:
        notices.append(
            Notice(
                "W-RECORDS",
                f"The number of records is unknown (not closed by the recorder); {there} were found and read.",
            )
        )
        return there
    other = sum(header.samples) * (5 - header.width)
    if body == claimed * other and body != claimed * header.record_bytes:
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


# ---------------------------------------------------------------------------------------------------- the contents
def _described(file: InputFile, header: _Header, edf: Any, n_records: int, notices: list[Notice]) -> list[channels.Raw]:
    """Each signal with room for its samples, after its ranges were seen to be ranges."""
    kind, made, inverted = header.kind, [], []
    for signal in edf.signals:
        where = f'of "{visible(signal.label)}"'
        try:
            low, high = signal.physical_range
            bottom, top = signal.digital_range
        except ValueError:
            low = high = bottom = top = math.nan
        if not (math.isfinite(low) and math.isfinite(high)):
            raise refuse(
                f"E-{kind}-HEADER", file, f"the physical or digital range {where} holds something that is no number.",
                f"The header is damaged. {_EXPORT}",
            )  # fmt: skip
        if low == high or bottom >= top:
            what = "physical" if low == high else "digital"
            raise refuse(
                f"E-{kind}-RANGE", file, f"the {what} minimum {where} is not below its maximum, so it has no scale.",
                f"The header is damaged. {_EXPORT}",
            )  # fmt: skip
        if low > high:
            inverted.append(signal.label)
        x = np.empty(n_records * signal.samples_per_data_record, np.float32)
        sfreq = check_rate(signal.sampling_frequency, file, f'"{signal.label}"')
        raw = channels.Raw(signal.label.strip(), signal.physical_dimension.strip(), x, sfreq)
        made.append(_as_we_wrote(raw, signal.transducer_type))
    if inverted:
        notices.append(Notice(
            "W-POLARITY", f"The physical minimum lies above the maximum for {channels.listed(inverted)}: inverted "
            "polarity. Read as the header says; check that the signal is not upside down.",
        ))  # fmt: skip
    return made


def _as_we_wrote(raw: channels.Raw, transducer: str) -> channels.Raw:
    """A signal under the name, type and rate that our writer left, where they do not contradict the header."""
    told = _OURS.fullmatch(transducer.strip())
    if told is None or told[1] not in CHANNEL_TYPES or not _NUMBER.match(told[2]):
        return raw
    sfreq = float(told[2])
    if not abs(sfreq - raw.sfreq) * len(raw.data) <= 0.51 * raw.sfreq:
        return raw
    return replace(raw, name=unquote(told[3]), kind=told[1], sfreq=sfreq)


def _floor(signal: Any) -> float:
    """Half a step above the lowest value a signal can have."""
    low, high = signal.physical_range
    bottom, top = signal.digital_range
    return low + 0.5 * (high - low) / (top - bottom)


def _without_filler(
    raw: list[channels.Raw], labels: Sequence[tuple[str, float]], marks: list[tuple[float, float, str]]
) -> tuple[list[channels.Raw], list[tuple[float, float, str]]]:
    """Samples at the lowest value where an annotation says they fill a gap are missing; padding is no sample at all."""
    spans = [(at, long, found) for at, long, text in marks if (found := _FILLED.fullmatch(text.strip()))]
    if not spans:
        return raw, marks
    made = []
    for r, (label, floor) in zip(raw, labels, strict=True):
        first, last, onset = 0, len(r.data), 0.0
        for at, long, found in spans:
            if found[2] not in (None, label):
                continue
            a, b = max(0, round(at * r.sfreq)), min(len(r.data), round((at + long) * r.sfreq))
            part = r.data[a:b]
            part[part < floor] = np.nan
            if found[1] == "pad" and a == 0 and b < len(r.data) and np.isnan(part).all():
                first, onset = b, long
            elif found[1] == "pad" and a > 0 and b == len(r.data) and np.isnan(part).all():
                last = a
        made.append(replace(r, data=r.data[first:last], onset_s=onset))
    return made, [m for m in marks if not _FILLED.fullmatch(m[2].strip())]


def _renamed(
    marks: list[tuple[float, float, str]], labels: Sequence[tuple[str, float]], signals: Sequence[Signal]
) -> list[tuple[float, float, str]]:
    """Annotations of one channel under the name it has here instead of its label."""
    names = {label: s.name for (label, _), s in zip(labels, signals, strict=True)}
    parted = [(at, long, text.rpartition("@@")) for at, long, text in marks]
    return [
        (at, long, f"{said}@@{names[label]}" if said and label in names else said + sep + label)
        for at, long, (said, sep, label) in parted
    ]


def _onsets(file: InputFile, header: _Header, n_records: int) -> list[float]:
    """When each record starts, in s: the first text of each, which edfio keeps to itself; NaN where there is none."""
    if True not in header.is_text:
        return [0.0] * n_records
    column = header.is_text.index(True)
    start, stop = (header.width * sum(header.samples[:i]) for i in (column, column + 1))
    table = np.memmap(file.path, np.uint8, "r", len(header.raw), (n_records, header.record_bytes))
    words = [row.tobytes().partition(b"\x14")[0].decode("latin-1") for row in table[:, start:stop]]
    return [float(w) if _NUMBER.match(w) else math.nan for w in words]


def _stretches(
    file: InputFile, header: _Header, onsets: list[float], notices: list[Notice]
) -> list[tuple[float, int, int]]:
    """Uninterrupted stretches as (onset in s from the first, first record, record after the last)."""
    n_records = len(onsets)
    if not header.variant.endswith(b"+D"):
        return [(0.0, 0, n_records)]
    steps = [b - a for a, b in itertools.pairwise(onsets)]
    if True not in header.is_text or not all(s >= header.duration_s * 0.999 for s in [*steps, math.inf]):
        raise refuse(
            f"E-{header.kind}-TIME", file, "the recording is interrupted (EDF+D), and the times of its records are "
            "missing or do not follow one another.", "Export it again as a continuous recording (EDF+C).",
        )  # fmt: skip
    rows = [n for n, is_text in zip(header.samples, header.is_text, strict=True) if not is_text]
    fastest = max(rows, default=1) / (header.duration_s or 1.0)
    edges = [0, *(i + 1 for i, s in enumerate(steps) if s - header.duration_s > 0.5 / fastest), n_records]
    length = onsets[-1] - onsets[0] + header.duration_s
    if length > MAX_DURATION_S:
        raise refuse(
            "E-DURATION", file, f"it spans {length / 86400:.1f} days; at most 7 are read.", "Export it in parts."
        )
    check_size(len(header.samples), length * fastest * len(header.samples), file)
    if len(edges) > 2:
        lost = length - n_records * header.duration_s
        notices.append(Notice(
            "W-DISCONTINUOUS", f"The recording is discontinuous: {len(edges) - 2} time gaps, {lost:.1f} s in all, "
            "are kept as missing values.",
        ))  # fmt: skip
    return [(onsets[a] - onsets[0], a, b) for a, b in itertools.pairwise(edges)]


def _with_gaps(r: channels.Raw, stretches: list[tuple[float, int, int]], n_records: int) -> np.ndarray:
    width = len(r.data) // n_records
    return filled_gaps([(at, r.data[a * width : b * width]) for at, a, b in stretches], r.sfreq)


def _started(header: _Header, first_s: float, options: Options, notices: list[Notice]) -> datetime | None:
    """The header's date in UTC; None for a blank one, with a notice where it is no date at all."""
    # edfio asks the first text of the file for its fraction of a second, and gives no date where that is damaged
    text = re.sub("[/:'-]", ".", header.raw[168:184].decode("latin-1"))
    try:
        moment = real_date(datetime.strptime(text.replace(" ", "0"), "%d.%m.%y%H.%M.%S"))
    except ValueError:
        if text.strip():
            notices.append(Notice("W-DATE", "The start date in the header is not a date and was not used."))
        return None
    return moved(utc(moment, options.zone), first_s) if moment else None
