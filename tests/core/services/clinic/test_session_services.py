from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from core import simulate
from core.errors import Conflict, NotFound, Refused
from core.services import admin
from core.services.clinic import patients, sessions
from core.services.clinic.signals import decimate
from core.storage.store import Store
from core.types import InputFile, Reading
from tests.conftest import ROOT
from tests.core.storage.handmade import NOW, day


def edf(folder: Path, seed: int = 0, duration_s: float = 8, **more) -> InputFile:
    recording = simulate.recording(
        seed=seed, duration_s=duration_s, started_at=more.pop("started_at", day(seed)), **more
    )
    path = simulate.write_edf(recording, folder / f"visit{seed}.edf")
    return InputFile(path.name, str(path))


@pytest.fixture(scope="module")
def visit(tmp_path_factory) -> InputFile:
    return edf(tmp_path_factory.mktemp("visit"), duration_s=30)


def test_a_file_becomes_a_session_once_and_its_bytes_are_kept(store, visit):
    said: list[float] = []
    first = sessions.analyse(store, [visit], "P-0042", now=NOW, progress=lambda share, words: said.append(share))
    assert first["session"] == "P-0042/S-01" and first["status"] == "ok" and said == sorted(said) and said[-1] == 1.0
    assert len(first["quality"]["channels"]) == 16
    assert first["markers"]["heart_rate"]["value"] == pytest.approx(70, abs=1)
    assert first["markers"]["skin_temperature"] == {"not_computed": "missing_channel"}
    kept = store.data_dir / "recordings" / first["provenance"]["files"][0]["sha256"]
    assert kept.read_bytes() == Path(visit.path).read_bytes()
    renamed = InputFile("another name.edf", visit.path)
    assert sessions.analyse(store, [renamed], "P-0042", now=NOW, started_at=day(99)) == first
    assert [r.session for r in sessions.history(store, "P-0042")] == ["P-0042/S-01"]
    other = sessions.analyse(store, [visit], "P-0001", now=NOW)
    assert {k: v for k, v in other.items() if k != "session"} == {k: v for k, v in first.items() if k != "session"}
    assert admin.verify(store) == []
    with pytest.raises(NotFound, match="E-MODEL"):
        sessions.analyse(store, [visit], "P-0042", now=NOW, model="no-such-model")
    sessions.delete(store, first["session"], now=NOW)
    assert sessions.analyse(store, [visit], "P-0042", now=NOW) == first, "the same files take the deletion back"
    assert len(sessions.history(store, "P-0042")) == 1


def test_a_refused_file_leaves_no_patient_and_no_file(store, tmp_path):
    (tmp_path / "words.edf").write_text("this is no recording")
    (tmp_path / "empty.edf").touch()
    short = edf(tmp_path, seed=3, duration_s=4)
    files = [InputFile(n, str(tmp_path / n)) for n in ("words.edf", "empty.edf", "absent.edf")]
    for file in (*files, short):
        with pytest.raises(Refused) as refused:
            sessions.analyse(store, [file], "P-0042", now=NOW)
        assert file.name in refused.value.text
    with pytest.raises(Refused, match="E-PSEUDONYM"):
        sessions.analyse(store, [short], "Anna", now=NOW)
    with pytest.raises(NotFound):
        sessions.analyse(store, [short], "P-0042", now=NOW, create_patient=False)
    assert patients.find(store) == [] and not (store.data_dir / "recordings").exists()
    assert {row["outcome"] for row in admin.audit(store)} == {"refused"}


def test_the_time_is_that_of_a_person_else_of_the_file_else_now_with_a_warning(store, tmp_path):
    dated = sessions.analyse(store, [edf(tmp_path, seed=1)], "P-0001", now=NOW)
    said = sessions.analyse(store, [edf(tmp_path, seed=2)], "P-0001", now=NOW, started_at=day(50))
    undated = sessions.analyse(store, [edf(tmp_path, seed=3, started_at=None)], "P-0001", now=NOW)
    times = {r.session: r.started_at for r in sessions.history(store, "P-0001")}
    assert [times[x["session"]] for x in (dated, said, undated)] == [day(1), day(50), NOW]
    assert [("W-NO-DATE" in {w["code"] for w in x["warnings"]}) for x in (dated, said, undated)] == [False, False, True]


