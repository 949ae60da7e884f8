"""XDF: streams of several devices on one clock (Lab Streaming Layer), decoded by pyxdf.

The chunks are walked here first, and pyxdf gets those alone that are sound, behind headers of ours that hold what it
needs and no more. Of a stream's own description its channels are read, and neither host nor subject.
"""

from __future__ import annotations

import io
import itertools
import logging
import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from core.errors import Refused
from core.readers import channels
from core.readers.base import (
    MAX_CHANNELS,
    MAX_DURATION_S,
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    Options,
    check_size,
    filled_gaps,
    kept_annotations,
    only,
    real_date,
    refuse,
    utc,
    visible,
)
from core.types import InputFile, Notice, Recording

_BOUNDARY = bytes.fromhex("43A546DCCBF5410FB30ED5467383CBE4")
_WIDTHS = {"int8": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4, "double64": 8, "string": 0}
_MAX_XML_BYTES, _MAX_XML_DEPTH = 10 * 10**6, 50
_MAX_STREAMS = 200
# s; further than any clock that counts seconds since 1970 in the next centuries
_MAX_TIME_S = 1e11
# a break of a stream is longer than this and than so many samples
_BREAK_S, _BREAK_SAMPLES = 0.5, 5
# the stated rate is kept where every sample lies so close to it, s
_STRAY_S = 0.01
# and that they stray is said from here on
_SAID_STRAY_S = 0.05
_RECORD = "Record the session again, or export the streams one by one."
# what a channel or its stream says it is
_KINDS = {
    "eeg": "eeg", "ecg": "ecg", "ekg": "ecg", "eog": "eog", "emg": "emg", "gsr": "eda", "eda": "eda", "ppg": "ppg",
    "bvp": "ppg", "resp": "resp", "respiration": "resp", "temp": "temp", "temperature": "temp", "acc": "acc",
    "accelerometer": "acc", "heog": "eog", "veog": "eog",
}  # fmt: skip
_NO_KIND = {"", "exg", "misc", "aux", "signal", "data", "unknown", "none"}


@dataclass
class _Stream:
    """A stream's header in our words, and what of it is sound."""

    name: str
    kind: str
    n_channels: int
    rate: float
    width: int
    format: str
    described: list[tuple[str, str, str]]
    drops: bool
    chunks: list[tuple[int, bytes]] = field(default_factory=list)
    samples: int = 0
    clocks: int = 0
    counted: int | None = None


