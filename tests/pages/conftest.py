"""Pages under AppTest: an empty database, and one filled through the services; nothing here reaches lower."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.services.clinic import measures, sessions
from core.settings import SAMPLES, settings
from core.storage.store import Store
from core.types import InputFile

READABLE = (
    "markdown", "text", "caption", "title", "subheader", "header", "error", "info", "warning", "success", "metric",
    "button", "json", "expander", "tab", "badge", "alert", "heading",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 7, 14, 9, 5, tzinfo=UTC)
RECORDED, WRIST, IMPORTED = "P-0001", "P-0002", "P-0003"


def course_csv(path: Path, n: int = 24) -> Path:
    """A year of weekly sessions of one patient; valence rises in the last five, heart rate stays."""
    lines = ["patient,started_at,measure,value,low,high"]
    for k in range(n):
        at = (NOW - timedelta(days=7 * (n - k))).isoformat()
        wobble = 0.03 * math.sin(2.1 * k)
        valence = 0.45 + wobble + (0.3 if k >= n - 5 else 0)
        lines.append(f"{IMPORTED},{at},valence,{valence:.3f},{valence - 0.05:.3f},{valence + 0.05:.3f}")
        lines.append(f"{IMPORTED},{at},arousal,{0.5 + wobble:.3f},{0.44 + wobble:.3f},{0.56 + wobble:.3f}")
        lines.append(f"{IMPORTED},{at},heart_rate,{70 + 20 * wobble:.2f},,")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def filled_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a recorded, a wrist-band and an imported patient; made once."""
    folder = tmp_path_factory.mktemp("filled")
    store = Store(f"sqlite:///{folder / 'affectline.sqlite3'}", data_dir=folder)
    edf, wrist = SAMPLES / "simulated-eeg-ecg.edf", SAMPLES / "simulated-wrist-e4.zip"
    sessions.analyse(store, [InputFile(edf.name, str(edf))], RECORDED, now=NOW)
    sessions.analyse(store, [InputFile(wrist.name, str(wrist))], WRIST, now=NOW)
    measures.import_csv(store, course_csv(folder / "course.csv"), now=NOW)
    return folder


def _use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTLINE_DATA_DIR", str(folder))
    monkeypatch.delenv("AFFECTLINE_DATABASE_URL", raising=False)
    settings.cache_clear()
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A site on its first day."""
    _use(tmp_path, monkeypatch)
    yield tmp_path
    settings.cache_clear()
    st.cache_resource.clear()


@pytest.fixture
def filled(filled_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A copy of the filled site, so that tests may change it."""
    folder = tmp_path / "site"
    shutil.copytree(filled_dir, folder)
    _use(folder, monkeypatch)
    yield Store(settings().database, data_dir=folder)
    settings.cache_clear()
    st.cache_resource.clear()


@pytest.fixture(scope="session")
def research_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with runs in every state; made once."""
    from tests.pages import research_site

    folder = tmp_path_factory.mktemp("research")
    research_site.make(folder)
    return folder


@pytest.fixture
def research(research_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A copy of the site with runs in every state."""
    folder = tmp_path / "site"
    shutil.copytree(research_dir, folder)
    _use(folder, monkeypatch)
    yield Store(settings().database, data_dir=folder)
    settings.cache_clear()
    st.cache_resource.clear()


def open_page(script: str, **params: str) -> AppTest:
    """A page as the browser opens it: through the frame, with query parameters."""
    at = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60)
    at.run()
    at.switch_page(f"../pages/{script}.py")
    for name, value in params.items():
        at.query_params[name] = value
    return at.run()


def texts(at: AppTest) -> list[str]:
    """All that a person reads on a page, tables cell by cell; figures aside."""
    found: list[str] = []

    def walk(node) -> None:
        kind = getattr(node, "type", "")
        proto = getattr(node, "proto", None)
        if kind in ("dataframe", "table"):
            found.extend(_cells(node))
        elif kind in READABLE:
            for field in ("body", "label", "value", "text"):
                value = getattr(node, field, None)
                if isinstance(value, str):
                    found.append(value)
                elif proto is not None and isinstance(getattr(proto, field, None), str):
                    found.append(getattr(proto, field))
        elif proto is not None:
            found.extend(str(getattr(proto, f)) for f in ("label", "placeholder", "text", "body") if hasattr(proto, f))
        for child in getattr(node, "children", {}).values():
            walk(child)

    walk(at._tree)
    return [t for t in found if t]


def _cells(node) -> list[str]:
    frame = node.value
    shown = [str(c) for c in frame.columns]
    placeholder = getattr(node.proto, "placeholder", "")
    for column in frame.columns:
        for value in frame[column]:
            missing = value is None or (isinstance(value, float) and math.isnan(value))
            shown.append(placeholder or "None" if missing else str(value))
    return shown
