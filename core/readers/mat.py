"""MATLAB files, read by pymatreader after a walk (security 1): version 5 tag by tag, 7.3 (HDF5) link by link."""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import Refused
from core.readers.base import MAX_UNPACKED_BYTES, refuse
from core.types import InputFile

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_DATA_TYPES = {*range(1, 8), 9, *range(12, 19)}
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)
_MAX_DEPTH = 50
# flags, up to 32 dimensions and a name of up to 63 letters lie within so many bytes
_HEAD = 512
_EXPORT = "Save it again from MATLAB or EEGLAB."


def load(file: InputFile, names: Sequence[str]) -> dict[str, Any]:
    """Some variables of a MATLAB file; a structure as a dict, an array of structures as a dict of lists."""
    import pymatreader

    try:
        (check_hdf5 if is_hdf5(file) else check)(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pymatreader.read_mat(file.path, variable_names=names)
    except (
        ValueError, TypeError, LookupError, RuntimeError, OSError, AttributeError, AssertionError, OverflowError,
        zlib.error,
    ) as broken:  # fmt: skip
        raise _damaged(file) from broken


def sniff(first: bytes) -> bool:
    """Whether a file that begins so is of version 5 or 7.3."""
    return first.startswith((b"MATLAB 5.0", b"MATLAB 7.3", HDF5_MAGIC)) or first[512:520] == HDF5_MAGIC


def is_mat(file: InputFile) -> bool:
    """Whether it is of version 5 or 7.3."""
    with Path(file.path).open("rb") as stream:
        return sniff(stream.read(600))


def names(file: InputFile) -> list[str]:
    """What the variables of a file are called; nothing is unpacked but that."""
    if is_hdf5(file):
        import h5py

        try:
            with h5py.File(file.path, "r") as store:
                return [name for name in store if not name.startswith("#")]
        except (OSError, RuntimeError, KeyError, ValueError) as broken:
            raise _damaged(file) from broken
    data = Path(file.path).read_bytes()
    order = _order(data, file)
    at, found = 128, []
    while at < len(data):
        kind, size, start, after = _tag(data, at, len(data), order, file)
        try:
            head = (zlib.decompressobj().decompress(data[start : start + size], _HEAD) if kind == _COMPRESSED
                    else data[at : at + _HEAD])  # fmt: skip
        except zlib.error as broken:
            raise _damaged(file) from broken
        inner = 8
        for _ in ("flags", "dimensions"):
            *_, inner = _tag(head, inner, len(head), order, file)
        _, size, start, _ = _tag(head, inner, len(head), order, file)
        found.append(head[start : start + size].decode("latin-1"))
        at = after
    return [name for name in found if name]


def is_hdf5(file: InputFile) -> bool:
    """Whether it is of version 7.3, whose header may lie before the HDF5 file."""
    with Path(file.path).open("rb") as stream:
        start = stream.read(520)
    return HDF5_MAGIC in (start[:8], start[512:])


def check_hdf5(file: InputFile, most: int = MAX_UNPACKED_BYTES) -> None:
    """Refuse a version 7.3 file that points out of itself, or holds more than ``most`` bytes unpacked."""
    import h5py

    sizes = []

    def points_away(_: str, link: Any) -> bool | None:
        return None if isinstance(link, h5py.HardLink) else True

    def weigh(_: str, item: Any) -> bool | None:
        if isinstance(item, h5py.Dataset):
            sizes.append(item.nbytes)
            return True if item.external or item.is_virtual else None
        return None

    with h5py.File(file.path, "r") as store:
        if store.visititems_links(points_away) or store.visititems(weigh):
            raise refuse("E-MAT-LINK", file, "it points to other files or places, which is not followed.",
                         "Ask for a file without links.")  # fmt: skip
    if sum(sizes) > most:
        raise refuse("E-MAT-SIZE", file, f"it holds more than {most / 10**9:.1f} GB unpacked.", "Save fewer variables.")


def check(file: InputFile, most: int = MAX_UNPACKED_BYTES) -> None:
    """Refuse a version 5 file whose tags do not fit into each other, or that holds more than ``most`` bytes."""
    data = Path(file.path).read_bytes()
    order = _order(data, file)
    at, unpacked = 128, 0
    while at < len(data):
        kind, size, start, after = _tag(data, at, len(data), order, file)
        if kind == _COMPRESSED:
            try:
                packed = data[start : start + size]
                head = zlib.decompressobj().decompress(packed, 8)
                # what the array says of its own size is enough to leave a bomb packed
                if len(head) < 8 or struct.unpack_from(order + "I", head, 4)[0] > most - unpacked:
                    raise _damaged(file)
                inflate = zlib.decompressobj()
                inner = inflate.decompress(packed, most - unpacked + 1)
            except zlib.error as broken:
                raise _damaged(file) from broken
            unpacked += len(inner)
            if unpacked > most or not inflate.eof:
                raise _damaged(file)
            kind, size, start, _ = _tag(inner, 0, len(inner), order, file)
            if kind == _MATRIX:
                _matrix(inner, start, start + size, order, file, 1)
        elif kind == _MATRIX:
            _matrix(data, start, start + size, order, file, 1)
        at = after


def _order(data: bytes, file: InputFile) -> str:
    """The byte order of a version 5 file."""
    if len(data) < 136 or data[126:128] not in (b"IM", b"MI") or not data.startswith(b"MATLAB"):
        raise _damaged(file)
    return "<" if data[126:128] == b"IM" else ">"


def _tag(data: bytes, at: int, limit: int, order: str, file: InputFile) -> tuple[int, int, int, int]:
    """An element's type, size, where its bytes start and where the next element does."""
    if at + 8 > limit:
        raise _damaged(file)
    kind, size = struct.unpack_from(order + "II", data, at)
    if kind >> 16:
        # a small element keeps its size in the upper half of its type
        kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if size > 4:
            raise _damaged(file)
    else:
        start = at + 8
        end = start + size if kind == _COMPRESSED else start + size + (-size % 8)
    if kind not in _DATA_TYPES or start + size > limit:
        raise _damaged(file)
    return kind, size, start, min(end, limit)


def _matrix(data: bytes, at: int, limit: int, order: str, file: InputFile, depth: int) -> None:
    """One array and everything within it."""
    if depth > _MAX_DEPTH:
        raise _damaged(file)
    if at == limit:
        return  # an empty cell
    kind, size, start, at = _tag(data, at, limit, order, file)
    if kind != 6 or size != 8:
        raise _damaged(file)
    cls = struct.unpack_from(order + "I", data, start)[0] & 0xFF
    if cls not in (_CELL, _STRUCT, _CHAR, *_NUMERIC):
        raise refuse(
            "E-MAT-CLASS", file, "it holds a kind of variable (sparse, object or function) that is not read.",
            "Save only numbers, text, cells and structures.",
        )  # fmt: skip
    kind, size, start, at = _tag(data, at, limit, order, file)
    dims = struct.unpack_from(f"{order}{size // 4}i", data, start)
    if kind != 5 or not dims or min(dims) < 0 or len(dims) > 32:
        raise _damaged(file)
    n = math.prod(dims)
    _, _, _, at = _tag(data, at, limit, order, file)  # the name
    if cls == _STRUCT:
        kind, _, start, at = _tag(data, at, limit, order, file)
        length = struct.unpack_from(order + "i", data, start)[0]
        _, size, _, at = _tag(data, at, limit, order, file)
        if length < 1:
            raise _damaged(file)
        n *= size // length
    if cls in (_CELL, _STRUCT):
        if n * 8 > limit - at:
            raise _damaged(file)
        for _ in range(n):
            kind, size, start, at = _tag(data, at, limit, order, file)
            if kind != _MATRIX:
                raise _damaged(file)
            _matrix(data, start, start + size, order, file, depth + 1)
        return
    kind, size, start, at = _tag(data, at, limit, order, file)
    if cls != _CHAR and n * _WIDTHS.get(kind, 8) > size:
        raise _damaged(file)


def _damaged(file: InputFile) -> Refused:
    return refuse("E-MAT", file, "the MATLAB file is damaged or cut off.", _EXPORT)
