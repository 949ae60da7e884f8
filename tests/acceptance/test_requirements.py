"""Requirements that no other test holds, each through the services a front would ask."""

from __future__ import annotations

import ast
import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from scipy import signal
from sqlalchemy import exc, text

from app.api import deps
from app.api.main import api
from app.ui import charts
from core import simulate
from core.errors import Refused
from core.insights import replay
from core.services import admin
from core.services.clinic import insights, measures, patients, sessions
from core.services.exports import exports
from core.settings import EPOC_14, MODELS_SHIPPED, settings
from core.storage.store import Store
from core.types import InputFile, Reading, Recording, Signal, SignalQuality, Visit
from tests.core.storage.handmade import NOW, day, put, summary
from tests.serving import affectline

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def own_data_dir(tmp_path, monkeypatch) -> None:
    """Models that a developer published on this machine play no part."""
    monkeypatch.setattr(settings(), "data_dir", tmp_path / "site")


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'affectline.sqlite3'}", data_dir=tmp_path / "site")
    yield opened
    opened.close()


@pytest.fixture
def client(store) -> Iterator[TestClient]:
    """The API in this process, on the same store."""
    api.dependency_overrides[deps.store] = lambda: store
    yield TestClient(api, base_url="http://127.0.0.1", client=("127.0.0.1", 50000))
    api.dependency_overrides.clear()


def table(path: Path, columns: dict[str, np.ndarray], sfreq: float | None = None) -> InputFile:
    """A CSV of columns, with a time column where a rate is given."""
    frame = pd.DataFrame(columns)
    if sfreq:
        frame.insert(0, "time_s", np.arange(len(frame)) / sfreq)
    frame.to_csv(path, index=False, float_format="%.6f")
    return InputFile(path.name, str(path))


def columns_of(recording: Recording) -> dict[str, np.ndarray]:
    return {f"{s.name} [{s.unit.replace('µ', 'u')}]": s.data for s in recording.signals}


def edf(folder: Path, name: str = "visit.edf", **more) -> InputFile:
    more = {"seed": 6, "duration_s": 12, "started_at": day(0), **more}
    path = simulate.write_edf(simulate.recording(**more), folder / name)
    return InputFile(path.name, str(path))


# --- ingest: channels by name (S1-01), the declared rate (S1-02), five seconds (S1-03)


@pytest.fixture(scope="module")
def one_rate() -> Recording:
    return simulate.recording(seed=8, duration_s=40, sfreq_ecg=128.0, alpha_asymmetry=0.3)


def test_columns_in_another_order_give_the_same_numbers(store, one_rate, tmp_path):
    columns = columns_of(one_rate)
    shuffled = {name: columns[name] for name in np.random.default_rng(1).permutation(list(columns))}
    assert list(shuffled) != list(columns)
    first = sessions.analyse(store, [table(tmp_path / "a.csv", columns, 128)], "P-0001", now=NOW)
    second = sessions.analyse(store, [table(tmp_path / "b.csv", shuffled, 128)], "P-0002", now=NOW)
    assert first["status"] == "ok" and first["model"]["name"] == "demo-eeg-ecg"
    for target, value in first["predictions"].items():
        assert second["predictions"][target]["p_high"] == pytest.approx(value["p_high"], abs=1e-6)
    for name in ("heart_rate", "alpha_asymmetry", "engagement"):
        assert second["markers"][name]["value"] == pytest.approx(first["markers"][name]["value"], rel=1e-6)


def test_an_unknown_channel_name_stays_misc_and_is_never_taken_for_the_missing_one(store, one_rate, tmp_path):
    columns = columns_of(one_rate)
    columns = {name.replace("AF3 [uV]", "XQ7"): data for name, data in columns.items()}
    got = sessions.analyse(store, [table(tmp_path / "a.csv", columns, 128)], "P-0001", now=NOW)
    types = {c["name"]: c["type"] for c in got["quality"]["channels"]}
    assert types["XQ7"] == "misc" and types["F7"] == "eeg"
    assert got["model"] is None and got["status"] == "ok"
    assert {json.dumps(p) for p in got["predictions"].values()} == {'{"not_computed": "missing_channel"}'}
    assert any("XQ7" in w["text"] for w in got["warnings"]), "a person is told what was not analysed"
    mapped = {"XQ7": {"type": "eeg", "unit": "µV"}}
    again = sessions.analyse(
        store, [InputFile("a.csv", str(tmp_path / "a.csv"))], "P-0001", now=NOW, reading=Reading(mapping=mapped)
    )
    assert {c["name"]: c["type"] for c in again["quality"]["channels"]}["XQ7"] == "eeg"


