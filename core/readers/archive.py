"""Zip archives: listed and checked, then read member by member in memory.

Only the zip of a study is unpacked: file by file, under names that were checked, into a folder of its own.
"""

from __future__ import annotations

import errno
import itertools
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

from core.errors import Refused
from core.readers.base import MAX_UNPACKED_BYTES, refuse, visible
from core.types import InputFile

MAX_ENTRIES = 200
MAX_RATIO = 200
_AGAIN = "Export the recording again from the device's own software and send that file."
# a stream of a few bytes may shrink any amount without being a threat
_RATIO_FROM_BYTES = 10**6


def members(file: InputFile, *, suffixes: tuple[str, ...] = ()) -> Mapping[str, bytes]:
    """The members of an archive by name, after every check of the directory; refused otherwise.

    Parameters
    ----------
    file : InputFile
        The archive.
    suffixes : tuple of str
        Members that do not end in one of these are checked but not read; empty reads all.
    """
    try:
        with zipfile.ZipFile(file.path) as archive:
            infos = [i for i in archive.infolist() if not i.is_dir()]
            _check(file, archive, infos)
            wanted = [i for i in infos if not suffixes or i.filename.lower().endswith(suffixes)]
            return {i.filename: _bytes_of(archive, i, file) for i in wanted}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, struct.error, NotImplementedError, OSError) as broken:
        raise refuse("E-ZIP", file, "the archive is damaged and cannot be listed or unpacked.", _AGAIN) from broken
    except RuntimeError as locked:
        raise refuse("E-ZIP-LOCKED", file, "the archive is encrypted.", "Send it without a password.") from locked


def unpack(file: InputFile, folder: Path, *, entries: int, total: int) -> None:
    """The files of an archive written into ``folder``, after every check of the directory; refused otherwise.

    ``entries`` and ``total`` are the most entries and bytes. A member that is one gzipped file stays as it is: BIDS
    keeps tables so, and who reads them has a limit of its own.
    """
    try:
        with zipfile.ZipFile(file.path) as archive:
            infos = [i for i in archive.infolist() if not i.is_dir()]
            _check(file, archive, infos, entries, total, kept=(".gz",))
            for info in infos:
                place = folder / info.filename
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(_bytes_of(archive, info, file))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, struct.error, NotImplementedError) as broken:
        raise refuse("E-ZIP", file, "the archive is damaged and cannot be unpacked.", "Pack it again.") from broken
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as twice:
        raise _bad(file, "a file of the archive has the name of a folder.") from twice
    except OSError as wrong:
        if wrong.errno != errno.ENAMETOOLONG:
            raise
        raise _bad(file, "the name of a file in the archive is too long.") from wrong


def _bytes_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: InputFile) -> bytes:
    """One member, with a cap, for the directory may lie about its size."""
    import zlib

    try:
        with archive.open(info) as stream:
            data = stream.read(info.file_size + 1)
    except zlib.error as broken:
        raise refuse("E-ZIP", file, f'"{visible(info.filename)}" in the archive is damaged.', _AGAIN) from broken
    if len(data) != info.file_size:
        raise refuse("E-ZIP", file, f'"{visible(info.filename)}" is not as long as the archive says.', _AGAIN)
    return data


def _check(
    file: InputFile,
    archive: zipfile.ZipFile,
    infos: list[zipfile.ZipInfo],
    entries: int = MAX_ENTRIES,
    total: int = MAX_UNPACKED_BYTES,
    kept: tuple[str, ...] = (),
) -> None:
    """Every rule on the directory of an archive (security 1)."""
    size = Path(file.path).stat().st_size
    if len(archive.infolist()) > entries:
        raise _bad(file, f"the archive holds {len(archive.infolist())} entries; at most {entries} are read.")
    if sum(i.file_size for i in infos) > total:
        raise _bad(file, f"the archive unpacks to more than {total // 10**6} MB.")
    names = [i.filename.lower() for i in archive.infolist()]
    if len(set(names)) != len(names):
        raise _bad(file, "the archive holds two entries of one name.")
    for info in archive.infolist():
        _check_entry(file, info, kept)
    spans = sorted((i.header_offset, _end_of(file, i, size)) for i in archive.infolist())
    if any(end > start for (_, end), (start, _) in itertools.pairwise(spans)):
        raise _bad(file, "entries of the archive overlap.")


def _check_entry(file: InputFile, info: zipfile.ZipInfo, kept: tuple[str, ...]) -> None:
    name = info.filename
    shown = f'"{visible(name)}"'
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in parts or ":" in parts[0]:
        raise _bad(file, f"{shown} points outside the archive.")
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _bad(file, f"{shown} is a link or a device, not a file.")
    if info.flag_bits & 0x1:
        raise refuse("E-ZIP-LOCKED", file, "the archive is encrypted.", "Send it without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _bad(file, f"{shown} is packed by a method that is not read.")
    if info.file_size > max(_RATIO_FROM_BYTES, MAX_RATIO * max(info.compress_size, 1)):
        raise _bad(file, f"{shown} unpacks to more than {MAX_RATIO} times its size.")
    packed = name.lower().endswith((".zip", ".gz", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz"))
    if packed and (not name.lower().endswith(kept) or name.lower().endswith(".tar.gz")):
        raise _bad(file, f"{shown} is an archive inside the archive.")


def _end_of(file: InputFile, info: zipfile.ZipInfo, size: int) -> int:
    """Where an entry's bytes end, by its local header."""
    with Path(file.path).open("rb") as stream:
        stream.seek(info.header_offset)
        head = stream.read(30)
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        raise _bad(file, f'"{visible(info.filename)}" is not where the archive says.')
    name_length, extra_length = struct.unpack("<HH", head[26:30])
    end = info.header_offset + 30 + name_length + extra_length + info.compress_size
    if end > size:
        raise _bad(file, f'"{visible(info.filename)}" is cut off.')
    return end


def _bad(file: InputFile, what: str) -> Refused:
    return refuse("E-ZIP", file, what, _AGAIN)
