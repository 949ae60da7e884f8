"""NPZ and NPY arrays: our own layout, and plain arrays of others.

Per channel type ``t``: array ``t`` (n_times, n_channels) float32, scalar ``t_sfreq`` in Hz, optional ``t_names``,
``t_unit``, ``t_onset_s``; groups of one type at another rate or onset are ``t_2``, ``t_3`` ... with the same endings.
Optional ``started_at`` (ISO), ``annotation_onset_s``, ``annotation_duration_s``, ``annotation_description``.
Any other array of numbers is a signal at ``sfreq`` or ``fs``, of the type that an array of texts as long as it is wide
names its columns by, else of none. What is far shorter than the longest array is no signal.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO

import numpy as np

from core.readers import archive, channels
from core.readers.base import MAX_SAMPLES, Options, check_rate, check_size, kept_annotations, only, refuse, utc, visible
from core.settings import EPOC_14
from core.types import CHANNEL_TYPES, InputFile, Notice, Recording, Signal

_GROUP = re.compile(rf"^({'|'.join(CHANNEL_TYPES)})(?:_(\d{{1,4}}))?$")
_ENDINGS = ("_sfreq", "_names", "_unit", "_onset_s")
_RATES = ("sfreq", "fs")
# an array so many times shorter than the longest holds no samples
SHORT = 100
# the date every member carries, so that the same recording always gives the same bytes
_DATE = (1980, 1, 1, 0, 0, 0)


def write(recording: Recording, fileobj: IO[bytes]) -> None:
    """Write a recording in our layout; the same recording gives the same bytes.

    Signals are grouped by type, unit, rate, onset and length. Files and notices are not written.
    """
    groups: dict[tuple[str, str, float, float, int], list[Signal]] = {}
    for s in recording.signals:
        groups.setdefault((s.type, s.unit, s.sfreq, s.onset_s, len(s.data)), []).append(s)
    arrays: dict[str, np.ndarray] = {}
    seen: dict[str, int] = {}
    for (type_, unit, sfreq, onset_s, _), signals in groups.items():
        seen[type_] = seen.get(type_, 0) + 1
        key = type_ if seen[type_] == 1 else f"{type_}_{seen[type_]}"
        arrays[key] = np.stack([np.asarray(s.data, dtype=np.float32) for s in signals], axis=1)
        arrays[f"{key}_sfreq"] = np.array(sfreq)
        arrays[f"{key}_names"] = np.array([s.name for s in signals])
        arrays[f"{key}_unit"] = np.array(unit)
        arrays[f"{key}_onset_s"] = np.array(onset_s)
    if recording.started_at:
        arrays["started_at"] = np.array(recording.started_at.isoformat())
    if recording.annotations:
        arrays["annotation_onset_s"] = np.array([a.onset_s for a in recording.annotations])
        arrays["annotation_duration_s"] = np.array([a.duration_s for a in recording.annotations])
        arrays["annotation_description"] = np.array([a.description for a in recording.annotations])
    with zipfile.ZipFile(fileobj, "w", zipfile.ZIP_STORED) as out:
        for name, array in arrays.items():
            body = io.BytesIO()
            np.lib.format.write_array(body, np.asarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", _DATE)
            info.external_attr = 0o100644 << 16
            out.writestr(info, body.getvalue())


def sniff(first: bytes, name: str) -> bool:
    """An archive whose first member is an array, or a bare array."""
    return first.startswith(b"\x93NUMPY") or (first.startswith(b"PK\x03\x04") and b".npy" in first[30:300])


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """The arrays of an NPZ or NPY file as a recording."""
    options = options or Options()
    file = only(files)
    return recording(_arrays(file), options, file, "npz")


def recording(arrays: Mapping[str, np.ndarray], options: Options, file: InputFile, format_: str) -> Recording:
    """Arrays of numbers and texts by name as a recording."""
    notices: list[Notice] = []
    rate = next((_number(arrays[k], file, k) for k in _RATES if k in arrays), None)
    rate = options.sfreq or rate
    raw: list[channels.Raw] = []
    turned = _upright if options.asks("swap_axes") else np.asarray
    used = {"started_at", "annotation_onset_s", "annotation_duration_s", "annotation_description", *_RATES}
    for key in arrays:
        group = _GROUP.match(key)
        if group and arrays[key].ndim:
            used |= {key, *(key + end for end in _ENDINGS)}
            raw += _typed_group(turned(arrays[key]), arrays, key, group[1], rate, file)
    longest = max((max(x.shape, default=0) for x in arrays.values() if x.dtype.kind in "biuf"), default=0)
    short = [k for k in arrays if k not in used and _is_short(arrays[k], longest)]
    if short:
        notices.append(Notice("W-COLUMNS", f"{channels.listed(short)} hold too few numbers to be signals: not read."))
    for key in arrays.keys() - used - {*short}:
        raw += _plain(turned(arrays[key]), key, rate, file, _names_of(turned(arrays[key]), arrays, used))
    raw.sort(key=lambda r: list(arrays).index(r.origin))
    signals = channels.typed(raw, options, notices, file)
    return Recording(
        signals=signals,
        started_at=_started(arrays, options, notices),
        annotations=kept_annotations(_marks(arrays, file), notices),
        format=format_,
        notices=tuple(notices),
    )


def _arrays(file: InputFile) -> dict[str, np.ndarray]:
    """The members of the file as arrays; shape and kind are checked before any is made."""
    path = Path(file.path)
    with path.open("rb") as stream:
        bare = stream.read(6) == b"\x93NUMPY"
    if bare:
        return {Path(file.name).stem or "array": _array(path.read_bytes(), file, file.name)}
    found = archive.members(file, suffixes=(".npy",))
    if not found:
        raise refuse("E-NPZ", file, "the archive holds no array.", "Save the arrays with numpy.savez.")
    return {name.removesuffix(".npy"): _array(body, file, name) for name, body in found.items()}


def _array(body: bytes, file: InputFile, name: str) -> np.ndarray:
    stream = io.BytesIO(body)
    again = "Save the arrays again with numpy.savez, as numbers or text."
    try:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(stream)
    except ValueError as broken:
        raise refuse("E-NPZ", file, f'the header of array "{visible(name)}" is damaged.', again) from broken
    if dtype.hasobject:
        raise refuse(
            "E-CODE",
            file,
            f'array "{visible(name)}" holds objects, which can be instructions; it was not opened.',
            again,
        )
    if dtype.kind not in "biufUS":
        raise refuse("E-NPZ", file, f'array "{visible(name)}" holds neither numbers nor text.', again)
    n = math.prod(shape)
    if n > MAX_SAMPLES or n * dtype.itemsize != len(body) - stream.tell():
        raise refuse("E-NPZ", file, f'array "{visible(name)}" is not of the size its header says.', again)
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _upright(x: np.ndarray) -> np.ndarray:
    """An array that lies on its side (n_channels, n_times) turned; any other as it is."""
    return x.T if x.ndim == 2 and x.shape[1] > x.shape[0] else x


def _typed_group(
    x: np.ndarray, arrays: Mapping[str, np.ndarray], key: str, type_: str, rate: float | None, file: InputFile
) -> list[channels.Raw]:
    """The channels of one array of a known type, checked for shape, names and rate."""
    names = [str(n) for n in np.atleast_1d(arrays[f"{key}_names"])] if f"{key}_names" in arrays else None
    x = _columns(x, key, file, upright=names is not None and x.ndim == 2 and x.shape[1] == len(names))
    _n_times, n_channels = x.shape
    check_size(n_channels, x.size, file)
    sfreq = _number(arrays[f"{key}_sfreq"], file, f"{key}_sfreq") if f"{key}_sfreq" in arrays else rate
    if sfreq is None:
        raise refuse("E-RATE", file, f'"{key}" has no sampling rate.', f'Add a number "{key}_sfreq" in Hz, or --sfreq.')
    if names is not None and len(names) != n_channels:
        raise refuse(
            "E-SHAPE", file, f'"{key}" has {n_channels} columns but "{key}_names" holds {len(names)} names.',
            "Give one name for each column.",
        )  # fmt: skip
    if names is None:
        names = list(EPOC_14) if type_ == "eeg" and n_channels == len(EPOC_14) else _numbered(type_, n_channels)
    unit = str(arrays[f"{key}_unit"]) if f"{key}_unit" in arrays else None
    onset = _number(arrays[f"{key}_onset_s"], file, f"{key}_onset_s") if f"{key}_onset_s" in arrays else 0.0
    if not math.isfinite(onset):
        raise refuse("E-NPZ", file, f'"{key}_onset_s" is not a number.', "Give the onset in seconds.")
    check_rate(sfreq, file, key)
    return [channels.Raw(name, unit, x[:, i], sfreq, onset, kind=type_, origin=key) for i, name in enumerate(names)]


def _is_short(x: np.ndarray, longest: int) -> bool:
    """Whether an array beside samples is none of theirs, such as labels or positions."""
    return x.dtype.kind in "biuf" and x.ndim > 0 and max(x.shape) * SHORT < longest


def _names_of(x: np.ndarray, arrays: Mapping[str, np.ndarray], used: set[str]) -> list[str] | None:
    """The one array of texts that has a name for each column; None where there is none, or several."""
    texts = [a for k, a in arrays.items() if k not in used and a.dtype.kind in "US" and a.ndim == 1]
    fitting = [[str(name) for name in a] for a in texts if x.ndim == 2 and len(a) == x.shape[1]]
    return fitting[0] if len(fitting) == 1 else None


def _plain(
    x: np.ndarray, key: str, rate: float | None, file: InputFile, named: Sequence[str] | None
) -> list[channels.Raw]:
    """An array that is not of our layout: a signal a column, of the type its name tells, else unknown."""
    if x.ndim == 0 or x.dtype.kind not in "biuf" or x.size < 2:
        return []
    x = _columns(x, key, file)
    check_size(x.shape[1], x.size, file)
    names = named or ([key] if x.shape[1] == 1 else [f"{key} {i + 1}" for i in range(x.shape[1])])
    kind = None if named else "misc"
    known = rate is not None
    sfreq = check_rate(rate, file, key) if rate is not None else 1.0
    return [channels.Raw(n, None, x[:, i], sfreq, rate_known=known, kind=kind, origin=key) for i, n in enumerate(names)]


def _columns(x: np.ndarray, key: str, file: InputFile, *, upright: bool = False) -> np.ndarray:
    """The array as (n_times, n_channels); one that lies on its side is refused, never turned in silence.

    ``upright``: it has a name for each column, so that a few samples of many channels are no turned table.
    """
    if x.dtype.kind not in "biuf" or x.ndim not in (1, 2) or x.size == 0:
        raise refuse(
            "E-SHAPE", file, f'"{visible(key)}" has shape {x.shape}; expected numbers of shape (n_times, n_channels).',
            "Save it as a table with a row per sample.",
        )  # fmt: skip
    x = x[:, None] if x.ndim == 1 else x
    if x.shape[1] > x.shape[0] and not upright:
        raise refuse(
            "E-SHAPE", file,
            f'"{visible(key)}" has shape {x.shape}: it looks turned, with a row per channel. '
            f"Expected (n_times, n_channels), such as {x.shape[::-1]}.",
            f'Save it turned ("{visible(key)}".T); it was not turned for you.', repairs=("swap_axes",),
        )  # fmt: skip
    return x.astype(np.float32)


def _numbered(type_: str, n: int) -> list[str]:
    label = {"ecg": "ECG", "eda": "EDA", "ppg": "PPG", "eeg": "EEG"}.get(type_, type_)
    return [label] if n == 1 else [f"{label} {i + 1}" for i in range(n)]


def _number(x: np.ndarray, file: InputFile, key: str) -> float:
    if x.size != 1 or x.dtype.kind not in "biuf":
        raise refuse("E-NPZ", file, f'"{visible(key)}" is not one number.', "Save it as a single number.")
    return float(x.reshape(()))


def _started(arrays: Mapping[str, np.ndarray], options: Options, notices: list[Notice]) -> datetime | None:
    text = str(arrays["started_at"]) if "started_at" in arrays else ""
    if not text:
        return None
    try:
        return utc(datetime.fromisoformat(text), options.zone)
    except (ValueError, OverflowError):
        notices.append(Notice("W-DATE", f'The start date "{visible(text)}" is not a date and was not used.'))
        return None


def _marks(arrays: Mapping[str, np.ndarray], file: InputFile) -> list[tuple[float, float, str]]:
    if "annotation_onset_s" not in arrays:
        return []
    onset = np.atleast_1d(arrays["annotation_onset_s"])
    n = len(onset)
    duration = np.atleast_1d(arrays.get("annotation_duration_s", np.zeros(n)))
    text = np.atleast_1d(arrays.get("annotation_description", np.full(n, "annotation")))
    if (
        not len(onset) == len(duration) == len(text)
        or onset.dtype.kind not in "biuf"
        or duration.dtype.kind not in "biuf"
    ):
        raise refuse(
            "E-NPZ", file, "the annotation arrays are not of one length.", "Give onset, duration and text for each."
        )
    return [(float(a), float(b), str(c)) for a, b, c in zip(onset, duration, text, strict=True)]