def sniff(first: bytes, name: str) -> bool:
    """An XDF file, by its first four bytes."""
    return first.startswith(b"XDF:")


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One XDF file as a recording: each regular stream at its own rate, markers as annotations."""
    options = options or Options()
    file = only(files)
    notices: list[Notice] = []
    streams, started = _walk(file, notices)
    check_size(
        sum(s.n_channels for s in streams.values() if s.width),
        sum(float(s.samples) * s.n_channels for s in streams.values()), file,
    )  # fmt: skip
    raw: list[channels.Raw] = []
    marks: list[tuple[float, float, str]] = []
    for number, loaded in _loaded(file, streams).items():
        stream, t = streams[number], loaded["time_stamps"]
        if stream.samples > len(t):
            notices.append(Notice(
                "W-STREAM", f"{_called(stream)}: the last {stream.samples - len(t)} samples came with a false clock "
                "(a known fault of recorders) and were left out.",
            ))  # fmt: skip
        if not len(t):
            notices.append(Notice("W-STREAM", f"{_called(stream)}: no sample was recorded."))
        elif stream.width and stream.rate > 0:
            raw += _regular(stream, loaded, notices)
        elif not stream.width or stream.n_channels == 1:
            marks += _marks(stream, loaded, notices)
        else:
            notices.append(Notice(
                "W-STREAM", f"{_called(stream)}: {stream.n_channels} channels, {len(t):,} samples at irregular times, "
                "which are not read.",
            ))  # fmt: skip
    if not raw and not marks:
        raise refuse("E-NO-SIGNAL", file, "none of its streams holds samples that can be read.", _RECORD)
    first = min((r.onset_s for r in raw), default=min((at for at, _, _ in marks), default=0.0))
    raw = [channels.Raw(**{**vars(r), "onset_s": r.onset_s - first}) for r in raw]
    return Recording(
        signals=channels.typed(raw, options, notices, file),
        started_at=utc(started, options.zone) if started else None,
        annotations=kept_annotations([(at - first, length, text) for at, length, text in marks], notices),
        format="xdf",
        notices=tuple(notices),
    )


def _called(stream: _Stream) -> str:
    return f'Stream "{visible(stream.name, 40)}" ({visible(stream.kind, 20) or "no type"})'


# ------------------------------------------------------------------------------------------------ the chunks
def _walk(file: InputFile, notices: list[Notice]) -> tuple[dict[int, _Stream], datetime | None]:
    """The sound chunks of every stream, and when the recorder opened the file; the rest is said."""
    body = Path(file.path).read_bytes()
    streams: dict[int, _Stream] = {}
    started: datetime | None = None
    broken = orphans = 0
    at, end = 4, len(body)
    if not body.startswith(b"XDF:"):
        raise refuse("E-XDF", file, "it does not start as an XDF file.", _RECORD)
    while at < end:
        found = _chunk(body, at)
        if found is None:
            if at + 16 < end and (further := body.find(_BOUNDARY, at)) >= 0:
                broken, at = broken + 1, further + len(_BOUNDARY)
                continue
            notices.append(Notice("W-TRUNCATED", "The file is truncated: its last chunk is incomplete and was left "
                                  "out, with everything behind it."))  # fmt: skip
            break
        tag, content = found.tag, body[found.start : found.stop]
        at = found.stop
        if tag == 1:
            started = _opened(content, file)
            continue
        if tag == 5:
            continue
        number = struct.unpack_from("<I", content)[0]
        content = content[4:]
        if tag == 2:
            if number in streams or len(streams) >= _MAX_STREAMS:
                raise refuse("E-XDF", file, "it declares a stream twice, or far too many.", _RECORD)
            streams[number] = _header(content, file)
        elif number not in streams:
            orphans += 1
        elif not _kept(streams[number], tag, content):
            broken += 1
    if not streams:
        raise refuse("E-XDF", file, "it declares no stream, or is damaged where it does.", _RECORD)
    if broken:
        notices.append(Notice("W-CORRUPT", f"{broken} corrupt chunks were left out."))
    if orphans:
        notices.append(Notice("W-STREAM", f"{orphans} chunks belong to a stream that is not declared: left out."))
    return streams, started


@dataclass(frozen=True)
class _Chunk:
    tag: int
    start: int
    stop: int


def _chunk(body: bytes, at: int) -> _Chunk | None:
    """The chunk at ``at``: its tag and where its content lies; None where there is none that is whole."""
    sized = _sized(body, at)
    if sized is None:
        return None
    length, start = sized
    stop = start + length
    if length < 2 or stop > len(body):
        return None
    tag = struct.unpack_from("<H", body, start)[0]
    least = {1: 2, 2: 6, 3: 7, 4: 22, 5: 18, 6: 6}.get(tag)
    return None if least is None or length < least else _Chunk(tag, start + 2, stop)


def _sized(body: bytes, at: int) -> tuple[int, int] | None:
    """A length of 1, 4 or 8 bytes and where what it measures starts."""
    width = body[at] if at < len(body) else 0
    if width not in (1, 4, 8) or at + 1 + width > len(body):
        return None
    return int.from_bytes(body[at + 1 : at + 1 + width], "little"), at + 1 + width


def _xml(content: bytes, file: InputFile) -> Element:
    """A description in XML; one with declarations of its own, or nested too deeply, is refused."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        if len(content) > _MAX_XML_BYTES:
            raise ValueError("too long")
        root: Element = fromstring(content.decode("utf-8", "replace"), forbid_dtd=True)
    except (SyntaxError, ValueError, DefusedXmlException) as broken:
        raise refuse("E-XDF", file, "the description of a stream in it is damaged or not allowed.", _RECORD) from broken
    level, depth = [root], 0
    while level:
        level, depth = [child for element in level for child in element], depth + 1
        if depth > _MAX_XML_DEPTH:
            raise refuse("E-XDF", file, "the description of a stream in it is nested too deeply.", _RECORD)
    return root


def _text(element: Element | None, path: str) -> str:
    return (element.findtext(path) or "").strip() if element is not None else ""


def _opened(content: bytes, file: InputFile) -> datetime | None:
    try:
        return real_date(datetime.fromisoformat(_text(_xml(content, file), "datetime")))
    except ValueError:
        return None