def test_a_declared_rate_of_256_gives_what_128_gives_and_a_wrong_one_does_not(store, tmp_path):
    fast = simulate.recording(seed=9, duration_s=40, sfreq_eeg=256.0, alpha_asymmetry=0.3, inputs="eeg")
    slow = {s.name: signal.resample_poly(s.data.astype(float), 1, 2) for s in fast.signals}
    fast_file = table(tmp_path / "fast.csv", {s.name: s.data for s in fast.signals})
    slow_file = table(tmp_path / "slow.csv", slow)
    a = sessions.analyse(store, [fast_file], "P-0001", now=NOW, reading=Reading(256.0))["markers"]
    b = sessions.analyse(store, [slow_file], "P-0002", now=NOW, reading=Reading(128.0))["markers"]
    # the markers are ln ratios of band powers: 5 % of power is 0.05
    for name in ("alpha_asymmetry", "engagement"):
        assert a[name]["value"] == pytest.approx(b[name]["value"], abs=0.05)
    assert a["alpha_peak"]["value"] == pytest.approx(10, abs=0.5) == b["alpha_peak"]["value"]
    wrong = sessions.analyse(store, [fast_file], "P-0003", now=NOW, reading=Reading(128.0))["markers"]["alpha_peak"]
    assert wrong != a["alpha_peak"]


def arrays(n_eeg: int, n_ecg: int, *, patient: str = "P-0042", **more) -> dict:
    made = simulate.recording(seed=2, duration_s=max(n_eeg / 128, n_ecg / 256) + 1)
    eeg, ecg = (
        np.stack([s.data[:n] for s in made.of_type(t)], axis=1).astype(float).round(4).tolist()
        for t, n in (("eeg", n_eeg), ("ecg", n_ecg))
    )
    return {"user_id": patient, "eeg_data": eeg, "ecg_data": ecg, **more}


def test_five_seconds_are_enough_and_one_sample_less_is_not(client):
    answer = client.post("/predict", json=arrays(640, 1280))
    assert answer.status_code == 200, answer.text
    session = client.get(f"/sessions/{answer.json()['session_id']}").json()
    assert session["n_windows"] >= 1
    for n_eeg, n_ecg, where in ((639, 1280, "eeg_data"), (640, 1279, "ecg_data")):
        short = client.post("/predict", json=arrays(n_eeg, n_ecg, patient="P-0043"))
        assert short.status_code == 422 and short.json()["where"] == where


def test_the_rates_of_the_arrays_are_used(client):
    made = simulate.recording(seed=2, duration_s=30, sfreq_eeg=256.0)
    eeg, ecg = (np.stack([s.data for s in made.of_type(t)], axis=1).astype(float).tolist() for t in ("eeg", "ecg"))
    body = {"user_id": "P-0042", "eeg_data": eeg, "ecg_data": ecg, "eeg_fs": 256}
    got = client.post("/predict", json=body).json()
    assert got["markers"]["alpha_peak"]["value"] == pytest.approx(10, abs=0.5)
    assert got["markers"]["heart_rate"]["value"] == pytest.approx(70, abs=1)
    channels = client.get(f"/sessions/{got['session_id']}").json()["quality"]["channels"]
    assert {(c["type"], c["sfreq"], c["duration_s"]) for c in channels} == {("eeg", 256.0, 30.0), ("ecg", 256.0, 30.0)}


# --- abstaining (S1-05)


