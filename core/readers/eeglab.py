"""EEGLAB datasets: a .set of MATLAB version 5 or 7.3, with its samples inside or in a .fdt beside it.

The name of the .fdt inside the .set is only compared with the files that were handed in. Fields about a person
(subject, session, comments, history) are not read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Refused
from core.readers import channels, mat
from core.readers.base import Options, check_rate, check_size, kept_annotations, only, refuse, visible
from core.types import InputFile, Notice, Recording

_FIELDS = ("data", "nbchan", "pnts", "trials", "srate", "xmin", "chanlocs", "event")
_EXPORT = "Save the dataset again from EEGLAB and send the .set together with its .fdt."
# EEGLAB keeps samples in µV; other kinds of channel have no unit of their own in a .set
_IN_MICROVOLT = ("eeg", "ecg", "eog", "emg")


def sniff(first: bytes, name: str) -> bool:
    """A MATLAB file of either version; whether it holds an EEGLAB dataset shows in ``read``."""
    return first.startswith((b"MATLAB 5.0", b"MATLAB 7.3", mat.HDF5_MAGIC)) or first[512:520] == mat.HDF5_MAGIC


def partners(file: InputFile, among: Sequence[InputFile]) -> list[InputFile]:
    """The .fdt that goes with a .set, where it is among the files: of the name written in the .set or of its own."""
    fdts = [f for f in among if f is not file and f.name.lower().endswith((".fdt", ".dat"))]
    if not fdts:
        return []
    data = _fields(file).get("data")
    return [f for f in fdts if isinstance(data, str) and f.name.lower() in _names(data, file)][:1]


def _names(data: str, head: InputFile) -> set[str]:
    """EEGLAB itself looks for a .fdt of the .set's own name when the two were renamed together."""
    return {data.lower(), f"{Path(head.name).stem}.fdt".lower()}


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """A .set, with its .fdt where it needs one, as a recording."""
    options = options or Options()
    head = next((f for f in files if _is_mat(f)), None)
    if head is None:
        only(files[:1])
        raise refuse("E-EEGLAB", files[0], "no EEGLAB .set is among the files.", _EXPORT)
    fields = _fields(head)
    notices: list[Notice] = []
    n, n_times, trials = (_whole(fields, k, head) for k in ("nbchan", "pnts", "trials"))
    sfreq = check_rate(_real(fields, "srate", head), head, "the dataset")
    if trials > 1:
        raise refuse(
            "E-EEGLAB-EPOCHS", head, f"it is cut into {trials} trials.", "Save the continuous dataset and send that."
        )
    check_size(n, float(n) * n_times, head)
    x = _samples(fields["data"], n, n_times, head, [f for f in files if f is not head])
    raw = []
    for row, (label, kind) in zip(x, _channels(fields.get("chanlocs"), n), strict=True):
        told = channels.type_of(f"{kind} {label}" if kind and kind.lower() != "eeg" else label, "µV")
        if kind.lower() == "eeg" and told == "misc":
            told = "eeg"
        raw.append(channels.Raw(label, "µV" if told in _IN_MICROVOLT else None, row, sfreq, kind=told))
    return Recording(
        signals=channels.typed(raw, options, notices, head),
        annotations=kept_annotations(_events(fields.get("event"), sfreq, notices), notices),
        format="eeglab",
        notices=tuple(notices),
    )


def _is_mat(file: InputFile) -> bool:
    with Path(file.path).open("rb") as stream:
        return sniff(stream.read(600), file.name)


def _fields(file: InputFile) -> dict[str, Any]:
    """The fields of the dataset that are needed: arrays, texts, and lists of dicts for channels and events."""
    only([file])
    fields = _fields_73(file) if mat.is_v73(file) else _fields_5(file)
    if "data" not in fields or "srate" not in fields:
        raise refuse(
            "E-MAT", file, "it is a MATLAB file without an EEGLAB dataset in it.",
            "Send an EEGLAB .set; studies in MATLAB files are read by study import.",
        )  # fmt: skip
    return fields


def _fields_5(file: InputFile) -> dict[str, Any]:
    found = mat.load(file, ["EEG", *_FIELDS])
    if "EEG" in found:
        found = {k: getattr(found["EEG"], k) for k in _FIELDS if hasattr(found["EEG"], k)}
    out = {k: found[k] for k in _FIELDS if k in found}
    for key in ("chanlocs", "event"):
        items = np.atleast_1d(out.get(key, np.array([]))).ravel()
        out[key] = [vars(i) for i in items if hasattr(i, "_fieldnames")]
    return out


def _fields_73(file: InputFile) -> dict[str, Any]:
    import h5py

    try:
        with h5py.File(file.path, "r") as store:
            root = store["EEG"] if isinstance(store.get("EEG", getlink=True), h5py.HardLink) else store
            out: dict[str, Any] = {}
            for key in _FIELDS:
                if isinstance(root.get(key, getlink=True), h5py.HardLink):
                    out[key] = _items(store, root[key]) if key in ("chanlocs", "event") else _value(root[key])
            return out
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as broken:
        if isinstance(broken, Refused):
            raise
        raise refuse("E-MAT", file, "the MATLAB 7.3 file is damaged or cut off.", _EXPORT) from broken


