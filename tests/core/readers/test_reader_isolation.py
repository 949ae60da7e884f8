"""Whatever a reader does in its child, the parent lives on with a refusal a person can act on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from core.errors import Refused, TooLarge
from core.readers import isolation
from core.settings import ROOT, settings
from core.types import InputFile
from tests.core.readers.conftest import eeg, given, table

HERE = str(Path(__file__).parent)
UTC_ZONE = ZoneInfo("UTC")
JOB = {"files": [["night.edf", "/nowhere"]], "reading": {}, "zone": "UTC"}


def run(fake, **more):
    return isolation._run(f"fakes:{fake}", JOB, paths=[HERE], **more)


@pytest.mark.parametrize(
    ("fake", "code"),
    [
        ("segfault", "E-READ-CRASH"), ("eat", "E-READ-MEMORY"), ("recurse", "E-READ-FAILED"),
        ("stumble", "E-READ-FAILED"),
        ("leave", "E-READ-FAILED"), ("lie_about_size", "E-READ-CRASH"),
    ],
)  # fmt: skip
def test_a_reader_that_misbehaves_is_a_refusal(fake, code, caplog):
    with pytest.raises(Refused) as refused:
        run(fake)
    error = refused.value
    assert error.code == code
    if fake != "lie_about_size":
        assert error.where == "night.edf"
        assert error.what_to_do[-5:-1].isalnum() and "quote ref" in error.what_to_do
    # neither the message nor the log quotes the file
    assert not any(word in error.text + caplog.text for word in ("Lovelace", "Traceback", HERE))


def test_a_reader_that_hangs_is_stopped_with_all_it_started(tmp_path):
    pid = tmp_path / "pid"
    job = {**JOB, "reading": {"mapping": {"pid": {"file": str(pid)}}}}
    start = time.monotonic()
    with pytest.raises(Refused, match="E-READ-TIMEOUT"):
        isolation._run("fakes:hang_deaf", job, paths=[HERE], wall_s=1.5)
    assert time.monotonic() - start < 60  # it would hang for an hour
    time.sleep(0.1)
    state = Path(f"/proc/{pid.read_text()}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_a_reader_that_hangs_ends_when_its_parent_is_killed(tmp_path):
    pid = tmp_path / "pid"
    job = {**JOB, "reading": {"mapping": {"pid": {"file": str(pid)}}}}
    code = f"from core.readers import isolation; isolation._run('fakes:hang_and_say', {job!r}, paths=[{HERE!r}])"
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    deadline = time.monotonic() + 30
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    parent.kill()
    parent.wait(10)
    state = Path(f"/proc/{pid.read_text()}/stat")
    while state.exists() and state.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_the_child_has_no_environment_of_ours_and_leaves_nothing_behind(monkeypatch):
    monkeypatch.setenv("AFFECTLINE_DATABASE_URL", "postgresql://secret")
    seen = {a.description for a in run("look_around").annotations}
    assert not any("AFFECTLINE" in word for word in seen)
    assert {"cwd=affectline-read", f"RLIMIT_AS={2 * 2**30}", "RLIMIT_CPU=20", "RLIMIT_CORE=0"} <= seen


def test_a_recording_comes_back_whole_with_its_hash(write_csv):
    import hashlib

    file = write_csv(table())
    r = isolation.read([file], zone=UTC_ZONE)
    assert np.allclose(np.stack([s.data for s in r.signals]), eeg(), atol=1e-3)
    assert [(f.name, f.sha256) for f in r.files] == [
        ("table.csv", hashlib.sha256(Path(file.path).read_bytes()).hexdigest())
    ]
    assert r.format == "csv"


@pytest.mark.parametrize(("n_times", "accepted"), [(639, False), (640, True)])
def test_five_seconds_is_the_shortest_recording(write_csv, n_times, accepted):
    file = write_csv(table(n_times=n_times))
    if accepted:
        assert isolation.read([file], zone=UTC_ZONE).duration_s == 5.0
        return
    with pytest.raises(
        Refused, match=r"table\.csv: it holds 4\.99 s of signal; at least 5 s are needed\. .*E-TOO-SHORT"
    ):
        isolation.read([file], zone=UTC_ZONE)


def test_annotations_alone_and_one_second_are_refused(shared_data):
    with pytest.raises(Refused, match=r"only annotations.*E-NO-SIGNAL"):
        isolation.read([given(shared_data / "formats/edf_plus/sleepedf_SC4001EC-Hypnogram.edf")], zone=UTC_ZONE)
    with pytest.raises(Refused, match="E-TOO-SHORT"):
        isolation.read([given(shared_data / "formats/bdf/mne_test.bdf")], zone=UTC_ZONE)


def test_the_same_bytes_twice_are_read_once_and_the_size_is_capped(write_csv, monkeypatch, tmp_path):
    a = write_csv(table())
    b = write_csv(table(), "again.csv")
    r = isolation.read([a, b], zone=UTC_ZONE)
    assert len(r.files) == 1 and len(r.signals) == 4
    assert "duplicate" in r.notices[0].text
    big = tmp_path / "big.csv"
    with big.open("wb") as stream:
        stream.truncate(settings().max_upload_mb * 10**6 + 1)
    with pytest.raises(TooLarge, match="E-SIZE"):
        isolation.read([given(big)], zone=UTC_ZONE)


@pytest.mark.parametrize("what", ["nothing", "folder", "pipe"])
def test_what_is_no_file_is_refused(what, tmp_path):
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    if what == "pipe":
        os.mkfifo(path)
    with pytest.raises(Refused, match=f"{what}.*E-NO-FILE"):
        isolation.read([given(path)], zone=UTC_ZONE)


def _in_a_pool(path):
    return len(isolation.read([InputFile("table.csv", path)], zone=UTC_ZONE).signals)


def test_it_works_from_within_a_worker_of_a_pool(write_csv):
    file = write_csv(table())
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        assert pool.submit(_in_a_pool, file.path).result(60) == 4
