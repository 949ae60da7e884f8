"""The other verbs: their keys and exit codes."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from core import simulate
from core.types import Annotation
from tests.cli.conftest import answer
from tests.core.reports.reading import text
from tests.serving import ROOT, affectline, environment


def test_help_comes_without_loading_the_heavy_libraries(tmp_path):
    code = (
        "import sys; sys.argv = ['affectline', '--help']\n"
        "from app.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'sklearn', 'streamlit', 'scipy', 'pandas', 'mne', 'fastapi'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "analyse" in done.stdout


def test_history_has_the_keys_of_the_contract(stored):
    got = answer(affectline(stored[0], "history", "P-0042", "--json"))
    assert set(got) == {"patient", "total", "sessions"} and got["total"] == 1
    keys = {"session", "started_at", "status", "usable_share", "imported", "predictions", "markers"}
    assert [set(row) for row in got["sessions"]] == [keys]
    assert got["sessions"][0]["markers"]["heart_rate"] == stored[1]["markers"]["heart_rate"]
    assert got["sessions"][0]["started_at"].startswith("2026-03-02T09:00:00")


@pytest.mark.parametrize("verb", ["history", "insights"])
def test_an_unknown_patient_is_not_found(verb, stored):
    assert answer(affectline(stored[0], verb, "P-9999", "--json"), 5)["code"] == "E-PATIENT"


@pytest.fixture(scope="module")
def imported(weeks, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("imported") / "data"
    return data_dir, answer(affectline(data_dir, "measures", "import", str(weeks), "--json"))


def test_measures_are_imported_once_and_the_detectors_run(imported, weeks):
    data_dir, got = imported
    assert set(got) >= {"patients", "sessions", "measures", "skipped", "insights"}
    assert got["sessions"] == 14 and got["measures"] == 14
    history = answer(affectline(data_dir, "history", "P-0007", "--json"))
    assert history["total"] == 14 and all(row["imported"] for row in history["sessions"])
    times = [row["started_at"] for row in history["sessions"]]
    assert times == sorted(times)
    again = answer(affectline(data_dir, "measures", "import", str(weeks), "--json"))
    assert again["sessions"] == 0 and again["skipped"] == 14


@pytest.mark.parametrize("preset", ["default", "published"])
def test_insights_have_the_keys_of_the_contract_in_both_presets(imported, preset):
    got = answer(affectline(imported[0], "insights", "P-0007", "--preset", preset, "--json"))
    assert set(got) == {"patient", "preset", "insights"} and got["preset"] == preset
    assert got["insights"] or preset == "published"
    keys = {
        "id", "kind", "measure", "session", "severity", "text", "value", "reference", "n", "expected_by_chance",
    }  # fmt: skip
    for item in got["insights"]:
        assert set(item) == keys
        assert item["kind"] in ("TREND", "ANOMALY", "PEAK", "STABILITY", "CORRELATION")
        assert item["severity"] in ("info", "warning", "alert")


def test_insights_and_history_can_be_read_by_a_person(imported):
    for verb in ("history", "insights"):
        done = affectline(imported[0], verb, "P-0007")
        assert done.returncode == 0 and "P-0007" in done.stdout
        assert not re.search(r"\b(NaN|nan|None)\b|[{]", done.stdout)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("P-0007,2026-01-01T10:00:00Z,heart_rate,61.5", "E-MEASURE-CONFLICT"),
        ("P-0007,2026-09-01T10:00:00Z,mood,61.5", "E-MEASURE"),
    ],
)
def test_a_row_that_contradicts_or_is_unknown_is_refused_whole(imported, row, code, tmp_path):
    path = tmp_path / "more.csv"
    path.write_text(f"patient,started_at,measure,value\nP-0007,2026-08-01T10:00:00Z,heart_rate,60\n{row}\n")
    got = answer(affectline(imported[0], "measures", "import", str(path), "--json"), 3)
    assert got["code"] == code
    assert answer(affectline(imported[0], "history", "P-0007", "--json"))["total"] == 14


def test_a_measures_file_that_is_not_there_is_refused(tmp_path):
    assert answer(affectline(tmp_path, "measures", "import", "nowhere.csv", "--json"), 3)["code"] == "E-FILE"


FIRST_COLUMNS = {
    "measures": "patient, session, started_at, kind, measure, value, low, high, unit, reason, usable_share, model",
    "windows": "patient, session, model, target, onset_s, duration_s, p_high, usable, reason",
    "insights": "id, kind, measure, session, severity, text, value, reference, n, expected_by_chance",
}


@pytest.mark.parametrize("what", FIRST_COLUMNS)
def test_an_export_writes_the_columns_of_the_contract_with_dictionary_and_manifest(what, stored, tmp_path):
    out = tmp_path / "out"
    got = answer(affectline(stored[0], "export", "--what", what, "--format", "csv", "--out", str(out), "--json"))
    assert set(got) == {"id", "what", "rows", "files"} and got["what"] == what
    names = {path.name for path in out.iterdir()}
    assert {"data_dictionary.json", "manifest.json"} < names
    [table] = [path for path in out.iterdir() if path.suffix == ".csv"]
    with table.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    columns = FIRST_COLUMNS[what].split(", ")
    found = [name for name in header if name in columns] if what == "insights" else header[: len(columns)]
    assert found == columns
    assert len(rows) == got["rows"]
    if what == "measures":
        empty = [r for r in rows if not r[columns.index("value")]]
        assert rows and all(r[columns.index("reason")] for r in empty)


def test_csv_and_parquet_hold_the_same_rows(stored, tmp_path):
    import pandas as pd

    for fmt in ("csv", "parquet"):
        out = str(tmp_path / fmt)
        answer(affectline(stored[0], "export", "--what", "windows", "--format", fmt, "--out", out, "--json"))
    as_csv = pd.read_csv(next((tmp_path / "csv").glob("*.csv")))
    as_parquet = pd.read_parquet(next((tmp_path / "parquet").glob("*.parquet")))
    assert list(as_csv) == list(as_parquet) and len(as_csv) == len(as_parquet) > 0
    pd.testing.assert_series_equal(as_csv["p_high"], as_parquet["p_high"], check_dtype=False)


def test_an_export_of_one_patient_who_is_not_there_is_not_found(stored, tmp_path):
    options = ("--what", "measures", "--format", "csv", "--out", str(tmp_path / "out"), "--patient", "P-9999", "--json")
    assert answer(affectline(stored[0], "export", *options), 5)["code"] == "E-PATIENT"


def test_an_export_into_a_file_is_a_usage_error(stored, tmp_path):
    path = tmp_path / "taken"
    path.touch()
    options = ("--what", "measures", "--format", "csv", "--out", str(path), "--json")
    assert answer(affectline(stored[0], "export", *options), 2)["code"] == "E-OUT"


def test_models_are_listed_with_what_they_were_trained_on_and_have_a_card(stored, tmp_path):
    models = answer(affectline(stored[0], "model", "list", "--json"))
    demo = next(m for m in models if m["name"] == "demo-eeg-ecg")
    assert "simulated" in demo["basis"] and demo["demonstration"] and not demo["problem"]
    assert answer(affectline(stored[0], "model", "card", "demo-eeg-ecg", "--json"))
    paper = tmp_path / "card.pdf"
    assert affectline(stored[0], "model", "card", "demo-eeg-ecg", "--pdf", str(paper)).returncode == 0
    assert "Model card: demo-eeg-ecg" in text(paper.read_bytes())
    refused = affectline(stored[0], "model", "card", "demo-eeg-ecg", "--pdf", str(tmp_path), "--json")
    assert answer(refused, 2)["code"] == "E-OUT"
    assert answer(affectline(stored[0], "model", "card", "oracle", "--json"), 5)["code"] == "E-MODEL"


def test_a_model_is_retired_with_a_reason_then_refused_by_name_and_approved_again(stored, edf):
    folder, name = stored[0], "demo-eeg-ecg"
    assert affectline(folder, "model", "retire", name).returncode == 2, "a reason is always given"
    told = answer(affectline(folder, "model", "what-would-change", name, "--newest", "1", "--json"))
    assert told["n_sessions"] == 1 and told["rows"][0]["without_it"] == {"not_computed": "no_model"}
    answer(affectline(folder, "model", "retire", name, "--why", "a new cap", "--json"))
    refused = answer(affectline(folder, "analyse", str(edf), "--patient", "P-0077", "--model", name, "--json"), 3)
    assert refused["code"] == "E-MODEL-RETIRED" and "a new cap" in refused["what"]
    assert "retired: a new cap" in affectline(folder, "model", "list").stdout
    assert answer(affectline(folder, "model", "approve", name, "--why", "it fits", "--json"))["state"] == "approved"


def test_a_study_is_simulated_listed_and_trained_on(tmp_path):
    simulate = ("study", "simulate", "--name", "tiny", "--subjects", "3", "--trials", "4", "--trial-s", "12")
    made = answer(affectline(tmp_path, *simulate, "--effect", "1.0", "--json"))
    assert made["study"] == "tiny" and made["n_subjects"] == 3 and made["n_trials"] == 12 and made["simulated"]
    assert affectline(tmp_path, *simulate, "--effect", "1.0", "--json").returncode == 0  # the same one again
    assert answer(affectline(tmp_path, *simulate, "--effect", "0.5", "--json"), 3)["code"] == "E-STUDY-EXISTS"
    listed = answer(affectline(tmp_path, "study", "list", "--json"))
    assert [row["name"] for row in listed] == ["tiny"]
    train = ("model", "train", "--target", "valence", "--model", "logistic", "--inputs", "eeg+ecg")
    answer(affectline(tmp_path, *train, "--study", "tiny", "--publish", "mine", "--json", timeout=300))
    assert "mine" in {m["name"] for m in answer(affectline(tmp_path, "model", "list", "--json"))}
    assert answer(affectline(tmp_path, *train, "--study", "none", "--json"), 5)["code"] == "E-STUDY"


def test_settings_are_shown_with_their_source_and_without_secrets(tmp_path):
    url = f"sqlite:///{tmp_path / 'own.sqlite3'}"
    shown = answer(
        affectline(tmp_path, "config", "show", "--json", AFFECTLINE_DATABASE_URL=url, AFFECTLINE_LINE_HZ="60")
    )
    rows = {row["name"].removeprefix("AFFECTLINE_").upper(): row for row in shown}
    assert float(rows["LINE_HZ"]["value"]) == 60 and rows["LINE_HZ"]["source"] == "environment"
    assert rows["MAX_UPLOAD_MB"]["source"] == "default"
    assert (tmp_path / "own.sqlite3").exists()


def test_a_setting_that_cannot_be_is_named(tmp_path):
    got = answer(affectline(tmp_path, "config", "show", "--json", AFFECTLINE_LINE_HZ="55"), 2)
    assert got["code"] == "E-SETTING" and got["where"] == "AFFECTLINE_LINE_HZ"


def test_the_audit_chain_is_whole_until_a_row_is_changed(stored, tmp_path):
    assert answer(affectline(stored[0], "audit", "verify", "--json"))["ok"] is True
    with closing(sqlite3.connect(stored[0] / "affectline.sqlite3")) as db:
        db.execute("VACUUM INTO ?", (str(tmp_path / "affectline.sqlite3"),))
    with closing(sqlite3.connect(tmp_path / "affectline.sqlite3")) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("UPDATE audit SET action = 'nothing' WHERE id = (SELECT min(id) FROM audit)")
        db.commit()
    got = answer(affectline(tmp_path, "audit", "verify", "--json"), 3)
    assert got["code"] == "E-AUDIT" and "broken" in got["what"]


def test_every_verb_makes_the_database_it_needs(tmp_path):
    answer(affectline(tmp_path / "new", "model", "list", "--json"))
    assert (tmp_path / "new" / "affectline.sqlite3").exists()


def test_a_fault_of_the_program_is_a_reference_and_no_traceback(tmp_path):
    broken = {"AFFECTLINE_DATABASE_URL": f"sqlite:///{tmp_path}"}  # a folder is no database
    done = affectline(tmp_path, "history", "P-0001", "--json", **broken)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    got = json.loads(done.stdout)
    assert got["code"] == "E-UNFORESEEN" and "ref" in got["what"]
    kept = list((tmp_path / "errors").iterdir())
    assert len(kept) == 1 and "Traceback" in kept[0].read_text()
    assert os.name != "posix" or kept[0].stat().st_mode & 0o077 == 0
    assert "Traceback" in affectline(tmp_path, "history", "P-0001", **broken, AFFECTLINE_DEBUG="1").stderr


def test_a_session_is_exported_as_edf_and_analysed_again(stored, tmp_path):
    options = ("--what", "session", "--session", "P-0042/S-01", "--format", "edf", "--out", str(tmp_path / "out"))
    got = answer(affectline(stored[0], "export", *options, "--json"))
    assert (got["what"], got["rows"]) == ("session", 16)
    [edf] = (tmp_path / "out").glob("*.edf")
    again = answer(affectline(tmp_path / "other", "analyse", str(edf), "--patient", "P-0001", "--json"))
    both = [{c["name"]: (c["type"], c["sfreq"]) for c in a["quality"]["channels"]} for a in (stored[1], again)]
    assert both[0] == both[1]


def test_a_recordings_own_words_leave_only_when_asked_for(tmp_path):
    made = simulate.recording(seed=6, duration_s=10)
    path = simulate.write_edf(replace(made, annotations=(Annotation(2.0, 0.0, "Ann"),)), tmp_path / "visit.edf")
    answer(affectline(tmp_path / "data", "analyse", str(path), "--patient", "P-0042", "--json"))
    for options, words in (((), False), (("--annotations",), True)):
        out = tmp_path / f"out{words}"
        what = ("--what", "session", "--session", "P-0042/S-01", "--format", "edf", "--out", str(out))
        answer(affectline(tmp_path / "data", "export", *what, *options, "--json"))
        [edf] = out.glob("*.edf")
        assert (b"\x14Ann\x14" in edf.read_bytes()) is words


@pytest.mark.parametrize(
    "options", [("--what", "session", "--format", "csv"), ("--what", "measures", "--format", "edf")], ids=["csv", "edf"]
)
def test_a_kind_is_exported_in_its_own_formats_only(options, stored, tmp_path):
    done = affectline(stored[0], "export", *options, "--out", str(tmp_path / "out"), "--json")
    assert answer(done, 2)["code"] == "E-EXPORT-FORMAT"
