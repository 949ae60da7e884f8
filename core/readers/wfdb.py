"""WFDB (PhysioNet): a header, the files of samples it names, and annotations; decoded by the wfdb library.

The header is read here by the letter of its definition. The library, which would follow names to other folders and to
the network, gets a header of ours over copies in a folder of our own. Comments, which hold age and diagnoses, are not
read.
"""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import numpy as np

from core.readers import channels
from core.readers.base import (
    MAX_ANNOTATIONS,
    Options,
    check_rate,
    check_size,
    empty,
    kept_annotations,
    real_date,
    refuse,
    utc,
    visible,
)
from core.types import InputFile, Notice, Recording

# bytes of a sample; the compressed kinds (508, 516, 524) are not read
_BYTES = {
    "8": Fraction(1), "16": Fraction(2), "24": Fraction(3), "32": Fraction(4), "61": Fraction(2), "80": Fraction(1),
    "160": Fraction(2), "212": Fraction(3, 2), "310": Fraction(4, 3), "311": Fraction(4, 3),
}  # fmt: skip
_MAX_TEXT_BYTES = 10**6
_MAX_MARKS_BYTES = 20 * 10**6
_NUMBER = r"[+-]?(?:\d{1,15}\.?\d{0,15}|\.\d{1,15})(?:[eE][+-]?\d{1,3})?"
_RECORD = re.compile(
    rf"(?P<name>[\w-]{{1,80}})(?:/(?P<segments>\d{{1,9}}))?[ \t]+(?P<n>\d{{1,9}})"
    rf"(?:[ \t]+(?P<fs>{_NUMBER})(?:/{_NUMBER}(?:\({_NUMBER}\))?)?(?:[ \t]+(?P<length>\d{{1,18}})"
    r"(?:[ \t]+(?P<time>\d{1,2}(?::\d{1,2}){0,2}(?:\.\d{1,6})?)(?:[ \t]+(?P<date>\d{1,2}/\d{1,2}/\d{4}))?)?)?)?\s*"
)
_SIGNAL = re.compile(
    r"(?P<file>\S{1,200})[ \t]+(?P<format>\d{1,4})(?:x(?P<frame>\d{1,5}))?"
    r"(?::(?P<skew>\d{1,6}))?(?:\+(?P<offset>\d{1,9}))?"
    rf"(?:[ \t]+(?P<gain>{_NUMBER})(?:\((?P<baseline>[+-]?\d{{1,11}})\))?(?:/(?P<unit>\S{{1,40}}))?"
    r"(?:[ \t]+[+-]?\d{1,4}(?:[ \t]+(?P<zero>[+-]?\d{1,11})(?:[ \t]+(?P<first>[+-]?\d{1,11})"
    r"(?:[ \t]+(?P<sum>[+-]?\d{1,11})(?:[ \t]+[+-]?\d{1,9}(?:[ \t]+(?P<label>.{1,200}))?)?)?)?)?)?)?\s*"
)
_BARE = re.compile(r"[A-Za-z0-9_\-][A-Za-z0-9_.\-]*")
_MARKS = re.compile(r"(?i)\.(atr|ari|apn|ecg|gqrs|man|pu\d?|q1c|q2c|qrs|qt1|qt2|sqrs|st|wqrs)$")
_BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")
_EXPORT = "Send the header (.hea) with all the files it names, as they were published or exported."


@dataclass(frozen=True)
class _Line:
    """A signal as its header line states it; ``gain`` None: it is not calibrated."""

    file: str
    format: str
    frame: int
    skew: int
    offset: int
    gain: float | None
    baseline: int
    unit: str
    first: int
    sum: int | None
    label: str


@dataclass(frozen=True)
class _Header:
    name: str
    fs: float
    length: int
    started: datetime | None
    lines: tuple[_Line, ...]


def sniff(first: bytes, name: str) -> bool:
    """A WFDB header: a record line, and the line of a signal or the promise of segments."""
    lines = _lines(first[:4000].decode("latin-1"))
    found = _RECORD.fullmatch(lines[0]) if lines else None
    return bool(found and len(lines) > 1 and (found["segments"] or _SIGNAL.fullmatch(lines[1])))


