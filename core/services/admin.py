"""Running it: health, settings in force, counts over the platform, demo data, audit."""

from __future__ import annotations

from core.storage.store import Store


def health(store: Store) -> dict:
    """status, version, model_loaded, db_connected, uptime_seconds."""
    raise NotImplementedError


def config(store: Store) -> list[dict]:
    """Effective settings: name, value (secrets masked), source (default or environment)."""
    raise NotImplementedError


def platform_stats(store: Store) -> dict:
    """total_predictions, total_users, total_sessions, total_insights."""
    raise NotImplementedError


def load_demo(store: Store, *, now, progress=None) -> int:
    """Load the simulated demo patients once (marked simulated); returns how many sessions were added."""
    raise NotImplementedError


def demo_loaded(store: Store) -> bool:
    """Whether the demo patients are there."""
    raise NotImplementedError


def audit(store: Store, limit: int = 200) -> list[dict]:
    """Newest rows of the audit chain."""
    raise NotImplementedError


def verify_audit(store: Store) -> tuple[bool, str]:
    """Recompute the hash chain; (True, "n rows") or (False, which row breaks it)."""
    raise NotImplementedError
