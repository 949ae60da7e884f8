"""Measures from elsewhere: sessions without a recording, from a CSV."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from core.storage.store import Store


def import_csv(store: Store, path: Path, *, now: datetime, name: str | None = None, simulated: bool = False, progress=None) -> dict:
    """Import ``patient, started_at, measure, value[, low, high]``; all or nothing.

    One session per patient and time, marked imported; the same row twice is harmless, another value for it is
    refused (E-MEASURE-CONFLICT), a measure unknown to design 2 is refused (E-MEASURE). Detectors run session by
    session in order of time. Returns {patients, sessions, measures, skipped, insights}.
    """
    raise NotImplementedError