def test_a_poor_required_signal_is_stored_as_abstained_and_the_other_markers_stay(store, tmp_path):
    made = simulate.recording(seed=3, duration_s=60, started_at=day(0))
    flat = tuple(
        Signal(s.name, s.type, s.unit, s.sfreq, np.zeros_like(s.data)) if s.type == "eeg" else s for s in made.signals
    )
    path = simulate.write_edf(Recording(flat, made.started_at), tmp_path / "flat.edf")
    got = sessions.analyse(store, [InputFile(path.name, str(path))], "P-0042", now=NOW)
    assert got["status"] == "abstained" and got["quality"]["grade"] == "poor" and got["reasons"]
    assert {json.dumps(p) for p in got["predictions"].values()} == {'{"not_computed": "low_quality"}'}
    assert got["state"] == {"not_computed": "low_quality"}
    assert got["markers"]["heart_rate"]["value"] == pytest.approx(70, abs=1)
    with store.read() as tx:
        stored = tx.all(text("SELECT name, value, low, high, reason FROM measure WHERE kind = 'prediction'"))
        assert tx.value(text("SELECT count(*) FROM window_series")) == 0
    assert sorted(tuple(r) for r in stored) == [
        (name, None, None, None, "low_quality") for name in ("arousal", "dominance", "valence")
    ]
    made_chart = charts.timeline(sessions.history(store, "P-0042"), ["valence"], {}, zone=settings().zone)
    points = [t for t in made_chart.figure.data if t.mode == "markers" and t.name == "Valence" and len(t.x)]
    assert [t.marker.symbol for t in points] == ["x-thin"] or all("low_quality" not in str(t.y) for t in points)
    assert patients.baselines(store, "P-0042") == {}


# --- the store: another model, restart, keys (S1-21, S1-25, d7)


def second_model(name: str) -> str:
    """The shipped demonstration model once more, under another name."""
    folder = settings().data_dir / "models" / name
    shutil.copytree(MODELS_SHIPPED / "demo-eeg-ecg", folder)
    card = folder / "card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "name": name}))
    return name


def test_another_model_is_a_further_analysis_of_the_same_session(store, tmp_path):
    file = edf(tmp_path)
    first = sessions.analyse(store, [file], "P-0042", now=NOW)
    other = second_model("second")
    second = sessions.analyse(store, [file], "P-0042", now=NOW, model=other)
    assert second["session"] == first["session"] and second["model"]["name"] == "second"
    assert second["provenance"] == first["provenance"]
    assert len(sessions.history(store, "P-0042")) == 1
    assert len(sessions.get(store, first["session"]).analyses) == 2
    assert sessions.analyse(store, [file], "P-0042", now=NOW, model=other) == second
    assert sessions.analyse(store, [file], "P-0042", now=NOW, model="demo-eeg-ecg") == first
    assert len(sessions.get(store, first["session"]).analyses) == 2


def test_the_database_itself_refuses_the_same_insight_twice(store):
    for k in range(12):
        put(store, "P-0042", day(7 * k), {"valence": 0.5, "heart_rate": 65.0 + k % 3 + 40 * (k == 11)})
    with store.read() as tx:
        columns = [r[1] for r in tx.all(text("PRAGMA table_info(insight)")) if r[1] != "id"]
    names = ", ".join(columns)
    with pytest.raises(exc.IntegrityError), store.write() as tx:
        tx.execute(text(f"INSERT INTO insight ({names}) SELECT {names} FROM insight LIMIT 1"))


def test_nothing_stays_behind_a_row_that_is_deleted(store, tmp_path):
    for k in range(12):
        put(store, "P-0042", day(7 * k), {"valence": 0.5, "heart_rate": 65.0 + k % 3 + 40 * (k == 11)})
    patients.add_event(store, "P-0042", "change", "moved", day(1), now=NOW)
    assert insights.of_patient(store, "P-0042")
    with store.write() as tx:
        tx.execute(text("DELETE FROM patient"))
        below = ("session", "recording", "analysis", "measure", "window_series", "quality", "insight", "event")
        assert {name: tx.value(text(f"SELECT count(*) FROM {name}")) for name in below} == dict.fromkeys(below, 0)
    assert admin.verify_audit(store)[0], "what was done to it stays in the chain"


