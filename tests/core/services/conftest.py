from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.settings import settings
from core.storage.store import Store


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'affectline.sqlite3'}", data_dir=tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def in_zone(monkeypatch):
    """Set the site's time zone for a test."""

    def set_zone(name: str) -> None:
        monkeypatch.setenv("AFFECTLINE_TIME_ZONE", name)
        settings.cache_clear()

    yield set_zone
    monkeypatch.undo()
    settings.cache_clear()