def _header(content: bytes, file: InputFile) -> _Stream:
    """What a stream is, from its header."""
    info = _xml(content, file)
    form = _text(info, "channel_format")
    try:
        n, rate = int(_text(info, "channel_count")), float(_text(info, "nominal_srate"))
    except ValueError:
        n, rate = 0, math.nan
    if not re.fullmatch(r"[1-9]\d{0,11}", _text(info, "channel_count")) or form not in _WIDTHS or not (
        rate == 0 or MIN_RATE_HZ <= rate <= MAX_RATE_HZ
    ):  # fmt: skip
        raise refuse(
            "E-XDF", file, "a stream in it states no channels, an unknown kind of number or an impossible rate.",
            _RECORD,
        )  # fmt: skip
    check_size(n, 0, file)
    described = [
        (_text(c, "label") or _text(c, "name"), _text(c, "unit"), _text(c, "type").lower())
        for c in itertools.islice(info.iterfind("desc/channels/channel"), MAX_CHANNELS)
    ]
    drops = _text(info, "desc/synchronization/can_drop_samples").lower() == "true"
    name, kind = _text(info, "name") or "unnamed", _text(info, "type")
    return _Stream(name, kind, n, rate, _WIDTHS[form], form, described, drops)


def _kept(stream: _Stream, tag: int, content: bytes) -> bool:
    """Keep a chunk of a stream where it is sound."""
    if tag == 3:
        count = _counted(stream, content)
        if count is None:
            return False
        stream.samples += count
    elif tag == 4:
        when, offset = struct.unpack_from("<dd", content) if len(content) == 16 else (math.nan, math.nan)
        if not (abs(when) < _MAX_TIME_S and abs(offset) < _MAX_TIME_S):
            return False
        stream.clocks += 1
    else:
        said = re.search(rb"<sample_count>\s*(\d{1,12})\s*</sample_count>", content)
        stream.counted = int(said[1]) if said else None
        return True
    stream.chunks.append((tag, content))
    return True


def _counted(stream: _Stream, content: bytes) -> int | None:
    """Samples of a chunk; None where its bytes are not exactly so many samples at times that can be."""
    sized = _sized(content, 0)
    if sized is None:
        return None
    count, at = sized
    row = stream.n_channels * stream.width
    if count < 1 or count * (1 + max(row, stream.n_channels)) > len(content) - at:
        return 0 if count == 0 and at == len(content) else None
    for _ in range(count):
        flag = content[at] if at < len(content) else -1
        if flag == 8 and at + 9 <= len(content):
            if not abs(struct.unpack_from("<d", content, at + 1)[0]) < _MAX_TIME_S:
                return None
            at += 9
        elif flag == 0:
            at += 1
        else:
            return None
        at += row
        for _ in range(0 if stream.width else stream.n_channels):
            sized = _sized(content, at)
            if sized is None:
                return None
            at = sized[0] + sized[1]
    return count if at == len(content) else None


# ------------------------------------------------------------------------------------------------ pyxdf
def _loaded(file: InputFile, streams: dict[int, _Stream]) -> dict[int, dict]:
    """The streams as pyxdf decodes them, on one clock and without jitter."""
    import pyxdf

    logging.getLogger("pyxdf").setLevel(logging.CRITICAL)
    out = io.BytesIO()
    out.write(b"XDF:" + _packed(1, b"<info><version>1.0</version></info>"))
    for number, s in streams.items():
        drops = "<synchronization><can_drop_samples>true</can_drop_samples></synchronization>" if s.drops else ""
        head = (
            f"<info><name>{number}</name><channel_count>{s.n_channels}</channel_count><nominal_srate>{s.rate!r}"
            f"</nominal_srate><channel_format>{s.format}</channel_format><desc>{drops}</desc></info>"
        )
        key = struct.pack("<I", number)
        out.write(_packed(2, key + head.encode()))
        for tag, content in s.chunks:
            out.write(_packed(tag, key + content))
        s.chunks.clear()
        if s.counted is not None:
            out.write(_packed(6, key + f"<info><sample_count>{s.counted}</sample_count></info>".encode()))
    out.seek(0)
    try:
        found, _ = pyxdf.load_xdf(
            out, jitter_break_threshold_seconds=_BREAK_S, jitter_break_threshold_samples=_BREAK_SAMPLES
        )
    except (ValueError, ArithmeticError, LookupError, TypeError, struct.error, np.linalg.LinAlgError) as broken:
        raise _damaged(file) from broken
    loaded = {s["info"]["stream_id"]: s for s in found}
    if any(not np.isfinite(s["time_stamps"]).all() for s in found):
        raise _damaged(file)
    return loaded


def _damaged(file: InputFile) -> Refused:
    return refuse("E-XDF", file, "the clocks of its streams cannot be put together; the file is damaged.", _RECORD)


def _packed(tag: int, content: bytes) -> bytes:
    return b"\x08" + struct.pack("<QH", len(content) + 2, tag) + content


