"""kill -9 at random moments: each session is whole or absent afterwards, and the product starts."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from core import simulate
from tests.serving import ROOT, affectline, environment, start, stop

# stores the files it is given one after the other, and says when it begins
STORING = """
import sys
from datetime import UTC, datetime
from core import pipeline
from core.services.clinic import sessions
from core.settings import settings
from core.storage.store import Store
from core.types import InputFile
store = Store.open(settings().database)
def keep(path, patient, said=None):
    file = InputFile(path.rsplit("/", 1)[-1], path)
    sessions.analyse(store, [file], patient, now=datetime.now(UTC), progress=said)
keep(sys.argv[2], "P-9999")  # the slow imports; stored once, known afterwards
for path in sys.argv[3:]:
    keep(path, sys.argv[1], lambda share, words: print(words, flush=True))
"""


@pytest.fixture(scope="module")
def visits(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("visits")
    first = datetime(2026, 1, 5, 9, tzinfo=UTC)
    return [
        simulate.write_edf(
            simulate.recording(seed=k, duration_s=8, started_at=first + timedelta(days=k)), folder / f"visit{k:02d}.edf"
        )
        for k in range(60)
    ]


def whole_or_absent(data_dir: Path) -> int:
    """Check every stored session of every patient; returns how many there are."""
    done = subprocess.run(
        [sys.executable, "-c", CHECK], cwd=ROOT, env=environment(data_dir), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.split()[-1])


CHECK = """
from datetime import UTC, datetime
from core.services import admin
from core.services.clinic import patients, sessions
from core.settings import settings
from core.storage.store import Store
store = Store.open(settings().database)
n = 0
for patient in patients.find(store):
    for row in sessions.history(store, patient.pseudonym):
        whole = sessions.as_json(store, row.session)
        assert whole["quality"]["channels"] and whole["markers"] and whole["provenance"]["files"], row.session
        assert set(whole["predictions"]) == {"valence", "arousal", "dominance"}, row.session
        if row.status == "ok":
            series = sessions.windows(store, row.session)
            assert series is not None and len(series.onset_s) == whole["n_windows"], row.session
        page = sessions.signals(store, row.session, t0=0, page_s=5)
        assert len(page.rows) == 16, row.session
        n += 1
ok, words = admin.verify_audit(store)
assert ok, words
print(n)
"""


def test_a_storing_process_killed_45_times_leaves_whole_sessions_only(visits, tmp_path):
    data_dir, chance = tmp_path / "data", random.Random(7)
    stored = 0
    for k in range(45):
        # a patient of its own each time, so that every run has something left to store
        process = subprocess.Popen(
            [sys.executable, "-c", STORING, f"P-{k:04d}", *map(str, visits[: 6 + k % 5])],
            cwd=ROOT, env=environment(data_dir), stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        for _ in range(chance.randint(1, 12)):  # steps of the work: up to two sessions and a half
            assert process.stdout.readline()
        time.sleep(chance.expovariate(20))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if k % 15 == 14:
            stored = whole_or_absent(data_dir)
    assert 1 < stored < 200, "the kills came too early, or too late, to show anything"


def test_the_whole_app_killed_5_times_starts_again_and_finishes_its_jobs(visits, tmp_path):
    data_dir, chance = tmp_path / "data", random.Random(8)
    for k in range(5):
        served = start(data_dir)
        with httpx.Client(base_url=served.url, timeout=60) as client:
            for path in visits[3 * k : 3 * k + 3]:
                answer = client.post(
                    "/api/v1/recordings", data={"patient": "P-0042"}, files={"files": (path.name, path.read_bytes())}
                )
                assert answer.status_code in (200, 201, 202), answer.text
        time.sleep(chance.uniform(0.5, 6.0))
        os.killpg(served.process.pid, signal.SIGKILL)
        served.process.wait()
        whole_or_absent(data_dir)
    served = start(data_dir)
    try:
        deadline = time.monotonic() + 240
        while whole_or_absent(data_dir) < 15 and time.monotonic() < deadline:
            time.sleep(2)
    finally:
        stop(served)
    history = affectline(data_dir, "history", "P-0042", "--json")
    assert history.returncode == 0 and whole_or_absent(data_dir) == 15
