"""MATLAB files of versions 5 to 7.3 that hold arrays of numbers: read as the arrays of an NPZ are (see ``npz``).

``Fs`` and its like say the rate too, and a cell of texts as long as an array is wide names its columns. A matrix with a
row per channel, as EEGLAB keeps it, is turned with a notice. Structures are not looked into, but for a dataset of
EEGLAB; a corpus of many people is imported as a study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.readers import eeglab, mat, npz
from core.readers.base import Options, only, refuse
from core.readers.channels import listed
from core.types import CHANNEL_TYPES, InputFile, Notice, Recording

# variables of a corpus, and what to import it as
_STUDIES = {"DREAMER": "dreamer", "joined_data": "amigos"}
_RATES = {"fs", "srate", "sfreq", "samplingrate", "sampling_rate", "samplerate", "sample_rate"}


def sniff(first: bytes, name: str) -> bool:
    """A MATLAB file of version 5 to 7.3."""
    return mat.sniff(first)


def read(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """The arrays of numbers of a file as a recording."""
    options = options or Options()
    file = next((f for f in files if mat.is_mat(f)), files[0])
    only([file])
    names = mat.names(file)
    study = next((_STUDIES[n] for n in names if n in _STUDIES), None)
    if study:
        raise refuse(
            "E-STUDY", file, f"it holds many recordings of a study ({study.upper()}), not one.",
            f"Import it: affectline study import {study}, or Import and export.",
        )  # fmt: skip
    found = mat.load(file, names)
    if isinstance(found.get("EEG"), dict) or {"data", "srate", "nbchan"} <= set(names):
        return eeglab.read(files, options)
    arrays = {}
    for name, value in found.items():
        array = _array(value)
        if array is not None and name in names:
            arrays[_known(name, array)] = array
    if not any(x.ndim and x.size > 1 and x.dtype.kind in "biuf" for x in arrays.values()):
        raise refuse(
            "E-MAT", file, "it is a MATLAB file without a table of numbers or an EEGLAB dataset in it.",
            "Save the samples as a matrix, a row per sample, and the rate as fs. Studies are read by study import.",
        )  # fmt: skip
    wide = [name for name, x in arrays.items() if x.ndim == 2 and x.shape[1] > x.shape[0] and x.dtype.kind in "biuf"]
    recording = npz.recording({k: x.T if k in wide else x for k, x in arrays.items()}, options, file, "matlab")
    if not wide:
        return recording
    text = f"{listed(wide)}: read with a row per channel, as MATLAB's programs keep it, for it is wider than long."
    return replace(recording, notices=(*recording.notices, Notice("W-SHAPE", text)))


def _known(name: str, array: np.ndarray) -> str:
    """The name under which ``npz`` knows a variable: MATLAB's users write EEG and Fs."""
    low = name.lower()
    if low in _RATES and array.size == 1:
        return "sfreq"
    return low if low.partition("_")[0] in CHANNEL_TYPES else name


def _array(value: Any) -> np.ndarray | None:
    """Numbers of one or two dimensions, or texts; None for what is neither."""
    if isinstance(value, str) or (isinstance(value, list) and value and all(isinstance(v, str) for v in value)):
        return np.char.strip(np.array(value))
    if isinstance(value, dict | list):
        return None
    array = np.asarray(value)
    if array.dtype.kind == "U":
        return np.char.strip(array)
    return array if array.dtype.kind in "biuf" and array.ndim <= 2 and array.size else None
