"""CSV, TSV and Parquet: a table of numbers with a row per sample, or nothing.

A time column gives rate and date; without one ``sfreq`` has to say the rate. A column that holds no numbers is an
error, not a dropped channel.
"""

from __future__ import annotations

import csv as text_csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from core.errors import Refused
from core.readers import channels, clock
from core.readers.base import MAX_UNPACKED_BYTES, Options, check_rate, check_size, only, refuse, visible
from core.types import InputFile, Notice, Recording

MAX_LINE_BYTES = 65_536
MAX_COLUMNS = 600
NULLS = ["", "NaN", "nan", "NAN", "NA", "N/A", "n/a", "null", "NULL", "None", "#N/A", "-nan", "1.#QNAN"]
_NUMBER = re.compile(r"^\s*[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|inf|infinity|nan)\s*$", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"^\s*[+-]?\d+,\d+([eE][+-]?\d+)?\s*$")
_SAMPLE_ROWS = 200
_HEAD_BYTES = 2 * 10**6
_ALL_NUMBERS = "Every column but the time must hold numbers: remove the column, or export the signals alone."


def sniff_text(first: bytes, name: str) -> bool:
    """Text, of whatever kind: ``read_csv`` refuses words and web pages with a reason."""
    if first.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    # UTF-16 and a stray NUL are refused by name later, so that NUL alone does not make a table unknown
    head = first[:4096]
    body = head.replace(b"\0", b"")
    odd = sum((c < 32 and c not in (9, 10, 12, 13)) or c == 127 for c in body)
    high = sum(c > 127 for c in body)
    return len(body) > 0.4 * len(head) and odd < 0.02 * len(body) + 1 and high < 0.3 * len(body)


def sniff_parquet(first: bytes, name: str) -> bool:
    """A Parquet file."""
    return first.startswith(b"PAR1")


