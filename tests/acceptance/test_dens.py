"""Three commands lead from a downloaded folder of DENS to a model that the clinic then uses by default."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from core.services.research import explanations, models
from core.settings import settings
from core.storage.store import Store
from tests import dens
from tests.serving import affectline

ASKED = [word for target in dens.TARGETS for word in ("--target", target)]


@pytest.fixture(scope="module")
def site(shared_data, tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("dens")


def answer(done) -> dict:
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def told(shared_data, site) -> dict[str, dict]:
    """What the three commands printed."""
    folder = dens.downloaded(shared_data, site / "ds003751")
    visit = dens.visit(site / "visit.edf")
    data = site / "data"
    return {
        "study": answer(affectline(data, "study", "import", "bids", str(folder), "--name", "dens", "--json")),
        "card": answer(affectline(
            data, "model", "train", "--study", "dens", *ASKED, "--model", "logistic", "--inputs", "eeg+ecg",
            "--publish", "dens-eeg-ecg", "--json", timeout=900,
        )),
        "visit": answer(affectline(data, "analyse", str(visit), "--patient", "P-0042", "--json")),
    }  # fmt: skip


def test_the_study_has_the_rated_films_of_everybody(told):
    study = told["study"]
    assert (study["n_subjects"], study["n_trials"]) == (3, 33)
    assert set(dens.TARGETS) <= set(study["targets"]) and study["inputs"] == ["eeg", "ecg", "emg"]
    assert study["left_out"] == [] and not study["simulated"]


def test_the_model_is_of_real_recordings_with_four_targets_evaluated_on_people_left_out(told):
    card = told["card"]
    assert list(card["targets"]) == list(dens.TARGETS) and not card["demonstration"]
    assert "Emotion with Naturalistic Stimuli" in card["basis"] and "CC0" in card["training"]["licence"]
    assert (card["targets"]["liking"]["lowest"], card["targets"]["liking"]["highest"]) == (1, 5)
    assert (card["training"]["n_subjects"], card["training"]["n_trials"]) == (3, 33)
    assert all(len(e["subjects"]) == 3 for e in card["loso"].values())
    assert card["loso"]["valence"]["balanced_accuracy"]["value"] > 0.6, "planted in the films, so they were found"
    assert {c["outcome"] for c in card["leak_audit"]["checks"]} <= {"pass", "not_checkable"}


def test_the_clinic_uses_it_without_being_told_for_a_net_of_128_and_not_the_demonstration(told):
    visit = told["visit"]
    assert visit["model"]["name"] == "dens-eeg-ecg" and "Naturalistic" in visit["model"]["basis"]
    assert list(visit["predictions"]) == list(dens.TARGETS)
    for p in visit["predictions"].values():
        assert 0 <= p["low"] <= p["p_high"] <= p["high"] <= 1 and p["label"] in ("High", "Low", "Unsure")
    assert all(len(code) == 8 for code in visit["state"]["codes"]), "liking is a letter of the code"
    said = {w["code"]: w["text"] for w in visit["warnings"]}
    assert "Of 128 EEG channels the model is given 14" in said["W-POSITIONS"]
    assert len(visit["quality"]["channels"]) == 129


def test_liking_is_in_history_exports_and_in_what_may_be_imported(told, site):
    data = site / "data"
    [session] = answer(affectline(data, "history", "P-0042", "--json"))["sessions"]
    assert session["predictions"]["liking"]["p_high"] == told["visit"]["predictions"]["liking"]["p_high"]
    for what, value in (("measures", "value"), ("windows", "p_high")):
        done = affectline(data, "export", "--what", what, "--format", "csv", "--out", str(site / what))
        assert done.returncode == 0, done.stderr
        rows = [row for path in (site / what).rglob(f"{what}*.csv") for row in csv.DictReader(path.open())]
        found = [row for row in rows if row.get("measure", row.get("target")) == "liking"]
        assert found and all(0 <= float(row[value]) <= 1 for row in found if row["reason"] == "")
    more = site / "more.csv"
    more.write_text("patient,started_at,measure,value\nP-0042,2026-01-05T10:00:00Z,liking,0.4\n")
    assert affectline(data, "measures", "import", str(more)).returncode == 0
    assert len(answer(affectline(data, "history", "P-0042", "--json"))["sessions"]) == 2


def test_why_says_what_liking_was_made_of(told, site, monkeypatch):
    monkeypatch.setattr(settings(), "data_dir", site / "data")
    store = Store.open(f"sqlite:///{site / 'data' / 'affectline.sqlite3'}")
    found = explanations.of_session(store, told["visit"]["session"])
    assert list(found["targets"]) == list(dens.TARGETS)
    said = found["targets"]["liking"]
    assert {row["name"] for row in said["modality"]["rows"]} == {"eeg", "ecg"}
    logit = float(np.mean(said["total"]))
    assert np.isfinite(logit) and len(said["total"]) == len(found["onset_s"]) > 10
    store.close()


def test_the_checklist_of_reporting_is_filled_from_the_runs_behind_the_card(told, site, monkeypatch):
    monkeypatch.setattr(settings(), "data_dir", site / "data")
    store = Store.open(f"sqlite:///{site / 'data' / 'affectline.sqlite3'}")
    found = models.reporting(store, "dens-eeg-ecg")
    assert list(found) == list(dens.TARGETS)
    assert all(len(axes) == 8 and any("3 subjects" in axis["text"] for axis in axes) for axes in found.values())
    store.close()


def test_the_same_three_commands_again_change_nothing(told, site):
    data = site / "data"
    again = answer(affectline(data, "study", "import", "bids", str(site / "ds003751"), "--name", "dens", "--json"))
    assert again == told["study"]
    assert (
        answer(affectline(data, "analyse", str(site / "visit.edf"), "--patient", "P-0042", "--json"))["session"]
        == (told["visit"]["session"])
    )