def test_a_start_that_is_said_later_dates_the_session_and_a_recompute_keeps_what_is_known_of_it(store, tmp_path):
    def undated(answer: dict) -> bool:
        return "W-NO-DATE" in {w["code"] for w in answer["warnings"]}

    file = [edf(tmp_path, seed=3, started_at=None)]
    session = sessions.analyse(store, file, "P-0001", now=NOW)["session"]
    assert undated(sessions.recompute(store, session, Reading(bad=("ECG 1",)), now=day(400)))
    assert sessions.history(store, "P-0001")[0].started_at == NOW
    said = sessions.analyse(store, file, "P-0001", now=day(401), started_at=day(50))
    assert said["session"] == session and not undated(said)
    assert sessions.history(store, "P-0001")[0].started_at == day(50)
    marked = [c["name"] for c in said["quality"]["channels"] if "marked" in c["flags"]]
    assert marked == ["ECG 1"], "the mark stays applied"
    assert not undated(sessions.recompute(store, session, Reading(), now=day(402)))
    assert sessions.history(store, "P-0001")[0].started_at == day(50)
    assert [row["action"] for row in admin.audit(store)].count("session.date") == 1


def test_files_as_they_were_read_last_are_the_session(store, tmp_path):
    file = edf(tmp_path, seed=1)
    late = Reading(offsets={file.name: 3600.0})
    session = sessions.analyse(store, [file], "P-0001", now=NOW)["session"]
    for reading, start in (
        (late, day(1) + timedelta(hours=1)),
        (Reading(), day(1)),
        (late, day(1) + timedelta(hours=1)),
    ):
        sessions.analyse(store, [file], "P-0001", now=NOW, reading=reading)
        found = sessions.get(store, session)
        assert (found.row.started_at, found.provenance["read_with"]) == (start, reading.as_dict())
    assert len(found.made) == 2


def test_another_rate_or_map_is_a_further_analysis_of_the_same_session(store, tmp_path):
    rng = np.random.default_rng(1)
    t = np.arange(30 * 64) / 64
    path = tmp_path / "band.csv"
    path.write_text("foo\n" + "".join(f"{v:.5f}\n" for v in 32 + 0.1 * np.sin(t) + 0.001 * rng.normal(size=len(t))))
    file = [InputFile(path.name, str(path))]
    first = sessions.analyse(store, file, "P-0042", now=NOW, reading=Reading(64.0))
    assert first["quality"]["channels"][0]["type"] == "misc"
    mapped = sessions.analyse(
        store, file, "P-0042", now=NOW, reading=Reading(64.0, {"foo": {"type": "temp", "unit": "°C"}})
    )
    assert mapped["session"] == first["session"] and mapped["quality"]["channels"][0]["type"] == "temp"
    assert mapped["markers"]["skin_temperature"]["value"] == pytest.approx(32, abs=0.2)
    assert len(sessions.history(store, "P-0042")) == 1 and len(sessions.get(store, first["session"]).analyses) == 2
    assert sessions.signals(store, first["session"], t0=0, page_s=5).rows[0]["type"] == "temp"