def read_csv(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One CSV or TSV file as a recording; decimal commas that were asked for are those of a file that needs them."""
    options = options or Options()
    file = only(files)
    try:
        return _read_csv(file, options)
    except Refused as refused:
        if not options.asks("decimal_comma") or "decimal_comma" not in refused.repairs:
            raise
        return _read_csv(file, options, commas=True)


def _read_csv(file: InputFile, options: Options, *, commas: bool = False) -> Recording:
    """``commas``: those between digits are decimal marks."""
    notices: list[Notice] = []
    raw, start, skipped = text(file, notices, long_lines=options.asks("swap_axes"))
    if options.asks("swap_axes"):
        raw, start, skipped = _turned_back(raw[start:], file), 0, 0
    if commas:
        raw, start = _pointed(raw[start:]), 0
    head = raw[start : start + _HEAD_BYTES].decode("utf-8", "ignore").replace("\r\n", "\n")
    sample = _first_lines(head if start + _HEAD_BYTES >= len(raw) else head.rpartition("\n")[0], _SAMPLE_ROWS + 1)
    if not sample:
        raise refuse("E-CSV-WORDS", file, "it holds no line of a table.", "Export the signals as a CSV table.")
    delimiter, decimal = _dialect(sample)
    rows = list(text_csv.reader(sample, delimiter=delimiter))
    rows = [r for r in rows if r]
    header = _has_header(rows, decimal)
    names = [c.strip() for c in rows[0]] if header else [f"column {i + 1}" for i in range(len(rows[0]))]
    if len(names) > MAX_COLUMNS:
        raise _too_wide(file, len(names), head)
    body = rows[1:] if header else rows
    _words(file, names, body, decimal)
    if not body:
        raise refuse("E-CSV-ROWS", file, "it has a header line and no rows of values.", "Export the signals again.")
    names, times = _named(names, body, notices)
    if not header:
        notices.append(Notice("W-COLUMNS", "The table has no line of column names; the columns are numbered."))
    if header:
        start, skipped = next_line(raw, _past_blank(raw, start)), skipped + 1
    in_words = times is not None and any(
        clock.looks_like_time(r[names.index(times)]) for r in body[:1] if len(r) > names.index(times)
    )
    columns = _parsed(file, memoryview(raw)[start:], names, times, in_words, delimiter, decimal, skipped)
    if not header and times is None and len(names) > len(next(iter(columns.values()))):
        raise _turned(file, len(names), len(body))
    return _recording(columns, times, options, notices, file, "csv")


def read_parquet(files: Sequence[InputFile], options: Options | None = None) -> Recording:
    """One Parquet file as a recording."""
    options = options or Options()
    file = only(files)
    notices: list[Notice] = []
    columns, times, units = _parquet_columns(file, notices)
    return _recording(columns, times, options, notices, file, "parquet", units)


def _recording(
    columns: Mapping[str, np.ndarray | list[str]],
    times: str | None,
    options: Options,
    notices: list[Notice],
    file: InputFile,
    format_: str,
    units: Mapping[str, str] | None = None,
) -> Recording:
    """Named columns, one of them perhaps time, as signals; ``units`` are those said beside a name."""  # fmt: skip
    data = {k: np.asarray(v, dtype=np.float32) for k, v in columns.items() if k != times}
    n = len(next(iter(columns.values())))
    check_size(len(data), float(n) * len(data), file)
    if not data:
        raise refuse(
            "E-NO-SIGNAL", file, "it holds a time column and no signal.", "Export the signals beside the time."
        )
    if n < 2:
        raise refuse("E-TOO-SHORT", file, f"it holds {n} row of values.", "Record at least 5 s.")
    if times is not None:
        column = columns[times]
        if isinstance(column, list):
            t, started = clock.from_texts(column, times, options, file)
            known = True
        else:
            t, started, known = clock.seconds_of(column, times, options, file, notices)
        grid = clock.grid(t, known, started, times, options, file, notices)
    elif options.sfreq:
        grid = clock.Grid(check_rate(options.sfreq, file, "the table"), True, None, lambda x: x)
    else:
        notices.append(Notice(
            "W-RATE", "There is no time column, so the sampling rate is not known: the columns are listed, at one row "
            "a second, and not analysed. State the rate (--sfreq).",
        ))  # fmt: skip
        grid = clock.Grid(1.0, False, None, lambda x: x)
    raw = [
        channels.Raw(
            k, (units or {}).get(k), grid.laid(v), grid.sfreq, rate_known=grid.known or options.sfreq is not None
        )
        for k, v in data.items()
    ]
    signals = channels.typed(raw, options, notices, file)
    unknown = [s.name for s in signals if s.type == "misc"]
    if unknown and grid.known:
        notices.append(Notice(
            "W-COLUMNS", f"What column {channels.listed(unknown)} holds cannot be told by name and unit: listed, not "
            "analysed. Say type and unit with --map.",
        ))  # fmt: skip
    return Recording(signals=signals, started_at=grid.started_at, format=format_, notices=tuple(notices))


# ---------------------------------------------------------------------------------------------------- CSV
def text(file: InputFile, notices: list[Notice], *, long_lines: bool = False) -> tuple[bytes, int, int]:
    """The file as UTF-8 without NUL, where its table starts, and how many lines lie before that."""
    path = Path(file.path)
    with path.open("rb") as stream:
        raw = stream.read(MAX_UNPACKED_BYTES + 1)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or _is_wide(raw):
        raise _encoding(file, "UTF-16")
    if b"\0" in raw:
        at = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise refuse(
            "E-CSV-NUL", file, f"line {at} holds a NUL character, which no table of numbers has.",
            "The file is damaged: copy or export it again.",
        )  # fmt: skip
    first = raw[: MAX_LINE_BYTES + 1]
    if b"\n" not in first and b"\r" not in first and len(raw) > MAX_LINE_BYTES and not long_lines:
        raise refuse(
            "E-CSV-LINE", file, f"its first line is longer than {MAX_LINE_BYTES // 1024} KB.",
            "Export it with a line per sample.", repairs=("swap_axes",),
        )  # fmt: skip
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as other:
        raise _encoding(file, "Latin-1 or Windows-1252") from other
    if b"\n" not in first and b"\r" in first:
        # line ends of an old Macintosh
        raw = raw.replace(b"\r", b"\n")
    start = 3 if raw.startswith(b"\xef\xbb\xbf") else 0
    if raw[start : start + 200].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise refuse(
            "E-WEB-PAGE", file, "this is a web page or XML, not a recording.",
            "Download or export the recording itself again.",
        )  # fmt: skip
    skipped = comments = 0
    while raw[start : start + 1] in (b"#", b"%", b"\n", b"\r"):
        comments += raw[start : start + 1] in (b"#", b"%")
        start, skipped = next_line(raw, start), skipped + 1
    if comments:
        notices.append(Notice("W-COMMENTS", f"{comments} comments before the table were passed over."))
    return raw, start, skipped


def next_line(raw: bytes, start: int) -> int:
    """Where the line after the one at ``start`` begins."""
    end = raw.find(b"\n", start)
    return len(raw) if end < 0 else end + 1


def _past_blank(raw: bytes, start: int) -> int:
    """The first line from ``start`` on that is not blank."""
    while start < len(raw) and not raw[start : next_line(raw, start)].strip():
        start = next_line(raw, start)
    return start


def _is_wide(raw: bytes) -> bool:
    """UTF-16 without its mark: every other byte of the first ones is NUL."""
    head = raw[:512]
    return len(head) >= 16 and max(head[::2].count(0), head[1::2].count(0)) > 0.8 * (len(head) // 2)


def _encoding(file: InputFile, name: str) -> Refused:
    return refuse("E-ENCODING", file, f"its encoding is not UTF-8; it looks like {name}.", "Save it as CSV UTF-8.")


def _first_lines(text: str, n: int) -> list[str]:
    """The first lines that are not blank."""
    lines: list[str] = []
    start = 0
    while len(lines) < n and start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end]
        if line.strip():
            lines.append(line)
        start = end + 1
    return lines


def _dialect(lines: Sequence[str]) -> tuple[str, str]:
    """Delimiter and decimal separator: the delimiter that cuts every line alike."""
    best = (",", ".")
    for delimiter in ("\t", ";", ",", "|"):
        counts = [line.count(delimiter) for line in lines[:50]]
        if counts[0] and (min(counts) == max(counts) or delimiter in "\t;"):
            best = (delimiter, ".")
            break
    cells = [c for row in text_csv.reader(lines[1:50], delimiter=best[0]) for c in row if c.strip()]
    commas = sum(bool(_COMMA_NUMBER.match(c)) for c in cells)
    points = sum("." in c and bool(_NUMBER.match(c)) for c in cells)
    return (best[0], ",") if best[0] != "," and commas > points else best


def _is_number(cell: str, decimal: str) -> bool:
    return cell.strip() in NULLS or bool(_NUMBER.match(cell.replace(",", ".") if decimal == "," else cell))


def _has_header(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether the first line holds names: a cell of it is neither number nor time."""
    return any(not _is_number(c, decimal) and not clock.looks_like_time(c) for c in rows[0])


def _words(file: InputFile, names: list[str], body: list[list[str]], decimal: str) -> None:
    """Refuse a table without numbers, and one that lies on its side."""
    cells = [c for row in body for c in row if c.strip()]
    numbers = sum(_is_number(c, decimal) for c in cells)
    if not numbers and (cells or len(names) < 2):
        words = "a table of words" if len(names) > 1 else "text"
        named = Path(file.name).suffix
        hint = f" although it is named {visible(named)}" if named.lower() not in (".csv", ".tsv", ".txt", "") else ""
        raise refuse(
            "E-CSV-WORDS", file, f"this is {words}{hint}: no cell of it is a number, so it is no recording.",
            "Send the recording itself, as the recorder exported it.",
        )  # fmt: skip
    labels = [row[0].strip() for row in body if row]
    if labels and len(labels) >= 2 and len(names) > len(labels) and all(channels.type_of(x) != "misc" for x in labels):
        raise _turned(file, len(names), len(labels))


def _turned(file: InputFile, n_columns: int, n_rows: int) -> Refused:
    return refuse(
        "E-SHAPE", file,
        f"the table looks turned: {n_rows} rows and {n_columns} columns. Expected a row per sample and "
        "a column per channel.", "Save it turned (transposed); it was not turned for you.", repairs=("swap_axes",),
    )  # fmt: skip


def _turned_back(body: bytes, file: InputFile) -> bytes:
    """A table with a row per channel as one with a row per sample; one that stands upright stays as it is."""
    lines = [line for line in body.decode("utf-8").splitlines() if line.strip()]
    delimiter, _ = _dialect(lines)
    if not lines or len(lines) > lines[0].count(delimiter) + 1:
        return body
    check_size(len(lines), float(len(body)) / 2, file)
    rows = list(text_csv.reader(lines, delimiter=delimiter))
    if len({len(r) for r in rows}) > 1:
        raise refuse(
            "E-CSV-ROWS", file, "its rows are of different length, so it cannot be turned.", "Export it again."
        )
    return "\n".join(delimiter.join(cell.strip() for cell in column) for column in zip(*rows, strict=True)).encode()


def _pointed(body: bytes) -> bytes:
    """A table whose numbers have decimal commas with points in their place.

    Where the comma cuts the columns too, every number is two cells; else points in numbers mark thousands.
    """
    delimiter, _ = _dialect(_first_lines(body[:_HEAD_BYTES].decode("utf-8", "ignore"), 50))
    if delimiter == ",":
        return re.sub(rb"(?m)([+-]?\d+),(\d+(?:[eE][+-]?\d+)?)(?=,|\r?$)", rb"\1.\2", body)
    body = re.sub(rb"(?<![\d.])\d{1,3}(?:\.\d{3})+(?=,\d)", lambda found: found[0].replace(b".", b""), body)
    return re.sub(rb"(?<=\d),(?=\d)", b".", body)


def _too_wide(file: InputFile, n_columns: int, head: str) -> Refused:
    n_rows = len(_first_lines(head, MAX_COLUMNS))
    if n_rows < MAX_COLUMNS:
        return _turned(file, n_columns, n_rows)
    return refuse(
        "E-CSV-WIDE", file, f"it has {n_columns} columns; at most {MAX_COLUMNS} are read.", "Export fewer columns."
    )


def _named(names: list[str], body: Sequence[Sequence[str]], notices: list[Notice]) -> tuple[list[str], str | None]:
    """Column names made unique, and which of them is time."""
    made = unique([n or f"column {i + 1}" for i, n in enumerate(names)], notices)
    timed = [n for n in made if clock.is_time(n)]
    if not timed:
        by_content = [
            n
            for i, n in enumerate(made)
            if any(len(r) > i for r in body) and all(clock.looks_like_time(r[i]) for r in body if len(r) > i)
        ]
        timed = by_content[:1]
    return made, timed[0] if timed else None


def unique(names: Sequence[str], notices: list[Notice]) -> list[str]:
    """Names with a number behind those that occur again."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    twice = [n for n, k in seen.items() if k > 1]
    if twice:
        notices.append(
            Notice("W-DUPLICATE", f"Duplicate channel names {channels.listed(twice)} were renamed with a number.")
        )
    return made


def _parsed(
    file: InputFile,
    body: memoryview,
    names: list[str],
    times: str | None,
    in_words: bool,
    delimiter: str,
    decimal: str,
    offset: int,
) -> dict[str, np.ndarray | list[str]]:
    """The table's columns; the message of a refusal names column and line."""
    import pyarrow as pa
    from pyarrow import csv

    keys = [str(i) for i in range(len(names))]
    kinds = dict.fromkeys(keys, pa.float32())
    if times is not None:
        # an epoch in float32 would be off by minutes
        kinds[keys[names.index(times)]] = pa.string() if in_words else pa.float64()
    try:
        table = csv.read_csv(
            pa.BufferReader(pa.py_buffer(body)),
            read_options=csv.ReadOptions(use_threads=False, column_names=keys),
            parse_options=csv.ParseOptions(delimiter=delimiter),
            convert_options=csv.ConvertOptions(
                column_types=kinds, decimal_point=decimal, null_values=NULLS, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as broken:
        refused = unparsed(file, str(broken), names, offset)
        refused.repairs = _mendable(str(broken))
        raise refused from broken
    out: dict[str, np.ndarray | list[str]] = {}
    for k, n in zip(keys, names, strict=True):
        column = table.column(k)
        if n.startswith("column ") and column.null_count == len(column):
            # a separator at the end of every line makes a column that is not there
            continue
        out[n] = column.to_pylist() if in_words and n == times else column.to_numpy()
    if not out or not len(table):
        raise refuse("E-CSV-ROWS", file, "it has no rows of values.", "Export the signals again.")
    return out


def _mendable(message: str) -> tuple[str, ...]:
    """The repair that a complaint of the parser asks for: a number with a comma, or twice the cells of the header."""
    value = re.search(r"invalid value '(.{0,40}?)'$", message)
    short = re.search(r"Expected (\d+) columns, got (\d+)", message)
    comma = value is not None and re.fullmatch(r"\s*[+-]?[\d.]+,\d+([eE][+-]?\d+)?\s*", value[1])
    return ("decimal_comma",) if comma or (short and int(short[2]) == 2 * int(short[1])) else ()


def unparsed(file: InputFile, message: str, names: list[str], offset: int) -> Refused:
    """The parser's complaint in our words."""
    row = re.search(r"Row #(\d+)", message)
    at = f" in line {int(row[1]) + offset}" if row else ""
    short = re.search(r"Expected (\d+) columns, got (\d+)", message)
    if short:
        return refuse(
            "E-CSV-ROWS", file, f"a row{at} has {short[2]} columns, expected {short[1]}.",
            "Rows of different length cannot be told apart from lost values: export the table again.",
        )  # fmt: skip
    column = re.search(r"In CSV column #(\d+)", message)
    value = re.search(r"invalid value '(.{0,200}?)'$", message, re.DOTALL)
    name = visible(names[int(column[1])]) if column and int(column[1]) < len(names) else ""
    if column:
        found = f' ("{visible(value[1], 20)}")' if value else ""
        return refuse("E-COLUMN", file, f'column "{name}" holds something that is no number{at}{found}.', _ALL_NUMBERS)
    return refuse("E-CSV", file, f"the table cannot be cut into columns{at}.", "Export it again as a plain CSV table.")


# ---------------------------------------------------------------------------------------------------- Parquet
def _parquet_columns(
    file: InputFile, notices: list[Notice]
) -> tuple[dict[str, np.ndarray | list[str]], str | None, dict[str, str]]:
    """The columns of a Parquet file, after its footer was held against its size; the time column; units of columns."""
    import pyarrow as pa
    from pyarrow import parquet

    damaged = refuse(
        "E-PARQUET", file, "the file is damaged or cut off.", "Copy it again, or write it again from its source."
    )
    size = Path(file.path).stat().st_size
    with Path(file.path).open("rb") as stream:
        try:
            source = parquet.ParquetFile(
                stream, thrift_string_size_limit=10**7, thrift_container_size_limit=10**6, pre_buffer=False
            )
            meta, schema = source.metadata, source.schema_arrow
        except (pa.ArrowException, OSError, ValueError) as broken:
            raise damaged from broken
        _check_parquet(file, meta, size)
        for field in schema:
            if not (pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
            or pa.types.is_boolean(field.type)
                    or pa.types.is_timestamp(field.type)):  # fmt: skip
                raise refuse(
                    "E-COLUMN", file, f'column "{visible(field.name)}" holds no numbers but {field.type}.', _ALL_NUMBERS
                )
        try:
            table = source.read(use_threads=False)
        except (pa.ArrowException, OSError, ValueError) as broken:
            raise damaged from broken
    if table.num_rows != meta.num_rows:
        raise damaged
    names = unique(table.column_names, notices)
    out: dict[str, np.ndarray | list[str]] = {}
    times = None
    for name, column in zip(names, table.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            if times is not None or column.null_count:
                raise refuse(
                    "E-TIME", file, f'column "{visible(name)}" is a second time column or lacks times.', _ALL_NUMBERS
                )
            times = name
            out[name] = _epoch_texts(column)
        elif not name.startswith("__index_level_"):
            out[name] = column.cast(pa.float64(), safe=False).to_numpy()
    times = times or next((n for n in out if clock.is_time(n)), None)
    return out, times, {name: unit for name, field in zip(names, schema, strict=True) if (unit := _unit(field))}


def _unit(field) -> str | None:
    """The unit that a field's metadata states as ``unit`` or ``units``."""
    said = field.metadata or {}
    text = said.get(b"unit") or said.get(b"units")
    return text.decode("utf-8", "replace").strip()[:32] or None if text else None


def _epoch_texts(column) -> list[str]:
    """Timestamps as ISO text: with an offset where the column has a zone."""
    return [moment.isoformat() for moment in column.cast(_micro(column.type), safe=False).to_pylist()]


def _micro(kind):
    import pyarrow as pa

    return pa.timestamp("us", tz=kind.tz)


def _check_parquet(file: InputFile, meta, size: int) -> None:
    """Rows, columns and sizes of the footer against the limits and the file (security 1)."""
    check_size(min(meta.num_columns, 512) if meta.num_columns <= MAX_COLUMNS else meta.num_columns, 0, file)
    unpacked = 0
    for g in range(meta.num_row_groups):
        group = meta.row_group(g)
        for c in range(group.num_columns):
            chunk = group.column(c)
            unpacked += chunk.total_uncompressed_size
            if chunk.file_path:
                raise refuse(
                    "E-PARQUET",
                    file,
                    "a part of it lies in another file, which is never opened.",
                    "Write it as one file.",
                )
    if meta.num_rows < 1:
        raise refuse("E-CSV-ROWS", file, "it has no rows.", "Export the signals again.")
    if meta.num_rows * 8 > 400 * size or unpacked > MAX_UNPACKED_BYTES:
        raise refuse(
            "E-PARQUET", file, f"it says it holds {meta.num_rows:,} rows, which does not fit its {size:,} bytes.",
            "The file is damaged: write it again from its source.",
        )  # fmt: skip
    check_size(0, float(meta.num_rows) * meta.num_columns, file)