def _value(item: Any) -> Any:
    """A number, a text or an array of a 7.3 file; shape is checked by the caller before anything is computed."""
    import h5py

    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "biuf" or item.external or item.is_virtual:
        raise ValueError("no plain dataset")
    if item.attrs.get("MATLAB_empty", 0):
        return np.array([])
    if item.attrs.get("MATLAB_class") == b"char":
        if item.size > 10_000:
            raise ValueError("text too long")
        return "".join(chr(c) for c in np.asarray(item).T.ravel())
    if item.size > 2**31:
        raise ValueError("too large")
    array = np.asarray(item)
    return array.T if array.size > 1 else array.ravel()


def _items(store: Any, group: Any) -> list[dict[str, Any]]:
    """A struct array of a 7.3 file as dicts of the fields used here."""
    import h5py

    if not isinstance(group, h5py.Group):
        return []
    columns: dict[str, list[Any]] = {}
    for key in ("labels", "type", "latency", "duration"):
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            continue
        item = group[key]
        if item.dtype == h5py.ref_dtype or item.dtype.kind == "O":
            columns[key] = [_value(store[r]) if r else "" for r in np.asarray(item).T.ravel()[:100_000]]
        else:
            columns[key] = [_value(item)]
    n = max((len(c) for c in columns.values()), default=0)
    return [{k: c[i] for k, c in columns.items() if i < len(c)} for i in range(n)]


def _real(fields: Mapping[str, Any], key: str, file: InputFile) -> float:
    value = np.asarray(fields.get(key, np.nan))
    number = float(value.ravel()[0]) if value.size and value.dtype.kind in "biuf" else math.nan
    if not math.isfinite(number):
        raise refuse("E-EEGLAB", file, f'its field "{key}" is no number.', _EXPORT)
    return number


def _whole(fields: Mapping[str, Any], key: str, file: InputFile) -> int:
    number = _real(fields, key, file) if key != "trials" or key in fields else 1.0
    if number < 1 or number != int(number) or number > 2**31:
        raise refuse("E-EEGLAB", file, f'its field "{key}" is {number:g}.', _EXPORT)
    return int(number)


def _samples(data: Any, n: int, n_times: int, head: InputFile, others: Sequence[InputFile]) -> np.ndarray:
    """Samples (n_channels, n_times), from the .set itself or from the .fdt it names."""
    if not isinstance(data, str):
        x = np.asarray(data)
        x = x.reshape(n, -1) if x.size == n * n_times and n == 1 else x
        if x.dtype.kind not in "biuf" or x.shape != (n, n_times):
            raise refuse("E-EEGLAB", head, f"its samples have shape {x.shape}, expected ({n}, {n_times}).", _EXPORT)
        return x.astype(np.float32)
    if not data or "/" in data or "\\" in data or ":" in data or data.startswith("."):
        raise refuse(
            "E-EEGLAB-PATH", head, f'it names "{visible(data)}" as its data file, which is no plain file name.', _EXPORT
        )
    beside = next((f for f in others if f.name.lower() in _names(data, head)), None)
    if beside is None:
        raise refuse(
            "E-EEGLAB-MISSING",
            head,
            f'its samples are in "{visible(data)}", which is missing.',
            "Send both files together.",
        )
    size = Path(beside.path).stat().st_size
    if size != 4 * n * n_times:
        raise refuse(
            "E-EEGLAB-SIZE", beside,
            f"it is {size:,} bytes long; {n} channels of {n_times:,} samples need {4 * n * n_times:,}.",
            f"The file is cut off or belongs to another dataset. {_EXPORT}",
        )  # fmt: skip
    return np.fromfile(beside.path, "<f4").reshape(n_times, n).T


def _channels(items: Any, n: int) -> list[tuple[str, str]]:
    """Label and declared type of every channel."""
    items = items if isinstance(items, list) and len(items) == n else [{}] * n
    return [(_text(item.get("labels")) or f"channel {i + 1}", _text(item.get("type"))) for i, item in enumerate(items)]


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _events(items: Any, sfreq: float, notices: list[Notice]) -> list[tuple[float, float, str]]:
    """Events as annotations; MATLAB counts samples from 1."""
    marks = []
    for item in items or []:
        numbers = [np.asarray(item.get(k, np.nan)) for k in ("latency", "duration")]
        latency, duration = (float(v.ravel()[0]) if v.size and v.dtype.kind in "biuf" else math.nan for v in numbers)
        kind = item.get("type")
        word = (
            _text(kind) if isinstance(kind, str) else (f"{np.asarray(kind).ravel()[0]:g}" if _is_number(kind) else "")
        )
        marks.append(((latency - 1) / sfreq, duration / sfreq, word))
    if any(word == "boundary" for _, _, word in marks):
        notices.append(Notice(
            "W-DISCONTINUOUS", "The dataset is discontinuous: parts were cut out in EEGLAB (annotations \"boundary\"); "
            "the signal jumps there.",
        ))  # fmt: skip
    return marks


def _is_number(value: Any) -> bool:
    array = np.asarray(value)
    return bool(array.size) and array.dtype.kind in "biuf"
