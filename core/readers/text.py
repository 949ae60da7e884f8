"""Tables that known programs write as text: the lines before the table, and chosen columns of it as numbers."""

from __future__ import annotations

import csv as text_csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.readers import tables
from core.readers.base import check_size, refuse
from core.types import InputFile, Notice


@dataclass(frozen=True)
class Table:
    """A table that was opened and not read yet: ``before`` are the lines above it, ``names`` its columns."""

    file: InputFile
    before: tuple[str, ...]
    names: tuple[str, ...]
    body: memoryview
    offset: int
    delimiter: str
    first: tuple[str, ...]

    def index(self, *names: str) -> int | None:
        """Place of the first of some names, capitals or not; None when there is none of them."""
        lower = [n.lower() for n in self.names]
        return next((lower.index(n.lower()) for n in names if n.lower() in lower), None)


def head_of(first: bytes) -> list[str]:
    """The lines at the start of a file, to recognise it by."""
    text = first.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    lines = text.splitlines()
    # a line that is cut off by the end of what was looked at is still a beginning
    return [line for line in lines if line.strip()]


def cells(line: str, delimiter: str) -> list[str]:
    """One line of a table, without the spaces around its cells."""
    return [c.strip() for c in next(iter(text_csv.reader([line], delimiter=delimiter)), [])]


def opened(
    file: InputFile,
    notices: list[Notice],
    *,
    delimiter: str = ",",
    before: int = 0,
    header: bool | None = True,
    max_columns: int = tables.MAX_COLUMNS,
) -> Table:
    """The table behind the comments and ``before`` further lines; a last row that was cut off is left out.

    ``header`` None: there is a line of names if its first cell is no number.
    """
    raw, start, skipped = tables.text(file, [])
    for _ in range(before):
        start, skipped = tables.next_line(raw, start), skipped + 1
    lines = tuple(raw[:start].decode("utf-8-sig").splitlines())
    while start < len(raw) and not raw[start : tables.next_line(raw, start)].strip():
        start, skipped = tables.next_line(raw, start), skipped + 1
    end = tables.next_line(raw, start)
    names = cells(raw[start:end].decode("utf-8"), delimiter)
    if len(names) > max_columns:
        raise refuse(
            "E-CSV-WIDE", file, f"it has {len(names)} columns; at most {max_columns} are read.", "Export fewer columns."
        )
    if header is None:
        header = bool(names) and not _is_number(names[0])
    if header:
        start, skipped = end, skipped + 1
    else:
        names = [f"column {i + 1}" for i in range(len(names))]
    while start < len(raw) and not raw[start : tables.next_line(raw, start)].strip():
        start, skipped = tables.next_line(raw, start), skipped + 1
    body = memoryview(raw)[start : _whole(raw, start, len(names), delimiter, notices)]
    if not len(body):
        raise refuse("E-CSV-ROWS", file, "it has no rows of values.", "Export the recording again.")
    first = cells(bytes(body[: tables.next_line(raw, start) - start]).decode("utf-8"), delimiter)
    return Table(file, lines, tuple(names), body, skipped, delimiter, tuple(first))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _whole(raw: bytes, start: int, n: int, delimiter: str, notices: list[Notice]) -> int:
    """Where the last whole row ends."""
    if raw.endswith((b"\n", b"\r")):
        return len(raw)
    last = raw.rfind(b"\n") + 1
    if last <= start or len(cells(raw[last:].decode("utf-8"), delimiter)) >= n:
        return len(raw)
    notices.append(Notice("W-TRUNCATED", "The file is truncated: its last row is incomplete and was left out."))
    return last


def numbers(table: Table, wanted: Iterable[int], *, null: Sequence[str] = ()) -> dict[int, np.ndarray]:
    """Some columns as float64, shape (n_rows,) each; empty cells and those in ``null`` are NaN."""
    import pyarrow as pa

    columns = _columns(table, dict.fromkeys(wanted, pa.float64()), null)
    return {i: c.to_numpy() for i, c in columns.items()}


def words(table: Table, wanted: Iterable[int]) -> dict[int, list[str]]:
    """Some columns as text, empty where nothing is written."""
    import pyarrow as pa

    return {i: [v or "" for v in c.to_pylist()] for i, c in _columns(table, dict.fromkeys(wanted, pa.string())).items()}


def _columns(table: Table, kinds: Mapping[int, Any], null: Sequence[str] = ()) -> dict[int, Any]:
    import pyarrow as pa
    from pyarrow import csv

    keys = [str(i) for i in range(len(table.names))]
    check_size(0, float(len(kinds)) * bytes(table.body).count(b"\n"), table.file)
    try:
        found = csv.read_csv(
            pa.BufferReader(pa.py_buffer(table.body)),
            read_options=csv.ReadOptions(use_threads=False, column_names=keys),
            parse_options=csv.ParseOptions(delimiter=table.delimiter),
            convert_options=csv.ConvertOptions(
                column_types={keys[i]: kind for i, kind in kinds.items()}, include_columns=[keys[i] for i in kinds],
                null_values=[*tables.NULLS, *null], strings_can_be_null=False,
            ),
        )  # fmt: skip
    except pa.ArrowInvalid as broken:
        raise tables.unparsed(table.file, str(broken), list(table.names), table.offset) from broken
    if not len(found):
        raise refuse("E-CSV-ROWS", table.file, "it has no rows of values.", "Export the recording again.")
    return {i: found.column(keys[i]) for i in kinds}


def labelled(values: Sequence[str], t: np.ndarray) -> list[tuple[float, float, str]]:
    """Stretches of one word in a column as annotations; ``t`` are the times of the rows in s."""
    out: list[tuple[float, float, str]] = []
    start = 0
    for i in range(1, len(values) + 1):
        if i == len(values) or values[i] != values[start]:
            if values[start].strip():
                end = t[i] if i < len(values) else t[-1]
                out.append((float(t[start]), float(end - t[start]), values[start]))
            start = i
    return out
