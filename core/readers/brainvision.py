"""BrainVision: header, markers and samples in three files that name each other.

The names inside the header are only compared with those of the files that were handed in, and never opened.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from core.readers import channels
from core.readers.base import (
    MAX_CHANNELS,
    Options,
    check_rate,
    check_size,
    empty,
    filled_gaps,
    kept_annotations,
    real_date,
    refuse,
    utc,
    visible,
)
from core.types import InputFile, Notice, Recording

_FORMATS = {"INT_16": "<i2", "UINT_16": "<u2", "INT_32": "<i4", "IEEE_FLOAT_32": "<f4", "IEEE_FLOAT_64": "<f8"}
_MAX_TEXT_BYTES = 20 * 10**6
_EXPORT = "Export the recording again, all three files together."
_Sections = dict[str, dict[str, str]]


def sniff(first: bytes, name: str) -> bool:
    """A BrainVision header file; the other two are found by its names."""
    return b"brain vision data exchange header" in first[:120].lower()


def sniff_markers(first: bytes) -> bool:
    """A BrainVision marker file, which says nothing without its header."""
    return b"brain vision data exchange marker" in first[:120].lower()


def partners(file: InputFile, among: Sequence[InputFile]) -> list[InputFile]:
    """The files that a header asks for; refused where its data file is not among those handed in."""
    common = _common(_sections(file), file)
    others = {f.name: f for f in among if f is not file}
    found = [_partner(file, others, _asked(common, file, "datafile"))]
    if common.get("markerfile"):
        found.append(_partner(file, others, _asked(common, file, "markerfile"), required=False))
    return [f for f in found if f is not None]


def _asked(common: dict[str, str], file: InputFile, key: str) -> str:
    """A file name as written in the header; ``$b`` stands for the header's own name."""
    return common.get(key, "").replace("$b", Path(file.name).stem)


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """The header among ``files`` with its data and markers as a recording."""
    options = options or Options()
    header = next((f for f in files if _starts(f, sniff)), None)
    for f in files:
        if Path(f.path).stat().st_size == 0:
            raise empty(f)
    if header is None:
        raise refuse("E-BV-HEADER", files[0], "no BrainVision header (.vhdr) is among the files.", _EXPORT)
    sections = _sections(header)
    common = _common(sections, header)
    others = {f.name: f for f in files if f is not header}
    data = _partner(header, others, _asked(common, header, "datafile"))
    notices: list[Notice] = []
    interval = _number(common.get("samplinginterval", ""), header, "SamplingInterval")
    sfreq = check_rate(1e6 / interval if interval > 0 else math.inf, header, "the recording")
    x, described = _samples(header, sections, common, data, notices)
    marks: list[tuple[float, float, str]] = []
    moment = None
    if common.get("markerfile"):
        marker_file = _partner(header, others, _asked(common, header, "markerfile"), required=False)
        if marker_file is None:
            notices.append(Notice("W-MISSING", "The marker file (.vmrk) is missing: no markers, no start time."))
        else:
            marks, moment, starts = _markers(marker_file, sfreq, x.shape[1], notices)
            segments, lay = _segments(starts, sfreq, x.shape[1], notices)
            marks = [(lay(at), length, text) for at, length, text in marks]
            if len(segments) > 1:
                x = np.stack([filled_gaps([(at, row[a:b]) for at, a, b in segments], sfreq) for row in x])
    raw = [channels.Raw(name, unit, row, sfreq) for (name, unit), row in zip(described, x, strict=True)]
    moment = real_date(moment)
    return Recording(
        signals=channels.typed(raw, options, notices, header),
        started_at=utc(moment, options.zone) if moment else None,
        annotations=kept_annotations(marks, notices),
        format="brainvision",
        notices=tuple(notices),
    )


def _starts(file: InputFile, test) -> bool:
    with Path(file.path).open("rb") as stream:
        return test(stream.read(200), file.name)


def _sections(file: InputFile) -> _Sections:
    """A header or marker file as sections of key and value; comments and free text are passed over."""
    raw = Path(file.path).read_bytes()
    if len(raw) > _MAX_TEXT_BYTES or b"\0" in raw:
        raise refuse("E-BV-HEADER", file, "this is no text, as a BrainVision header has to be.", _EXPORT)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    sections: _Sections = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            current = sections.setdefault(line[1:-1].strip().lower(), {})
        elif "=" in line and not line.startswith(";"):
            key, _, value = line.partition("=")
            current.setdefault(key.strip().lower(), value.strip())
    return sections


def _common(sections: _Sections, file: InputFile) -> dict[str, str]:
    common = sections.get("common infos", {})
    if not common:
        raise refuse("E-BV-HEADER", file, "it has no section [Common Infos].", _EXPORT)
    return common


def _partner(header: InputFile, others: dict[str, InputFile], name: str, required: bool = True) -> InputFile | None:
    """The handed-in file of that name."""
    if not name or "/" in name or "\\" in name or name.startswith(".") or ":" in name:
        raise refuse(
            "E-BV-PATH", header, f'it names "{visible(name)}" as one of its files, which is not a plain file name.',
            "Put the three files into one folder and write plain names into the header.",
        )  # fmt: skip
    found = others.get(name) or next((f for n, f in others.items() if n.lower() == name.lower()), None)
    if found is None and required:
        raise refuse(
            "E-BV-MISSING", header, f'it belongs together with "{visible(name)}", which is missing.',
            "Send the .vhdr, .vmrk and .eeg files together, under the names they were written with.",
        )  # fmt: skip
    return found


