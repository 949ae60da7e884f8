"""Values and tables as the bytes of files: JSON, Parquet, and CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from core.errors import Refused
from core.types import Reason

FORMATS = ("csv", "parquet")
_FORMULA = tuple("=+-@＝＋－＠\t\r\n\0")


def as_json(value: Any) -> bytes:
    """A value of ours as the bytes of a JSON file."""
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n").encode()


def said(value: Any) -> Any:
    """A nested value with words in place of numbers that are not there."""
    if isinstance(value, Mapping):
        return {name: said(own) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [said(own) for own in value]
    return {"not_computed": str(Reason.TOO_FEW)} if value is None or value != value else value


def table_bytes(table: pd.DataFrame, fmt: str, missing: str = "") -> bytes:
    """A table as csv or parquet; in csv ``missing`` stands where there is no value."""
    if fmt not in FORMATS:
        raise Refused("E-EXPORT-FORMAT", f"there is no format {fmt!r}.", "format", f"Use {' or '.join(FORMATS)}.")
    if fmt == "csv":
        return csv_bytes(table, missing)
    buffer = io.BytesIO()
    table.to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def csv_bytes(table: pd.DataFrame, missing: str = "") -> bytes:
    """UTF-8 CSV, text quoted and guarded against spreadsheet formulas, times as ISO 8601 with offset."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([guarded(str(name)) for name in table.columns])
    columns = [_cells(table.iloc[:, i], missing) for i in range(table.shape[1])]
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue().encode()


def _cells(column: pd.Series, missing: str) -> list[str]:
    if pd.api.types.is_bool_dtype(column.dtype):
        return [str(bool(v)) for v in column]
    if pd.api.types.is_float_dtype(column.dtype):
        return [missing if v != v else repr(v) for v in column.astype("float64").tolist()]
    if pd.api.types.is_integer_dtype(column.dtype):
        return [missing if v is pd.NA else str(v) for v in column.tolist()]
    return [_cell(v, missing) for v in column.tolist()]


def _cell(value: Any, missing: str) -> str:
    if isinstance(value, datetime):  # a pandas time as well; NaT is none
        return missing if pd.isna(value) else _iso(value)
    if value is None or (isinstance(value, float) and value != value) or value is pd.NaT or value is pd.NA:
        return missing
    if isinstance(value, bool | int | float):
        return str(value)
    return guarded(str(value))


def _iso(at: datetime) -> str:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return aware.isoformat()