def test_sessions_stored_in_any_order_end_in_the_same_insights(store):
    rng = np.random.default_rng(4)
    values = [{"valence": 0.5 + 0.03 * rng.standard_normal(), "heart_rate": 65 + rng.standard_normal() + 20 * (k > 9)}
              for k in range(14)]  # fmt: skip

    def found(patient: str, order) -> list[tuple]:
        for k in order:
            put(store, patient, day(7 * int(k)), values[int(k)])
        numbered = {r.session: r.started_at for r in sessions.history(store, patient)}
        return sorted(
            (c.insight.kind, c.insight.measure, numbered[c.insight.session], numbered[c.insight.last_session])
            for c in insights.of_patient(store, patient)
        )

    in_time = found("P-0001", range(14))
    assert in_time
    assert found("P-0002", rng.permutation(14)) == in_time
    assert found("P-0003", reversed(range(14))) == in_time


# --- wrist band, header and name


def test_a_wrist_band_folder_and_its_zip_give_the_same_numbers_near_the_truth(store, tmp_path):
    made = simulate.wrist(seed=5, duration_s=180, pulse_rate=76, scl=4.0, skin_temperature=33.0, started_at=day(0))
    folder, bag = (simulate.write_e4(made, tmp_path / name) for name in ("band", "band.zip"))
    one = sessions.analyse(store, sessions.expand([folder]), "P-0001", now=NOW)
    two = sessions.analyse(store, sessions.expand([bag]), "P-0002", now=NOW)
    assert one["markers"] == two["markers"] and one["quality"] == two["quality"]
    assert one["markers"]["pulse_rate"]["value"] == pytest.approx(76, abs=1)
    assert one["markers"]["scl"]["value"] == pytest.approx(4, abs=0.5)
    assert one["markers"]["skin_temperature"]["value"] == pytest.approx(33, abs=0.2)
    assert sessions.history(store, "P-0001")[0].started_at == day(0)


def test_a_name_in_a_header_is_in_no_table_no_answer_and_no_log(store, tmp_path):
    import edfio

    made = simulate.recording(seed=6, duration_s=12, started_at=day(0))
    path = simulate.write_edf(made, tmp_path / "visit.edf")
    whole = edfio.read_edf(path)
    whole.patient = edfio.Patient(code="MRN77", sex="F", birthdate=datetime(1984, 5, 3).date(), name="Ada_Lovelace")
    whole.recording = edfio.Recording(startdate=day(0).date(), investigator_technician_code="Dr_Babbage")
    whole.write(path)
    assert b"Lovelace" in path.read_bytes()
    answer = sessions.analyse(store, [InputFile(path.name, str(path))], "P-0042", now=NOW)
    sessions.signals(store, answer["session"], t0=0, page_s=5)
    made = [exports.export(store, what, "csv", now=NOW) for what in ("measures", "windows", "insights")]
    store.close()
    kept = [p for p in tmp_path.rglob("*") if p.is_file() and p != path and p.parent.name != "recordings"]
    assert any(p.name == "affectline.sqlite3" for p in kept)
    said = [json.dumps(answer).encode(), *(b for e in made for b in e.files.values()), *(p.read_bytes() for p in kept)]
    for word in (b"Lovelace", b"Babbage", b"MRN77", b"03-MAY-1984", b"1984-05-03"):
        assert not [s for s in said if word in s], word


# --- the eight operations (S1-26, S1-29)


def weekly(store: Store, tmp_path: Path, patient: str, n: int) -> None:
    """Sessions until yesterday, a week apart; the last heart rate stands out."""
    lines = ["patient,started_at,measure,value,low,high"]
    now = datetime.now(UTC).replace(microsecond=0)
    for k in range(n):
        at = (now - timedelta(days=7 * (n - 1 - k) + 1)).isoformat()
        lines.append(f"{patient},{at},heart_rate,{60 + k % 3 + 45 * (k == n - 1)},,")
        lines.append(f"{patient},{at},valence,{0.6 if k % 2 else 0.2},{0.55 if k % 2 else 0.1},{0.7 if k % 2 else 0.3}")
    path = tmp_path / f"{patient}.csv"
    path.write_text("\n".join(lines) + "\n")
    measures.import_csv(store, path, now=now)