def _number(text: str, file: InputFile, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise refuse("E-BV-HEADER", file, f'{what} is "{visible(text, 20)}", which is no number.', _EXPORT)
    return value


def _samples(
    header: InputFile, sections: _Sections, common: dict[str, str], data: InputFile | None, notices: list[Notice]
) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Samples (n_channels, n_times) in their stated units, with name and unit of each channel."""
    assert data is not None
    n = int(_number(common.get("numberofchannels", ""), header, "NumberOfChannels"))
    check_size(n, 0, header)
    infos = sections.get("channel infos", {})
    if not 1 <= n <= MAX_CHANNELS or len(infos) != n:
        raise refuse(
            "E-BV-CHANNELS", header, f"NumberOfChannels is {n}, but {len(infos)} channels are described.", _EXPORT
        )
    kind = _FORMATS.get(sections.get("binary infos", {}).get("binaryformat", "").upper())
    if common.get("dataformat", "").upper() != "BINARY" or kind is None:
        raise refuse(
            "E-BV-FORMAT", header, "its samples are not written as binary numbers.",
            "Export it in binary format (INT_16 or IEEE_FLOAT_32).",
        )  # fmt: skip
    described, scales = [], []
    for i in range(1, n + 1):
        parts = [p.replace("\\1", ",").strip() for p in infos.get(f"ch{i}", "").split(",")] + ["", "", "", ""]
        scale = _number(parts[2], header, f"the resolution of channel {i}") if parts[2] else 1.0
        if scale <= 0:
            raise refuse("E-BV-HEADER", header, f"the resolution of channel {i} is {scale:g}.", _EXPORT)
        # the format's own rule: no unit means microvolts
        described.append((parts[0] or f"channel {i}", parts[3] or "µV"))
        scales.append(scale)
    dtype = np.dtype(kind)
    size = Path(data.path).stat().st_size
    frames, left_over = divmod(size, n * dtype.itemsize)
    check_size(n, float(frames) * n, header)
    if frames < 1:
        raise refuse("E-BV-SIZE", data, "it does not hold one sample of every channel.", _EXPORT)
    if left_over:
        notices.append(Notice(
            "W-TRUNCATED", f"The size of the data file is no multiple of its {n} channels: it is truncated, "
            "and the incomplete last sample was left out.",
        ))  # fmt: skip
    flat = np.fromfile(data.path, dtype, frames * n)
    vectorised = common.get("dataorientation", "MULTIPLEXED").upper() == "VECTORIZED"
    x = flat.reshape(n, frames) if vectorised else flat.reshape(frames, n).T
    return (x * np.array(scales)[:, None]).astype(np.float32), described


def _markers(
    file: InputFile, sfreq: float, n_times: int, notices: list[Notice]
) -> tuple[list[tuple[float, float, str]], datetime | None, list[tuple[int, datetime | None]]]:
    """Markers as annotations, the time of the first sample, and where each segment starts."""
    marks: list[tuple[float, float, str]] = []
    segments: list[tuple[int, datetime | None]] = []
    outside = 0
    for key, value in _sections(file).get("marker infos", {}).items():
        parts = [p.replace("\\1", ",") for p in value.split(",")] + [""] * 6
        if not re.match(r"^mk\d+$", key) or not re.match(r"^\d+$", parts[2].strip()):
            continue
        position = int(parts[2]) - 1
        if parts[0].strip().lower() == "new segment":
            segments.append((max(position, 0), _moment(parts[5])))
            continue
        if not 0 <= position < n_times:
            outside += 1
            continue
        length = float(parts[3]) / sfreq if re.match(r"^\d+$", parts[3].strip()) else 0.0
        marks.append((position / sfreq, length, "/".join(p.strip() for p in parts[:2] if p.strip())))
    if outside:
        notices.append(Notice("W-MARKERS", f"{outside} markers lie outside the recording and were left out."))
    return marks, segments[0][1] if segments else None, segments


def _moment(text: str) -> datetime | None:
    """A segment's time, 20 digits down to microseconds."""
    try:
        return datetime.strptime(text.strip()[:20], "%Y%m%d%H%M%S%f")
    except ValueError:
        return None


def _segments(starts: list[tuple[int, datetime | None]], sfreq: float, n_times: int, notices: list[Notice]):
    """Stretches (onset in s, first sample, sample after the last), and how a time in the file maps onto them."""
    starts = [s for s in starts if s[0] < n_times]
    if len(starts) < 2:
        return [(0.0, 0, n_times)], lambda at: at
    first = starts[0][1]
    edges = [s[0] for s in starts] + [n_times]
    edges[0] = 0
    pieces: list[tuple[float, int, int]] = []
    end, unknown, lost = 0.0, 0, 0.0
    for (_, moment), a, b in zip(starts, edges, edges[1:], strict=False):
        at = (moment - first).total_seconds() if moment and first else math.nan
        if not end - 1 / sfreq <= at <= end + 86_400:
            unknown += bool(pieces)
            at = end
        lost += max(at - end, 0.0)
        at = max(at, end)
        pieces.append((at, a, b))
        end = at + (b - a) / sfreq
    text = f"The recording is discontinuous: {len(pieces) - 1} pauses, {lost:.1f} s in all, are kept as missing values"
    text += f"; the length of {unknown} of them is not known and is not shown." if unknown else "."
    notices.append(Notice("W-DISCONTINUOUS", text))

    def lay(at: float) -> float:
        sample = at * sfreq
        onset, a, _ = next(p for p in reversed(pieces) if p[1] <= sample + 0.5 or p is pieces[0])
        return onset + (sample - a) / sfreq

    return pieces, lay