def _marks(stream: _Stream, loaded: dict, notices: list[Notice]) -> list[tuple[float, float, str]]:
    """A stream of words, or of single numbers at irregular times, as annotations."""
    rows = loaded["time_series"]
    notices.append(Notice("W-STREAM", f"{_called(stream)}: {len(rows):,} markers, read as annotations{_sync(stream)}."))
    words = [" / ".join(w for w in (f"{v:g}" if stream.width else str(v).strip() for v in row) if w) for row in rows]
    return [(float(t), 0.0, word) for t, word in zip(loaded["time_stamps"], words, strict=True)]


def _sync(stream: _Stream) -> str:
    return f", clock compared {stream.clocks} times" if stream.clocks else ", its clock was never compared"


def _regular(stream: _Stream, loaded: dict, notices: list[Notice]) -> list[channels.Raw]:
    """A stream with a rate as channels on an even grid, NaN in its breaks."""
    t, x, info = loaded["time_stamps"], loaded["time_series"], loaded["info"]
    parts = [(a, b + 1) for a, b in info["segments"]]
    measured = float(info["effective_srate"])
    told = f"{_called(stream)}: {stream.n_channels} channels, {len(t):,} samples, {stream.rate:g} Hz stated"
    if (len(t) > 1 and not MIN_RATE_HZ <= measured <= MAX_RATE_HZ) or abs(t[-1] - t[0]) > MAX_DURATION_S:
        notices.append(Notice("W-STREAM", f"{told}; its timestamps keep no rate, so it is left out."))
        return []
    stray = max(float(np.abs(t[a:b] - t[a] - np.arange(b - a) / stream.rate).max()) for a, b in parts)
    rate = stream.rate if len(t) == 1 or stray <= max(_STRAY_S, 0.5 / stream.rate) else measured
    stray = max(float(np.abs(t[a:b] - t[a] - np.arange(b - a) / rate).max()) for a, b in parts)
    resets = len(info["clock_segments"]) - 1
    placed: list[tuple[float, int, int]] = []
    end, lost, back = 0.0, 0.0, 0
    first = float(t.min())
    for a, b in parts:
        at = float(t[a]) - first
        back += at < end - _BREAK_S
        lost += max(at - end, 0.0) if placed else 0.0
        at = max(at, end) if placed else at
        placed.append((at, a, b))
        end = at + (b - a) / rate
    if end > MAX_DURATION_S or end * rate > 4 * (len(t) + 1e6):
        notices.append(Notice("W-STREAM", f"{told}; its breaks are longer than a session, so it is left out."))
        return []
    text = f"{told}, {measured:.6g} Hz measured{_sync(stream)}"
    notices.append(Notice("W-STREAM", f"{text}; read at {rate:.6g} Hz."))
    if stray > _SAID_STRAY_S:
        notices.append(Notice(
            "W-TIMESTAMPS", f"{_called(stream)}: its parts ran at different rates; samples stray by up to "
            f"{stray:.2g} s from their time.",
        ))  # fmt: skip
    if resets > 0:
        notices.append(Notice(
            "W-CLOCK", f"{_called(stream)}: its clock was reset ({resets}x); the parts were put in place by the "
            "comparisons with the recorder's clock.",
        ))  # fmt: skip
    if len(parts) > 1:
        more = f" ({back} parts lie before the end of the one before and follow it at once)" if back else ""
        notices.append(Notice(
            "W-TIME-GAP",
            f"{_called(stream)}: {len(parts) - 1} time gaps, {lost:.3g} s in all, are kept as missing values{more}.",
        ))  # fmt: skip
    onset = first + placed[0][0]
    if placed[0][0]:
        placed = [(at - placed[0][0], a, b) for at, a, b in placed]
    made = []
    for i in range(stream.n_channels):
        label, unit, kind = stream.described[i] if i < len(stream.described) else ("", "", "")
        row = filled_gaps([(at, x[a:b, i].astype(np.float32)) for at, a, b in placed], rate)
        made.append(channels.Raw(
            label or f"{_KINDS.get(stream.kind.lower(), stream.name).upper()} {i + 1}", unit or None, row, rate, onset,
            kind=_kind(stream, label, unit, kind),
        ))  # fmt: skip
    return made


def _kind(stream: _Stream, label: str, unit: str, declared: str) -> str | None:
    """Type by what the channel declares, else by its stream; None leaves it to its name."""
    if declared in _KINDS:
        return _KINDS[declared]
    if declared not in _NO_KIND:
        return "misc" if channels.type_of(label, unit) == "misc" else None
    named = channels.type_of(label, unit) if label else "misc"
    return _KINDS.get(stream.kind.lower()) if named == "misc" and not declared else None
