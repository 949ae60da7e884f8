"""Running it: health, settings in force, counts over the platform, demo data, audit."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from datetime import datetime

from core.services import demo
from core.settings import VERSION, Settings, settings
from core.storage import audit as audit_rows
from core.storage import insights as insight_rows
from core.storage import patients as patient_rows
from core.storage import sessions as session_rows
from core.storage.store import Store

_STARTED = time.monotonic()
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_SECRET_PARAMETER = re.compile(r"(?i)((?:password|secret|token|key)=)[^&\s]+")


def health(store: Store) -> dict:
    """status, version, model_loaded, db_connected, uptime_seconds."""
    from core.models import bundle

    connected = store.answers()
    return {
        "status": "ok" if connected else "degraded",
        "version": VERSION,
        "model_loaded": bool(bundle.available()),
        "db_connected": connected,
        "uptime_seconds": round(time.monotonic() - _STARTED, 1),
    }


def config(store: Store) -> list[dict]:
    """Effective settings: name, value (secrets masked), source (default or environment)."""
    effective = {**settings().model_dump(), "database_url": store.url, "data_dir": str(store.data_dir)}
    table = []
    for field in Settings.model_fields:
        name = f"AFFECTLINE_{field.upper()}"
        value = str(effective[field]) if effective[field] != "" else "not set"
        table.append(
            {"name": name, "value": masked(value), "source": "environment" if name in os.environ else "default"}
        )
    return table


def masked(value: str) -> str:
    """A value without what it says of a user and password."""
    return _SECRET_PARAMETER.sub(r"\1****", _PASSWORD.sub("****", value))


def platform_stats(store: Store) -> dict:
    """total_predictions, total_users, total_sessions, total_insights."""
    with store.read() as tx:
        sessions, predictions, _ = session_rows.totals(tx)
        return {
            "total_predictions": predictions,
            "total_users": patient_rows.number_of(tx),
            "total_sessions": sessions,
            "total_insights": insight_rows.number_of(tx),
        }


def load_demo(
    store: Store, *, now: datetime, progress: Callable[[float, str], None] | None = None, processes: int | None = None
) -> int:
    """Load the simulated demo patients once (marked simulated); returns how many sessions were added."""
    return demo.load(store, now=now, progress=progress, processes=processes)


def demo_loaded(store: Store) -> bool:
    """Whether the demo patients are there."""
    return demo.loaded(store)


def audit(store: Store, limit: int = 200) -> list[dict]:
    """Newest rows of the audit chain."""
    with store.read() as tx:
        return [dict(row._mapping) for row in audit_rows.newest(tx, limit)]


def verify_audit(store: Store) -> tuple[bool, str]:
    """Recompute the hash chain; (True, "n rows") or (False, which row breaks it)."""
    with store.read() as tx:
        return audit_rows.verify(tx)


def verify(store: Store) -> list[str]:
    """What is wrong with what is stored: audit chain, hashes of analyses, original files; empty when all is well."""
    problems = [f"database: {found}"] if (found := store.damage()) else []
    with store.read() as tx:
        whole, words = audit_rows.verify(tx)
        if not whole:
            problems.append(f"audit: {words}")
        problems += [f"analysis {i}: a stored value changed" for i in session_rows.verify_rows(tx)]
        known = session_rows.all_hashes(tx)
    problems += [
        f"recording {digest[:12]}: {wrong}" for digest in sorted(known) if (wrong := store.blobs.wrong(digest))
    ]
    return problems