def partners(file: InputFile, among: Sequence[InputFile]) -> list[InputFile]:
    """The files that a header asks for, and the annotations of the record; refused where samples are missing."""
    others = [f for f in among if f is not file]
    header = _header(file)
    mine = list(_asked(header, file, others).values())
    stem = Path(file.name).stem.lower()
    return mine + [f for f in others if f not in mine and _MARKS.search(f.name) and Path(f.name).stem.lower() == stem]


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """The header among ``files`` with its samples and annotations as a recording."""
    options = options or Options()
    for f in files:
        if Path(f.path).stat().st_size == 0:
            raise empty(f)
    head = next((f for f in files if _is_header(f)), None)
    if head is None:
        raise refuse("E-WFDB", files[0], "no WFDB header (.hea) is among the files.", _EXPORT)
    others = [f for f in files if f is not head]
    header = _header(head)
    notices: list[Notice] = []
    data = _asked(header, head, others)
    length = _length(header, head, data, notices)
    marked = [f for f in others if _MARKS.search(f.name) and all(f is not d for d in data.values())]
    with tempfile.TemporaryDirectory() as folder:
        rows = _samples(header, head, data, length, Path(folder), notices)
        marks = [m for f in marked for m in _annotations(f, header.fs, Path(folder))]
    loose = [visible(s.label) for s in header.lines if s.gain is None]
    if loose:
        notices.append(Notice(
            "W-GAIN", f"The gain of {channels.listed(loose)} is not stated (0), so its unit is not known: listed, not "
            "analysed. Say type and unit with --map if the numbers are in one.",
        ))  # fmt: skip
    turned = [visible(s.label) for s in header.lines if s.gain is not None and s.gain < 0]
    if turned:
        notices.append(Notice("W-GAIN", f"The gain of {channels.listed(turned)} is negative: read as it is stated."))
    raw = [
        channels.Raw(
            s.label, s.unit if s.gain is not None else None, x, header.fs * s.frame,
            kind="misc" if s.gain is None else None,
        )
        for s, x in zip(header.lines, rows, strict=True)
    ]  # fmt: skip
    return Recording(
        signals=channels.typed(raw, options, notices, head),
        started_at=utc(header.started, options.zone) if header.started else None,
        annotations=kept_annotations(marks, notices),
        format="wfdb",
        notices=tuple(notices),
    )


# ------------------------------------------------------------------------------------------------ the header
def _lines(text: str) -> list[str]:
    """The lines of a header that say something; comments start with #."""
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _is_header(file: InputFile) -> bool:
    with Path(file.path).open("rb") as stream:
        return sniff(stream.read(4000), file.name)


def _header(file: InputFile) -> _Header:
    """The header, every line of it by the definition (header(5) of the WFDB applications guide)."""
    with Path(file.path).open("rb") as stream:
        body = stream.read(_MAX_TEXT_BYTES + 1)
    lines = _lines(body.decode("latin-1"))
    record = _RECORD.fullmatch(lines[0]) if lines else None
    if record is None or len(body) > _MAX_TEXT_BYTES:
        raise refuse("E-WFDB", file, "its first line is not that of a WFDB header.", _EXPORT)
    if record["segments"]:
        raise refuse("E-WFDB", file, "it joins several records (segments), which is not read.",
                     "Send each of its records as a session of its own.")  # fmt: skip
    n = int(record["n"])
    check_size(n, 0, file)
    found = [_SIGNAL.fullmatch(line) for line in lines[1:]]
    if n < 1 or len(found) != n or not all(found):
        raise refuse("E-WFDB", file, f"it says it has {n} signals, and does not describe as many in full.", _EXPORT)
    # the definition's own default
    fs = check_rate(float(record["fs"] or 250.0), file, "the record")
    signals = tuple(_line(m, i, file) for i, m in enumerate(found) if m is not None)
    for s in signals:
        check_rate(fs * s.frame, file, s.label)
    started = None
    if record["date"] and record["time"] and record["time"].count(":") == 2:
        try:
            pattern = "%d/%m/%Y %H:%M:%S.%f" if "." in record["time"] else "%d/%m/%Y %H:%M:%S"
            started = real_date(datetime.strptime(f"{record['date']} {record['time']}", pattern))
        except ValueError:
            started = None
    return _Header(record["name"], fs, int(record["length"] or 0), started, signals)


def _line(m: re.Match[str], i: int, file: InputFile) -> _Line:
    """One signal line, with the defaults of the definition."""
    name = m["file"]
    if not _BARE.fullmatch(name):
        raise refuse(
            "E-WFDB-PATH", file, f'it names "{visible(name)}" as one of its files, which is not a plain file name.',
            "Put the files into one folder and write plain names into the header.",
        )  # fmt: skip
    if m["format"] not in _BYTES:
        raise refuse(
            "E-WFDB-FORMAT", file, f"its samples are written in format {m['format']}, which is not read.",
            f"Write them in one of {', '.join(_BYTES)} (xform of the WFDB software does so).",
        )  # fmt: skip
    gain = float(m["gain"] or 0.0)
    if not math.isfinite(gain) or (gain and not 1e-12 < abs(gain) < 1e12) or not 1 <= int(m["frame"] or 1) <= 1000:
        raise refuse("E-WFDB", file, f"the line of signal {i + 1} states a gain or a rate that cannot be.", _EXPORT)
    return _Line(
        name, m["format"], int(m["frame"] or 1), int(m["skew"] or 0), int(m["offset"] or 0), gain or None,
        int(m["baseline"] or m["zero"] or 0), m["unit"] or "mV", int(m["first"] or 0),
        int(m["sum"]) if m["sum"] else None, (m["label"] or "").strip() or f"signal {i + 1}",
    )  # fmt: skip


