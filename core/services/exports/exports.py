"""Exports: the one path by which data leave, each with dictionary, manifest and an audit row."""

from __future__ import annotations

import hashlib
import io
import re
import secrets
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from core.reports.paper import About
from core.services.exports.export_bytes import FORMATS as FORMATS
from core.services.exports.export_bytes import as_json, said, table_bytes
from core.services.exports.export_columns import COLUMNS
from core.services.exports.export_tables import KINDS as KINDS
from core.services.exports.export_tables import Columns, described, frame, type_name, typed
from core.settings import VERSION, settings
from core.storage import audit
from core.storage import jobs as rows
from core.storage.store import Store, Transaction

NOTICE = (
    "Research software. Not a medical device, not cleared or certified by any authority. "
    "Do not use it for diagnosis or treatment decisions."
)
DEMONSTRATION = (
    "Some of these values come from a demonstration model, trained on simulated signals: these numbers carry no "
    "meaning for a person."
)
# what a page says in a cell without a value, unless it says something else there
NOT_COMPUTED = "not computed"
# the first and last day in a file's name, where it has none
NO_DAYS = ("none", "none")


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
    missing: str = NOT_COMPUTED,
) -> Export:
    """Export a table exactly as shown on a page: same filter, order and rows, with dictionary and manifest; audited.

    ``missing`` stands where a cell has no value, as it does on the page.
    """
    meanings = columns or {}
    dictionary = [
        {
            "column": str(name),
            "type": type_name(str(table[name].dtype)),
            "unit": "see meaning",
            "meaning": meanings.get(str(name), str(name)),
        }
        for name in table.columns
    ]
    return _make(store, kind, "csv", table, subject, dict(filters or {}), dictionary, now, missing)


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


def _make(
    store: Store,
    kind: str,
    fmt: str,
    table: pd.DataFrame,
    subject: str,
    filters: dict,
    dictionary: list[dict],
    now: datetime,
    missing: str = "",
) -> Export:
    data = table_bytes(table, fmt, missing)
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
