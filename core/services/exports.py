"""Exports: the one path by which data leave, each with dictionary, manifest and an audit row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from core.storage.store import Store

KINDS = ("measures", "windows", "insights", "results")


@dataclass(frozen=True)
class Export:
    """A finished export: its files by name, and the zip of them all."""

    id: str
    kind: str
    files: dict[str, bytes]
    rows: int
    created_at: datetime

    def zip(self) -> bytes:
        """All files as one zip."""
        raise NotImplementedError

    @property
    def zip_name(self) -> str:
        """``<kind>_<subject or cohort>_<from>_<to>_<hash8>.zip``."""
        raise NotImplementedError


def frame(store: Store, what: str, *, patient: str | None = None, since: datetime | None = None, until: datetime | None = None) -> pd.DataFrame:
    """The rows of an export as they will be written, columns as in design 6; for previews."""
    raise NotImplementedError


def export(store: Store, what: str, fmt: str, *, now: datetime, patient: str | None = None, since: datetime | None = None, until: datetime | None = None) -> Export:
    """Make an export: data file (csv or parquet), data_dictionary.json, manifest.json; audited."""
    raise NotImplementedError


def export_view(store: Store, kind: str, table: pd.DataFrame, subject: str, *, now: datetime, filters: dict | None = None, columns: dict[str, str] | None = None) -> Export:
    """Export a table exactly as shown on a page (same filter, order, rows); CSV with dictionary and manifest; audited."""
    raise NotImplementedError


def write(export: Export, folder: Path) -> list[Path]:
    """Write an export's files into a folder."""
    raise NotImplementedError


def csv_bytes(table: pd.DataFrame) -> bytes:
    """UTF-8 CSV, text quoted and guarded against spreadsheet formulas, times as ISO 8601 with offset."""
    raise NotImplementedError


def recent(store: Store, limit: int = 50) -> Sequence[dict]:
    """The history of exports: id, kind, subject, rows, when, sha256."""
    raise NotImplementedError
