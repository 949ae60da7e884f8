"""Shared fixtures. Parts a machine may lack are skipped with their reason; under AFFECTLINE_STRICT they fail."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def missing(reason: str) -> None:
    """Skip on a person's machine, fail where everything has to be there."""
    if os.environ.get("AFFECTLINE_STRICT"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings beside the project."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        missing("no real recordings beside the project (../shared/data)")
    return folder


@pytest.fixture(autouse=True)
def same_main(monkeypatch):
    """A page under test is ``__main__`` while it runs; afterwards processes start from the one that was."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