def test_summary_profile_and_stats_count_what_is_stored(client, store, tmp_path):
    weekly(store, tmp_path, "P-0042", 12)
    put(store, "P-0042", day(0), {"valence": 0.9, "arousal": 0.5}, model=None)
    put(store, "P-0007", day(1), {}, status="abstained")
    got = client.get("/users/P-0042/summary").json()
    values = [0.2, 0.6] * 6 + [0.9]
    assert got["valence"]["mean"] == pytest.approx(np.mean(values))
    assert got["valence"]["sd"] == pytest.approx(np.std(values, ddof=1))
    # 0.6 (0.55-0.7) and 0.9 (0.8-1.0) are High, 0.2 is Low
    assert got["valence"]["share_high"] == pytest.approx(7 / 13) and got["valence"]["n"] == 13
    assert got["dominance"] == {"not_computed": "too_few"}
    assert (got["total_sessions"], got["total_windows"]) == (13, 4)
    profile = client.get("/users/P-0042/profile").json()
    assert profile["user_id"] == "P-0042" and profile["total_sessions"] == 13 and profile["total_windows"] == 4
    stats = client.get("/platform/stats").json()
    with store.read() as tx:
        computed = tx.value(text("SELECT count(*) FROM measure WHERE kind = 'prediction' AND value IS NOT NULL"))
    assert stats["total_users"] == 2 and stats["total_sessions"] == 14
    assert stats["total_predictions"] in (computed, 14)
    assert stats["total_insights"] == sum(len(insights.of_patient(store, p)) for p in ("P-0042", "P-0007")) > 0


def test_insights_are_those_of_seven_days_unless_asked_for_more(client, store, tmp_path):
    weekly(store, tmp_path, "P-0042", 14)
    put(store, "P-0007", datetime.now(UTC) - timedelta(days=40), {"valence": 0.5})
    week = client.get("/users/P-0042/insights").json()
    assert week["days"] == 7
    newest = sessions.history(store, "P-0042")[-1].session
    assert newest in {i["session_id"] for i in week["insights"]}
    since = datetime.now(UTC) - timedelta(days=7)
    assert all(datetime.fromisoformat(i["period_end"]) >= since for i in week["insights"])
    assert client.get("/users/P-0042/insights", params={"days": 90}).json()["total"] >= week["total"]
    assert client.get("/users/P-0007/insights", params={"days": 7}).json()["insights"] == []
    history = client.get("/users/P-0042/history", params={"days": 30, "size": 2, "page": 3}).json()
    assert (history["total"], len(history["sessions"])) == (5, 1)


def test_without_a_model_the_api_says_so_and_a_recording_still_has_its_markers(client, store, tmp_path, monkeypatch):
    from core.models import bundle

    monkeypatch.setattr(bundle, "MODELS_SHIPPED", tmp_path / "none")
    answer = client.post("/predict", json=arrays(1280, 2560))
    assert answer.status_code == 503 and answer.json()["code"] == "E-NO-MODEL"
    health = client.get("/health").json()
    assert health["model_loaded"] is False and health["db_connected"] is True and health["status"] == "ok"
    got = sessions.analyse(store, [edf(tmp_path, duration_s=30)], "P-0042", now=NOW)
    assert got["model"] is None and got["status"] == "ok"
    assert {json.dumps(p) for p in got["predictions"].values()} == {'{"not_computed": "no_model"}'}
    assert got["state"] == {"not_computed": "no_model"} and "value" in got["markers"]["heart_rate"]


def test_every_answer_and_export_says_that_this_is_research_and_that_the_model_is_a_demonstration(client, tmp_path):
    client.post("/predict", json=arrays(1280, 2560))
    answer = client.post("/admin/export", json={"format": "csv", "what": "measures", "user_id": "P-0042"})
    path = tmp_path / "out.zip"
    path.write_bytes(answer.content)
    shutil.unpack_archive(path, tmp_path / "out")
    manifest = (tmp_path / "out" / "manifest.json").read_text()
    assert "Not a medical device" in manifest and "carry no meaning for a person" in manifest
    for where in ("history", "insights", "profile", "summary"):
        assert "Not a medical device" in client.get(f"/users/P-0042/{where}").text, where
    for where in ("history", "summary"):
        assert "carry no meaning for a person" in client.get(f"/users/P-0042/{where}").text, where


