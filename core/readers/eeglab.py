"""EEGLAB datasets: a .set of MATLAB version 5 or 7.3, with its samples inside or in a .fdt beside it.

The .set is decoded by pymatreader, as in MNE. Not by MNE itself: it opens the .fdt under the name written in the .set,
and calls every channel EEG whose declared type it does not know ("EKG", "GSR").
The name of the .fdt inside the .set is only compared with the files that were handed in. Fields about a person
(subject, session, comments, history) are not read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.readers import channels, mat
from core.readers.base import Options, check_rate, check_size, kept_annotations, only, refuse, visible
from core.types import InputFile, Notice, Recording

_FIELDS = ("data", "nbchan", "pnts", "trials", "srate", "xmin", "chanlocs", "event")
_EXPORT = "Save the dataset again from EEGLAB and send the .set together with its .fdt."
# EEGLAB keeps samples in µV; other kinds of channel have no unit of their own in a .set
_IN_MICROVOLT = ("eeg", "ecg", "eog", "emg")


def sniff(first: bytes, name: str) -> bool:
    """A MATLAB file of either version by the name of a dataset; of another name it is ``matlab`` that looks into it."""
    return mat.sniff(first) and name.lower().endswith(".set")


def partners(file: InputFile, among: Sequence[InputFile]) -> list[InputFile]:
    """The .fdt that goes with a .set, where it is among the files: of the name written in the .set or of its own."""
    fdts = [f for f in among if f is not file and f.name.lower().endswith(".fdt")]
    if not fdts:
        return []
    data = _fields(file).get("data")
    return [f for f in fdts if isinstance(data, str) and f.name.lower() in _names(data, file)][:1]


def _names(data: str, head: InputFile) -> set[str]:
    """EEGLAB itself looks for a .fdt of the .set's own name when the two were renamed together."""
    # a .dat of old versions holds its samples in another order
    return {name for name in (data.lower(), f"{Path(head.name).stem}.fdt".lower()) if name.endswith(".fdt")}


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """A .set, with its .fdt where it needs one, as a recording."""
    options = options or Options()
    head = next((f for f in files if mat.is_mat(f)), None)
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


def _fields(file: InputFile) -> dict[str, Any]:
    """The fields of the dataset that are needed."""
    only([file])
    found = mat.load(file, ["EEG", *_FIELDS])
    found = found["EEG"] if isinstance(found.get("EEG"), dict) else found
    if "data" not in found or "srate" not in found:
        raise refuse(
            "E-MAT", file, "it is a MATLAB file without an EEGLAB dataset in it.",
            "Send an EEGLAB .set; give other arrays the ending .mat; studies are read by study import.",
        )  # fmt: skip
    return {key: found[key] for key in _FIELDS if key in found}


def _items(structs: Any) -> list[dict[str, Any]]:
    """An array of structures, which comes as a dict of lists or, of one structure, of values, as a list of dicts."""
    columns = {k: v if isinstance(v, list) else [v] for k, v in structs.items()} if isinstance(structs, dict) else {}
    return [dict(zip(columns, row, strict=True)) for row in itertools.zip_longest(*columns.values())]


def _number(value: Any) -> float:
    """The first number of a value, NaN where there is none."""
    array = np.asarray(value) if not isinstance(value, (list, dict)) else np.array([])
    return float(array.ravel()[0]) if array.size and array.dtype.kind in "biuf" else math.nan


def _real(fields: Mapping[str, Any], key: str, file: InputFile) -> float:
    number = _number(fields.get(key))
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


def _channels(structs: Any, n: int) -> list[tuple[str, str]]:
    """Label and declared type of every channel."""
    items = _items(structs)
    items = items if len(items) == n else [{}] * n
    return [(_text(item.get("labels")) or f"channel {i + 1}", _text(item.get("type"))) for i, item in enumerate(items)]


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _events(structs: Any, sfreq: float, notices: list[Notice]) -> list[tuple[float, float, str]]:
    """Events as annotations; MATLAB counts samples from 1."""
    marks = []
    for item in _items(structs):
        latency, duration, code = (_number(item.get(key)) for key in ("latency", "duration", "type"))
        word = _text(item.get("type")) or ("" if math.isnan(code) else f"{code:g}")
        marks.append(((latency - 1) / sfreq, duration / sfreq, word))
    if any(word == "boundary" for _, _, word in marks):
        notices.append(Notice(
            "W-DISCONTINUOUS", "The dataset is discontinuous: parts were cut out in EEGLAB (annotations \"boundary\"); "
            "the signal jumps there.",
        ))  # fmt: skip
    return marks