def _asked(header: _Header, file: InputFile, others: Sequence[InputFile]) -> dict[str, InputFile]:
    """The handed-in files of samples by the name the header gives them."""
    found = {}
    for name in dict.fromkeys(s.file for s in header.lines):
        one = next((f for f in others if f.name == name), None)
        one = one or next((f for f in others if f.name.lower() == name.lower()), None)
        if one is None:
            raise refuse(
                "E-MISSING", file, f'its samples are in "{visible(name)}", which is missing.',
                "Send the .hea file with all the files it names.",
            )  # fmt: skip
        found[name] = one
    return found


def _length(header: _Header, file: InputFile, data: dict[str, InputFile], notices: list[Notice]) -> int:
    """Frames that all of the files hold, held against what the header says."""
    held = []
    for name, one in data.items():
        mine = [s for s in header.lines if s.file == name]
        if len({(s.format, s.offset) for s in mine}) > 1:
            raise refuse("E-WFDB", file, f'it states two formats for one file ("{visible(name)}").', _EXPORT)
        frame = sum(s.frame for s in mine)
        size = Path(one.path).stat().st_size - mine[0].offset
        held.append(max(0, math.floor(size / _BYTES[mine[0].format] / frame)))
    there, said = min(held), header.length or min(held)
    if there < 1 or said > 2 * there:
        raise refuse(
            "E-WFDB-SIZE", file, f"it says it holds {said:,} samples of each signal, but there is room for {there:,}.",
            "The files are damaged or cut off: copy them again.",
        )  # fmt: skip
    if said > there:
        notices.append(Notice("W-TRUNCATED", f"The samples are truncated: {there:,} of {said:,} were read."))
    elif max(held) > said + 1:
        notices.append(Notice(
            "W-SIZE", f"The size of the files gives {max(held):,} samples, the header states {said:,}: those were read."
        ))  # fmt: skip
    check_size(len(header.lines), float(min(said, there)) * sum(s.frame for s in header.lines), file)
    return min(said, there)


# ------------------------------------------------------------------------------------------------ the library
def _samples(
    header: _Header, file: InputFile, data: dict[str, InputFile], length: int, folder: Path, notices: list[Notice]
) -> list[np.ndarray]:
    """The samples of each signal in the unit it states, raw numbers where it is not calibrated."""
    import wfdb

    copies = {}
    for i, (name, one) in enumerate(data.items()):
        copies[name] = f"{i}.dat"
        shutil.copyfile(one.path, folder / copies[name])
    text = [f"x {len(header.lines)} {header.fs!r} {length}"]
    for s in header.lines:
        gain, baseline = (1.0, 0) if s.gain is None else (s.gain, s.baseline)
        text.append(
            f"{copies[s.file]} {s.format}x{s.frame}:{s.skew}+{s.offset} {gain!r}({baseline})/mV 0 0 {s.first} 0 0 x"
        )
    (folder / "x.hea").write_text("\n".join(text) + "\n", encoding="ascii")
    try:
        record = wfdb.rdrecord(str(folder / "x"), physical=False, smooth_frames=False)
        sums = [int(np.sum(d)) & 0xFFFF for d in record.e_d_signal]
        rows = record.dac(expanded=True, return_res=32)
    except (ValueError, LookupError, TypeError, AttributeError, OSError, ArithmeticError) as broken:
        raise refuse("E-WFDB", file, "its samples cannot be decoded; the files are damaged.", _EXPORT) from broken
    if length == header.length:
        # skew moves samples out of sight, and then the sum is not to be had
        wrong = [
            visible(s.label)
            for s, found in zip(header.lines, sums, strict=True)
            if s.sum is not None and not s.skew and s.sum & 0xFFFF != found
        ]
        if wrong:
            notices.append(Notice(
                "W-CHECKSUM", f"The samples of {channels.listed(wrong)} do not add up to the sum the header states: "
                "some of them are damaged.",
            ))  # fmt: skip
    return [np.asarray(row, dtype=np.float32) for row in rows]


def _annotations(file: InputFile, fs: float, folder: Path) -> list[tuple[float, float, str]]:
    """Beats as "beat N" (its code), changes of rhythm as "rhythm AFIB", other marks by their code and note."""
    import wfdb

    damaged = refuse("E-WFDB-MARKS", file, "the annotation file is damaged.", "Copy it again, or send none.")
    if Path(file.path).stat().st_size > _MAX_MARKS_BYTES:
        raise damaged
    shutil.copyfile(file.path, folder / "x.atr")
    try:
        found = wfdb.rdann(str(folder / "x"), "atr")
        notes, rate = found.aux_note or [""] * len(found.sample), float(found.fs or fs)
        rows = [
            (float(at) / rate, 0.0, _word(symbol, note))
            for at, symbol, note in zip(found.sample, found.symbol, notes, strict=True)
        ]
    except (ValueError, LookupError, TypeError, AttributeError, OSError, ArithmeticError) as broken:
        raise damaged from broken
    return rows[: MAX_ANNOTATIONS + 1]


def _word(symbol: str, note: str) -> str:
    note = note.strip("\0 ")
    if symbol in _BEATS:
        return f"beat {symbol}"
    if symbol == "+" and note:
        return f"rhythm {note.lstrip('(')}"
    return f"mark {symbol}" + (f" {note}" if note else "")
