"""A store with one analysed session, made once, and simulated files to analyse."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core import simulate
from tests.serving import affectline

STARTED_AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def answer(done, code: int = 0) -> Any:
    """The one JSON value on standard output of a call that ended with a code."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def edf(tmp_path_factory) -> Path:
    """A good minute of 14-channel EEG and 2-lead ECG."""
    recording = simulate.recording(seed=4, duration_s=60, heart_rate=72, started_at=STARTED_AT)
    return simulate.write_edf(recording, tmp_path_factory.mktemp("files") / "visit.edf")


@pytest.fixture(scope="session")
def flat_csv(tmp_path_factory) -> Path:
    """Ten seconds in which nothing was connected."""
    path = tmp_path_factory.mktemp("files") / "flat.csv"
    names = ",".join(f"{name} [uV]" for name in ("Fz", "Cz", "Pz"))
    rows = "\n".join(f"{k / 128:.6f},0.0,0.0,0.0" for k in range(1280))
    path.write_text(f"time_s,{names}\n{rows}\n")
    return path


@pytest.fixture(scope="session")
def stored(edf, tmp_path_factory) -> tuple[Path, dict]:
    """A data folder with one session of P-0042, and the object that ``analyse`` printed."""
    data_dir = tmp_path_factory.mktemp("stored") / "data"
    return data_dir, answer(affectline(data_dir, "analyse", str(edf), "--patient", "P-0042", "--json"))


@pytest.fixture(scope="session")
def weeks(tmp_path_factory) -> Path:
    """A CSV of 14 weekly sessions measured elsewhere; the last one lies far from the others."""
    path = tmp_path_factory.mktemp("files") / "weeks.csv"
    values = [60, 61, 59, 60.5, 60, 59.5, 61, 60, 59, 60, 61, 60, 60.5, 95]
    rows = [
        f"P-0007,2026-{1 + k // 4:02d}-{1 + 7 * (k % 4):02d}T10:00:00Z,heart_rate,{v}" for k, v in enumerate(values)
    ]
    path.write_text("patient,started_at,measure,value\n" + "\n".join(rows) + "\n")
    return path