def test_a_page_of_signals_is_what_was_recorded(store, visit, tmp_path):
    session = sessions.analyse(store, [visit], "P-0042", now=NOW)["session"]
    truth = simulate.recording(seed=0, duration_s=30, started_at=day(0))
    page = sessions.signals(store, session, t0=10, page_s=5)
    assert len(page.rows) == 16 and len(page.beats_s) in (5, 6, 7) and not page.filtered
    for row, true in zip(page.rows, truth.signals, strict=True):
        assert (row["x0"], row["dx"], len(row["y"])) == (10.0, 1 / true.sfreq, 5 * true.sfreq)
        first = int(10 * true.sfreq)
        step = np.ptp(true.data) / 30_000
        np.testing.assert_allclose(row["y"], true.data[first : first + len(row["y"])], atol=2 * step)
    one = sessions.signals(store, session, t0=25, page_s=10, names=["AF3"], filtered=True, max_points=100)
    assert [r["name"] for r in one.rows] == ["AF3"] and one.rows[0]["decimated"] and len(one.rows[0]["y"]) <= 100
    assert all(len(r["y"]) <= 500 for r in sessions.overview(store, session, n=500).rows)
    digest = sessions.get(store, session).provenance["files"][0]["sha256"]
    kept = store.data_dir / "recordings" / digest
    data = kept.read_bytes()
    kept.write_bytes(data[:-1] + b"\x01")
    with pytest.raises(Conflict, match="E-HASH"):
        sessions.signals(store, session, t0=0, page_s=5)
    assert any("original file changed" in p for p in admin.verify(store))
    kept.unlink()
    with pytest.raises(NotFound, match="E-RECORDING"):
        sessions.signals(store, session, t0=0, page_s=5)
    assert sessions.get(store, session).recording_state == "missing"
    kept.write_bytes(data)
    assert len(sessions.signals(store, session, t0=0, page_s=5).rows) == 16


def test_decimation_keeps_spikes_and_gaps():
    x = np.zeros(10_000, dtype=np.float32)
    x[1234], x[5678] = 99, -99
    x[8000:9000] = np.nan
    y, step = decimate(x, 2000)
    assert len(y) <= 2000 and np.nanmax(y) == 99 and np.nanmin(y) == -99
    assert np.argmax(np.nan_to_num(y)) * step == pytest.approx(1234, abs=2 * step)
    where = np.flatnonzero(np.isnan(y)) * step
    assert where.min() == pytest.approx(8000, abs=2 * step) and where.max() == pytest.approx(9000, abs=2 * step)
    for n in (0, 1, 1999, 2000, 2001, 4001):
        assert len(decimate(np.arange(n), 2000)[0]) <= 2000


def test_looking_into_files_stores_nothing_and_says_what_to_expect(store, visit, tmp_path):
    found = sessions.inspect(store, [visit], patient="P-0042")
    assert found.can_run and found.known_session is None and found.started_at == day(0)
    assert found.not_computed["rmssd"] == "too_short" and found.not_computed["scl"] == "missing_channel"
    assert found.preview is not None and len(found.preview.rows) == 16
    assert patients.find(store) == [] and not (store.data_dir / "recordings").exists()
    session = sessions.analyse(store, [visit], "P-0042", now=NOW)["session"]
    assert sessions.inspect(store, [visit], patient="P-0042").known_session == session
    assert sessions.inspect(store, [visit], patient="P-0001").known_session is None
    sessions.save_device_profile(store, "band", {"foo": {"type": "temp", "unit": "°C"}})
    sessions.save_device_profile(store, "band", {"foo": {"type": "eda", "unit": "µS"}})
    assert sessions.device_profiles(store) == {"band": {"foo": {"type": "eda", "unit": "µS"}}}


def test_what_a_crash_left_half_written_is_swept_at_the_next_start(tmp_path, monkeypatch):
    folder = tmp_path / "recordings"
    folder.mkdir()
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    (folder / f"abc.{gone.stdout.strip()}.0a0b.part").touch()
    (folder / f"abc.{os.getpid()}.0a0b.part").touch()
    store = Store("sqlite://", data_dir=tmp_path)
    assert store.blobs.sweep() == 1
    assert [p.name for p in folder.iterdir()] == [f"abc.{os.getpid()}.0a0b.part"]


def test_originals_can_lie_in_an_object_store(tmp_path, visit):
    from core.storage.blobs import Blobs, sha256

    blobs = Blobs(tmp_path, f"memory://affectline-{os.getpid()}")
    digest = sha256(Path(visit.path))
    blobs.keep(Path(visit.path), digest)
    blobs.keep(Path(visit.path), digest)
    assert blobs.has(digest) and blobs.fetch(digest).read_bytes() == Path(visit.path).read_bytes()
    assert not blobs.has("0" * 64)
    with pytest.raises(NotFound, match="E-RECORDING"):
        blobs.fetch("0" * 64)