# --- detectors


def test_detectors_ask_no_clock_and_move_with_their_history():
    reads = {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}
    for path in (ROOT / "core" / "insights").glob("*.py"):
        calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert not [c.attr for c in calls if isinstance(c, ast.Attribute) and c.attr in reads], path.name
    course = simulate.patient_course("shift", 20, seed=5, start=day(0))

    def found(years: int) -> list[tuple]:
        later = timedelta(days=365 * years)
        visits = [
            Visit(f"P-0001/S-{k + 1:02d}", v["started_at"] + later, True, v["values"], "m")
            for k, v in enumerate(course)
        ]
        return [(i.kind, i.measure, i.session, i.value) for p in ("default", "published") for i in replay(visits, p)]

    assert found(0) and found(0) == found(-20) == found(30)


def test_measures_of_a_table_show_little_on_calm_people_and_a_lasting_shift(store, tmp_path):
    path, n = tmp_path / "course.csv", 12
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["patient", "started_at", "measure", "value"])
        for kind in ("calm", "shift"):
            for k in range(n):
                for visit in simulate.patient_course(kind, 20, seed=100 + k, start=day(0)):
                    for name, value in visit["values"].items():
                        out.writerow([f"{kind}-{k:02d}", visit["started_at"].isoformat(), name, repr(float(value))])
    done = measures.import_csv(store, path, now=NOW)
    assert (done["patients"], done["sessions"]) == (2 * n, 2 * n * 20)
    calm = [sum(c.insight.kind != "STABILITY" for c in insights.of_patient(store, f"calm-{k:02d}")) for k in range(n)]
    assert np.mean(calm) <= 1.0
    last_five = {f"S-{s:02d}" for s in range(16, 21)}
    hits = sum(
        any(
            c.insight.kind in ("TREND", "ANOMALY", "PEAK") and c.insight.session.rsplit("/", 1)[1] in last_five
            for c in insights.of_patient(store, f"shift-{k:02d}")
        )
        for k in range(n)
    )
    assert hits >= 0.9 * n


# --- the contract of the command line: these keys and no others


