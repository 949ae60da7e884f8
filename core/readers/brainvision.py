"""BrainVision: header, markers and samples in three files that name each other, decoded by MNE.

The names inside the header are only compared with those of the files that were handed in, and never opened: MNE gets
the files from us, and of the header what stands before its free text.
"""

from __future__ import annotations

import configparser
import math
import re
import shutil
import tempfile
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

# what MNE reads, with the bytes of a sample
_FORMATS = {"INT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}
# numbers decoded at a time
_BLOCK = 2**21
_MAX_TEXT_BYTES = 20 * 10**6
_EXPORT = "Export the recording again, all three files together."
_COMMON = "Common Infos"


def sniff(first: bytes, name: str) -> bool:
    """A BrainVision header file; the other two are found by its names."""
    return b"brain vision data exchange header" in first[:120].lower()


def sniff_markers(first: bytes) -> bool:
    """A BrainVision marker file, which says nothing without its header."""
    return b"brain vision data exchange marker" in first[:120].lower()


def partners(file: InputFile, among: Sequence[InputFile]) -> list[InputFile]:
    """The files that a header asks for; refused where its data file is not among those handed in."""
    others = {f.name: f for f in among if f is not file}
    return [f for f in _asked(_header(file), file, others) if f is not None]


def _asked(
    settings: configparser.ConfigParser, file: InputFile, others: dict[str, InputFile]
) -> tuple[InputFile, InputFile | None]:
    """Data file and marker file of a header; ``$b`` in a name stands for the header's own."""
    names = [settings[_COMMON].get(key, "").replace("$b", Path(file.name).stem) for key in ("datafile", "markerfile")]
    found = [_partner(file, others, name) if name or i == 0 else None for i, name in enumerate(names)]
    if found[0] is None:
        raise refuse(
            "E-BV-MISSING", file, f'it belongs together with "{visible(names[0])}", which is missing.',
            "Send the .vhdr, .vmrk and .eeg files together, under the names they were written with.",
        )  # fmt: skip
    return found[0], found[1]


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """The header among ``files`` with its data and markers as a recording."""
    options = options or Options()
    header = next((f for f in files if _starts(f, sniff)), None)
    for f in files:
        if Path(f.path).stat().st_size == 0:
            raise empty(f)
    if header is None:
        raise refuse("E-BV-HEADER", files[0], "no BrainVision header (.vhdr) is among the files.", _EXPORT)
    settings = _header(header)
    data, marker_file = _asked(settings, header, {f.name: f for f in files if f is not header})
    notices: list[Notice] = []
    interval = _number(settings[_COMMON].get("samplinginterval", ""), header, "SamplingInterval")
    sfreq = check_rate(1e6 / interval if interval > 0 else math.inf, header, "the recording")
    x, described = _samples(header, settings, data, sfreq, notices)
    marks: list[tuple[float, float, str]] = []
    moment = None
    if marker_file is not None:
        marks, starts = _markers(marker_file, sfreq, x.shape[1], notices)
        moment = real_date(starts[0][1]) if starts else None
        segments, lay = _segments(starts, sfreq, x.shape[1], notices)
        marks = [(lay(at), length, text) for at, length, text in marks]
        if len(segments) > 1:
            x = np.stack([filled_gaps([(at, row[a:b]) for at, a, b in segments], sfreq) for row in x])
    elif settings[_COMMON].get("markerfile"):
        notices.append(Notice("W-MISSING", "The marker file (.vmrk) is missing: no markers, no start time."))
    raw = [channels.Raw(name, unit, row, sfreq) for (name, unit), row in zip(described, x, strict=True)]
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


def _text(file: InputFile) -> str:
    raw = Path(file.path).read_bytes()
    if len(raw) > _MAX_TEXT_BYTES or b"\0" in raw:
        raise refuse("E-BV-HEADER", file, "this is no text, as a BrainVision header has to be.", _EXPORT)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _header(file: InputFile) -> configparser.ConfigParser:
    """The settings of a header, without the free text and the positions behind them."""
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read_string(re.split(r"(?im)^\[(?:comment|coordinates)\]", _text(file))[0].partition("\n")[2])
    except configparser.Error as broken:
        raise refuse("E-BV-HEADER", file, "its header is damaged.", _EXPORT) from broken
    if settings.has_section("Common infos"):
        # as some exporters spell it
        settings[_COMMON] = settings["Common infos"]
    if not settings.has_section(_COMMON):
        raise refuse("E-BV-HEADER", file, "it has no section [Common Infos].", _EXPORT)
    # of the text as it was before it was read
    settings.remove_option(_COMMON, "codepage")
    return settings


def _partner(header: InputFile, others: dict[str, InputFile], name: str) -> InputFile | None:
    """The handed-in file of that name."""
    if not name or "/" in name or "\\" in name or name.startswith(".") or ":" in name:
        raise refuse(
            "E-BV-PATH", header, f'it names "{visible(name)}" as one of its files, which is not a plain file name.',
            "Put the three files into one folder and write plain names into the header.",
        )  # fmt: skip
    return others.get(name) or next((f for n, f in others.items() if n.lower() == name.lower()), None)


def _number(text: str, file: InputFile, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise refuse("E-BV-HEADER", file, f'{what} is "{visible(text, 20)}", which is no number.', _EXPORT)
    return value


def _samples(
    header: InputFile, settings: configparser.ConfigParser, data: InputFile, sfreq: float, notices: list[Notice]
) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Samples (n_channels, n_times) in their stated units, with name and unit of each channel."""
    common = settings[_COMMON]
    infos = settings["Channel Infos"] if settings.has_section("Channel Infos") else {}
    n = int(_number(common.get("numberofchannels", ""), header, "NumberOfChannels"))
    check_size(n, 0, header)
    if not 1 <= n <= MAX_CHANNELS or set(infos) != {f"ch{i}" for i in range(1, n + 1)}:
        raise refuse(
            "E-BV-CHANNELS", header, f"NumberOfChannels is {n}, but {len(infos)} channels are described.", _EXPORT
        )
    kind = settings.get("Binary Infos", "binaryformat", fallback="").upper()
    if common.get("dataformat", "").upper() != "BINARY" or kind not in _FORMATS:
        raise refuse(
            "E-BV-FORMAT", header, "its samples are not written as binary numbers of a kind that is read.",
            "Export it in binary format (INT_16 or IEEE_FLOAT_32).",
        )  # fmt: skip
    described = []
    for i in range(1, n + 1):
        parts = [p.replace("\\1", ",").strip() for p in infos[f"ch{i}"].split(",")] + ["", "", "", ""]
        scale = _number(parts[2], header, f"the resolution of channel {i}") if parts[2] else 1.0
        if scale <= 0:
            raise refuse("E-BV-HEADER", header, f"the resolution of channel {i} is {scale:g}.", _EXPORT)
        # the format's own rule: no unit means microvolts
        described.append((parts[0] or f"channel {i}", parts[3] or "µV"))
    frames, left_over = divmod(Path(data.path).stat().st_size, n * _FORMATS[kind])
    check_size(n, float(frames) * n, header)
    if frames < 1:
        raise refuse("E-BV-SIZE", data, "it does not hold one sample of every channel.", _EXPORT)
    orientation = common.get("dataorientation", "MULTIPLEXED").upper()
    if left_over and orientation == "VECTORIZED":
        raise refuse(
            "E-BV-SIZE", data, f"its size is no multiple of its {n} channels, so that none but the first has a "
            "beginning.", _EXPORT,
        )  # fmt: skip
    if left_over:
        notices.append(Notice(
            "W-TRUNCATED", f"The size of the data file is no multiple of its {n} channels: it is truncated, "
            "and the incomplete last sample was left out.",
        ))  # fmt: skip
    overrides = {
        "data_fname": data.path, "marker_fname": False, "sfreq": sfreq, "n_channels": n, "data_format": "BINARY",
        "binary_format": kind, "data_orientation": orientation, "ch_names": [str(i) for i in range(n)],
    }  # fmt: skip
    import mne

    x = np.empty((n, frames), np.float32)
    try:
        with tempfile.TemporaryDirectory() as folder:
            # MNE asks for the suffix
            with Path(folder, "x.vhdr").open("w", encoding="utf-8") as stream:
                stream.write("Brain Vision Data Exchange Header File Version 1.0\n")
                settings.write(stream)
            raw = mne.io.read_raw_brainvision(stream.name, overrides=overrides, verbose="ERROR")
        # MNE turns some units into volts; here the units stated are kept
        times = np.array([channel["range"] for channel in raw.info["chs"]])[:, None]
        for start in range(0, frames, step := max(1, _BLOCK // n)):
            x[:, start : start + step] = raw.get_data(start=start, stop=min(start + step, frames)) / times
    except (ValueError, LookupError, TypeError, AttributeError, OSError, RuntimeError) as broken:
        raise refuse("E-BV-HEADER", header, "its header is damaged.", _EXPORT) from broken
    return x, described


def _markers(
    file: InputFile, sfreq: float, n_times: int, notices: list[Notice]
) -> tuple[list[tuple[float, float, str]], list[tuple[int, datetime | None]]]:
    """Markers as annotations, and where and when each segment starts."""
    import mne

    text = _text(file)
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = mne.read_annotations(shutil.copyfile(file.path, Path(folder, "x.vmrk")), sfreq=sfreq)
    except (ValueError, LookupError, TypeError, OverflowError) as broken:
        raise refuse("E-BV-MARKERS", file, "the marker file is damaged.", _EXPORT) from broken
    rows = [
        (float(at), float(length), word.strip("/ "))
        for at, length, word in zip(found.onset, found.duration, found.description, strict=True)
        if not word.lower().startswith("new segment/")
    ]
    marks = [row for row in rows if -0.5 < row[0] * sfreq < n_times - 0.5]
    if len(marks) < len(rows):
        notices.append(
            Notice("W-MARKERS", f"{len(rows) - len(marks)} markers lie outside the recording and were left out.")
        )
    # MNE keeps the time of the first segment alone
    starts = re.findall(r"(?im)^mk\d+=new segment,[^,\n]*,(\d+),[^,\n]*,[^,\n]*,?(.*)$", text)
    return marks, [(max(int(position) - 1, 0), _moment(when)) for position, when in starts]


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