STORING = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from core.services.clinic import sessions
from core.storage.store import Store
from core.types import InputFile
store = Store(sys.argv[1], data_dir=Path(sys.argv[2]))
for n, path in enumerate(sys.argv[5:]):
    if n == int(sys.argv[4]):
        print("ready", flush=True)
    sessions.analyse(store, [InputFile(path.rsplit("/", 1)[-1], path)], sys.argv[3], now=datetime.now(UTC))
"""


def storing(store: Store, patient: str, files, ready_at: int = 0) -> subprocess.Popen:
    """A process that stores files one after the other; returns before it begins with number ``ready_at``."""
    paths = [f.path for f in files]
    process = subprocess.Popen(
        [sys.executable, "-c", STORING, store.url, str(store.data_dir), patient, str(ready_at), *paths],
        cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    return process


def test_two_processes_that_store_the_same_file_at_once_make_one_session(store, visit):
    running = [storing(store, "P-0042", [visit]) for _ in range(2)]
    for process in running:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert [r.session for r in sessions.history(store, "P-0042")] == ["P-0042/S-01"]
    assert [row["action"] for row in admin.audit(store)].count("session.analyse") == 1


def test_kill_9_while_storing_leaves_whole_sessions_only(store, tmp_path):
    files = [edf(tmp_path, seed=k) for k in range(5)]
    chance = random.Random(5)
    for k in range(2):
        process = storing(store, f"P-{k:04d}", files, ready_at=1)
        time.sleep(chance.uniform(0.0, 2.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
    n = 0
    for patient in patients.find(store):
        for row in sessions.history(store, patient.pseudonym):
            whole = sessions.as_json(store, row.session)
            assert len(whole["quality"]["channels"]) == 16 and whole["provenance"]["files"] and whole["markers"]
            assert len(sessions.signals(store, row.session, t0=0, page_s=2).rows) == 16
            n += 1
    assert n >= 2, "the first session of each process was stored before it was killed"
    assert admin.verify(store) == []
    store.blobs.sweep()
    assert list((store.data_dir / "recordings").glob("*.part")) == []


def test_demo_patients_load_resume_and_are_marked(tmp_path, monkeypatch):
    from core.services import demo
    from core.services.clinic import insights

    monkeypatch.setattr(demo, "COURSES", {"P-D005": demo.Course("calm", 2, 15, ("demo",), poor=1)})
    store = Store("sqlite://", data_dir=tmp_path)
    assert not admin.demo_loaded(store)
    with pytest.raises(KeyboardInterrupt):
        admin.load_demo(store, now=NOW, progress=lambda share, words: (_ for _ in ()).throw(KeyboardInterrupt()))
    assert admin.load_demo(store, now=datetime(2027, 1, 1, tzinfo=UTC)) == 1 and admin.demo_loaded(store)
    assert admin.load_demo(store, now=NOW) == 0
    rows = sessions.history(store, "P-D005")
    assert [r.status for r in rows] == ["ok", "abstained"] and all(r.simulated for r in rows)
    assert (rows[1].started_at - rows[0].started_at).days == 7 and rows[1].started_at < NOW
    assert patients.get(store, "P-D005").simulated
    assert patients.events(store, "P-D005") and patients.self_reports(store, "P-D005")
    assert insights.of_patient(store, "P-D005") == []


def test_settings_are_shown_with_their_source_and_without_secrets(store, monkeypatch):
    monkeypatch.setenv("AFFECTLINE_LINE_HZ", "50")
    table = {row["name"]: row for row in admin.config(store)}
    assert table["AFFECTLINE_LINE_HZ"]["source"] == "environment"
    assert (
        table["AFFECTLINE_TIME_ZONE"]["source"] == "default"
        and table["AFFECTLINE_RECORDINGS_URL"]["value"] == "not set"
    )
    assert admin.masked("postgresql://me:secret@host/db?sslkey=abc") == "postgresql://****@host/db?sslkey=****"
