"""MATLAB files of a corpus as plain values, both versions, under the limits of an import; for a child process.

A structure is a dict, a cell a list, an array of numbers an ndarray as MATLAB has it, a text a str.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from core.errors import Refused
from core.readers import mat
from core.readers.base import refuse
from core.types import InputFile

# what a file may hold unpacked: DREAMER's is about 2 GB
MAX_UNPACKED_BYTES = 4 * 2**30


def load(file: InputFile, names: tuple[str, ...]) -> Mapping[str, Any]:
    """Some variables of a file. Those of version 7.3 are opened when they are looked at, one at a time."""
    if mat.is_hdf5(file):
        return _hdf5(file, names)
    mat.check(file, MAX_UNPACKED_BYTES)
    from scipy.io import loadmat

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = loadmat(file.path, variable_names=list(names), squeeze_me=False, struct_as_record=True)
        except (ValueError, TypeError, LookupError, OSError, AttributeError, NotImplementedError) as broken:
            raise damaged(file) from broken
    return {name: _plain(found[name]) for name in names if name in found}


def damaged(file: InputFile) -> Refused:
    """The refusal of a file that cannot be decoded."""
    return refuse("E-MAT", file, "the MATLAB file is damaged or cut off.", "Download it again.")


def _plain(x: Any) -> Any:
    if isinstance(x, np.ndarray) and x.dtype.names:
        made = [{name: _plain(item[name]) for name in x.dtype.names} for item in x.ravel()]
        return made[0] if len(made) == 1 else made
    if isinstance(x, np.ndarray) and x.dtype == object:
        return [_plain(item) for item in x.ravel()]
    if isinstance(x, np.ndarray) and x.dtype.kind in "US":
        return str(x.ravel()[0]) if x.size else ""
    return x


def _hdf5(file: InputFile, names: tuple[str, ...]) -> dict[str, Any]:
    import h5py

    try:
        mat.check_hdf5(file, MAX_UNPACKED_BYTES)
        store = h5py.File(file.path, "r")
    except (OSError, RuntimeError, KeyError, ValueError) as broken:
        raise damaged(file) from broken
    return {name: _Lazy(store, store[name], 0) for name in names if name in store}


class _Lazy:
    """A value of a version 7.3 file: an item of a structure or cell is opened when it is asked for."""

    def __init__(self, store: Any, item: Any, depth: int):
        self.store, self.item, self.depth = store, item, depth
        if depth > 50:
            raise RecursionError

    def plain(self) -> Any:
        """The value: itself where it is a structure or cell, else an array or a text."""
        import h5py

        if not isinstance(self.item, h5py.Dataset) or self.item.dtype == h5py.ref_dtype:
            return self
        if self.item.attrs.get("MATLAB_empty"):
            return np.zeros((0, 0))
        x = self.item[()]
        if self.item.attrs.get("MATLAB_class") == b"char":
            return "".join(chr(c) for c in np.ravel(x))
        return np.asarray(x).T

    def get(self, name: str, default: Any = None) -> Any:
        """A field of a structure."""
        import h5py

        if not isinstance(self.item, h5py.Group) or name not in self.item:
            return default
        return _Lazy(self.store, self.item[name], self.depth + 1).plain()

    def __len__(self) -> int:
        return int(self.item.size) if hasattr(self.item, "size") else 0

    def __getitem__(self, i: int) -> Any:
        return _Lazy(self.store, self.store[self.item[()].T.ravel()[i]], self.depth + 1).plain()


def field(x: Any, name: str) -> Any:
    """A field of a structure of either version; None where there is none."""
    return x.get(name) if isinstance(x, dict | _Lazy) else None


def cells(x: Any) -> Any:
    """Something with a length and items: a cell of either version; a single value as a cell of one."""
    if isinstance(x, list) or (isinstance(x, _Lazy) and len(x)):
        return x
    return [] if x is None or (isinstance(x, np.ndarray) and not x.size) else [x]


def numbers(x: Any) -> np.ndarray:
    """An array of numbers as a vector, empty where it is none."""
    x = np.asarray(x) if isinstance(x, np.ndarray | float | int) else np.zeros(0)
    return x.astype(np.float64).ravel() if x.dtype.kind in "biuf" else np.zeros(0)


def samples(x: Any, n_channels: int, what: str, file: InputFile) -> np.ndarray:
    """Samples (n_times, n_channels) as float32, or Refused saying what is there instead."""
    if not isinstance(x, np.ndarray) or x.size == 0 or x.dtype.kind not in "biuf":
        raise refuse("E-NO-SAMPLES", file, f"{what} is missing or holds no numbers.", "")
    if x.ndim != 2 or x.shape[1] != n_channels:
        raise refuse("E-SHAPE", file, f"{what} has shape {x.shape}; expected (n_times, {n_channels}).", "")
    return x.astype(np.float32)
