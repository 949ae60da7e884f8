"""``affectline analyse``: keys, exit codes, and the same numbers again."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.cli.conftest import answer
from tests.serving import affectline

KEYS = {
    "session", "status", "reasons", "warnings", "quality", "model", "predictions", "markers", "state", "n_windows",
    "insights", "provenance",
}  # fmt: skip


def test_the_object_has_exactly_the_keys_of_the_contract(stored):
    got = stored[1]
    assert set(got) == KEYS
    assert got["session"] == "P-0042/S-01" and got["status"] == "ok"
    assert set(got["quality"]) == {"grade", "usable_share", "channels"}
    channel = {"name", "type", "unit", "sfreq", "duration_s", "usable_share", "flags"}
    assert all(set(c) == channel for c in got["quality"]["channels"]) and len(got["quality"]["channels"]) == 16
    assert set(got["provenance"]) == {"files", "pipeline_hash", "code_version"}
    assert [set(f) for f in got["provenance"]["files"]] == [{"name", "sha256"}]
    for value in got["markers"].values():
        assert set(value) in ({"value", "unit"}, {"not_computed"})
    assert isinstance(got["n_windows"], int) and 0 <= got["quality"]["usable_share"] <= 1


def test_predictions_have_an_interval_and_a_label_and_name_their_model(stored):
    got = stored[1]
    assert set(got["model"]) == {"name", "version", "basis", "balanced_accuracy"}
    for value in got["predictions"].values():
        assert set(value) in ({"p_high", "low", "high", "label"}, {"not_computed"})
    assert set(got["state"]) in ({"quadrant", "codes", "words"}, {"not_computed"})


def test_the_same_files_again_give_the_stored_object(stored, edf):
    data_dir, first = stored
    again = affectline(data_dir, "analyse", str(edf), "--patient", "P-0042", "--json")
    assert answer(again) == first


def test_a_replay_says_measure_by_measure_that_the_stored_numbers_come_again(stored, tmp_path):
    data_dir, first = stored
    got = answer(affectline(data_dir, "replay", "P-0042/S-01", "--json"))
    assert set(got) == {
        "session", "same", "code_version_stored", "code_version_now", "model", "measures", "notes",
    }  # fmt: skip
    assert got["session"] == first["session"] and got["same"] is True
    assert all(set(row) == {"measure", "unit", "stored", "replayed", "same"} for row in got["measures"])
    here = shutil.copytree(data_dir, tmp_path / "data")
    with closing(sqlite3.connect(here / "affectline.sqlite3")) as database, database:
        database.execute("UPDATE measure SET value = 60.5 WHERE name = 'heart_rate'")
    told = affectline(here, "replay", "P-0042/S-01")
    assert told.returncode == 0 and f"1 of {len(got['measures'])} measures is not the same as stored." in told.stdout
    was = next(row for row in got["measures"] if row["measure"] == "heart_rate")["stored"]["value"]
    assert "heart_rate: stored 60.5 (" in told.stdout and f"computed again {was!r} (" in told.stdout
    assert answer(affectline(data_dir, "replay", "P-0042/S-99", "--json"), 5)["code"] == "E-SESSION"


def test_another_store_gives_the_same_numbers(stored, edf, tmp_path):
    done = affectline(tmp_path / "other", "analyse", str(edf), "--patient", "P-0042", "--json")
    assert answer(done) == stored[1]


def test_a_recording_that_cannot_be_trusted_is_stored_as_abstained_with_exit_4(flat_csv, tmp_path):
    got = answer(affectline(tmp_path, "analyse", str(flat_csv), "--patient", "P-0001", "--json"), 4)
    assert got["status"] == "abstained" and got["reasons"] and got["quality"]["grade"] == "poor"
    assert all("not_computed" in value for value in [*got["predictions"].values(), *got["markers"].values()])
    history = answer(affectline(tmp_path, "history", "P-0001", "--json"))
    assert [row["status"] for row in history["sessions"]] == ["abstained"]


def test_without_json_a_person_can_read_the_answer(stored, edf):
    done = affectline(stored[0], "analyse", str(edf), "--patient", "P-0042")
    assert done.returncode == 0
    assert "P-0042/S-01" in done.stdout and "heart_rate" in done.stdout and "Not a diagnosis" in done.stdout
    assert not re.search(r"\b(NaN|nan|None)\b|[{]", done.stdout)


def test_a_start_that_is_said_goes_before_the_one_in_the_header(edf, tmp_path):
    options = ("--patient", "P-0001", "--started-at", "2026-04-01T12:00:00+02:00", "--json")
    answer(affectline(tmp_path, "analyse", str(edf), *options))
    history = answer(affectline(tmp_path, "history", "P-0001", "--json"))
    assert history["sessions"][0]["started_at"].startswith("2026-04-01T10:00:00")


def test_a_start_without_an_offset_is_in_the_sites_time_zone(edf, tmp_path):
    zone = {"AFFECTLINE_TIME_ZONE": "America/New_York"}
    options = ("--patient", "P-0001", "--started-at", "2026-07-01T12:00:00", "--json")
    answer(affectline(tmp_path, "analyse", str(edf), *options, **zone))
    history = answer(affectline(tmp_path, "history", "P-0001", "--json"))
    assert history["sessions"][0]["started_at"].startswith("2026-07-01T16:00:00")


def test_a_rate_and_a_map_say_what_a_file_does_not(tmp_path):
    from core import simulate

    ecg = simulate.recording(seed=5, duration_s=30, heart_rate=80, inputs="ecg").of_type("ecg")[0]
    table = tmp_path / "bare.csv"
    table.write_text("a\n" + "\n".join(f"{v:.5f}" for v in ecg.data) + "\n")
    mapping = tmp_path / "map.json"
    mapping.write_text(json.dumps({"a": {"type": "ecg", "unit": "mV"}}))
    options = ("--patient", "P-0001", "--sfreq", "256", "--map", str(mapping), "--json")
    got = answer(affectline(tmp_path / "data", "analyse", str(table), *options))
    assert [(c["type"], c["unit"], c["sfreq"]) for c in got["quality"]["channels"]] == [("ecg", "mV", 256.0)]
    assert got["markers"]["heart_rate"]["value"] == pytest.approx(80, abs=1.5)
    assert got["model"] is None
    assert set(map(json.dumps, got["predictions"].values())) <= {'{"not_computed": "missing_channel"}'}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("analyse",), 2),
        (("analyse", "x.edf"), 2),
        (("analyse", "x.edf", "--patient", "P-0001", "--started-at", "yesterday"), 2),
        (("analyse", "x.edf", "--patient", "P-0001", "--sfreq", "fast"), 2),
        (("analyse", "x.edf", "--patient", "P-0001", "--sfreq", "-1"), 2),
        (("analyse", "x.edf", "--patient", "P-0001", "--sfreq", "nan"), 2),
        (("analyse", "x.edf", "--patient", "P-0001", "--map", "no-such-map.json"), 2),
        (("analyse", "x.edf", "--patient", "P-0001", "--colour", "red"), 2),
        (("analyse", "no-such-file.edf", "--patient", "P-0001"), 3),
        (("insights", "P-0001", "--preset", "mine"), 2),
        (("export", "--what", "dreams", "--format", "csv", "--out", "x"), 2),
        (("export", "--what", "measures", "--format", "xlsx", "--out", "x"), 2),
        (("export", "--what", "measures", "--out", "x"), 2),
        (("juggle",), 2),
    ],
)
def test_what_cannot_be_understood_exits_2_and_a_missing_file_3_each_with_an_object(arguments, code, tmp_path):
    got = answer(affectline(tmp_path, *arguments, "--json"), code)
    assert set(got) == {"code", "what", "where", "what_to_do"} and got["code"].startswith("E-") and got["what"]


@pytest.mark.parametrize(
    "text",
    ["[1, 2]", '{"a": "eeg"}', '{"a": {"type": 3}}', '{"a": {"kind": "eeg"}}', "{", "\udc80"],
)
def test_a_map_of_another_shape_is_a_usage_error_that_shows_the_shape(text, edf, tmp_path):
    path = tmp_path / "map.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    done = affectline(tmp_path, "analyse", str(edf), "--patient", "P-0001", "--map", str(path), "--json")
    got = answer(done, 2)
    assert got["code"] == "E-MAP" and '"type": "eeg"' in got["what_to_do"] and got["where"] == "map.json"


@pytest.mark.parametrize("name", ["Anna Schmidt", "Anna", "x", "P-0001/S-01", "=1+1", "P" * 33 + "1"])
def test_text_that_is_no_pseudonym_is_refused_and_nothing_is_stored(name, edf, tmp_path):
    got = answer(affectline(tmp_path, "analyse", str(edf), "--patient", name, "--json"), 3)
    assert got["code"] == "E-PSEUDONYM"
    kept = tmp_path / "recordings"
    assert not kept.exists() or not [p for p in kept.rglob("*") if p.is_file()]


def test_an_unknown_model_is_not_found(edf, tmp_path):
    done = affectline(tmp_path, "analyse", str(edf), "--patient", "P-0001", "--model", "oracle", "--json")
    assert answer(done, 5)["code"] == "E-MODEL"
    assert affectline(tmp_path, "history", "P-0001", "--json").returncode == 5
