"""Exports: the one path by which data leave, each with dictionary, manifest and an audit row."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import secrets
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import Refused
from core.reports.paper import About
from core.services import experiments, stored
from core.services.export_columns import COLUMNS, INSIGHTS, MEASURES, RESULTS, WINDOWS
from core.services.pseudonyms import require
from core.settings import VERSION, settings
from core.storage import audit
from core.storage import insights as insight_rows
from core.storage import jobs as rows
from core.storage import sessions as session_rows
from core.storage.records import InsightRecord, label
from core.storage.store import Store, Transaction
from core.types import Reason

# by name: type, unit and meaning
Columns = Mapping[str, tuple[str, str, str]]
KINDS = ("measures", "windows", "insights", "results")
FORMATS = ("csv", "parquet")
NOTICE = (
    "Research software. Not a medical device, not cleared or certified by any authority. "
    "Do not use it for diagnosis or treatment decisions."
)
DEMONSTRATION = (
    "Some of these values come from a demonstration model, trained on simulated signals: these numbers carry no "
    "meaning for a person."
)
# the first and last day in a file's name, where it has none
NO_DAYS = ("none", "none")
# what is written where a session had no model, and where its values were measured elsewhere
NO_MODEL, IMPORTED = "no_model", "imported"
_FORMULA = tuple("=+-@＝＋－＠\t\r\n\0")


@dataclass(frozen=True)
class Export:
    """A finished export: its files by name (the data first), and the zip of them all."""

    id: str
    kind: str
    files: dict[str, bytes]
    rows: int
    created_at: datetime

    def zip(self) -> bytes:
        """All files as one zip."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in self.files.items():
                archive.writestr(zipfile.ZipInfo(name, self.created_at.timetuple()[:6]), data, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()

    @property
    def zip_name(self) -> str:
        """``<kind>_<subject or cohort>_<from>_<to>_<hash8>.zip``."""
        first = next(iter(self.files))
        return f"{first.partition('/')[0] if '/' in first else first.rpartition('.')[0]}.zip"


# --- the tables


def frame(
    store: Store,
    what: str,
    *,
    patient: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pd.DataFrame:
    """The rows of an export as they will be written, columns as in design 6; for previews."""
    if what not in COLUMNS:
        raise Refused("E-EXPORT-KIND", f"there is no export {what!r}.", "what", f"Use one of {', '.join(KINDS)}.")
    if what == "results":
        return typed(experiments.results_table(store), RESULTS)
    with store.read() as tx:
        return _frame(tx, what, patient, since, until)


def _frame(
    tx: Transaction, what: str, patient: str | None, since: datetime | None, until: datetime | None
) -> pd.DataFrame:
    patient_id = require(tx, patient).id if patient else None
    if what == "measures":
        found = session_rows.measure_table(tx, patient_id=patient_id, since=since, until=until)
        return _typed([_measure(row) for row in found], MEASURES)
    if what == "windows":
        return _windows(session_rows.series_table(tx, patient_id=patient_id, since=since, until=until))
    return _insights(tx, insight_rows.table(tx, patient_id, since, until))


def _typed(table: Sequence[Sequence[Any]], columns: Columns) -> pd.DataFrame:
    """A frame with the declared types, whether it has rows or not."""
    by_column: Iterable[Sequence[Any]] = zip(*table, strict=True) if table else ([] for _ in columns)
    made = {}
    for (name, (dtype, _, _)), values in zip(columns.items(), by_column, strict=True):
        if dtype == "time":
            made[name] = pd.Series(pd.to_datetime(list(values), utc=True)).astype("datetime64[us, UTC]")
        else:
            made[name] = pd.Series(list(values), dtype=dtype)
    return pd.DataFrame(made)


def _why(reason: str | None, *numbers: float | None) -> str:
    """The reason beside empty numeric cells; "" where none is empty."""
    return reason or (str(Reason.NOT_SUPPORTED) if any(n is None for n in numbers) else "")


def _measure(row: Any) -> tuple:
    model = IMPORTED if row.imported else row.model or NO_MODEL
    said = "none"
    if row.kind == "prediction" and row.value is not None:
        low, high = row.low, row.high
        unsure = low is not None and high is not None and row.threshold is not None and low <= row.threshold <= high
        said = "Unsure" if unsure or row.threshold is None else "High" if row.value > row.threshold else "Low"
    return (
        row.pseudonym, label(row.pseudonym, row.number), row.started_at, row.kind, row.name, row.value, row.low,
        row.high, row.unit, _why(row.reason, row.value, row.low, row.high, row.usable_share), row.usable_share, model,
        row.model_version or "none", row.model_basis or "none", row.model_demonstration, said, row.status, row.imported,
        row.simulated, row.pipeline_hash or "none", row.newest,
    )  # fmt: skip


def _windows(found: Sequence[Any]) -> pd.DataFrame:
    table: list[tuple] = []
    for row in found:
        session = label(row.pseudonym, row.number)
        onsets, proba = stored.unpack(row.onset_s).tolist(), stored.unpack(row.proba).tolist()
        for onset, p in zip(onsets, proba, strict=True):
            usable = p == p
            table.append(
                (row.pseudonym, session, row.model, row.target, onset, row.duration_s, p if usable else None, usable,
                 "" if usable else str(Reason.LOW_QUALITY), row.started_at, row.model_version)
            )  # fmt: skip
    return _typed(table, WINDOWS)


def _insights(tx: Transaction, found: Sequence[Any]) -> pd.DataFrame:
    records = [(row[0], row[1], InsightRecord(*row[2:])) for row in found]
    decisions = insight_rows.decisions(tx, [r.id for _, _, r in records if r.state != "new"])
    table = []
    for pseudonym, started_at, r in records:
        last = next((d for d in reversed(decisions.get(r.id, [])) if d.undone_at is None), None)
        table.append(
            (
                pseudonym, str(r.id), r.kind, r.measure, r.session, r.severity, r.text, r.value, r.reference, r.n,
                r.expected_by_chance, started_at, r.last_session, r.low, r.high, r.p, r.q,
                _why(None, r.low, r.high, r.p, r.q), r.preset, r.rule, r.model or NO_MODEL, r.period_start,
                r.period_end, r.weight, r.state, last.who if last else "nobody",
                last.at.isoformat() if last else "not decided",
                last.reason if last and last.reason else "none",
            )
        )  # fmt: skip
    return _typed(table, INSIGHTS)


# --- the files


def export(
    store: Store,
    what: str,
    fmt: str,
    *,
    now: datetime,
    patient: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Export:
    """Make an export: data file (csv or parquet), data_dictionary.json, manifest.json; audited."""
    table = frame(store, what, patient=patient, since=since, until=until)
    filters = {
        "patient": patient or "all",
        "since": since.isoformat() if since else "the first",
        "until": until.isoformat() if until else "the last",
    }
    return _make(store, what, fmt, table, patient or "cohort", filters, described(COLUMNS[what]), now)


def described(columns: Columns) -> list[dict]:
    """The dictionary of a table with declared columns."""
    return [
        {"column": name, "type": _type_name(dtype), "unit": unit or "none", "meaning": meaning}
        for name, (dtype, unit, meaning) in columns.items()
    ]


def export_rows(
    store: Store,
    kind: str,
    rows: Sequence[Mapping[str, Any]],
    columns: Columns,
    subject: str,
    fmt: str,
    *,
    now: datetime,
    filters: dict | None = None,
) -> Export:
    """Export rows with declared columns as csv or parquet, with dictionary and manifest; audited."""
    return _make(store, kind, fmt, typed(rows, columns), subject, dict(filters or {}), described(columns), now)


def typed(rows: Sequence[Mapping[str, Any]], columns: Columns) -> pd.DataFrame:
    """Rows as a table with the declared columns."""
    return _typed([[row[name] for name in columns] for row in rows], columns)


def export_text(
    store: Store, kind: str, text: str, subject: str, *, now: datetime, filters: dict | None = None
) -> Export:
    """Export a text of ours, UTF-8, with dictionary and manifest; audited."""
    meaning = {"column": "text", "type": "text", "unit": "none", "meaning": "the whole file, UTF-8"}
    return finish(
        store, kind, "txt", subject, f"{text}\n".encode(), NO_DAYS, [meaning], n=1, filters=filters or {}, now=now,
        more={},
    )  # fmt: skip


def export_view(
    store: Store,
    kind: str,
    table: pd.DataFrame,
    subject: str,
    *,
    now: datetime,
    filters: dict | None = None,
    columns: dict[str, str] | None = None,
) -> Export:
    """Export a table exactly as shown on a page: same filter, order and rows, with dictionary and manifest; audited."""
    meanings = columns or {}
    dictionary = [
        {
            "column": str(name),
            "type": _type_name(str(table[name].dtype)),
            "unit": "see meaning",
            "meaning": meanings.get(str(name), str(name)),
        }
        for name in table.columns
    ]
    return _make(store, kind, "csv", table, subject, dict(filters or {}), dictionary, now)


def export_figure(
    store: Store,
    kind: str,
    pictures: Mapping[str, bytes],
    subject: str,
    caption: str,
    *,
    now: datetime,
    filters: dict | None = None,
) -> Export:
    """Export a figure of a page in the forms it was drawn in, by their ending, the first in front; audited."""
    (ending, first), *others = pictures.items()
    meaning = {"column": "figure", "type": "picture", "unit": "see axes", "meaning": caption}
    return finish(
        store, f"{kind}-figure", ending, subject, first, NO_DAYS, [meaning], n=1, filters=filters or {}, now=now,
        more={"caption": caption}, beside=dict(others),
        patient=subject if (filters or {}).get("patient") == subject else "",
    )  # fmt: skip


def export_json(
    store: Store,
    kind: str,
    value: Mapping[str, Any],
    subject: str,
    *,
    n: int,
    now: datetime,
    filters: dict | None = None,
    meanings: Mapping[str, str] | None = None,
) -> Export:
    """Export a stored result of ``n`` entries as JSON, with dictionary and manifest; audited.

    Where it holds no number stands ``{"not_computed": "too_few"}``.
    """
    return finish(
        store, kind, "json", subject, as_json(said(value)), NO_DAYS, _entries(value, meanings or {}), n=n,
        filters=filters or {}, now=now, more={"columns": list(value)},
    )  # fmt: skip


def export_report(
    store: Store,
    kind: str,
    value: Mapping[str, Any],
    subject: str,
    pdf: Callable[[Mapping[str, Any], About], bytes],
    *,
    n: int,
    now: datetime,
    filters: dict | None = None,
    meanings: Mapping[str, str] | None = None,
) -> Export:
    """Export a stored result as a PDF, with the JSON of ``export_json`` that it was made from beside it; audited."""
    told = said(value)
    whole = as_json(told)
    about = About(now.astimezone(UTC).isoformat(), f"Affectline {VERSION}", hashlib.sha256(whole).hexdigest(), NOTICE)
    return finish(
        store, kind, "pdf", subject, pdf(told, about), NO_DAYS, _entries(value, meanings or {}), n=n,
        filters=filters or {}, now=now, more={"columns": list(value)}, beside={"json": whole},
    )  # fmt: skip


def _entries(value: Mapping[str, Any], meanings: Mapping[str, str]) -> list[dict]:
    """The dictionary of an object."""
    kinds = {bool: "true or false", int: "whole number", float: "number", str: "text", dict: "object"}
    return [
        {"column": name, "type": kinds.get(type(own), "list"), "unit": "see meaning",
         "meaning": meanings.get(name, name)}
        for name, own in value.items()
    ]  # fmt: skip


def said(value: Any) -> Any:
    """A nested value with words in place of numbers that are not there."""
    if isinstance(value, Mapping):
        return {name: said(own) for name, own in value.items()}
    if isinstance(value, list | tuple):
        return [said(own) for own in value]
    return {"not_computed": str(Reason.TOO_FEW)} if value is None or value != value else value


def _type_name(dtype: str) -> str:
    if dtype == "time" or dtype.startswith("datetime"):
        return "time"
    return {"float": "number", "int64": "whole number", "bool": "true or false"}.get(
        "float" if dtype.startswith("float") else dtype.lower(), "text"
    )


def _make(
    store: Store,
    kind: str,
    fmt: str,
    table: pd.DataFrame,
    subject: str,
    filters: dict,
    dictionary: list[dict],
    now: datetime,
) -> Export:
    data = table_bytes(table, fmt)
    days = NO_DAYS
    if "started_at" in table and len(table) and str(table["started_at"].dtype).startswith("datetime"):
        first, last = (at.strftime("%Y-%m-%d") for at in (table["started_at"].min(), table["started_at"].max()))
        days = (first, last)
    more: dict[str, Any] = {"columns": [str(c) for c in table.columns], "versions": _versions(table)}
    if "demonstration" in table and table["demonstration"].any():
        more["demonstration"] = DEMONSTRATION
    return finish(
        store, kind, fmt, subject, data, days, dictionary, n=len(table), filters=filters, now=now, more=more,
        patient=subject if filters.get("patient") == subject else "",
    )  # fmt: skip


def finish(
    store: Store,
    kind: str,
    fmt: str,
    subject: str,
    data: bytes,
    days: tuple[str, str],
    dictionary: list[dict],
    *,
    n: int,
    filters: dict,
    now: datetime,
    more: Mapping[str, Any],
    patient: str = "",
    beside: Mapping[str, bytes] | None = None,
) -> Export:
    """Name a data file, put its dictionary and manifest beside it, and note it in the history and the audit.

    ``beside`` are other forms of the same content by the ending of their file.
    """
    digest = hashlib.sha256(data).hexdigest()
    title = stem(kind, subject, days, digest)
    name = f"{title}.{fmt}"
    made = {name: data, **{f"{title}.{ending}": own for ending, own in (beside or {}).items()}}
    export_id = secrets.token_hex(8)
    now = now.astimezone(UTC)
    with store.write() as tx:
        manifest = manifest_of(tx, kind, subject, filters, n, now, export_id, more) | {
            "files": {
                file: {"sha256": hashlib.sha256(own).hexdigest(), "bytes": len(own), "rows": n}
                for file, own in made.items()
            }
        }
        files = {**made, "data_dictionary.json": as_json(dictionary), "manifest.json": as_json(manifest)}
        note(tx, export_id, kind, fmt, subject, name, digest, n, filters, now, patient)
    return Export(export_id, kind, files, n, now)


def manifest_of(
    tx: Transaction,
    kind: str,
    subject: str,
    filters: dict,
    n: int,
    now: datetime,
    export_id: str,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """What stands in every manifest, and what only this kind says."""
    return {
        "id": export_id,
        "kind": kind,
        "subject": subject,
        "created_at": now.isoformat(),
        "filter": filters,
        "rows": n,
        "zone": "UTC",
        "site_zone": settings().time_zone,
        "mode": "pseudonymous",
        "audit_head": audit.head(tx),
        "notice": NOTICE,
        **more,
        "versions": {"software": VERSION, **more.get("versions", {})},
    }


def note(
    tx: Transaction,
    export_id: str,
    kind: str,
    fmt: str,
    subject: str,
    name: str,
    digest: str,
    n: int,
    filters: dict,
    now: datetime,
    patient: str = "",
) -> None:
    """An export's row in the history and in the audit."""
    rows.add_export(
        tx, id=export_id, kind=kind, format=fmt, subject=subject[:80], rows=n, sha256=digest, created_at=now,
        filters=filters,
    )  # fmt: skip
    tx.audit("export", f"{name} sha256 {digest}", at=now, patient=patient, reason=f"{n} rows")


def stem(kind: str, subject: str, days: tuple[str, str], digest: str) -> str:
    """``<kind>_<subject or cohort>_<from>_<to>_<hash8>``: our own characters only."""
    parts = [kind, subject or "cohort", *days, digest[:8]]
    return "_".join(re.sub(r"[^a-z0-9-]+", "-", part.lower()).strip("-")[:48] or "none" for part in parts)


def _versions(table: pd.DataFrame) -> dict[str, list[str]]:
    """Models, pipelines and rules that the rows rest on."""
    found = {}
    for plural, columns in (
        ("models", ("model", "model_version")),
        ("pipelines", ("pipeline_hash",)),
        ("rules", ("rule",)),
    ):
        if all(c in table for c in columns):
            pairs = table[list(columns)].astype(str).drop_duplicates()
            found[plural] = sorted(" ".join(v for v in pair if v != "none") for pair in pairs.to_numpy())
    return found


def as_json(value: Any) -> bytes:
    """A value of ours as the bytes of a JSON file."""
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n").encode()


def table_bytes(table: pd.DataFrame, fmt: str) -> bytes:
    """A table as csv or parquet."""
    if fmt not in FORMATS:
        raise Refused("E-EXPORT-FORMAT", f"there is no format {fmt!r}.", "format", f"Use {' or '.join(FORMATS)}.")
    if fmt == "csv":
        return csv_bytes(table)
    buffer = io.BytesIO()
    table.to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


def write(export: Export, folder: Path) -> list[Path]:
    """Write an export's files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, data in export.files.items():
        part = folder / f"{name}.part"
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        made.append(part.replace(folder / name))
    return made


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def csv_bytes(table: pd.DataFrame) -> bytes:
    """UTF-8 CSV, text quoted and guarded against spreadsheet formulas, times as ISO 8601 with offset."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([guarded(str(name)) for name in table.columns])
    columns = [_cells(table.iloc[:, i]) for i in range(table.shape[1])]
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue().encode()


def _cells(column: pd.Series) -> list[str]:
    if pd.api.types.is_bool_dtype(column.dtype):
        return [str(bool(v)) for v in column]
    if pd.api.types.is_float_dtype(column.dtype):
        return ["" if v != v else repr(v) for v in column.astype("float64").tolist()]
    if pd.api.types.is_integer_dtype(column.dtype):
        return ["" if v is pd.NA else str(v) for v in column.tolist()]
    return [_cell(v) for v in column.tolist()]


def _cell(value: Any) -> str:
    if isinstance(value, datetime):  # a pandas time as well; NaT is none
        return "" if pd.isna(value) else _iso(value)
    if value is None or (isinstance(value, float) and value != value) or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    return guarded(str(value))


def _iso(at: datetime) -> str:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return aware.isoformat()


def recent(store: Store, limit: int = 50) -> Sequence[dict]:
    """The history of exports: id, kind, subject, rows, when, sha256."""
    with store.read() as tx:
        return [
            {
                "id": e.id, "kind": e.kind, "format": e.format, "subject": e.subject, "rows": e.rows,
                "created_at": e.created_at, "who": e.who, "sha256": e.sha256, "filters": e.filters,
            }
            for e in rows.recent_exports(tx, limit)
        ]  # fmt: skip