def test_the_objects_of_the_command_line_have_the_keys_of_the_contract_and_no_others(tmp_path):
    data_dir, file = tmp_path / "data", edf(tmp_path, duration_s=20)
    options = ("--patient", "P-0042", "--json")

    def said(*arguments: str, code: int = 0) -> dict:
        done = affectline(data_dir, *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        told.append(done.stderr)
        return json.loads(done.stdout)

    told: list[str] = []
    weekly(Store.open(f"sqlite:///{data_dir / 'affectline.sqlite3'}"), tmp_path, "P-0042", 14)
    got = said("analyse", file.path, *options)
    assert not {"Reading the files", "Storing the session"} - set(told[-1].splitlines()), "progress, on standard error"
    assert set(got) == {
        "session", "status", "reasons", "warnings", "quality", "model", "predictions", "markers", "state", "n_windows",
        "insights", "provenance",
    }  # fmt: skip
    assert all(set(w) == {"code", "text"} for w in got["warnings"]) and got["warnings"]
    assert set(got["state"]) == {"quadrant", "codes", "words"} or set(got["state"]) == {"not_computed"}
    assert {tuple(sorted(p)) for p in got["predictions"].values()} == {("high", "label", "low", "p_high")}
    assert {tuple(sorted(m)) for m in got["markers"].values()} == {("unit", "value"), ("not_computed",)}
    assert said("analyse", file.path, *options) == got

    history = said("history", "P-0042", "--json")
    assert set(history) == {"patient", "total", "sessions"} and history["total"] == len(history["sessions"]) == 15
    row = {"session", "started_at", "status", "usable_share", "imported", "predictions", "markers"}
    assert all(set(r) == row for r in history["sessions"])
    assert [r["started_at"] for r in history["sessions"]] == sorted(r["started_at"] for r in history["sessions"])

    insight = {
        "id", "kind", "measure", "session", "severity", "text", "value", "reference", "n", "expected_by_chance",
    }  # fmt: skip
    for preset in ("default", "published"):
        found = said("insights", "P-0042", "--preset", preset, "--json")
        assert set(found) == {"patient", "preset", "insights"} and found["preset"] == preset
        assert found["insights"] and all(set(i) == insight for i in found["insights"])
    at = said("analyse", file.path, *options)["insights"]
    assert all(set(i) == insight for i in at)

    refusal = said("analyse", str(tmp_path / "none.edf"), *options, code=3)
    assert set(refusal) == {"code", "what", "where", "what_to_do"}


# --- screens


def test_an_hour_of_sixteen_channels_is_drawn_in_under_two_seconds(store, tmp_path):
    from core.services.clinic import analysis
    from core.storage.blobs import sha256

    rng = np.random.default_rng(1)
    hour = np.cumsum(rng.standard_normal((16, 3600 * 128), dtype=np.float32), axis=1)
    hour = (hour - signal.decimate(hour, 64, axis=1, ftype="fir").repeat(64, axis=1)).astype(np.float32)
    names = [*EPOC_14, "Cz", "Pz"]
    made = Recording(tuple(Signal(n, "eeg", "µV", 128.0, x) for n, x in zip(names, hour, strict=True)), day(0))
    path = simulate.write_edf(made, tmp_path / "hour.edf")
    digest = sha256(path)
    store.blobs.keep(path, digest)
    signals = tuple(SignalQuality(n, "eeg", 0.9, (), False, ()) for n in names)
    judged = replace(summary({}, model=None), quality=replace(summary({}).quality, signals=signals))
    original = analysis._Original(path.name, path, digest, path.stat().st_size)
    with store.write() as tx:
        stored = analysis._store(
            tx, made, [original], judged, "P-0042", now=NOW, started_at=None, simulated=True, required=None,
            reading=Reading(), settings_used={"line_hz": 50.0},
        )  # fmt: skip
    session = stored["session"]
    sessions.signals(store, session, t0=0, page_s=10)  # the copy is made once, when the session is first opened
    whole = sessions.overview(store, session)
    page = sessions.signals(store, session, t0=1800, page_s=10)
    text_of = charts.signals(page).to_json()
    whole_text = charts.signals(whole).to_json()
    assert len(page.rows) == len(whole.rows) == 16 and len(page.rows[0]["y"]) == 1280
    assert all(len(r["y"]) <= 2000 and r["decimated"] for r in whole.rows) and whole.page_s == 3600
    assert len(text_of) < 300_000 and len(whole_text) < 300_000
    # a minute, the longest page, is thinned; nothing of its range is lost
    minute = sessions.signals(store, session, t0=60, page_s=60).rows[3]
    copy = hour[3, 60 * 128 : 120 * 128]
    assert minute["decimated"] and np.ptp(minute["y"]) == pytest.approx(np.ptp(copy), rel=0.02)


WITHOUT_SCREEN = """
import importlib, pkgutil, sys
import core
for module in pkgutil.walk_packages(core.__path__, "core."):
    if not module.name.startswith(("core.storage.migrations.", "core.worker")):
        importlib.import_module(module.name)
import app.api.main
print("SCREEN", sorted({"streamlit", "plotly"} & set(sys.modules)))
"""


def test_the_core_and_the_api_import_no_screen(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SCREEN], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "AFFECTLINE_DATA_DIR": str(tmp_path)},
    )  # fmt: skip
    assert "SCREEN []" in done.stdout, done.stdout + done.stderr


def test_a_refused_session_says_file_reason_remedy_and_code_in_one_line(store, tmp_path):
    path = tmp_path / "letter.edf"
    path.write_text("Dear colleague,\n" * 40)
    with pytest.raises(Refused) as refused:
        sessions.analyse(store, [InputFile(path.name, str(path))], "P-0042", now=NOW)
    error = refused.value
    assert set(error.as_dict()) == {"code", "what", "where", "what_to_do"} and all(error.as_dict().values())
    assert error.text.startswith("letter.edf: ") and error.text.endswith(f"[{error.code}]") and "\n" not in error.text
    assert patients.find(store) == [] and admin.verify(store) == []
